"""Work that runs between the calls that are measured.

Inside a model a kernel follows other kernels, which have pushed its code out of the instruction cache and the branch
predictor. Repeated back to back a small kernel can run in a third of the time that it takes in a model. So calls are
replayed in a shuffled order, between each other and these. That also leaves weights about as cold as they are in a
model, since every call has its own.
"""

from __future__ import annotations

import torch

from .replay import Replay


def background() -> tuple[Replay, ...]:
    """Some small kernels of different families, together about as much code as a block of a model."""
    aten = torch.ops.aten
    x_BTD, w_DD = torch.randn(1, 32, 64), torch.randn(64, 64)
    q_BHTK, image_BCT = torch.randn(1, 2, 32, 32), torch.randn(1, 32, 34)
    calls: tuple[tuple[torch._ops.OpOverload, list, dict], ...] = (
        (aten.mm.default, [x_BTD[0], w_DD], {}),
        (aten.mean.dim, [x_BTD, [-1], True], {}),
        (aten.sum.dim_IntList, [x_BTD, [1]], {}),
        (aten.mul.Tensor, [x_BTD, x_BTD], {}),
        (aten.add.Tensor, [x_BTD, x_BTD], {}),
        (aten.gelu.default, [x_BTD], {}),
        (aten.silu.default, [x_BTD], {}),
        (aten.rsqrt.default, [x_BTD.abs()], {}),
        (aten.cat.default, [[x_BTD, x_BTD], -1], {}),
        (aten.clone.default, [q_BHTK.transpose(1, 2)], {"memory_format": torch.contiguous_format}),
        (aten.embedding.default, [w_DD, torch.arange(32)], {}),
        (aten._scaled_dot_product_flash_attention_for_cpu.default, [q_BHTK, q_BHTK, q_BHTK], {}),
        (
            aten.convolution.default,
            [image_BCT, torch.randn(32, 1, 3), None, [1], [0], [1], False, [0], 32],
            {},
        ),
        (aten.softmax.int, [x_BTD, -1], {}),
    )
    return tuple(Replay(op, args, kwargs) for op, args, kwargs in calls)


def nothing() -> Replay:
    """A replay whose operator compares two shapes and returns: what is left is the replay itself."""
    return Replay(torch.ops.aten.is_same_size.default, [torch.randn(2), torch.randn(2)], {})
