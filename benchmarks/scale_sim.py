"""How many evaluations a second one driver keeps up with: it asks, predicts, tells and records, workers are simulated.

    python benchmarks/scale_sim.py --evaluations 100000

Everything but scoring is what a job runs: the search algorithm, predicted costs, the front, the ledger in SQLite. A
simulated worker answers at once, with a loss that follows from the architecture. The table says how the time of an
evaluation grows, where it goes (by the clock of this one process), and how much memory the driver holds.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from latency_population import lawful
from provenance import provenance

from frontier.db import Ledger, open_ledger
from frontier.evaluators.score import Score
from frontier.jobs.algorithms import ALGORITHMS
from frontier.jobs.config import JobConfig, parse_job
from frontier.jobs.search import Search
from frontier.search_space import Architecture
from frontier.search_space.breeding import Breeder

MEGABYTE = 2**20


def main() -> None:
    """Read the options, search, print the table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="hybrid-lm", help="a preset or a YAML file")
    parser.add_argument("--algorithm", default="predictor", help=", ".join(ALGORITHMS))
    parser.add_argument("--evaluations", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=64, help="simulated; each has two batches on its way")
    parser.add_argument("--batch-size", type=int, default=32, help="architectures per call to a worker")
    parser.add_argument("--rows", type=int, default=10, help="lines of the table")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(provenance(threads=1))
    print(f"{options.space} by {options.algorithm}, {options.workers} workers, {options.batch_size} a batch\n")
    with tempfile.TemporaryDirectory() as folder, open_ledger(f"{folder}/scale.db") as ledger:
        simulate(ledger, Path(folder), options)


def simulate(ledger: Ledger, folder: Path, options: argparse.Namespace) -> None:
    """Run one job's search stage against simulated workers."""
    config = job(options)
    space, shape = config.open_space(), config.task.shape
    breeder = Breeder(space)
    predictor = lawful(breeder.sample(1000, np.random.default_rng(options.seed)), shape, *config.workloads)
    plain = config.model_dump(mode="json")
    ledger.create_job(
        job_id="scale", name="scale", config=plain, space=space.to_json(), run_dir=str(folder),
        objectives=config.objectives,
    )  # fmt: skip
    search = Search(config, space, predictor, ledger, "scale")
    clocks = [Clock(search.algorithm, name) for name in ("ask", "tell")]
    clocks += [Clock(ledger, name) for name in ("record", "set_progress", "add_facts")]
    print("| evaluations | a second | ms each | " + " | ".join(clock.name for clock in clocks) + " | rest | memory |")
    print("|---" * (len(clocks) + 5) + "|")
    search.run(SimulatedPool(options.seed), Table(options.evaluations // options.rows, clocks))
    front, stored = len(ledger.front("scale")), len(ledger.recorded("scale", "inherited"))
    print(
        f"\n{search.scored:,} evaluations, {stored:,} in the ledger, front of {front}; {search.ended or 'budget spent'}"
    )


def job(options: argparse.Namespace) -> JobConfig:
    """The job whose search is simulated."""
    settings = {
        "evaluations": options.evaluations, "algorithm": options.algorithm, "workers": options.workers,
        "batch_size": options.batch_size,
    }  # fmt: skip
    raw = {
        "name": "scale", "space": options.space, "search": settings, "cluster": {"cpus": options.workers},
        "seed": options.seed,
    }  # fmt: skip
    return parse_job(raw, "scale")


class SimulatedPool:
    """Workers that answer as soon as they are asked: a smooth law of the architecture and a little noise."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._waiting: deque[list[Score]] = deque()

    def submit(self, architectures: Sequence[Architecture], bounds: Sequence[float] | None = None) -> None:
        self._waiting.append([Score(one.digest, self._loss(one), 0.01, "worker 0") for one in architectures])

    def next(self) -> list[Score]:
        return self._waiting.popleft()

    def _loss(self, architecture: Architecture) -> float:
        kinds = sum(len(block.token_mixer.kind) for block in architecture.blocks)
        size = architecture.width * len(architecture.blocks)
        return float(1.0 + 8.0 / np.log2(size) + 0.01 * (kinds % 7) + 0.01 * self._rng.standard_normal())


class Clock:
    """How long one method of an object takes, all its calls together."""

    def __init__(self, owner: Any, name: str) -> None:
        self.name, self.seconds = name, 0.0
        self._method: Callable[..., Any] = getattr(owner, name)
        setattr(owner, name, self)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            return self._method(*arguments, **options)
        finally:
            self.seconds += time.perf_counter() - started


class Table:
    """Takes the search's progress for a line of the table at every `every` evaluations."""

    def __init__(self, every: int, clocks: Sequence[Clock]) -> None:
        self._every, self._clocks = every, clocks
        self._started, self._done, self._before = time.perf_counter(), 0, [0.0 for _ in clocks]

    def progress(self, done: int, total: int, text: str = "") -> None:
        if done - self._done < self._every and done < total:
            return
        now = time.perf_counter()
        seconds, count = now - self._started, done - self._done
        parts = [clock.seconds - before for clock, before in zip(self._clocks, self._before, strict=True)]
        each = [1e3 * part / count for part in (*parts, seconds - sum(parts))]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE
        told = " | ".join(f"{part:.3f}" for part in each)
        print(
            f"| {done:,} | {count / seconds:,.0f} | {1e3 * seconds / count:.3f} | {told} | {memory:,.0f} MB |",
            flush=True,
        )
        self._started, self._done, self._before = now, done, [clock.seconds for clock in self._clocks]

    def stage(self, name: str, total: int) -> None:
        """There is one stage."""

    def note(self, message: str) -> None:
        print(message)


if __name__ == "__main__":
    main()
