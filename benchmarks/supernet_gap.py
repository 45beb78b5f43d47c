"""How far the largest subnet inside a supernet is from the same model trained alone with the same steps and batches.

python benchmarks/supernet_gap.py --space tiny-lm --steps 1600 --rules sandwich multi
"""

from __future__ import annotations

import argparse
import sys
import time

import torch
from provenance import provenance
from rule_training import (
    add_options,
    headline,
    setting_of,
    train_one_alone,
    train_supernet,
    validation_nats,
)

from frontier.evaluators.tasks import open_task
from frontier.search_space import SearchSpace


def main() -> None:
    """Read the options, train one model alone and one supernet per rule, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--steps", type=int, default=1400, help="updates of the model alone and of each supernet")
    parser.add_argument("--threads", type=int, default=1)
    parsed = parser.parse_args()
    torch.set_num_threads(parsed.threads)
    setting = setting_of(parsed, parsed.steps)
    task = open_task(setting.task)
    space = SearchSpace.load(setting.space)
    largest, smallest = space.largest(), space.smallest()
    print(provenance(parsed.threads))
    print(f"{headline(setting)}, {parsed.threads} thread(s)\n")

    started = time.perf_counter()
    alone = {which: validation_nats(train_one_alone(setting, one, task), task) for which, one in
             (("largest", largest), ("smallest", smallest))}  # fmt: skip
    tell(f"alone: largest {alone['largest']:.4f}, smallest {alone['smallest']:.4f} nats")
    print("rule          largest   alone   ratio   smallest   alone   ratio    seconds")
    print(row("alone", alone, alone, time.perf_counter() - started), flush=True)
    for rule in parsed.rules:
        started = time.perf_counter()
        supernet = train_supernet(setting, rule, task)
        seconds = time.perf_counter() - started
        inside = {which: validation_nats(supernet.extract(one), task) for which, one in
                  (("largest", largest), ("smallest", smallest))}  # fmt: skip
        print(row(rule, inside, alone, seconds), flush=True)


def row(name: str, inside: dict[str, float], alone: dict[str, float], seconds: float) -> str:
    """One line of the table; losses in nats per example, a ratio above 1 means worse than alone."""
    cells = [
        f"{inside[which]:8.4f} {alone[which]:7.4f} {inside[which] / alone[which]:7.3f}"
        for which in ("largest", "smallest")
    ]
    return f"{name:12} {cells[0]}   {cells[1]} {seconds:10.1f}"


def tell(message: str) -> None:
    """Progress, beside the table."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
