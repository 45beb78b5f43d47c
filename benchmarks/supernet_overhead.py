"""What sharing weights costs: a subnet inside the supernet against the same model extracted, and against whittle.

    python benchmarks/supernet_overhead.py

Every pair is measured in turns in one run, on one thread; times are medians and ratios are medians of paired ratios.
Where `whittle` can be imported (pip install whittle==0.6.0, then remove torchvision), its selection, extraction, subnet
step and sandwich step are measured on the same sizes, in turns with ours.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from random import Random
from time import perf_counter

import torch
from provenance import provenance
from torch import nn

from frontier.latency_models.tracing.recorder import Recorder
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet import ModelShape, Supernet
from frontier.supernet.optimizer import TrainerOptions, adamw, update
from frontier.supernet.trainer import cross_entropy

LAYERS, WIDTH, HEADS, INNER = 6, 256, 8, 1024
SPACE = SearchSpace.parse(
    {
        "name": "overhead",
        "width": [64, 128, 192, 256],
        "depth": [2, 4, 6],
        "token_mixers": [{"kind": "attention", "num_heads": [2, 4, 8], "num_kv_heads": [1, 2, 4, 8], "head_dim": 32}],
        "channel_mixers": [{"kind": "swiglu", "inner": [256, 512, 1024]}],
    }
)
OPTIONS = TrainerOptions(steps=1000, learning_rate=1e-3, warmup_steps=10)
Run = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(provenance(threads=1))
    shape = ModelShape(256, arguments.context)
    ids_BT = torch.randint(0, 256, (arguments.batch, arguments.context), generator=torch.Generator().manual_seed(0))
    supernet = Supernet(SPACE, shape)
    print(f"\n{LAYERS} layers, width {WIDTH}; batch {arguments.batch} of {arguments.context} tokens; one thread\n")
    print("| architecture | parameters | forward + backward | forward | select | extract |")
    print("|---|---|---|---|---|---|")
    for architecture in ladder():
        print(row(supernet, architecture, ids_BT, arguments.rounds))
    print()
    memory(supernet, ids_BT)
    beside_whittle(supernet, ids_BT, arguments.rounds)


def ladder() -> list[Architecture]:
    """Five architectures from the smallest to the largest."""
    rng = Random(0)
    drawn = sorted((SPACE.sample(rng) for _ in range(60)), key=lambda item: sum(SPACE.vector(item)))
    return [SPACE.smallest(), drawn[15], drawn[30], drawn[45], SPACE.largest()]


def row(supernet: Supernet, architecture: Architecture, ids_BT: torch.Tensor, rounds: int) -> str:
    alone = supernet.extract(architecture)
    shared_step, alone_step = (lambda: subnet_step(supernet, architecture, ids_BT)), (lambda: model_step(alone, ids_BT))
    step = paired(shared_step, alone_step, rounds)
    with torch.no_grad():
        forward = paired(lambda: supernet(architecture, ids_BT), lambda: alone(ids_BT), rounds * 2)
    select_ms = median_ms(lambda: supernet.read(architecture), 50)
    extract_ms = median_ms(lambda: supernet.extract(architecture), 20)
    parameters = sum(parameter.numel() for parameter in alone.parameters())
    return (
        f"| {architecture.digest} | {parameters:,} | {step[0]:.1f} ms, x {step[2]:.3f} | "
        f"{forward[0]:.2f} ms, x {forward[2]:.3f} | {select_ms:.3f} ms | {extract_ms:.2f} ms |"
    )


def subnet_step(supernet: Supernet, architecture: Architecture, ids_BT: torch.Tensor) -> None:
    supernet.backward(architecture, ids_BT, lambda logits_BTV: cross_entropy(logits_BTV, ids_BT))
    for tensor in supernet.shared.values():
        tensor.grad = None


def model_step(model: nn.Module, ids_BT: torch.Tensor) -> None:
    cross_entropy(model(ids_BT), ids_BT).backward()
    model.zero_grad(set_to_none=True)


def memory(supernet: Supernet, ids_BT: torch.Tensor) -> None:
    """The most bytes alive beside parameters and optimiser, in a sandwich step and in a step of the largest alone."""
    largest = supernet.extract(SPACE.largest())
    weights = dict(largest.named_parameters())
    alone, shared = adamw(weights, OPTIONS), adamw(supernet.shared, OPTIONS)

    def plain() -> None:
        cross_entropy(largest(ids_BT), ids_BT).backward()
        update(alone, weights.values(), OPTIONS, 0)

    peaks = []
    for run in (plain, lambda: sandwich(supernet, shared, ids_BT)):
        run()
        with Recorder("all") as recorder:
            run()
        peaks.append(recorder.peaks["all"] / 2**20)
    held = 3 * sum(weight.numel() * 4 for weight in weights.values()) / 2**20
    print(
        f"peak memory: step of the largest alone {held + peaks[0]:.1f} MiB, sandwich step {held + peaks[1]:.1f} MiB, "
        f"x {(held + peaks[1]) / (held + peaks[0]):.3f} (of which {held:.1f} MiB parameters and optimiser in both)"
    )


def sandwich(supernet: Supernet, optimizer: torch.optim.Optimizer, ids_BT: torch.Tensor) -> None:
    for architecture in (SPACE.largest(), SPACE.smallest(), ladder_middle()):
        supernet.backward(architecture, ids_BT, lambda logits_BTV: cross_entropy(logits_BTV, ids_BT))
    touched = [tensor for tensor in supernet.shared.values() if tensor.grad is not None]
    update(optimizer, touched, OPTIONS, 0)


def ladder_middle() -> Architecture:
    """Half of everything, so that whittle can be given the same."""
    block = {
        "token_mixer": {"kind": "attention", "num_heads": HEADS // 2, "num_kv_heads": HEADS // 2, "head_dim": 32},
        "channel_mixer": {"kind": "swiglu", "inner": INNER // 2},
    }
    return Architecture.from_json({"width": WIDTH // 2, "blocks": [block] * 4})


def beside_whittle(supernet: Supernet, ids_BT: torch.Tensor, rounds: int) -> None:
    """The same sizes in both, in turns: the largest, half of everything, and a quarter of it."""
    try:
        from litgpt import Config
        from whittle.models.gpt import GPT
        from whittle.models.gpt.extract import extract_current_sub_network
    except ImportError as error:
        print(f"\nwhittle was not measured: {error}")
        return
    config = Config(
        n_layer=LAYERS, n_embd=WIDTH, n_head=HEADS, n_query_groups=HEADS, head_size=32, intermediate_size=INNER,
        padded_vocab_size=256, vocab_size=256, block_size=ids_BT.shape[1], mlp_class_name="LLaMAMLP",
        norm_class_name="RMSNorm", bias=False, rotary_percentage=1.0, parallel_residual=False,
    )  # fmt: skip
    theirs = GPT(config)
    theirs.max_seq_length = ids_BT.shape[1]

    def select(width: int, layers: int) -> None:
        theirs.set_sub_network(
            sub_network_n_embd=width, sub_network_intermediate_size=4 * width, sub_network_n_layers=layers,
            sub_network_num_heads=width // 32, sub_network_query_groups=width // 32, sub_network_head_size=32,
        )  # fmt: skip

    def their_step(width: int, layers: int) -> None:
        select(width, layers)
        cross_entropy(theirs(ids_BT), ids_BT).backward()

    def their_sandwich() -> None:
        for width, layers in ((WIDTH, LAYERS), (64, 2), (WIDTH // 2, 4)):
            their_step(width, layers)
        update(their_optimizer, list(theirs.parameters()), OPTIONS, 0)

    middle = ladder_middle()
    select(WIDTH // 2, 4)
    extracted = extract_current_sub_network(theirs)
    extracted.max_seq_length = ids_BT.shape[1]
    their_optimizer = torch.optim.AdamW(theirs.parameters(), lr=1e-3)
    for group in their_optimizer.param_groups:
        group["rate_factor"] = 1.0
    our_optimizer = adamw(supernet.shared, OPTIONS)

    def their_cleared_step() -> None:
        their_step(WIDTH // 2, 4)
        theirs.zero_grad(set_to_none=True)

    their_ratio = paired(their_cleared_step, lambda: model_step(extracted, ids_BT), rounds)
    alone = supernet.extract(middle)
    our_ratio = paired(lambda: subnet_step(supernet, middle, ids_BT), lambda: model_step(alone, ids_BT), rounds)
    step = paired(lambda: subnet_step(supernet, middle, ids_BT), their_cleared_step, rounds)
    both = paired(lambda: sandwich(supernet, our_optimizer, ids_BT), their_sandwich, rounds)
    print(f"\n| half of everything ({LAYERS} layers, width {WIDTH} in all) | Frontier | whittle |\n|---|---|---|")
    ours_ms = median_ms(lambda: supernet.read(middle), 50)
    print(f"| select | {ours_ms:.3f} ms | {median_ms(lambda: select(WIDTH // 2, 4), 50):.3f} ms |")
    ours_ms = median_ms(lambda: supernet.extract(middle), 20)
    print(f"| extract | {ours_ms:.2f} ms | {median_ms(lambda: extract_current_sub_network(theirs), 20):.2f} ms |")
    print(f"| subnet step over extracted model's | x {our_ratio[2]:.3f} | x {their_ratio[2]:.3f} |")
    print(f"| subnet step | {step[0]:.1f} ms | {step[1]:.1f} ms (ours x {step[2]:.3f}) |")
    print(f"| sandwich step | {both[0]:.1f} ms | {both[1]:.1f} ms (ours x {both[2]:.3f}) |")


def paired(first: Run, second: Run, rounds: int) -> tuple[float, float, float]:
    """Median milliseconds of both and the median of their ratios, measured in turns."""
    for run in (first, second):
        run()
        run()
    times: list[tuple[float, float]] = []
    for index in range(rounds):
        order = (first, second) if index % 2 else (second, first)
        taken = {run: once_ms(run) for run in order}
        times.append((taken[first], taken[second]))
    ratio = statistics.median(one / other for one, other in times)
    return statistics.median(one for one, _ in times), statistics.median(other for _, other in times), ratio


def median_ms(run: Run, count: int) -> float:
    run()
    return statistics.median(once_ms(run) for _ in range(count))


def once_ms(run: Run) -> float:
    started = perf_counter()
    run()
    return (perf_counter() - started) * 1e3


if __name__ == "__main__":
    main()
