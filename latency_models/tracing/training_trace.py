"""One section's part of a training step, run on fake tensors: forward, backward and the update of its parameters.

Autograd itself runs, so what is saved, when it is freed and how gradients add up is what really happens. Two things of
a whole model are seen section by section. The norms of all gradients are taken by one call, and scaled by another: here
by two for every section. The balance losses of routers are averaged by a few calls on scalars: these are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from ...search_space import Block, Nothing, kind_of
from ...supernet.optimizer import adamw, update
from ...supernet.routing import Routing, balance_loss, watch_routers
from ...supernet.trainer import cross_entropy
from ..calls import LayerCall
from ..workload import Workload
from . import decode_state
from .boundary import Sink, Source
from .examples import example_targets
from .fake_parts import FakeParts
from .foreach_fakes import foreach_fakes
from .recorder import Recorder
from .section import Section
from .sections import Setting
from .training_step import TRAINING


def training_section(parts: FakeParts, setting: Setting, workload: Workload) -> Section:
    """What a section costs in one training step.

    To be called under a FakeTensorMode and `torch.device(parts.device)`.
    """
    nothing = setting.spec is not None and kind_of(setting.spec) == "none"
    section = Section((), 0, 0, 0, 0, 0) if nothing else _Step(parts, setting, workload).take()
    if setting.spec is None or setting.residual == "sequential":
        return section
    return in_stream(section, setting, parts.stream_bytes(setting, workload))


def in_stream(section: Section, setting: Setting, stream_bytes: int) -> Section:
    """A half, traced in a sequential residual stream, as it is in another one.

    Halves in parallel read the same tensor: the first half of a block saves it, whether or not it is there itself.
    What they have read is needed until both are through, as is the pending output of a ladder.
    """
    if setting.residual == "parallel" and setting.slot == "channel_mixer":
        return replace(section, saved_bytes=max(0, section.saved_bytes - stream_bytes))
    if not section.calls:
        saved = stream_bytes if setting.residual == "parallel" else 0
        return replace(section, peak_bytes=saved, saved_bytes=saved)
    pending = stream_bytes if setting.residual == "ladder" else 0
    return replace(
        section, peak_bytes=section.peak_bytes + pending, backward_bytes=section.backward_bytes + stream_bytes
    )


class _Step:
    """A section and all that it takes to train it."""

    def __init__(self, parts: FakeParts, setting: Setting, workload: Workload) -> None:
        self.parts, self.setting, self.workload = parts, setting, workload
        self.model, self.run = _runnable(parts, setting)
        self.parameters = {f"{setting.slot}.{name}": tensor for name, tensor in self.model.named_parameters()}
        self.optimizer = adamw(self.parameters, TRAINING)
        for parameter in self.parameters.values():
            self.optimizer.state[parameter] = _state_of(parameter)
        self.recorder = Recorder("forward")
        self.inputs = self.recorder.hold(parts.example(workload))
        self.targets = self.recorder.hold(example_targets(parts.shape, workload))
        self.anchor, self.one = torch.empty((), requires_grad=True), torch.empty(())

    def take(self) -> Section:
        recorder = self.recorder
        around, marks = recorder.memory.alive, []
        with recorder, torch.enable_grad():
            for phase in self._phases():
                marks.append(recorder.memory.alive - around)
                recorder.enter(phase)
        saved, kept = marks[:2]
        state = list(decode_state.tensors(list(self.optimizer.state.values())))
        fixed = [*self.parameters.values(), *self.model.buffers(), *state]
        return Section(
            calls=tuple(recorder.calls if self.setting.slot == "head" else _own(recorder.calls)),
            param_count=sum(parameter.numel() for parameter in self.parameters.values()),
            fixed_bytes=decode_state.state_bytes(fixed),
            state_bytes=0,
            held_bytes=0,
            peak_bytes=recorder.peaks["forward"],
            saved_bytes=saved,
            backward_bytes=recorder.peaks["backward"],
            kept_bytes=kept,
            update_bytes=recorder.peaks["update"] - kept,
        )

    def _phases(self) -> Iterator[str]:
        """Runs the step; yields the name of every phase before it begins, but the first."""
        with watch_routers(self.model) as routings:
            loss = self._loss(routings)
        yield "backward"
        loss.backward(None if self.setting.slot == "head" else self.one)
        yield "update"
        with foreach_fakes():
            update(self.optimizer, self.parameters.values(), TRAINING, 0)
        if self.setting.slot == "head":
            loss.item()

    def _loss(self, routings: list[Routing]) -> Tensor:
        """The loss at the head; elsewhere a stand-in, whose gradients are made up."""
        if self.setting.slot == "head":
            return cross_entropy(self.run(self._entered()), self.targets)
        return self._sink(self.run(self._entered()), routings)

    def _sink(self, out: Tensor, routings: list[Routing]) -> Tensor:
        return Sink.apply(self.recorder, out, *(balance_loss(routing) for routing in routings))

    def _entered(self) -> Tensor:
        if self.setting.slot == "embed":
            return self.inputs
        return Source.apply(self.anchor, self.recorder, lambda: self.parts.entering_stream(self.setting, self.workload))


def _state_of(parameter: Tensor) -> dict[str, Tensor]:
    """What AdamW keeps of a parameter once it has updated it."""
    moments = {name: torch.empty_like(parameter, requires_grad=False) for name in ("exp_avg", "exp_avg_sq")}
    return {"step": torch.ones((), device="cpu"), **moments}


def _own(calls: list[LayerCall]) -> list[LayerCall]:
    """The calls without those that clip all of a model's gradients together, between their norms and the scaling."""
    names = [one.call.op for one in calls]
    first, last = names.index("aten._foreach_norm.Scalar"), names.index("aten._foreach_mul_.Tensor")
    return calls[: first + 1] + calls[last:]


def _runnable(parts: FakeParts, setting: Setting) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
    if setting.spec is None:
        modules, run = parts.end(setting)
        return nn.ModuleList(modules), run
    alone = {"token_mixer": Nothing(), "channel_mixer": Nothing(), setting.slot: setting.spec}
    block = parts.block(setting, Block(**alone), "sequential")  # type: ignore[arg-type]
    return block, block
