"""How a number reads on a page: its unit, its precision, and a dash where it is not known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd

UNKNOWN = "–"
SPACE = "\u00a0"  # between a number and its unit: they stay on one line
MEBIBYTE = 2**20


def known(value: Any) -> bool:
    """Whether a value read from the ledger is there: neither None nor one of pandas' spellings of it."""
    return value is not None and not pd.isna(value)


def significant(value: Any, digits: int = 3) -> str:
    """`digits` significant digits in plain notation, whole numbers in full: 0.0123, 1.23, 123, 1235."""
    if not known(value):
        return UNKNOWN
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{max(decimals, 0)}f}"


def loss(value: Any) -> str:
    """A loss in nats to four decimals: the noise of a validation batch is below that."""
    return f"{value:.4f}" if known(value) else UNKNOWN


def latency(value: Any) -> str:
    """Milliseconds, three significant digits, without the unit."""
    return significant(value)


def interval(value: Any, low: Any, high: Any) -> str:
    """A predicted latency with its interval, `1.23 [1.10, 1.36]`: all three to the decimals of the value."""
    if not known(value):
        return UNKNOWN
    if not (known(low) and known(high)):
        return latency(value)
    decimals = len(latency(value).partition(".")[2])
    return f"{latency(value)} [{low:.{decimals}f}, {high:.{decimals}f}]"


def count(value: Any) -> str:
    """A whole number: exact below a million, then three significant digits and M or G."""
    if not known(value):
        return UNKNOWN
    if abs(value) < 1e6:
        return f"{int(value):,}".replace(",", "\u202f")
    scaled, letter = (value / 1e6, "M") if abs(value) < 1e9 else (value / 1e9, "G")
    return f"{significant(scaled)}{SPACE}{letter}"


def mebibytes(value: Any) -> str:
    """Bytes as MiB, three significant digits, with the unit."""
    return f"{significant(value / MEBIBYTE)}{SPACE}MiB" if known(value) else UNKNOWN


def percent(fraction: Any) -> str:
    return f"{100 * fraction:.1f}{SPACE}%" if known(fraction) else UNKNOWN


def seconds(value: Any) -> str:
    """A duration: `42 s`, `3 min 20 s`, `2 h 05 min`."""
    if not known(value):
        return UNKNOWN
    if value < 60:
        return f"{significant(value, 2)}{SPACE}s"
    minutes, rest = divmod(round(value), 60)
    words = f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
    return words.replace(" ", SPACE)


def moment(value: Any) -> str:
    """A point in time, UTC, to the second."""
    if not known(value):
        return UNKNOWN
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)


def space_size(value: Any) -> str:
    """The number of architectures in a space, which may exceed any float: `20 736`, `3.1 × 10¹²`."""
    if not known(value):
        return UNKNOWN
    digits = str(value)
    if not digits.isdigit() or len(digits) <= 6:
        return count(int(digits)) if digits.isdigit() else digits
    mantissa, exponent = f"{Decimal(digits):.1e}".split("e+")
    raised = exponent.translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{raised}".replace(" ", SPACE)


@dataclass(frozen=True)
class Quantity:
    """Something an architecture is judged by: its name, and how a value of it reads."""

    label: str
    text: Callable[[Any], str]


QUANTITIES = {
    "val_loss": Quantity("Validation loss", loss),
    "latency_ms": Quantity("Latency", latency),
    "param_count": Quantity("Parameters", count),
    "peak_memory_bytes": Quantity("Peak memory", mebibytes),
}


def loss_unit(config: dict[str, Any]) -> str:
    """The unit of the validation loss of a job: nats per what the task predicts."""
    task = config.get("task") or {}
    if task.get("kind") == "language_model":
        return "nats per token" if task.get("tokenizer") else "nats per byte"
    return "nats per image" if task.get("kind") == "image_classification" else "nats"
