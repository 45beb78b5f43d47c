"""Every kernel against its definition in float64: forward and all gradients, odd sizes, random sizes, the same bits.

Here it takes the way of a CPU. Where TRITON_INTERPRET=1 is set, as by `test_interpreted`, the Triton kernels themselves
run, and on a GPU `tests/gpu` runs the same suite.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as some

from frontier.kernels.launching import INTERPRETED

from .case import Case, Size
from .cases import CASES
from .suite import as_exact, interpreted_launches, obeys_torch, same_bits, uninitialised_is_nan

# The interpreter multiplies bit patterns in bfloat16; a CPU's float16 is not what anybody trains in.
DTYPES = [torch.float32, torch.float16] if INTERPRETED else [torch.float32, torch.bfloat16]
RANDOM = settings(
    max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

asked = os.environ.get("KERNEL_CASE")
each_case = pytest.mark.parametrize(
    "case", [case for case in CASES if asked in (None, case.name)], ids=lambda case: case.name
)
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: str(dtype).removeprefix("torch."))


@pytest.fixture(autouse=True)
def nan_in_what_is_allocated() -> Iterator[None]:
    with uninitialised_is_nan():
        yield


@each_dtype
@each_case
def test_it_is_as_exact_as_plain_torch(case: Case, dtype: torch.dtype) -> None:
    for size in case.sizes:
        as_exact(case, size, dtype)


@each_case
def test_it_is_as_exact_at_random_sizes(case: Case) -> None:
    @RANDOM
    @given(some.tuples(*(some.integers(*bound) for bound in case.bounds)), some.sampled_from(DTYPES))
    def check(size: Size, dtype: torch.dtype) -> None:
        assume(case.fits(size))
        as_exact(case, size, dtype)

    check()


@each_case
def test_two_runs_give_the_same_bits(case: Case) -> None:
    if not case.repeats:
        pytest.skip("adds up by atomics")
    same_bits(case, case.sizes[-1], torch.float32, times=2)


@each_case
def test_it_obeys_torch(case: Case) -> None:
    obeys_torch(case, case.sizes[0])


@each_case
@pytest.mark.skipif(not INTERPRETED, reason="a CPU launches nothing")
def test_it_is_triton_that_runs(case: Case) -> None:
    if not case.triton:
        pytest.skip("has no kernel of ours")
    with interpreted_launches() as launches:
        as_exact(case, case.sizes[0], torch.float32)
    assert launches
