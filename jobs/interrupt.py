"""A signal that ends what runs in its own way."""

from __future__ import annotations


def as_interrupt(number: int, frame: object) -> None:
    """A signal's handler that does what Ctrl-C does."""
    raise KeyboardInterrupt
