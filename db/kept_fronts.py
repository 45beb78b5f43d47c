"""Fronts kept in memory between batches, so that a batch does not read the whole front before it adds to it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime

from .front import Front

JOBS_KEPT = 64

# When the job was made, and how many evaluations it has: another process that wrote to the job has moved the second,
# and a job deleted and made again differs in the first.
Stamp = tuple[datetime, int]
Fronts = dict[str, Front]


class KeptFronts:
    """The fronts of the jobs written last, each good for as long as its job's row bears the same stamp.

    Who takes a job's fronts has them alone and gives them back when what they changed is committed. A transaction that
    fails gives nothing back, and the next one reads them anew.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Stamp, Fronts]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, job_id: str, stamp: Stamp) -> Fronts:
        """The job's fronts by fidelity where they are still good; empty otherwise."""
        with self._lock:
            kept = self._kept.pop(job_id, None)
        return kept[1] if kept is not None and kept[0] == stamp else {}

    def give_back(self, job_id: str, stamp: Stamp, fronts: Fronts) -> None:
        """Keep a job's fronts as they are at this stamp."""
        with self._lock:
            self._kept[job_id] = (stamp, fronts)
            while len(self._kept) > JOBS_KEPT:
                self._kept.popitem(last=False)
