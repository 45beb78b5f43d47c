"""The shared weights, and how a subnet reads, trains and leaves them.

For every layer and every kind of operator there is one maximal tensor per parameter. A subnet's forward is the plain
model's own code called on slices of those tensors; extraction copies the same slices into a real model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from ..search_space import Architecture, Block, SearchSpace, Spec
from ..search_space.operators.choices import OperatorChoices
from .block import BlockModule
from .language_model import LanguageModel, ModelShape
from .operators import CHANNEL_MIXER_MODULES, TOKEN_MIXER_MODULES
from .slicing import Axes, Sizes, Slice

CACHED_SKELETONS = 512


class Supernet:
    """One maximal tensor per parameter, and every architecture of a space as slices of them.

    Args:
        space: the architectures it covers.
        shape: what the task adds.
        seed: of the initial weights.
        shared: tensors to use in place of initial ones, such as weights that lie in memory shared by processes.
    """

    def __init__(
        self, space: SearchSpace, shape: ModelShape, seed: int = 0, shared: Mapping[str, Tensor] | None = None
    ) -> None:
        self.space = space
        self.shape = shape
        self.full: dict[str, Sizes] = _full_sizes(space, shape)
        self.shared: dict[str, Tensor] = dict(shared) if shared is not None else _seeded_tensors(space, shape, seed)
        assert self.shared.keys() == self.full.keys(), "the tensors belong to another space"
        self._skeleton = lru_cache(CACHED_SKELETONS)(self._build_skeleton)
        self._block_skeleton = lru_cache(CACHED_SKELETONS)(self._build_block_skeleton)
        self._plan = lru_cache(CACHED_SKELETONS)(self._build_plan)

    def __call__(self, architecture: Architecture, ids_BT: Tensor) -> Tensor:
        """Logits of a subnet. Gradients flow to the slices it reads."""
        return self.call(architecture, self.read(architecture), ids_BT)

    def read(self, architecture: Architecture) -> dict[str, Tensor]:
        """A subnet's parameters by the names of its standalone model: slices of the shared tensors."""
        return {name: cut.read(self.shared[source]) for name, source, cut in self._plan(architecture)}

    def call(self, architecture: Architecture, parameters: Mapping[str, Tensor], ids_BT: Tensor) -> Tensor:
        """The plain model's own forward on parameters that were read before."""
        return functional_call(self._skeleton(architecture), dict(parameters), (ids_BT,))

    def backward(
        self, architecture: Architecture, ids_BT: Tensor, loss_of: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Add a subnet's gradient to `.grad` of the shared tensors; return its logits and its loss.

        Gradients are taken at the slices and added to where they came from, which spares a zero-filled tensor of
        maximal size per slice.
        """
        plan = self._plan(architecture)
        leaves = {name: cut.read(self.shared[source].detach()).requires_grad_() for name, source, cut in plan}
        logits_BTV = self.call(architecture, leaves, ids_BT)
        loss = loss_of(logits_BTV)
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        for (_, source, cut), gradient in zip(plan, gradients, strict=True):
            shared = self.shared[source]
            if shared.grad is None:
                shared.grad = torch.zeros_like(shared)
            cut.add_to(shared.grad, gradient)
        return logits_BTV.detach(), loss.detach()

    def extract(self, architecture: Architecture) -> LanguageModel:
        """A standalone model with copies of the subnet's weights."""
        with _without_memory():
            model = LanguageModel.build(architecture, self.shape)
        weights = {name: tensor.detach().clone() for name, tensor in self.read(architecture).items()}
        model.load_state_dict(weights, strict=True, assign=True)
        return model

    def _build_plan(self, architecture: Architecture) -> tuple[tuple[str, str, Slice], ...]:
        """(parameter of the standalone model, shared tensor, slice) for every parameter of a subnet."""
        return tuple(
            (name, source, Slice.plan(axes, size, self.full[source]))
            for name, source, axes, size in _parameters_of(architecture, self.shape)
        )

    def _build_skeleton(self, architecture: Architecture) -> LanguageModel:
        """The model with real buffers and parameters that hold no memory."""
        blocks = [
            self._block_skeleton(position, block, architecture.width)
            for position, block in enumerate(architecture.blocks)
        ]
        with _without_memory():
            return LanguageModel(architecture.width, self.shape.vocab_size, self.shape.context, blocks)

    def _build_block_skeleton(self, position: int, block: Block, width: int) -> BlockModule:
        # The position is part of the key because one model may hold equal blocks twice, each with its own weights.
        del position
        with _without_memory():
            return BlockModule.build(block, width, self.shape.context)


@contextmanager
def _without_memory() -> Iterator[None]:
    """Modules built here have parameters that hold no memory. Their buffers are real, and fit for training even when
    the module is first needed in the middle of an evaluation."""
    with torch.inference_mode(False), torch.device("meta"):
        yield


def _parameters_of(
    architecture: Architecture, shape: ModelShape
) -> Iterator[tuple[str, str, tuple[str, ...], dict[str, int]]]:
    """(standalone name, shared name, axes, sizes) of every parameter of an architecture."""
    outer = {"width": architecture.width, "vocab_size": shape.vocab_size}
    for name, axes in LanguageModel.axes.items():
        yield name, name, axes, outer
    for position, block in enumerate(architecture.blocks):
        for name, axes in BlockModule.axes.items():
            yield f"blocks.{position}.{name}", f"blocks.{position}.{name}", axes, outer
        for slot, table in (("token_mixer", TOKEN_MIXER_MODULES), ("channel_mixer", CHANNEL_MIXER_MODULES)):
            spec = getattr(block, slot)
            sizes = {**outer, **_sizes_of(spec)}
            for name, axes in _axes_of(table[spec.kind]).items():
                yield f"blocks.{position}.{slot}.{name}", f"blocks.{position}.{spec.kind}.{name}", axes, sizes


def _full_sizes(space: SearchSpace, shape: ModelShape) -> dict[str, Sizes]:
    """The sizes at which every shared tensor is held."""
    outer = {"width": max(space.width), "vocab_size": shape.vocab_size}
    sizes: dict[str, Sizes] = dict.fromkeys(LanguageModel.axes, outer)
    for position in range(space.max_depth):
        sizes.update({f"blocks.{position}.{name}": outer for name in BlockModule.axes})
        for choices, module in _operators_of(space):
            full = {**outer, **_sizes_of(_maximal(choices))}
            sizes.update({f"blocks.{position}.{choices.kind}.{name}": full for name in _axes_of(module)})
    return sizes


def _seeded_tensors(space: SearchSpace, shape: ModelShape, seed: int) -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return {name: tensor.detach().requires_grad_() for name, tensor in _initial_tensors(space, shape)}


def _initial_tensors(space: SearchSpace, shape: ModelShape) -> Iterator[tuple[str, Tensor]]:
    """Every shared tensor as its own module initialises it at full size."""
    width = max(space.width)
    yield from LanguageModel(width, shape.vocab_size, shape.context, ()).named_parameters()
    for position in range(space.max_depth):
        norms = BlockModule(width, torch.nn.Identity(), torch.nn.Identity())
        yield from ((f"blocks.{position}.{name}", tensor) for name, tensor in norms.named_parameters())
        for choices, module in _operators_of(space):
            context = (shape.context,) if choices in space.token_mixers else ()
            built = module(_maximal(choices), width, *context)
            prefix = f"blocks.{position}.{choices.kind}"
            yield from ((f"{prefix}.{name}", tensor) for name, tensor in built.named_parameters())


def _operators_of(space: SearchSpace) -> Iterator[tuple[OperatorChoices, type[torch.nn.Module]]]:
    for choices in space.token_mixers:
        yield choices, TOKEN_MIXER_MODULES[choices.kind]
    for choices in space.channel_mixers:
        yield choices, CHANNEL_MIXER_MODULES[choices.kind]


def _maximal(choices: OperatorChoices) -> Spec:
    """A spec with every field at its greatest value. It need not be legal: it only sizes tensors that hold all."""
    largest: dict[str, Any] = {
        name: None if None in values else max(values)  # type: ignore[type-var]
        for name, values in choices.values
    }
    return choices.spec_type.model_construct(**largest)


def _sizes_of(spec: Spec) -> dict[str, int]:
    return {name: value for name, value in spec if isinstance(value, int)}


def _axes_of(module: type[torch.nn.Module]) -> Axes:
    axes = vars(module)["axes"]
    assert isinstance(axes, Mapping)
    return axes
