"""What a model is asked to do while it is timed: phase, batch and sequence length."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..errors import InputError
from ..supernet import ImageShape, ModelShape, Shape

PHASES = ("prefill", "decode", "train")


@dataclass(frozen=True)
class Workload:
    """One phase at one size.

    `prefill` reads `seq_len` tokens at once; `decode` adds one token while `seq_len` tokens are already cached; `train`
    is one update on `batch` sequences of `seq_len` tokens (see `training_step`).

    Raises:
        InputError: the phase is unknown or a size is out of its range.
    """

    phase: str
    batch: int
    seq_len: int

    def __post_init__(self) -> None:
        if self.phase not in PHASES:
            raise InputError(f"phase: one of {', '.join(PHASES)}; got {self.phase!r}")
        if self.batch < 1:
            raise InputError(f"batch: at least 1; got {self.batch}")
        if self.seq_len < self._least_tokens:
            raise InputError(f"seq_len: at least {self._least_tokens} for {self.phase}; got {self.seq_len}")

    @property
    def _least_tokens(self) -> int:
        return 0 if self.phase == "decode" else 1

    @property
    def tokens(self) -> int | None:
        """How many tokens are read at once; None when it is one per sequence."""
        return None if self.phase == "decode" else self.seq_len

    def check(self, shape: Shape) -> None:
        """Refuse a workload that does not fit the task. Decoding needs a place for the new token as well.

        Raises:
            InputError: the context is too short; an image is not read whole, or is asked to decode.
        """
        phases = (*shape.phases, "train")
        if self.phase not in phases:
            raise InputError(f"phase: {' or '.join(phases)} for images; got {self.phase!r}")
        # An update reads what prefill reads.
        most = shape.most_tokens("prefill" if self.phase == "train" else self.phase)
        if isinstance(shape, ImageShape) and self.seq_len != most:
            raise InputError(f"seq_len: {most}, the places that an image has behind the stem; got {self.seq_len}")
        if isinstance(shape, ModelShape) and self.seq_len > most:
            raise InputError(
                f"seq_len: at most {most} for {self.phase} in a context of {shape.context} tokens; got {self.seq_len}"
            )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
