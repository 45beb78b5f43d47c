"""How many parameters each part of an architecture has, counted from its specs: nothing is built for it.

W width of the residual stream.  `COUNTS` has a line for every operator of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ...search_space import (
    Architecture,
    Attention,
    CausalConv,
    CosFormer,
    GatedConv,
    GatedLinearAttention,
    GeluMLP,
    Mamba2,
    MoE,
    MoHD,
    Nothing,
    Pooling,
    Spec,
    SquaredReLU,
    SwiGLU,
)

ENDS = "ends"
TOKEN = "token mixer"
CHANNEL = "channel mixer"
AROUND = "norms and routers"
ROLES = (ENDS, TOKEN, CHANNEL, AROUND)


def _attention(spec: Attention, width: int, images: bool) -> int:
    queries, keys = spec.num_heads * spec.head_dim, spec.num_kv_heads * spec.head_dim
    return 2 * width * (queries + keys) + (2 * spec.head_dim if spec.qk_norm else 0)


def _causal_conv(spec: CausalConv, width: int, images: bool) -> int:
    return spec.channels * (2 * width + spec.kernel_size)


def _gated_conv(spec: GatedConv, width: int, images: bool) -> int:
    return spec.channels * (3 * width + spec.kernel_size ** (2 if images else 1))


def _cosformer(spec: CosFormer, width: int, images: bool) -> int:
    return 4 * width * spec.num_heads * spec.head_dim


def _gated_linear(spec: GatedLinearAttention, width: int, images: bool) -> int:
    inner = spec.num_heads * spec.head_dim
    decay = spec.num_heads * (width + 1)
    return 5 * width * inner + decay + inner


def _mamba2(spec: Mamba2, width: int, images: bool) -> int:
    inner, shared = spec.num_heads * spec.head_dim, spec.num_groups * spec.state_dim
    projections = width * (3 * inner + 2 * shared + spec.num_heads)
    filters = spec.conv_size * (inner + 2 * shared)
    return projections + filters + 3 * spec.num_heads + inner


def _nothing(spec: Spec, width: int, images: bool) -> int:
    return 0


def _gated_feed_forward(spec: SwiGLU, width: int, images: bool) -> int:
    return 3 * width * spec.inner


def _feed_forward(spec: GeluMLP | SquaredReLU, width: int, images: bool) -> int:
    return 2 * width * spec.inner


def _moe(spec: MoE, width: int, images: bool) -> int:
    return width * (spec.num_experts * (1 + 3 * spec.inner) + 3 * spec.shared_inner)


COUNTS: dict[type[Spec], Callable[[Any, int, bool], int]] = {
    Attention: _attention,
    CausalConv: _causal_conv,
    GatedConv: _gated_conv,
    CosFormer: _cosformer,
    GatedLinearAttention: _gated_linear,
    Mamba2: _mamba2,
    Pooling: _nothing,
    Nothing: _nothing,
    SwiGLU: _gated_feed_forward,
    GeluMLP: _feed_forward,
    SquaredReLU: _feed_forward,
    MoE: _moe,
}


def mixer_parameters(spec: Spec, width: int, images: bool = False) -> int:
    """The parameters of one mixer; its norm is not part of it. `images`: filters have two dimensions there."""
    return COUNTS[type(spec)](spec, width, images)


def idle_parameters(spec: Spec, width: int) -> int:
    """Those of them that a token does not meet: the experts it is not sent to."""
    return 3 * width * spec.inner * (spec.num_experts - spec.top_k) if isinstance(spec, MoE) else 0


@dataclass(frozen=True)
class Part:
    """The parameters that one layer has in one role; `idle` of them serve other tokens than a given one."""

    layer: str
    role: str
    count: int
    idle: int = 0


def parts(architecture: Architecture) -> Iterator[Part]:
    """Every part in the order of the model, less what the task adds to both ends (see `parameters_by_part`)."""
    images, widths = bool(architecture.stages), architecture.widths
    reduced = _first_of_stages(architecture)
    for place, (block, width) in enumerate(zip(architecture.blocks, widths, strict=True)):
        if place in reduced:
            yield reduced[place]
        layer = f"block {place}"
        for role, spec in ((TOKEN, block.token_mixer), (CHANNEL, block.channel_mixer)):
            if not isinstance(spec, Nothing):
                yield Part(layer, role, mixer_parameters(spec, width, images), idle_parameters(spec, width))
                yield Part(layer, AROUND, width + _hidden(architecture.hidden, width))


def parameters_by_part(architecture: Architecture, total: int | None) -> tuple[Part, ...]:
    """Every part; what is left of `total` is what the task adds: embedding and head, or stem and classifier.

    A total that is not known, or less than the blocks have, leaves that part out.
    """
    inside = tuple(parts(architecture))
    left = (total or 0) - sum(part.count for part in inside)
    name = "stem and classifier" if architecture.stages else "embedding and head"
    return (*inside, Part(name, ENDS, left)) if left > 0 else inside


def _first_of_stages(architecture: Architecture) -> dict[int, Part]:
    """The reduction before the first block of each later stage: a norm and a convolution of 3 x 3 places."""
    found: dict[int, Part] = {}
    place = 0
    for number, (before, stage) in enumerate(pairwise(architecture.stages), 1):
        place += before.depth
        count = before.width + (9 * before.width + 1) * stage.width
        found[place] = Part(f"reduction {number}", ENDS, count)
    return found


def _hidden(hidden: Spec, width: int) -> int:
    """What a mixture of hidden dimensions puts around each mixer: a router, and a fusion of square blocks."""
    if not isinstance(hidden, MoHD):
        return 0
    router = hidden.num_groups(width) * width if hidden.routed else 0
    factors = {"none": 0, "blockdiag": 1, "monarch": 2}[hidden.fusion]
    return router + factors * hidden.fusion_blocks * hidden.fusion_size(width) ** 2
