"""The commands there are: one line per kind."""

from __future__ import annotations

from .command import Work
from .exporting import export
from .launching import launch
from .pricing import price

COMMANDS: dict[str, Work] = {"launch": launch, "price": price, "export": export}
