"""How the halves of blocks join the residual stream: one file per topology, one line here.

A topology has `enter` (from the embedding to the stream), `join` (one block's halves) and `leave` (to the final norm).
What flows between blocks is its own affair; a half is a function from what a mixer reads to what it writes.
"""

from __future__ import annotations

from typing import Any

from .ladder import Ladder
from .parallel import Parallel
from .sequential import Sequential

RESIDUALS: dict[str, Any] = {
    "sequential": Sequential,
    "parallel": Parallel,
    "ladder": Ladder,
}

__all__ = ["RESIDUALS"]
