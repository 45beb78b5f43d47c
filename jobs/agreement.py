"""Whether what a search went by holds for its finalists: losses before and after, latency predicted and measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
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
    tuned = ledger.evaluations(job_id, "finetuned").query("state == 'complete'").set_index("digest")
    inherited = ledger.evaluations(job_id, "inherited").set_index("digest").loc[tuned.index]
    return Agreement(
        len(tuned),
        _tau(inherited["val_loss"].to_numpy(float), tuned["val_loss"].to_numpy(float)),
        _tau(tuned["latency_ms"].to_numpy(float), tuned["latency_measured_ms"].to_numpy(float)),
    )


def _tau(before: np.ndarray, after: np.ndarray) -> float | None:
    known = np.isfinite(before) & np.isfinite(after)
    tau = float(kendalltau(before[known], after[known]).statistic) if known.sum() > 1 else np.nan
    return None if np.isnan(tau) else tau
