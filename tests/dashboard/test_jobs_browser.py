"""A real browser looks at jobs and devices, follows one that runs, and does what the buttons say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from frontier.dashboard.access.access import Access
from frontier.dashboard.numbers import count, loss
from frontier.dashboard.serving import served
from frontier.db import CurvePoint, Evaluation, Ledger, open_ledger

from .conftest import CONFIG, JOB, Window, seed
from .test_dashboard_browser import cells, overflow

Windows = Callable[..., Window]
NEW: dict[str, Any] = {
    "config": CONFIG,
    "space": {"name": "s"},
    "run_dir": "runs/n",
    "objectives": CONFIG["objectives"],
}


class Allowed(Access):
    """Whoever asks may change things."""

    def granted(self) -> bool:
        return True


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "frontier.db")


@pytest.fixture
def ledger(path: str) -> Iterator[Ledger]:
    with open_ledger(path) as ledger:
        yield ledger


def evaluation(digest: str, val_loss: float, latency_ms: float = 1.0) -> Evaluation:
    return Evaluation({}, digest, "inherited", "complete", val_loss=val_loss, latency_ms=latency_ms, worker="worker 0")


def test_the_table_holds_what_the_ledger_holds_and_follows_it(path: str, ledger: Ledger, window: Windows) -> None:
    for job_id in ("first", "second"):
        ledger.create_job(job_id=job_id, name=job_id, **NEW)
    ledger.record("first", [evaluation("a", 2.0, 2.0), evaluation("b", 1.0, 3.0), evaluation("d", 1.25, 2.25)])
    with served(path) as address:
        opened = window()
        page = opened.page
        page.goto(address)
        shown = {row["name"]: row for row in cells(page, "jobs-table")}
        assert (shown["first"]["complete"], shown["first"]["best_val_loss"]) == ("3", loss(1.0))
        page.locator("#jobs-table .sparkline").wait_for()
        assert page.locator("#jobs-table .cell-action").count() == 0
        page.get_by_text("2 jobs wait and nobody is there").wait_for()
        ledger.announce("c", "here", 600.0)
        ledger.record("second", [evaluation("c", 0.5)])
        page.wait_for_function("document.querySelector('#jobs-table').innerText.includes('0.5000')")
        page.get_by_text("nobody is there").wait_for(state="detached")
        ledger.delete_job("first")
        page.wait_for_function("!document.querySelector('#jobs-table').innerText.includes('first')")
        assert opened.complaints == []
        assert opened.strangers == []


def test_buttons_stop_resume_and_delete(path: str, ledger: Ledger, window: Windows) -> None:
    ledger.create_job(job_id="j", name="mine", **NEW, priority=0)
    ledger.create_job(job_id="k", name="other", **NEW)
    ledger.set_state("k", "done")
    with served(path, Allowed("a-token-of-some-length")) as address:
        opened = window()
        page = opened.page
        page.goto(address)
        page.get_by_role("button", name="Stop mine").click()
        page.get_by_text("mine is asked to stop").wait_for()
        page.get_by_role("button", name="Resume mine").click()
        page.get_by_text("mine waits for a controller").wait_for()
        assert ledger.job("j").state == "queued"
        page.get_by_role("button", name="Delete other").click()
        page.get_by_role("dialog").get_by_text("goes for good").wait_for()
        page.get_by_role("button", name="Keep it").click()
        page.get_by_role("dialog").wait_for(state="detached")
        assert ledger.job("k").name == "other"
        page.get_by_role("button", name="Delete other").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.get_by_text("other is deleted").wait_for()
        page.wait_for_function(
            "document.querySelectorAll('#jobs-table .ag-center-cols-container .ag-row').length === 1"
        )
        # The page of a job has the same buttons, and opening it does nothing by itself.
        page.goto(f"{address}/job/j")
        page.get_by_role("button", name="Stop mine").click()
        page.get_by_role("button", name="Delete mine").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.wait_for_url(f"{address}/")
        page.get_by_role("heading", name="No jobs yet").wait_for()
        assert opened.complaints == []


def test_opening_the_page_of_a_job_leaves_it_there(path: str, window: Windows) -> None:
    seed(path, count=63)
    with served(path, Allowed("a-token-of-some-length")) as address, open_ledger(path, read_only=True) as ledger:
        page = window().page
        page.goto(f"{address}/job/{JOB}")
        page.locator("#job-hypervolume .main-svg").first.wait_for()
        page.get_by_role("link", name="Jobs", exact=True).click()
        page.locator("#jobs-table .ag-row").first.wait_for()
        page.go_back()
        page.locator("#job-hypervolume .main-svg").first.wait_for()
        page.wait_for_timeout(1000)
        assert ledger.job(JOB).state == "done"
        assert page.get_by_text("Not done").count() == 0


def test_a_running_job_is_followed_until_it_is_done(path: str, window: Windows) -> None:
    seed(path, count=63, state="running")
    with served(path) as address, open_ledger(path) as ledger:
        opened = window()
        page = opened.page
        page.goto(f"{address}/job/{JOB}?over=time")
        page.locator("#job-curve .main-svg").first.wait_for()
        before = ledger.standing(JOB).evaluations
        ledger.record(JOB, [evaluation("best", 0.5, 0.1)])
        page.wait_for_function(f"document.querySelector('#job-counts').innerText.includes('{count(before + 1)}')")
        page.wait_for_function("document.querySelector('#job-counts').innerText.includes('0.5000')")
        assert f"changed at evaluation {before + 1} of" in page.locator("#job-hypervolume-words").inner_text()
        ledger.add_curve(JOB, [CurvePoint(620, "largest", 1.5, 430.0)])
        page.get_by_text("After 620 steps").wait_for()
        ledger.add_event(JOB, "search", "info", "<b>something</b>")
        page.get_by_text("<b>something</b>").wait_for()
        axis = "document.querySelector('#job-curve .js-plotly-plot')._fullLayout.xaxis.title.text"
        assert "time" in page.evaluate(axis)
        page.get_by_text("Steps and evaluations", exact=True).click()
        page.wait_for_url(f"{address}/job/{JOB}")
        page.wait_for_function(f"{axis} === 'supernet training step'")
        ledger.set_state(JOB, "done")
        page.wait_for_function("document.querySelector('#job-header .state').innerText === 'done'")
        page.wait_for_function("dash_component_api.getLayout('job-clock').props.disabled === true")
        assert opened.complaints == []


def test_a_device_is_found_and_its_view_is_in_the_address(address: str, ledger_path: str, window: Windows) -> None:
    opened = window()
    page = opened.page
    page.goto(address)
    page.get_by_role("link", name="Devices", exact=True).click()
    page.get_by_role("link", name="laptop").first.click()
    page.wait_for_url(f"{address}/device/laptop")
    page.locator("#device-check .main-svg").first.wait_for()
    with open_ledger(ledger_path, read_only=True) as ledger:
        latest = ledger.validations("laptop").iloc[-1]
        calls = len(ledger.measurements("laptop"))
    assert len(cells(page, "device-pairs")) == latest["count"]
    assert len(cells(page, "device-kernels")) == calls
    page.get_by_text("Floating-point operations", exact=True).click()
    page.wait_for_url(f"{address}/device/laptop?size=flops")
    axis = "document.querySelector('#device-utilisation .js-plotly-plot')?._fullLayout?.xaxis.title.text"
    page.wait_for_function(f"{axis} === 'floating-point operations'")
    page.goto(f"{address}/device/laptop?size=flops&check=1")
    page.wait_for_function(f"{axis} === 'floating-point operations'")
    assert page.locator("#device-check-words").inner_text().startswith("9 held-out")
    assert opened.complaints == []
    assert opened.strangers == []


@pytest.mark.parametrize("path_of", ["/", f"/job/{JOB}", "/devices", "/device/laptop"])
def test_a_narrow_screen_scrolls_down_only(address: str, window: Windows, path_of: str) -> None:
    page = window(width=390, scheme="dark").page
    page.goto(f"{address}{path_of}")
    page.locator("h1").wait_for()
    page.locator(".ag-row, .plain-table").first.wait_for()
    assert overflow(page) <= 0
