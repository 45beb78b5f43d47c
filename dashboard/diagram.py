"""The drawing of an architecture: its blocks in order along the residual stream, each mixer as wide as its size.

Drawn with boxes and borders that the style sheet places, so that it wraps on a narrow screen, follows the colour scheme
and can be read and copied as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from dash import html
from dash.development.base_component import Component

from ..search_space import (
    Architecture,
    Attention,
    Block,
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

# The narrowest box, as a share of the widest, so that it is seen at all.
LEAST_SHARE = 0.02
# To tell whether words fit into a box, in pixels: the widest box on a wide screen, a letter, and what is around them.
WIDEST_PIXELS = 640
LETTER_PIXELS = 7.5
AROUND_PIXELS = 34


@dataclass(frozen=True)
class Drawn:
    """How one mixer is drawn: its name, the channels that give the box its width, and its fields in words."""

    title: str
    channels: int
    detail: str


def _attention(spec: Attention) -> Drawn:
    title = "Attention" if spec.window is None else "Window attention"
    heads = f"{_number(spec.num_heads, 'head')} × {spec.head_dim}"
    reach = "" if spec.window is None else f", window {spec.window}"
    shared = _number(spec.num_kv_heads, "key/value head")
    extras = (", normed queries and keys" if spec.qk_norm else "") + ("" if spec.rotary else ", no rotary positions")
    return Drawn(title, spec.num_heads * spec.head_dim, f"{heads}, {shared}{reach}{extras}")


def _causal_conv(spec: CausalConv) -> Drawn:
    return Drawn("Causal convolution", spec.channels, f"{spec.channels} channels, kernel {spec.kernel_size}")


def _gated_conv(spec: GatedConv) -> Drawn:
    return Drawn("Gated convolution", spec.channels, f"{spec.channels} channels, kernel {spec.kernel_size}")


def _cosformer(spec: CosFormer) -> Drawn:
    return Drawn("cosFormer", spec.num_heads * spec.head_dim, f"{_number(spec.num_heads, 'head')} × {spec.head_dim}")


def _gated_linear(spec: GatedLinearAttention) -> Drawn:
    detail = f"{_number(spec.num_heads, 'head')} × {spec.head_dim}"
    return Drawn("Gated linear attention", spec.num_heads * spec.head_dim, detail)


def _mamba2(spec: Mamba2) -> Drawn:
    heads, groups = _number(spec.num_heads, "head"), _number(spec.num_groups, "group")
    detail = f"{heads} × {spec.head_dim}, state {spec.state_dim}, {groups}"
    return Drawn("Mamba-2", spec.num_heads * spec.head_dim, detail)


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
    detail = f"{spec.top_k} of {_number(spec.num_experts, 'expert')} × {spec.inner}{shared}"
    return Drawn("Mixture of experts", spec.top_k * spec.inner + spec.shared_inner, detail)


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


@dataclass(frozen=True)
class Run:
    """Equal consecutive blocks: the block, the place of the first (from 0) and how many there are."""

    block: Block
    first: int
    length: int

    @property
    def label(self) -> str:
        return f"block {self.first}" if self.length == 1 else f"blocks {self.first}–{self.first + self.length - 1}"


def runs(blocks: Sequence[Block]) -> Iterator[Run]:
    """Fold equal consecutive blocks."""
    first = 0
    for block, equal in groupby(blocks):
        length = len(list(equal))
        yield Run(block, first, length)
        first += length


def diagram(architecture: Architecture) -> Component:
    """The drawing, with a sentence for readers that can't see it."""
    specs = [mixer for block in architecture.blocks for mixer in (block.token_mixer, block.channel_mixer)]
    widest = max([*architecture.widths, *(drawn(spec).channels for spec in specs)])
    first, last = ("Stem", "Norm, pool, classifier") if architecture.stages else ("Embedding", "Norm, head")
    return html.Figure(
        [
            html.Div(
                [
                    _end(first, f"width {architecture.width}", architecture.width / widest),
                    *_stages(architecture, widest),
                    _end(last, f"width {architecture.widths[-1]}", architecture.widths[-1] / widest),
                ],
                className="diagram",
            ),
            html.Figcaption(caption(architecture)),
        ],
        className="diagram-figure",
    )


RESIDUAL_WORDS = {
    "sequential": "which every mixer reads through its own norm and adds to",
    "parallel": "which both mixers of a block read at once, each through its own norm, and then add to",
    "ladder": "which every mixer reads through its own norm before the mixer above it has added to it",
}


def caption(architecture: Architecture) -> str:
    """The drawing in words: blocks, residual stream, and which part of the width is read."""
    widths = "widths " + ", ".join(str(stage.width) for stage in architecture.stages)
    width = widths if len(architecture.stages) > 1 else f"width {architecture.width}"
    return (
        f"{_number(architecture.depth, 'block')} of {width}; the line on the left is the residual stream, "
        f"{RESIDUAL_WORDS[architecture.residual]}.{_hidden(architecture)} "
        "Boxes are as wide as the channels inside them."
    )


def _hidden(architecture: Architecture) -> str:
    hidden = architecture.hidden
    if not isinstance(hidden, MoHD):
        return ""
    groups = f"{hidden.num_groups(architecture.width)} groups of {hidden.group_size} columns"
    routed = f" and {hidden.routed} that a router picks for each token" if hidden.routed else ""
    fused = f", fused by {hidden.fusion} afterwards" if hidden.fusion != "none" else ""
    return f" The stream is cut into {groups}: a mixer reads and writes the first {hidden.shared}{routed}{fused}."


def _stages(architecture: Architecture, widest: int) -> Iterator[Component]:
    """The blocks, and between two stages the reduction that halves the resolution."""
    if not architecture.stages:
        yield from (_run(run, widest) for run in runs(architecture.blocks))
        return
    start = 0
    for number, stage in enumerate(architecture.stages):
        if number:
            yield _end("Half the resolution", f"width {stage.width}", stage.width / widest)
        blocks = architecture.blocks[start : start + stage.depth]
        yield from (_run(replace(run, first=run.first + start), widest) for run in runs(blocks))
        start += stage.depth


def _run(run: Run, widest: int) -> Component:
    repeats = [html.Span(f"×{run.length}", className="diagram-repeats")] if run.length > 1 else []
    return html.Div(
        [
            html.Div([html.Span(run.label), *repeats], className="diagram-run-label"),
            *_mixers(run.block, widest),
        ],
        className="diagram-run diagram-folded" if run.length > 1 else "diagram-run",
    )


def _mixers(block: Block, widest: int) -> Iterator[Component]:
    """The halves that are there."""
    for spec, role in ((block.token_mixer, "token"), (block.channel_mixer, "channel")):
        if not isinstance(spec, Nothing):
            yield _mixer(spec, role, widest)


def _mixer(spec: Spec, role: str, widest: int) -> Component:
    picture = drawn(spec)
    return html.Div(
        [
            html.Span(className="diagram-tap"),
            html.Span("+", className="diagram-add", title="added to the residual stream"),
            _box(picture.title, picture.detail, picture.channels / widest, f"diagram-{role}"),
        ],
        className="diagram-row",
    )


def _end(title: str, detail: str, share: float) -> Component:
    return html.Div([_box(title, detail, share, "diagram-end")], className="diagram-row diagram-row-end")


def _box(title: str, detail: str, share: float, kind: str) -> Component:
    """A box as wide as `share` of the drawing, with its words in it where they fit and beside it where they don't."""
    words = [html.Span(title, className="diagram-title"), html.Span(detail, className="diagram-detail")]
    fits = len(title + detail) * LETTER_PIXELS + AROUND_PIXELS <= share * WIDEST_PIXELS
    return html.Div(
        [html.Div(words, className="diagram-words"), html.Div(className=f"diagram-box {kind}")],
        className="diagram-cell" if fits else "diagram-cell diagram-beside",
        style={"--share": f"{100 * max(share, LEAST_SHARE):.1f}%"},
    )


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
