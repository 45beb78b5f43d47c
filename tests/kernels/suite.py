"""The checks of the kernels' conformance suite: on a CPU, under Triton's interpreter and on a GPU alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from frontier.kernels.launching import INTERPRETED

from .case import Case, Size, run, widened

# Plain torch may by luck round a handful of numbers the right way; it is not lucky in all of several draws.
MOST_DRAWS = 8
# The interpreter reads tensors' memory, so nothing can be traced through it.
INTERPRETABLE = ("test_schema", "test_autograd_registration", "test_faketensor")
EVERY = (*INTERPRETABLE, "test_aot_dispatch_dynamic")


@contextmanager
def uninitialised_is_nan() -> Iterator[None]:
    """What torch.empty returns is filled with NaN: an entry that nobody writes shows."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def as_exact(case: Case, size: Size, dtype: torch.dtype) -> None:
    """At most twice the error of plain torch in the same dtype, and one rounding of the largest entry.

    Errors are the largest of all draws so far; what is within its bound needs no other draw.
    """
    ours, bound = defaultdict(float), defaultdict(float)
    for draw in range(MOST_DRAWS):
        for name, (error, plain, rounding) in errors(case, size, dtype, draw).items():
            ours[name] = max(ours[name], error)
            bound[name] = max(bound[name], 2 * plain + rounding)
        over = [name for name, error in ours.items() if not error <= bound[name]]  # a NaN is over every bound
        if not over:
            return
    said = "; ".join(f"{name} is off by {ours[name]:.3g}, over {bound[name]:.3g}" for name in over)
    raise AssertionError(f"{case.name} at {size}, {dtype}: {said}")


def errors(case: Case, size: Size, dtype: torch.dtype, draw: int) -> dict[str, tuple[float, float, float]]:
    """Of every output and gradient: our largest error, that of plain torch, and one rounding of the largest entry."""
    torch.manual_seed(draw)
    tensors, rest = case.inputs(size, dtype)
    exact = run(case.reference, widened(tensors), widened(rest), case.backward)
    by_torch = run(case.plain or case.reference, tensors, rest, case.backward)
    by_us = run(case.ours, tensors, rest, case.backward)
    found = {}
    for name, truth in exact.items():
        mine, plain = by_us[name], by_torch[name]
        assert mine.dtype == plain.dtype, f"{name} is {mine.dtype}"
        assert mine.shape == truth.shape, f"{name} at {size}"
        if truth.numel():
            rounding = torch.finfo(mine.dtype).eps * float(truth.abs().max())
            found[name] = (furthest(mine, truth), furthest(plain, truth), rounding)
    return found


def furthest(found: torch.Tensor, truth: torch.Tensor) -> float:
    """The largest error of any entry; NaN if any entry is."""
    return float((found.double() - truth).abs().max())


def same_bits(case: Case, size: Size, dtype: torch.dtype, times: int) -> None:
    """Run again and again on the same arguments."""
    torch.manual_seed(0)
    tensors, rest = case.inputs(size, dtype)
    first = run(case.ours, tensors, rest, case.backward)
    for _ in range(times - 1):
        again = run(case.ours, tensors, rest, case.backward)
        assert all(torch.equal(value, again[name]) for name, value in first.items())


class _Dispatched(TorchDispatchMode):
    """The operators of ours that were called, with their arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[object, tuple[tuple, dict]] = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if function.namespace == "frontier":
            self.calls.setdefault(function, (args, kwargs or {}))
        return function(*args, **(kwargs or {}))


def obeys_torch(case: Case, size: Size) -> None:
    """Torch's own checks of every custom operator that a call makes: schema, fake, autograd, aliasing."""
    torch.manual_seed(0)
    tensors, rest = case.inputs(size, torch.float32)
    with _Dispatched() as seen:
        run(case.ours, tensors, rest, case.backward)
    for function, (args, kwargs) in seen.calls.items():
        if str(function.overloadpacket).endswith("_backward"):
            # Its arguments are the leaves that were saved, but a gradient has no gradient of its own.
            args = tree_map_only(torch.Tensor, torch.Tensor.detach, args)
        torch.library.opcheck(function, args, kwargs, test_utils=INTERPRETABLE if INTERPRETED else EVERY)


@contextmanager
def interpreted_launches() -> Iterator[list[object]]:
    """The grids of the kernels that Triton's interpreter runs meanwhile."""
    from triton.runtime.interpreter import GridExecutor  # only where the interpreter is on does this import

    launches: list[object] = []
    launch = GridExecutor.__call__

    def counted(self: GridExecutor, *given: object, **named: object) -> object:
        launches.append(self.grid)
        return launch(self, *given, **named)

    with mock.patch.object(GridExecutor, "__call__", counted):
        yield launches
