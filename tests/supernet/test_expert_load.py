"""The load over experts: its two figures, and that training a space that routes keeps experts busy."""

from __future__ import annotations

import pytest
import torch

from frontier.search_space import SearchSpace
from frontier.supernet import ModelShape, Supernet
from frontier.supernet.expert_load import expert_load, summary
from frontier.supernet.lone import train_alone
from frontier.supernet.optimizer import TrainerOptions
from frontier.supernet.routing import Routing
from frontier.supernet.trainer import SupernetTrainer
from frontier.supernet.training_rules import RULES

SHAPE = ModelShape(vocab_size=17, context=8)
SPACE = SearchSpace.parse(
    {
        "name": "routing",
        "width": [16, 32],
        "depth": [1, 2],
        "token_mixers": [{"kind": "causal_conv", "channels": 16, "kernel_size": 3}],
        "channel_mixers": [{"kind": "moe", "inner": 16, "num_experts": 4, "top_k": 1}],
    }
)
INPUTS_BT = torch.randint(17, (16, 8), generator=torch.Generator().manual_seed(0))


def routed(chosen: list[list[int]], experts: int) -> Routing:
    even_NE = torch.full((len(chosen), experts), 1 / experts)
    return Routing(even_NE.log(), even_NE, torch.tensor(chosen), always_on=0)


def test_the_busiest_and_the_dead_of_all_routers_are_told() -> None:
    even = routed([[0], [1], [2], [3]], 4)
    skewed = routed([[0, 1], [0, 1], [0, 2], [0, 1]], 4)
    assert summary([even]).max_over_uniform == pytest.approx(1.0)
    assert summary([even]).dead_share == 0.0
    assert summary([even, skewed]).max_over_uniform == pytest.approx(2.0)
    assert summary([even, skewed]).dead_share == pytest.approx(1 / 8)


def test_a_space_without_routers_has_no_load() -> None:
    assert expert_load(Supernet(SearchSpace.load("tiny-lm"), SHAPE), INPUTS_BT) is None


def test_the_balance_loss_moves_routers_in_the_supernet_and_alone() -> None:
    largest = SPACE.largest()
    data = (INPUTS_BT[:, :-1], INPUTS_BT[:, 1:])

    def routers(balance_weight: float, alone: bool) -> list[torch.Tensor]:
        options = TrainerOptions(4, 1e-2, 0, weight_decay=0.0, balance_weight=balance_weight)
        supernet = Supernet(SPACE, SHAPE, seed=1)
        model = supernet.extract(largest)
        if alone:
            train_alone(model, options, [data] * 4)
            return [tensor.detach() for name, tensor in model.named_parameters() if "router" in name]
        trainer = SupernetTrainer(supernet, options)
        for _ in range(4):
            trainer.step(trainer.draw(RULES["sandwich"], 0, 0, data), [data])
        return [tensor.detach() for name, tensor in supernet.shared.items() if "router" in name]

    for alone in (False, True):
        without, with_it = routers(0.0, alone), routers(1.0, alone)
        assert with_it
        assert not any(torch.equal(one, other) for one, other in zip(without, with_it, strict=True))


def test_the_load_of_a_supernet_is_told() -> None:
    load = expert_load(Supernet(SPACE, SHAPE), INPUTS_BT)
    assert load is not None
    assert 1.0 <= load.max_over_uniform <= 4.0
    assert 0.0 <= load.dead_share <= 0.75
