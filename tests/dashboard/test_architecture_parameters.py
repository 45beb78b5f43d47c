"""Parameters counted from specs are those of the modules, for every operator of the table."""

from __future__ import annotations

from random import Random

import pytest

from frontier.dashboard.architecture.parameter_figure import parameter_figure
from frontier.dashboard.architecture.parameters import (
    COUNTS,
    ENDS,
    idle_parameters,
    mixer_parameters,
    parameters_by_part,
)
from frontier.search_space import CHANNEL_MIXERS, TOKEN_MIXERS, Architecture, MoE, SearchSpace, preset_names
from frontier.supernet import ImageShape, ModelShape
from frontier.supernet.param_count import ParamCounter

TEXT = ModelShape(vocab_size=63, context=32)
IMAGES = ImageShape(channels=3, side=32, num_classes=10)


def counted(preset: str, seed: int) -> tuple[Architecture, int]:
    """A random architecture of a preset, and what its model's parameters add up to."""
    space = SearchSpace.load(preset)
    architecture = space.sample(Random(seed))
    return architecture, ParamCounter(space, IMAGES if architecture.stages else TEXT)(architecture)


def test_every_operator_of_the_table_is_counted() -> None:
    assert set(COUNTS) == {*TOKEN_MIXERS.values(), *CHANNEL_MIXERS.values()}


def test_the_presets_have_every_operator_between_them() -> None:
    kinds = {
        type(spec)
        for preset in preset_names()
        for specs in (SearchSpace.load(preset).token_specs, SearchSpace.load(preset).channel_specs)
        for spec in specs
    }
    assert kinds == set(COUNTS)


@pytest.mark.parametrize("preset", preset_names())
def test_what_is_left_of_the_whole_is_what_the_task_adds(preset: str) -> None:
    for seed in range(4):
        architecture, total = counted(preset, seed)
        found = parameters_by_part(architecture, total)
        assert sum(part.count for part in found) == total
        ends = [part.count for part in found if part.role == ENDS and not part.layer.startswith("reduction")]
        assert ends == [_ends(architecture)]


def _ends(architecture: Architecture) -> int:
    """What the task adds, by hand: embedding, norm, head; or stem and classifier."""
    first, last = architecture.widths[0], architecture.widths[-1]
    if not architecture.stages:
        return (2 * TEXT.vocab_size + 1) * first
    patch = IMAGES.channels * IMAGES.stem_kernel**2 * first + first
    stem = patch + first + 9 * first * first + first + IMAGES.grid**2 * first
    return stem + last + (last + 1) * IMAGES.num_classes


def test_experts_a_token_is_not_sent_to_are_idle() -> None:
    spec = MoE(num_experts=8, top_k=2, inner=16, shared_inner=8)
    everybody = spec.model_copy(update={"top_k": 8})
    assert idle_parameters(spec, 48) == 6 * 3 * 48 * 16
    assert idle_parameters(everybody, 48) == 0
    assert mixer_parameters(spec, 48) == mixer_parameters(everybody, 48)


@pytest.mark.parametrize("total", [None, 0, 1])
def test_a_whole_that_does_not_fit_leaves_the_ends_out(total: int | None) -> None:
    architecture, _ = counted("tiny-lm", 1)
    assert not [part for part in parameters_by_part(architecture, total) if part.role == ENDS]


def test_the_figure_has_every_parameter_once() -> None:
    architecture, total = counted("pyramid-vit", 2)
    figure = parameter_figure(parameters_by_part(architecture, total))
    assert sum(sum(bar.x) for bar in figure.data) * 1e3 == pytest.approx(total)
    assert "thousands" in figure.layout.xaxis.title.text
    assert len({bar.marker.color for bar in figure.data}) == len(figure.data)
