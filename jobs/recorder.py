"""What a search found, on its way to the ledger: in transactions that are neither many nor late."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..db import Evaluation, Ledger
from ..db.breakdowns import Breakdown

FLUSH_SECONDS = 0.5
FLUSH_ROWS = 500
# So long a search waits for a database that is locked, full or away before it gives up.
PATIENCE_SECONDS = 600.0


class Recorder:
    """Evaluations in the order they were found. Those not written yet when a driver is killed are scored again.

    Args:
        ledger: where they go.
        job_id: whose they are.
        on_written: called after every transaction.
        worker: who has claimed the job, if anybody has; it writes nothing once another has.
    """

    def __init__(self, ledger: Ledger, job_id: str, on_written: Callable[[], None], worker: str | None = None) -> None:
        self._ledger, self._job_id, self._on_written, self._worker = ledger, job_id, on_written, worker
        self._evaluations: list[Evaluation] = []
        self._breakdowns: dict[str, Breakdown] = {}
        self._written_at = time.monotonic()

    def add(self, evaluation: Evaluation, breakdown: Breakdown | None) -> None:
        """One more; written with those that wait, if the last transaction is long ago or they are many."""
        self._evaluations.append(evaluation)
        if breakdown is not None:
            self._breakdowns[evaluation.digest] = breakdown
        if len(self._evaluations) >= FLUSH_ROWS or time.monotonic() - self._written_at >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._evaluations:
            self._ledger.record(
                self._job_id, self._evaluations, self._breakdowns, worker=self._worker, patience_s=PATIENCE_SECONDS
            )
            self._evaluations, self._breakdowns = [], {}
            self._on_written()
        self._written_at = time.monotonic()
