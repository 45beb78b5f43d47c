"""The process that a controller runs a claimed job in: `python -m frontier.jobs.controller.job_process`.

It ends by itself when its controller is gone, and leaves the job to the next one.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from dataclasses import dataclass

from ray import exceptions as lost

from ...db import Ledger, LedgerUnavailable, open_ledger
from ...errors import InputError
from ..driver import carry_on
from ..interrupt import as_interrupt
from ..reporter import Silent
from ..run_folder import HeldByAnother
from ..running import reason_of
from .child import AGAIN, FAILED, INTERRUPTED, database_of_this_process

# A driver whose claim was lost needs so long to notice and to end.
PATIENCE_SECONDS = 120.0
# What happens to a job without its doing: worth another try.
NOT_ITS_OWN = (
    LedgerUnavailable,
    HeldByAnother,
    ConnectionError,
    lost.RaySystemError,
    lost.LocalRayletDiedError,
    lost.NodeDiedError,
    lost.ObjectLostError,
)


@dataclass(frozen=True)
class Claim:
    """A job that a worker has claimed, and the process that works for it."""

    job_id: str
    worker: str
    controller_pid: int

    def abandoned(self) -> bool:
        """Whether the controller is gone."""
        return os.getppid() != self.controller_pid


def carry_out(ledger: Ledger, claim: Claim) -> int:
    """Run the job of a claim to its end, or as far as it gets. Returns the code that says which."""
    try:
        job = ledger.job(claim.job_id)
        carry_on(ledger, job, Silent(), claim.worker, claim.abandoned, PATIENCE_SECONDS)
    except KeyboardInterrupt:
        if claim.abandoned():
            ledger.release(claim.job_id, claim.worker, "queued")
        return INTERRUPTED
    except NOT_ITS_OWN:
        traceback.print_exc()
        return AGAIN
    except Exception as error:
        if not isinstance(error, InputError):
            traceback.print_exc()
        ledger.set_state(claim.job_id, "failed", error=reason_of(error), worker=claim.worker)
        return FAILED
    return 0


def main(job_id: str, worker: str, controller_pid: str) -> int:
    """Run a job for a worker that has claimed it."""
    with open_ledger(database_of_this_process(), create=False) as ledger:
        return carry_out(ledger, Claim(job_id, worker, int(controller_pid)))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, as_interrupt)
    sys.exit(main(*sys.argv[1:]))
