"""The modules and inputs of sections on fake tensors: nothing here has memory, whatever its size.

B batch, T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...search_space import Block
from ...supernet import BlockModule, ImageShape, LanguageModel, Shape
from ...supernet.image_classifier import Head, SpatialReduction, Stem
from ...supernet.weightless import Unfilled
from ..workload import Workload
from .sections import Setting

End = tuple[tuple[nn.Module, ...], Callable[[Tensor], Tensor]]


@dataclass(frozen=True)
class FakeParts:
    """Makes what a section is made of. To be used under a FakeTensorMode and `torch.device(device)`."""

    shape: Shape
    device: str
    dtype: torch.dtype

    def block(self, setting: Setting, block: Block, residual: str) -> BlockModule:
        """A block at the setting's place."""
        with Unfilled():
            module = BlockModule.build(block, setting.width, self.shape.context, residual, setting.hidden)
        self._cast(module)
        return module

    def end(self, setting: Setting) -> End:
        """The modules of a section that is no half of a block, and what it does with its input."""
        with Unfilled():
            modules, run = end_of(setting, self.shape)
        for module in modules:
            self._cast(module)
        return modules, run

    def example(self, workload: Workload) -> Tensor:
        """The model's input. Token ids stay integers whatever the dtype."""
        example = self.shape.example(workload.batch, workload.tokens)
        return example.to(self.dtype) if example.is_floating_point() else example

    def entering_stream(self, setting: Setting, workload: Workload) -> Tensor:
        """The residual stream as a section reads it."""
        return self.stream(setting.in_width or setting.width, setting.stage - (setting.slot == "reduction"), workload)

    def stream(self, width: int, stage: int, workload: Workload) -> Tensor:
        """The residual stream: (B, T, D), (B, D) for one decoding step, (B, H, W, D) of an image."""
        if isinstance(self.shape, ImageShape):
            side = self.shape.grid_of(stage)
            return torch.empty((workload.batch, side, side, width), dtype=self.dtype)
        tokens = () if workload.tokens is None else (workload.tokens,)
        return torch.empty((workload.batch, *tokens, width), dtype=self.dtype)

    def stream_bytes(self, setting: Setting, workload: Workload) -> int:
        """Bytes of the residual stream at the setting's place."""
        with torch.device("meta"):
            stream = self.stream(setting.width, setting.stage, workload)
        return stream.numel() * stream.element_size()

    def _cast(self, module: nn.Module) -> None:
        """What `module.to(device, dtype)` does, which fake parameters refuse."""
        for part in module.modules():
            for name, parameter in part._parameters.items():
                if parameter is not None:
                    part._parameters[name] = nn.Parameter(self._placed(parameter.detach()))
            for name, buffer in part._buffers.items():
                if buffer is not None:
                    part._buffers[name] = self._placed(buffer)

    def _placed(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, self.dtype if tensor.is_floating_point() else tensor.dtype)


def end_of(setting: Setting, shape: Shape) -> End:
    """The modules of a section that is no half of a block, and what it does with its input."""
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
