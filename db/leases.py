"""Leases: a claim that holds for a time, in the database's own clock, and is anybody's when it has run out."""

from __future__ import annotations

from datetime import timedelta

from ..errors import InputError


def lease(seconds: float) -> timedelta:
    """The length of a lease.

    Raises:
        InputError: it has none, or no end.
    """
    if not 0 < seconds < timedelta.max.total_seconds():
        raise InputError(f"seconds: of a lease must be above 0; got {seconds!r}")
    return timedelta(seconds=seconds)


def require_name(worker: str) -> None:
    """A claim is made in a name. Raises InputError where there is none."""
    if not worker:
        raise InputError("worker: its name must not be empty; got ''")
