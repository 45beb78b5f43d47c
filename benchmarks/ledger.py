"""How fast the ledger answers and takes evaluations when it is large, on SQLite and on PostgreSQL, beside Optuna's.

python benchmarks/ledger.py --count 1000000 --jobs 50

PostgreSQL is a private server with its default durability, started from the installed binaries, or the empty database
at --postgresql. Everything is written through the ledger's own methods.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from frontier.db import Evaluation, Filter, Ledger, open_ledger

sys.path.append(str(Path(__file__).parent.parent / "tests" / "db"))  # the server that the tests use
from postgresql_server import PostgresqlServer

BATCH = 100
REPEATS = 25
WANTED_PER_SECOND = 2000
READERS = 8
READER_PAUSE_S = 1.0
OPTUNA_TRIALS = 200
SETTINGS = ("shared_buffers=512MB", "max_connections=40", "max_wal_size=2GB")
OBJECTIVES = ("val_loss", "latency_ms")
GOALS_MS = {"current front": 20, "past front": 50, "page": 50, "job list": 20}

Point = tuple[float, float]


def point(rng: Random, seq: int) -> Point:
    """A search that gets better: near a front that it approaches ever more slowly."""
    latency = rng.uniform(1.0, 50.0)
    return 1.0 + 2.0 / latency + (0.02 + rng.expovariate(8.0)) * (1.0 + 40.0 / (seq + 20)), latency


def evaluation(rng: Random, job: str, seq: int) -> Evaluation:
    digest = hashlib.sha256(f"{job} {seq}".encode()).hexdigest()[:16]
    loss, latency = point(rng, seq)
    failed = rng.random() < 0.01
    return Evaluation(
        architecture=architecture(rng),
        digest=digest,
        fidelity="inherited",
        state="failed" if failed else "complete",
        val_loss=None if failed else loss,
        latency_ms=latency,
        latency_low_ms=latency * 0.95,
        latency_high_ms=latency * 1.05,
        prefill_latency_ms=latency,
        decode_latency_ms=latency / 40,
        param_count=rng.randrange(10**6, 10**8),
        peak_memory_bytes=rng.randrange(10**8, 10**10),
        worker=f"worker-{seq % 8}",
        seconds=0.1,
        reason="out of memory" if failed else None,
        measured_share=0.9,
        extrapolates=False,
        attempts=1,
    )


def architecture(rng: Random) -> dict[str, Any]:
    blocks = [
        {
            "token_mixer": {"kind": "attention", "num_heads": rng.choice([4, 8]), "head_dim": 64, "window": None},
            "channel_mixer": {"kind": "swiglu", "inner": rng.choice([512, 1024, 2048])},
        }
        for _ in range(6)
    ]
    return {"width": rng.choice([256, 512]), "blocks": blocks}


def fill(ledger: Ledger, jobs: int, each: int) -> float:
    """Write every job's evaluations. Returns how many a second."""
    started, rng = time.monotonic(), Random(1)
    for number in range(jobs):
        job = f"job{number:03}"
        config = {"name": job, "text": "x" * 3000}
        ledger.create_job(job_id=job, name=job, config=config, space={}, run_dir="r", objectives=OBJECTIVES)
        size = 10 * BATCH
        for first in range(1, each + 1, size):
            ledger.record(job, [evaluation(rng, job, seq) for seq in range(first, min(first + size, each + 1))])
    return jobs * each / (time.monotonic() - started)


def questions(each: int, jobs: int, rng: Random) -> dict[str, Callable[[Ledger], object]]:
    """What a page asks, each of another job every time; a chart of the front needs no architectures."""

    def job() -> str:
        return f"job{rng.randrange(jobs):03}"

    def page(ledger: Ledger) -> object:
        wanted = Filter(states=("complete",), at_most={"latency_ms": rng.uniform(10, 50)})
        return ledger.page(job(), wanted, sort="val_loss", offset=rng.randrange(0, each // 4), limit=100)

    return {
        "current front": lambda ledger: ledger.front(job(), architectures=False),
        "past front": lambda ledger: ledger.front(job(), at_seq=rng.randrange(1, each)),
        "page": page,
        "job list": lambda ledger: ledger.jobs(),
        "whole front": lambda ledger: ledger.front(job()),
        "failed page": lambda ledger: ledger.page(job(), Filter(states=("failed",)), limit=100),
        "one architecture": lambda ledger: ledger.evaluation("job000", known_digest(rng, each)),
        "hypervolume": lambda ledger: ledger.hypervolume(job()),
    }


def known_digest(rng: Random, each: int) -> str:
    return hashlib.sha256(f"job000 {rng.randrange(1, each)}".encode()).hexdigest()[:16]


def milliseconds(ask: Callable[[Ledger], object], ledger: Ledger) -> float:
    started = time.monotonic()
    ask(ledger)
    return 1000 * (time.monotonic() - started)


@dataclass(frozen=True)
class Load:
    """What came of writing while others read: evaluations a second, and times in milliseconds."""

    per_second: float
    batch_ms: np.ndarray
    reads_ms: dict[str, np.ndarray]


def under_load(database: str, jobs: int, each: int, options: argparse.Namespace) -> Load:
    """Write at the wanted rate for a while, while other processes poll a job each."""
    context = multiprocessing.get_context("spawn")
    stop, results = context.Event(), context.Queue()
    ready = context.Barrier(options.readers + 1)
    readers = [
        context.Process(target=poll, args=(database, jobs, each, number, ready, stop, results))
        for number in range(options.readers)
    ]
    for reader in readers:
        reader.start()
    ready.wait()
    with open_ledger(database, create=False) as ledger:
        rate, batches = write_at_rate(ledger, options.seconds)
    stop.set()
    told = [results.get() for _ in readers]
    for reader in readers:
        reader.join()
    reads = {name: np.concatenate([one[name] for one in told]) for name in told[0]}
    return Load(rate, np.array(batches), reads)


def write_at_rate(ledger: Ledger, seconds: float) -> tuple[float, list[float]]:
    rng, times = Random(7), []
    job = f"load{time.time_ns()}"
    ledger.create_job(job_id=job, name="load", config={}, space={}, run_dir="r", objectives=OBJECTIVES)
    total = int(seconds * WANTED_PER_SECOND)
    batches = [[evaluation(rng, job, seq + i) for i in range(BATCH)] for seq in range(1, total, BATCH)]
    started = time.monotonic()
    for number, batch in enumerate(batches):
        time.sleep(max(0.0, started + number * BATCH / WANTED_PER_SECOND - time.monotonic()))
        begun = time.monotonic()
        ledger.record(job, batch)
        times.append(1000 * (time.monotonic() - begun))
    return len(batches) * BATCH / (time.monotonic() - started), times


def poll(database: str, jobs: int, each: int, number: int, ready: Any, stop: Any, results: Any) -> None:
    """A reader: a page's questions, over and over."""
    asked = {name: ask for name, ask in questions(each, jobs, Random(number)).items() if name in GOALS_MS}
    times: dict[str, list[float]] = {name: [] for name in asked}
    with open_ledger(database, create=False, read_only=True) as ledger:
        ready.wait()
        while not stop.is_set():
            for name, ask in asked.items():
                times[name].append(milliseconds(ask, ledger))
            stop.wait(READER_PAUSE_S)
    results.put({name: np.array(found) for name, found in times.items()})


def optuna_per_second(url: str, trials: int) -> float:
    """The same kind of evaluations as trials of Optuna's own storage: a dozen parameters and two values each."""
    import optuna  # here, as the readers import this file anew and need none of it

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=url, directions=["minimize", "minimize"])
    rng = Random(1)
    distributions = {f"p{i}": optuna.distributions.IntDistribution(0, 7) for i in range(12)}
    started = time.monotonic()
    for seq in range(trials):
        params = {name: rng.randint(0, 7) for name in distributions}
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=distributions, values=list(point(rng, seq)))
        )
    return trials / (time.monotonic() - started)


@contextmanager
def places(engine: str, given: str | None) -> Iterator[tuple[str, str]]:
    """The names of a database for the ledger and of one for Optuna."""
    if engine == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"{folder}/frontier.db", f"sqlite:///{folder}/optuna.db"
    elif given:
        yield given, given.rsplit("/", 1)[0] + "/optuna"
    else:
        server = PostgresqlServer(SETTINGS)
        try:
            server.start()
            yield server.create("frontier"), server.create("optuna")
        finally:
            server.remove()


def measure(engine: str, options: argparse.Namespace) -> None:
    each = options.count // options.jobs
    with places(engine, options.postgresql) as (database, optuna_url):
        with open_ledger(database) as ledger:
            filled = fill(ledger, options.jobs, each)
            print(f"\n{engine}: {options.jobs * each:,} evaluations in {options.jobs} jobs, {filled:,.0f} a second")
            if engine == "postgresql":
                ledger.vacuum()  # what the server does by itself, some time later
            print(f"front of {len(ledger.front('job000'))}, {len(ledger.front_history('job000'))} stays")
        with open_ledger(database, create=False, read_only=True) as reader:
            for name, ask in questions(each, options.jobs, Random(3)).items():
                times = np.array([milliseconds(ask, reader) for _ in range(REPEATS)])
                goal = f"goal {GOALS_MS[name]:3} ms" if name in GOALS_MS else ""
                print(f"  {name:18} {np.median(times):8.1f} ms median {times.max():8.1f} ms worst  {goal}", flush=True)
        load = under_load(database, options.jobs, each, options)
        median, high = np.percentile(load.batch_ms, [50, 99])
        rate = f"{load.per_second:,.0f} evaluations a second of {WANTED_PER_SECOND:,} wanted"
        print(f"  with {options.readers} readers: {rate};")
        print(f"    a batch of {BATCH} in {median:.1f} ms median, {high:.1f} ms at the 99th percentile")
        for name, times in load.reads_ms.items():
            print(f"    {name:16} {np.median(times):8.1f} ms median of {len(times)} reads")
        print(
            f"  Optuna's storage, trial by trial: {optuna_per_second(optuna_url, options.trials):,.0f} a second",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0, help="of writing at the wanted rate")
    parser.add_argument("--readers", type=int, default=READERS, help="processes that ask meanwhile")
    parser.add_argument("--trials", type=int, default=OPTUNA_TRIALS, help="that Optuna's storage is given")
    parser.add_argument("--engine", action="append", choices=["sqlite", "postgresql"])
    parser.add_argument("--postgresql", help="an empty database to use, in place of a private server")
    options = parser.parse_args()
    from provenance import provenance  # it imports torch, which the readers need not

    print(provenance(1))
    for engine in options.engine or ["sqlite", "postgresql"]:
        measure(engine, options)


if __name__ == "__main__":
    main()
