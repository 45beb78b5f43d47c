"""The common ground of every spec: frozen, validated, plain JSON and back."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """A frozen value that describes one instance of something a model is built from.

    Unknown keys and wrong types are refused; a spec is hashable and turns into plain JSON and back. `media` says what a
    token mixer can read: text, where a token sees those before it, or images, where every place sees every other.

    Under tensor parallelism (arXiv 1909.08053) the fields named in `split_over_devices` are divided by the number of
    devices; those in `shared_over_devices` are too, as far as they go: beyond that several devices hold the same one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    media: ClassVar[tuple[str, ...]] = ("text", "image")
    split_over_devices: ClassVar[tuple[str, ...]] = ()
    shared_over_devices: ClassVar[tuple[str, ...]] = ()

    def check_grid(self) -> None:
        """Whether this token mixer works on images at these values.

        Raises:
            ValueError: starting with the field, then the rule and the value.
        """

    def per_device(self, devices: int) -> Self:
        """What one device holds of this operator, itself where nothing of it can be split.

        Raises:
            ValueError: starting with the field, then the rule and the value.
        """
        parts: dict[str, Any] = {}
        for name in (*self.split_over_devices, *self.shared_over_devices):
            count = getattr(self, name)
            if name in self.shared_over_devices and count and devices % count == 0:
                parts[name] = 1
            elif count % devices:
                raise ValueError(f"{name}: is divided by the {devices} devices it is split over; got {count}")
            else:
                parts[name] = count // devices
        return type(self).model_validate({**self.model_dump(), **parts})


def kind_of(spec: Spec) -> str:
    """The kind of an operator's spec: every spec of the tables has one, the base has not."""
    return str(getattr(spec, "kind"))  # noqa: B009
