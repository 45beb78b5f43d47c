"""A page is what filtering and sorting all the rows by hand gives, on every engine and at every offset."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import pandas as pd
import pytest

from frontier.db import Evaluation, Filter, Job, Ledger
from frontier.errors import InputError

MakeEvaluation = Callable[..., Evaluation]
ROWS = 63


@pytest.fixture
def filled(ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> Ledger:
    rng = Random(3)
    batch = [
        evaluation(
            f"d{number:02}",
            rng.choice([None, *map(float, range(5))]),
            rng.choice([None, *map(float, range(9)), math.inf]),
            param_count=rng.choice([None, 1, 2**40]),
            state=rng.choice(["complete", "complete", "failed", "hopeless"]),
            fidelity=rng.choice(["inherited", "inherited", "finetuned"]),
        )
        for number in range(ROWS)
    ]
    ledger.record(job.id, batch)
    other = ledger.create_job(job_id="other", name="n", config={}, space={}, run_dir="r", objectives=["val_loss"])
    ledger.record(other.id, batch[::-1])
    ledger.add_tag("d07", "keep")
    ledger.add_tag("d50", "keep")
    return ledger


def by_hand(rows: pd.DataFrame, keep: pd.Series, sort: str, descending: bool) -> list[int]:
    kept = rows[keep.fillna(False).astype(bool)]
    known = kept[kept[sort].notna()].sort_values([sort, "seq"], ascending=not descending)
    return [*known["seq"], *kept[kept[sort].isna()]["seq"]]


FILTERS: dict[str, tuple[Filter, Callable[[pd.DataFrame], Any]]] = {
    "all": (Filter(), lambda rows: rows["seq"] > 0),
    "fidelity": (Filter(fidelity="finetuned"), lambda rows: rows["fidelity"] == "finetuned"),
    "states": (Filter(states=("failed", "hopeless")), lambda rows: rows["state"].isin(["failed", "hopeless"])),
    "on-front": (Filter(on_front=True), lambda rows: rows["on_front"]),
    "off-front": (Filter(on_front=False), lambda rows: ~rows["on_front"]),
    "tag": (Filter(tag="keep"), lambda rows: rows["digest"].isin(["d07", "d50"])),
    "bounds": (
        Filter(at_least={"latency_ms": 2.0}, at_most={"val_loss": 3.0, "param_count": 1}),
        lambda rows: (rows["latency_ms"] >= 2.0) & (rows["val_loss"] <= 3.0) & (rows["param_count"] <= 1),
    ),
    "nobody": (Filter(at_most={"latency_ms": -1.0}), lambda rows: rows["seq"] < 0),
    "together": (
        Filter(fidelity="inherited", states=("complete",), on_front=False, at_least={"val_loss": 1.0}),
        lambda rows: (
            (rows["fidelity"] == "inherited")
            & (rows["state"] == "complete")
            & ~rows["on_front"]
            & (rows["val_loss"] >= 1.0)
        ),
    ),
}


@pytest.mark.parametrize(("wanted", "keep"), FILTERS.values(), ids=FILTERS)
def test_every_page_equals_doing_it_by_hand(
    filled: Ledger, job: Job, wanted: Filter, keep: Callable[[pd.DataFrame], Any]
) -> None:
    rows = filled.evaluations(job.id)
    for sort in ("seq", "val_loss", "latency_ms", "param_count", "digest"):
        for descending in (False, True):
            expected = by_hand(rows, keep(rows), sort, descending)
            assert filled.count(job.id, wanted) == len(expected)
            for limit in (7, 100):
                for offset in range(0, len(expected) + limit, limit):
                    page = filled.page(job.id, wanted, sort=sort, descending=descending, offset=offset, limit=limit)
                    assert list(page["seq"]) == expected[offset : offset + limit], (sort, descending, offset)


def test_a_page_holds_the_rows_as_they_are(filled: Ledger, job: Job) -> None:
    rows, page = filled.evaluations(job.id), filled.page(job.id, limit=1000)
    pd.testing.assert_frame_equal(rows, page)
    assert filled.page(job.id, limit=0).dtypes.to_dict() == rows.dtypes.to_dict()
    pd.testing.assert_frame_equal(
        rows.drop(columns="architecture"), filled.page(job.id, limit=1000, architectures=False)
    )
    assert filled.page("nobody").empty
    assert filled.count("nobody") == 0


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda ledger: ledger.page("j", sort="architecture"), "sort: one of seq, .*; got 'architecture'"),
        (lambda ledger: ledger.page("j", offset=-1), "page: offset from 0"),
        (lambda ledger: ledger.page("j", limit=1001), "limit 0 to 1000; got 0, 1001"),
        (lambda ledger: Filter(fidelity="guessed"), "fidelity: one of inherited, finetuned; got 'guessed'"),
        (lambda ledger: Filter(states=("maybe",)), "state: one of .*; got 'maybe'"),
        (lambda ledger: Filter(at_most={"job_id": 1}), "column: one of val_loss, .*; got 'job_id'"),
    ],
    ids=["sort", "offset", "limit", "fidelity", "state", "column"],
)
def test_bad_questions_are_refused(ledger: Ledger, ask: Callable[[Ledger], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ask(ledger)
