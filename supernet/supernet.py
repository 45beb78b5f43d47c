"""The shared weights, and how a subnet reads, trains and leaves them.

For every layer and every kind of operator there is one maximal tensor per parameter. A subnet's forward is the plain
model's own code called on slices of those tensors; extraction copies the same slices into a real model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..search_space import Architecture, Block, SearchSpace, Spec
from .block import BlockModule
from .parts import build_model, full_parts, model_around, parts
from .routing import Router, Routing, balance_loss, watch_routers
from .shapes import Shape, check_fits
from .slicing import Sizes, Slice
from .weightless import Borrower, give, without_memory

CACHED_SKELETONS = 512


class Gradients(NamedTuple):
    """What a subnet said while its gradient was taken: logits, loss, and what its routers decided."""

    logits: Tensor
    loss: Tensor
    routings: tuple[Routing, ...] = ()


class Supernet:
    """One maximal tensor per parameter, and every architecture of a space as slices of them.

    Args:
        space: the architectures it covers.
        shape: what the task adds.
        seed: of the initial weights.
        shared: tensors to use in place of initial ones, such as weights that lie in memory shared by processes.

    Raises:
        InputError: the space is for another kind of task.
    """

    def __init__(
        self, space: SearchSpace, shape: Shape, seed: int = 0, shared: Mapping[str, Tensor] | None = None
    ) -> None:
        check_fits(space, shape)
        self.space = space
        self.shape = shape
        with without_memory():
            described = list(full_parts(space, shape))
        self.full: dict[str, Sizes] = {
            f"{prefix}{name}": sizes for prefix, sizes, module in described for name, _ in module.named_parameters()
        }
        self.routes = any(isinstance(part, Router) for _, _, module in described for part in module.modules())
        self.shared: dict[str, Tensor] = dict(shared) if shared is not None else _seeded_tensors(space, shape, seed)
        assert self.shared.keys() == self.full.keys(), "the tensors belong to another space"
        self._skeleton = lru_cache(CACHED_SKELETONS)(self._build_skeleton)
        self._block_skeleton = lru_cache(CACHED_SKELETONS)(self._build_block_skeleton)
        self._plan = lru_cache(CACHED_SKELETONS)(self._build_plan)
        self._borrower = lru_cache(CACHED_SKELETONS)(self._build_borrower)

    def __call__(self, architecture: Architecture, inputs: Tensor) -> Tensor:
        """Logits of a subnet. Gradients flow to the slices it reads."""
        return self._borrower(architecture)(self.read(architecture).values(), inputs)

    def read(self, architecture: Architecture) -> dict[str, Tensor]:
        """A subnet's parameters by the names of its standalone model: slices of the shared tensors."""
        shared = self.shared
        return {name: cut.read(shared[source]) for name, source, cut in self._plan(architecture)}

    def backward(
        self,
        architecture: Architecture,
        inputs: Tensor,
        loss_of: Callable[[Tensor], Tensor],
        balance_weight: float = 0.0,
    ) -> Gradients:
        """Add a subnet's gradient to `.grad` of the shared tensors.

        Gradients are taken at the slices and added to where they came from, which spares a zero-filled tensor of
        maximal size per slice.

        Args:
            loss_of: the loss of the logits, differentiable.
            balance_weight: of the routers' balance losses, which are averaged over the routers.
        """
        plan = self._plan(architecture)
        with torch.no_grad():
            leaves = [cut.read(self.shared[source]).detach().requires_grad_() for _, source, cut in plan]
        borrower = self._borrower(architecture)
        watching: AbstractContextManager[list[Routing]] = nullcontext([])
        if self.routes:
            watching = watch_routers(borrower.model)
        with watching as routings:
            logits = borrower(leaves, inputs)
        loss = loss_of(logits)
        total = loss
        if balance_weight and routings:
            total = loss + balance_weight * torch.stack([balance_loss(routing) for routing in routings]).mean()
        gradients = torch.autograd.grad(total, leaves)
        self._add(architecture, gradients)
        return Gradients(logits.detach(), loss.detach(), tuple(routings))

    def extract(self, architecture: Architecture) -> nn.Module:
        """A standalone model with copies of the subnet's weights."""
        with without_memory():
            model = build_model(architecture, self.shape)
        with torch.no_grad():
            give(model, {name: tensor.clone() for name, tensor in self.read(architecture).items()})
        return model

    def _add(self, architecture: Architecture, gradients: tuple[Tensor, ...]) -> None:
        """Add a subnet's gradients to the shared ones. The first gradient of a whole tensor is taken as it is."""
        regions, added = [], []
        for (_, source, cut), gradient in zip(self._plan(architecture), gradients, strict=True):
            shared = self.shared[source]
            if shared.grad is None and cut.whole:
                shared.grad = gradient.contiguous()
                continue
            if shared.grad is None:
                shared.grad = torch.zeros_like(shared)
            regions.append(cut.region(shared.grad))
            added.append(gradient if cut.whole else gradient.reshape(cut.shape))
        if regions:
            torch._foreach_add_(regions, added)

    def _build_plan(self, architecture: Architecture) -> tuple[tuple[str, str, Slice], ...]:
        """(parameter of the standalone model, shared tensor, slice) for every parameter of a subnet."""
        there = {name for name, _ in self._skeleton(architecture).named_parameters()}
        named = (
            (part.name + name, part.source + name, axes, part.sizes)
            for part in parts(architecture, self.shape, self.space)
            for name, axes in part.axes.items()
        )
        plan = tuple(
            (name, source, Slice.plan(axes, sizes, self.full[source]))
            for name, source, axes, sizes in named
            if name in there
        )
        assert {name for name, _, _ in plan} == there, "every parameter of a module is in its axes"
        return plan

    def _build_borrower(self, architecture: Architecture) -> Borrower:
        return Borrower(self._skeleton(architecture), [name for name, _, _ in self._plan(architecture)])

    def _build_skeleton(self, architecture: Architecture) -> nn.Module:
        """The model with real buffers and parameters that hold no memory."""
        places = self.space.layout.places(self.space.sizes(architecture)[1])
        blocks = [
            self._block_skeleton(place.slot, block, width, architecture.residual, architecture.hidden)
            for place, block, width in zip(places, architecture.blocks, architecture.widths, strict=True)
        ]
        with without_memory():
            return model_around(blocks, architecture, self.shape)

    def _build_block_skeleton(self, slot: int, block: Block, width: int, residual: str, hidden: Spec) -> BlockModule:
        # The slot is part of the key because one model may hold equal blocks twice, each with its own weights.
        del slot
        with without_memory():
            return BlockModule.build(block, width, self.shape.context, residual, hidden)


def _seeded_tensors(space: SearchSpace, shape: Shape, seed: int) -> dict[str, Tensor]:
    """Every shared tensor as its own module initialises it at full size."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return {
            f"{prefix}{name}": tensor.detach().requires_grad_()
            for prefix, _, module in full_parts(space, shape)
            for name, tensor in module.named_parameters()
        }
