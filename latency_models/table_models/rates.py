"""What a data sheet says of a device: how fast it computes in each element type, and how fast it moves bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import InputError
from ..tables import TableKind
from ..tables.dtypes import DTYPE_WORDS, WEIGHT_ONLY

# The type that products are computed in, where weights are kept in another, or in one with a scale per block.
COMPUTED_IN = {"fp8_block": "fp8", **dict.fromkeys(WEIGHT_ONLY, "bfloat16")}
# What kinds without an element type compute in.
USUAL = "bfloat16"

TERAFLOPS, GIGABYTES, LINK = "teraflops", "gigabytes_per_second", "link_gigabytes_per_second"
# Per microsecond, of one tera per second and of one giga per second.
TERA, GIGA = 1e6, 1e3


@dataclass(frozen=True)
class Rates:
    """Peak rates per microsecond: operations by element type, bytes of memory, bytes sent to other devices (None: not
    known)."""

    flops_per_us: Mapping[str, float]
    bytes_per_us: float
    link_bytes_per_us: float | None = None

    def tells_of(self, kind: TableKind) -> bool:
        """Whether there are rates of what a kind of call uses: links are not always told."""
        return kind.name != "collective" or self.link_bytes_per_us is not None

    def knows(self, kind: TableKind, dtype: str | None) -> bool:
        """Whether it is known how fast calls of a kind and type are."""
        if kind.name == "collective":
            return self.tells_of(kind)
        return _computed_in(dtype) in self.flops_per_us

    def time_us(self, kind: TableKind, rows: pd.DataFrame, floor_us: float) -> NDArray[np.float64]:
        """Microseconds of each row at these rates, all of them known, on top of `floor_us`."""
        moved = kind.bytes(rows).to_numpy(float)
        if kind.name == "collective":
            assert self.link_bytes_per_us is not None, "asked for what is not known"
            return np.asarray(floor_us + moved / self.link_bytes_per_us)
        dtypes = rows["dtype"] if "dtype" in kind.labels else pd.Series(USUAL, index=rows.index)
        flops_per_us = dtypes.map(lambda dtype: self.flops_per_us[_computed_in(dtype)]).to_numpy(float)
        compute_us = kind.flops(rows).to_numpy(float) / flops_per_us
        return np.asarray(floor_us + np.maximum(compute_us, moved / self.bytes_per_us))

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        found: dict[str, Any] = {
            TERAFLOPS: {dtype: rate / TERA for dtype, rate in self.flops_per_us.items()},
            GIGABYTES: self.bytes_per_us / GIGA,
        }
        return found if self.link_bytes_per_us is None else {**found, LINK: self.link_bytes_per_us / GIGA}

    @classmethod
    def from_json(cls, plain: Any, where: str) -> Rates:
        """Read the rates of one device.

        Raises:
            InputError: a key is missing or not known, or a rate is no number above 0; the message starts with `where`.
        """
        if not isinstance(plain, Mapping) or not {TERAFLOPS, GIGABYTES} <= set(plain) <= {TERAFLOPS, GIGABYTES, LINK}:
            raise InputError(f"{where}: an object with {TERAFLOPS}, {GIGABYTES} and, if known, {LINK}; got {plain!r}")
        types = plain[TERAFLOPS]
        if not isinstance(types, Mapping) or not types or not set(types) <= set(DTYPE_WORDS):
            raise InputError(f"{where}.{TERAFLOPS}: rates of {', '.join(DTYPE_WORDS)}; got {types!r}")
        link = plain.get(LINK)
        return cls(
            {DTYPE_WORDS[dtype]: TERA * _rate(rate, f"{where}.{TERAFLOPS}.{dtype}") for dtype, rate in types.items()},
            GIGA * _rate(plain[GIGABYTES], f"{where}.{GIGABYTES}"),
            None if link is None else GIGA * _rate(link, f"{where}.{LINK}"),
        )


def read_rates(path: Path, devices: tuple[str, str]) -> dict[str, Rates]:
    """The rates of two devices from a JSON file that has an object for each.

    Raises:
        InputError: the file cannot be read, or a device or a rate is missing or wrong.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: a file that can be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: JSON: {error}") from None
    if not isinstance(plain, Mapping) or set(plain) != set(devices):
        got = ", ".join(plain) if isinstance(plain, Mapping) else repr(plain)
        raise InputError(f"{path}: the rates of {' and '.join(devices)}, both from their data sheets; got {got}")
    return {device: Rates.from_json(plain[device], f"{path}: {device}") for device in devices}


def _computed_in(dtype: str | None) -> str:
    return USUAL if dtype is None else COMPUTED_IN.get(dtype, dtype)


def _rate(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (math.isfinite(value) and value > 0):
        raise InputError(f"{where}: a finite number above 0; got {value!r}")
    return float(value)
