"""Points are the evaluations without their architectures, all of them or the new ones, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
import pandas as pd
import pytest

from frontier.db import Evaluation, Job, Ledger, frames

MakeEvaluation = Callable[..., Evaluation]
ROWS = 63


@pytest.fixture
def filled(ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> Ledger:
    rng = Random(5)
    batch = [
        evaluation(
            f"d{number:02}",
            rng.choice([None, rng.random()]),
            rng.random(),
            param_count=rng.choice([None, 2**40 + number]),
            prefill_latency_ms=rng.choice([None, 0.5]),
            latency_measured_ms=rng.choice([None, None, 0.25]),
            fidelity=rng.choice(["inherited", "inherited", "finetuned"]),
            state=rng.choice(["complete", "complete", "infeasible"]),
        )
        for number in range(ROWS)
    ]
    for start in range(0, ROWS, 10):
        ledger.record(job.id, batch[start : start + 10])
    other = ledger.create_job(job_id="other", name="n", config={}, space={}, run_dir="r", objectives=["val_loss"])
    ledger.record(other.id, batch[::-1])
    return ledger


@pytest.mark.parametrize("fidelity", [None, "finetuned"])
@pytest.mark.parametrize("after_seq", [0, 1, 40, ROWS, 1000])
def test_points_are_the_evaluations_after_one(filled: Ledger, job: Job, fidelity: str | None, after_seq: int) -> None:
    points = filled.points(job.id, fidelity, after_seq)
    rows = filled.evaluations(job.id, fidelity)
    rows = rows[rows["seq"] > after_seq].reset_index(drop=True)
    assert dict(points.dtypes.astype(str)) == dict(frames.POINTS)
    for name in points:
        if frames.POINTS[name] == frames.REAL:
            expected = rows[name].to_numpy(dtype=float, na_value=np.nan)
            np.testing.assert_array_equal(points[name].to_numpy(), expected, err_msg=name)
        else:
            assert points[name].tolist() == rows[name].tolist()


@pytest.mark.parametrize("fidelity", ["inherited", "finetuned"])
@pytest.mark.parametrize("at_seq", [1, 7, 31, ROWS])
def test_stays_tell_every_past_front(filled: Ledger, job: Job, fidelity: str, at_seq: int) -> None:
    stays = filled.stays(job.id)
    stays = stays[stays["fidelity"] == fidelity]
    there = (stays["entered_seq"] <= at_seq) & (stays["left_seq"].isna() | (stays["left_seq"] > at_seq))
    assert sorted(stays.loc[there, "entered_seq"]) == sorted(filled.front(job.id, fidelity, at_seq)["seq"])


@pytest.mark.parametrize("after_seq", [1, 20, ROWS])
def test_stays_after_an_evaluation_are_those_it_did_not_tell_of(filled: Ledger, job: Job, after_seq: int) -> None:
    every = filled.stays(job.id)
    new = (every["entered_seq"] > after_seq) | (every["left_seq"] > after_seq).fillna(False).astype(bool)
    pd.testing.assert_frame_equal(filled.stays(job.id, after_seq), every[new].reset_index(drop=True))


def test_architectures_come_by_number(filled: Ledger, job: Job) -> None:
    rows = filled.architectures(job.id, [40, 3, 999, 17])
    points = filled.points(job.id)
    assert rows["seq"].tolist() == [3, 17, 40]
    assert rows["architecture"].tolist() == [{"of": digest} for digest in rows["digest"]]
    expected = points[points["seq"].isin([3, 17, 40])].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows.drop(columns="architecture"), expected)


def test_the_latest_number(filled: Ledger, job: Job) -> None:
    assert filled.latest_seq(job.id) == ROWS
    assert filled.latest_seq("nobody") == 0
