"""The benchmark's formula: the front that it computes is the front of everything there is."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from frontier.jobs.algorithms.front import non_dominated
from frontier.search_space import SearchSpace
from frontier.search_space.population import Population

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def test_the_computed_front_is_that_of_every_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    from search_efficiency_synthetic import Formula

    space = SearchSpace.parse(
        {
            "name": "small",
            "width": [64, 128],
            "depth": [2, 3],
            "token_mixers": [
                {"kind": "attention", "num_heads": [2, 4], "num_kv_heads": 2, "head_dim": 32, "window": [64, None]},
                {"kind": "causal_conv", "channels": 128, "kernel_size": [3, 11]},
            ],
            "channel_mixers": [{"kind": "swiglu", "inner": [256, 512]}],
        }
    )
    formula = Formula(space)
    every = Population.of(space, list(space.enumerate()))
    found = np.column_stack([formula.losses(every), formula.costs(every)])
    expected = found[non_dominated(found)]
    best = formula.best()
    assert np.array(sorted(map(tuple, best[non_dominated(best)]))) == pytest.approx(
        np.array(sorted(map(tuple, expected)))
    )
