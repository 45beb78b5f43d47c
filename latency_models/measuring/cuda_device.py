"""What a CUDA device is and what drives it."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from .cuda_timing import require_cuda

QUERIES = ("driver_version", "clocks.max.sm", "clocks.max.memory")
QUERY_SECONDS = 20


def describe_cuda() -> dict[str, Any]:
    """The current device and its runtime; what nobody says is None.

    `capability` is the compute capability, clocks are the highest in MHz.

    Raises:
        InputError: torch sees no CUDA device.
    """
    require_cuda()
    found = torch.cuda.get_device_properties()
    driver, sm_clock_mhz, memory_clock_mhz = _driver_says()
    return {
        "gpu": found.name,
        "capability": f"{found.major}.{found.minor}",
        "multiprocessors": found.multi_processor_count,
        "memory_bytes": found.total_memory,
        "l2_bytes": found.L2_cache_size,
        "driver": driver,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "triton": _triton_version(),
        "max_sm_clock_mhz": sm_clock_mhz,
        "max_memory_clock_mhz": memory_clock_mhz,
    }


def _driver_says() -> tuple[str | None, str | None, str | None]:
    """What the driver's own tool answers for the first device, if it is there."""
    command = ["nvidia-smi", f"--query-gpu={','.join(QUERIES)}", "--format=csv,noheader,nounits", "--id=0"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=QUERY_SECONDS)
        driver, sm_clock_mhz, memory_clock_mhz = answer.stdout.strip().split(", ")
    except (OSError, subprocess.SubprocessError, ValueError):
        return None, None, None
    return driver, sm_clock_mhz, memory_clock_mhz


def _triton_version() -> str | None:
    try:
        return version("triton")
    except PackageNotFoundError:
        return None
