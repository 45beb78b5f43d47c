"""Architectures scored a second: what the pool adds to bare forward passes, and what a second worker gives.

    python benchmarks/scoring_throughput.py

Every round measures everything in turns, on architectures that no worker has met before; one thread each. Times are
medians over the rounds, ratios medians of the ratios within a round. Bare is the forward pass and the loss of models
that were extracted beforehand. Where `whittle` can be imported (pip install whittle==0.6.0, then remove torchvision),
its random search runs first in a round, and all others score the architectures that it visited.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from random import Random
from time import perf_counter
from typing import Any

import torch
from provenance import provenance

from frontier.evaluators.cluster import ray_cluster
from frontier.evaluators.scoring import Score, ScoringPool
from frontier.evaluators.tasks import LanguageModelConfig, open_task
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet import Supernet
from frontier.supernet.optimizer import TrainerOptions
from frontier.supernet.param_count import ParamCounter
from frontier.supernet.trainer import Batch, SupernetTrainer, cross_entropy
from frontier.supernet.training_rules import RULES

WIDTHS, DEPTHS, HEADS, INNERS = (64, 128, 192), (2, 3, 4), (2, 4, 6), (128, 256, 512)
HEAD_DIM = 32
START_SECONDS = 120.0
PARTS = 4
MARGIN = 1.01
Config = dict[str, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architectures", type=int, default=64)
    parser.add_argument("--windows", type=int, default=64, help="validation windows of 128 bytes")
    parser.add_argument("--batch", type=int, default=4, help="architectures per call to a worker")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--training-steps", type=int, default=60, help="of the supernet, so that losses differ")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(provenance(threads=1))
    task = open_task(LanguageModelConfig(context=128, validation_windows=arguments.windows))
    validation = task.validation_batch()
    supernet = trained(task, arguments.training_steps)
    their_search = whittle_search(validation)
    rounds: list[dict[str, float]] = []
    exits: list[dict[str, float]] = []
    with ray_cluster(cpus=2):
        for index in range(arguments.rounds):
            times, configs = {}, sampled(arguments.architectures, index)
            if their_search:
                times["whittle"], configs = timed(partial(their_search, arguments.architectures, index))
            chosen = [architecture_of(config) for config in configs]
            models = [supernet.extract(architecture) for architecture in chosen]
            times["bare"], _ = timed(lambda models=models: [loss(model, validation) for model in models])
            times["loop"], _ = timed(lambda chosen=chosen: [loss(supernet.extract(a), validation) for a in chosen])
            for workers in (1, 2):
                pool = pooled(supernet, validation, workers, 1)
                times[f"{workers} workers"], scores = timed(partial(run, pool, chosen, arguments.batch))
                pool.close()
            rounds.append(times)
            print(f"round {index + 1}: " + ", ".join(f"{who} {seconds:.2f} s" for who, seconds in times.items()))
            exits.append(early_exit(supernet, validation, chosen, scores, arguments.batch))
    report(rounds, arguments)
    report_exits(exits)


def trained(task: Any, steps: int) -> Supernet:
    """A supernet that has learnt a little, by itself in this process."""
    supernet = Supernet(space(), task.shape)
    trainer = SupernetTrainer(supernet, TrainerOptions(steps, 5e-3, warmup_steps=steps // 10))
    for step in range(steps):
        trainer.follow(RULES["sandwich"], 0, 1, lambda number, step=step: task.train_batch(8, step))
    return supernet


def space() -> SearchSpace:
    attention = {"kind": "attention", "num_heads": list(HEADS), "num_kv_heads": list(HEADS), "head_dim": HEAD_DIM}
    return SearchSpace.parse(
        {
            "name": "throughput",
            "width": list(WIDTHS),
            "depth": list(DEPTHS),
            "token_mixers": [attention],
            "channel_mixers": [{"kind": "swiglu", "inner": list(INNERS)}],
        }
    )


def sampled(count: int, seed: int) -> list[Config]:
    rng = Random(seed)
    choices = {"width": WIDTHS, "depth": DEPTHS, "heads": HEADS, "inner": INNERS}
    return [{name: rng.choice(options) for name, options in choices.items()} for _ in range(count)]


def architecture_of(config: Config) -> Architecture:
    """Equal blocks, which is what whittle can be told by few numbers."""
    heads = config["heads"]
    token_mixer = {"kind": "attention", "num_heads": heads, "num_kv_heads": heads, "head_dim": HEAD_DIM}
    block = {"token_mixer": token_mixer, "channel_mixer": {"kind": "swiglu", "inner": config["inner"]}}
    return Architecture.from_json({"width": config["width"], "blocks": [block] * config["depth"]})


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = perf_counter()
    value = work()
    return perf_counter() - started, value


def loss(model: Callable[[torch.Tensor], torch.Tensor], batch: Batch) -> float:
    inputs_BT, targets_BT = batch
    with torch.inference_mode():
        return cross_entropy(model(inputs_BT), targets_BT).item()


def pooled(supernet: Supernet, validation: Batch, workers: int, parts: int) -> ScoringPool:
    """A pool that is up, its workers' first forward pass, which is slow in any process, behind them."""
    pool = ScoringPool(supernet, validation, workers, threads=1, parts=parts)
    if not pool.wait_for_workers(START_SECONDS):
        raise SystemExit(f"no {workers} scoring workers within {START_SECONDS:.0f} s")
    for _ in range(2 * workers):
        pool.submit([supernet.space.largest()], [-1.0])
    list(drained(pool))
    return pool


def run(
    pool: ScoringPool, chosen: Sequence[Architecture], size: int, bounds: Sequence[float | None] | None = None
) -> list[Score]:
    """Scores in the order of asking, submitted in batches of `size` all at once."""
    limits = bounds or [None] * len(chosen)
    for start in range(0, len(chosen), size):
        pool.submit(chosen[start : start + size], limits[start : start + size])
    return list(drained(pool))


def drained(pool: ScoringPool) -> Iterator[Score]:
    while pool.waiting:
        yield from pool.next()


def early_exit(
    supernet: Supernet, validation: Batch, chosen: Sequence[Architecture], scores: Sequence[Score], size: int
) -> dict[str, float]:
    """The same architectures in parts, without bounds and with those that the front so far would set."""
    losses = [score.val_loss for score in scores if score.val_loss is not None]
    bounds = front_bounds(supernet, chosen, losses)
    found: dict[str, float] = {}
    for name, given in (("in parts", None), ("with bounds", bounds)):
        pool = pooled(supernet, validation, 1, PARTS)
        found[name], outcome = timed(partial(run, pool, chosen, size, given))
        pool.close()
    given_up = [index for index, score in enumerate(outcome) if score.state == "given_up"]
    hopeless = [index for index, bound in enumerate(bounds) if bound is not None and losses[index] > bound]
    found["given up"] = len(given_up)
    found["hopeless"] = len(hopeless)
    found["wrong"] = len(set(given_up) - set(hopeless))
    found["seen"] = statistics.mean(score.share_seen for score in outcome)
    return found


def front_bounds(supernet: Supernet, chosen: Sequence[Architecture], losses: Sequence[float]) -> list[float | None]:
    """For each the least loss among those before it with at most as many parameters, times a margin."""
    count = ParamCounter(supernet.space, supernet.shape)
    sizes = [count(architecture) for architecture in chosen]
    bounds: list[float | None] = []
    for index, size in enumerate(sizes):
        earlier = [loss for loss, other in zip(losses[:index], sizes, strict=False) if other <= size]
        bounds.append(min(earlier) * MARGIN if earlier else None)
    return bounds


def whittle_search(validation: Batch) -> Callable[[int, int], list[Config]] | None:
    """whittle's search loop on the same space, one call per search; gives the configurations that it visited."""
    try:
        from litgpt import Config as GptConfig
        from syne_tune.config_space import choice
        from whittle.models.gpt import GPT
        from whittle.search.search import multi_objective_search
    except ImportError as error:
        print(f"\nwhittle was not measured: {error}")
        return None
    inputs_BT, targets_BT = validation
    theirs = GPT(GptConfig(
        n_layer=max(DEPTHS), n_embd=max(WIDTHS), n_head=max(HEADS), n_query_groups=max(HEADS), head_size=HEAD_DIM,
        intermediate_size=max(INNERS), padded_vocab_size=256, vocab_size=256, block_size=inputs_BT.shape[1],
        mlp_class_name="LLaMAMLP", norm_class_name="RMSNorm", bias=False, rotary_percentage=1.0,
        parallel_residual=False,
    ))  # fmt: skip
    theirs.max_seq_length = inputs_BT.shape[1]
    theirs.eval()

    def objective(config: Config) -> tuple[float, float]:
        theirs.set_sub_network(
            sub_network_n_embd=config["width"], sub_network_intermediate_size=config["inner"],
            sub_network_num_heads=config["heads"], sub_network_query_groups=config["heads"],
            sub_network_n_layers=config["depth"], sub_network_head_size=HEAD_DIM,
        )  # fmt: skip
        with torch.inference_mode():
            found = cross_entropy(theirs(inputs_BT), targets_BT).item()
        theirs.reset_super_network()
        return found, float(config["width"] * config["depth"])

    options = {"width": WIDTHS, "depth": DEPTHS, "heads": HEADS, "inner": INNERS}

    def search(count: int, seed: int) -> list[Config]:
        domains = {name: choice(list(values)) for name, values in options.items()}
        found = multi_objective_search(objective, domains, "random_search", count, seed=seed, verbose=False)
        return [{name: int(config[name]) for name in options} for config in found["configs"]]

    return search


def report(rounds: Sequence[dict[str, float]], arguments: argparse.Namespace) -> None:
    count = arguments.architectures
    print(f"\n{count} architectures, {arguments.windows} windows of 128 bytes, {arguments.batch} a call, one thread\n")
    print("| who | architectures a second | time over bare forward passes |\n|---|---|---|")
    names = {
        "bare": "bare forward passes, one process", "loop": "extract and evaluate, one process",
        "1 workers": "pool of 1 worker", "2 workers": "pool of 2 workers", "whittle": "whittle's random search",
    }  # fmt: skip
    for key, name in names.items():
        if key in rounds[0]:
            rate = statistics.median(count / times[key] for times in rounds)
            print(f"| {name} | {rate:.2f} | x {ratio(rounds, key, 'bare'):.3f} |")
    overhead = ratio(rounds, "1 workers", "bare") - 1
    print(f"\noverhead per architecture {overhead:+.1%} (goal: at most 10 %)")
    print(f"scaling from 1 to 2 workers x {ratio(rounds, '1 workers', '2 workers'):.2f} (goal: at least 1.8)")


def ratio(rounds: Sequence[dict[str, float]], first: str, second: str) -> float:
    return statistics.median(times[first] / times[second] for times in rounds)


def report_exits(exits: Sequence[dict[str, float]]) -> None:
    saved = 1 - ratio(exits, "with bounds", "in parts")
    totals = {name: int(sum(found[name] for found in exits)) for name in ("given up", "hopeless", "wrong")}
    seen = statistics.mean(found["seen"] for found in exits)
    print(
        f"\nearly exit in {PARTS} parts, bounds {MARGIN - 1:.0%} above the front so far: {totals['given up']} of "
        f"{totals['hopeless']} hopeless architectures given up, {totals['wrong']} of them wrongly; "
        f"{seen:.0%} of the validation examples seen, {saved:.0%} of the time saved"
    )


if __name__ == "__main__":
    main()
