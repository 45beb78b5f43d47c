"""Collectives between the GPUs of one machine."""

from __future__ import annotations

from .family import Family

COLLECTIVE = Family(separate=("op",), smooth=True)
