"""How many evaluations a search needs: hypervolume against evaluations, on objectives whose true front is known.

    python benchmarks/search_efficiency.py --workers 2

Three objectives are tables: a supernet of a small space is trained and every architecture scored with its weights. The
fourth is a formula on a large space. A search is worth the share of the true front's hypervolume that it found, up to
a reference a tenth of the front's range worse than its worst. Tables and finished searches are kept in the cache
folder, so an interrupted run goes on; after a change of the code, empty the folder of searches.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from provenance import provenance
from search_efficiency_objective import Objective
from search_efficiency_searches import SEARCHES
from search_efficiency_synthetic import open_synthetic
from search_efficiency_tables import SMALL, open_table

EVERY = 10
EARLY = 250
SHOWN = (100, 250, 500, 1000)
BASELINES = ("nsga2", "Optuna NSGA-II, direct", "pymoo NSGA-II, direct")
FORMULA = "formula"


def main() -> None:
    """Read the options, build the tables, search, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objectives", nargs="+", default=[*SMALL, FORMULA], choices=[*SMALL, FORMULA], metavar="NAME")
    parser.add_argument("--searches", nargs="+", default=list(SEARCHES), choices=list(SEARCHES), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--slow-seeds", type=int, default=2, help="seeds of TPE, which takes long")
    parser.add_argument("--evaluations", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--cache", type=Path, default=Path("search-efficiency-cache"))
    parsed = parser.parse_args()
    if any("pymoo" in name for name in parsed.searches) and find_spec("pymoo") is None:
        parser.error("--searches: pymoo is not installed: pip install frontier[bench], or name others")
    wanted = [
        (objective, search, seed)
        for objective in parsed.objectives
        for search in parsed.searches
        for seed in range(parsed.slow_seeds if "tpe" in search.lower() else parsed.seeds)
    ]
    for name in parsed.objectives:
        opened(name, parsed.cache)
    curves = run_all(wanted, parsed.evaluations, parsed.cache, parsed.workers)
    print(provenance(threads=1))
    for name in parsed.objectives:
        objective = opened(name, parsed.cache)
        found = {
            search: np.array([curves[one] for one in wanted if one[:2] == (name, search)]) for search in parsed.searches
        }
        print(f"\n## {name}: {objective.architectures:,} architectures, {len(objective.front)} on the true front\n")
        print(table({search: curve for search, curve in found.items() if len(curve)}))


@lru_cache
def opened(name: str, cache: Path) -> Objective:
    """An objective, opened once per process."""
    return open_synthetic() if name == FORMULA else open_table(name, cache / "tables")


def run_all(
    wanted: list[tuple[str, str, int]], evaluations: int, cache: Path, workers: int
) -> dict[tuple[str, str, int], NDArray[np.float64]]:
    """The curve of every search; see `curve_of`."""
    paths = {one: cache / "searches" / f"{slug(*one)}-{evaluations}.npy" for one in wanted}
    (cache / "searches").mkdir(parents=True, exist_ok=True)
    missing = [one for one, path in paths.items() if not path.is_file()]
    started = time.perf_counter()
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        running = {pool.submit(curve_of, *one, evaluations, cache): one for one in missing}
        for done, future in enumerate(as_completed(running), 1):
            one = running[future]
            np.save(paths[one], future.result())
            spent = time.perf_counter() - started
            print(f"{done} of {len(missing)} searches, {spent:.0f} s: {one}", file=sys.stderr, flush=True)
    return {one: np.load(path) for one, path in paths.items()}


def slug(objective: str, search: str, seed: int) -> str:
    """What a search goes by in the cache."""
    return f"{objective}-{search.replace(', ', '-').replace(' ', '-')}-{seed}"


def curve_of(name: str, search: str, seed: int, evaluations: int, cache: Path) -> NDArray[np.float64]:
    """The share of the true hypervolume found after every `EVERY` evaluations; it stays where a search ends early."""
    objective = opened(name, cache)
    values = np.concatenate(list(SEARCHES[search](objective, evaluations, seed)))[:evaluations]
    return np.array([objective.share(values[:count]) for count in range(EVERY, evaluations + 1, EVERY)])


def table(curves: dict[str, NDArray[np.float64]]) -> str:
    """Mean share and spread of the seeds, and the evaluations until the mean reaches that of NSGA-II at its end."""
    last = next(iter(curves.values())).shape[1] * EVERY
    shown = [count for count in SHOWN if count <= last]
    goals = [name for name in BASELINES if name in curves]
    heads = [*(f"at {count}" for count in shown), *(f"as good as {name} at {last} after" for name in goals), "seeds"]
    lines = [f"| search | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for search, curve in curves.items():
        cells = [f"{at(curve, count).mean():.4f} ± {at(curve, count).std():.4f}" for count in shown]
        cells += [reaches(curve, curves[goal][:, -1].mean()) for goal in goals]
        lines.append(f"| {search} | {' | '.join([*cells, str(len(curve))])} |")
    return "\n".join([*lines, *verdicts(curves, last)])


def verdicts(curves: dict[str, NDArray[np.float64]], last: int) -> list[str]:
    """How `predictor` at 250 compares with each NSGA-II at its end: means, medians and seeds."""
    if "predictor" not in curves or last < EARLY:
        return []
    early = at(curves["predictor"], EARLY)
    lines = [""]
    for name in (name for name in BASELINES if name in curves):
        late = curves[name][:, -1]
        lines.append(
            f"predictor at {EARLY} against {name} at {last}: mean {early.mean():.4f} and {late.mean():.4f}, "
            f"median {np.median(early):.4f} and {np.median(late):.4f}; "
            f"{(early >= late.mean()).sum()} of {len(early)} seeds reach that mean"
        )
    return lines


def at(curve: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The shares of all seeds after `count` evaluations."""
    return curve[:, count // EVERY - 1]


def reaches(curve: NDArray[np.float64], goal: float) -> str:
    """After how many evaluations the mean is at least `goal`."""
    (found,) = np.nonzero(curve.mean(axis=0) >= goal)
    return str((found[0] + 1) * EVERY) if len(found) else "not reached"


if __name__ == "__main__":
    main()
