"""What the explorer draws, limits and lists: every number of an evaluation that one may want less of."""

from __future__ import annotations

from dataclasses import dataclass

from ..numbers import MEBIBYTE


@dataclass(frozen=True)
class Explored:
    """One quantity: its words, its axis title with the unit, and how the browser writes a value of it.

    `kind` is "loss", "latency", "count" or "bytes"; a value is divided by `scale` before it is drawn.
    """

    label: str
    axis: str
    kind: str
    scale: float = 1.0


LATENCY = "latency_ms"
LOSS = "val_loss"

# In the browser `latency_ms` is the measured latency where there is one and the predicted one elsewhere, as in fronts.
EXPLORED = {
    LOSS: Explored("Validation loss", "validation loss ({loss_unit})", "loss"),
    LATENCY: Explored("Latency", "latency (ms): ◆ measured, ● predicted", "latency"),
    "latency_predicted_ms": Explored("Latency, predicted", "latency (ms), predicted", "latency"),
    "latency_measured_ms": Explored("Latency, measured", "latency (ms), measured", "latency"),
    "prefill_latency_ms": Explored("Prefill latency", "prefill latency (ms), predicted", "latency"),
    "decode_latency_ms": Explored("Decode latency", "decode latency (ms), predicted", "latency"),
    "train_latency_ms": Explored("Training step latency", "training step latency (ms), predicted", "latency"),
    "param_count": Explored("Parameters", "parameters (millions)", "count", 1e6),
    "peak_memory_bytes": Explored("Peak memory", "peak memory (MiB), predicted", "bytes", MEBIBYTE),
}
