"""How well inherited scores rank architectures: Kendall tau against the same architectures trained alone.

python benchmarks/ranking.py --space hybrid-lm --count 30 --steps 1400 --lone-steps 1400 --out ranking.json

What is trained is kept in the cache folder, one file per model alone and one per rule, so an interrupted run goes on.
A file is found again by the settings it was made with, not by the code: a change of the code needs another folder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from provenance import provenance
from rule_training import (
    Setting,
    add_options,
    headline,
    setting_of,
    train_one_alone,
    train_supernet,
    validation_nats,
)

from frontier.evaluators.tasks import Task, open_task
from frontier.latency_models.predicting.validate import kendall_tau
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet.param_count import ParamCounter

NEAR = 0.1
RESAMPLES = 1000


@dataclass(frozen=True)
class Agreement:
    """Kendall tau of two rankings with its 95 % bootstrap interval over architectures, and among near pairs alone."""

    tau: float
    low: float
    high: float
    near_tau: float
    near_pairs: int


def main() -> None:
    """Read the options, train what the cache lacks, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.set_defaults(space="hybrid-lm")
    parser.add_argument("--count", type=int, default=30, help="random architectures")
    parser.add_argument("--steps", type=int, default=1400, help="updates of each supernet")
    parser.add_argument("--lone-steps", type=int, default=1400, help="updates of each model alone")
    parser.add_argument("--again", action="store_true", help="train all alone with a second seed: what agrees best")
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each")
    parser.add_argument("--cache", type=Path, default=Path("ranking-cache"), help="folder of finished trainings")
    parser.add_argument("--out", type=Path, help="a JSON file with every loss and every figure")
    parsed = parser.parse_args()
    lone, shared = setting_of(parsed, parsed.lone_steps), setting_of(parsed, parsed.steps)
    space = SearchSpace.load(lone.space)
    architectures = draw(space, parsed.count, parsed.seed)
    where = provenance(1)
    print(where)
    print(f"{headline(shared)}, {parsed.workers} process(es) of 1 thread")
    print(f"alone     {len(architectures)} architectures, {parsed.lone_steps} steps each\n", flush=True)

    lone_settings = [lone, replace(lone, seed=lone.seed + 1)] if parsed.again else [lone]
    (alone, *again), inherited = run_all(
        parsed.cache, parsed.workers, lone_settings, shared, architectures, parsed.rules
    )
    counter = ParamCounter(space, lone.task.shape)
    sizes = [counter(architecture) for architecture in architectures]
    rows = {"more parameters": agreement([-size for size in sizes], alone, sizes, parsed.seed)}
    if again:
        rows["alone, again"] = agreement(again[0], alone, sizes, parsed.seed)
    rows |= {
        rule: agreement(inherited[rule]["losses"], alone, sizes, parsed.seed) for rule in parsed.rules
    }  # fmt: skip
    print(table(rows, {rule: inherited[rule]["seconds"] for rule in parsed.rules}))
    best = max(parsed.rules, key=lambda rule: rows[rule].tau)
    print(f"\nbest rule {best}; losses alone from {min(alone):.4f} to {max(alone):.4f} nats,")
    print(f"          parameters from {min(sizes):,} to {max(sizes):,}")
    if parsed.out:
        parsed.out.write_text(
            json.dumps(
                {
                    "provenance": where.splitlines(),
                    "alone_setting": lone.to_json(),
                    "supernet_setting": shared.to_json(),
                    "architectures": [architecture.to_json() for architecture in architectures],
                    "param_count": sizes,
                    "alone_nats": alone,
                    "alone_again_nats": again,
                    "inherited": inherited,
                    "agreement": {name: vars(found) for name, found in rows.items()},
                },
                indent=1,
            )
        )


def draw(space: SearchSpace, count: int, seed: int) -> list[Architecture]:
    """So many different random architectures."""
    rng = Random(f"ranking:{seed}")
    found: dict[str, Architecture] = {}
    for _ in range(100 * count):
        architecture = space.sample(rng)
        found.setdefault(architecture.digest, architecture)
        if len(found) == count:
            return list(found.values())
    raise SystemExit(f"--count: at most as many as the space has; got {count} for {space.name}")


def run_all(
    cache: Path,
    workers: int,
    lone_settings: Sequence[Setting],
    shared: Setting,
    architectures: list[Architecture],
    rules: Sequence[str],
) -> tuple[list[list[float]], dict[str, Any]]:
    """Losses of the models alone, per setting, and per rule the inherited losses and seconds of training."""
    cache.mkdir(parents=True, exist_ok=True)
    texts = [architecture.canonical for architecture in architectures]
    jobs: dict[str, tuple[Callable, tuple]] = {}
    files: dict[str, Path] = {}
    for rule in rules:
        jobs[rule] = (inherited_losses, (shared, rule, texts))
        files[rule] = cache / f"{rule}-{key([shared.to_json(), SearchSpace.load(shared.space).to_json(), texts])}.json"
    for lone, architecture in product(lone_settings, architectures):
        name = name_alone(lone, architecture)
        jobs[name] = (loss_alone, (lone, architecture.canonical))
        files[name] = cache / f"{name}.json"
    missing = [name for name in jobs if not files[name].is_file()]
    tell(f"{len(jobs) - len(missing)} of {len(jobs)} trainings are in {cache}")
    started = time.perf_counter()
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=one_thread) as pool:
        running = {pool.submit(jobs[name][0], *jobs[name][1]): name for name in missing}
        for done, future in enumerate(as_completed(running), 1):
            name = running[future]
            keep(files[name], future.result())
            tell(f"{done} of {len(missing)} done after {time.perf_counter() - started:.0f} s: {name}")
    results = {name: json.loads(path.read_text()) for name, path in files.items()}
    alone = [
        [results[name_alone(lone, architecture)]["loss"] for architecture in architectures] for lone in lone_settings
    ]
    return alone, {rule: results[rule] for rule in rules}


def name_alone(setting: Setting, architecture: Architecture) -> str:
    """What a training alone goes by in the cache."""
    return f"alone-{architecture.digest}-{key(setting.to_json())}"


@lru_cache(1)
def opened(config: Any) -> Task:
    """A task with its data read, once per process."""
    return open_task(config)


def loss_alone(setting: Setting, architecture: str) -> dict[str, Any]:
    """Train one architecture by itself."""
    task = opened(setting.task)
    started = time.perf_counter()
    model = train_one_alone(setting, Architecture.from_json(architecture), task)
    return {"loss": validation_nats(model, task), "seconds": time.perf_counter() - started}


def inherited_losses(setting: Setting, rule: str, architectures: list[str]) -> dict[str, Any]:
    """Train a supernet by a rule and score architectures with its weights."""
    task = opened(setting.task)
    started = time.perf_counter()
    supernet = train_supernet(setting, rule, task)
    seconds = time.perf_counter() - started
    subnets = (supernet.extract(Architecture.from_json(text)) for text in architectures)
    return {"losses": [validation_nats(subnet, task) for subnet in subnets], "seconds": seconds}


def agreement(scores: Sequence[float], losses: Sequence[float], sizes: Sequence[int], seed: int) -> Agreement:
    """How one ranking agrees with another, over all pairs and over pairs within 10 % of parameters."""
    score, loss, size = np.asarray(scores), np.asarray(losses), np.asarray(sizes)
    rng = np.random.default_rng(seed)
    resampled = [
        kendall_tau(score[chosen].tolist(), loss[chosen].tolist())
        for chosen in (rng.integers(0, len(score), len(score)) for _ in range(RESAMPLES))
    ]
    low, high = np.quantile(resampled, (0.025, 0.975))
    first, second = np.triu_indices(len(score), 1)
    near = np.abs(size[first] - size[second]) <= NEAR * np.maximum(size[first], size[second])
    first, second = first[near], second[near]
    agree = np.sign(score[first] - score[second]) * np.sign(loss[first] - loss[second])
    near_tau = float(agree.mean()) if len(agree) else float("nan")
    return Agreement(kendall_tau(list(scores), list(losses)), float(low), float(high), near_tau, len(agree))


def table(rows: dict[str, Agreement], seconds: dict[str, float]) -> str:
    """One line per ranking, the order by parameters first: what a rule adds to it is what it is worth.

    No rule can agree with models alone much better than they do with themselves, which "alone, again" tells.
    """
    lines = ["ranked by           tau   95 % interval   within 10 %   pairs    seconds"]
    for name, found in rows.items():
        spent = f"{seconds[name]:10.0f}" if name in seconds else f"{'':10}"
        lines.append(
            f"{name:16} {found.tau:6.3f}  {found.low:6.3f} {found.high:6.3f} {found.near_tau:13.3f}"
            f" {found.near_pairs:7d} {spent}"
        )
    return "\n".join(lines)


def key(plain: Any) -> str:
    """A short hash of plain data."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]


def keep(path: Path, result: dict[str, Any]) -> None:
    """Write a result so that it is there whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result))
    os.replace(partial, path)


def one_thread() -> None:
    torch.set_num_threads(1)


def tell(message: str) -> None:
    """Progress, beside the table."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
