"""A new search from the form in a real browser: the file follows the form, a price is asked, a search is launched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from frontier.dashboard.access.access import Access
from frontier.dashboard.serving import served
from frontier.db import Ledger, open_ledger

from .conftest import JOB, Window, seed

TOKEN = "a-token-of-some-length"


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = str(tmp_path / "frontier.db")
    seed(path, count=30)
    return path


@pytest.fixture
def service(database: str) -> Iterator[str]:
    with served(database, Access(TOKEN)) as address:
        yield address


def job_file(page: Any) -> dict[str, Any]:
    return yaml.safe_load(page.locator("#new-search-text").inner_text())


def wait_for_file(page: Any, line: str) -> dict[str, Any]:
    page.wait_for_function("line => document.getElementById('new-search-text').innerText.includes(line)", arg=line)
    return job_file(page)


def carried_out(page: Any, ledger: Ledger, state: str, **result: Any) -> str:
    """Carry out what the page asks for next, as a controller does; gives the job file that was sent."""
    for _ in range(200):
        if command := ledger.claim_command("controller", 60.0):
            message = result.pop("message", None)
            ledger.finish_command(command.id, "controller", state, message, result)
            return command.arguments["job_file"]
        page.wait_for_timeout(50)
    raise AssertionError("the page asked for nothing")


def test_a_search_is_launched_from_the_form(service: str, database: str, window: Callable[..., Window]) -> None:
    opened = window()
    page = opened.page
    page.goto(f"{service}/new")
    page.wait_for_selector("#new-search-text")
    assert page.locator("#new-search-launch").count() == 0
    page.get_by_role("link", name="Log in to change").click()
    page.get_by_label("Token").fill("not the token at all")
    page.get_by_role("button", name="Log in").click()
    assert "did not match" in page.get_by_role("alert").inner_text()
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{service}/new")
    page.get_by_text("Log out").wait_for()

    page.get_by_label("Name").fill("from-the-form")
    page.get_by_label("Latency, at most (ms)").fill("3.5")
    page.get_by_text("Parameters", exact=True).click()
    wait_for_file(page, "max: 3.5")
    wait_for_file(page, "from-the-form")
    job = wait_for_file(page, "param_count")
    assert (job["name"], job["constraints"]) == ("from-the-form", {"latency_ms": {"max": 3.5}})
    page.wait_for_url(f"{service}/new?*max_latency_ms=3.5*")
    page.reload()
    page.wait_for_selector("#new-search-text")
    assert job_file(page) == job
    assert page.get_by_label("Name").input_value() == "from-the-form"

    with open_ledger(database) as ledger:
        page.get_by_role("button", name="What would it cost?").click()
        price = {
            "count": "123456789",
            "latency_low_ms": 0.4,
            "latency_high_ms": 7.9,
            "param_low": 1e4,
            "param_high": 1e6,
        }
        assert yaml.safe_load(carried_out(page, ledger, "done", latency_note="on laptop", **price)) == job
        page.get_by_text("0.400 to 7.90 ms").wait_for()

        page.get_by_role("button", name="Launch").click()
        carried_out(page, ledger, "failed", message="job file: device.seq_len: at most 63; got 127")
        page.get_by_text("device.seq_len: at most 63; got 127").wait_for()
        page.get_by_role("button", name="Launch").click()
        assert yaml.safe_load(carried_out(page, ledger, "done", job_id=JOB)) == job
    page.get_by_role("link", name=JOB).click()
    page.wait_for_url(f"{service}/job/{JOB}")
    page.get_by_text("Log out").click()
    page.get_by_text("Log in to change").wait_for()
    # A browser tells of the one answer that was meant to refuse.
    assert [line for line in opened.complaints if "403" not in line] == []
    assert opened.strangers == []


def test_images_bring_their_own_space_and_have_no_phase(service: str, window: Callable[..., Window]) -> None:
    page = window(width=390).page
    page.goto(f"{service}/new")
    page.wait_for_selector("#new-search-text")
    page.get_by_text("Images", exact=True).click()
    job = wait_for_file(page, "pyramid-vit")
    assert job["task"] == {"kind": "image_classification"}
    assert job["device"].keys() == {"name", "device", "threads", "batch"}
    assert not page.locator("#new-search-phase").is_visible()
    page.get_by_label("Batch").fill("")
    page.get_by_text("device.batch: a value is needed; got nothing").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
