"""How each operator is drawn and told: its name, its size, its fields in words, and the cells it is made of.

`DRAWN` has a line for every operator of the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...search_space import (
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


@dataclass(frozen=True)
class Cells:
    """Equal things in a row, such as heads or experts: so many, `shared` of them for every token, then `chosen` ones.

    With `groups` they stand in as many groups. A token meets all of them where neither `shared` nor `chosen` says less.
    """

    noun: str
    count: int
    shared: int = 0
    chosen: int = 0
    groups: int = 1


@dataclass(frozen=True)
class Drawn:
    """How one mixer is drawn: its name, the channels that give the box its width, its fields in words, its cells."""

    title: str
    channels: int
    detail: str
    cells: Cells | None = None


def number(count: int, noun: str) -> str:
    """`1 head`, `3 heads`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _attention(spec: Attention) -> Drawn:
    title = "Attention" if spec.window is None else "Window attention"
    heads = f"{number(spec.num_heads, 'head')} × {spec.head_dim}"
    reach = "" if spec.window is None else f", window {spec.window}"
    shared = number(spec.num_kv_heads, "key/value head")
    extras = (", normed queries and keys" if spec.qk_norm else "") + ("" if spec.rotary else ", no rotary positions")
    cells = Cells("head", spec.num_heads, groups=spec.num_kv_heads)
    return Drawn(title, spec.num_heads * spec.head_dim, f"{heads}, {shared}{reach}{extras}", cells)


def _causal_conv(spec: CausalConv) -> Drawn:
    return Drawn("Causal convolution", spec.channels, f"{spec.channels} channels, kernel {spec.kernel_size}")


def _gated_conv(spec: GatedConv) -> Drawn:
    return Drawn("Gated convolution", spec.channels, f"{spec.channels} channels, kernel {spec.kernel_size}")


def _cosformer(spec: CosFormer) -> Drawn:
    detail = f"{number(spec.num_heads, 'head')} × {spec.head_dim}"
    return Drawn("cosFormer", spec.num_heads * spec.head_dim, detail, Cells("head", spec.num_heads))


def _gated_linear(spec: GatedLinearAttention) -> Drawn:
    detail = f"{number(spec.num_heads, 'head')} × {spec.head_dim}"
    return Drawn("Gated linear attention", spec.num_heads * spec.head_dim, detail, Cells("head", spec.num_heads))


def _mamba2(spec: Mamba2) -> Drawn:
    heads, groups = number(spec.num_heads, "head"), number(spec.num_groups, "group")
    detail = f"{heads} × {spec.head_dim}, state {spec.state_dim}, {groups}, kernel {spec.conv_size}"
    cells = Cells("head", spec.num_heads, groups=spec.num_groups)
    return Drawn("Mamba-2", spec.num_heads * spec.head_dim, detail, cells)


def _pooling(spec: Pooling) -> Drawn:
    return Drawn("Pooling", 0, f"window {spec.window}")


def _nothing(spec: Nothing) -> Drawn:
    return Drawn("None", 0, "left out")


def _swiglu(spec: SwiGLU) -> Drawn:
    return Drawn("SwiGLU", spec.inner, f"inner {spec.inner}")


def _gelu_mlp(spec: GeluMLP) -> Drawn:
    return Drawn("GELU MLP", spec.inner, f"inner {spec.inner}")


def _squared_relu(spec: SquaredReLU) -> Drawn:
    return Drawn("Squared-ReLU MLP", spec.inner, f"inner {spec.inner}")


def _moe(spec: MoE) -> Drawn:
    shared = f", shared {spec.shared_inner}" if spec.shared_inner else ""
    detail = f"{spec.top_k} of {number(spec.num_experts, 'expert')} × {spec.inner}{shared}"
    channels = spec.top_k * spec.inner + spec.shared_inner
    return Drawn("Mixture of experts", channels, detail, Cells("expert", spec.num_experts, chosen=spec.top_k))


DRAWN: dict[type[Spec], Callable[[Any], Drawn]] = {
    Attention: _attention,
    CausalConv: _causal_conv,
    GatedConv: _gated_conv,
    CosFormer: _cosformer,
    GatedLinearAttention: _gated_linear,
    Mamba2: _mamba2,
    Pooling: _pooling,
    Nothing: _nothing,
    SwiGLU: _swiglu,
    GeluMLP: _gelu_mlp,
    SquaredReLU: _squared_relu,
    MoE: _moe,
}


def drawn(spec: Spec) -> Drawn:
    return DRAWN[type(spec)](spec)


def told(spec: Spec) -> str:
    """A mixer in one line: `Attention, 3 heads × 32, 1 key/value head`."""
    picture = drawn(spec)
    return f"{picture.title}, {picture.detail}" if not isinstance(spec, Nothing) else "none"


def hidden_drawn(hidden: Spec, width: int) -> Drawn | None:
    """A mixture of hidden dimensions over a stream of that width; None where every mixer reads all of it."""
    if not isinstance(hidden, MoHD):
        return None
    groups = hidden.num_groups(width)
    routed = f" and {hidden.routed} that a router picks for each token" if hidden.routed else ""
    fused = f", fused by {hidden.fusion} afterwards" if hidden.fusion != "none" else ""
    cut = f"{groups} groups of {hidden.group_size} columns"
    detail = f"{cut}: a mixer reads and writes the first {hidden.shared}{routed}{fused}"
    cells = Cells("group", groups, shared=hidden.shared, chosen=hidden.routed)
    return Drawn("Mixture of hidden dimensions", hidden.read_columns(width), detail, cells)
