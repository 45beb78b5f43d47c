"""Early exit: an architecture is given up once it is all but certain that its loss is above a bound.

Some validation examples are harder than others, which says nothing about an architecture. So its loss on the examples
it has seen is compared with the largest subnet's on the same ones, and only the difference is estimated: the loss on
all examples is the largest subnet's, which is known, plus the mean difference so far. This is the difference estimator
of sampling without replacement; its standard error shrinks to 0 as the last example is seen.
Source: W. G. Cochran, Sampling Techniques, third edition, 1977, sections 2.6 and 7.9.

N examples.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

STANDARD_ERRORS = 3.0
LEAST_EXAMPLES = 8


class Estimate(NamedTuple):
    """A mean loss over all examples, from some of them, and its standard error; both in nats per example."""

    nats: float
    error_nats: float

    def is_above(self, bound_nats: float) -> bool:
        """Whether the loss is above a bound by `STANDARD_ERRORS`. What is not a number is above nothing."""
        return self.nats - STANDARD_ERRORS * self.error_nats > bound_nats


def estimate(seen_N: Tensor, reference_N: Tensor, reference_mean_nats: float, total: int) -> Estimate:
    """The mean loss over `total` examples.

    Args:
        seen_N: losses on the examples seen so far, at least two.
        reference_N: another model's on the same examples.
        reference_mean_nats: that model's mean over all examples.
    """
    difference_N = (seen_N - reference_N).double()
    count = len(difference_N)
    variance = difference_N.var().item() / count * (1 - count / total)
    return Estimate(reference_mean_nats + difference_N.mean().item(), math.sqrt(variance))
