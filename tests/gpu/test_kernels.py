"""The kernels' conformance suite on the GPU, bfloat16 among the dtypes; the same bits in a thousand runs."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
import torch

from ..kernels.case import Case
from ..kernels.cases import CASES
from ..kernels.suite import as_exact, same_bits, uninitialised_is_nan

DTYPES = [torch.float32, torch.float16, torch.bfloat16]
RANDOM_SIZES = 50
RUNS = 1000

pytestmark = pytest.mark.usefixtures("on_gpu")
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
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


@each_dtype
@each_case
def test_it_is_as_exact_at_random_sizes(case: Case, dtype: torch.dtype) -> None:
    random, tried = Random(0), 0
    while tried < RANDOM_SIZES:
        size = tuple(random.randint(*bound) for bound in case.bounds)
        if case.fits(size):
            as_exact(case, size, dtype)
            tried += 1


@each_case
def test_a_thousand_runs_give_the_same_bits(case: Case) -> None:
    if not case.repeats:
        pytest.skip("adds up by atomics")
    same_bits(case, case.sizes[-1], torch.bfloat16, times=RUNS)
