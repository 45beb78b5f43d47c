"""How long operators take that a host hands to a device one after another, neither waiting for the other.

The host needs some time to dispatch each operator, the device some to run its kernel once it was dispatched and the
kernel before is done:

    host_end += host_us
    device_end = max(device_end, host_end) + kernel_us

In max-plus algebra, where plus is the product and max the sum, that is a 2 x 2 matrix per operator. Products are
associative, so a section of a model has one matrix, whatever stands before it, and so has a population in one array.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Microseconds = NDArray[np.float64]


@dataclass(frozen=True)
class Timeline:
    """What a sequence of operators does to the ends of host and device, h and d, which may be arrays of one shape:

        h' = h + host_us
        d' = max(d + device_us, h + after_us)

    `after_us` is when the device is done if it waits for nothing but the host; minus infinity where nothing runs.
    """

    host_us: Microseconds
    device_us: Microseconds
    after_us: Microseconds

    @classmethod
    def of(cls, host_us: ArrayLike, kernel_us: ArrayLike) -> Timeline:
        """The timeline of operators in order along the last axis: the time to dispatch each, and that of its kernel."""
        host, kernel = (np.asarray(times, dtype=np.float64) for times in (host_us, kernel_us))
        assert host.shape == kernel.shape, f"one time per operator; got {host.shape} and {kernel.shape}"
        dispatched = np.cumsum(host, axis=-1)
        # From each operator on, what the device still has to run.
        ahead = np.cumsum(kernel[..., ::-1], axis=-1)[..., ::-1]
        after = np.max(dispatched + ahead, axis=-1, initial=-np.inf)
        return cls(host.sum(axis=-1), kernel.sum(axis=-1), after)

    @classmethod
    def nothing(cls) -> Timeline:
        """The timeline of no operators, which changes no other."""
        return cls.of([], [])

    @classmethod
    def joined(cls, timelines: Iterable[Timeline]) -> Timeline:
        """All of them, one after another."""
        return reduce(cls.then, timelines, cls.nothing())

    def then(self, other: Timeline) -> Timeline:
        """This one, and then the other."""
        return Timeline(
            self.host_us + other.host_us,
            self.device_us + other.device_us,
            np.maximum(self.after_us + other.device_us, self.host_us + other.after_us),
        )

    def __getitem__(self, index: Any) -> Timeline:
        """The timelines at an index of the arrays: those of an architecture's sections out of a table of sections."""
        return Timeline(self.host_us[index], self.device_us[index], self.after_us[index])

    @property
    def total_us(self) -> Microseconds:
        """From an idle host and an idle device to the end of both."""
        return np.maximum(np.maximum(self.host_us, self.device_us), self.after_us)
