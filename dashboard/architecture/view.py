"""What the page of an architecture shows, as the query of its address says it: a phase, and what bars stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from ...errors import InputError
from ..choices import given_choices

PHASES = ("prefill", "decode", "train")
BY = {"layer": "Layers", "op": "Kernels"}
CHOICES = {"phase": PHASES, "by": tuple(BY)}


@dataclass(frozen=True)
class ArchitectureView:
    """The state of the latency figures. No `phase` means the phase of the job's own latency."""

    phase: str = ""
    by: str = "layer"

    @classmethod
    def parse(cls, search: str | None) -> ArchitectureView:
        """Read `?phase=decode&by=op`.

        Raises:
            InputError: an unknown key, or a value that is not one of the key's choices.
        """
        return cls(**given_choices(search, CHOICES))

    @property
    def search(self) -> str:
        """The query that `parse` reads back, question mark included; empty for the default view."""
        pairs = {"phase": self.phase, "by": self.by if self.by != "layer" else ""}
        query = urlencode({key: value for key, value in pairs.items() if value})
        return f"?{query}" if query else ""

    def shown_phase(self, phases: Sequence[str], own: str) -> str:
        """Which of `phases` is drawn: the one asked for, else the job's `own`, else the first. Empty for none."""
        return next((phase for phase in (self.phase, own, *phases) if phase in phases), "")


def read_view(search: str | None) -> tuple[ArchitectureView, str | None]:
    """The view of an address and, where the address is wrong, the default view with the line that says why."""
    try:
        return ArchitectureView.parse(search), None
    except InputError as error:
        return ArchitectureView(), str(error)
