"""What the pool says of one architecture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["complete", "given_up", "failed"]


@dataclass(frozen=True)
class Score:
    """An architecture's loss on the validation examples, in nats per example, or why there is none.

    Attributes:
        val_loss: None when it failed. Of one that was given up, what its loss on all examples is estimated to be.
        seconds: what its last attempt took on the worker, 0 where the worker did not live to say.
        reason: why it failed or was given up.
        attempts: how often it was begun.
        share_seen: of the validation examples, below 1 when it was given up.
    """

    digest: str
    val_loss: float | None
    seconds: float
    worker: str
    reason: str | None = None
    attempts: int = 1
    share_seen: float = 1.0

    @property
    def state(self) -> State:
        if self.reason is None:
            return "complete"
        return "failed" if self.val_loss is None else "given_up"
