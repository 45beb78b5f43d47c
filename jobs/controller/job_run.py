"""A job that a controller has claimed: its process, begun again when it died, and what became of the job."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from pathlib import Path

from ...db import Job, Ledger, LedgerUnavailable
from ...errors import InputError
from ..log_file import LOG_FILE
from . import child

log = logging.getLogger(__name__)

MOST_RESTARTS = 3
FIRST_PAUSE_S = 1.0
ENDED = ("done", "failed", "interrupted")


class JobRun:
    """One claimed job. `tend` it often; it says when it is over.

    A process that died by a signal or by what is not the job's own is begun again, after a pause that doubles, until
    it has died `MOST_RESTARTS` times without getting any further.
    """

    def __init__(self, ledger: Ledger, database: str, job: Job, worker: str) -> None:
        self.job_id = job.id
        self._ledger, self._database, self._worker = ledger, database, worker
        self._log = Path(job.run_dir) / LOG_FILE
        self._reached = _progress(job)
        self._restarts = 0
        self._start_at = time.monotonic()
        self._process: subprocess.Popen[bytes] | None = None

    def tend(self) -> bool:
        """Start it, see how it ended, start it again. True where it is over and its claim given up."""
        if self._process is None:
            return time.monotonic() >= self._start_at and not self._start()
        code = self._process.poll()
        if code is None:
            return False
        job = self._claimed()
        if job is None:
            return True
        if job.stop_asked or (job.state in ENDED and code in (0, child.FAILED, child.INTERRUPTED)):
            self._give_up(job)
            return True
        return self._died(job, code)

    def renew(self, seconds: float) -> bool:
        """Hold the claim on. False where it was lost: the process is killed, as another runs the job."""
        try:
            held = self._ledger.renew(self.job_id, self._worker, seconds)
        except LedgerUnavailable:
            raise
        except InputError:  # the job was deleted
            held = False
        if not held and self._process is not None:
            log.warning("%s: its claim was lost, its process is ended", self.job_id)
            child.kill(self._process)
        return held

    def interrupt(self) -> None:
        """Ask its process to end, so that the job can be taken up again."""
        if self._process is not None:
            child.interrupt(self._process)

    def has_process(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    def hand_back(self) -> None:
        """End what is left of its process, and give the job to the next worker unless it has ended."""
        if self._process is not None:
            child.kill(self._process)
        job = self._claimed()
        if job is not None:
            self._give_up(job)

    def _give_up(self, job: Job) -> None:
        """Let go of the claim. What was interrupted without being asked to stop waits for the next worker."""
        self._ledger.release(job.id, self._worker, job.state if job.state in ("done", "failed") else "queued")

    def _start(self) -> bool:
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            arguments = (self.job_id, self._worker, os.getpid())
            self._process = child.start("job_process", self._database, *arguments, log=self._log)
        except OSError as error:
            self._fail(f"{self._log.parent}: a run folder that can be written; {error.strerror}")
            return False
        log.info("%s: runs in process %d", self.job_id, self._process.pid)
        return True

    def _died(self, job: Job, code: int) -> bool:
        """Begin again, or not: its process died before the job had ended."""
        self._process = None
        reached = _progress(job)
        self._restarts = 1 if reached != self._reached else self._restarts + 1
        self._reached = reached
        said = f"its driver {child.words_for(code)}"
        if self._restarts > MOST_RESTARTS:
            self._fail(f"{said}, {self._restarts} times without getting further; see {self._log}")
            return True
        pause_s = FIRST_PAUSE_S * 2 ** (self._restarts - 1)
        log.warning("%s: %s; again in %g s", self.job_id, said, pause_s)
        self._ledger.set_state(self.job_id, "running", worker=self._worker)
        self._ledger.add_event(self.job_id, job.stage, "retry", f"{said}; begun again from what it left")
        self._start_at = time.monotonic() + pause_s
        return False

    def _fail(self, reason: str) -> None:
        log.error("%s: %s", self.job_id, reason)
        self._ledger.set_state(self.job_id, "failed", error=reason, worker=self._worker)
        self._ledger.release(self.job_id, self._worker, "failed")

    def _claimed(self) -> Job | None:
        """The job while it is there and claimed by this worker."""
        try:
            job = self._ledger.job(self.job_id)
        except LedgerUnavailable:
            raise
        except InputError:
            return None
        return job if (job.id, job.claimed_by) == (self.job_id, self._worker) else None


def _progress(job: Job) -> tuple[object, ...]:
    return job.stage, job.done, job.evaluations
