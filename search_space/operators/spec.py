"""The common ground of every spec: frozen, validated, plain JSON and back."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """A frozen value that describes one instance of something a model is built from.

    Unknown keys and wrong types are refused; a spec is hashable and turns into plain JSON and back. `media` says what a
    token mixer can read: text, where a token sees those before it, or images, where every place sees every other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    media: ClassVar[tuple[str, ...]] = ("text", "image")

    def check_grid(self) -> None:
        """Whether this token mixer works on images at these values.

        Raises:
            ValueError: starting with the field, then the rule and the value.
        """


def kind_of(spec: Spec) -> str:
    """The kind of an operator's spec: every spec of the tables has one, the base has not."""
    return str(getattr(spec, "kind"))  # noqa: B009
