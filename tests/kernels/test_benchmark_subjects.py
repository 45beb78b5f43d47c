"""What the benchmarks of kernels compare does the same."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_every_kernel_says_what_plain_torch_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    module = importlib.import_module("kernel_subjects")
    torch.manual_seed(0)
    names = set()
    for subject in module.subjects(large=False, dtype=torch.float32):
        ours, plain = subject.ours(*subject.tensors), subject.plain(*subject.tensors)
        pairs = [(ours, plain)] if isinstance(ours, torch.Tensor) else zip(ours, plain, strict=True)
        for one, other in pairs:
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3, msg=f"{subject.name}, {subject.size}")
        names.add(subject.name)
    assert len(names) == 12
