"""A sample of a job's architectures: which of their choices matter, and what the browser draws of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from .choices import ABSENT, NOT_ASKED
from .importance import Importance, by_choice, importances
from .reading import Sample

MOST_BARS = 10
# So many choices have an axis until the reader says otherwise: more can't be told apart on a screen.
FIRST_SHOWN = 7


@dataclass(frozen=True, eq=False)
class SampledImportances:
    """The importance of every choice by objective, and the greatest as a table: `choice` and a column per objective."""

    by_objective: dict[str, list[Importance]] = field(default_factory=dict)
    shares: pd.DataFrame = field(default_factory=lambda: by_choice({}, MOST_BARS))


def sampled_importances(sample: Sample | None, objectives: Sequence[str]) -> SampledImportances:
    """How much each choice of a sample has to do with the job's objectives, at inherited weights."""
    if sample is None or sample.choices is None:
        return SampledImportances()
    at_one_fidelity = (sample.rows["fidelity"] == "inherited").to_numpy()
    found = {
        name: importances(sample.choices, np.where(at_one_fidelity, sample.rows[name].to_numpy(dtype=float), np.nan))
        for name in objectives
    }
    known = {name: listed for name, listed in found.items() if listed}
    return SampledImportances(known, by_choice(known, MOST_BARS))


def drawable(sample: Sample, found: SampledImportances) -> dict[str, Any]:
    """The sample as the browser takes it: evaluations by number, and per choice its options and who chose which.

    Choices come by importance; `first` are those that have an axis to begin with, in the order of the space. A code
    counts into `options`, whose first is the one of who was not asked.
    """
    if sample.choices is None:
        return {"problem": sample.problem, "seqs": [], "choices": [], "first": []}
    choices = sample.choices
    every = list(by_choice(found.by_objective, len(choices.names))["choice"])
    ordered = every + [name for name in choices.names if name not in every]
    first = set(ordered[:FIRST_SHOWN])
    return {
        "problem": "",
        "seqs": sample.rows["seq"].tolist(),
        "choices": [_choice(sample, choices.names.index(name)) for name in ordered],
        "first": [name for name in choices.names if name in first],
    }


def _choice(sample: Sample, place: int) -> dict[str, Any]:
    assert sample.choices is not None, "a sample without choices has none to draw"
    codes = sample.choices.codes[:, place]
    options = sample.choices.options[place]
    # Of a long list of numbers only what occurs gets a mark.
    used = sorted({int(code) for code in codes})
    return {
        "name": sample.choices.names[place],
        "options": [NOT_ASKED if code == ABSENT else options[code] for code in used],
        "codes": np.searchsorted(used, codes).tolist(),
    }
