"""What a recorded call is launched on again: tensors of its layout, indices that its operator could have been given."""

from __future__ import annotations

import pytest
import torch

from frontier.latency_models.calls import KernelCall, encode
from frontier.latency_models.measuring.replay import prepare


def replayed(op: str, *arguments: object, skew: float = 0.0) -> list:
    return prepare(KernelCall(op, "grouped_matmul", encode(arguments, {}), 1, 1), skew=skew).args


@pytest.mark.parametrize("tokens", [1, 200])
def test_a_token_is_sent_to_different_experts(tokens: int) -> None:
    with torch.device("meta"):
        x, weight, chosen = torch.empty(tokens, 8), torch.empty(tokens, 3), torch.empty(tokens, 3, dtype=torch.int64)
        gate, down = torch.empty(5, 6, 8), torch.empty(5, 8, 6)
    *_, chosen_NK = replayed("frontier.moe_mlp.default", x, gate, gate, down, weight, chosen)
    assert chosen_NK.shape == (tokens, 3)
    assert all(len(set(row)) == 3 and set(row) <= set(range(5)) for row in chosen_NK.tolist())
    assert tokens == 1 or set(chosen_NK.flatten().tolist()) == set(range(5))


def test_groups_that_all_tokens_share_are_not_chosen_again() -> None:
    with torch.device("meta"):
        a, weight, chosen = torch.empty(50, 8), torch.empty(12, 8), torch.empty(50, 2, dtype=torch.int64)
        u, multiplier = torch.empty(50, 12), torch.empty(50, 4)
    written = replayed("frontier.mohd_write.default", a, weight, chosen, 2, 2)[2]
    read = replayed("frontier.mohd_read.default", u, weight.T, multiplier, chosen, 2, 2)[3]
    for chosen_NK in (written, read):
        assert all(first != second for first, second in chosen_NK.tolist())
        assert set(chosen_NK.flatten().tolist()) == {2, 3, 4, 5}


def test_an_uneven_load_follows_its_power_law() -> None:
    with torch.device("meta"):
        x, weight, chosen = torch.empty(20_000, 4), torch.empty(20_000, 1), torch.empty(20_000, 1, dtype=torch.int64)
        gate = torch.empty(8, 4, 4)
    *_, chosen_NK = replayed("frontier.moe_mlp.default", x, gate, gate, gate, weight, chosen, skew=1.2)
    load = chosen_NK.flatten().bincount(minlength=8) / 20_000
    law = torch.arange(1, 9) ** -1.2
    torch.testing.assert_close(load, law / law.sum(), rtol=0.1, atol=0.005)
