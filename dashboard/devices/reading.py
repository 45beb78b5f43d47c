"""What the pages of devices read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ...db import Device, KernelMeasurement, Roofs
from ..reader import NotThere, Reader

KERNELS = ("op", "family", "shapes", "flops", "bytes", "median_us", "spread_us", "count", "timing")


@dataclass(frozen=True)
class DevicesReading:
    """Every device, the kernel families measured on each, and every validation of one."""

    devices: pd.DataFrame
    families: pd.DataFrame
    validations: pd.DataFrame


@dataclass(frozen=True)
class DeviceReading:
    """One device: its measured kernels (a row each, see `KERNELS`), its roofs, imported tables and validations."""

    device: Device
    kernels: pd.DataFrame
    roofs: Roofs | None
    tables: pd.DataFrame
    validations: pd.DataFrame


def read_devices(reader: Reader) -> DevicesReading:
    """Everything on the page of all devices."""
    with reader.ledger() as ledger:
        return DevicesReading(ledger.devices(), ledger.kernel_families(), ledger.validations())


def read_device(reader: Reader, name: str) -> DeviceReading:
    """Everything on the page of a device.

    Raises:
        NotThere: no such device.
        Unreadable: the ledger does not answer.
    """
    with reader.ledger() as ledger:
        device = ledger.device(name)
        if device is None:
            raise NotThere(f"This ledger has no device called {name}.")
        return DeviceReading(
            device=device,
            kernels=_frame(ledger.measurements(name)),
            roofs=ledger.roofs(name),
            tables=ledger.kernel_tables(name),
            validations=ledger.validations(name),
        )


def _frame(measurements: list[KernelMeasurement]) -> pd.DataFrame:
    rows = [
        (
            one.op,
            one.family,
            shapes(one.arguments),
            one.flops,
            one.bytes,
            one.median_us,
            one.spread_us,
            one.count,
            one.timing,
        )
        for one in measurements
    ]
    numbers = {"flops": "float64", "bytes": "float64", "median_us": "float64", "spread_us": "float64"}
    return pd.DataFrame(rows, columns=list(KERNELS)).astype(numbers)


def shapes(arguments: str) -> str:
    """The shapes of the tensors of a call: `1×4×4×16, 16`. A call without any has none: ""."""
    return ", ".join("×".join(map(str, shape)) or "scalar" for shape in _tensors(json.loads(arguments)))


def _tensors(value: Any) -> list[list[int]]:
    if isinstance(value, dict) and isinstance(value.get("tensor"), list):
        return [value["tensor"]]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [shape for part in parts for shape in _tensors(part)]
