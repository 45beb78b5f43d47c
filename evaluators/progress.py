"""How workers tell the driver what happens: through a mailbox on the cluster, which may be lost like any process.

Whoever sends keeps a message until the driver has it, and sends it again with the next; the driver takes each once.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import ray
from ray.exceptions import RayError

POLL_SECONDS = 0.1
# So long a sender waits for a driver that is busy; then it works on, and its messages go out again with the next.
PATIENCE_SECONDS = 60.0

Message: TypeAlias = dict[str, Any]
# Who sent it, and its number among those of that sender.
Key: TypeAlias = tuple[str, int]


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Mailbox:
    """Messages in the order of their arrival, until the driver has them. Begun anew, it is empty."""

    def __init__(self) -> None:
        self._waiting: dict[Key, Message] = {}
        self._taken: set[Key] = set()

    def put(self, messages: Mapping[Key, Message]) -> list[Key]:
        """Hand messages in, some maybe again. Returns which of them the driver has."""
        self._waiting |= {key: message for key, message in messages.items() if key not in self._taken}
        return [key for key in messages if key in self._taken]

    def take(self, taken: list[Key]) -> dict[Key, Message]:
        """What waits; `taken` is what the driver has by now."""
        self._taken.update(taken)
        self._waiting = {key: message for key, message in self._waiting.items() if key not in self._taken}
        return self._waiting


class Outbox:
    """One sender's way to the driver."""

    def __init__(self, mailbox: Any) -> None:
        self._mailbox = mailbox
        self._name = secrets.token_hex(8)
        self._count = 0
        self._kept: dict[Key, Message] = {}

    def send(self, message: Message) -> None:
        """Hand a message in and work on."""
        self._count += 1
        self._kept[self._name, self._count] = message
        self._mailbox.put.remote(self._kept)

    def deliver(self) -> None:
        """Wait until the driver has every message, but no longer than `PATIENCE_SECONDS`."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while self._kept and time.monotonic() < give_up:
            try:
                for key in ray.get(self._mailbox.put.remote(self._kept)):
                    del self._kept[key]
            except RayError:  # the mailbox is being begun anew
                pass
            if self._kept:
                time.sleep(POLL_SECONDS / 2)


class _Inbox:
    """The driver's end: each message is handed on once, however often it is sent."""

    def __init__(self, mailbox: Any, on_message: Callable[[Message], None]) -> None:
        self._mailbox, self._on_message = mailbox, on_message
        self._seen: set[Key] = set()
        self._last: list[Key] = []

    def read(self) -> None:
        messages = ray.get(self._mailbox.take.remote(self._last))
        for key, message in messages.items():
            if key not in self._seen:
                self._on_message(message)
                self._seen.add(key)
        self._last = list(messages)


def run_while_reading(work: Callable[[], Any], mailbox: Any, on_message: Callable[[Message], None]) -> Any:
    """Run blocking `work` beside a loop that hands every message to `on_message` in the calling thread.

    The caller's thread stays free to be interrupted; what `work` raises is raised here.
    """
    inbox = _Inbox(mailbox, on_message)
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
        inbox.read()
    inbox.read()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]
