"""What a section of a model costs in one workload: its kernel calls and its part of the memory."""

from __future__ import annotations

from dataclasses import dataclass

from ..calls import LayerCall


@dataclass(frozen=True)
class Section:
    """What a section of a model costs in one workload (see `sections`, and `memory` for how bytes compose).

    `fixed_bytes` are parameters and buffers, and in training the optimiser's state; `state_bytes` what `init_state`
    allocates for decoding, `held_bytes` the memory its old and new state hold together during a step (zero but in
    decoding), and `peak_bytes` the most activations alive while it runs forward, its input included.

    The rest is zero but in training. `saved_bytes` is what the forward leaves for the backward, `backward_bytes` the
    most alive while it runs backward (what it saved, gradients that come in, those of its parameters), `kept_bytes`
    what the backward leaves for the update (gradients, decisions of routers) and `update_bytes` the most that the
    update makes beside.
    """

    calls: tuple[LayerCall, ...]
    param_count: int
    fixed_bytes: int
    state_bytes: int
    held_bytes: int
    peak_bytes: int
    saved_bytes: int = 0
    backward_bytes: int = 0
    kept_bytes: int = 0
    update_bytes: int = 0

    @property
    def launches(self) -> int:
        return sum(call.launches for call in self.calls)

    def gaps(self, gap: str) -> int:
        """How many gaps there are of a kind (see `Composition`): before every dispatch or before every kernel."""
        return len(self.calls) if gap == "kernel" else self.launches
