"""One conformance suite over the table of training rules, and what each rule promises by itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from random import Random

import pytest
import torch

from frontier.search_space import Architecture, SearchSpace, preset_names
from frontier.supernet import ImageShape, ModelShape, build_model
from frontier.supernet.param_count import ParamCounter
from frontier.supernet.training_rules import RULES, Step
from frontier.supernet.training_rules.attentive import attentive
from frontier.supernet.training_rules.fair import dealer
from frontier.supernet.training_rules.strata import STRATA, draw_in_stratum, stratum_of

SPACE = SearchSpace.load("tiny-lm")
SHAPE = ModelShape(vocab_size=17, context=8)
COUNT = ParamCounter(SPACE, SHAPE)
TOTAL = 60
EXAMPLES = 8
TEACHING = ("sandwich", "progressive", "attentive")
SUBNETS = {"balanced": 19, "uniform": 1, "sandwich": 4, "stratified": 4, "fair": 4, "multi": 4, "attentive": 4}


def by_digest(architecture: Architecture) -> float:
    """A stand-in for the loss on a batch: it depends on the architecture and on nothing else."""
    return int(architecture.digest[:8], 16)


def step(index: int = 0, seed: int = 0, random_subnets: int = 2) -> Step:
    rng = Random(f"subnets:{seed}:{index}")
    return Step(SPACE, rng, index, TOTAL, random_subnets, EXAMPLES, COUNT, by_digest)


@pytest.fixture(params=RULES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_rule_visits_subnets_of_the_space(name: str) -> None:
    for index in range(0, TOTAL, 7):
        plan = RULES[name](step(index))
        assert plan.subnets
        assert all(subnet in SPACE for subnet in plan.subnets)
        if name in SUBNETS:
            assert len(plan.subnets) == SUBNETS[name]


@pytest.mark.parametrize("preset", preset_names())
def test_a_rule_knows_every_space(name: str, preset: str) -> None:
    space = SearchSpace.load(preset)
    shape = ImageShape(1, 8, 10) if space.layout.pyramid else SHAPE
    for index in (0, TOTAL // 3, TOTAL - 1):
        told = replace(step(index), space=space, param_count=ParamCounter(space, shape))
        assert all(subnet in space for subnet in RULES[name](told).subnets)


def test_a_rule_depends_on_seed_and_step_alone(name: str) -> None:
    for index in (0, TOTAL - 1):
        assert RULES[name](step(index)) == RULES[name](step(index))
    late = [RULES[name](step(TOTAL - 1, seed)).subnets for seed in range(3)]
    assert len(set(late)) == 3
    assert RULES[name](step(TOTAL - 1)) != RULES[name](step(TOTAL - 2))


def test_who_teaches_is_the_largest_and_comes_first(name: str) -> None:
    for index in range(0, TOTAL, 7):
        plan = RULES[name](step(index))
        assert plan.first_teaches == (name in TEACHING)
        if plan.first_teaches:
            first = plan.subnets[0]
            assert (first.width, first.depth) == (max(SPACE.width), max(SPACE.depth))


def test_two_rules_split_batches_and_one_asks_for_more_than_one(name: str) -> None:
    plan = RULES[name](step())
    assert any(len(group.subnets) > 1 for group in plan.groups) == (name in ("multi", "balanced"))
    assert plan.batches == (2 if name == "balanced" else 1)


def test_a_rule_goes_without_random_subnets(name: str) -> None:
    plan = RULES[name](step(TOTAL - 1, random_subnets=0))
    full_size = 16 if name == "balanced" else 0
    assert 1 <= len(plan.subnets) - full_size <= 2


def test_a_sandwich_is_largest_smallest_and_random() -> None:
    for seed in range(10):
        largest, smallest, *others = RULES["sandwich"](step(seed=seed)).subnets
        assert (largest.width, largest.depth) == (max(SPACE.width), max(SPACE.depth))
        assert (smallest.width, smallest.depth) == (min(SPACE.width), min(SPACE.depth))
        assert len(others) == 2


def test_balanced_shows_full_size_subnets_as_many_batches_as_a_layer_has_kinds() -> None:
    largest = SPACE.largest()
    for seed in range(5):
        *full_size, small = RULES["balanced"](step(seed=seed, random_subnets=3)).groups
        assert [group.batch for group in full_size] == [0, 1]
        for subnet in (subnet for group in full_size for subnet in group.subnets):
            assert (subnet.width, subnet.depth) == (largest.width, largest.depth)
            assert all(block.token_mixer in _kinds_of("token_mixers", "largest") for block in subnet.blocks)
            assert all(block.channel_mixer in _kinds_of("channel_mixers", "largest") for block in subnet.blocks)
        assert (small.subnets[0].width, small.subnets[0].depth) == (min(SPACE.width), min(SPACE.depth))
        assert all(block.token_mixer in _kinds_of("token_mixers", "smallest") for block in small.subnets[0].blocks)
        assert (small.batch, len(small.subnets)) == (0, 4)


def _kinds_of(slot: str, size: str) -> list[object]:
    return [getattr(choices, size) for choices in getattr(SPACE, slot)]


def test_balanced_never_shares_a_batch_among_more_subnets_than_it_has_examples() -> None:
    groups = RULES["balanced"](replace(step(random_subnets=5), examples=3)).groups
    assert [len(group.subnets) for group in groups] == [3, 3, 3]


def test_balanced_draws_how_often_before_where() -> None:
    """With uniform shares of two kinds all six layers agree in 2 of 7 subnets; independent layers do so in 1 of 32."""
    plans = [RULES["balanced"](step(seed=seed)) for seed in range(60)]
    full_size = [subnet for plan in plans for group in plan.groups[:-1] for subnet in group.subnets]
    attention = Counter(sum(block.token_mixer.kind == "attention" for block in subnet.blocks) for subnet in full_size)
    assert sorted(attention) == list(range(7))
    for count in range(7):
        assert attention[count] / len(full_size) == pytest.approx(1 / 7, abs=0.04)


def test_balanced_has_one_batch_where_layers_have_no_choice_of_kind() -> None:
    raw = SPACE.to_json()
    raw |= {"token_mixers": raw["token_mixers"][:1], "channel_mixers": raw["channel_mixers"][:1]}
    groups = RULES["balanced"](replace(step(), space=SearchSpace.parse(raw))).groups
    assert [group.batch for group in groups] == [0, 0]


def test_balanced_asks_for_at_most_four_batches() -> None:
    space = SearchSpace.load("everything-lm")
    assert RULES["balanced"](replace(step(), space=space)).batches == 4


@pytest.mark.parametrize("subnets", [1, 3, 7])
def test_fair_uses_the_options_of_a_choice_equally_often(subnets: int) -> None:
    asked: dict[str, Counter] = defaultdict(Counter)
    deal = dealer(Random(5))

    def choose(name: str, options: tuple) -> object:
        value = deal(name, options)
        asked[name].update(dict.fromkeys(options, 0))
        asked[name][value] += 1
        return value

    for _ in range(subnets):
        SPACE.build(choose)  # type: ignore[arg-type]
    assert asked["width"].total() == subnets
    for name, uses in asked.items():
        assert max(uses.values()) - min(uses.values()) <= 1, f"{name}: {uses}"


def test_fair_and_multi_visit_as_many_widths_as_there_are_subnets() -> None:
    for rule in ("fair", "multi"):
        for seed in range(5):
            assert sorted(subnet.width for subnet in RULES[rule](step(seed=seed)).subnets) == sorted(SPACE.width)


def test_progressive_begins_with_the_largest_alone_and_ends_with_every_option() -> None:
    (only,) = RULES["progressive"](step(0)).subnets
    assert (only.width, only.depth) == (max(SPACE.width), max(SPACE.depth))
    assert all(block.channel_mixer.inner == 256 for block in only.blocks)
    used = defaultdict(set)
    for seed in range(80):
        for subnet in RULES["progressive"](step(TOTAL - 1, seed)).subnets:
            for name, value in SPACE.encode(subnet).items():
                used[name].add(value)
    everything = {name: set(options) for name, options in SPACE.parameters.items() if name.count("[") == 0}
    assert {name: used[name] for name in everything} == everything


def test_progressive_shrinks_what_is_inside_before_the_width_and_the_depth_last() -> None:
    sandwiches = [RULES["progressive"](step(index)).subnets[:2] for index in range(0, 31, 3)]
    smallest = [subnets[-1] for subnets in sandwiches]
    inner = [min(block.channel_mixer.inner for block in subnet.blocks) for subnet in smallest]
    widths, depths = [subnet.width for subnet in smallest], [subnet.depth for subnet in smallest]
    for sizes in (widths, depths):
        assert sizes == sorted(sizes, reverse=True)
        assert len(set(sizes)) > 2
    assert inner[3] < inner[0]
    assert widths[3] == widths[0]
    assert widths[6] < widths[3]
    assert depths[6] == depths[0]
    assert (widths[-1], depths[-1]) == (min(SPACE.width), min(SPACE.depth))


def test_stratified_visits_every_stratum_equally_often() -> None:
    subnets = [subnet for index in range(2 * STRATA) for subnet in RULES["stratified"](step(index)).subnets]
    found = Counter(stratum_of(COUNT(subnet), COUNT) for subnet in subnets)
    assert found == dict.fromkeys(range(STRATA), 8)


def test_a_stratum_that_is_empty_gives_what_comes_nearest() -> None:
    space = SearchSpace.parse({**SPACE.to_json(), "width": [48, 128], "depth": [2], "token_mixers": [
        {"kind": "causal_conv", "channels": 64, "kernel_size": 3}], "channel_mixers": [{"kind": "swiglu", "inner": 64}]
    })  # fmt: skip
    counter = ParamCounter(space, SHAPE)
    drawn = draw_in_stratum(replace(step(), space=space, param_count=counter), 5)
    assert drawn.width == 128


def test_attentive_trains_the_best_of_its_candidates() -> None:
    for seed in range(5):
        seen: list[Architecture] = []

        def watched(architecture: Architecture, seen: list[Architecture] = seen) -> float:
            seen.append(architecture)
            return by_digest(architecture)

        plan = attentive(replace(step(seed=seed, random_subnets=1), loss_of=watched), candidates=4)
        assert len(seen) == 4
        assert plan.subnets[2] == min(seen, key=by_digest)
        assert len({stratum_of(COUNT(candidate), COUNT) for candidate in seen}) == 1


def test_attentive_with_one_candidate_is_the_sandwich() -> None:
    for seed in range(5):
        assert attentive(step(seed=seed), candidates=1) == RULES["sandwich"](step(seed=seed))


@pytest.mark.parametrize("preset", preset_names())
def test_parameters_are_counted_exactly(preset: str) -> None:
    space, rng = SearchSpace.load(preset), Random(3)
    shape = ImageShape(1, 8, 10) if space.layout.pyramid else SHAPE
    counter = ParamCounter(space, shape)
    for architecture in (space.smallest(), space.largest(), *(space.sample(rng) for _ in range(10))):
        with torch.device("meta"):
            model = build_model(architecture, shape)
        assert counter(architecture) == sum(parameter.numel() for parameter in model.parameters())
        assert counter.range[0] <= counter(architecture) <= counter.range[1]
