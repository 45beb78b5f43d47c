"""The whole way in a real browser over a real service: a search is launched, followed, explored and taken home."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from conftest import SMALL_JOB, frontier_command

from frontier.db import open_ledger

from .conftest import Window
from .test_explorer_browser import DIGESTS, RESTS, after, drag, table

TOKEN = "the token of this journey"
LIMIT_MS = 300_000


@pytest.fixture
def service(tmp_path: Path) -> Iterator[str]:
    folders = ("--db", tmp_path / "f.db", "--runs", tmp_path / "runs", "--exports", tmp_path / "exports")
    process = frontier_command("serve", *folders, "--port", 0, environment={"FRONTIER_TOKEN": TOKEN})
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-2000:]
    assert "Traceback" not in err


def test_from_the_form_to_a_model_that_runs(service: str, tmp_path: Path, window: Callable[..., Window]) -> None:
    opened = window(height=1400)
    page = opened.page
    log_in(page, service)
    job_id = launch(page, service, tmp_path)
    with open_ledger(str(tmp_path / "f.db"), read_only=True) as ledger:
        front = sorted(ledger.front(job_id)["digest"])
        complete = int((ledger.evaluations(job_id)["state"] == "complete").sum())
    page.get_by_role("link", name="Explorer").click()
    page.wait_for_function(RESTS)
    assert page.evaluate(DIGESTS) == front
    assert len(table(page)) == complete
    after(page, lambda: drag(page, "Box Select", [(0.01, 0.01), (0.99, 0.99)]))
    brushed = page.inner_text("#explorer-brushed")
    assert brushed == f"{len(table(page))} selected; the others are faint."
    digest = pick(page)
    compare(page)
    page.goto(f"{service}/job/{job_id}/architecture/{digest}")
    folder = take_home(page, tmp_path)
    said = subprocess.run(
        [sys.executable, "model.py", "--prompt", "import"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("import")
    assert opened.complaints == []
    assert opened.strangers == []


def log_in(page: Any, service: str) -> None:
    page.goto(f"{service}/login")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("Log out").wait_for()


def launch(page: Any, service: str, folder: Path) -> str:
    """Launch a small search from the form, on a device that is still to be measured, and wait for its end."""
    space = folder / "space.yaml"
    space.write_text(yaml.safe_dump(SMALL_JOB["space"]))
    settings = {"name": "journey", "space": space, "context": 32, "seq_len": 31, "steps": 16, "evaluations": 12}
    page.goto(f"{service}/new?{urlencode({**settings, 'finalists': 2, 'workers': 1})}")
    page.get_by_role("button", name="Launch").click()
    link = page.get_by_role("link", name=re.compile("journey-"))
    link.wait_for(timeout=LIMIT_MS)
    link.click()
    page.locator(".state-done").first.wait_for(timeout=LIMIT_MS)
    return str(page.url).rsplit("/", 1)[-1]


def pick(page: Any) -> str:
    """Let the page pick the knee, and give its digest."""
    after(page, lambda: (page.locator("#explorer-pick").click(), page.get_by_role("option", name="The knee").click()))
    assert page.inner_text("#explorer-pick-reason")
    return str(page.locator("#explorer-pick-link").get_attribute("href")).rsplit("/", 1)[-1]


def compare(page: Any) -> None:
    boxes = page.locator("#explorer-table input[type=checkbox]")
    after(page, lambda: (boxes.nth(0).click(), boxes.nth(1).click()))
    page.locator("#explorer-compare").click()
    page.wait_for_url("**/compare?with=*")
    for digest in str(page.url).rsplit("=", 1)[-1].replace("%2C", ",").split(","):
        page.get_by_text(digest[:8]).first.wait_for()


def take_home(page: Any, folder: Path) -> Path:
    """Export the architecture of the page, download the archive and unpack it."""
    page.locator("#architecture-export-start").click()
    link = page.get_by_role("link", name=re.compile(r"Download .*\.zip"))
    link.wait_for(timeout=LIMIT_MS)
    with page.expect_download() as download:
        link.click()
    home = folder / "home"
    zipfile.ZipFile(download.value.path()).extractall(home)
    (model,) = home.glob("*/model.py")
    return model.parent
