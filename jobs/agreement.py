"""Whether what a search went by holds for its finalists: losses before and after, latency predicted and measured."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scipy.stats import kendalltau

from ..db import Ledger


@dataclass(frozen=True)
class Agreement:
    """Kendall tau over `count` finalists; None where fewer than two have both values, or all are alike."""

    count: int
    loss_tau: float | None
    latency_tau: float | None

    def __str__(self) -> str:
        loss, latency = ("unknown" if tau is None else f"{tau:.2f}" for tau in (self.loss_tau, self.latency_tau))
        return (
            f"{self.count} finalists, Kendall tau: inherited against fine-tuned loss {loss}, "
            f"predicted against measured latency {latency}"
        )


def finalists_agree(ledger: Ledger, job_id: str) -> Agreement:
    """Compare what is known of a job's finalists before and after their fine-tuning."""
    tuned = [one for one in ledger.recorded(job_id, "finetuned").values() if one.state == "complete"]
    inherited = [ledger.evaluation(job_id, one.digest, "inherited") for one in tuned]
    return Agreement(
        len(tuned),
        _tau((before.val_loss, after.val_loss) for before, after in zip(inherited, tuned, strict=True)),
        _tau((one.latency_ms, one.latency_measured_ms) for one in tuned),
    )


def _tau(pairs: Iterable[tuple[float | None, float | None]]) -> float | None:
    known = [pair for pair in pairs if None not in pair]
    tau = float(kendalltau(*zip(*known, strict=True)).statistic) if len(known) > 1 else math.nan
    return None if math.isnan(tau) else tau
