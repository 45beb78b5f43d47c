"""From an architecture to the kernels it launches: every distinct block is run once on fake tensors.

B batch, T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from ..search_space import Architecture, Block, SearchSpace, Spec
from ..supernet import BlockModule, LanguageModel, ModelShape
from . import decode_state
from .calls import KernelCall, LayerCall
from .recorder import Recorder
from .workload import Workload


@dataclass(frozen=True)
class Section:
    """What one half of a block, the embedding or the head costs at one width and workload.

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


SectionKey = tuple[str, Spec | None, int, Workload]


class Tracer:
    """Traces architectures for one model shape. What a block's halves launch is kept, so it is traced once.

    `device` is where the model would run; kernels are chosen as that device's dispatch chooses them.
    """

    def __init__(self, shape: ModelShape, device: str = "cpu") -> None:
        self.shape = shape
        self.device = device
        self._sections: dict[SectionKey, Section] = {}

    def calls(self, architecture: Architecture, workload: Workload) -> list[LayerCall]:
        """Every kernel call of one forward pass or one decoding step, in order.

        Raises:
            InputError: the workload does not fit the context.
        """
        return [
            replace(call, layer=layer)
            for layer, section in self.sections(architecture, workload)
            for call in section.calls
        ]

    def sections(self, architecture: Architecture, workload: Workload) -> Iterator[tuple[str, Section]]:
        """The named sections of an architecture in running order: embed, both halves of every block, head."""
        width = architecture.width
        yield "embed", self.end("embed", width, workload)
        for index, block in enumerate(architecture.blocks):
            yield f"blocks.{index}.token_mixer", self.half("token_mixer", block, width, workload)
            yield f"blocks.{index}.channel_mixer", self.half("channel_mixer", block, width, workload)
        yield "head", self.end("head", width, workload)

    def half(self, slot: str, block: Block, width: int, workload: Workload) -> Section:
        """One half ("token_mixer" or "channel_mixer") of a block: norm, mixer and residual addition."""
        key = (slot, getattr(block, slot), width, workload)
        if key not in self._sections:
            workload.check(self.shape)
            for name, section in self._trace_block(block, width, workload).items():
                self._sections.setdefault((name, getattr(block, name), width, workload), section)
        return self._sections[key]

    def end(self, name: str, width: int, workload: Workload) -> Section:
        """What stands before ("embed") or after ("head", with the final norm) the blocks."""
        key = (name, None, width, workload)
        if key not in self._sections:
            workload.check(self.shape)
            for other, section in self._trace_ends(width, workload).items():
                self._sections[(other, None, width, workload)] = section
        return self._sections[key]

    def _trace_block(self, block: Block, width: int, workload: Workload) -> dict[str, Section]:
        with FakeTensorMode(), torch.no_grad(), torch.device(self.device):
            module = BlockModule.build(block, width, self.shape.context)
            x = torch.empty((workload.batch, *_tokens(workload), width))
            state = module.init_state(workload.batch)
            state_bytes = decode_state.state_bytes(state)
            held = 0
            if workload.phase == "decode":
                state = decode_state.cached_state(module, workload.batch, workload.seq_len, x)
                held = decode_state.storage_bytes(state)
            recorder = Recorder("token_mixer")
            recorder.hold(x)
            # In a whole model the caller holds the token ids all the while.
            ids = recorder.hold(torch.empty(x.shape[:-1], dtype=torch.int64))
            module.channel_norm.register_forward_pre_hook(lambda *_: recorder.enter("channel_mixer"))
            with recorder:
                if workload.phase == "decode":
                    out, new_state = module.step(x, state)
                    held += _grown_bytes(state, new_state)
                else:
                    out = module(x)
            del out, ids
        halves = {
            "token_mixer": (module.token_norm, module.token_mixer),
            "channel_mixer": (module.channel_norm, module.channel_mixer),
        }
        held_by = {"token_mixer": (state_bytes, held), "channel_mixer": (0, 0)}
        return {name: _section(recorder, name, modules, *held_by[name]) for name, modules in halves.items()}

    def _trace_ends(self, width: int, workload: Workload) -> dict[str, Section]:
        """A model without blocks is its embedding and its head."""
        with FakeTensorMode(), torch.no_grad(), torch.device(self.device):
            model = LanguageModel(width, self.shape.vocab_size, self.shape.context, ())
            ids = torch.zeros((workload.batch, *_tokens(workload)), dtype=torch.int64)
            recorder = Recorder("embed")
            recorder.hold(ids)
            model.final_norm.register_forward_pre_hook(lambda *_: recorder.enter("head"))
            with recorder:
                out = model.step(ids, []) if workload.phase == "decode" else model(ids)
            del out
        ends: dict[str, tuple[nn.Module, ...]] = {"embed": (model.embed,), "head": (model.final_norm, model.head)}
        return {name: _section(recorder, name, modules, 0, 0) for name, modules in ends.items()}


def space_sections(
    tracer: Tracer, space: SearchSpace, workload: Workload
) -> Iterator[tuple[int, str, Spec | None, Section]]:
    """Every section an architecture of the space can have: width, slot, spec, section."""
    first_token, first_channel = space.token_specs[0], space.channel_specs[0]
    for width in space.width:
        for name in ("embed", "head"):
            yield width, name, None, tracer.end(name, width, workload)
        for index in range(max(len(space.token_specs), len(space.channel_specs))):
            # Both halves of one block are traced together, so walking them in step saves half of the runs.
            token = space.token_specs[index] if index < len(space.token_specs) else first_token
            channel = space.channel_specs[index] if index < len(space.channel_specs) else first_channel
            block = Block(token_mixer=token, channel_mixer=channel)  # type: ignore[arg-type]
            if index < len(space.token_specs):
                yield width, "token_mixer", token, tracer.half("token_mixer", block, width, workload)
            if index < len(space.channel_specs):
                yield width, "channel_mixer", channel, tracer.half("channel_mixer", block, width, workload)


def space_calls(
    space: SearchSpace, shape: ModelShape, workloads: tuple[Workload, ...] | list[Workload]
) -> tuple[KernelCall, ...]:
    """Every distinct call the space can launch, those that an architecture drawn at random launches most often first.

    Raises:
        InputError: a workload does not fit the context.
    """
    tracer = Tracer(shape)
    uses: dict[KernelCall, float] = {}
    depth = sum(space.depth) / len(space.depth)
    times = {
        "embed": 1.0,
        "head": 1.0,
        "token_mixer": depth / len(space.token_specs),
        "channel_mixer": depth / len(space.channel_specs),
    }
    for workload in workloads:
        for _, slot, _, section in space_sections(tracer, space, workload):
            for layer_call in section.calls:
                uses[layer_call.call] = uses.get(layer_call.call, 0.0) + times[slot]
    return tuple(sorted(uses, key=lambda call: (-uses[call], call.key)))


def _tokens(workload: Workload) -> tuple[int, ...]:
    return (workload.seq_len,) if workload.phase == "prefill" else ()


def _grown_bytes(before: Any, after: Any) -> int:
    """Bytes of the storages a step made for its new state: the old ones live on until the caller lets go of them."""
    old = {tensor.untyped_storage()._cdata for tensor in decode_state.tensors(before)}
    new = [tensor for tensor in decode_state.tensors(after) if tensor.untyped_storage()._cdata not in old]
    return decode_state.storage_bytes(new)


def _section(
    recorder: Recorder, name: str, modules: tuple[nn.Module, ...], state_bytes: int, held_bytes: int
) -> Section:
    fixed: list[Tensor] = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
    return Section(
        calls=tuple(call for call in recorder.calls if call.layer == name),
        param_count=sum(parameter.numel() for module in modules for parameter in module.parameters()),
        fixed_bytes=sum(tensor.numel() * tensor.element_size() for tensor in fixed),
        state_bytes=state_bytes,
        held_bytes=held_bytes,
        peak_bytes=recorder.peaks[name],
    )
