"""What a search tells the ledger besides losses: phases, trust, effort, its predictor; what users say; the counters."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest

from frontier.db import DuplicateEvaluation, Evaluation, Job, Ledger, Quality
from frontier.errors import InputError

MakeEvaluation = Callable[..., Evaluation]
COUNTERS = ["evaluations", "failed", "front_size", "best_val_loss"]


class TestEvaluations:
    def test_what_a_search_knows_of_one_comes_back(self, ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
        told = evaluation(
            "a",
            1.0,
            2.0,
            prefill_latency_ms=2.0,
            decode_latency_ms=0.25,
            train_latency_ms=6.5,
            measured_share=0.75,
            extrapolates=False,
            attempts=3,
            seen_share=0.125,
        )
        untold = evaluation("b", 3.0, 1.0)
        ledger.record(job.id, [told, untold])
        assert ledger.recorded(job.id, "inherited") == {"a": told, "b": untold}
        frame = ledger.evaluations(job.id).set_index("digest")
        assert frame.loc["a", ["attempts", "extrapolates", "measured_share"]].tolist() == [3, False, 0.75]
        assert frame.loc["b", "extrapolates"] is pd.NA
        assert math.isnan(frame.loc["b", "seen_share"])
        assert ledger.front(job.id).dtypes["extrapolates"] == "boolean"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("measured_share", 1.01),
            ("measured_share", -0.1),
            ("seen_share", 2.0),
            ("attempts", 0),
            ("prefill_latency_ms", -1.0),
            ("decode_latency_ms", -1.0),
            ("train_latency_ms", -1.0),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, ledger: Ledger, job: Job, evaluation: MakeEvaluation, field: str, value: float
    ) -> None:
        with pytest.raises(Exception, match=f"ck_evaluations_{field}"):
            ledger.record(job.id, [evaluation("a", 1.0, 1.0, **{field: value})])
        assert ledger.evaluations(job.id).empty

    def test_who_was_given_up_never_is_on_the_front(self, ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
        assert ledger.record(job.id, [evaluation("a", 0.0, 0.0, state="hopeless", seen_share=0.1)]) == 0
        assert ledger.record(job.id, [evaluation("b", 1.0, 1.0)]) == 1
        assert list(ledger.front(job.id)["digest"]) == ["b"]
        assert ledger.jobs().loc[0, COUNTERS].tolist() == [2, 0, 1, 1.0]

    def test_a_front_of_phases(self, ledger: Ledger, evaluation: MakeEvaluation) -> None:
        objectives = ["val_loss", "prefill_latency_ms", "decode_latency_ms"]
        ledger.create_job(job_id="p", name="n", config={}, space={}, run_dir="r", objectives=objectives)
        rows = [("a", 1.0, 5.0, 1.0), ("b", 1.0, 1.0, 5.0), ("c", 1.0, 5.0, 5.0), ("d", 0.5, None, 0.5)]
        batch = [evaluation(d, x, prefill_latency_ms=y, decode_latency_ms=z) for d, x, y, z in rows]
        assert ledger.record("p", batch) == 2
        assert set(ledger.front("p")["digest"]) == {"a", "b"}
        assert ledger.hypervolume("p", reference=[2.0, 6.0, 6.0])["value"].tolist() == [5.0, 9.0]


class TestCounters:
    def test_they_are_what_counting_the_rows_gives(self, ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
        for number in range(30):
            states = ["complete", "complete", "failed", "infeasible", "hopeless"]
            fidelity = "finetuned" if number % 7 == 3 else "inherited"
            loss = math.nan if number % 11 == 5 else float((number * 7) % 23)
            one = evaluation(f"d{number}", loss, float((number * 5) % 19), state=states[number % 5], fidelity=fidelity)
            ledger.record(job.id, [one])
            rows = ledger.evaluations(job.id)
            complete = rows[rows["state"] == "complete"]
            counted = [len(rows), int((rows["state"] == "failed").sum()), len(ledger.front(job.id))]
            told = ledger.jobs().loc[0, COUNTERS].tolist()
            assert told[:3] == counted
            assert told[3] == complete["val_loss"].min()
            assert ledger.job(job.id).evaluations == len(rows)

    def test_a_refused_batch_counts_nothing(self, ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
        ledger.record(job.id, [evaluation("a", 1.0, 1.0)])
        before = ledger.jobs().loc[0].tolist()
        with pytest.raises(DuplicateEvaluation):
            ledger.record(job.id, [evaluation("b", 0.5, 0.5), evaluation("a", 0.5, 0.5)])
        assert ledger.jobs().loc[0].tolist() == before


class TestQuality:
    def test_it_is_kept_by_how_many_evaluations_it_knew(self, ledger: Ledger, job: Job) -> None:
        first, second = Quality(50, 10, 0.5, 0.25, 0.9), Quality(20, 4, -1.0, math.nan, None)
        for quality in (first, second, replace(first, kendall_tau=0.75)):
            ledger.add_quality(job.id, quality)
        frame = ledger.qualities(job.id)
        assert frame["evaluations"].tolist() == [20, 50]
        assert frame["kendall_tau"].tolist() == [-1.0, 0.75]
        assert frame["held_out"].tolist() == [4, 10]
        assert math.isnan(frame["error"][0])
        assert math.isnan(frame["coverage"][0])

    @pytest.mark.parametrize("bad", [{"kendall_tau": 1.5}, {"coverage": 1.5}, {"error": -1.0}], ids=str)
    def test_what_cannot_be_is_refused(self, ledger: Ledger, job: Job, bad: dict[str, float]) -> None:
        with pytest.raises(Exception, match="ck_quality_predictors"):
            ledger.add_quality(job.id, replace(Quality(50, 10, 0.5, 0.25, 0.9), **bad))
        assert ledger.qualities(job.id).empty


class TestNotesAndTags:
    def test_they_belong_to_the_architecture(self, ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
        ledger.record(job.id, [evaluation("a", 1.0, 1.0), evaluation("b", 2.0, 2.0)])
        ledger.add_note("a", " fast, and naïve\n", "me")
        ledger.add_note("a", "again")
        ledger.add_note("b", "other")
        assert ledger.notes("a")[["text", "author"]].to_numpy().tolist() == [["fast, and naïve", "me"], ["again", None]]
        assert ledger.notes(job_id=job.id)["text"].tolist() == ["fast, and naïve", "again", "other"]
        assert ledger.notes(job_id="nobody").empty
        assert ledger.delete_note(int(ledger.notes("a")["id"][0]))
        assert not ledger.delete_note(10**6)
        assert ledger.notes()["text"].tolist() == ["again", "other"]
        for tag in ("keep", "ship", "keep"):
            ledger.add_tag("a", tag, "me")
        ledger.add_tag("b", "keep")
        assert ledger.tags("a")["tag"].tolist() == ["keep", "ship"]
        ledger.remove_tag("a", "ship")
        ledger.remove_tag("a", "never there")
        assert ledger.tags(job_id=job.id)[["digest", "tag"]].to_numpy().tolist() == [["a", "keep"], ["b", "keep"]]

    def test_what_says_nothing_or_of_nobody_is_refused(
        self, ledger: Ledger, job: Job, evaluation: MakeEvaluation
    ) -> None:
        ledger.record(job.id, [evaluation("a", 1.0, 1.0)])
        with pytest.raises(InputError, match="note: 1 to 10000 characters; got 0"):
            ledger.add_note("a", "  ")
        with pytest.raises(InputError, match="tag: 1 to 100 characters; got 101"):
            ledger.add_tag("a", "x" * 101)
        with pytest.raises(InputError, match="'zz'"):
            ledger.add_note("zz", "x")
        with pytest.raises(InputError, match="'zz'"):
            ledger.add_tag("zz", "x")
