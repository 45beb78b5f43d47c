"""What a device is, in words, from what its profile or its imported tables say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..numbers import known, mebibytes, percent, significant

LABELS = {
    "device": "Device",
    "gpu": "GPU",
    "cpu_model": "CPU",
    "cores": "Cores",
    "threads": "Threads used",
    "capability": "Capability",
    "multiprocessors": "Multiprocessors",
    "memory_bytes": "Memory",
    "l2_bytes": "L2 cache",
    "max_sm_clock_mhz": "Highest clock (MHz)",
    "max_memory_clock_mhz": "Highest memory clock (MHz)",
    "dtype": "Numbers",
    "backend": "Execution",
    "runtimes": "Runtimes",
    "like": "Starts from",
    "duplicates": "Calls that disagree",
    "torch": "PyTorch",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "triton": "Triton",
    "driver": "Driver",
    "platform": "System",
}
# What a composition of kernels into a model's latency was fitted to be.
FITTED = {
    "kernel_factor": ("kernels take", lambda value: f"{significant(value)} of their own time"),
    "launch_ms": ("a launch takes", lambda value: f"{significant(1e3 * value)} µs"),
    "fixed_ms": ("a fixed part of", lambda value: f"{significant(value)} ms"),
    "mape": ("off by", lambda value: f"{percent(value)} on architectures left out"),
    "interval": ("90 % interval", lambda value: f"± {percent(value)}"),
}


def kind(hardware: Mapping[str, Any]) -> str:
    """How a device is known: by kernels measured on it, by imported tables, or by what it is like."""
    if "like" in hardware:
        return "like another"
    return "imported" if hardware.get("backend") == "table" else "measured"


def summary(hardware: Mapping[str, Any]) -> str:
    """A device in one line: `AMD EPYC, 2 threads, float32, eager`."""
    threads = hardware.get("threads")
    parts = (
        hardware.get("gpu") or hardware.get("cpu_model") or hardware.get("device"),
        f"{threads} thread{'' if threads == 1 else 's'}" if threads and not hardware.get("gpu") else None,
        hardware.get("dtype"),
        hardware.get("backend") if kind(hardware) == "measured" else None,
    )
    return ", ".join(str(part) for part in parts if part)


def facts(hardware: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Everything that is said of a device: what it is called and the value, the known names first."""
    names = [*(name for name in LABELS if name in hardware), *sorted(hardware.keys() - LABELS.keys())]
    return [
        (LABELS.get(name, name.replace("_", " ")), words)
        for name in names
        if known_whole(hardware[name]) and (words := _value(name, hardware[name]))
    ]


def known_whole(value: Any) -> bool:
    """Whether something is said at all; lists and mappings are looked at as a whole."""
    return bool(value) if isinstance(value, (list, dict, str)) else known(value)


def _value(name: str, value: Any) -> str:
    if name.endswith("_bytes"):
        return mebibytes(value)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_value('', part)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    return str(value)


def composition_words(fitted: Mapping[str, Any]) -> str:
    """How the kernels of a phase add up to a model's latency, as it was fitted."""
    parts = [f"{words} {text(fitted[name])}" for name, (words, text) in FITTED.items() if known(fitted.get(name))]
    return "; ".join(parts)
