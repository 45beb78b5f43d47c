"""The controller: claims queued jobs and commands from the ledger, and has each done in a process of its own."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from dataclasses import dataclass

from ...db import Ledger, LedgerUnavailable, open_ledger
from ...errors import InputError
from .command_run import CommandRun
from .job_run import JobRun
from .places import Places

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How a controller works: so many jobs at once beside one command.

    It looks every `poll_s`, holds what it claims for `lease_s` at a time, and gives its jobs `grace_s` to end when it
    ends itself.
    """

    parallel: int = 1
    lease_s: float = 60.0
    poll_s: float = 0.5
    grace_s: float = 60.0

    def __post_init__(self) -> None:
        if self.parallel < 1:
            raise InputError(f"parallel: at least 1 job at once; got {self.parallel}")


class Controller:
    """One controller of a ledger. Several may work on one: each job and command goes to one of them."""

    def __init__(self, places: Places, settings: Settings) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self._places, self._settings = places, settings
        self._jobs: list[JobRun] = []
        self._command: CommandRun | None = None
        self._renew_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then interrupt what runs, give it back to the queue and take leave.

        Raises:
            InputError: the ledger cannot be opened, or an address of a cluster or the like is wrong.
        """
        with open_ledger(self._places.database, create=False) as ledger:
            log.info("controller %s begins", self.name)
            try:
                while not stop.wait(self._settings.poll_s):
                    self._step(ledger)
            finally:
                self._end(ledger)

    def _step(self, ledger: Ledger) -> None:
        """Look after what runs, then claim what waits. While the ledger is away what runs runs on."""
        try:
            if time.monotonic() >= self._renew_at:
                self._renew(ledger)
            self._tend()
            self._claim(ledger)
        except LedgerUnavailable as error:
            log.warning("%s; trying again", error)

    def _renew(self, ledger: Ledger) -> None:
        lease_s = self._settings.lease_s
        ledger.announce(self.name, socket.gethostname(), lease_s)
        self._jobs = [job for job in self._jobs if job.renew(lease_s)]
        if self._command is not None and not self._command.renew(lease_s):
            self._command = None
        self._renew_at = time.monotonic() + lease_s / 3

    def _tend(self) -> None:
        self._jobs = [job for job in self._jobs if not job.tend()]
        if self._command is not None and self._command.tend():
            self._command = None

    def _claim(self, ledger: Ledger) -> None:
        lease_s = self._settings.lease_s
        while len(self._jobs) < self._settings.parallel:
            job = ledger.claim_job(self.name, lease_s)
            if job is None:
                break
            self._jobs.append(JobRun(ledger, self._places.database, job, self.name))
        if self._command is None:
            command = ledger.claim_command(self.name, lease_s)
            if command is not None:
                self._command = CommandRun(ledger, self._places, command, self.name, lease_s)

    def _end(self, ledger: Ledger) -> None:
        log.info("controller %s ends, and with it %d running jobs", self.name, len(self._jobs))
        for job in self._jobs:
            job.interrupt()
        give_up = time.monotonic() + self._settings.grace_s
        while any(job.has_process() for job in self._jobs) and time.monotonic() < give_up:
            self._renew_while_ending(ledger)
            time.sleep(min(0.1, self._settings.poll_s))
        try:
            for job in self._jobs:
                job.hand_back()
            if self._command is not None:
                self._command.hand_back()
            ledger.take_leave(self.name)
        except LedgerUnavailable as error:  # the claims run out by themselves
            log.warning("%s; what was claimed is left to its lease", error)
        log.info("controller %s has ended", self.name)

    def _renew_while_ending(self, ledger: Ledger) -> None:
        if time.monotonic() >= self._renew_at:
            try:
                self._renew(ledger)
            except LedgerUnavailable as error:
                log.warning("%s", error)
