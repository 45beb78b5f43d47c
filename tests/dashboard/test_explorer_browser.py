"""A real browser explores a job: what it shows is the ledger's, whatever is limited, brushed, picked or added."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from frontier.dashboard.numbers import count, interval, latency, loss, mebibytes
from frontier.dashboard.serving import served
from frontier.db import Evaluation, open_ledger
from frontier.db.front import Front

from .conftest import CONFIG, FINALISTS, JOB, Window, architectures, seed

Windows = Callable[..., Window]
STATE = "window.frontierExplorer.state"
# Drawn, the sample of choices read, and nothing about to follow.
RESTS = f"window.frontierExplorer?.state?.settled > 0 && {STATE}.sample !== null && !{STATE}.timer && !{STATE}.frame"
DIGESTS = f"{STATE}.front.map((row) => {STATE}.points.digest(row)).sort()"


def explore(page: Any, address: str, query: str = "") -> None:
    """Open the explorer and wait until all of it is drawn."""
    page.goto(f"{address}/job/{JOB}/explorer{query}")
    page.wait_for_function(RESTS)


def after(page: Any, act: Callable[[], Any]) -> None:
    """Do something and wait until all has followed."""
    settled = page.evaluate(f"{STATE}.settled")
    act()
    page.wait_for_function(f"{STATE}.settled > {settled} && {RESTS}")


def drag(page: Any, mode: str, corners: list[tuple[float, float]]) -> None:
    """Draw in the figure with one of its tools, corners as shares of its width and height."""
    page.locator("#explorer-plot").hover()
    page.locator(f'#explorer-plot .modebar-btn[data-title="{mode}"]').click()
    box = page.locator("#explorer-plot .nsewdrag").first.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def table(page: Any) -> list[dict[str, Any]]:
    """Every row that the table holds, on the screen or not."""
    return page.evaluate(
        """() => {
            const rows = [];
            dash_ag_grid.getApi("explorer-table").forEachNodeAfterFilterAndSort(({data}) => rows.push(data));
            return rows;
        }"""
    )


def test_what_is_drawn_is_what_the_ledger_holds(address: str, ledger_path: str, window: Windows) -> None:
    with open_ledger(ledger_path, read_only=True) as ledger:
        rows = ledger.evaluations(JOB)
        front = ledger.front(JOB)
        past = ledger.front(JOB, at_seq=90)
    complete = rows[rows["state"] == "complete"]
    opened = window()
    page = opened.page
    explore(page, address)
    assert page.evaluate(f"{STATE}.cloud.works")
    assert page.evaluate(DIGESTS) == sorted(front["digest"])
    assert f"{count(len(complete))} of {count(len(rows))} evaluations drawn" in page.inner_text("#explorer-summary")
    listed = {row["seq"]: row for row in table(page)}
    assert sorted(listed) == sorted(complete["seq"])
    assert {row["digest"] for row in listed.values() if row["on_front"]} == set(front["digest"])
    for row in complete.to_dict("records")[::17]:
        assert listed[row["seq"]]["val_loss"] == pytest.approx(row["val_loss"], rel=1e-6)
    shown = front.sort_values("latency_ms").iloc[0]
    cells = page.locator('#explorer-table .ag-center-cols-container [row-index="0"]')
    expected = {
        "val_loss": loss(shown["val_loss"]),
        "latency_predicted_ms": interval(shown["latency_ms"], shown["latency_low_ms"], shown["latency_high_ms"]),
        "param_count": count(shown["param_count"]),
        "peak_memory_bytes": mebibytes(shown["peak_memory_bytes"]),
    }
    assert {name: cells.locator(f'[col-id="{name}"]').inner_text() for name in expected} == expected
    bars = page.evaluate(f"window.frontierExplorer.intervals({STATE}.points, {STATE}.front, 'latency_ms')")
    assert len(bars) == len(front)
    assert sum(low for _, low, _ in bars) == pytest.approx(front["latency_low_ms"].sum(), rel=1e-5)
    assert sum(high for _, _, high in bars) == pytest.approx(front["latency_high_ms"].sum(), rel=1e-5)
    tuned = page.evaluate(
        f"""() => {{
            const {{x, marker}} = {STATE}.gd._fullData.find(({{meta}}) => meta === "tuned");
            return {{x: Array.from(x), symbol: marker.symbol}};
        }}"""
    )
    assert sum(tuned["x"]) == pytest.approx(rows["latency_measured_ms"].sum(), rel=1e-5)
    assert tuned["symbol"] == "diamond"
    axes = page.evaluate(f"[{STATE}.gd._fullLayout.xaxis.title.text, {STATE}.gd._fullLayout.yaxis.title.text]")
    assert axes == ["latency (ms): ◆ measured, ● predicted", "validation loss (nats per byte)"]
    page.locator("#explorer-at").fill("90")
    page.wait_for_function(f"{STATE}.front.length === {len(past)}")
    assert page.evaluate(DIGESTS) == sorted(past["digest"])
    assert opened.complaints == []
    assert opened.strangers == []


def test_a_point_leads_to_its_architecture(address: str, window: Windows) -> None:
    page = window().page
    explore(page, address)
    digest = page.evaluate(f"{STATE}.points.digest({STATE}.front[0])")
    at = page.evaluate(f"window.frontierExplorer.pixel({STATE}, {STATE}.front[0])")
    box = page.locator("#explorer-plot").bounding_box()
    page.mouse.move(box["x"] + at["x"] - 3, box["y"] + at["y"])
    page.mouse.move(box["x"] + at["x"], box["y"] + at["y"])
    page.wait_for_function(f"document.querySelector('#explorer-hover').textContent.startsWith('{digest}')")
    page.mouse.click(box["x"] + at["x"], box["y"] + at["y"])
    page.wait_for_url(f"{address}/job/{JOB}/architecture/{digest}")


@pytest.mark.parametrize("objectives", [["val_loss", "param_count"], ["val_loss", "param_count", "train_latency_ms"]])
def test_the_front_within_limits_is_that_of_the_ledger(address: str, window: Windows, objectives: list[str]) -> None:
    rng = Random(len(objectives))
    rows = [[rng.choice([None, *map(float, range(8))]) for _ in objectives] for _ in range(63)]
    within = [rng.random() < 0.8 for _ in rows]
    front = Front()
    for number, (row, keep) in enumerate(zip(rows, within, strict=True)):
        if keep:
            front.offer(str(number), row)
    page = window().page
    page.goto(address)
    page.wait_for_function("window.frontierExplorer?.Points !== undefined")
    found = page.evaluate(
        """([objectives, rows, within]) => {
            const points = new frontierExplorer.Points();
            points.count = rows.length;
            points.columns = {state: new Uint8Array(rows.length), fidelity: new Uint8Array(rows.length)};
            objectives.forEach((name, at) => {
                points.columns[name] = Float32Array.from(rows, (row) => (row[at] === null ? NaN : row[at]));
            });
            const view = {fidelity: "both", limits: {val_loss: 9}};
            return frontierExplorer.currentFront(points, view, Uint8Array.from(within, Number), objectives);
        }""",
        [objectives, rows, within],
    )
    assert sorted(found) == sorted(map(int, front.members))


def test_limits_leave_the_front_of_what_is_within_them(address: str, ledger_path: str, window: Windows) -> None:
    with open_ledger(ledger_path, read_only=True) as ledger:
        rows = ledger.evaluations(JOB, "inherited")
    rows = rows[(rows["state"] == "complete") & (rows["param_count"] <= 200_000)]
    best: list[str] = []
    least = float("inf")
    for row in rows.sort_values(["latency_ms", "val_loss"]).to_dict("records"):
        if row["val_loss"] < least:
            best, least = [*best, row["digest"]], row["val_loss"]
    page = window().page
    explore(page, address)
    field = page.get_by_label("Parameters (millions) at most, as a number")
    after(page, lambda: (field.fill("0.2"), field.press("Enter")))
    assert page.evaluate(DIGESTS) == sorted(best)
    assert page.url.endswith("?max_param_count=200000")
    assert all(row["param_count"] <= 200_000 for row in table(page))
    after(page, lambda: page.get_by_role("button", name="Clear limits").click())
    assert page.url.endswith("/explorer")
    slider = page.get_by_label("Validation loss at most", exact=True)
    after(page, lambda: (slider.focus(), page.keyboard.press("ArrowLeft"), page.keyboard.press("ArrowLeft")))
    assert "max_val_loss=" in page.url


def test_a_view_survives_its_address(address: str, window: Windows) -> None:
    opened = window()
    page = opened.page
    explore(page, address, "?xscale=log&max_val_loss=1.95")
    after(page, lambda: drag(page, "Lasso Select", [(0.05, 0.1), (0.6, 0.15), (0.55, 0.9), (0.1, 0.8)]))
    inside = page.inner_text("#explorer-brushed")
    selected = len(table(page))
    assert inside == f"{selected} selected; the others are faint."
    assert 0 < selected < 190
    after(page, lambda: drag(page, "Zoom", [(0.1, 0.1), (0.8, 0.9)]))
    after(page, lambda: (page.locator("#explorer-pick").click(), page.get_by_role("option", name="The knee").click()))
    boxes = page.locator("#explorer-table input[type=checkbox]")
    after(page, lambda: (boxes.nth(0).click(), boxes.nth(2).click()))
    reason, link = page.inner_text("#explorer-pick-reason"), page.locator("#explorer-pick-link").get_attribute("href")
    view, url = page.evaluate(f"JSON.stringify({STATE}.view)"), page.url
    page.reload()
    page.wait_for_function(RESTS)
    assert page.url == url
    assert page.evaluate(f"JSON.stringify({STATE}.view)") == view
    assert page.inner_text("#explorer-brushed") == inside
    assert page.inner_text("#explorer-pick-reason") == reason
    page.locator("#explorer-pick-link").click()
    page.wait_for_url(f"{address}{link}")
    page.go_back()
    page.wait_for_function(f"location.href === {url!r} && {RESTS}")
    row = table(page)[0]
    page.locator('#explorer-table .ag-center-cols-container [row-index="0"] [col-id="val_loss"]').click()
    page.wait_for_url(f"{address}{row['href']}")
    page.go_back()
    page.wait_for_function(f"location.href === {url!r} && {RESTS}")
    ticked = page.evaluate(f"{STATE}.view.ticked")
    page.get_by_role("link", name="Compare these 2").click()
    page.wait_for_url(f"{address}/job/{JOB}/compare?with={','.join(ticked)}")
    assert opened.complaints == []


def test_picks_are_the_ones_that_the_rules_say(address: str, ledger_path: str, window: Windows) -> None:
    with open_ledger(ledger_path, read_only=True) as ledger:
        front = ledger.front(JOB)
    page = window().page
    picked = f"{STATE}.points.digest({STATE}.picked)"
    within = front[front["val_loss"] <= 1.05 * front["val_loss"].min()]
    explore(page, address, "?pick=cheapest:5")
    assert page.evaluate(picked) == within.sort_values("latency_ms")["digest"].iloc[0]
    assert "5\u00a0%" in page.inner_text("#explorer-pick-reason")
    limit = front["latency_ms"].median()
    under = front[front["latency_ms"] <= limit]
    explore(page, address, f"?pick=under:{limit:.6f}")
    best = under.sort_values("val_loss").iloc[0]
    assert page.evaluate(picked) == best["digest"]
    assert f"it takes {latency(best['latency_ms'])}\u00a0ms" in page.inner_text("#explorer-pick-reason")
    explore(page, address, "?pick=under:0.0001")
    assert "None of the front" in page.inner_text("#explorer-pick-reason")


def test_ranges_on_the_choices_filter_the_rest(address: str, ledger_path: str, window: Windows) -> None:
    page = window().page
    # The third depth of the space, by its place on the axis.
    explore(page, address, "?range_depth=1.5,2.5&shown=depth,width")
    with open_ledger(ledger_path, read_only=True) as ledger:
        rows = ledger.evaluations(JOB)
    kept = rows[(rows["state"] == "complete") & rows["architecture"].map(lambda one: len(one["blocks"]) == 4)]
    assert {row["digest"] for row in table(page)} == set(kept["digest"])
    page.locator("#explorer-parallel").scroll_into_view_if_needed()
    page.wait_for_selector("#explorer-parallel .axis-brush", state="attached")
    assert page.locator("#explorer-parallel .axis-title").all_text_contents()[:2] == ["depth", "width"]
    after(page, lambda: page.get_by_role("button", name="Clear ranges").click())
    assert len(table(page)) == (rows["state"] == "complete").sum()


def test_the_table_is_saved_as_csv(address: str, ledger_path: str, window: Windows) -> None:
    page = window().page
    explore(page, address, "?fidelity=finetuned")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV").click()
    assert saved.value.suggested_filename == "stdlib-bytes-architectures.csv"
    lines = list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_text(encoding="utf-8-sig"))))
    with open_ledger(ledger_path, read_only=True) as ledger:
        rows = ledger.evaluations(JOB, "finetuned").set_index("digest")
    assert len(lines) == FINALISTS
    for line in lines:
        row = rows.loc[line["Architecture"]]
        assert float(line["Validation loss"]) == pytest.approx(row["val_loss"], rel=1e-6)
        assert float(line["Latency, measured (ms)"]) == pytest.approx(row["latency_measured_ms"], rel=1e-6)


def test_a_running_job_grows_and_the_view_stays(tmp_path: Path, window: Windows) -> None:
    path = str(tmp_path / "frontier.db")
    seed(path, count=63, state="running")
    best = architectures(64)[-1]
    with served(path) as address, open_ledger(path) as ledger:
        page = window().page
        explore(page, address, "?zoom=0,5,0,3&max_latency_ms=4")
        known = page.evaluate(f"{STATE}.points.count")
        ledger.record(
            JOB, [Evaluation(best.to_json(), best.digest, "inherited", "complete", val_loss=0.5, latency_ms=0.1)]
        )
        page.wait_for_function(f"{STATE}.points.count === {known + 1}")
        page.wait_for_function(f"{STATE}.front.length === 1")
        assert page.evaluate(DIGESTS) == [best.digest]
        assert page.evaluate(f"{STATE}.gd._fullLayout.xaxis.range") == [0, 5]
        assert page.url.endswith("max_latency_ms=4&zoom=0%2C5%2C0%2C3")
        Path(path).rename(tmp_path / "away.db")
        page.get_by_text("The points can't be read right now").wait_for()
        (tmp_path / "away.db").rename(path)
        page.get_by_text("The points can't be read right now").wait_for(state="hidden")


def test_another_jobs_front_is_laid_over(tmp_path: Path, window: Windows) -> None:
    path = str(tmp_path / "frontier.db")
    seed(path, count=63)
    chosen = architectures(3, seed=99)
    with open_ledger(path) as ledger:
        ledger.create_job(
            job_id="other",
            name="<b>other</b>",
            config=CONFIG,
            space={},
            run_dir="r",
            objectives=CONFIG["objectives"],
        )
        points = [(1.9, 1.0), (1.7, 2.0), (1.8, 2.5)]
        ledger.record(
            "other",
            [
                Evaluation(one.to_json(), one.digest, "inherited", "complete", val_loss=value, latency_ms=cost)
                for one, (value, cost) in zip(chosen, points, strict=True)
            ],
        )
    with served(path) as address:
        opened = window()
        page = opened.page
        explore(page, address)
        page.locator("#explorer-over").click()
        page.get_by_text("Same unit of loss").wait_for()
        page.get_by_role("option", name="<b>other</b>").click()
        trace = f"{STATE}.gd._fullData.find(({{meta}}) => meta === 'over')"
        page.wait_for_function(f"{trace}.x.length === 2")
        assert page.evaluate(f"Array.from({trace}.x)") == [1.0, 2.0]
        assert page.locator("#explorer-plot .legendtext b").count() == 0
        assert page.get_by_text("front of <b>other</b>").count() == 1
        assert opened.complaints == []


def test_a_narrow_dark_screen_scrolls_down_only(address: str, window: Windows) -> None:
    page = window(width=390, scheme="dark").page
    explore(page, address, "?colour=param_count")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert page.evaluate(f"{STATE}.gd._fullLayout.font.color") == "#c9c9c9"
