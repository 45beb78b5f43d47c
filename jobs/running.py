"""A job while it runs: its state in the ledger on every way out, and who asks it to end."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..db import Ledger, LedgerUnavailable, Node
from ..errors import InputError
from ..evaluators.cluster import present_nodes
from .interrupt import as_interrupt

LOOK_SECONDS = 2.0
# A library may catch an interrupt; so much later it comes again.
AGAIN_SECONDS = 60.0
LONGEST_REASON = 1000


@contextmanager
def running(
    ledger: Ledger, job_id: str, worker: str | None = None, abandoned: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Run a job in the main thread; on every way out its state says how it ended, unless its `worker` lost its claim.

    Every two seconds a thread looks whether the job was asked to stop, or `abandoned` says that nobody waits for it
    any more, and interrupts it then as Ctrl-C does. It also writes down the nodes of the cluster as they come and go.
    """
    ledger.set_state(job_id, "running", worker=worker)
    try:
        with _watched(_Watch(ledger, job_id, abandoned)):
            yield
    except KeyboardInterrupt:
        ledger.set_state(job_id, "interrupted", worker=worker)
        raise
    except Exception as error:
        ledger.set_state(job_id, "failed", error=reason_of(error), worker=worker)
        raise


def reason_of(error: Exception) -> str:
    """What an error says, in one line; of one that the user can mend just that."""
    said = " ".join(str(error).split())[:LONGEST_REASON]
    return said if isinstance(error, InputError) else f"{type(error).__name__}: {said}"


class _Watch(threading.Thread):
    def __init__(self, ledger: Ledger, job_id: str, abandoned: Callable[[], bool]) -> None:
        super().__init__(name=f"watch-{job_id}", daemon=True)
        self._ledger, self._job_id, self._abandoned = ledger, job_id, abandoned
        self._ended = threading.Event()
        self._nodes: list[Node] = []
        self._interrupted_at: float | None = None

    def run(self) -> None:
        while True:
            try:
                self._look()
            except LedgerUnavailable:
                pass  # the next look may find it again
            except InputError:
                return  # the job was deleted: its next write tells the main thread
            if self._ended.wait(LOOK_SECONDS):
                return

    def end(self) -> None:
        """Look no more; the nodes that were there have left."""
        self._ended.set()
        self.join(timeout=LOOK_SECONDS)
        with contextlib.suppress(InputError):
            self._see([])

    def _look(self) -> None:
        if self._abandoned() or self._ledger.stop_asked(self._job_id):
            self._interrupt()
        nodes = [Node(**vars(node)) for node in present_nodes()]
        if not self._ended.is_set():  # a cluster that is gone may take long to say nothing
            self._see(nodes)

    def _see(self, nodes: list[Node]) -> None:
        if nodes != self._nodes:
            self._ledger.see_nodes(self._job_id, nodes)
            self._nodes = nodes

    def _interrupt(self) -> None:
        moment = time.monotonic()
        if self._ended.is_set() or (self._interrupted_at and moment < self._interrupted_at + AGAIN_SECONDS):
            return
        self._interrupted_at = moment
        # A real signal wakes what waits in the system; SIGINT may be ignored, as in a shell's background.
        main = threading.main_thread().ident
        assert main is not None, "the main thread runs"
        signal.pthread_kill(main, signal.SIGTERM)


@contextmanager
def _watched(watch: _Watch) -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, as_interrupt)
    watch.start()
    try:
        yield
    finally:
        watch.end()
        signal.signal(signal.SIGTERM, before)
