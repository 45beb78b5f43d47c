"""From an architecture to the kernels it launches: every distinct section is run once on fake tensors.

B batch, T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from ..search_space import Architecture, Block, SearchSpace, kind_of
from ..supernet import BlockModule, ImageShape, LanguageModel, Shape
from ..supernet.image_classifier import Head, SpatialReduction, Stem
from ..supernet.weightless import Unfilled
from . import decode_state
from .calls import KernelCall, LayerCall
from .recorder import Recorder
from .sections import Setting, members, options
from .workload import Workload


@dataclass(frozen=True)
class Section:
    """What a section of a model costs in one workload (see `sections`).

    `fixed_bytes` are parameters and buffers, `state_bytes` what `init_state` allocates for decoding, `held_bytes` the
    memory its old and new state hold together during a step (zero in prefill), and `peak_bytes` the most activations
    alive while it runs, its input included.
    """

    calls: tuple[LayerCall, ...]
    param_count: int
    fixed_bytes: int
    state_bytes: int
    held_bytes: int
    peak_bytes: int

    @property
    def launches(self) -> int:
        return sum(call.launches for call in self.calls)


class Tracer:
    """Traces architectures for one shape. What a section launches is kept, so it is traced once.

    `device` is where the model would run; kernels are chosen as that device's dispatch chooses them.
    """

    def __init__(self, shape: Shape, device: str = "cpu") -> None:
        self.shape = shape
        self.device = device
        self._sections: dict[tuple[Setting, Workload], Section] = {}

    def calls(self, architecture: Architecture, workload: Workload) -> list[LayerCall]:
        """Every kernel call of one forward pass or one decoding step, in order.

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
        if key not in self._sections and setting.residual != "sequential":
            # Other topologies launch the same kernels, and hold one tensor of the stream's size more while they do.
            plain = self.section(replace(setting, residual="sequential"), block, workload)
            self._sections[key] = replace(plain, peak_bytes=plain.peak_bytes + self._stream_bytes(setting, workload))
        if key not in self._sections:
            workload.check(self.shape)
            with FakeTensorMode(), torch.no_grad(), torch.device(self.device):
                traced = self._trace_block(setting, block, workload) if block else self._trace_end(setting, workload)
            for slot, section in traced.items():
                spec = getattr(block, slot) if block else None
                self._sections.setdefault((replace(setting, slot=slot, spec=spec), workload), section)
        return self._sections[key]

    def _trace_block(self, setting: Setting, block: Block, workload: Workload) -> dict[str, Section]:
        with Unfilled():
            module = BlockModule.build(block, setting.width, self.shape.context, setting.residual, setting.hidden)
        x = self._stream(setting.width, setting.stage, workload)
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

    def _trace_end(self, setting: Setting, workload: Workload) -> dict[str, Section]:
        """The embedding or stem, a reduction between stages, or the head."""
        shape, name = self.shape, setting.slot
        module, run = end_of(setting, shape)
        takes_stream = name != "embed"
        before = (setting.in_width or setting.width, setting.stage - (name == "reduction"))
        x = self._stream(*before, workload) if takes_stream else shape.example(workload.batch, workload.tokens)
        recorder = self._recorder(name, workload) if takes_stream else Recorder(name)
        recorder.hold(x)
        with recorder:
            out = run(x)
        del out
        return {name: _section(recorder, name, module, 0, 0)}

    def _stream(self, width: int, stage: int, workload: Workload) -> Tensor:
        """The residual stream where a section reads it."""
        if isinstance(self.shape, ImageShape):
            side = self.shape.grid_of(stage)
            return torch.empty((workload.batch, side, side, width))
        tokens = () if workload.tokens is None else (workload.tokens,)
        return torch.empty((workload.batch, *tokens, width))

    def _stream_bytes(self, setting: Setting, workload: Workload) -> int:
        with torch.device("meta"):
            stream = self._stream(setting.width, setting.stage, workload)
        half = setting.spec is not None and kind_of(setting.spec) != "none"
        return stream.numel() * stream.element_size() if half else 0

    def _recorder(self, layer: str, workload: Workload) -> Recorder:
        """A recorder that counts the model's input, which its caller holds all the while."""
        recorder = Recorder(layer)
        recorder.hold(self.shape.example(workload.batch, workload.tokens))
        return recorder


def end_of(setting: Setting, shape: Shape) -> tuple[tuple[nn.Module, ...], Callable[[Tensor], Tensor]]:
    """The modules of a section that is no block, and what it does with its input."""
    if isinstance(shape, ImageShape):
        module: nn.Module = {
            "embed": lambda: Stem(setting.width, shape),
            "reduction": lambda: SpatialReduction(setting.in_width, setting.width),
            "head": lambda: Head(setting.width, shape.num_classes),
        }[setting.slot]()
        return (module,), module
    model = LanguageModel(setting.width, shape.vocab_size, shape.context, ())
    if setting.slot == "embed":
        return (model.embed,), model.embed
    return (model.final_norm, model.head), lambda x: model.head(model.final_norm(x))


def space_calls(
    space: SearchSpace,
    shape: Shape,
    workloads: Sequence[Workload],
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[KernelCall, ...]:
    """Every distinct call the space can launch, those that an architecture drawn at random launches most often first.

    `on_progress` gets the number of sections traced and their total.

    Raises:
        InputError: a workload does not fit the task.
    """
    tracer = Tracer(shape)
    uses: dict[KernelCall, float] = {}
    wanted = [(workload, option) for workload in workloads for option in options(space)]
    for done, (workload, option) in enumerate(wanted, 1):
        for layer_call in tracer.section(option.setting, option.block, workload).calls:
            uses[layer_call.call] = uses.get(layer_call.call, 0.0) + option.uses
        if on_progress:
            on_progress(done, len(wanted))
    return tuple(sorted(uses, key=lambda call: (-uses[call], call.key)))


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
