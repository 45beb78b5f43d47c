"""Kernels on an NVIDIA GPU beside plain torch, eager and compiled: time, rate, share of what the device reaches.

    python benchmarks/kernels_on_gpu.py --out gpu --seconds 150

Everything runs in bfloat16 and is replayed from CUDA graphs with whatever the replay before left in the L2 cache;
kernels are tuned first. What the device reaches is measured in the same run: a large product and a large copy. Writes
`gpu_kernels.json` and `gpu_kernels.md` into the folder of --out, anew after every kernel.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from kernel_subjects import Subject, subjects
from kernels_on_cpu import work
from provenance import commit

from frontier.errors import InputError
from frontier.kernels.tuning import tuned_kernels
from frontier.latency_models import Runtime, describe_device
from frontier.latency_models.measuring.cuda_timing import (
    CannotCapture,
    captured,
    eager_times_us,
    replay_times_us,
    require_cuda,
)

DTYPE = torch.bfloat16
SIDE, COPIED_BYTES = 8192, 2**30
HEADING = (
    "| kernel | size | pass | us | TFLOP/s | share | TB/s | share | over plain | over compiled | others | timing |"
)
RULE = "|---|---|---|---|---|---|---|---|---|---|---|---|"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="the folder of the tables")
    parser.add_argument("--seconds", type=float, default=150.0, help="the time for everything")
    options = parser.parse_args()
    try:
        require_cuda()
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    ends_at = time.monotonic() + options.seconds
    torch.manual_seed(0)
    with torch.device("cuda"):
        ceilings = reached()
        found: dict[str, Any] = {
            "commit": commit(),
            "device": describe_device(Runtime(1, "cuda", DTYPE, "graph")),
            "ceilings": ceilings,
            "rows": [],
            "left_out": [],
        }
        for subject in subjects(large=True, dtype=DTYPE):
            if time.monotonic() > ends_at:
                found["left_out"].append(f"{subject.name}, {subject.size}")
                continue
            for backward in (False, True) if subject.backward else (False,):
                found["rows"].append(row(subject, backward, ceilings))
                print(line(found["rows"][-1]), flush=True)
            save(options.out, found)
    return 0


def reached() -> dict[str, float]:
    """Teraflops of a large product and terabytes per second, read and written, of a large copy."""
    left, right = (torch.randn(SIDE, SIDE, dtype=DTYPE) for _ in range(2))
    source = torch.empty(COPIED_BYTES, dtype=torch.uint8)
    target = torch.empty_like(source)
    product_us, _ = median_us(lambda: torch.mm(left, right))
    copy_us, _ = median_us(lambda: target.copy_(source))
    return {"tflops": 2 * SIDE**3 / product_us / 1e6, "tb_per_s": 2 * COPIED_BYTES / copy_us / 1e6}


def row(subject: Subject, backward: bool, ceilings: dict[str, float]) -> dict[str, Any]:
    """One kernel, forward or forward and backward, and what else does the same."""
    with tuned_kernels():
        work(subject, subject.ours, backward)()
    us, timing = median_us(work(subject, subject.ours, backward))
    plain_us, _ = median_us(work(subject, subject.plain, backward))
    compiled_us, _ = median_us(work(subject, torch.compile(subject.plain, dynamic=False), backward))
    # A gradient is about two forward passes of arithmetic, and reads and writes about twice as much.
    passes = 3 if backward else 1
    tflops, tb_per_s = passes * subject.flops / us / 1e6, passes * subject.moved_bytes / us / 1e6
    others = {name: median_us(work(subject, other, False))[0] for name, other in subject.others if not backward}
    return {
        "kernel": subject.name,
        "size": subject.size,
        "pass": "forward and backward" if backward else "forward",
        "us": us,
        "tflops": tflops,
        "tflops_share": tflops / ceilings["tflops"],
        "tb_per_s": tb_per_s,
        "tb_per_s_share": tb_per_s / ceilings["tb_per_s"],
        "over_plain": us / plain_us,
        "over_compiled": us / compiled_us,
        "over_others": {name: us / other_us for name, other_us in others.items()},
        "timing": timing,
    }


def median_us(run: Callable[[], object]) -> tuple[float, str]:
    """Median microseconds from a graph, or by events, the host in between, where no graph can hold it."""
    run()
    try:
        return statistics.median(replay_times_us(captured(run))), "graph"
    except CannotCapture:
        return statistics.median(eager_times_us(run)), "events"


def line(found: dict[str, Any]) -> str:
    """A row of the table."""
    others = ", ".join(f"{ratio:.2f} {name}" for name, ratio in found["over_others"].items())
    return (
        f"| {found['kernel']} | {found['size']} | {found['pass']} | {found['us']:.1f} | {found['tflops']:.1f} "
        f"| {found['tflops_share']:.0%} | {found['tb_per_s']:.2f} | {found['tb_per_s_share']:.0%} "
        f"| {found['over_plain']:.2f} | {found['over_compiled']:.2f} | {others} | {found['timing']} |"
    )


def save(folder: Path, found: dict[str, Any]) -> None:
    """Both files, each in one stroke."""
    device, ceilings = found["device"], found["ceilings"]
    text = "\n".join(
        [
            f"{device['gpu']}, driver {device['driver']}, CUDA {device['cuda']}, torch {device['torch']}, "
            f"triton {device['triton']}, commit {found['commit']}; bfloat16.",
            f"Reached in the same run: {ceilings['tflops']:.0f} TFLOP/s, {ceilings['tb_per_s']:.2f} TB/s.",
            "",
            HEADING,
            RULE,
            *(line(one) for one in found["rows"]),
            "",
        ]
    )
    for name, content in (("gpu_kernels.json", json.dumps(found, indent=1)), ("gpu_kernels.md", text)):
        unfinished = folder / f"{name}.part"
        unfinished.write_text(content)
        unfinished.replace(folder / name)


if __name__ == "__main__":
    sys.exit(main())
