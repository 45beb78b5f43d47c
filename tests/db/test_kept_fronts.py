"""The front kept in memory is the stored one, whoever else writes, whatever fails, and however large it is."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from frontier.db import DuplicateEvaluation, Evaluation, Job, Ledger, open_ledger
from frontier.db.kept_fronts import JOBS_KEPT, KeptFronts

MakeEvaluation = Callable[..., Evaluation]


def random_batch(rng: Random, evaluation: MakeEvaluation, first: int) -> list[Evaluation]:
    fidelities = ["inherited", "inherited", "finetuned"]
    return [
        evaluation(f"d{first + i}", rng.random(), rng.random(), fidelity=rng.choice(fidelities))
        for i in range(rng.randint(1, 6))
    ]


def expected_front(rows: list[Evaluation], fidelity: str) -> set[str]:
    points = {r.digest: (r.val_loss, r.latency_ms) for r in rows if r.fidelity == fidelity}
    return {
        digest
        for digest, (x, y) in points.items()
        if not any(a <= x and b <= y for other, (a, b) in points.items() if other != digest)
    }


def test_two_writers_in_turn_see_each_others_changes(
    database: str, ledger: Ledger, job: Job, evaluation: MakeEvaluation
) -> None:
    rng, rows = Random(5), []
    with open_ledger(database) as second:
        for _ in range(40):
            batch = random_batch(rng, evaluation, len(rows))
            rng.choice([ledger, second]).record(job.id, batch)
            rows += batch
            for fidelity in ("inherited", "finetuned"):
                assert set(ledger.front(job.id, fidelity)["digest"]) == expected_front(rows, fidelity)


def test_a_batch_that_fails_leaves_the_front_as_it_is_stored(
    ledger: Ledger, job: Job, evaluation: MakeEvaluation
) -> None:
    ledger.record(job.id, [evaluation("a", 2.0, 2.0)])
    with pytest.raises(Exception, match="latency_ms_not_negative"):  # found by the database, after the front was told
        ledger.record(job.id, [evaluation("b", 1.0, 1.0), evaluation("c", 3.0, -1.0)])
    with pytest.raises(DuplicateEvaluation):
        ledger.record(job.id, [evaluation("b", 1.0, 1.0), evaluation("a", 0.0, 0.0)])
    assert ledger.record(job.id, [evaluation("b", 1.5, 1.5)]) == 2
    assert list(ledger.front(job.id)["digest"]) == ["b"]


def test_a_batch_does_not_read_the_front_again(
    ledger: Ledger, job: Job, evaluation: MakeEvaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.record(job.id, [evaluation("a", 1.0, 1.0)])

    def read(*_: object) -> None:
        raise AssertionError("the front was read again")

    monkeypatch.setattr("frontier.db.ledger_recording.stored_front", read)
    assert ledger.record(job.id, [evaluation("b", 0.5, 2.0)]) == 1
    assert ledger.record(job.id, [evaluation("c", 0.25, 0.25)]) == 3


def test_as_many_jobs_are_kept_as_are_written_at_once() -> None:
    kept, job = KeptFronts(), (None, 1)
    for number in range(JOBS_KEPT + 1):
        kept.give_back(str(number), job, {"inherited": number})  # type: ignore[arg-type, dict-item]
    assert kept.take("0", job) == {}  # type: ignore[arg-type]
    assert kept.take("1", (None, 2)) == {}  # type: ignore[arg-type]
    assert kept.take("2", job) == {"inherited": 2}  # type: ignore[arg-type, comparison-overlap]
    assert kept.take("2", job) == {}  # type: ignore[arg-type]
