"""Letting torch treat fake tensors as it treats real ones where it handles many tensors in one call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch._subclasses.fake_tensor import FakeTensor
from torch.optim import optimizer
from torch.utils import _foreach_utils

# Torch looks these types up before it clips or updates many tensors at once; others it takes one by one.
TABLES: tuple[Any, ...] = (optimizer._foreach_supported_types, _foreach_utils._foreach_supported_types)


@contextmanager
def foreach_fakes() -> Iterator[None]:
    """Within it, clipping and optimisers launch on fake tensors what they launch on real ones."""
    for types in TABLES:
        types.append(FakeTensor)
    try:
        yield
    finally:
        for types in TABLES:
            types.remove(FakeTensor)
