"""What our own operators take beside their inputs and outputs is what torch's allocator sees."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch._ops import OpOverload

from frontier.kernels import moe_mlp, mohd
from frontier.kernels.mohd.by_torch import sorting_pays
from frontier.latency_models.measuring.measured_memory import cpu_peak_bytes
from frontier.latency_models.tracing.workspaces import workspace_bytes

assert moe_mlp
assert mohd
OPS = torch.ops.frontier
TOKENS, WIDTH, OUTPUTS, CHOICES = 140, 64, 96, 2
EXPERTS, INNER = 4, 48
SHARED, SIZE, MANY_OUTPUTS = 2, 8, 6000
TOLERANCE = 0.05


def evenly(first: int, count: int) -> Tensor:
    """Choices (N, K) that send as many tokens to each of `count` from `first` on."""
    return first + (torch.arange(TOKENS)[:, None] + torch.arange(CHOICES)) % count


def expert_arguments() -> list[Tensor]:
    stacks = [
        torch.randn(EXPERTS, INNER, WIDTH),
        torch.randn(EXPERTS, INNER, WIDTH),
        torch.randn(EXPERTS, WIDTH, INNER),
    ]
    return [torch.randn(TOKENS, WIDTH), *stacks, torch.rand(TOKENS, CHOICES), evenly(0, EXPERTS)]


def group_arguments(name: str, outputs: int) -> list:
    """Few outputs are computed as masked dense products, many group by group."""
    chosen = evenly(SHARED, WIDTH // SIZE - SHARED)
    multiplier = torch.rand(TOKENS, SHARED + CHOICES)
    wide, narrow = torch.randn(TOKENS, WIDTH), torch.randn(TOKENS, outputs)
    read = [wide, torch.randn(outputs, WIDTH), multiplier, chosen, SHARED, SIZE]
    write = [narrow, torch.randn(WIDTH, outputs), chosen, SHARED, SIZE]
    return {"read": read, "read_backward": [narrow, *read], "write": write, "write_backward": [wide, *write]}[name]


CASES = {
    "moe_mlp": (OPS.moe_mlp.default, expert_arguments),
    "moe_mlp_backward": (OPS.moe_mlp_backward.default, lambda: [torch.randn(TOKENS, WIDTH), *expert_arguments()]),
} | {
    f"mohd_{name} to {outputs}": (getattr(OPS, f"mohd_{name}").default, partial(group_arguments, name, outputs))
    for name in ("read", "read_backward", "write", "write_backward")
    for outputs in (OUTPUTS, MANY_OUTPUTS)
}


@pytest.mark.parametrize("name", CASES)
@torch.inference_mode()
def test_workspace_is_what_is_allocated(name: str) -> None:
    op, arguments = CASES[name]
    args = arguments()
    out = op(*args)
    outputs = [out] if isinstance(out, Tensor) else list(out)
    made = sum(tensor.numel() * tensor.element_size() for tensor in outputs)
    predicted = made + workspace_bytes(op, args, outputs)
    assert predicted == pytest.approx(cpu_peak_bytes(lambda: partial(op, *args)), rel=TOLERANCE)


def test_both_ways_through_groups_are_among_the_cases() -> None:
    ways = [sorting_pays((TOKENS, CHOICES), WIDTH, outputs, SHARED, SIZE) for outputs in (OUTPUTS, MANY_OUTPUTS)]
    assert ways == [False, True]


@pytest.mark.parametrize("op", [torch.ops.aten.mm.default, torch.ops.aten.silu.default])
def test_most_kernels_take_none(op: OpOverload) -> None:
    assert workspace_bytes(op, [torch.randn(3, 3)], [torch.randn(3, 3)]) == 0
