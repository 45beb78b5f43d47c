"""Predicted peak memory against torch's own record of allocations."""

from __future__ import annotations

from random import Random

import pytest

from frontier.latency_models import Tracer, Workload
from frontier.latency_models.measuring.measured_memory import measured_peak_bytes
from frontier.latency_models.tracing.memory import peak_memory_bytes
from frontier.latency_models.tracing.section import Section
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet import ImageShape, ModelShape, Shape

from .test_axes import IMAGE, SPACES

TEXT = ModelShape(vocab_size=63, context=70)
IMAGES = ImageShape(channels=1, side=8, num_classes=10)
PRESETS = ("tiny-lm", "hybrid-lm", "moe-lm", "mohd-lm", "everything-lm", "pyramid-vit")
TOLERANCE = 0.05


def relative_error(architecture: Architecture, shape: Shape, phase: str) -> float:
    images = isinstance(shape, ImageShape)
    workload = Workload(phase, 2, shape.most_tokens("prefill") if images else 37)
    sections = [section for _, section in Tracer(shape).sections(architecture, workload)]
    return peak_memory_bytes(sections) / measured_peak_bytes(architecture, shape, workload) - 1


@pytest.mark.parametrize("phase", ["prefill", "decode", "train"])
@pytest.mark.parametrize("name", PRESETS)
def test_presets(name: str, phase: str) -> None:
    shape = IMAGES if name == "pyramid-vit" else TEXT
    if phase == "decode" and shape is IMAGES:
        pytest.skip("images are seen at once")
    assert abs(relative_error(SearchSpace.load(name).smallest(Random(1)), shape, phase)) <= TOLERANCE


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", [name for name, (_, shape) in SPACES.items() if shape is not IMAGE])
def test_training_on_every_axis(name: str, seed: int) -> None:
    """Not on images of eight channels, where what the library pads is most of the memory."""
    raw, shape = SPACES[name]
    assert abs(relative_error(SearchSpace.parse(raw).sample(Random(seed)), shape, "train")) <= TOLERANCE


def section(peak: int, saved: int, backward: int, kept: int, update: int) -> Section:
    return Section((), 0, 100, 0, 0, peak, saved, backward, kept, update)


def test_the_peak_may_be_forward_backward_or_the_update() -> None:
    """Two sections; the second runs backward while the first one's saved tensors are still there."""
    assert peak_memory_bytes([section(9, 5, 7, 2, 1), section(20, 0, 3, 1, 1)]) == 200 + 5 + 20
    assert peak_memory_bytes([section(9, 5, 7, 2, 1), section(4, 3, 30, 1, 1)]) == 200 + 5 + 30
    assert peak_memory_bytes([section(9, 5, 40, 2, 1), section(4, 3, 8, 6, 1)]) == 200 + 6 + 40
    assert peak_memory_bytes([section(9, 5, 7, 20, 1), section(4, 3, 8, 6, 15)]) == 200 + 26 + 15
