"""`python -m frontier`: the same as the `frontier` command."""

from __future__ import annotations

from .cli import main

main()
