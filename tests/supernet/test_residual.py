"""The ways blocks join the residual stream, against their definitions."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import pytest
import torch
from torch import Tensor

from frontier.search_space import Architecture, SearchSpace
from frontier.search_space.architecture import RESIDUALS as NAMES
from frontier.supernet import LanguageModel, ModelShape, Supernet
from frontier.supernet.residual import RESIDUALS

Half = Callable[[Tensor], Tensor]


def run(name: str, x: Tensor, blocks: list[list[Half]]) -> Tensor:
    topology = RESIDUALS[name]
    stream = topology.enter(x)
    for halves in blocks:
        stream = topology.join(stream, halves)
    return topology.leave(stream)


def halves(count: int, seed: int = 0) -> list[Half]:
    generator = torch.Generator().manual_seed(seed)
    weights = [torch.randn(5, 5, generator=generator, dtype=torch.float64) for _ in range(count)]
    return [lambda x, w=weight: torch.tanh(x @ w) for weight in weights]


def golden_modules() -> list[Half]:
    return [lambda r, a=a: torch.tanh(a * r) for a in (0.5, -0.8, 1.2, 0.3)]


@pytest.mark.parametrize(("name", "expected"), [("ladder", 1.532097), ("sequential", 0.983804)])
@pytest.mark.parametrize("split", [[4], [2, 2], [1, 2, 1]])
def test_golden_values_however_blocks_are_cut(name: str, expected: float, split: list[int]) -> None:
    modules = golden_modules()
    blocks = [[modules.pop(0) for _ in range(count)] for count in split]
    found = run(name, torch.tensor(0.7, dtype=torch.float64), blocks)
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_the_ladder_is_the_sum_it_is_defined_as() -> None:
    modules, x = halves(6), torch.randn(3, 5, dtype=torch.float64)
    written: list[Tensor] = []
    for index, module in enumerate(modules):
        written.append(module(x + sum(written[: max(0, index - 1)], torch.zeros_like(x))))
    torch.testing.assert_close(run("ladder", x, [modules[:2], modules[2:3], modules[3:]]), x + sum(written))


def test_parallel_halves_read_the_same() -> None:
    (one, two), x = halves(2), torch.randn(3, 5, dtype=torch.float64)
    assert torch.equal(run("parallel", x, [[one, two]]), x + one(x) + two(x))


def test_one_half_alone_is_the_same_in_every_topology() -> None:
    (one,), x = halves(1), torch.randn(3, 5, dtype=torch.float64)
    assert all(torch.equal(run(name, x, [[one]]), x + one(x)) for name in NAMES)


def test_small_outputs_make_ladder_and_sequential_agree_to_second_order() -> None:
    modules, x = halves(4), torch.randn(3, 5, dtype=torch.float64)

    def difference(scale: float) -> float:
        scaled = [[lambda r, m=module: scale * m(r) for module in modules]]
        return (run("ladder", x, scaled) - run("sequential", x, scaled)).abs().max().item()

    assert math.log10(difference(1e-2) / difference(1e-3)) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_flow_to_every_half(name: str) -> None:
    scales = [torch.ones((), dtype=torch.float64, requires_grad=True) for _ in range(5)]
    modules = [lambda r, m=module, s=scale: s * m(r) for module, scale in zip(halves(5), scales, strict=True)]
    run(name, torch.randn(3, 5, dtype=torch.float64), [modules[:2], modules[2:4], modules[4:]]).sum().backward()
    assert all(scale.grad is not None and scale.grad != 0 for scale in scales)


def test_the_tables_name_the_same_topologies() -> None:
    assert tuple(RESIDUALS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_model_decodes_as_it_reads(name: str) -> None:
    space = SearchSpace.parse(
        {
            "name": name,
            "width": 16,
            "depth": 3,
            "token_mixers": [{"kind": "causal_conv", "channels": 16, "kernel_size": 3}, {"kind": "none"}],
            "channel_mixers": [{"kind": "swiglu", "inner": 8}, {"kind": "none"}],
            "residual": name,
        }
    )
    supernet, ids_BT = Supernet(space, ModelShape(29, 12)), torch.randint(0, 29, (2, 12))
    for seed in range(8):
        architecture = space.sample(Random(seed))
        model = supernet.extract(architecture)
        assert torch.equal(supernet(architecture, ids_BT), model(ids_BT))
        state, logits = model.init_state(2), []
        for position in range(12):
            logits_BV, state = model.step(ids_BT[:, position], state)
            logits.append(logits_BV)
        torch.testing.assert_close(torch.stack(logits, 1), model(ids_BT), rtol=1e-5, atol=1e-5)


def test_topologies_differ_where_there_is_more_than_one_half() -> None:
    block = {
        "token_mixer": {"kind": "causal_conv", "channels": 16, "kernel_size": 3},
        "channel_mixer": {"kind": "swiglu", "inner": 8},
    }
    said = set()
    for name in NAMES:
        plain = {"width": 16, "blocks": [block, block], "residual": name}
        torch.manual_seed(0)
        said.add(round(model_of(plain)(torch.arange(9)[None]).sum().item(), 5))
    assert len(said) == len(NAMES)


def model_of(plain: dict) -> torch.nn.Module:
    return LanguageModel.build(Architecture.from_json(plain), ModelShape(29, 12))
