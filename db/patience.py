"""Trying again while the ledger is not available."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from .failures import LedgerUnavailable

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0

T = TypeVar("T")


def patiently(ask: Callable[[], T], patience_s: float) -> T:
    """What `ask` returns, asked again (ever less often) for `patience_s` while the ledger is not available.

    Raises:
        LedgerUnavailable: it still was not when the time was up.
    """
    deadline, pause_s = time.monotonic() + patience_s, FIRST_PAUSE_S
    while True:
        try:
            return ask()
        except LedgerUnavailable:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise
            time.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
