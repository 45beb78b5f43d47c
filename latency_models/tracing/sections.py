"""The sections a model is made of: the halves of its blocks, and what stands before, between and after them.

A section's kernels depend on its `Setting` and the workload alone, so it is traced once, whatever model it is part of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from ...search_space import Architecture, Block, Dense, SearchSpace, Spec, kind_of
from ...search_space.layout import StageChoices

SLOTS = ("token_mixer", "channel_mixer")
DENSE = Dense()


@dataclass(frozen=True)
class Setting:
    """What a section is and where it stands.

    `slot` is embed, token_mixer, channel_mixer, reduction or head; `stage` says how often the resolution of an image
    has been halved, `in_width` is the width before a reduction.
    """

    slot: str
    width: int
    stage: int = 0
    spec: Spec | None = None
    residual: str = "sequential"
    hidden: Spec = DENSE
    in_width: int = 0


@dataclass(frozen=True)
class Member:
    """A section of one architecture: the name it goes by there, and the block it is half of."""

    name: str
    setting: Setting
    block: Block | None = None


def members(architecture: Architecture) -> Iterator[Member]:
    """The sections of an architecture in running order."""
    widths = architecture.widths
    yield Member("embed", Setting("embed", widths[0]))
    stages = _stages_of_blocks(architecture)
    for index, block in enumerate(architecture.blocks):
        stage = stages[index]
        if index and stage != stages[index - 1]:
            reduction = Setting("reduction", widths[index], stage, in_width=widths[index - 1])
            yield Member(f"reductions.{stage - 1}", reduction)
        for slot in SLOTS:
            setting = half(slot, block, widths[index], stage, architecture.residual, architecture.hidden)
            yield Member(f"blocks.{index}.{slot}", setting, block)
    yield Member("head", Setting("head", widths[-1], stages[-1]))


def half(slot: str, block: Block, width: int, stage: int, residual: str, hidden: Spec) -> Setting:
    """The setting of a block's token mixer or channel mixer, with its norm and its addition to the residual stream."""
    return Setting(slot, width, stage, getattr(block, slot), residual, hidden)


@dataclass(frozen=True)
class Option:
    """A section that architectures of a space may have, and how many of it a random one has on average."""

    setting: Setting
    block: Block | None
    uses: float


def options(space: SearchSpace) -> Iterator[Option]:
    """Every section that an architecture of the space can have."""
    stages = space.layout.stages
    for width in stages[0].width:
        yield Option(Setting("embed", width), None, 1 / len(stages[0].width))
    for stage, (before, choices) in enumerate(pairwise(stages), 1):
        for in_width in before.width:
            for width in choices.width:
                uses = 1 / (len(before.width) * len(choices.width))
                yield Option(Setting("reduction", width, stage, in_width=in_width), None, uses)
    for stage, choices in enumerate(stages):
        yield from _halves(space, stage, choices)
    for width in stages[-1].width:
        yield Option(Setting("head", width, len(stages) - 1), None, 1 / len(stages[-1].width))


def _halves(space: SearchSpace, stage: int, choices: StageChoices) -> Iterator[Option]:
    depth = sum(choices.depth) / len(choices.depth)
    ways = len(choices.width) * len(space.residual) * len(space.hidden_specs)
    uses = {
        "token_mixer": depth / ways / len(space.token_specs),
        "channel_mixer": depth / ways / len(space.channel_specs),
    }
    for width in choices.width:
        for residual in space.residual:
            for hidden in space.hidden_specs:
                for slot, block in representative_blocks(space):
                    setting = half(slot, block, width, stage, residual, hidden)
                    yield Option(setting, block, uses[slot])


def representative_blocks(space: SearchSpace) -> Iterator[tuple[str, Block]]:
    """Blocks that between them hold every mixer of the space, each with the slot whose mixer it stands for.

    Both halves of one block are traced together, so walking them in step saves half of the runs.
    """
    specs = {"token_mixer": space.token_specs, "channel_mixer": space.channel_specs}
    for slot, other in (SLOTS, SLOTS[::-1]):
        for index, spec in enumerate(specs[slot]):
            partner = specs[other][index % len(specs[other])]
            if kind_of(spec) == kind_of(partner) == "none":
                partner = next(candidate for candidate in specs[other] if kind_of(candidate) != "none")
            yield slot, Block(**{slot: spec, other: partner})  # type: ignore[arg-type]


def _stages_of_blocks(architecture: Architecture) -> list[int]:
    """The stage of every block."""
    depths = [stage.depth for stage in architecture.stages] or [architecture.depth]
    return [stage for stage, depth in enumerate(depths) for _ in range(depth)]
