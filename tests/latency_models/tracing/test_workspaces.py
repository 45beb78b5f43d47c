"""What our own operators take beside their inputs and outputs is what torch's allocator sees."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch._ops import OpOverload

from frontier.kernels import moe_mlp, mohd
from frontier.latency_models.measuring.measured_memory import cpu_peak_bytes
from frontier.latency_models.tracing.workspaces import workspace_bytes

assert moe_mlp
assert mohd
OPS = torch.ops.frontier
TOKENS, WIDTH, OUTPUTS, CHOICES = 140, 64, 96, 2
EXPERTS, INNER = 4, 48
SHARED, SIZE = 2, 8
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


def group_arguments() -> dict[str, list]:
    chosen = evenly(SHARED, WIDTH // SIZE - SHARED)
    multiplier = torch.rand(TOKENS, SHARED + CHOICES)
    wide, narrow = torch.randn(TOKENS, WIDTH), torch.randn(TOKENS, OUTPUTS)
    read = [wide, torch.randn(OUTPUTS, WIDTH), multiplier, chosen, SHARED, SIZE]
    write = [narrow, torch.randn(WIDTH, OUTPUTS), chosen, SHARED, SIZE]
    return {"read": read, "read_backward": [narrow, *read], "write": write, "write_backward": [wide, *write]}


CASES = {
    "moe_mlp": (OPS.moe_mlp.default, expert_arguments),
    "moe_mlp_backward": (OPS.moe_mlp_backward.default, lambda: [torch.randn(TOKENS, WIDTH), *expert_arguments()]),
    "mohd_read": (OPS.mohd_read.default, lambda: group_arguments()["read"]),
    "mohd_read_backward": (OPS.mohd_read_backward.default, lambda: group_arguments()["read_backward"]),
    "mohd_write": (OPS.mohd_write.default, lambda: group_arguments()["write"]),
    "mohd_write_backward": (OPS.mohd_write_backward.default, lambda: group_arguments()["write_backward"]),
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


@pytest.mark.parametrize("op", [torch.ops.aten.mm.default, torch.ops.aten.silu.default])
def test_most_kernels_take_none(op: OpOverload) -> None:
    assert workspace_bytes(op, [torch.randn(3, 3)], [torch.randn(3, 3)]) == 0
