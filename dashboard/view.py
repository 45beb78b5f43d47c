"""What the job page shows, as the query of its address says it: two axes, a scale and a fidelity."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from urllib.parse import parse_qsl, urlencode

from ..errors import InputError
from .numbers import QUANTITIES

AXES = tuple(QUANTITIES)
CHOICES = {"x": AXES, "y": AXES, "scale": ("linear", "log"), "front": ("inherited", "finetuned")}


@dataclass(frozen=True)
class View:
    """The state of the Pareto figure. What stands at its default is left out of the address.

    `front` is the fidelity whose front is drawn and listed.
    """

    x: str = "latency_ms"
    y: str = "val_loss"
    scale: str = "linear"
    front: str = "inherited"

    @classmethod
    def parse(cls, search: str | None) -> View:
        """Read `?x=param_count&scale=log`.

        Raises:
            InputError: an unknown key, or a value that is not one of the key's choices.
        """
        pairs = dict(parse_qsl((search or "").lstrip("?"), keep_blank_values=True))
        for key, value in pairs.items():
            if key not in CHOICES:
                raise InputError(f"address: the view has the keys {', '.join(CHOICES)}; got {key!r}")
            if value not in CHOICES[key]:
                raise InputError(f"address: {key}: one of {', '.join(CHOICES[key])}; got {value!r}")
        return cls(**pairs)

    @property
    def search(self) -> str:
        """The query that `parse` reads back, question mark included; empty for the default view."""
        changed = {f.name: value for f in fields(self) if (value := asdict(self)[f.name]) != f.default}
        return f"?{urlencode(changed)}" if changed else ""


def read_view(search: str | None) -> tuple[View, str | None]:
    """The view of an address and, where the address is wrong, the default view with the line that says why."""
    try:
        return View.parse(search), None
    except InputError as error:
        return View(), str(error)
