"""One point of a search space, and the content hash by which it is known everywhere."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any

from pydantic import Field, PositiveInt, ValidationError

from .operators import ChannelMixer, Spec, TokenMixer

DIGEST_LENGTH = 16


class Block(Spec):
    """One layer: a token mixer and a channel mixer, each behind its own norm and added to the residual stream."""

    token_mixer: TokenMixer
    channel_mixer: ChannelMixer


class Architecture(Spec):
    """A width and an ordered tuple of blocks. What the task adds (vocabulary, context) is not part of it."""

    width: PositiveInt
    blocks: tuple[Block, ...] = Field(min_length=1)

    @property
    def depth(self) -> int:
        return len(self.blocks)

    @property
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
        return [_without_defaults(item) for item in value]
    return value
