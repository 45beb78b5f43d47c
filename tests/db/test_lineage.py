"""One architecture's own rows, the jobs that found it, the measured models, and a device's roofs, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from frontier.db import Evaluation, Job, KernelMeasurement, Ledger

MakeEvaluation = Callable[..., Evaluation]


def test_lineage_holds_every_fidelity_and_the_stays(ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
    first = evaluation("aa", 2.0, 1.0)
    ledger.record(job.id, [first, evaluation("bb", 1.0, 0.5), evaluation("cc", 5.0, 5.0)])
    ledger.record(job.id, [replace(first, fidelity="finetuned", val_loss=0.5)])
    rows = ledger.lineage(job.id, "aa")
    assert rows["fidelity"].tolist() == ["inherited", "finetuned"]
    assert rows["seq"].tolist() == [1, 4]
    assert rows["entered_seq"].tolist() == [1, 4]
    assert rows["left_seq"].tolist() == [2, pd.NA]
    assert rows["on_front"].tolist() == [False, True]
    never = ledger.lineage(job.id, "cc")
    assert never["entered_seq"].isna().all()
    assert len(ledger.lineage(job.id, "zz")) == 0


def test_finders_are_all_jobs_with_that_architecture(ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
    other = ledger.create_job(job_id="other", name="n", config={}, space={}, run_dir="r", objectives=["val_loss"])
    ledger.record(job.id, [evaluation("aa", 2.0, 1.0), evaluation("bb", 2.0, 1.0)])
    ledger.record(other.id, [evaluation("aa", 3.0, 1.0)])
    found = ledger.finders("aa")
    assert found["job_id"].tolist() == [job.id, other.id]
    assert found["val_loss"].tolist() == [2.0, 3.0]
    assert ledger.finders("bb")["name"].tolist() == [job.name]


def test_measured_models_are_fine_tuned_and_measured(ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> None:
    batch = [
        evaluation("aa", 2.0, 1.0, latency_measured_ms=1.1),
        evaluation("bb", 2.0, 1.0, fidelity="finetuned", latency_measured_ms=1.2, latency_low_ms=0.9),
        evaluation("cc", 2.0, 1.0, fidelity="finetuned"),
        evaluation("dd", 2.0, None, fidelity="finetuned", latency_measured_ms=1.2),
    ]
    ledger.record(job.id, batch)
    found = ledger.measured_models(job.id)
    assert found["digest"].tolist() == ["bb"]
    assert found["latency_measured_ms"].tolist() == [1.2]
    assert found["latency_high_ms"].isna().all()


def test_roofs_are_the_fastest_of_each(ledger: Ledger) -> None:
    assert ledger.roofs("laptop") is None
    ledger.save_device("laptop", {}, {})
    assert ledger.roofs("laptop") is None

    def kernel(key: str, flops: int, moved: int, median_us: float) -> KernelMeasurement:
        return KernelMeasurement(key, "aten.mm", "matmul", "{}", flops, moved, median_us, 0.0, 3)

    ledger.add_measurements("laptop", [kernel("a", 2 * 10**12, 10, 10.0), kernel("b", 10, 10**6, 100.0)])
    # Too short to be told from nothing: this is no way to compute 10 million times as fast.
    ledger.add_measurements("laptop", [kernel("c", 10**12, 10**12, 0.05), kernel("d", 0, 0, 0.0)])
    roofs = ledger.roofs("laptop")
    assert roofs is not None
    assert (roofs.flops_per_second, roofs.bytes_per_second, roofs.kernels) == (2e17, 1e10, 2)
