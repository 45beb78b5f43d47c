"""The drawing of an architecture: its blocks in order along the residual stream, each mixer as wide as its size.

Drawn with boxes and borders that the style sheet places, so that it wraps on a narrow screen, follows the colour scheme
and can be read and copied as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from dash import html
from dash.development.base_component import Component

from ..search_space import Architecture, Attention, Block, CausalConv, GeluMLP, Spec, SwiGLU

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
    return Drawn(title, spec.num_heads * spec.head_dim, f"{heads}, {shared}{reach}")


def _causal_conv(spec: CausalConv) -> Drawn:
    return Drawn("Causal convolution", spec.channels, f"{spec.channels} channels, kernel {spec.kernel_size}")


def _swiglu(spec: SwiGLU) -> Drawn:
    return Drawn("SwiGLU", spec.inner, f"inner {spec.inner}")


def _gelu_mlp(spec: GeluMLP) -> Drawn:
    return Drawn("GELU MLP", spec.inner, f"inner {spec.inner}")


DRAWN: dict[type[Spec], Callable[[Any], Drawn]] = {
    Attention: _attention,
    CausalConv: _causal_conv,
    SwiGLU: _swiglu,
    GeluMLP: _gelu_mlp,
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
    widest = max([architecture.width, *(drawn(spec).channels for spec in specs)])
    ends = architecture.width / widest
    return html.Figure(
        [
            html.Div(
                [
                    _end("Embedding", f"width {architecture.width}", ends),
                    *(_run(run, widest) for run in runs(architecture.blocks)),
                    _end("Norm, head", f"width {architecture.width}", ends),
                ],
                className="diagram",
            ),
            html.Figcaption(
                f"{_number(architecture.depth, 'block')} of width {architecture.width}; the line on the left is the "
                "residual stream, which every mixer reads through its own norm and adds to. Boxes are as wide as the "
                "channels inside them."
            ),
        ],
        className="diagram-figure",
    )


def _run(run: Run, widest: int) -> Component:
    repeats = [html.Span(f"×{run.length}", className="diagram-repeats")] if run.length > 1 else []
    return html.Div(
        [
            html.Div([html.Span(run.label), *repeats], className="diagram-run-label"),
            _mixer(run.block.token_mixer, "token", widest),
            _mixer(run.block.channel_mixer, "channel", widest),
        ],
        className="diagram-run diagram-folded" if run.length > 1 else "diagram-run",
    )


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
