"""A real browser looks at the dashboard of a real ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from frontier.dashboard.numbers import count, interval, latency, loss
from frontier.dashboard.serving import served
from frontier.db import CurvePoint, Evaluation, open_ledger

from .conftest import CONFIG, HOSTILE, HOSTILE_NAME, JOB, Window, architectures, seed

Windows = Callable[..., Window]

# The place of a point on the screen, by plotly's own conversion from data to pixels.
PIXEL = """(digest) => {
    const plot = document.querySelector("#job-pareto .js-plotly-plot");
    const box = plot.getBoundingClientRect();
    const {xaxis, yaxis} = plot._fullLayout;
    for (const trace of plot._fullData) {
        const at = (trace.customdata || []).indexOf(digest);
        if (at >= 0) {
            const [x, y] = [xaxis.d2p(trace.x[at]), yaxis.d2p(trace.y[at])];
            return {x: box.x + xaxis._offset + x, y: box.y + yaxis._offset + y};
        }
    }
    return null;
}"""


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


def drawn(page: Any) -> None:
    """Wait until the Pareto figure is drawn."""
    page.wait_for_function(
        "document.querySelector('#job-pareto .js-plotly-plot')?._fullLayout?.xaxis?.d2p !== undefined"
    )
    page.wait_for_selector("#job-pareto canvas", state="attached")


X_RANGE = "document.querySelector('#job-pareto .js-plotly-plot')._fullLayout.xaxis.range"
FRONT_POINTS = (
    "document.querySelector('#job-pareto .js-plotly-plot')._fullData.find(({name}) => name === 'front')?.x.length"
)


def zoom(page: Any) -> list[float]:
    """Draw a box in the Pareto figure as a reader does; gives the range of x it zooms to."""
    before = page.evaluate(X_RANGE)
    box = page.locator("#job-pareto .nsewdrag").first.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.8 * box["height"], steps=4)
    page.mouse.up()
    page.wait_for_function(f"{X_RANGE}[0] > {before[0]}")
    return page.evaluate(X_RANGE)


def overflow(page: Any) -> int:
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def test_the_front_on_the_page_is_the_front_in_the_ledger(address: str, ledger_path: str, window: Windows) -> None:
    opened = window()
    page = opened.page
    page.goto(address)
    page.get_by_role("link", name="stdlib-bytes").click()
    page.wait_for_url(f"{address}/job/{JOB}")
    with open_ledger(ledger_path, read_only=True) as ledger:
        front = ledger.front(JOB)
        tuned = ledger.recorded(JOB, "finetuned")
    expected = [
        {
            "digest_short": row["digest"][:8],
            "val_loss": loss(row["val_loss"]),
            "latency_ms": interval(row["latency_ms"], row["latency_low_ms"], row["latency_high_ms"]),
            "latency_measured_ms": latency(tuned[row["digest"]].latency_measured_ms) if row["digest"] in tuned else "–",
            "tuned_loss": loss(tuned[row["digest"]].val_loss) if row["digest"] in tuned else "–",
            "param_count": count(row["param_count"]),
        }
        for row in front.to_dict("records")
    ]
    read = cells(page, "job-front")
    assert [{key: row[key] for key in expected[0]} for row in read] == expected
    assert opened.complaints == []
    assert opened.strangers == []


def test_a_point_and_a_row_lead_to_their_architecture(address: str, ledger_path: str, window: Windows) -> None:
    with open_ledger(ledger_path, read_only=True) as ledger:
        digests = ledger.front(JOB)["digest"].tolist()
    opened = window()
    page = opened.page
    page.goto(f"{address}/job/{JOB}")
    drawn(page)
    # An extreme of the front has no neighbour close enough to be hit in its place.
    at = page.evaluate(PIXEL, digests[0])
    page.mouse.move(at["x"] - 3, at["y"])
    page.mouse.move(at["x"], at["y"])
    page.mouse.click(at["x"], at["y"])
    page.wait_for_url(f"{address}/job/{JOB}/architecture/{digests[0]}")
    page.get_by_role("heading", name=f"Architecture {digests[0]}").wait_for()
    assert page.locator("#architecture-export").inner_text() == (
        f"frontier export {JOB} {digests[0]} --format pytorch --out exports/{digests[0]}"
    )
    page.go_back()
    page.locator('#job-front .ag-row[row-index="1"] .ag-cell[col-id="val_loss"]').click()
    page.wait_for_url(f"{address}/job/{JOB}/architecture/{digests[1]}")
    page.go_back()
    page.locator('#job-front .ag-row[row-index="2"] .ag-cell[col-id="digest_short"]').focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/job/{JOB}/architecture/{digests[2]}")
    assert opened.complaints == []
    assert opened.strangers == []


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


def test_a_narrow_screen_scrolls_down_only(address: str, ledger_path: str, window: Windows) -> None:
    with open_ledger(ledger_path, read_only=True) as ledger:
        digest = ledger.front(JOB, "finetuned")["digest"].iloc[0]
    page = window(width=390, scheme="dark").page
    for path, ready in (
        ("/", ".ag-row"),
        (f"/job/{JOB}", "#job-pareto .main-svg"),
        (f"/job/{JOB}/architecture/{digest}", "#architecture-latency-decode .main-svg"),
    ):
        page.goto(f"{address}{path}")
        page.locator(ready).first.wait_for()
        assert overflow(page) <= 0, path


def test_colours_follow_the_system(address: str, window: Windows) -> None:
    opened = window()
    page = opened.page
    page.goto(f"{address}/job/{HOSTILE}")
    ink = "document.querySelector('#job-pareto .js-plotly-plot')?._fullLayout?.font.color"
    page.wait_for_function(f"{ink} === '#343a40'")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{ink} === '#c9c9c9'")
    page.wait_for_function("document.documentElement.dataset.mantineColorScheme === 'dark'")
    assert opened.complaints == []


def test_the_view_is_in_the_address(address: str, window: Windows) -> None:
    page = window().page
    page.goto(f"{address}/job/{JOB}?x=param_count&scale=log")
    drawn(page)
    axis = "document.querySelector('#job-pareto .js-plotly-plot')._fullLayout.xaxis"
    assert page.evaluate(f"{axis}.type") == "log"
    page.get_by_text("Linear", exact=True).click()
    page.wait_for_url(f"{address}/job/{JOB}?x=param_count")
    page.wait_for_function(f"{axis}.type === 'linear'")
    page.go_back()
    page.wait_for_function(f"{axis}?.type === 'log'")


def test_a_running_job_is_followed_until_it_is_done(tmp_path: Path, window: Windows) -> None:
    path = str(tmp_path / "frontier.db")
    seed(path, count=63, state="running")
    with served(path) as address, open_ledger(path) as ledger:
        opened = window()
        page = opened.page
        page.goto(f"{address}/job/{JOB}")
        drawn(page)
        zoomed = zoom(page)
        best = architectures(64)[-1]
        ledger.record(
            JOB, [Evaluation(best.to_json(), best.digest, "inherited", "complete", val_loss=0.5, latency_ms=0.1)]
        )
        ledger.add_curve(JOB, [CurvePoint(620, "largest", 1.5, 430.0)])
        page.wait_for_function(f"document.querySelector('#job-front').innerText.includes('{best.digest[:8]}')")
        # The newcomer is better than all of them, so the table is down to one row, and the reader's zoom is untouched.
        page.wait_for_function("document.querySelectorAll('#job-front .ag-center-cols-container .ag-row').length === 1")
        page.wait_for_function(f"{FRONT_POINTS} === 1")
        assert page.evaluate(X_RANGE) == zoomed
        ledger.set_state(JOB, "done")
        page.wait_for_function("document.querySelector('#job-header .state').innerText === 'done'")
        page.wait_for_function("dash_component_api.getLayout('job-clock').props.disabled === true")
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
