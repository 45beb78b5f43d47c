"""A model with random weights and an example to run it on, where and in the type that it is timed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...search_space import Architecture
from ...supernet import Shape, build_model
from ..tracing.examples import example_inputs
from ..workload import Workload


def built_model(
    architecture: Architecture, shape: Shape, workload: Workload, device: str, dtype: torch.dtype = torch.float32
) -> tuple[Any, Tensor]:
    """The model, ready for inference, and its input; both are on the device, and ids stay whole numbers."""
    with torch.device(device):
        # Tables that a module computes on the CPU are moved too.
        model = build_model(architecture, shape).eval().to(device, dtype)
        example = example_inputs(shape, workload)
    return model, example.to(dtype) if example.is_floating_point() else example
