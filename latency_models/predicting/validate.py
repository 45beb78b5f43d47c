"""Predicted against measured, on whole architectures that the predictor has not seen."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...search_space import SearchSpace
from ...supernet import Shape
from ..measuring.whole_model import measure_models
from ..runtime import Runtime
from ..workload import Workload
from .composition import draw
from .predict import Predictor


@dataclass(frozen=True)
class Validation:
    """How well predictions hold. Errors are relative to the measured latency: 0.05 is 5 %.

    `mape` and `median_ape` are mean and median absolute error, `within_10` the share of architectures within 10 %,
    `kendall_tau` the rank agreement in [-1, 1]. `floor_mape` is the error a second measurement makes at the first:
    nobody predicts better than that. `pairs` has digest, predicted_ms, low_ms, high_ms, measured_ms and again_ms.
    """

    mape: float
    median_ape: float
    within_10: float
    kendall_tau: float
    floor_mape: float
    pairs: list[dict[str, Any]]


def validate(
    predictor: Predictor,
    space: SearchSpace,
    shape: Shape,
    workload: Workload,
    runtime: Runtime,
    seed: int,
    count: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Validation:
    """Measure `count` random architectures twice, in two passes, and compare them with their predictions.

    Architectures that the predictor was calibrated on are never among them.

    Raises:
        InputError: the space has not that many others, or the phase is not calibrated.
    """
    used = frozenset(digest for one in predictor.composition.values() for digest in one.digests)
    architectures = draw(space, count, seed, leave_out=used)
    predictions = predictor.predict_many(architectures, workload)
    first, second = measure_models(architectures, shape, workload, runtime, 2, seed, on_progress=on_progress)
    pairs: list[dict[str, Any]] = [
        {
            "digest": architecture.digest,
            "predicted_ms": prediction.latency_ms,
            "low_ms": prediction.low_ms,
            "high_ms": prediction.high_ms,
            "measured_ms": one.latency_ms,
            "again_ms": again.latency_ms,
        }
        for architecture, prediction, one, again in zip(architectures, predictions, first, second, strict=True)
    ]
    errors = [abs(pair["predicted_ms"] / pair["measured_ms"] - 1) for pair in pairs]
    return Validation(
        mape=statistics.fmean(errors),
        median_ape=statistics.median(errors),
        within_10=sum(error <= 0.1 for error in errors) / len(errors),
        kendall_tau=kendall_tau([pair["predicted_ms"] for pair in pairs], [pair["measured_ms"] for pair in pairs]),
        floor_mape=statistics.fmean(abs(pair["again_ms"] / pair["measured_ms"] - 1) for pair in pairs),
        pairs=pairs,
    )


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Rank agreement: pairs in the same order less pairs in opposite order, over all pairs (tau-b, ties allowed)."""
    agree = first_untied = second_untied = 0
    for i in range(len(first)):
        for j in range(i):
            a = (first[i] > first[j]) - (first[i] < first[j])
            b = (second[i] > second[j]) - (second[i] < second[j])
            agree += a * b
            first_untied += a != 0
            second_untied += b != 0
    if not first_untied or not second_untied:
        return 0.0
    return agree / (first_untied * second_untied) ** 0.5
