"""The comparison of architectures as plain functions over a real ledger."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dash.development.base_component import Component

from frontier.dashboard.compare import page as compare
from frontier.dashboard.compare.figure import compare_figure, sums_by_family
from frontier.dashboard.compare.reading import read_comparison
from frontier.dashboard.compare.rows import groups, least
from frontier.dashboard.compare.table import hidden_words, labels
from frontier.dashboard.compare.view import CompareView, compare_href
from frontier.dashboard.numbers import loss
from frontier.dashboard.reader import NotThere, Reader
from frontier.db import open_ledger
from frontier.errors import InputError

from .conftest import HOSTILE, HOSTILE_NAME, JOB
from .test_dashboard_layouts import text


@pytest.fixture(scope="module")
def reader(ledger_path: str) -> Reader:
    return Reader(ledger_path)


@pytest.fixture(scope="module")
def digests(ledger_path: str) -> list[str]:
    with open_ledger(ledger_path, read_only=True) as ledger:
        return ledger.front(JOB)["digest"].tolist()


def links(component: object) -> dict[str, str]:
    """Words of every link in a page, and where it leads."""
    if isinstance(component, (list, tuple)):
        return {words: href for part in component for words, href in links(part).items()}
    if not isinstance(component, Component):
        return {}
    own = {text(component): component.href} if hasattr(component, "href") else {}
    return own | links(getattr(component, "children", None))


@pytest.mark.parametrize(
    "view", [CompareView(), CompareView(("ab", "cd")), CompareView(("ab", "job-1:cd"), rows="all")]
)
def test_a_view_is_read_back_from_its_address(view: CompareView) -> None:
    assert CompareView.parse(view.search) == view


@pytest.mark.parametrize("search", ["?with=a,b,c,d,e", "?rows=some", "?x=1", "?with=" + "a" * 3000])
def test_a_wrong_address_is_refused_in_one_line(search: str) -> None:
    with pytest.raises(InputError, match=r"^address: "):
        CompareView.parse(search)


def test_the_same_name_twice_counts_once(reader: Reader, digests: list[str]) -> None:
    assert CompareView.parse("?with=ab,ab,,cd").names == ("ab", "cd")
    whole, beginning = digests[0], digests[0][:9]
    assert len(read_comparison(reader, JOB, [whole, beginning]).found) == 1


def test_numbers_equal_the_ledgers_and_the_best_is_marked(reader: Reader, digests: list[str]) -> None:
    comparison = read_comparison(reader, JOB, digests[:4])
    rows = {row.label: row for group in groups(comparison.found) for row in group.rows}
    inherited = rows["Validation loss, inherited weights"]
    losses = [one.inherited.val_loss for one in comparison.found]
    assert inherited.texts == tuple(f"{loss(value)} nats per byte" for value in losses)
    assert inherited.best == {int(np.argmin(losses))}
    # The front is the fastest first.
    assert rows["Latency, predicted (ms)"].best == {0}
    words = text(compare.layout(comparison, CompareView(tuple(digests[:4]))))
    assert words.count("★ best") == sum(len(row.best) for row in rows.values())


@pytest.mark.parametrize(
    ("values", "alike", "best"),
    [
        ([3.0, 1.0, 2.0], ["x"] * 3, {1}),
        ([1.0, 1.0, 2.0], ["x"] * 3, {0, 1}),
        ([1.0, 1.0], ["x"] * 2, set()),
        ([1.0, None], ["x"] * 2, {0}),
        ([None, np.nan], ["x"] * 2, set()),
        ([1.0, 2.0], ["x", "y"], set()),
        ([1.0, 2.0], [], {0}),
    ],
)
def test_who_is_best(values: list, alike: list[str], best: set[int]) -> None:
    assert least(values, alike) == best


def test_layers_are_aligned_by_their_place(reader: Reader, digests: list[str]) -> None:
    found = read_comparison(reader, JOB, digests).found
    deepest = max(found, key=lambda one: len(one.best.architecture["blocks"]))
    shallow = min(found, key=lambda one: len(one.best.architecture["blocks"]))
    layers = groups([shallow, deepest])[-1]
    assert len(layers.rows) == 2 * len(deepest.best.architecture["blocks"])
    beyond = layers.rows[2 * len(shallow.best.architecture["blocks"]) :]
    assert all(row.texts[0] == "–" for row in beyond)


def test_equal_rows_are_counted(reader: Reader, digests: list[str]) -> None:
    found_groups = groups(read_comparison(reader, JOB, digests[:2]).found)
    rows = [row for group in found_groups for row in group.rows]
    equal = sum(row.equal for row in rows)
    assert 0 < equal < len(rows)
    words = hidden_words(found_groups)
    assert words["differences"] == f"{equal} of {len(rows)} rows are equal for all and hidden."
    assert "hidden" not in words["all"]


@pytest.mark.parametrize("names", [[], ["0"], ["zzzz"]])
def test_too_few_is_a_page_that_says_how_to_choose(reader: Reader, digests: list[str], names: list[str]) -> None:
    names = [digests[0] if name == "0" else name for name in names]
    page = compare.layout(read_comparison(reader, JOB, names), CompareView(tuple(names)))
    words = text(page)
    assert "Choose at least two architectures" in words
    assert "Add from the front" in words
    if "zzzz" in names:
        assert "got 'zzzz'" in words


def test_links_add_and_remove(reader: Reader, digests: list[str]) -> None:
    chosen = tuple(digests[:2])
    found = links(compare.layout(read_comparison(reader, JOB, chosen), CompareView(chosen)))
    assert found[f"+ {digests[2][:8]}"] == compare_href(JOB, CompareView((*chosen, digests[2])))
    assert found["Remove"] == compare_href(JOB, CompareView(chosen[:1]))
    full = tuple(digests[:4])
    words = text(compare.layout(read_comparison(reader, JOB, full), CompareView(full)))
    assert "remove one to add another" in words


def test_an_unknown_job_has_no_comparison(reader: Reader) -> None:
    with pytest.raises(NotThere):
        read_comparison(reader, "nope", [])


def test_architectures_of_several_jobs(ledger_path: str, tmp_path: Path, digests: list[str]) -> None:
    path = str(shutil.copy(ledger_path, tmp_path / "frontier.db"))
    with open_ledger(path) as ledger:
        first = ledger.evaluation(JOB, digests[0], "inherited")
        ledger.record(HOSTILE, [replace(first, val_loss=0.5)])
        ledger.create_job(
            job_id="other",
            name="other",
            config={"task": {"kind": "image_classification"}},
            space={},
            run_dir="r",
            objectives=["val_loss", "latency_ms"],
        )
        ledger.record("other", [replace(first, val_loss=0.1)])
    names = [digests[0], f"{HOSTILE}:{digests[0][:9]}"]
    comparison = read_comparison(Reader(path), JOB, names)
    assert [one.job.id for one in comparison.found] == [JOB, HOSTILE]
    assert labels(comparison.found)[1] == f"B · {digests[0][:8]} ({HOSTILE_NAME})"
    rows = {row.label: row for group in groups(comparison.found) for row in group.rows}
    assert rows["Validation loss, inherited weights"].best == {1}
    # Another task: a loss of 0.1 nats per image is no better than one of 1.5 nats per byte.
    apart = read_comparison(Reader(path), JOB, [digests[0], f"other:{digests[0]}"])
    rows = {row.label: row for group in groups(apart.found) for row in group.rows}
    assert rows["Validation loss, inherited weights"].best == frozenset()
    missing = read_comparison(Reader(path), JOB, [f"nope:{digests[0]}", "zzzz"]).missing
    assert set(missing) == {f"nope:{digests[0]}", "zzzz"}


def test_bars_add_up_to_every_architectures_latency(reader: Reader, digests: list[str]) -> None:
    found = read_comparison(reader, JOB, digests[:3]).found
    breakdowns = [one.breakdown for one in found]
    every_family = sorted({family for rows in breakdowns for family in rows["family"]})
    figure = compare_figure(breakdowns, labels(found), ["prefill", "decode"], every_family)
    decode = sum(np.asarray(bar.x) for bar in figure.data if bar.xaxis == "x2")
    np.testing.assert_allclose(decode, [one.inherited.latency_ms for one in found])
    assert "decode latency (ms)" in figure.layout.xaxis2.title.text
    assert {bar.name: bar.marker.color for bar in figure.data if bar.xaxis == "x"} == {
        bar.name: bar.marker.color for bar in figure.data if bar.xaxis == "x2"
    }


def test_an_architecture_without_a_breakdown_is_named(reader: Reader, digests: list[str]) -> None:
    with open_ledger(reader.database, read_only=True) as ledger:
        rows = ledger.evaluations(JOB)
    plain = rows.loc[~rows["digest"].isin(digests) & (rows["state"] == "complete"), "digest"].iloc[0]
    comparison = read_comparison(reader, JOB, [digests[0], plain])
    words = text(compare.layout(comparison, CompareView((digests[0], plain))))
    assert f"no breakdown of B · {plain[:8]}" in words
    sums = sums_by_family([one.breakdown for one in comparison.found], "decode")
    assert sums[1].isna().all()
