"""Tests that need an NVIDIA GPU: without one they are skipped and say so. `make gpu` runs them where there is one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def a_gpu() -> None:
    """Skipped where torch sees no CUDA device."""
    if not torch.cuda.is_available():
        pytest.skip(f"needs an NVIDIA GPU; torch {torch.__version__} sees none")


@pytest.fixture(autouse=True)
def plain_arithmetic(a_gpu: None) -> Iterator[None]:
    """Float32 is float32: neither cuBLAS nor cuDNN may round its operands to TF32."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(1)
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.fixture
def on_gpu(a_gpu: None) -> Iterator[None]:
    """What a test makes without naming a device is made on the GPU."""
    with torch.device("cuda"):
        yield
