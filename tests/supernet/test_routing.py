"""Routers, what is measured of them, and the mixture of experts built on one."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from frontier.search_space import MoE
from frontier.supernet.operators.moe import MoEModule
from frontier.supernet.routing import Router, Routing, balance_loss, load, watch_routers, z_loss


def routing_of(probabilities_NE: Tensor, chosen_NK: list[list[int]], always_on: int = 0) -> Routing:
    return Routing(probabilities_NE.log(), probabilities_NE, torch.tensor(chosen_NK), always_on)


def experts(width: int = 9, **fields: int) -> MoEModule:
    spec = {"num_experts": 5, "top_k": 2, "inner": 7, **fields}
    return MoEModule(MoE(**spec), width)


def expert_by_expert(module: MoEModule, x_ND: Tensor) -> Tensor:
    """The formula, one token and one expert at a time."""
    rows = []
    for x_D in x_ND:
        p_E = (module.router.weight @ x_D).softmax(dim=0)
        best = sorted(range(len(p_E)), key=lambda expert: (-p_E[expert].item(), expert))[: module.router.top_k]
        total = p_E[best].sum() if len(best) > 1 else 1.0
        y_D = torch.zeros_like(x_D)
        for expert in best:
            inner_F = F.silu(module.gate_EFD[expert] @ x_D) * (module.up_EFD[expert] @ x_D)
            y_D = y_D + p_E[expert] / total * (module.down_EDF[expert] @ inner_F)
        rows.append(y_D)
    return torch.stack(rows)


def test_equal_scores_go_to_the_lowest_index() -> None:
    router = Router(width=6, num_experts=40, top_k=3)
    nn.init.zeros_(router.weight)
    assert router(torch.randn(50, 6)).chosen_NK.tolist() == [[0, 1, 2]] * 50
    with torch.no_grad():
        router.weight[17] = router.weight[31] = torch.ones(6)
    assert router(torch.ones(2, 6)).chosen_NK.tolist() == [[17, 31, 0]] * 2


def test_groups_that_are_always_on_are_not_chosen() -> None:
    routing = Router(width=6, num_experts=5, top_k=3, always_on=2)(torch.randn(31, 6))
    assert routing.probabilities_NE.shape == (31, 5)
    assert routing.chosen_NK.unique().tolist() == [2, 3, 4]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_routing_is_in_float32(dtype: torch.dtype) -> None:
    router = Router(width=64, num_experts=8, top_k=2)
    x = torch.randn(33, 64).to(dtype)
    exact = (x.double() @ router.weight.double().T).softmax(dim=-1)
    for inside in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=inside):
            routing = router(x)
        assert routing.probabilities_NE.dtype == torch.float32
        assert (routing.probabilities_NE - exact).abs().max() < 1e-6


def test_a_token_is_routed_alike_alone_and_among_others() -> None:
    router, x_BTD = Router(width=24, num_experts=8, top_k=2), torch.randn(3, 21, 24)
    together = router(x_BTD).chosen_NK.view(3, 21, 2)
    for t in range(21):
        assert torch.equal(router(x_BTD[:, t]).chosen_NK, together[:, t])


def test_balance_loss_is_one_when_uniform_and_grows_to_experts_over_k() -> None:
    uniform_NE = torch.full((4, 4), 0.25)
    assert balance_loss(routing_of(uniform_NE, [[0, 1], [2, 3], [1, 2], [3, 0]])).item() == pytest.approx(1)
    collapsed_NE = torch.tensor([[0.5, 0.5, 0.0, 0.0]]).repeat(6, 1)
    assert balance_loss(routing_of(collapsed_NE, [[0, 1]] * 6)).item() == pytest.approx(4 / 2)


def test_balance_loss_leaves_out_what_is_always_on() -> None:
    probabilities_NE = torch.tensor([[0.7, 0.1, 0.1, 0.1]]).repeat(3, 1)
    assert balance_loss(routing_of(probabilities_NE, [[1], [2], [3]], always_on=1)).item() == pytest.approx(1)


def test_balance_loss_pushes_the_router_towards_idle_experts() -> None:
    logits_NE = torch.tensor([[1.0, 0.0, 0.0]]).repeat(5, 1).requires_grad_()
    routing = Routing(logits_NE, logits_NE.softmax(dim=-1), torch.zeros(5, 1, dtype=torch.int64), 0)
    (gradient_NE,) = torch.autograd.grad(balance_loss(routing), logits_NE)
    assert (gradient_NE[:, 0] > 0).all()
    assert (gradient_NE[:, 1:] < 0).all()


def test_load_is_the_share_of_tokens_by_expert() -> None:
    routing = routing_of(torch.full((4, 4), 0.25), [[1, 2], [1, 3], [1, 2], [1, 2]], always_on=1)
    assert load(routing).tolist() == [1.0, 0.75, 0.25]


def test_z_loss_is_the_mean_squared_log_of_the_denominator() -> None:
    logits_NE = torch.randn(7, 3)
    routing = Routing(logits_NE, logits_NE.softmax(dim=-1), torch.zeros(7, 1, dtype=torch.int64), 0)
    expected = sum(row.exp().sum().log() ** 2 for row in logits_NE) / 7
    torch.testing.assert_close(z_loss(routing), expected)


def test_watching_collects_in_order_and_only_inside() -> None:
    model = nn.Sequential(experts(num_experts=3), experts(num_experts=4))
    x = torch.randn(11, 9)
    with watch_routers(model) as seen:
        model(x)
        assert [routing.probabilities_NE.shape for routing in seen] == [(11, 3), (11, 4)]
    model(x)
    assert len(seen) == 2


@pytest.mark.parametrize("top_k", [1, 2, 5])
def test_experts_are_mixed_as_the_formula_says(top_k: int) -> None:
    module, x_ND = experts(top_k=top_k), torch.randn(23, 9)
    torch.testing.assert_close(module(x_ND), expert_by_expert(module, x_ND), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("top_k", [2, 5])
def test_equal_experts_are_one_dense_feed_forward(top_k: int) -> None:
    module, x_BTD = experts(top_k=top_k), torch.randn(2, 13, 9)
    with torch.no_grad():
        for weight in (module.gate_EFD, module.up_EFD, module.down_EDF):
            weight.copy_(weight[:1].expand_as(weight).clone())
    dense = F.silu(x_BTD @ module.gate_EFD[0].T) * (x_BTD @ module.up_EFD[0].T) @ module.down_EDF[0].T
    torch.testing.assert_close(module(x_BTD), dense, atol=1e-6, rtol=1e-5)


def test_a_shared_expert_serves_every_token() -> None:
    module, x_BTD = experts(shared_inner=3), torch.randn(2, 13, 9)
    shared = module.shared_down(F.silu(module.shared_gate(x_BTD)) * module.shared_up(x_BTD))
    with torch.no_grad():
        module.down_EDF.zero_()
    assert torch.equal(module(x_BTD), shared)


def test_no_token_is_dropped_when_all_choose_one_expert() -> None:
    module, x_ND = experts(top_k=1), torch.rand(64, 9) + 0.5
    with torch.no_grad():
        module.router.weight.copy_(torch.tensor([-1.0, -1, 9, -1, -1]).unsqueeze(1).expand(5, 9))
    with watch_routers(module) as seen:
        y_ND = module(x_ND)
    assert load(seen[0]).tolist() == [0, 0, 1, 0, 0]
    torch.testing.assert_close(y_ND, expert_by_expert(module, x_ND), atol=1e-6, rtol=1e-5)
    assert (y_ND.abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("top_k", [1, 2])
def test_the_router_learns_from_the_model_loss(top_k: int) -> None:
    module = experts(top_k=top_k)
    module(torch.randn(40, 9)).square().sum().backward()
    assert (module.router.weight.grad.abs().sum(dim=1) > 0).all()


def test_a_token_is_mixed_alike_alone_and_among_others() -> None:
    module, x_BTD = experts(shared_inner=3), torch.randn(3, 21, 9)
    together_BTD = module(x_BTD)
    for t in range(21):
        torch.testing.assert_close(module(x_BTD[:, t]), together_BTD[:, t], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("top_k", [1, 2])
def test_a_token_does_not_see_the_others_to_the_bit(top_k: int) -> None:
    module, x_ND = experts(width=20, num_experts=8, top_k=top_k, inner=64), torch.randn(40, 20)
    for seen in range(4, 40, 5):
        other_ND = torch.cat((x_ND[:seen], torch.randn(40 - seen, 20)))
        assert torch.equal(module(other_ND)[:seen], module(x_ND)[:seen])


def test_more_chosen_than_experts_is_refused() -> None:
    with pytest.raises(ValueError, match="top_k must be at most num_experts; got 3 and 2"):
        MoE(num_experts=2, top_k=3, inner=4)
