"""The drawing of an architecture: its blocks in order along the residual stream, each mixer as wide as its size.

Drawn with boxes and borders that the style sheet places, so that it wraps on a narrow screen, follows the colour scheme
and can be read and copied as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from dash import html
from dash.development.base_component import Component

from ...search_space import Architecture, Block, Nothing, Stage
from .block_runs import Run, runs
from .mixer_words import Cells, Drawn, drawn, hidden_drawn, number

# The narrowest box, as a share of the widest, so that it is seen at all.
LEAST_SHARE = 0.02
# To tell whether words fit into a box, in pixels: the widest box on a wide screen, a letter, and what is around them.
WIDEST_PIXELS = 640
LETTER_PIXELS = 7.5
AROUND_PIXELS = 34
# More cells than these are told, not drawn.
MOST_CELLS = 64

RESIDUAL_WORDS = {
    "sequential": "which every mixer reads through its own norm and adds to",
    "parallel": "which both mixers of a block read at once, each through its own norm, and then add to",
    "ladder": "which every mixer reads through its own norm before the mixer above it has added to it (dashed)",
}


def diagram(architecture: Architecture) -> Component:
    """The drawing, with a sentence for readers that can't see it."""
    widest = _widest(architecture)
    first, last = ("Stem", "Norm, pool, classifier") if architecture.stages else ("Embedding", "Norm, head")
    return html.Figure(
        [
            html.Div(
                [
                    _end(first, f"width {architecture.width}", architecture.width / widest),
                    *_hidden(architecture, widest),
                    *_stages(architecture, widest),
                    _end(last, f"width {architecture.widths[-1]}", architecture.widths[-1] / widest),
                ],
                className=f"diagram diagram-{architecture.residual}",
            ),
            html.Figcaption(caption(architecture)),
        ],
        className="diagram-figure",
    )


def caption(architecture: Architecture) -> str:
    """The drawing in words: blocks, residual stream, and what boxes and cells stand for."""
    widths = "widths " + ", ".join(str(stage.width) for stage in architecture.stages)
    width = widths if len(architecture.stages) > 1 else f"width {architecture.width}"
    return (
        f"{number(architecture.depth, 'block')} of {width}; the line on the left is the residual stream, "
        f"{RESIDUAL_WORDS[architecture.residual]}. Boxes are as wide as the channels inside them."
        f"{_cells_words(architecture)}"
    )


def _cells_words(architecture: Architecture) -> str:
    cells = [picture.cells for picture in _pictures(architecture) if picture.cells]
    nouns = " or ".join(sorted({of.noun for of in cells}))
    routed = any(of.shared or of.chosen for of in cells)
    picked = "; filled ones serve every token, striped are as many as a router picks for each" if routed else ""
    return f" A small square is one {nouns}{picked}." if cells else ""


def _pictures(architecture: Architecture) -> Iterator[Drawn]:
    hidden = hidden_drawn(architecture.hidden, architecture.width)
    yield from [hidden] if hidden else []
    for block in architecture.blocks:
        yield from (drawn(block.token_mixer), drawn(block.channel_mixer))


def _widest(architecture: Architecture) -> int:
    return max([*architecture.widths, *(picture.channels for picture in _pictures(architecture))])


def _hidden(architecture: Architecture, widest: int) -> list[Component]:
    picture = hidden_drawn(architecture.hidden, architecture.width)
    if picture is None:
        return []
    box = _box(picture, picture.channels / widest, "diagram-end")
    return [html.Div([box], className="diagram-row diagram-row-end")]


def _stages(architecture: Architecture, widest: int) -> Iterator[Component]:
    """The blocks; in a pyramid stage by stage, with the reduction that halves the resolution between two."""
    if not architecture.stages:
        yield from (_run(run, architecture.residual, widest) for run in runs(architecture.blocks))
        return
    ends = list(accumulate(stage.depth for stage in architecture.stages))
    for place, (stage, end) in enumerate(zip(architecture.stages, ends, strict=True)):
        if place:
            yield _end("Half the resolution", f"width {stage.width}", stage.width / widest)
        yield _stage(architecture, stage, place, end, widest)


def _stage(architecture: Architecture, stage: Stage, place: int, end: int, widest: int) -> Component:
    start = end - stage.depth
    scale = "full resolution" if place == 0 else f"1/{2**place} of the resolution"
    words = f"width {stage.width}, {number(stage.depth, 'block')}, {scale}"
    inside = runs(architecture.blocks[start:end], start)
    return html.Div(
        [
            html.Div([html.Strong(f"Stage {place + 1}"), html.Span(words)], className="diagram-stage-label"),
            *(_run(run, architecture.residual, widest) for run in inside),
        ],
        className="diagram-stage",
    )


def _run(run: Run, residual: str, widest: int) -> Component:
    """A round of blocks, drawn once, and how often it comes."""
    repeats = [html.Span(f"×{run.rounds}", className="diagram-repeats")] if run.rounds > 1 else []
    several = len(run.blocks) > 1
    rows: list[Component] = []
    for member, block in enumerate(run.blocks):
        rows += [html.Div(run.places(member), className="diagram-run-label")] if several else []
        rows += _mixers(block, residual, widest)
    return html.Div(
        [html.Div([html.Span(run.label), *repeats], className="diagram-run-label"), *rows],
        className="diagram-run diagram-folded" if run.rounds > 1 else "diagram-run",
    )


def _mixers(block: Block, residual: str, widest: int) -> list[Component]:
    """The halves that are there, below each other; side by side where both read the stream at once."""
    halves = [
        (drawn(spec), f"diagram-{role}")
        for spec, role in ((block.token_mixer, "token"), (block.channel_mixer, "channel"))
        if not isinstance(spec, Nothing)
    ]
    if residual == "parallel" and len(halves) > 1:
        boxes = [_box(picture, picture.channels / widest, kind, WIDEST_PIXELS / 2) for picture, kind in halves]
        return [_row([html.Div(boxes, className="diagram-pair")])]
    return [_row([_box(picture, picture.channels / widest, kind)]) for picture, kind in halves]


def _row(boxes: list[Component]) -> Component:
    return html.Div(
        [
            html.Span(className="diagram-tap"),
            html.Span("+", className="diagram-add", title="added to the residual stream"),
            *boxes,
        ],
        className="diagram-row",
    )


def _end(title: str, detail: str, share: float) -> Component:
    return html.Div([_box(Drawn(title, 0, detail), share, "diagram-end")], className="diagram-row diagram-row-end")


def _box(picture: Drawn, share: float, kind: str, pixels: float = WIDEST_PIXELS) -> Component:
    """A box as wide as `share` of the drawing, with its words in it where they fit and beside it where they don't."""
    words = [
        html.Span(picture.title, className="diagram-title"),
        html.Span(picture.detail, className="diagram-detail"),
        *_cells(picture.cells),
    ]
    fits = len(picture.title + picture.detail) * LETTER_PIXELS + AROUND_PIXELS <= share * pixels
    return html.Div(
        [html.Div(words, className="diagram-words"), html.Div(className=f"diagram-box {kind}")],
        className="diagram-cell" if fits else "diagram-cell diagram-beside",
        style={"--share": f"{100 * max(share, LEAST_SHARE):.1f}%"},
    )


def _cells(cells: Cells | None) -> list[Component]:
    """A small square for each head, expert or group. The words beside them say the same."""
    if cells is None or not 1 < cells.count <= MOST_CELLS:
        return []
    per_group = cells.count // cells.groups
    squares = [_square(cells, place, per_group) for place in range(cells.count)]
    return [html.Span(squares, className="diagram-cells", **{"aria-hidden": "true"})]


def _square(cells: Cells, place: int, per_group: int) -> Component:
    everyone = not (cells.shared or cells.chosen)
    kind = "every" if everyone or place < cells.shared else "some" if place < cells.shared + cells.chosen else "none"
    begins = cells.groups > 1 and place and place % per_group == 0
    return html.Span(className=f"diagram-square diagram-square-{kind}" + (" diagram-square-first" if begins else ""))
