"""Launch parameters of a kernel by bucket of shapes: tuned when asked, kept on disk per device, fixed otherwise.

A search launches a kernel at hundreds of widths. Shapes fall into buckets, so that there are few of them to tune, and a
bucket is tuned only inside `tuned_kernels()`: never in the middle of a training, and never while something is timed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

import torch
import triton

from .launching import INTERPRETED

# What a kernel's launch is given beside its arguments: its block sizes, and Triton's num_warps and num_stages.
Config = Mapping[str, int]
# What a bucket is told by: sizes of buckets, switches and dtypes.
Part = int | bool | torch.dtype

_TUNES: ContextVar[bool] = ContextVar("tunes", default=False)


@contextmanager
def tuned_kernels() -> Iterator[None]:
    """Inside, a launch at a bucket that nobody tuned on this device tries every configuration and keeps the best."""
    token = _TUNES.set(True)
    try:
        yield
    finally:
        _TUNES.reset(token)


def bucket(size: int, least: int = 16) -> int:
    """The next power of two: sizes of one bucket share their launch parameters."""
    return max(least, triton.next_power_of_2(size))


class Tuning:
    """The configurations of one kernel. The first is taken where nothing was tuned.

    Interpreted there is one alone: `interpreted`, where small blocks save operations, else the first.
    """

    def __init__(self, kernel: str, *configs: Config, interpreted: Config | None = None) -> None:
        self.kernel, self.configs = kernel, configs
        self._interpreted = interpreted or configs[0]

    def launch(self, run: Callable[[Config], object], device: torch.device, *bucket_of: Part) -> None:
        """Run with the parameters of a bucket. `run` may be called many times: it writes its outputs anew."""
        run(self.config(run, device, *bucket_of))

    def config(self, run: Callable[[Config], object], device: torch.device, *bucket_of: Part) -> Config:
        """The parameters of a bucket; `run` is what they are tuned by."""
        if INTERPRETED:
            return self._interpreted
        if device.type != "cuda":
            return self.configs[0]
        known, key = _known(device), ":".join(str(part).removeprefix("torch.") for part in bucket_of)
        found = known.get(self.kernel, {}).get(key)
        # Tuned by an older version of this file, it may name a configuration that is no longer among ours.
        if found in self.configs:
            return found
        if not _TUNES.get() or torch.cuda.is_current_stream_capturing():
            return self.configs[0]
        best = min(self.configs, key=lambda config: _time_ms(lambda: run(config)))
        known.setdefault(self.kernel, {})[key] = dict(best)
        write(cache_file(device), self.kernel, key, best)
        return best


def _time_ms(run: Callable[[], object]) -> float:
    """Infinite where the device cannot run it, such as for want of shared memory."""
    try:
        return triton.testing.do_bench(run, warmup=10, rep=40, return_mode="median")
    except (triton.runtime.errors.OutOfResources, triton.compiler.errors.CompilationError):
        return float("inf")


def cache_file(device: torch.device) -> Path:
    """Where the tuned parameters of a device are: in FRONTIER_KERNEL_CACHE, else in the user's cache folder."""
    folder = os.environ.get("FRONTIER_KERNEL_CACHE") or Path("~/.cache/frontier/kernels").expanduser()
    name = re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name(device).lower())
    return Path(folder) / f"{name}-triton-{triton.__version__}.json"


@lru_cache
def _known(device: torch.device) -> dict[str, dict[str, Config]]:
    return read(cache_file(device))


def read(path: Path) -> dict[str, dict[str, Config]]:
    """What was tuned, by kernel and bucket."""
    return json.loads(path.read_text()) if path.exists() else {}


def write(path: Path, kernel: str, key: str, config: Config) -> None:
    """Add one result to a file that others may be adding to: what they wrote meanwhile stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = read(path)
    known.setdefault(kernel, {})[key] = dict(config)
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps(known, indent=1, sort_keys=True))
    beside.replace(path)
