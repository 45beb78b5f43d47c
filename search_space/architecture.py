"""One point of a search space, and the content hash by which it is known everywhere."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, Literal, Self, get_args

from pydantic import Field, PositiveInt, ValidationError, model_validator

from .hidden import Dense, Hidden
from .operators import ChannelMixer, Spec, TokenMixer

DIGEST_LENGTH = 16

Residual = Literal["sequential", "parallel", "ladder"]
RESIDUALS: tuple[str, ...] = get_args(Residual)


class Block(Spec):
    """One layer: a token mixer and a channel mixer, each behind its own norm and added to the residual stream.

    Either may be `none`, which leaves that half out; both may not.
    """

    token_mixer: TokenMixer
    channel_mixer: ChannelMixer

    @model_validator(mode="after")
    def _mixes_something(self) -> Self:
        if self.token_mixer.kind == self.channel_mixer.kind == "none":
            raise ValueError("at least one mixer of a block is not none; got none and none")
        return self


class Stage(Spec):
    """Consecutive blocks of an image pyramid that work at one width and one resolution."""

    width: PositiveInt
    depth: PositiveInt


class Architecture(Spec):
    """A residual stream and the ordered blocks around it. What the task adds (vocabulary, context) is not part of it.

    `residual` is how blocks join the stream: `sequential` one after the other; `parallel`, both mixers of a block read
    the same stream (arXiv 2204.02311); `ladder`, a mixer reads the stream before its predecessor's output is added
    (arXiv 2501.06589). `hidden` is what of the width they read. With `stages` the blocks form an image pyramid, one
    stage after the other, each at half the resolution of the one before; `width` is then the first stage's.
    """

    width: PositiveInt
    blocks: tuple[Block, ...] = Field(min_length=1)
    residual: Residual = "sequential"
    hidden: Hidden = Dense()
    stages: tuple[Stage, ...] = ()

    @model_validator(mode="after")
    def _stages_hold_the_blocks(self) -> Self:
        if not self.stages:
            return self
        if self.stages[0].width != self.width:
            raise ValueError(f"stages.0.width is the width, {self.width}; got {self.stages[0].width}")
        if sum(stage.depth for stage in self.stages) != len(self.blocks):
            raise ValueError(f"the stages' depths add up to {len(self.blocks)} blocks; got {self.stages!r}")
        for index, (before, stage) in enumerate(pairwise(self.stages), 1):
            if stage.width < before.width:
                raise ValueError(f"stages.{index}.width is at least the one before, {before.width}; got {stage.width}")
        if self.hidden.kind != "dense":
            raise ValueError(f"hidden is dense in an image pyramid; got {self.hidden.kind}")
        return self

    @model_validator(mode="after")
    def _hidden_fits_the_width(self) -> Self:
        self.hidden.check_width(self.width)
        return self

    @property
    def depth(self) -> int:
        return len(self.blocks)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """The width of every block."""
        if not self.stages:
            return (self.width,) * len(self.blocks)
        return tuple(stage.width for stage in self.stages for _ in range(stage.depth))

    @cached_property
    def canonical(self) -> str:
        """The one spelling of this architecture: sorted keys, every field written except those at their default."""
        return json.dumps(_without_defaults(self), sort_keys=True, separators=(",", ":"))

    @cached_property
    def digest(self) -> str:
        """Content hash of the canonical form: 16 hexadecimal digits."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()[:DIGEST_LENGTH]

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, data: str | dict[str, Any]) -> Architecture:
        """Read an architecture from a JSON text or the object it holds.

        Raises:
            ValueError: one line naming the key path, the rule and the value.
        """
        try:
            return cls.model_validate_json(data if isinstance(data, str) else json.dumps(data))
        except ValidationError as error:
            raise ValueError(first_problem(error)) from None


def first_problem(error: ValidationError) -> str:
    """The first problem of a validation error on one line: key path, rule, value received."""
    problem = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in problem["loc"]) or "(top level)"
    return f"{path}: {problem['msg']}; got {json.dumps(problem['input'], default=str)[:120]}"


def _without_defaults(value: Any) -> Any:
    """Plain data of a spec less the fields that hold their default; `kind` always stays."""
    if isinstance(value, Spec):
        fields = type(value).model_fields
        return {
            name: _without_defaults(getattr(value, name))
            for name, field in fields.items()
            if name == "kind" or getattr(value, name) != field.default
        }
    if isinstance(value, tuple):
        return [_plain_block(item) if isinstance(item, Block) else _without_defaults(item) for item in value]
    return value


# Thousands of architectures share a few hundred blocks. What is kept is read only.
_plain_block = lru_cache(maxsize=2**16)(_without_defaults)
