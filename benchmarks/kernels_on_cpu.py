"""Kernels on a CPU beside what plain torch makes of the same: times in turns, ratios of pairs.

    python benchmarks/kernels_on_cpu.py --rounds 15 --kernel causal_conv1d

A ratio of 1 is as fast as plain torch, below 1 is faster. Every row is the median over rounds, in each of which ours
and plain torch's run one after the other, the first of them in turns.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from kernel_subjects import Subject, subjects
from provenance import provenance
from torch import Tensor

LEAST_SECONDS = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", action="append", help="its name; repeat for several, all if not given")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(provenance(threads=1))
    print(f"\n{'kernel':23} {'size':52} {'forward':>10} {'ratio':>6} {'and back':>10} {'ratio':>6}")
    for subject in subjects(large=False, dtype=torch.float32):
        if not options.kernel or subject.name in options.kernel:
            print(row(subject, options.rounds), flush=True)


def row(subject: Subject, rounds: int) -> str:
    """One line: milliseconds of ours, and their ratio to plain torch's."""
    cells = [f"{subject.name:23} {subject.size:52}"]
    for backward in (False, True) if subject.backward else (False,):
        ours, plain = (work(subject, function, backward) for function in (subject.ours, subject.plain))
        milliseconds, ratio = paired(ours, plain, rounds)
        cells.append(f"{milliseconds:7.3f} ms {ratio:6.2f}")
    return " ".join(cells)


def work(subject: Subject, function: Callable[..., Any], backward: bool) -> Callable[[], None]:
    """A function that runs forward, or forward and backward."""
    leaves = [tensor.detach().requires_grad_(backward) for tensor in subject.tensors]

    def forward() -> Tensor:
        outputs = function(*leaves)
        return outputs if isinstance(outputs, Tensor) else outputs[0]

    cotangent = torch.randn_like(forward())

    def run() -> None:
        with torch.set_grad_enabled(backward):
            y = forward()
        if backward:
            torch.autograd.grad(y, leaves, cotangent)

    return run


def paired(ours: Callable[[], None], plain: Callable[[], None], rounds: int) -> tuple[float, float]:
    """Median milliseconds of ours, and the median over rounds of ours / plain."""
    repeats = max(1, round(LEAST_SECONDS / max(seconds(plain, 3), 1e-6)))
    times: list[tuple[float, float]] = []
    for number in range(rounds):
        order = (ours, plain) if number % 2 else (plain, ours)
        taken = {run: seconds(run, repeats) for run in order}
        times.append((taken[ours], taken[plain]))
    return 1e3 * statistics.median(one for one, _ in times), statistics.median(one / other for one, other in times)


def seconds(run: Callable[[], None], repeats: int) -> float:
    """Of one run, after one that is not counted."""
    run()
    started = perf_counter()
    for _ in range(repeats):
        run()
    return (perf_counter() - started) / repeats


if __name__ == "__main__":
    main()
