"""The common ground of every spec: frozen, validated, plain JSON and back."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """A frozen value that describes one instance of something a model is built from.

    Unknown keys and wrong types are refused; a spec is hashable and turns into plain JSON and back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
