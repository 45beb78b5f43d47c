"""What a model is made of, for slicing: every part's names in the standalone model and among the shared tensors, what
its dimensions follow, and the sizes they have in one architecture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, get_args

from torch import nn

from ..search_space import Architecture, Block, SearchSpace, Spec
from ..search_space.layout import Place
from ..search_space.operators.choices import OperatorChoices
from .block import BlockModule
from .hidden import HIDDEN_MODULES
from .image_classifier import Head, ImageClassifier, SpatialReduction, Stem
from .language_model import LanguageModel
from .operators import CHANNEL_MIXER_MODULES, GRID_MIXER_MODULES, TOKEN_MIXER_MODULES
from .shapes import ImageShape, ModelShape, Shape
from .slicing import Axes, Sizes

SLOTS = ("token_mixer", "channel_mixer")


@dataclass(frozen=True)
class Part:
    """Parameters of one module: `axes` may name some that the module has not at these sizes."""

    name: str
    source: str
    axes: Axes
    sizes: Sizes


def build_model(architecture: Architecture, shape: Shape) -> nn.Module:
    """The standalone model of an architecture, freshly initialised."""
    if isinstance(shape, ImageShape):
        return ImageClassifier.build(architecture, shape)
    return LanguageModel.build(architecture, shape)


def model_around(blocks: Sequence[BlockModule], architecture: Architecture, shape: Shape) -> nn.Module:
    """The model of an architecture with these blocks."""
    if isinstance(shape, ImageShape):
        widths, depths = zip(*((stage.width, stage.depth) for stage in architecture.stages), strict=True)
        return ImageClassifier(widths, depths, shape, blocks, architecture.residual)
    return LanguageModel(architecture.width, shape.vocab_size, shape.context, blocks, architecture.residual)


def parts(architecture: Architecture, shape: Shape, space: SearchSpace) -> Iterator[Part]:
    """Every part of an architecture's model."""
    widths, depths = space.sizes(architecture)
    for prefix, module, sizes in ends(widths, shape):
        yield Part(prefix, prefix, axes_of(module), sizes)
    tables = mixer_tables(shape)
    places = zip(space.layout.places(depths), architecture.blocks, architecture.widths, strict=True)
    for index, (place, block, width) in enumerate(places):
        name, source = f"blocks.{index}.", f"blocks.{place.slot}."
        yield Part(name, source, BlockModule.axes, {"width": width})
        yield from _mixers(block, width, architecture.hidden, tables, name, source)


def full_parts(space: SearchSpace, shape: Shape) -> Iterator[tuple[str, Sizes, Any]]:
    """Prefix, greatest sizes and a freshly initialised module of every part that the shared tensors are made of.

    The modules' own parameters are what is shared; those of parts inside them are given with them.
    """
    widths = tuple(max(stage.width) for stage in space.layout.stages)
    model = build_ends(widths, shape)
    for prefix, _, sizes in ends(widths, shape):
        yield prefix, sizes, model.get_submodule(prefix.removesuffix("."))
    tables = mixer_tables(shape)
    for place in space.layout.deepest:
        yield from _full_block(place, widths[place.stage], space, shape, tables)


def ends(widths: tuple[int, ...], shape: Shape) -> Iterator[tuple[str, type[nn.Module], dict[str, int]]]:
    """What there is beside the blocks: prefix, module and sizes."""
    if isinstance(shape, ModelShape):
        yield "", LanguageModel, {"width": widths[0], "vocab_size": shape.vocab_size}
        return
    stem = {"channels": shape.channels, "stem_kernel": shape.stem_kernel, "grid": shape.grid}
    yield "stem.", Stem, {"width": widths[0], **stem}
    for index, (before, width) in enumerate(pairwise(widths)):
        yield f"reductions.{index}.", SpatialReduction, {"in_width": before, "width": width}
    yield "head.", Head, {"width": widths[-1], "num_classes": shape.num_classes}


def build_ends(widths: tuple[int, ...], shape: Shape) -> nn.Module:
    """A model without blocks."""
    if isinstance(shape, ModelShape):
        return LanguageModel(widths[0], shape.vocab_size, shape.context, ())
    return ImageClassifier(widths, [0] * len(widths), shape, ())


def mixer_tables(shape: Shape) -> Mapping[str, Mapping[str, type[nn.Module]]]:
    """The modules of token mixers and channel mixers by kind."""
    token = GRID_MIXER_MODULES if isinstance(shape, ImageShape) else TOKEN_MIXER_MODULES
    return {"token_mixer": token, "channel_mixer": CHANNEL_MIXER_MODULES}


def axes_of(module: type[nn.Module]) -> Axes:
    axes = vars(module)["axes"]
    assert isinstance(axes, Mapping)
    return axes


def _mixers(
    block: Block, width: int, hidden: Any, tables: Mapping[str, Mapping[str, type[nn.Module]]], name: str, source: str
) -> Iterator[Part]:
    outer = {"width": width, **_hidden_sizes(hidden, width)}
    for slot in SLOTS:
        spec = getattr(block, slot)
        if spec.kind == "none":
            continue
        inside = ""
        if hidden.kind != "dense":
            inside = "mixer."
            around = axes_of(HIDDEN_MODULES[hidden.kind])
            yield Part(f"{name}{slot}.", f"{source}{slot}.{hidden.kind}.", around, outer)
        axes = axes_of(tables[slot][spec.kind])
        yield Part(f"{name}{slot}.{inside}", f"{source}{slot}.{spec.kind}.", axes, {**outer, **sizes_of(spec)})


def _full_block(
    place: Place, width: int, space: SearchSpace, shape: Shape, tables: Mapping[str, Mapping[str, type[nn.Module]]]
) -> Iterator[tuple[str, Sizes, Any]]:
    source = f"blocks.{place.slot}."
    yield source, {"width": width}, BlockModule(width, nn.Identity(), nn.Identity())
    context = () if shape.context is None else (shape.context,)
    for slot, mixers in (("token_mixer", space.token_mixers), ("channel_mixer", space.channel_mixers)):
        for choices in (choices for choices in space.hidden if choices.kind != "dense"):
            spec: Any = maximal(choices)
            sizes = {"width": width, **_hidden_sizes(spec, width)}
            yield f"{source}{slot}.{choices.kind}.", sizes, HIDDEN_MODULES[choices.kind](spec, width, nn.Identity())
        for choices in (choices for choices in mixers if choices.kind != "none"):
            spec = maximal(choices)
            where = context if slot == "token_mixer" else ()
            module = tables[slot][choices.kind](spec, width, *where)
            yield f"{source}{slot}.{choices.kind}.", {"width": width, **sizes_of(spec)}, module


def sizes_of(spec: Spec) -> dict[str, int]:
    """The fields of a spec that a dimension may follow."""
    return {name: value for name, value in spec if isinstance(value, int)}


def _hidden_sizes(hidden: Any, width: int) -> dict[str, int]:
    if hidden.kind == "dense":
        return {}
    return {
        **sizes_of(hidden),
        "num_groups": hidden.num_groups(width),
        "fusion_size": hidden.fusion_size(width),
    }


def maximal(choices: OperatorChoices) -> Spec:
    """A spec with every field at its greatest value. It need not be legal: it only sizes tensors that hold all.

    Of words the greatest is the one that the field's declaration lists last.
    """

    def greatest(name: str, options: tuple[Any, ...]) -> Any:
        if None in options:
            return None
        order = get_args(choices.spec_type.model_fields[name].annotation)
        return max(options, key=order.index) if isinstance(options[0], str) else max(options)

    return choices.spec_type.model_construct(**{name: greatest(name, options) for name, options in choices.values})
