"""What is known about one device: hardware, measured kernels, how they add up, and how well that was checked."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError
from .calls import KernelCall, dtype_name
from .measuring.cuda_device import describe_cuda
from .measuring.measurement import Measurement
from .runtime import Runtime


@dataclass(frozen=True)
class DeviceProfile:
    """A device by name. `hardware` is what `describe_device` says, `composition` what `calibrate` fitted."""

    name: str
    hardware: dict[str, Any]
    measurements: tuple[Measurement, ...] = ()
    composition: dict[str, Any] = field(default_factory=dict)
    validations: tuple[dict[str, Any], ...] = ()

    @cached_property
    def known(self) -> Mapping[str, Measurement]:
        """Measurements by the key of their call."""
        return {measurement.call.key: measurement for measurement in self.measurements}

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back to an equal profile."""
        return {**asdict(self), "measurements": [asdict(measurement) for measurement in self.measurements]} | {
            "validations": list(self.validations)
        }

    @classmethod
    def from_json(cls, data: str | Mapping[str, Any]) -> DeviceProfile:
        """Read a profile from a JSON text or the object it holds.

        Raises:
            InputError: the text is no JSON, or a field is missing or of the wrong form.
        """
        try:
            plain = json.loads(data) if isinstance(data, str) else data
        except json.JSONDecodeError as error:
            raise InputError(f"device profile: not JSON: {error}") from None
        try:
            return cls(
                name=str(plain["name"]),
                hardware=dict(plain["hardware"]),
                measurements=tuple(_measurement(entry) for entry in plain["measurements"]),
                composition=dict(plain["composition"]),
                validations=tuple(dict(entry) for entry in plain["validations"]),
            )
        except KeyError as error:
            raise InputError(f"device profile: {error.args[0]}: this key is needed; got nothing") from None
        except (TypeError, ValueError) as error:
            raise InputError(f"device profile: {error}") from None


def _measurement(plain: Mapping[str, Any]) -> Measurement:
    # JSON has no tuples.
    names = tuple(plain.get("kernel_names", ()))
    return Measurement(**{**plain, "call": KernelCall(**plain["call"]), "kernel_names": names})


def describe_device(runtime: Runtime) -> dict[str, Any]:
    """The machine and the runtime a measurement belongs to. Measurements of two descriptions are never mixed.

    `cpu_model` as the operating system names it, `cores` as this process may use them. For `cuda` also the device, the
    versions a kernel's choice depends on. Of the clocks only the highest are told, since the others change from moment
    to moment; what nobody says is None.

    Raises:
        InputError: no CUDA device where one is asked for.
    """
    host = {
        "device": runtime.device,
        "cpu_model": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": runtime.threads,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "dtype": dtype_name(runtime.dtype),
        "platform": platform.platform(),
        "backend": runtime.mode,
    }
    return host if runtime.device == "cpu" else {**host, **describe_cuda()}


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
