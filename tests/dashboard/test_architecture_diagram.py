"""The drawing of an architecture: every operator, blocks that repeat, stages, residual streams, hidden dimensions."""

from __future__ import annotations

from random import Random

import pytest
from dash.development.base_component import Component

from frontier.dashboard.architecture.block_runs import runs
from frontier.dashboard.architecture.diagram import diagram
from frontier.dashboard.architecture.mixer_words import DRAWN, told
from frontier.search_space import (
    CHANNEL_MIXERS,
    TOKEN_MIXERS,
    Architecture,
    Attention,
    Block,
    CausalConv,
    MoE,
    MoHD,
    Nothing,
    Pooling,
    SearchSpace,
    Stage,
    SwiGLU,
    preset_names,
)

from .test_dashboard_layouts import text

CONV = Block(token_mixer=CausalConv(channels=63, kernel_size=3), channel_mixer=SwiGLU(inner=64))
HEADS = Attention(num_heads=3, num_kv_heads=1, head_dim=32, window=16)
ATTENTION = Block(token_mixer=HEADS, channel_mixer=SwiGLU(inner=64))


def classes(component: object) -> list[str]:
    """The class of every component in a drawing."""
    if isinstance(component, (list, tuple)):
        return [name for part in component for name in classes(part)]
    if not isinstance(component, Component):
        return []
    return [getattr(component, "className", None) or "", *classes(getattr(component, "children", None))]


def squares(architecture: Architecture, kind: str) -> int:
    return sum(f"diagram-square-{kind}" in name for name in classes(diagram(architecture)))


def test_every_operator_of_the_table_can_be_drawn() -> None:
    assert set(DRAWN) == {*TOKEN_MIXERS.values(), *CHANNEL_MIXERS.values()}


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_is_drawn_with_the_words_of_every_mixer(preset: str) -> None:
    space, rng = SearchSpace.load(preset), Random(1)
    for _ in range(5):
        architecture = space.sample(rng)
        words = text(diagram(architecture))
        for block in architecture.blocks:
            for spec in (block.token_mixer, block.channel_mixer):
                if not isinstance(spec, Nothing):
                    title, _, detail = told(spec).partition(", ")
                    assert title in words
                    assert detail in words


def test_equal_consecutive_blocks_are_folded() -> None:
    blocks = (CONV, CONV, ATTENTION, CONV)
    assert [(run.first, len(run.blocks), run.rounds) for run in runs(blocks)] == [(0, 1, 2), (2, 1, 1), (3, 1, 1)]
    words = text(diagram(Architecture(width=48, blocks=blocks)))
    assert "blocks 0–1 ×2" in words
    assert "3 heads × 32, 1 key/value head, window 16" in words
    assert "63 channels, kernel 3" in words


def test_rounds_of_several_blocks_are_folded() -> None:
    blocks = (CONV, CONV, ATTENTION) * 4 + (CONV,)
    found = [(run.first, len(run.blocks), run.rounds) for run in runs(blocks)]
    assert found == [(0, 3, 4), (12, 1, 1)]
    words = text(diagram(Architecture(width=48, blocks=blocks)))
    assert "blocks 0–11 ×4" in words
    assert "blocks 2, 5, 8, …" in words
    assert words.count("Window attention") == 1


@pytest.mark.parametrize("depth", [1, 2, 63])
def test_folding_loses_no_block(depth: int) -> None:
    rng = Random(depth)
    blocks = [rng.choice((CONV, ATTENTION)) for _ in range(depth)]
    unfolded = [block for run in runs(blocks) for block in run.blocks * run.rounds]
    assert unfolded == blocks


def test_a_pyramid_is_drawn_in_stages_without_the_halves_that_are_left_out() -> None:
    pooled = Block(token_mixer=Pooling(window=3), channel_mixer=SwiGLU(inner=64))
    alone = Block(token_mixer=Nothing(), channel_mixer=SwiGLU(inner=32))
    stages = (Stage(width=16, depth=1), Stage(width=24, depth=2))
    words = text(diagram(Architecture(width=16, blocks=(pooled, alone, alone), stages=stages, residual="ladder")))
    for said in ("Stem", "Half the resolution", "width 24", "blocks 1–2 ×2", "widths 16, 24", "before the mixer above"):
        assert said in words
    assert "Stage 2 width 24, 2 blocks, 1/2 of the resolution" in words
    assert "left out" not in words


def test_a_mixture_of_hidden_dimensions_is_told_and_drawn() -> None:
    block = Block(token_mixer=Pooling(window=3), channel_mixer=SwiGLU(inner=64))
    architecture = Architecture(width=48, blocks=(block,), hidden=MoHD(group_size=8, shared=2, routed=1))
    words = text(diagram(architecture))
    assert "6 groups of 8 columns: a mixer reads and writes the first 2 and 1 that a router picks" in words
    assert [squares(architecture, kind) for kind in ("every", "some", "none")] == [2, 1, 3]


def test_experts_and_heads_are_drawn_as_many_as_there_are() -> None:
    experts = MoE(num_experts=8, top_k=2, inner=16)
    architecture = Architecture(width=48, blocks=(Block(token_mixer=HEADS, channel_mixer=experts),))
    assert [squares(architecture, kind) for kind in ("every", "some", "none")] == [3, 2, 6]
    assert "2 of 8 experts × 16" in text(diagram(architecture))
    many = Architecture(
        width=48, blocks=(Block(token_mixer=HEADS, channel_mixer=experts.model_copy(update={"num_experts": 1000})),)
    )
    assert squares(many, "none") == 0


def test_both_mixers_of_a_parallel_block_stand_beside_each_other() -> None:
    blocks = (CONV, ATTENTION)
    for residual, rows in (("sequential", 4), ("parallel", 2)):
        names = classes(diagram(Architecture(width=48, blocks=blocks, residual=residual)))
        assert names.count("diagram-add") == rows
        assert names.count("diagram-pair") == (2 if residual == "parallel" else 0)
