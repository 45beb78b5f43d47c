"""Dense, MoE, MoHD and two hybrids at equal activated FLOPs, each trained alone on the same tokens with three seeds.

    python benchmarks/equal_flops.py --steps 600 --workers 2

Every family has one free size, the inner channels of its feed-forward, which is set so that a forward pass over the
context costs as many FLOPs as the dense model's (traced, so what no token activates is not counted).
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
from bisect import bisect_left
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import torch
from provenance import provenance
from rule_training import DEFAULTS, Setting, train_one_alone, validation_nats

from frontier.evaluators.tasks import LanguageModelConfig, open_task
from frontier.latency_models import Tracer, Workload
from frontier.search_space import Architecture
from frontier.supernet import ModelShape

WIDTH, DEPTH, INNER = 96, 4, 256
ATTENTION = {"kind": "attention", "num_heads": 4, "num_kv_heads": 2, "head_dim": 32}
GATED_CONV = {"kind": "gated_conv", "channels": 128, "kernel_size": 7}
MAMBA2 = {"kind": "mamba2", "num_heads": 4, "head_dim": 32, "state_dim": 32}
MOHD = {"kind": "mohd", "group_size": 16, "shared": 4, "routed": 2}
INNERS = range(8, 769, 8)


def swiglu(inner: int) -> dict[str, Any]:
    return {"kind": "swiglu", "inner": inner}


def moe(inner: int) -> dict[str, Any]:
    return {"kind": "moe", "num_experts": 8, "top_k": 2, "inner": inner}


def model(
    mixers: list[dict[str, Any]], channel: Callable[[int], dict[str, Any]], width: int = WIDTH, hidden: Any = None
) -> Callable[[int], Architecture]:
    """Architectures of one family by the inner channels of their feed-forward."""

    def build(inner: int) -> Architecture:
        blocks = [{"token_mixer": mixer, "channel_mixer": channel(inner)} for mixer in mixers]
        plain = {"width": width, "blocks": blocks} | ({"hidden": hidden} if hidden else {})
        return Architecture.from_json(plain)

    return build


FAMILIES = {
    "dense": model([ATTENTION] * DEPTH, swiglu),
    "MoE, 2 of 8 experts": model([ATTENTION] * DEPTH, moe),
    "MoHD, half of twice the width": model([ATTENTION] * DEPTH, swiglu, 2 * WIDTH, MOHD),
    "hybrid convolution, attention last": model([GATED_CONV] * (DEPTH - 1) + [ATTENTION], swiglu),
    "hybrid SSD, attention last": model([MAMBA2] * (DEPTH - 1) + [ATTENTION], swiglu),
}


def main() -> None:
    """Read the options, train every family with every seed, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=0.003)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parsed = parser.parse_args()
    options = replace(DEFAULTS, steps=parsed.steps, learning_rate=parsed.learning_rate)
    task = LanguageModelConfig(context=parsed.context)
    settings = [Setting(task, "", options, parsed.batch, 0, seed) for seed in range(parsed.seeds)]
    chosen = matched(task.shape)
    print(provenance(threads=1))
    tokens = parsed.steps * parsed.batch * parsed.context
    print(f"trained   alone on {tokens:,} tokens of {task.data}, learning rate {options.learning_rate}, 1 thread\n")
    losses = train_all(chosen, settings, parsed.workers)
    print("| model | inner | stored parameters | MFLOPs a token | loss, nats a byte | spread of the seeds |")
    print("|---|---|---|---|---|---|")
    for name, (inner, architecture) in sorted(chosen.items(), key=lambda item: statistics.fmean(losses[item[0]])):
        flops, parameters = cost(architecture, task.shape)
        mean, spread = statistics.fmean(losses[name]), max(losses[name]) - min(losses[name])
        print(f"| {name} | {inner} | {parameters:,} | {flops / parsed.context / 1e6:.3f} | {mean:.4f} | {spread:.4f} |")


def matched(shape: ModelShape) -> dict[str, tuple[int, Architecture]]:
    """For every family, the size whose FLOPs are nearest to the dense model's."""
    goal, _ = cost(FAMILIES["dense"](INNER), shape)
    chosen = {}
    for name, build in FAMILIES.items():
        above = bisect_left(INNERS, goal, key=lambda size, build=build: cost(build(size), shape)[0])
        nearby = INNERS[max(0, above - 1) : above + 1]
        inner = min(nearby, key=lambda size, build=build: abs(cost(build(size), shape)[0] - goal))
        chosen[name] = (inner, build(inner))
    return chosen


def cost(architecture: Architecture, shape: ModelShape) -> tuple[int, int]:
    """Activated FLOPs of one pass over the context, and stored parameters."""
    sections = list(Tracer(shape).sections(architecture, Workload("prefill", 1, shape.context)))
    flops = sum(call.call.flops for _, section in sections for call in section.calls)
    return flops, sum(section.param_count for _, section in sections)


def train_all(
    chosen: dict[str, tuple[int, Architecture]], settings: list[Setting], workers: int
) -> dict[str, list[float]]:
    """The validation losses of every family, one per seed."""
    losses: dict[str, list[float]] = {name: [] for name in chosen}
    started = time.perf_counter()
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        waiting = [
            (name, pool.submit(train, setting, architecture.canonical))
            for setting in settings
            for name, (_, architecture) in chosen.items()
        ]
        for name, one in waiting:
            losses[name].append(one.result())
            print(
                f"{time.perf_counter() - started:7.0f} s  {name}: {losses[name][-1]:.4f}", file=sys.stderr, flush=True
            )
    return losses


def train(setting: Setting, canonical: str) -> float:
    """Train one model on one thread; its validation loss in nats per byte."""
    torch.set_num_threads(1)
    task = open_task(setting.task)
    return validation_nats(train_one_alone(setting, Architecture.from_json(canonical), task), task)


if __name__ == "__main__":
    main()
