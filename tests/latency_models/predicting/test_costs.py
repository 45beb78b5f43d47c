"""The cost table: sections are priced once, and add up as their memory and times do."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from frontier.latency_models import KernelCall, LayerCall, Measurement
from frontier.latency_models.predicting.costs import (
    DISPATCHES,
    FIXED,
    HELD,
    KERNEL_US,
    MEASURED_US,
    PARAMS,
    PEAK,
    CostTable,
    padded,
)
from frontier.latency_models.predicting.fit import KernelModel
from frontier.latency_models.tracing.memory import peak_memory_bytes
from frontier.latency_models.tracing.section import Section
from frontier.latency_models.tracing.sections import Setting

CALL = KernelCall("aten.mm.default", "gemm", "{}", 63, 1000)


@pytest.fixture
def table() -> CostTable:
    return CostTable(KernelModel([Measurement(CALL, 3.0, 0.01, 10)]))


def section(rng: Random, training: bool) -> Section:
    calls = (LayerCall("", CALL, rng.randrange(1, 4)),) * rng.randrange(4)
    return Section(calls, *(rng.randrange(1000) for _ in range(9 if training else 5)))


@pytest.mark.parametrize("training", [False, True])
def test_totals_are_those_of_the_sections(table: CostTable, training: bool) -> None:
    rng = Random(0)
    # More sections than the table has room for at first.
    known = {Setting("embed", width): section(rng, training) for width in range(1, 150)}
    rows = [table.row(setting, lambda found=found: found) for setting, found in known.items()]
    assert sorted(rows) == list(range(1, 150))
    models = [rng.choices(list(known.items()), k=rng.randrange(1, 20)) for _ in range(63)]
    matrix = padded([[table.row(setting, pytest.fail) for setting, _ in model] for model in models])
    for model, totals in zip(models, table.totals(matrix), strict=True):
        sections = [found for _, found in model]
        assert totals[FIXED] + totals[HELD] + totals[PEAK] == peak_memory_bytes(sections)
        assert totals[PARAMS] == sum(found.param_count for found in sections)
        assert totals[DISPATCHES] == sum(found.launches for found in sections)
        assert totals[KERNEL_US] == totals[MEASURED_US] == pytest.approx(3 * sum(len(one.calls) for one in sections))


def test_a_section_that_is_not_there_costs_nothing_wherever_it_stands(table: CostTable) -> None:
    rng = Random(1)
    rows = [table.row(Setting("embed", width), lambda: section(rng, training=True)) for width in (1, 2, 3)]
    with_gaps = np.array([[0, *rows, 0], [rows[0], 0, rows[1], 0, rows[2]]]).T
    columns = [KERNEL_US, DISPATCHES, PARAMS, FIXED, HELD, PEAK]
    expected = table.totals(np.array([rows, rows]).T)[:, columns]
    assert np.array_equal(table.totals(with_gaps)[:, columns], expected)
