"""Search spaces: counting, sampling, membership, encodings, and what is refused when one is read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from frontier.errors import InputError
from frontier.search_space import Architecture, SearchSpace, preset_names

SMALL: dict[str, Any] = {
    "name": "small",
    "width": [8, 16],
    "depth": [1, 2],
    "token_mixers": [
        {"kind": "attention", "num_heads": [1, 2], "num_kv_heads": [1, 2], "head_dim": 4, "window": [3, None]},
        {"kind": "causal_conv", "channels": 8, "kernel_size": [3, 5]},
    ],
    "channel_mixers": [{"kind": "swiglu", "inner": [8, 16]}],
}


@pytest.fixture(params=[*preset_names(), "small"])
def space(request: pytest.FixtureRequest) -> SearchSpace:
    return SearchSpace.parse(SMALL) if request.param == "small" else SearchSpace.load(request.param)


def sampled(space: SearchSpace, count: int, seed: int = 0) -> list[Architecture]:
    rng = Random(seed)
    return [space.sample(rng) for _ in range(count)]


def test_count_is_the_number_of_distinct_architectures() -> None:
    space = SearchSpace.parse(SMALL)
    everything = list(space.enumerate())
    assert len({architecture.digest for architecture in everything}) == len(everything) == space.count()
    assert space.count() == 2 * (16 + 16**2)


def test_sampling_reaches_every_architecture_and_nothing_else() -> None:
    space = SearchSpace.parse({**SMALL, "depth": [1]})
    everything = {architecture.digest for architecture in space.enumerate()}
    assert {architecture.digest for architecture in sampled(space, 2000)} == everything


def test_sampling_draws_each_choice_evenly(space: SearchSpace) -> None:
    counts = Counter(
        (number, depth)
        for architecture in sampled(space, 2000)
        for number, depth in enumerate(space.sizes(architecture)[1])
    )
    for number, stage in enumerate(space.layout.stages):
        for depth in stage.depth:
            assert counts[number, depth] / 2000 == pytest.approx(1 / len(stage.depth), abs=0.05)


def test_the_same_seed_draws_the_same(space: SearchSpace) -> None:
    assert sampled(space, 20, seed=5) == sampled(space, 20, seed=5)
    assert sampled(space, 20, seed=5) != sampled(space, 20, seed=6)


def test_samples_mutants_and_children_are_members(space: SearchSpace) -> None:
    rng = Random(1)
    first, second = space.sample(rng), space.sample(rng)
    for _ in range(100):
        mutant = space.mutate(first, rng)
        assert mutant != first
        child = space.crossover(first, second, rng)
        for member in (mutant, child):
            assert member in space, space.why_not(member)
        first, second = mutant, child


def test_a_child_has_nothing_that_neither_parent_has() -> None:
    space, rng = SearchSpace.parse(SMALL), Random(2)
    for _ in range(200):
        first, second = space.sample(rng), space.sample(rng)
        child = space.crossover(first, second, rng)
        assert child.width in (first.width, second.width)
        assert child.depth in (first.depth, second.depth)
        for index, block in enumerate(child.blocks):
            parents = [parent.blocks[index] for parent in (first, second) if index < parent.depth]
            assert block in parents


def test_crossing_an_architecture_with_itself_changes_nothing(space: SearchSpace) -> None:
    architecture = space.sample(Random(3))
    assert space.crossover(architecture, architecture, Random(0)) == architecture


def test_named_parameters_lead_back_to_the_architecture(space: SearchSpace) -> None:
    for architecture in sampled(space, 100):
        names = space.encode(architecture)
        assert space.decode(names) == architecture
        for name, value in names.items():
            assert value in space.parameters[name]


def test_vectors_have_one_length_and_tell_architectures_apart() -> None:
    space = SearchSpace.parse(SMALL)
    vectors = {space.vector(architecture) for architecture in space.enumerate()}
    assert len(vectors) == space.count()
    assert {len(vector) for vector in vectors} == {len(space.vector_names)}
    assert all(0 <= entry <= 1 for vector in vectors for entry in vector)


def test_extremes_are_members_and_bound_every_sample(space: SearchSpace) -> None:
    smallest, largest = space.smallest(), space.largest()
    assert smallest in space
    assert largest in space
    for architecture in sampled(space, 50):
        assert smallest.width <= architecture.width <= largest.width
        assert smallest.depth <= architecture.depth <= largest.depth
    assert {space.largest(Random(seed)).digest for seed in range(20)} != {largest.digest}


def test_a_space_is_plain_data_and_back(space: SearchSpace, tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(yaml.safe_dump(space.to_json()))
    assert SearchSpace.load(str(path)) == space


def test_membership_names_the_first_reason() -> None:
    space = SearchSpace.parse(SMALL)
    member = space.largest().to_json()
    wide = Architecture.from_json({**member, "width": 9})
    assert space.why_not(wide) == "width: one of [8, 16]; got 9"
    deep = Architecture.from_json({**member, "blocks": member["blocks"] * 2})
    assert space.why_not(deep) == "blocks: their number is one of [1, 2]; got 4"
    member["blocks"][1]["token_mixer"]["window"] = 2
    assert space.why_not(Architecture.from_json(member)) == "blocks.1.token_mixer.window: one of [3, null]; got 2"
    with pytest.raises(InputError, match="is not in space small: width"):
        space.encode(wide)


def changed(**changes: object) -> dict[str, Any]:
    return {**SMALL, **changes}


ATTENTION = SMALL["token_mixers"][0]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], r"space: a space is a mapping"),
        (changed(colour="red"), r"space: colour: a space has the keys .*; got 'red'"),
        ({"name": "x"}, r"space: width: this key is needed; got nothing"),
        (changed(width=[]), r"space: width: a choice needs at least one value; got \[\]"),
        (changed(width=[8, -1]), r"space: width: whole numbers of at least 1; got -1"),
        (changed(depth=[True]), r"space: depth: whole numbers of at least 1; got True"),
        (changed(depth=[2, 2]), r"space: depth: every value of a choice is listed once"),
        (changed(token_mixers=[]), r"space: token_mixers: a list of at least one operator; got \[\]"),
        (changed(token_mixers=[{"kind": "rnn"}]), r"token_mixers.0.kind: one of attention, .*; got 'rnn'"),
        (changed(token_mixers=[ATTENTION, ATTENTION]), r"token_mixers.1.kind: every kind is listed once"),
        (changed(token_mixers=[{**ATTENTION, "num_heads": []}]), r"0.num_heads: a choice needs at least one value"),
        (changed(token_mixers=[{**ATTENTION, "heads": 2}]), r"0.heads: attention has the fields num_heads"),
        (
            changed(token_mixers=[{**ATTENTION, "num_kv_heads": [3]}]),
            r"num_kv_heads must divide num_heads; got 3 and 1",
        ),
        (changed(token_mixers=[{**ATTENTION, "num_kv_heads": [1, 7]}]), r"0.num_kv_heads: no combination .* got 7"),
        (changed(channel_mixers=[{"kind": "swiglu"}]), r"channel_mixers.0.inner: Field required"),
    ],
)
def test_what_breaks_a_rule_is_refused_in_one_line(raw: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        SearchSpace.parse(raw)
    assert "\n" not in str(raised.value)


def test_a_space_that_is_not_there_lists_the_presets() -> None:
    with pytest.raises(InputError, match=r"a preset .*tiny-lm.* or a YAML file; got 'tiny-ml'"):
        SearchSpace.load("tiny-ml")


def test_a_file_that_is_not_yaml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("width: [1, 2")
    with pytest.raises(InputError, match=r"bad.yaml: not YAML"):
        SearchSpace.load(str(path))
