"""What every engine's ledger must do. The `ledger` fixture is the parameter."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np
import pandas as pd
import pytest

from frontier.db import (
    CurvePoint,
    DuplicateEvaluation,
    Evaluation,
    Job,
    KernelMeasurement,
    Ledger,
    ValidationRow,
    open_ledger,
)
from frontier.errors import InputError

MakeEvaluation = Callable[..., Evaluation]
EVERY_WORD = "naïve — 前 ' \" \\ % \n end"


def make_job(ledger: Ledger, job_id: str, objectives: tuple[str, ...] = ("val_loss", "latency_ms")) -> Job:
    return ledger.create_job(job_id=job_id, name="n", config={}, space={}, run_dir="r", objectives=objectives)


class TestJobs:
    def test_a_new_job_is_queued_with_what_was_given(self, ledger: Ledger) -> None:
        config = {"name": EVERY_WORD, "nested": {"list": [1, 2.5, None, True, {"deep": []}]}, "big": 2**53 + 1}
        job = ledger.create_job(
            job_id="ab12", name="n", config=config, space={"width": [1, 63]}, run_dir="/r", objectives=["val_loss"]
        )
        assert (job.state, job.stage, job.done, job.total) == ("queued", "profile", 0, 0)
        assert job.config == config
        assert job.space == {"width": [1, 63]}
        assert job.objectives == ("val_loss",)
        assert job.facts == {}
        assert job.error is None
        assert ledger.job("ab12") == job

    def test_times_are_aware_and_in_utc(self, ledger: Ledger, job: Job) -> None:
        assert job.created_at.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - job.created_at) < timedelta(minutes=1)
        assert str(ledger.jobs()["created_at"].dtype) == "datetime64[us, UTC]"
        assert ledger.jobs()["created_at"][0].to_pydatetime() == job.created_at

    def test_a_prefix_finds_one_job_and_the_whole_id_wins(self, ledger: Ledger) -> None:
        for job_id in ("abc", "abcd", "abce", "x_1", "xA1"):
            make_job(ledger, job_id)
        assert ledger.job("abc").id == "abc"
        assert ledger.job("abcd").id == "abcd"
        assert ledger.job("x_").id == "x_1"  # no wildcard, as LIKE would have it
        assert ledger.job("xA").id == "xA1"

    @pytest.mark.parametrize(
        ("prefix", "message"),
        [("zz", "beginning of a job's id"), ("", "beginning of a job's id"), ("ab", "abc, abd"), ("AB", "beginning")],
        ids=["none", "empty", "several", "other-case"],
    )
    def test_a_prefix_that_names_no_one_job_is_refused(self, ledger: Ledger, prefix: str, message: str) -> None:
        make_job(ledger, "abc")
        make_job(ledger, "abd")
        with pytest.raises(InputError, match=message) as refused:
            ledger.job(prefix)
        assert repr(prefix) in str(refused.value)

    @pytest.mark.parametrize("objectives", [[], ["speed"], ["val_loss", "val_loss"]], ids=["none", "unknown", "twice"])
    def test_bad_objectives_are_refused(self, ledger: Ledger, objectives: list[str]) -> None:
        with pytest.raises(InputError, match="objectives"):
            ledger.create_job(job_id="a", name="n", config={}, space={}, run_dir="r", objectives=objectives)

    def test_an_id_is_used_once(self, ledger: Ledger, job: Job) -> None:
        with pytest.raises(InputError, match="must be new"):
            make_job(ledger, job.id)

    def test_state_progress_and_facts(self, ledger: Ledger, job: Job) -> None:
        ledger.set_state(job.id, "failed", error="disk full")
        ledger.set_progress(job.id, "search", 3, 10)
        ledger.add_facts(job.id, {"space_count": "12", "best": {"val_loss": 1.0}})
        ledger.add_facts(job.id, {"best": {"digest": "a"}, "uniform_nats": math.nan})
        seen = ledger.job(job.id)
        assert (seen.state, seen.error, seen.stage, seen.done, seen.total) == ("failed", "disk full", "search", 3, 10)
        assert seen.facts == {"space_count": "12", "best": {"digest": "a"}, "uniform_nats": None}
        assert seen.updated_at > job.updated_at
        assert seen.created_at == job.created_at
        ledger.set_state(job.id, "running")
        assert ledger.job(job.id).error is None

    def test_an_infinity_in_json_is_refused(self, ledger: Ledger, job: Job) -> None:
        with pytest.raises(Exception, match="not JSON compliant"):
            ledger.add_facts(job.id, {"x": math.inf})
        assert ledger.job(job.id).facts == {}

    def test_the_list_counts_and_is_newest_first(self, ledger: Ledger, evaluation: MakeEvaluation) -> None:
        make_job(ledger, "old")
        make_job(ledger, "new")
        ledger.record(
            "old",
            [
                evaluation("a", 2.0, 1.0),
                evaluation("b", 1.5, 2.0),
                evaluation("c", 0.1, None, state="failed", reason="out of memory"),
                evaluation("d", None, 9.0, state="infeasible"),
                evaluation("a", 1.75, 1.0, fidelity="finetuned"),
            ],
        )
        jobs = ledger.jobs().set_index("id")
        assert list(jobs.index) == ["new", "old"]
        counts = ["evaluations", "failed", "front_size", "best_val_loss"]
        assert jobs.loc["old", counts].tolist() == [5, 1, 2, 1.5]
        assert jobs.loc["new", counts[:3]].tolist() == [0, 0, 0]
        assert math.isnan(jobs.loc["new", "best_val_loss"])

    @pytest.mark.parametrize(
        "write",
        [
            lambda ledger, e: ledger.set_state("nobody", "done"),
            lambda ledger, e: ledger.set_progress("nobody", "train", 0, 1),
            lambda ledger, e: ledger.add_facts("nobody", {}),
            lambda ledger, e: ledger.record("nobody", [e("a", 1.0, 1.0)]),
            lambda ledger, e: ledger.add_curve("nobody", [CurvePoint(0, "largest", 1.0, 0.0)]),
            lambda ledger, e: ledger.add_event("nobody", "train", "k", "m"),
            lambda ledger, e: ledger.add_checkpoint("nobody", "supernet", "p", 1),
        ],
        ids=["set_state", "set_progress", "add_facts", "record", "add_curve", "add_event", "add_checkpoint"],
    )
    def test_writing_to_no_job_is_refused(
        self, ledger: Ledger, evaluation: MakeEvaluation, write: Callable[[Ledger, MakeEvaluation], None]
    ) -> None:
        with pytest.raises(InputError, match="'nobody'"):
            write(ledger, evaluation)


class TestEvaluations:
    def test_every_field_comes_back(self, ledger: Ledger, job: Job) -> None:
        given = Evaluation(
            architecture={"width": 63, "blocks": [{"token_mixer": {"kind": "attention", "window": None}}]},
            digest="0123456789abcdef",
            fidelity="finetuned",
            state="complete",
            val_loss=1.25,
            latency_ms=0.1,
            latency_low_ms=0.09,
            latency_high_ms=math.inf,
            latency_measured_ms=0.11,
            param_count=2**40 + 1,
            peak_memory_bytes=2**45 + 1,
            worker="w-0",
            seconds=0.5,
            reason=EVERY_WORD,
            weights_path="/w",
        )
        ledger.record(job.id, [given])
        assert ledger.evaluation(job.id, "0123") == given
        assert ledger.recorded(job.id, "finetuned") == {given.digest: given}

    def test_what_is_not_known_stays_so(self, ledger: Ledger, job: Job) -> None:
        bare = Evaluation(architecture={}, digest="d", fidelity="inherited", state="complete")
        ledger.record(job.id, [bare])
        assert ledger.evaluation(job.id, "d") == bare
        row = ledger.evaluations(job.id).iloc[0]
        assert row["worker"] is None
        assert row["reason"] is None
        assert row["param_count"] is pd.NA
        assert math.isnan(row["latency_ms"])

    def test_zero_is_not_unknown(self, ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
        ledger.record(job.id, [evaluation("d", 0.0, 0.0, param_count=0)])
        back = ledger.evaluation(job.id, "d")
        assert (back.val_loss, back.latency_ms, back.param_count) == (0.0, 0.0, 0)
        assert back.latency_measured_ms is None

    def test_nan_is_stored_as_not_known(self, ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
        assert ledger.record(job.id, [evaluation("d", math.nan, 1.0)]) == 0
        assert ledger.evaluation(job.id, "d").val_loss is None

    def test_numpy_numbers_come_back_plain(self, ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
        ledger.record(job.id, [evaluation("d", np.float32(0.5), np.float64(2.0), param_count=np.int64(7))])
        back = ledger.evaluation(job.id, "d")
        assert (back.val_loss, back.latency_ms, back.param_count) == (0.5, 2.0, 7)
        assert type(back.param_count) is int

    def test_frames_have_the_same_types_with_and_without_rows(
        self, ledger: Ledger, job: Job, evaluation: MakeEvaluation
    ) -> None:
        empty = [ledger.evaluations(job.id), ledger.front(job.id), ledger.front_history(job.id, "inherited")]
        ledger.record(job.id, [evaluation("a", 1.0, 1.0)])
        full = [ledger.evaluations(job.id), ledger.front(job.id), ledger.front_history(job.id, "inherited")]
        for none, one in zip(empty, full, strict=True):
            assert len(none) == 0
            assert len(one) == 1
            assert none.dtypes.to_dict() == one.dtypes.to_dict()

    def test_seq_counts_per_job_over_batches_and_fidelities(
        self, ledger: Ledger, job: Job, evaluation: MakeEvaluation
    ) -> None:
        other = make_job(ledger, "other")
        ledger.record(job.id, [evaluation("a", 1.0, 1.0), evaluation("b", 2.0, 2.0)])
        ledger.record(other.id, [evaluation("a", 1.0, 1.0)])
        ledger.record(job.id, [evaluation("a", 0.5, 1.0, fidelity="finetuned"), evaluation("c", 3.0, 3.0)])
        frame = ledger.evaluations(job.id)
        assert list(zip(frame["seq"], frame["digest"], frame["fidelity"], strict=True)) == [
            (1, "a", "inherited"),
            (2, "b", "inherited"),
            (3, "a", "finetuned"),
            (4, "c", "inherited"),
        ]
        assert list(ledger.evaluations(job.id, "finetuned")["seq"]) == [3]
        assert list(ledger.evaluations(other.id)["seq"]) == [1]
        assert ledger.evaluations("nobody").empty

    def test_an_empty_batch_changes_nothing(self, ledger: Ledger, job: Job) -> None:
        assert ledger.record(job.id, []) == 0
        assert ledger.job(job.id) == job

    @pytest.mark.parametrize("where", ["in-the-ledger", "in-the-batch"])
    def test_a_duplicate_leaves_nothing_of_its_batch(
        self, ledger: Ledger, job: Job, evaluation: MakeEvaluation, where: str
    ) -> None:
        ledger.record(job.id, [evaluation("a", 5.0, 5.0)])
        before = ledger.job(job.id)
        again = "a" if where == "in-the-ledger" else "new1"
        with pytest.raises(DuplicateEvaluation, match=f"'{again}' inherited"):
            ledger.record(job.id, [evaluation("new1", 1.0, 1.0), evaluation("new2", 0.5, 2.0), evaluation(again, 0.0)])
        assert list(ledger.evaluations(job.id)["digest"]) == ["a"]
        assert list(ledger.front(job.id)["digest"]) == ["a"]
        assert list(ledger.front_history(job.id, "inherited")["digest"]) == ["a"]
        assert ledger.job(job.id) == before
        ledger.record(job.id, [evaluation("new1", 1.0, 1.0)])
        assert list(ledger.evaluations(job.id)["seq"]) == [1, 2]

    def test_a_batch_the_database_refuses_leaves_nothing(
        self, ledger: Ledger, job: Job, evaluation: MakeEvaluation
    ) -> None:
        with pytest.raises(Exception, match="latency_ms_not_negative"):
            ledger.record(job.id, [evaluation("a", 1.0, 1.0), evaluation("b", 1.0, -1.0)])
        assert ledger.evaluations(job.id).empty
        assert ledger.front_history(job.id, "inherited").empty

    def test_a_front_that_cannot_be_written_takes_the_batch_along(
        self, ledger: Ledger, job: Job, evaluation: MakeEvaluation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> int:
            raise RuntimeError("disk full")

        with monkeypatch.context() as patch:
            patch.setattr("frontier.db.ledger_recording.update_front", fail)
            with pytest.raises(RuntimeError, match="disk full"):
                ledger.record(job.id, [evaluation("a", 1.0, 1.0)])
        assert ledger.evaluations(job.id).empty
        assert ledger.job(job.id) == job
        assert ledger.record(job.id, [evaluation("a", 1.0, 1.0)]) == 1

    def test_a_batch_larger_than_one_in_clause(self, ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
        ledger.record(job.id, [evaluation(f"{i:04}", float(i), 1.0) for i in range(1001)])
        with pytest.raises(DuplicateEvaluation, match="'1000'"):
            ledger.record(job.id, [evaluation(f"{i:04}", float(i), 1.0) for i in range(2000, 0, -1000)])
        assert len(ledger.recorded(job.id, "inherited")) == 1001

    def test_the_best_fidelity_is_given(self, ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
        ledger.record(job.id, [evaluation("aa", 2.0, 1.0), evaluation("bb", 2.0, 1.0)])
        ledger.record(job.id, [evaluation("aa", 1.0, 1.0, fidelity="finetuned")])
        ledger.record(job.id, [evaluation("bb", None, None, fidelity="finetuned", state="failed", reason="lost")])
        assert ledger.evaluation(job.id, "aa").fidelity == "finetuned"
        assert ledger.evaluation(job.id, "aa", "inherited").val_loss == 2.0
        assert ledger.evaluation(job.id, "bb").fidelity == "inherited"
        assert ledger.evaluation(job.id, "bb", "finetuned").state == "failed"

    @pytest.mark.parametrize(
        ("prefix", "fidelity", "message"),
        [("z", None, "'z'"), ("", None, "''"), ("a", None, "ab, ac"), ("ab", "finetuned", "fidelity finetuned")],
        ids=["none", "empty", "several", "none-at-this-fidelity"],
    )
    def test_a_digest_that_names_no_one_is_refused(
        self, ledger: Ledger, job: Job, evaluation: MakeEvaluation, prefix: str, fidelity: str | None, message: str
    ) -> None:
        ledger.record(job.id, [evaluation("ab", 1.0, 1.0), evaluation("ac", 1.0, 1.0)])
        with pytest.raises(InputError, match=message):
            ledger.evaluation(job.id, prefix, fidelity)

    def test_threads_take_turns(self, ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
        errors: list[BaseException] = []

        def write(thread: int) -> None:
            try:
                for batch in range(10):
                    ledger.record(job.id, [evaluation(f"{thread}-{batch}-{i}", 1.0, 1.0) for i in range(3)])
                    ledger.front(job.id)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert errors == []
        assert list(ledger.evaluations(job.id)["seq"]) == list(range(1, 121))

    def test_jobs_that_meet_at_the_same_architectures_do_not_hold_each_other_up(
        self, ledger: Ledger, evaluation: MakeEvaluation
    ) -> None:
        errors: list[BaseException] = []

        def write(job_id: str, order: int) -> None:
            try:
                for batch in range(15):
                    digests = [f"{batch}-{i}" for i in range(20)][::order]
                    ledger.record(job_id, [evaluation(digest, 1.0, 1.0) for digest in digests])
            except BaseException as error:
                errors.append(error)

        for job_id in ("up", "down"):
            make_job(ledger, job_id)
        threads = [threading.Thread(target=write, args=given) for given in (("up", 1), ("down", -1))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert errors == []
        assert set(ledger.recorded("up", "inherited")) == set(ledger.recorded("down", "inherited"))


def front_of(points: list[tuple[float | None, ...]]) -> set[int]:
    """Indices of the front by comparing every pair: not dominated, and the first of its equals."""
    known = [i for i, point in enumerate(points) if None not in point and not any(math.isnan(v) for v in point)]
    return {
        i
        for i in known
        if not any(
            all(y <= x for x, y in zip(points[i], points[j], strict=True)) and (points[i] != points[j] or j < i)
            for j in known
            if j != i
        )
    }


class TestFront:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize(
        "objectives",
        [("val_loss", "latency_ms"), ("latency_ms",), ("param_count", "val_loss", "latency_ms", "peak_memory_bytes")],
        ids=["two", "one", "four"],
    )
    def test_every_past_front_equals_brute_force(
        self, ledger: Ledger, evaluation: MakeEvaluation, objectives: tuple[str, ...], seed: int
    ) -> None:
        rng = Random(seed)
        make_job(ledger, "j", objectives)
        rows: list[Evaluation] = []
        changes = 0
        while len(rows) < 60:
            batch = [
                evaluation(
                    f"d{len(rows) + i}",
                    rng.choice([None, math.nan, math.inf, *map(float, range(6))]),
                    rng.choice([None, *map(float, range(6))]),
                    latency_measured_ms=rng.choice([None, None, math.nan, *map(float, range(3))]),
                    param_count=rng.randint(0, 3),
                    peak_memory_bytes=rng.randint(0, 3),
                    state=rng.choice(["complete"] * 6 + ["failed", "infeasible"]),
                    fidelity=rng.choice(["inherited", "inherited", "finetuned"]),
                )
                for i in range(rng.randint(1, 7))
            ]
            changes += ledger.record("j", batch)
            rows += batch

        def point(row: Evaluation, fidelity: str) -> tuple[float | None, ...]:
            if row.state != "complete" or row.fidelity != fidelity:
                return (None,) * len(objectives)
            measured = row.latency_measured_ms
            latency = row.latency_ms if measured is None or math.isnan(measured) else measured
            return tuple(latency if name == "latency_ms" else getattr(row, name) for name in objectives)

        for fidelity in ("inherited", "finetuned"):
            points = [point(row, fidelity) for row in rows]
            for seq in range(0, len(rows) + 1, 3):
                past = ledger.front("j", fidelity, at_seq=seq)
                assert set(past["digest"]) == {f"d{i}" for i in front_of(points[:seq])}
            now = ledger.front("j", fidelity)
            bare = ledger.front("j", fidelity, architectures=False)
            pd.testing.assert_frame_equal(bare, now.drop(columns="architecture"))
            assert set(now["digest"]) == {f"d{i}" for i in front_of(points)}
            assert now["on_front"].all()
            every = ledger.evaluations("j", fidelity)
            assert set(every["digest"][every["on_front"]]) == set(now["digest"])
        stays = [ledger.front_history("j", fidelity) for fidelity in ("inherited", "finetuned")]
        assert changes == sum(len(stay) + int(stay["left_seq"].notna().sum()) for stay in stays)

    def test_history_tells_who_displaced_whom(self, ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
        assert ledger.record(job.id, [evaluation("a", 2.0, 2.0), evaluation("b", 1.0, 3.0)]) == 2
        assert ledger.record(job.id, [evaluation("worse", 3.0, 3.0)]) == 0
        assert ledger.record(job.id, [evaluation("c", 2.0, 1.0), evaluation("d", 1.0, 1.0)]) == 5
        history = ledger.front_history(job.id, "inherited")
        assert list(history["digest"]) == ["a", "b", "c", "d"]
        assert list(history["entered_seq"]) == [1, 2, 4, 5]
        assert history["left_seq"].tolist() == [4, 5, 5, pd.NA]

    def test_sorted_by_the_latency_that_counts(self, ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
        ledger.record(
            job.id,
            [
                evaluation("slow", 1.0, 1.0, latency_measured_ms=9.0),
                evaluation("fast", 3.0, 8.0, latency_measured_ms=2.0),
                evaluation("guess", 2.0, 5.0),
            ],
        )
        assert list(ledger.front(job.id)["digest"]) == ["fast", "guess", "slow"]

    def test_fidelities_have_fronts_of_their_own(self, ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
        ledger.record(job.id, [evaluation("a", 2.0, 2.0), evaluation("b", 1.0, 3.0)])
        ledger.record(job.id, [evaluation("b", 0.5, 1.0, fidelity="finetuned")])
        assert set(ledger.front(job.id)["digest"]) == {"a", "b"}
        assert list(ledger.front(job.id, "finetuned")["val_loss"]) == [0.5]


class TestTraces:
    def test_a_curve_point_written_again_is_one_point(self, ledger: Ledger, job: Job) -> None:
        ledger.add_curve(job.id, [CurvePoint(0, "largest", 5.5, 0.0), CurvePoint(0, "smallest", 5.6, 0.0)])
        ledger.add_curve(job.id, [CurvePoint(0, "largest", 5.4, 0.1), CurvePoint(10, "largest", math.nan, 1.0)])
        curve = ledger.curve(job.id)
        assert list(zip(curve["step"], curve["subnet"], strict=True)) == [
            (0, "largest"),
            (0, "smallest"),
            (10, "largest"),
        ]
        assert curve["loss_nats"].tolist()[:2] == [5.4, 5.6]
        assert math.isnan(curve["loss_nats"][2])
        ledger.add_curve(job.id, [])

    def test_events_come_newest_first(self, ledger: Ledger, job: Job) -> None:
        for i in range(5):
            ledger.add_event(job.id, "search", "front", f"message {i}")
        events = ledger.events(job.id, limit=2)
        assert list(events["message"]) == ["message 4", "message 3"]
        assert len(ledger.events(job.id)) == 5

    def test_a_breakdown_is_replaced_whole_and_keeps_its_order(
        self, ledger: Ledger, job: Job, evaluation: MakeEvaluation
    ) -> None:
        def line(layer: str, latency_ms: float) -> dict[str, object]:
            return {
                "layer": layer,
                "op": "mm",
                "family": "gemm",
                "calls": 2,
                "latency_ms": latency_ms,
                "measured": layer != "gaps",
            } | ({"flops": 6_000_000_000, "bytes": 24} if layer != "gaps" else {})

        ledger.record(job.id, [evaluation("a", 1.0, 1.0)])
        lines = [line("embed", 0.25), line("blocks.0.token_mixer", 0.5), line("gaps", -0.125)]
        ledger.add_breakdowns(job.id, {"a": {"decode": lines, "prefill": [*lines, *lines]}})
        ledger.add_breakdowns(job.id, {"a": {"prefill": lines[::-1]}})
        frame = ledger.breakdown(job.id, "a")
        assert list(frame["phase"]) == ["decode"] * 3 + ["prefill"] * 3
        assert list(frame["layer"][:3]) == [entry["layer"] for entry in lines]
        assert list(frame["latency_ms"][3:]) == [-0.125, 0.5, 0.25]
        assert list(frame["measured"][:3]) == [True, True, False]
        assert list(frame["flops"].fillna(-1)[:3]) == [6_000_000_000, 6_000_000_000, -1]
        assert list(frame["bytes"].fillna(-1)[:3]) == [24, 24, -1]
        assert ledger.breakdown(job.id, "b").empty
        with pytest.raises(InputError, match="'b'"):
            ledger.add_breakdowns(job.id, {"a": {"prefill": []}, "b": {"prefill": lines}})
        assert len(ledger.breakdown(job.id, "a")) == 6

    def test_a_checkpoint_path_is_told_once(self, ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
        ledger.record(job.id, [evaluation("a", 1.0, 1.0)])
        ledger.add_checkpoint(job.id, "supernet", "/w/latest", 10, sha256="aa")
        ledger.add_checkpoint(job.id, "finalist", "/w/a", 5, digest="a")
        ledger.add_checkpoint(job.id, "supernet", "/w/latest", 20, sha256="bb")
        frame = ledger.checkpoints(job.id).set_index("path")
        assert len(frame) == 2
        assert frame.loc["/w/latest", ["step", "sha256", "digest"]].tolist() == [20, "bb", None]
        assert frame.loc["/w/a", ["kind", "step", "digest"]].tolist() == ["finalist", 5, "a"]

    def test_exports(self, ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
        ledger.record(job.id, [evaluation("a", 1.0, 1.0)])
        ledger.add_export(job.id, "a", "pytorch", "/out", "inherited", 1e-7, None)
        ledger.add_export(job.id, "a", "onnx", "/out", "inherited", 2e-7, 3.5)
        ledger.add_export(job.id, "a", "pytorch", "/out", "finetuned", 3e-7, 4.5)
        frame = ledger.exports(job.id).set_index("format")
        assert len(frame) == 2
        assert frame.loc["pytorch", ["weights", "max_relative_difference", "latency_measured_ms"]].tolist() == [
            "finetuned",
            3e-7,
            4.5,
        ]
        with pytest.raises(InputError, match="'b'"):
            ledger.add_export(job.id, "b", "onnx", "/b", "inherited", None, None)


def measurement(key: str, median_us: float = 1.0) -> KernelMeasurement:
    return KernelMeasurement(key, "aten.mm", "gemm", '{"shapes":[[1,63],[63,7]]}', 2**40, 2**41, median_us, 0.5, 30)


class TestDevices:
    def test_saving_again_replaces_the_facts_and_keeps_the_measurements(self, ledger: Ledger) -> None:
        assert ledger.device("cpu") is None
        ledger.save_device("cpu", {"threads": 1}, {})
        first = ledger.device("cpu")
        ledger.add_measurements("cpu", [measurement("k")])
        ledger.save_device("cpu", {"threads": 2}, {"gap_us": 1.5})
        second = ledger.device("cpu")
        assert first is not None
        assert second is not None
        assert (second.hardware, second.composition) == ({"threads": 2}, {"gap_us": 1.5})
        assert second.created_at == first.created_at
        assert len(ledger.measurements("cpu")) == 1

    def test_a_key_measured_again_is_replaced(self, ledger: Ledger) -> None:
        ledger.save_device("cpu", {}, {})
        ledger.save_device("gpu", {}, {})
        ledger.add_measurements("cpu", [measurement("b", 1.0), measurement("a", 2.0), measurement("a", 3.0)])
        ledger.add_measurements("gpu", [measurement("b", 9.0)])
        ledger.add_measurements("cpu", [measurement("b", 4.0)])
        ledger.add_measurements("cpu", [])
        assert ledger.measurements("cpu") == [measurement("a", 3.0), measurement("b", 4.0)]
        assert ledger.measurements("gpu") == [measurement("b", 9.0)]
        assert ledger.measurements("nowhere") == []

    def test_how_a_kernel_was_timed_is_kept(self, ledger: Ledger) -> None:
        ledger.save_device("gpu", {}, {})
        told = {
            "timing": "graph",
            "warm_us": 0.75,
            "skewed_us": 1.25,
            "kernel_names": ("gemm_a", "split_k"),
            "note": "naïve",
        }
        rows = [replace(measurement("a"), **told), measurement("b")]
        ledger.add_measurements("gpu", rows)
        assert ledger.measurements("gpu") == rows

    def test_validations_and_the_list_of_devices(self, ledger: Ledger) -> None:
        pairs = [{"digest": "a", "predicted_ms": 1.0, "measured_ms": math.nan}]
        check = ValidationRow("tiny-lm", "decode", 1, 63, 1, 0.1, 0.09, 0.5, math.nan, 0.02, pairs)
        ledger.save_device("gpu", {"name": "g"}, {})
        ledger.save_device("cpu", {"name": "c"}, {})
        ledger.add_validation("cpu", check)
        ledger.add_validation("gpu", check)
        ledger.add_validation("cpu", check)
        assert list(ledger.validations()["device"]) == ["cpu", "gpu", "cpu"]
        row = ledger.validations("gpu").iloc[0]
        assert row["pairs"] == [{"digest": "a", "predicted_ms": 1.0, "measured_ms": None}]
        assert (row["phase"], row["mape"]) == ("decode", 0.1)
        assert math.isnan(row["kendall_tau"])
        devices = ledger.devices()
        assert devices[["name", "measurements", "validations"]].to_numpy().tolist() == [["cpu", 0, 2], ["gpu", 0, 1]]
        assert devices["hardware"][0] == {"name": "c"}

    def test_an_unknown_device_is_refused(self, ledger: Ledger) -> None:
        with pytest.raises(InputError, match="'tpu'"):
            ledger.add_measurements("tpu", [measurement("k")])
        with pytest.raises(InputError, match="'tpu'"):
            ledger.add_validation("tpu", ValidationRow("s", "decode", 1, 1, 0, None, None, None, None, None, []))


class TestOpening:
    def test_what_was_written_is_there_when_opened_again(
        self, database: str, ledger: Ledger, job: Job, evaluation: MakeEvaluation
    ) -> None:
        ledger.record(job.id, [evaluation("a", 1.0, 1.0)])
        ledger.close()
        with open_ledger(database, create=False) as again:
            assert again.job(job.id).id == job.id
            assert list(again.front(job.id)["digest"]) == ["a"]

    def test_read_only_reads_and_cannot_write(self, database: str, ledger: Ledger, job: Job) -> None:
        with open_ledger(database, read_only=True) as reader:
            assert reader.job(job.id) == job
            ledger.set_progress(job.id, "train", 1, 2)
            assert reader.job(job.id).done == 1
            with pytest.raises(AssertionError, match="read-only"):
                reader.set_progress(job.id, "train", 2, 2)
        assert ledger.job(job.id).done == 1

    def test_a_closed_ledger_says_so(self, ledger: Ledger) -> None:
        ledger.close()
        with pytest.raises(AssertionError, match="closed"):
            ledger.jobs()


class TestText:
    @pytest.mark.parametrize(
        ("given", "kept"),
        [("a\x00b", "a\\x00b"), ("half \udc80", "half \\udc80"), (EVERY_WORD, EVERY_WORD)],
        ids=["zero", "surrogate", "every-word"],
    )
    def test_what_a_broken_program_said_can_be_kept(
        self, ledger: Ledger, job: Job, evaluation: MakeEvaluation, given: str, kept: str
    ) -> None:
        ledger.record(job.id, [evaluation("a", state="failed", reason=given)])
        ledger.add_event(job.id, "search", "k", given)
        ledger.set_state(job.id, "failed", error=given)
        assert ledger.evaluation(job.id, "a").reason == kept
        assert ledger.events(job.id)["message"][0] == kept
        assert ledger.job(job.id).error == kept
