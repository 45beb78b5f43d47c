"""How workers tell the driver what happens: a mailbox on the cluster, emptied by the driver while it waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import ray

POLL_SECONDS = 0.5


@ray.remote(num_cpus=0)
class Mailbox:
    """Messages of workers in the order of their arrival."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []

    def put(self, message: dict[str, Any]) -> None:
        self._messages.append(message)

    def empty(self) -> list[dict[str, Any]]:
        messages, self._messages = self._messages, []
        return messages


def run_while_reading(work: Callable[[], Any], mailbox: Any, on_message: Callable[[dict[str, Any]], None]) -> Any:
    """Run blocking `work` beside a loop that hands every message to `on_message` in the calling thread.

    The caller's thread stays free to be interrupted; what `work` raises is raised here.
    """
    outcome: dict[str, Any] = {}

    def target() -> None:
        try:
            outcome["value"] = work()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(POLL_SECONDS)
        for message in ray.get(mailbox.empty.remote()):
            on_message(message)
    for message in ray.get(mailbox.empty.remote()):
        on_message(message)
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]
