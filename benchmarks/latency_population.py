"""How many architectures a second are priced: as a population, as a list, and one by one.

    python benchmarks/latency_population.py

Kernel times follow a law instead of being measured, because rates do not depend on them. Every section that occurs is
traced before the clock starts; how long that takes is told beside. Rates are medians over rounds, by the processor time
of one thread. The three ways are compared on the same architectures: in every round one after the other, and their
predictions with each other.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import astuple

import numpy as np
import torch
from provenance import provenance

from frontier.latency_models import Composition, KernelCall, Measurement, Prediction, Predictor, Tracer, Workload
from frontier.latency_models.predicting.fit import KernelModel
from frontier.search_space import SearchSpace
from frontier.search_space.breeding import Breeder
from frontier.search_space.population import Population
from frontier.supernet import ImageShape, ModelShape, Shape

SPACES = ("tiny-lm", "hybrid-lm", "everything-lm", "pyramid-vit")
COMPOSITION = Composition(1.1, 0.002, 0.05, 0.04, 0.02, 0, "", [], [])
ONE_BY_ONE = 1000
MEASURED_MODELS = 10


def main() -> None:
    """Read the options, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", action="append", help="a preset or a YAML file; repeat for several")
    parser.add_argument("--count", type=int, default=100_000, help="architectures of a population")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(provenance(threads=1))
    print(f"{options.count:,} architectures as a population, {ONE_BY_ONE:,} of them as a list and one by one")
    print(
        "\n| space | traced in | sampled | mutated | crossed | one by one | as a list | as a population | differ by |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in options.space or SPACES:
        print(row(SearchSpace.load(name), options.count, options.rounds, options.seed), flush=True)
    print("\nAll but the second and the last column are architectures a second.")


def row(space: SearchSpace, count: int, rounds: int, seed: int) -> str:
    """One space's line of the table."""
    shape, workload = setting(space)
    breeder, rng = Breeder(space), np.random.default_rng(seed)
    population, others = breeder.sample(count, rng), breeder.sample(count, rng)
    predictor = lawful(population, shape, workload)
    started = time.perf_counter()
    predictions = predictor.predict_population(population, workload)
    traced_s = time.perf_counter() - started
    architectures = [population.architecture(number) for number in range(min(count, ONE_BY_ONE))]
    one_by_one = [predictor.predict(architecture, workload) for architecture in architectures]
    rates = medians(
        {
            "sampled": (count, lambda: breeder.sample(count, rng)),
            "mutated": (count, lambda: breeder.mutate(population, rng)),
            "crossed": (count, lambda: breeder.crossover(population, others, rng)),
            "one by one": (
                len(architectures),
                lambda: [predictor.predict(architecture, workload) for architecture in architectures],
            ),
            "list": (len(architectures), lambda: predictor.predict_many(architectures, workload)),
            "population": (count, lambda: predictor.predict_population(population, workload)),
        },
        rounds,
    )
    difference = max(map(relative_difference, predictions, one_by_one))
    return f"| {space.name} | {traced_s:.1f} s | {' | '.join(f'{rate:,.0f}' for rate in rates)} | {difference:.1e} |"


def setting(space: SearchSpace) -> tuple[Shape, Workload]:
    """What the space's models are for, at the sizes of the demo."""
    if space.layout.pyramid:
        return ImageShape(channels=1, side=8, num_classes=10), Workload("prefill", 1, 64)
    return ModelShape(vocab_size=256, context=256), Workload("prefill", 1, 128)


def lawful(population: Population, shape: Shape, *workloads: Workload) -> Predictor:
    """A predictor that knows the kernels of a few architectures and has to predict the others."""
    tracer = Tracer(shape)
    calls: dict[str, KernelCall] = {}
    for number in range(min(len(population), MEASURED_MODELS)):
        for workload in workloads:
            calls |= {one.call.key: one.call for one in tracer.calls(population.architecture(number), workload)}
    known = [Measurement(call, 2.0 + call.flops / 3000 + call.bytes / 800, 0.01, 10) for call in calls.values()]
    return Predictor(KernelModel(known), dict.fromkeys((w.phase for w in workloads), COMPOSITION), shape)


def medians(runs: dict[str, tuple[int, Callable[[], object]]], rounds: int) -> list[float]:
    """Architectures a second of each run: they take turns, so that a disturbance meets all."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, (_, run) in runs.items():
            started = time.thread_time()
            run()
            seconds[name].append(time.thread_time() - started)
    return [count / statistics.median(seconds[name]) for name, (count, _) in runs.items()]


def relative_difference(found: Prediction, expected: Prediction) -> float:
    """The greatest of all fields."""
    pairs = zip(astuple(found), astuple(expected), strict=True)
    return max(abs(one - other) / abs(other) if one != other else 0.0 for one, other in pairs)


if __name__ == "__main__":
    main()
