"""From an architecture to the kernels it launches: every distinct section is run once on fake tensors.

B batch, T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from ...search_space import Architecture, Block, SearchSpace
from ...supernet import Shape
from ..calls import KernelCall, LayerCall
from ..measuring.cuda_timing import require_cuda
from ..runtime import Runtime
from ..workload import Workload
from . import decode_state
from .fake_parts import FakeParts
from .fusion import fused
from .recorder import Recorder
from .section import Section
from .sections import Setting, members, options
from .training_trace import training_section
from .windows import windowed

HERE = Runtime()


class Tracer:
    """Traces architectures for one shape. What a section launches is kept, so it is traced once.

    `device` is where the model would run; kernels are chosen as that device's dispatch chooses them. Parameters,
    buffers, states and the residual stream are cast to `dtype` as `model.to(dtype)` would cast them. With `compiled`
    the calls are those that a compiler makes of the traced ones (see `fusion` and `windows`).

    Raises:
        InputError: a device that is not there, for its dispatch cannot be asked.
    """

    def __init__(
        self, shape: Shape, device: str = "cpu", dtype: torch.dtype = torch.float32, compiled: bool = False
    ) -> None:
        if device == "cuda":
            require_cuda()
        self.shape = shape
        self.compiled = compiled
        self.parts = FakeParts(shape, device, dtype)
        self._sections: dict[tuple[Setting, Workload], Section] = {}

    def calls(self, architecture: Architecture, workload: Workload) -> list[LayerCall]:
        """Every kernel call of a forward pass or a decoding step in order; of a training step, section by section.

        Raises:
            InputError: the workload does not fit the task.
        """
        return [
            replace(call, layer=layer)
            for layer, section in self.sections(architecture, workload)
            for call in section.calls
        ]

    def sections(self, architecture: Architecture, workload: Workload) -> Iterator[tuple[str, Section]]:
        """The named sections of an architecture in running order."""
        for member in members(architecture):
            yield member.name, self.section(member.setting, member.block, workload)

    def section(self, setting: Setting, block: Block | None, workload: Workload) -> Section:
        """What a section costs. A half of a block is traced with the block it is part of."""
        key = (setting, workload)
        if key not in self._sections:
            workload.check(self.shape)
            for found, section in self._trace(setting, block, workload).items():
                if self.compiled:
                    calls = fused(windowed(section.calls, found[0].spec, workload))
                    section = replace(section, calls=calls)
                self._sections.setdefault(found, section)
        return self._sections[key]

    def _trace(
        self, setting: Setting, block: Block | None, workload: Workload
    ) -> dict[tuple[Setting, Workload], Section]:
        """The section, and others that come with it."""
        if workload.phase != "train" and setting.residual != "sequential":
            # Other topologies launch the same kernels, and hold more tensors of the stream's size while they do: a
            # ladder's second half finds the stream and the pending output that its block was given, and its own.
            plain = self.section(replace(setting, residual="sequential"), block, workload)
            streams = 2 if setting.residual == "ladder" and setting.slot == "channel_mixer" else 1
            more = streams * self.parts.stream_bytes(setting, workload) if plain.calls else 0
            return {(setting, workload): replace(plain, peak_bytes=plain.peak_bytes + more)}
        with FakeTensorMode(), torch.device(self.parts.device), torch.no_grad():
            if workload.phase == "train":
                return {(setting, workload): training_section(self.parts, setting, workload)}
            if block is None:
                return {(setting, workload): self._trace_end(setting, workload)}
            halves = self._trace_block(setting, block, workload)
        return {
            (replace(setting, slot=slot, spec=getattr(block, slot)), workload): section
            for slot, section in halves.items()
        }

    def _trace_block(self, setting: Setting, block: Block, workload: Workload) -> dict[str, Section]:
        module = self.parts.block(setting, block, setting.residual)
        x = self.parts.stream(setting.width, setting.stage, workload)
        state = cached = module.init_state(workload.batch) if "decode" in self.shape.phases else {}
        held = 0
        if workload.phase == "decode":
            cached = decode_state.cached_state(module, workload.batch, workload.seq_len, x)
            held = decode_state.storage_bytes(cached)
        recorder = self._recorder("token_mixer" if module.token_mixer is not None else "channel_mixer", workload)
        recorder.hold(x)
        if module.token_mixer is None:
            # Beside a token mixer the block's input would still be held: a section is the same whatever stands by it.
            recorder.hold(torch.empty_like(x))
        if module.channel_norm is not None:
            module.channel_norm.register_forward_pre_hook(lambda *_: recorder.enter("channel_mixer"))
        with recorder:
            if workload.phase == "decode":
                out, new_state = module.step(x, cached)
                held += _grown_bytes(cached, new_state)
            else:
                out = module(x)
        del out
        halves = {
            "token_mixer": (module.token_norm, module.token_mixer),
            "channel_mixer": (module.channel_norm, module.channel_mixer),
        }
        held_by = {"token_mixer": (decode_state.state_bytes(state), held), "channel_mixer": (0, 0)}
        return {name: _section(recorder, name, modules, *held_by[name]) for name, modules in halves.items()}

    def _trace_end(self, setting: Setting, workload: Workload) -> Section:
        """The embedding or stem, a reduction between stages, or the head."""
        modules, run = self.parts.end(setting)
        takes_stream = setting.slot != "embed"
        x = self.parts.entering_stream(setting, workload) if takes_stream else self.parts.example(workload)
        recorder = self._recorder(setting.slot, workload) if takes_stream else Recorder(setting.slot)
        recorder.hold(x)
        with recorder:
            out = run(x)
        del out
        return _section(recorder, setting.slot, modules, 0, 0)

    def _recorder(self, layer: str, workload: Workload) -> Recorder:
        """A recorder that counts the model's input, which its caller holds all the while."""
        recorder = Recorder(layer)
        recorder.hold(self.parts.example(workload))
        return recorder


def tracer_for(shape: Shape, runtime: Runtime) -> Tracer:
    """A tracer of what runs in that way."""
    return Tracer(shape, runtime.device, runtime.dtype)


def space_calls(
    space: SearchSpace,
    shape: Shape,
    workloads: Sequence[Workload],
    runtime: Runtime = HERE,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[KernelCall, float]:
    """Every distinct call the space can launch, and how often a random architecture does, the most often first.

    `on_progress` gets the number of sections traced and their total.

    Raises:
        InputError: a workload does not fit the task.
    """
    tracer = tracer_for(shape, runtime)
    uses: dict[KernelCall, float] = {}
    wanted = [(workload, option) for workload in workloads for option in options(space)]
    for done, (workload, option) in enumerate(wanted, 1):
        for layer_call in tracer.section(option.setting, option.block, workload).calls:
            uses[layer_call.call] = uses.get(layer_call.call, 0.0) + option.uses
        if on_progress:
            on_progress(done, len(wanted))
    return dict(sorted(uses.items(), key=lambda used: (-used[1], used[0].key)))


def _grown_bytes(before: Any, after: Any) -> int:
    """Bytes of the storages a step made for its new state: the old ones live on until the caller lets go of them."""
    old = {tensor.untyped_storage()._cdata for tensor in decode_state.tensors(before)}
    new = [tensor for tensor in decode_state.tensors(after) if tensor.untyped_storage()._cdata not in old]
    return decode_state.storage_bytes(new)


def _section(
    recorder: Recorder, name: str, parts: tuple[nn.Module | None, ...], state_bytes: int, held_bytes: int
) -> Section:
    modules = [module for module in parts if module is not None]
    fixed: list[Tensor] = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
    return Section(
        calls=tuple(call for call in recorder.calls if call.layer == name),
        param_count=sum(parameter.numel() for module in modules for parameter in module.parameters()),
        fixed_bytes=sum(tensor.numel() * tensor.element_size() for tensor in fixed),
        state_bytes=state_bytes,
        held_bytes=held_bytes,
        peak_bytes=recorder.peaks.get(name, 0),
    )
