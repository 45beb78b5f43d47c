"""What a job's architectures cost before any is scored: its predicted objectives, and how far limits are broken."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from ..latency_models import Prediction, Predictions, Predictor, Workload
from ..search_space import Architecture
from ..search_space.population import Population
from .algorithms.problem import Costs
from .config import PHASE_OF, JobConfig

SCORED: Final = "val_loss"


def latencies(config: JobConfig) -> dict[str, Workload]:
    """The workload whose latency each name means."""
    by_phase = {workload.phase: workload for workload in config.workloads}
    named = {name: by_phase[phase] for name, phase in PHASE_OF.items() if phase in by_phase}
    return {"latency_ms": config.workload, **named}


@dataclass(frozen=True, eq=False)
class CostModel:
    """Prices populations as a job's objectives and constraints ask for."""

    config: JobConfig
    predictor: Predictor

    def costs(self, population: Population) -> Costs:
        """Every objective that needs no scoring, and by which shares limits are exceeded, summed."""
        predictions = self._predictions(population)
        values = np.full((len(population), len(self.config.objectives)), np.nan)
        for column, name in enumerate(self.config.objectives):
            if name != SCORED:
                values[:, column] = self._quantity(predictions, name)
        violation = np.zeros(len(population))
        for name, limit in self.config.constraints.items():
            if name != SCORED:
                violation += np.maximum(0.0, self._quantity(predictions, name) / limit.max - 1.0)
        return Costs(values, violation)

    def predicted(self, population: Population) -> list[dict[str, Any]]:
        """What the ledger keeps of each architecture's predictions."""
        by_phase = {workload.phase: list(found) for workload, found in self._predictions(population).items()}
        return [self._kept({phase: found[row] for phase, found in by_phase.items()}) for row in range(len(population))]

    def breakdown(self, architecture: Architecture) -> dict[str, list[dict[str, Any]]]:
        """Where an architecture's latency goes, by phase."""
        return {w.phase: self.predictor.breakdown(architecture, w) for w in self._workloads}

    def _predictions(self, population: Population) -> dict[Workload, Predictions]:
        return {w: self.predictor.predict_population(population, w) for w in self._workloads}

    def _quantity(self, predictions: dict[Workload, Predictions], name: str) -> np.ndarray:
        workload = self._latencies.get(name)
        if workload is not None:
            return predictions[workload].latency_ms
        return np.asarray(getattr(predictions[self._workloads[0]], name), dtype=float)

    @cached_property
    def _workloads(self) -> tuple[Workload, ...]:
        return self.config.workloads

    @cached_property
    def _latencies(self) -> dict[str, Workload]:
        return latencies(self.config)

    def _kept(self, predictions: dict[str, Prediction]) -> dict[str, Any]:
        main = predictions[self.config.device.phase]
        return {
            "latency_ms": main.latency_ms,
            "latency_low_ms": main.low_ms,
            "latency_high_ms": main.high_ms,
            "param_count": main.param_count,
            "peak_memory_bytes": main.peak_memory_bytes,
            "measured_share": main.measured_share,
            "extrapolates": main.extrapolates,
            **{f"{phase}_latency_ms": found.latency_ms for phase, found in predictions.items()},
        }
