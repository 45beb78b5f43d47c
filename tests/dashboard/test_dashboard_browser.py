"""A real browser looks at the dashboard of a real ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from frontier.dashboard.serving import served
from frontier.db import open_ledger

from .conftest import CONFIG, HOSTILE, HOSTILE_NAME, JOB, Window

Windows = Callable[..., Window]


def cells(page: Any, grid: str) -> list[dict[str, str]]:
    """The rows of a table as a reader sees them: text by column, in the order on the screen."""
    page.wait_for_selector(f"#{grid} .ag-center-cols-container .ag-row")
    return page.evaluate(
        """(grid) => {
            const rows = {};
            for (const row of document.querySelectorAll(`#${grid} .ag-row`)) {
                const at = row.getAttribute("row-index");
                rows[at] ??= {};
                for (const cell of row.querySelectorAll(".ag-cell")) {
                    rows[at][cell.getAttribute("col-id")] = cell.innerText.trim();
                }
            }
            return Object.keys(rows).sort((a, b) => a - b).map((at) => rows[at]);
        }""",
        grid,
    )


def overflow(page: Any) -> int:
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def test_a_name_is_text_and_never_markup(address: str, window: Windows) -> None:
    opened = window()
    page = opened.page
    page.goto(address)
    assert HOSTILE_NAME in [row["name"] for row in cells(page, "jobs-table")]
    page.goto(f"{address}/job/{HOSTILE}")
    assert page.locator("h1").inner_text() == HOSTILE_NAME
    assert page.locator("h1 b").count() == 0
    page.wait_for_function("document.title.endsWith('Frontier')")
    assert page.title() == f"{HOSTILE_NAME} · Frontier"
    assert opened.complaints == []


@pytest.mark.parametrize("path", ["/job/nope", f"/job/{JOB}/architecture/zzzz", "/elsewhere"])
def test_what_is_not_there_has_a_page(address: str, window: Windows, path: str) -> None:
    page = window().page
    page.goto(f"{address}{path}")
    page.get_by_role("heading", name="Not found").wait_for()
    page.get_by_role("link", name="All jobs").click()
    page.wait_for_url(f"{address}/")


def test_colours_follow_the_system(address: str, window: Windows) -> None:
    opened = window()
    page = opened.page
    page.goto(f"{address}/job/{HOSTILE}")
    ink = "document.querySelector('#job-curve .js-plotly-plot')?._fullLayout?.font.color"
    page.wait_for_function(f"{ink} === '#343a40'")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{ink} === '#c9c9c9'")
    page.wait_for_function("document.documentElement.dataset.mantineColorScheme === 'dark'")
    assert opened.complaints == []


def test_a_ledger_that_comes_late_and_goes_away(tmp_path: Path, window: Windows) -> None:
    path = tmp_path / "frontier.db"
    with served(str(path)) as address:
        page = window().page
        page.goto(address)
        page.get_by_role("heading", name="can't be read right now").wait_for()
        with open_ledger(str(path)):
            pass
        page.get_by_text("frontier search job.yaml").wait_for()
        with open_ledger(str(path)) as ledger:
            ledger.create_job(
                job_id=JOB,
                name="late",
                config=CONFIG,
                space={"name": "s"},
                run_dir="r",
                objectives=CONFIG["objectives"],
            )
        page.get_by_role("link", name="late").click()
        page.locator("#job-header .state").wait_for()
        path.rename(tmp_path / "away.db")
        page.locator("#job-notice").get_by_text("can't be read right now").wait_for()
        assert page.locator("h1").inner_text() == "late"
        (tmp_path / "away.db").rename(path)
        page.locator("#job-notice").get_by_text("can't be read right now").wait_for(state="detached")
