"""What workers tell reaches the driver once, also when the mailbox in between is killed."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
import ray

from frontier.evaluators.progress import Mailbox, Outbox, run_while_reading

KILLED = (3, 17)
COUNT = 30


@ray.remote(num_cpus=0)
def pid_of(mailbox: Any) -> int:
    return ray.get(mailbox.__ray_call__.remote(lambda _: os.getpid()))


@pytest.mark.usefixtures("cluster")
def test_messages_outlive_their_mailbox() -> None:
    mailbox = Mailbox.remote()  # type: ignore[attr-defined]

    def work() -> str:
        outbox = Outbox(mailbox)
        for number in range(COUNT):
            outbox.send({"number": number})
            if number in KILLED:
                os.kill(ray.get(pid_of.remote(mailbox)), signal.SIGKILL)
        outbox.deliver()
        return "done"

    heard: list[int] = []
    assert run_while_reading(work, mailbox, lambda message: heard.append(message["number"])) == "done"
    assert sorted(heard) == list(range(COUNT))


@pytest.mark.usefixtures("cluster")
def test_what_fails_is_raised_after_what_was_said() -> None:
    mailbox = Mailbox.remote()  # type: ignore[attr-defined]

    def work() -> None:
        outbox = Outbox(mailbox)
        outbox.send({"said": 1})
        outbox.deliver()
        raise ValueError("no further")

    heard: list[dict[str, Any]] = []
    with pytest.raises(ValueError, match="no further"):
        run_while_reading(work, mailbox, heard.append)
    assert heard == [{"said": 1}]
