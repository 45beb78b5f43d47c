"""A controller beside what the main thread does."""

from __future__ import annotations

import signal
import threading

from .controller import Controller


class Beside(threading.Thread):
    """Runs a controller until `end`. If it fails the main thread is interrupted, and `end` raises what it failed with.

    Should the main thread not wait for the end, the jobs' processes notice by themselves that nobody waits for them.
    """

    def __init__(self, controller: Controller) -> None:
        super().__init__(name="controller", daemon=True)
        self._controller = controller
        self._ending = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._controller.run(self._ending)
        except BaseException as error:
            self._error = error
            main = threading.main_thread().ident
            if main is not None and not self._ending.is_set():
                signal.pthread_kill(main, signal.SIGTERM)

    def end(self) -> None:
        """Have the controller give back what it runs, and wait for it. One that was not started has nothing to end."""
        self._ending.set()
        if self.is_alive():
            self.join()
        if self._error is not None:
            raise self._error
