"""How evenly routers spread tokens over experts, told while the shared weights train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from .routing import Router, Routing, load, watch_routers
from .supernet import Supernet

WATCHED_SUBNETS = 4


@dataclass(frozen=True)
class ExpertLoad:
    """Over every router that was watched.

    `max_over_uniform` is the busiest expert's share of the tokens over the share each would serve if all served alike;
    `dead_share` the share of experts that served nobody.
    """

    max_over_uniform: float
    dead_share: float


def expert_load(supernet: Supernet, inputs: Tensor) -> ExpertLoad | None:
    """The load in a few of the largest subnets, always the same ones; None where none of them routes."""
    if not supernet.routes:
        return None
    routings: list[Routing] = []
    for seed in range(WATCHED_SUBNETS):
        model = supernet.extract(supernet.space.largest(Random(seed)))
        if any(isinstance(module, Router) for module in model.modules()):
            with torch.inference_mode(), watch_routers(model) as seen:
                model(inputs)
            routings += seen
    return summary(routings) if routings else None


def summary(routings: Sequence[Routing]) -> ExpertLoad:
    """The busiest expert of all routers, and how many experts of all routers are dead."""
    loads = [load(routing) for routing in routings]
    return ExpertLoad(
        max_over_uniform=max((share_R.max() / share_R.mean()).item() for share_R in loads),
        dead_share=(torch.cat(loads) == 0).float().mean().item(),
    )
