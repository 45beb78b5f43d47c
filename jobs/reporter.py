"""What a running job tells whoever watches it. The terminal shows it; a service would log it."""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Stages with progress, and notes that stay."""

    def stage(self, name: str, total: int) -> None:
        """A new stage of `total` steps begins."""

    def progress(self, done: int, total: int, text: str = "") -> None:
        """How far the stage is, with a short text about its state."""

    def note(self, message: str) -> None:
        """Something worth keeping on the screen."""


class Silent:
    """A reporter for nobody."""

    def stage(self, name: str, total: int) -> None:
        """Nothing is said."""

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Nothing is said."""

    def note(self, message: str) -> None:
        """Nothing is said."""
