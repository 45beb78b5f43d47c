"""A job's front as one table: inherited scores with what fine-tuning and measuring added."""

from __future__ import annotations

import pandas as pd

from ..db import Job, Ledger


def front_table(ledger: Ledger, job: Job) -> pd.DataFrame:
    """One row per front member, the fastest first; what is not known is missing, never zero."""
    front = ledger.front(job.id)
    finetuned = ledger.recorded(job.id, "finetuned")
    front["finetuned_loss"] = [_of(finetuned.get(digest), "val_loss") for digest in front["digest"]]
    front["latency_measured_ms"] = [_of(finetuned.get(digest), "latency_measured_ms") for digest in front["digest"]]
    return front


def _of(evaluation: object, name: str) -> float | None:
    return getattr(evaluation, name) if evaluation else None
