"""The axes beside the mixers: residual stream, hidden dimension, patterns, image pyramids, halves that are left out."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from frontier.errors import InputError
from frontier.search_space import Architecture, SearchSpace, Stage
from frontier.search_space.pattern import layers_of

CONV = {"kind": "causal_conv", "channels": 8, "kernel_size": 3}
ATTENTION = {"kind": "attention", "num_heads": [1, 2], "num_kv_heads": 1, "head_dim": 4, "window": [3, None]}
SMALL: dict[str, Any] = {
    "name": "small",
    "width": [16, 32],
    "depth": [2, 3],
    "token_mixers": [ATTENTION, CONV],
    "channel_mixers": [{"kind": "swiglu", "inner": [8, 16]}],
}
MOHD = {"kind": "mohd", "group_size": 8, "shared": 1, "routed": [0, 1]}
SPACES: dict[str, dict[str, Any]] = {
    "residual": {**SMALL, "depth": [2], "residual": ["sequential", "parallel", "ladder"]},
    "hidden": {**SMALL, "depth": [2], "hidden": [{"kind": "dense"}, MOHD]},
    "pattern-of-a-kind": {**SMALL, "pattern": {"place": {"kind": "attention"}, "at": ["every 2", "last 1", "none"]}},
    "pattern-of-a-value": {
        **SMALL,
        "pattern": {"place": {"kind": "attention", "window": None}, "at": ["first 1", "even 2"]},
    },
    "halves-left-out": {
        **SMALL,
        "width": [16],
        "token_mixers": [CONV, {"kind": "none"}],
        "channel_mixers": [*SMALL["channel_mixers"], {"kind": "none"}],
    },
    "pyramid": {
        "name": "pyramid",
        "stages": [{"width": [8, 16], "depth": [1, 2]}, {"width": [16, 24], "depth": 1}],
        "token_mixers": [{**ATTENTION, "window": None, "rotary": False}, {"kind": "none"}],
        "channel_mixers": [{"kind": "swiglu", "inner": [8, 16]}],
    },
}


@pytest.fixture(params=SPACES, ids=str)
def space(request: pytest.FixtureRequest) -> SearchSpace:
    return SearchSpace.parse(SPACES[request.param])


def test_count_is_the_number_of_distinct_members(space: SearchSpace) -> None:
    everything = list(space.enumerate())
    assert len({architecture.digest for architecture in everything}) == len(everything) == space.count()
    assert all(architecture in space for architecture in everything)


def test_sampling_reaches_the_whole_of_a_small_space(space: SearchSpace) -> None:
    rng, everything = Random(0), {architecture.digest for architecture in space.enumerate()}
    drawn = {space.sample(rng).digest for _ in range(30 * len(everything))}
    assert drawn <= everything
    assert len(drawn) > 0.95 * len(everything)


def test_names_vectors_and_plain_data_lead_back(space: SearchSpace) -> None:
    assert SearchSpace.parse(space.to_json()) == space
    vectors = set()
    for architecture in space.enumerate():
        assert space.decode(space.encode(architecture)) == architecture
        assert Architecture.from_json(architecture.canonical) == architecture
        vectors.add(space.vector(architecture))
    assert len(vectors) == space.count()
    assert {len(vector) for vector in vectors} == {len(space.vector_names)}


def test_mutants_and_children_are_members(space: SearchSpace) -> None:
    rng = Random(1)
    first, second = space.sample(rng), space.sample(rng)
    for _ in range(200):
        mutant, child = space.mutate(first, rng), space.crossover(first, second, rng)
        for member in (mutant, child):
            assert member in space, space.why_not(member)
        first, second = mutant, child


def test_extremes_have_every_mixer_and_the_most_or_fewest_columns(space: SearchSpace) -> None:
    for seed in range(5):
        largest, smallest = space.largest(Random(seed)), space.smallest(Random(seed))
        for extreme in (largest, smallest):
            assert extreme in space, space.why_not(extreme)
            kinds = {mixer.kind for block in extreme.blocks for mixer in (block.token_mixer, block.channel_mixer)}
            assert "none" not in kinds
        assert largest.hidden.read_columns(32) >= smallest.hidden.read_columns(32)


@pytest.mark.parametrize(
    ("rule", "layers"),
    [
        ("every 2", [1, 3, 5]),
        ("every 3", [2, 5]),
        ("first 2", [0, 1]),
        ("last 1", [5]),
        ("even 1", [3]),
        ("even 2", [1, 4]),
        ("all", [0, 1, 2, 3, 4, 5]),
        ("none", []),
    ],
)
def test_where_a_pattern_places_its_mixer_in_six_layers(rule: str, layers: list[int]) -> None:
    assert [layer for layer, taken in enumerate(layers_of(rule, 6)) if taken] == layers


def test_early_convolution_and_late_attention() -> None:
    pattern = {"place": {"kind": "attention"}, "at": ["last 1", "last 2"]}
    space = SearchSpace.parse({**SMALL, "pattern": pattern})
    for seed in range(50):
        kinds = [block.token_mixer.kind for block in space.sample(Random(seed)).blocks]
        assert kinds[-1] == "attention"
        assert kinds == sorted(kinds, reverse=True)


def test_full_span_in_some_layers_and_local_elsewhere() -> None:
    space = SearchSpace.parse(SPACES["pattern-of-a-value"])
    for seed in range(50):
        blocks = space.sample(Random(seed)).blocks
        full = [
            index
            for index, block in enumerate(blocks)
            if block.token_mixer.kind == "attention" and block.token_mixer.window is None
        ]
        assert full in ([0], [0, 1], [1, 2], [0, 2])


def test_an_architecture_that_breaks_the_pattern_says_so() -> None:
    space = SearchSpace.parse(SPACES["pattern-of-a-kind"])
    member = next(a for a in space.enumerate() if all(b.token_mixer.kind == "causal_conv" for b in a.blocks))
    blocks = [{**member.to_json()["blocks"][0], "token_mixer": {**ATTENTION, "num_heads": 1, "window": 3}}]
    broken = Architecture.from_json({**member.to_json(), "blocks": [*blocks, *member.to_json()["blocks"][1:]]})
    assert "pattern: attention at one of" in str(space.why_not(broken))


def test_blocks_know_their_width() -> None:
    space = SearchSpace.parse(SPACES["pyramid"])
    largest = space.largest()
    assert largest.stages == (Stage(width=16, depth=2), Stage(width=24, depth=1))
    assert largest.widths == (16, 16, 24)
    assert SearchSpace.parse(SMALL).largest().widths == (32, 32, 32)


def changed(**changes: object) -> dict[str, Any]:
    return {**SMALL, **changes}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (changed(residual="spiral"), r"residual: one of sequential, parallel, ladder; got 'spiral'"),
        (changed(residual=[]), r"residual: a list of different values; got \[\]"),
        (changed(hidden=[{**MOHD, "group_size": 12}]), r"hidden.group_size: divides the width 16; got 12"),
        (changed(hidden=[{**MOHD, "group_size": [8, 4]}]), r"hidden.group_size: one size for a whole space"),
        (changed(hidden=[{**MOHD, "shared": 2}]), r"hidden.routed: shared \+ routed <= .* = 2; got 2 \+ 1"),
        (changed(hidden=[{**MOHD, "shared": 0, "routed": 0}]), r"hidden.0.*shared \+ routed must be at least 1"),
        (changed(hidden=[{**MOHD, "fusion_blocks": 2}]), r"fusion_blocks must be 1 without a fusion"),
        (changed(hidden=[{**MOHD, "fusion": "monarch", "fusion_blocks": 3}]), r"fusion_blocks: divides the width"),
        (
            changed(token_mixers=[{**ATTENTION, "num_kv_heads": 3}]),
            r"token_mixers.0.attention: .*num_kv_heads must divide num_heads; got 3 and 1",
        ),
        (
            changed(channel_mixers=[{"kind": "moe", "num_experts": 2, "top_k": 3, "inner": 8}]),
            r"channel_mixers.0.moe: .*top_k must be at most num_experts; got 3 and 2",
        ),
        (
            changed(token_mixers=[{"kind": "none"}], channel_mixers=[{"kind": "none"}]),
            r"token_mixers.0.kind: not none where the other half is; got 'none'",
        ),
        (changed(pattern=["every 2"]), r"pattern: a pattern has the keys place and at"),
        (changed(pattern={"place": {"kind": "mamba2"}, "at": "all"}), r"pattern.place.kind: .*; got 'mamba2'"),
        (
            changed(pattern={"place": {"kind": "attention", "window": 5}, "at": "all"}),
            r"pattern.place.window: one of \[3, null\], its choices; got 5",
        ),
        (changed(pattern={"place": {"kind": "attention"}, "at": ["each 2"]}), r"pattern.at: every k, .*; got 'each 2'"),
        (changed(pattern={"place": {"kind": "attention"}, "at": ["last 3"]}), r"pattern.at: .* the least depth, 2"),
        (
            changed(token_mixers=[CONV], pattern={"place": {"kind": "causal_conv"}, "at": ["every 2"]}),
            r"pattern.at: 'every 2' leaves layers for which there is no other token mixer than causal_conv",
        ),
        (changed(stages=[]), r"space: width: either width or stages; got both"),
        ({**SPACES["pyramid"], "stages": []}, r"stages: a list of at least one stage; got \[\]"),
        ({**SPACES["pyramid"], "stages": [{"width": 8}]}, r"stages.0: a stage has the keys width and depth"),
        (
            {**SPACES["pyramid"], "stages": [{"width": 24, "depth": 1}, {"width": [16, 32], "depth": 1}]},
            r"stages.1.width: at least every width of the stage before, 24; got 16",
        ),
        ({**SPACES["pyramid"], "hidden": [MOHD]}, r"hidden: dense where there are stages; got 'mohd'"),
        ({**SPACES["pyramid"], "token_mixers": [CONV]}, r"mixers.0.kind: one that reads images; got 'causal_conv'"),
        (
            {**SPACES["pyramid"], "token_mixers": [{"kind": "gated_conv", "channels": 8, "kernel_size": [3, 4]}]},
            r"token_mixers.0.kernel_size: odd on images.*; got 4",
        ),
    ],
)
def test_what_contradicts_itself_is_refused_in_one_line(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        SearchSpace.parse(raw)
    assert "\n" not in str(raised.value)
