"""Routing: which experts, or which groups of the hidden dimension, serve a token.

N tokens, E experts or groups, K of them chosen, D width, R of the E that are routed (the others are always on).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Routing(NamedTuple):
    """What a router decided. The first `always_on` of the E are not routed; no token chooses them."""

    logits_NE: Tensor
    probabilities_NE: Tensor
    chosen_NK: Tensor
    always_on: int


class Router(nn.Module):
    """Scores every token against E learnt centroids and picks its K best; equal scores go to the lowest index.

    Works in float32 whatever surrounds it. A token is routed by itself, so decoding routes as prefill does.
    """

    def __init__(self, width: int, num_experts: int, top_k: int, always_on: int = 0) -> None:
        super().__init__()
        self.top_k = top_k
        self.always_on = always_on
        self.weight = nn.Parameter(torch.randn(num_experts, width) * width**-0.5)

    def forward(self, x: Tensor) -> Routing:
        """Route tokens (..., D), flattened to (N, D)."""
        with torch.autocast(x.device.type, enabled=False):
            logits_NE = F.linear(x.flatten(0, -2).float(), self.weight.float())
            probabilities_NE = logits_NE.softmax(dim=-1)
        # A stable sort, because torch.topk leaves open which of two equal scores it takes.
        ranked_NR = probabilities_NE[:, self.always_on :].sort(dim=-1, descending=True, stable=True).indices
        chosen_NK = ranked_NR[:, : self.top_k] + self.always_on
        return Routing(logits_NE, probabilities_NE, chosen_NK, self.always_on)


def load(routing: Routing) -> Tensor:
    """Which share of the tokens each routed expert serves, (R,) in float32. The shares add up to K."""
    routed = routing.probabilities_NE.shape[1] - routing.always_on
    chosen_M = (routing.chosen_NK - routing.always_on).flatten()
    counts_R = torch.zeros(routed, dtype=torch.float32, device=chosen_M.device)
    return counts_R.index_add_(0, chosen_M, torch.ones_like(chosen_M, dtype=torch.float32)) / len(routing.chosen_NK)


def balance_loss(routing: Routing) -> Tensor:
    """How unevenly tokens are spread: 1 under uniform routing, R / K when all of them choose the same K.

    The sum over routed experts of (share of the choices, times R) and (mean probability among the routed). The share
    has no gradient.  Source: arXiv 2101.03961.
    """
    routed_NR = routing.probabilities_NE[:, routing.always_on :]
    mean_R = (routed_NR / routed_NR.sum(dim=-1, keepdim=True)).mean(dim=0)
    share_R = load(routing).detach() * (routed_NR.shape[1] / routing.chosen_NK.shape[1])
    return (share_R * mean_R).sum()


def z_loss(routing: Routing) -> Tensor:
    """The mean squared log of the softmax's denominator, which keeps logits small.  Source: arXiv 2202.08906."""
    return routing.logits_NE.logsumexp(dim=-1).square().mean()


@contextmanager
def watch_routers(model: nn.Module) -> Iterator[list[Routing]]:
    """Collect what every router of a model decides while it runs, in the order of running."""
    seen: list[Routing] = []

    def collect(module: nn.Module, inputs: tuple, routing: Routing) -> None:
        seen.append(routing)

    hooks = [module.register_forward_hook(collect) for module in model.modules() if isinstance(module, Router)]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
