"""How models run while they are timed, which is how they are predicted to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import InputError
from .calls import dtype_name

DEVICES = ("cpu", "cuda")
MODES = {"cpu": ("eager",), "cuda": ("graph", "eager")}


@dataclass(frozen=True)
class Runtime:
    """A kind of device and how it is used. Measurements of two runtimes are never mixed.

    `threads` are those of the CPU. On `cuda` models are of `dtype` and run as a CUDA graph or launched one kernel after
    the other, as `mode` says; on the CPU they run eager and in float32.

    Raises:
        InputError: a device that cannot be timed, or a mode or dtype that it has not.
    """

    threads: int = 1
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    mode: str = "eager"

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise InputError(f"threads: at least 1; got {self.threads}")
        if self.device not in DEVICES:
            raise InputError(f"device: one of {', '.join(DEVICES)} can be measured; got {self.device!r}")
        if self.mode not in MODES[self.device]:
            raise InputError(f"mode: {' or '.join(MODES[self.device])} on {self.device}; got {self.mode!r}")
        if self.device == "cpu" and self.dtype != torch.float32:
            raise InputError(f"dtype: float32 is measured on the cpu; got {dtype_name(self.dtype)}")

    @classmethod
    def of(cls, hardware: Mapping[str, Any]) -> Runtime:
        """The runtime that `describe_device` described."""
        return cls(hardware["threads"], hardware["device"], getattr(torch, hardware["dtype"]), hardware["backend"])

    @property
    def gap(self) -> str:
        """What costs time between kernels: a replayed graph launches kernels, everything else dispatches operators."""
        return "kernel" if self.mode == "graph" else "dispatch"
