"""The rows of a comparison: numbers with the best of them, what the models are as a whole, and their layers aligned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...db import Evaluation
from ...search_space import Architecture, Block
from ..architecture.mixer_words import hidden_drawn, told
from ..architecture.numbers import said_loss
from ..caption import caption
from ..numbers import UNKNOWN, count, interval, known, latency, loss_unit, mebibytes
from .reading import Compared

LETTERS = "ABCD"
NOT_THERE = "–"


@dataclass(frozen=True)
class Row:
    """One line of the table: a text for each architecture, and the places of those that are best at it.

    Nobody is best where all are equal, or where the numbers can't be compared.
    """

    label: str
    texts: tuple[str, ...]
    best: frozenset[int] = frozenset()

    @property
    def equal(self) -> bool:
        return len(set(self.texts)) == 1


@dataclass(frozen=True)
class Group:
    """Rows under one heading."""

    title: str
    rows: tuple[Row, ...]


def groups(found: Sequence[Compared]) -> tuple[Group, ...]:
    """The whole table."""
    architectures = [Architecture.from_json(one.best.architecture) for one in found]
    return (
        Group("Numbers", tuple(row for row in _numbers(found) if set(row.texts) != {UNKNOWN})),
        Group("Origin", tuple(_origin(found))),
        Group("Model", tuple(_whole(architectures))),
        Group("Layers", tuple(_layers(architectures))),
    )


def letter(place: int) -> str:
    """What an architecture is called in the figure and at the head of its column."""
    return LETTERS[place]


def least(values: Sequence[Any], alike: Sequence[Any]) -> frozenset[int]:
    """The places of the least value; none where all are the same, or where `alike` says they mean different things."""
    there = [value for value in values if known(value)]
    if (len(set(there)) < 2 and len(there) in (0, len(values))) or len(set(alike)) > 1:
        return frozenset()
    return frozenset(place for place, value in enumerate(values) if known(value) and value == min(there))


def _numbers(found: Sequence[Compared]) -> Iterator[Row]:
    tasks = [str(one.job.config.get("task")) for one in found]
    devices = [caption(one.job.config) for one in found]
    units = [loss_unit(one.job.config) for one in found]
    for label, fidelity in (
        ("Validation loss, inherited weights", "inherited"),
        ("Validation loss, fine-tuned", "finetuned"),
    ):
        every = [getattr(one, fidelity) for one in found]
        texts = [said_loss(evaluation, unit) for evaluation, unit in zip(every, units, strict=True)]
        losses = [
            evaluation.val_loss if evaluation and evaluation.state == "complete" else None for evaluation in every
        ]
        yield Row(label, tuple(texts), least(losses, tasks))
    best = [one.best for one in found]
    yield _row("Latency, predicted (ms)", best, "latency_ms", devices, _interval)
    measured = [_first(one, "latency_measured_ms") for one in found]
    yield Row("Latency, measured (ms)", tuple(latency(value) for value in measured), least(measured, devices))
    for phase in ("prefill", "decode", "train"):
        yield _row(f"{phase.capitalize()} latency, predicted (ms)", best, f"{phase}_latency_ms", devices)
    yield _row("Parameters", best, "param_count", (), lambda one: count(one.param_count))
    yield _row(
        "Peak memory, predicted", best, "peak_memory_bytes", devices, lambda one: mebibytes(one.peak_memory_bytes)
    )


def _row(
    label: str,
    evaluations: Sequence[Evaluation],
    column: str,
    alike: Sequence[Any],
    text: Callable[[Evaluation], str] | None = None,
) -> Row:
    values = [getattr(evaluation, column) for evaluation in evaluations]
    texts = [latency(value) for value in values] if text is None else [text(one) for one in evaluations]
    return Row(label, tuple(texts), least(values, alike))


def _interval(evaluation: Evaluation) -> str:
    return interval(evaluation.latency_ms, evaluation.latency_low_ms, evaluation.latency_high_ms)


def _first(one: Compared, column: str) -> Any:
    every = (getattr(evaluation, column) for evaluation in (one.finetuned, one.inherited) if evaluation)
    return next((value for value in every if known(value)), None)


def _origin(found: Sequence[Compared]) -> Iterator[Row]:
    yield Row("Job", tuple(one.job.name for one in found))
    yield Row("Latency of", tuple(caption(one.job.config) or UNKNOWN for one in found))
    yield Row("State", tuple(one.best.state for one in found))
    yield Row("On the front", tuple("yes" if one.on_front else "no" for one in found))
    yield Row("Tags", tuple(", ".join(one.tags) or NOT_THERE for one in found))


def _whole(architectures: Sequence[Architecture]) -> Iterator[Row]:
    yield Row("Blocks", tuple(str(one.depth) for one in architectures))
    yield Row("Width", tuple(", ".join(str(width) for width in _widths(one)) for one in architectures))
    yield Row("Residual stream", tuple(one.residual for one in architectures))
    hidden = [hidden_drawn(one.hidden, one.width) for one in architectures]
    yield Row("Hidden dimension", tuple(picture.detail if picture else "dense" for picture in hidden))


def _widths(architecture: Architecture) -> list[int]:
    return [stage.width for stage in architecture.stages] or [architecture.width]


def _layers(architectures: Sequence[Architecture]) -> Iterator[Row]:
    """Both mixers of every block, aligned by their place; in a pyramid by their place in their stage."""
    placed = [dict(_places(architecture)) for architecture in architectures]
    for place in sorted({place for blocks in placed for place in blocks}):
        blocks = [of.get(place) for of in placed]
        for word, slot in (("token mixer", "token_mixer"), ("channel mixer", "channel_mixer")):
            texts = tuple(NOT_THERE if block is None else told(getattr(block, slot)) for block in blocks)
            yield Row(f"{_place_words(place)}, {word}", texts)


def _places(architecture: Architecture) -> Iterator[tuple[tuple[int, int], Block]]:
    """Every block by its stage (from 1, 0 where there are none) and its index there."""
    blocks = iter(architecture.blocks)
    depths = [stage.depth for stage in architecture.stages] or [architecture.depth]
    for number, depth in enumerate(depths, 1 if architecture.stages else 0):
        yield from (((number, index), next(blocks)) for index in range(depth))


def _place_words(place: tuple[int, int]) -> str:
    stage, index = place
    return f"Stage {stage}, block {index}" if stage else f"Block {index}"
