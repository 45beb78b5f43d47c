"""What overviews ask is what counting the rows by hand gives, on every engine."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import numpy as np
import pandas as pd
import pytest

from frontier.db import CurvePoint, Evaluation, Job, KernelMeasurement, Ledger, Node, Quality
from frontier.errors import InputError

MakeEvaluation = Callable[..., Evaluation]
BATCHES, EACH = 9, 7


@pytest.fixture
def filled(ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> Ledger:
    """A job of 63 evaluations in nine transactions, and another that a question about the first must not count."""
    rng = Random(5)
    other = ledger.create_job(job_id="other", name="n", config={}, space={}, run_dir="r", objectives=["val_loss"])
    for batch in range(BATCHES):
        rows = [_row(evaluation, rng, EACH * batch + place) for place in range(EACH)]
        ledger.record(job.id, rows)
        ledger.record(other.id, rows[:2])
    return ledger


def _row(evaluation: MakeEvaluation, rng: Random, number: int) -> Evaluation:
    state = rng.choice(["complete", "complete", "complete", "failed", "infeasible", "hopeless"])
    return evaluation(
        f"d{number:02}",
        rng.random() if state == "complete" else None,
        rng.choice([None, rng.random()]),
        state=state,
        fidelity=rng.choice(["inherited", "inherited", "finetuned"]),
        worker=rng.choice(["worker 0", "worker 1", None]),
        seconds=rng.choice([None, 0.5, 2.0]),
        reason=None if state == "complete" else rng.choice(["too slow", "no number", None]),
    )


def test_counts_of_states_add_up(filled: Ledger, job: Job) -> None:
    counts = filled.state_counts([job.id, "other", "nobody"])
    for job_id in (job.id, "other"):
        rows = filled.evaluations(job_id)
        told = counts[counts["job_id"] == job_id].set_index("state")["count"].to_dict()
        assert told == rows["state"].value_counts().to_dict()
    assert set(counts["job_id"]) == {job.id, "other"}
    assert filled.state_counts([]).dtypes.to_dict() == counts.dtypes.to_dict()


def test_times_are_those_of_the_rows_asked_for(filled: Ledger, job: Job) -> None:
    times = filled.evaluation_times(job.id, [63, 1, 20, 20, 999])
    rows = filled.evaluations(job.id).set_index("seq").loc[[1, 20, 63]]
    assert times["seq"].tolist() == [1, 20, 63]
    assert times["fidelity"].tolist() == rows["fidelity"].tolist()
    assert times["created_at"].tolist() == rows["created_at"].tolist()
    assert filled.evaluation_times(job.id, []).empty


@pytest.mark.parametrize("lately", [1, 10, 500])
def test_workers_are_those_of_the_last_evaluations(filled: Ledger, job: Job, lately: int) -> None:
    rows = filled.evaluations(job.id).tail(lately)
    expected = {
        worker: (len(group), int((group["state"] == "failed").sum()), group["created_at"].max())
        for worker, group in rows.groupby("worker")
    }
    told = filled.workers(job.id, lately)
    found = {row["worker"]: (row["evaluations"], row["failed"], row["last_at"]) for row in told.to_dict("records")}
    assert found == expected
    means = [rows.loc[rows["worker"] == worker, "seconds"].mean() for worker in told["worker"]]
    np.testing.assert_allclose(told["seconds"], means)


@pytest.mark.parametrize("lately", [2, 1000])
def test_reasons_are_counted_by_state(filled: Ledger, job: Job, lately: int) -> None:
    rows = filled.evaluations(job.id)
    newest = rows[rows["state"] != "complete"].groupby("state").tail(lately)
    expected = {
        key: (len(group), group["seq"].max()) for key, group in newest.groupby(["state", "reason"], dropna=False)
    }
    told = filled.reasons(job.id, lately)
    found = {
        (row["state"], row["reason"] or math.nan): (row["count"], row["last_seq"]) for row in told.to_dict("records")
    }
    assert {str(key): value for key, value in found.items()} == {str(key): value for key, value in expected.items()}
    assert told["count"].is_monotonic_decreasing
    assert filled.reasons("nobody").empty


def test_a_sampled_hypervolume_is_the_hypervolume(ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
    rng = Random(2)
    rows = [evaluation(f"d{i}", 1 / (i + 1) + rng.random() / 9, rng.random()) for i in range(200)]
    rows.append(evaluation("far", 0.0, math.inf))
    ledger.record(job.id, rows)
    whole = ledger.hypervolume(job.id).set_index("seq")["value"]
    assert len(whole) > 10
    every = ledger.hypervolume_sampled(job.id)
    assert every["seq"].tolist() == whole.index.tolist()
    np.testing.assert_allclose(every["value"], whole, rtol=1e-12)
    some = ledger.hypervolume_sampled(job.id, most=5)
    assert len(some) == 5
    assert some["seq"].iloc[[0, -1]].tolist() == whole.index[[0, -1]].tolist()
    np.testing.assert_allclose(some["value"], whole.loc[some["seq"]], rtol=1e-12)


def test_a_job_without_a_front_has_no_hypervolume(ledger: Ledger, job: Job) -> None:
    assert ledger.hypervolume_sampled(job.id).empty
    with pytest.raises(InputError, match="job: must be in"):
        ledger.hypervolume_sampled("nobody")


class TestStanding:
    def test_it_tells_where_a_job_stands(self, filled: Ledger, job: Job) -> None:
        filled.add_event(job.id, "search", "info", "something")
        filled.add_curve(job.id, [CurvePoint(20, "largest", 1.0, 2.0), CurvePoint(40, "largest", 0.9, 4.0)])
        filled.add_quality(job.id, Quality(50, 10, 0.5, 0.25, 0.9))
        standing, listed = filled.standing(job.id), filled.jobs().set_index("id").loc[job.id]
        assert standing.evaluations == listed["evaluations"] == BATCHES * EACH
        assert standing.front_size == listed["front_size"] == len(filled.front(job.id))
        assert standing.best_val_loss == listed["best_val_loss"]
        assert standing.front_changed_at == filled.front_history(job.id)["entered_seq"].max()
        assert standing.last_event == filled.events(job.id, limit=1)["id"].iloc[0]
        assert (standing.last_step, standing.predictor_at) == (40, 50)
        filled.see_nodes(job.id, [Node("n1", "10.0.0.1", 2.0, 0.0), Node("n2", "10.0.0.2", 2.0, 0.0)])
        filled.see_nodes(job.id, [])
        filled.see_nodes(job.id, [Node("n3", "10.0.0.3", 2.0, 0.0)])
        assert (filled.standing(job.id).nodes, filled.standing(job.id).nodes_gone) == (3, 2)
        assert (standing.state, standing.run_dir) == ("queued", "runs/1")
        assert standing.updated_at == listed["updated_at"]

    def test_a_new_job_stands_at_the_beginning(self, ledger: Ledger, job: Job) -> None:
        standing = ledger.standing(job.id)
        assert standing.best_val_loss is None
        assert {standing.evaluations, standing.front_size, standing.front_changed_at, standing.last_event} == {0}
        with pytest.raises(InputError, match="job: must be in"):
            ledger.standing("nobody")

    def test_every_change_of_a_job_moves_the_newest(self, ledger: Ledger, evaluation: MakeEvaluation) -> None:
        assert ledger.newest_change() == (0, None)
        seen = [ledger.newest_change()]
        common = {"name": "n", "config": {}, "space": {}, "run_dir": "r", "objectives": ["val_loss"]}
        changes: list[Callable[[], object]] = [
            lambda: ledger.create_job(job_id="a", **common),
            lambda: ledger.create_job(job_id="b", **common),
            lambda: ledger.record("a", [evaluation("x", 1.0, 1.0)]),
            lambda: ledger.set_progress("a", "search", 1, 2),
            lambda: ledger.ask_to_stop("a"),
            lambda: ledger.set_state("a", "interrupted"),
            lambda: ledger.enqueue("a"),
            lambda: ledger.delete_job("b"),
        ]
        for change in changes:
            change()
            seen.append(ledger.newest_change())
            assert seen[-1] != seen[-2]

    def test_the_last_change_of_every_front(self, filled: Ledger, job: Job) -> None:
        filled.create_job(job_id="empty", name="n", config={}, space={}, run_dir="r", objectives=["val_loss"])
        changes = filled.front_changes()
        assert changes["empty"] == 0
        for job_id in (job.id, "other"):
            assert changes[job_id] == filled.front_history(job_id)["entered_seq"].max()


def test_families_of_kernels_are_counted_by_device(ledger: Ledger) -> None:
    for name in ("laptop", "server"):
        ledger.save_device(name, {"device": "cpu"}, {})
    calls = [("mm", "matmul", 2.0, 0.5), ("bmm", "matmul", 4.0, 0.25), ("add", "pointwise", 1.0, 1.0)]
    rows = [
        KernelMeasurement(op, op, family, "{}", flops=10, bytes=10, median_us=median, spread_us=spread, count=9)
        for op, family, median, spread in calls
    ]
    ledger.add_measurements("laptop", rows)
    ledger.add_measurements("server", rows[:1])
    expected = pd.DataFrame(
        [("laptop", "matmul", 2, 6.0, 0.75), ("laptop", "pointwise", 1, 1.0, 1.0), ("server", "matmul", 1, 2.0, 0.5)],
        columns=["device", "family", "calls", "median_us", "spread_us"],
    )
    pd.testing.assert_frame_equal(ledger.kernel_families(), expected, check_dtype=False)
