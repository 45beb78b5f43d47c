"""The pieces that the regression is made of, each against what can be counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import check_grad

from frontier.latency_models.table_models import FAMILIES, Limits, limits_of
from frontier.latency_models.table_models.conformal import Intervals
from frontier.latency_models.table_models.neighbours import ABSENT, Axis, Neighbours
from frontier.latency_models.table_models.process import Process, _unlikelihood
from frontier.latency_models.tables import KINDS

K = Axis("k", along=lambda rows: rows.k, fixed=lambda rows: rows[["m", "n"]])


def test_neighbours_are_the_nearest_on_either_side_and_never_oneself() -> None:
    measured = pd.DataFrame({"m": [1, 1, 1, 1, 3], "n": [63] * 5, "k": [1000, 10, 100, 1, 100]})
    asked = pd.DataFrame({"m": [1, 1, 3, 5], "n": [63] * 4, "k": [100, 5, 100, 100]})
    at, distance = Neighbours(K, measured).find(asked)
    assert at.tolist() == [
        [1, 3, 0, ABSENT],
        [3, ABSENT, 1, 2],
        [ABSENT] * 4,
        [ABSENT] * 4,
    ]
    np.testing.assert_allclose(distance[0], [np.log2(0.1), np.log2(0.01), np.log2(10), np.nan])


@pytest.mark.parametrize("kind", KINDS)
def test_no_neighbour_shares_the_whole_shape(kind: str) -> None:
    """Two rows that differ along an axis alone differ in what is held out together."""
    described = KINDS[kind]
    random = np.random.default_rng(0)
    rows = pd.DataFrame({size: random.choice([1, 2, 4, 8], 1000) for size in described.shape})
    words = {"dtype": ["bfloat16", "fp8"], "kv_dtype": ["bfloat16", "fp8"], "op": ["all_reduce"], "phase": ["prefill"]}
    for label in described.labels:
        rows[label] = random.choice(words.get(label, ["causal_conv1d_fn"]), len(rows))
    rows["runtime"] = "made"
    shape = rows.groupby(list(described.whole_shape)).ngroup().to_numpy()
    for axis in FAMILIES[kind].axes:
        at, _ = Neighbours(axis, rows).find(rows)
        row, step = np.nonzero(at != ABSENT)
        assert len(row) > 0, axis.name
        assert (shape[at[row, step]] != shape[row]).all(), axis.name


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not FAMILIES[kind].smooth])
@pytest.mark.parametrize("limits", [Limits(), Limits(7, 2**20)], ids=["unknown", "known"])
def test_features_are_finite(kind: str, limits: Limits) -> None:
    described = KINDS[kind]
    rows = pd.DataFrame({size: [1, 63, 1000] for size in described.shape}).assign(window=[0, 1, 63], top_k=1)
    rows = rows.assign(dtype="bfloat16", kv_dtype="fp8")
    found = FAMILIES[kind].features(rows, limits)
    assert all(np.isfinite(np.asarray(values, float)).all() and len(values) == 3 for values in found.values())


def test_intervals_cover_fresh_errors_in_each_decade() -> None:
    random = np.random.default_rng(0)
    predicted = 10 ** random.uniform(0, 3, 12000)
    error = 0.02 * np.floor(np.log10(predicted) + 1) * random.standard_gamma(1.0, len(predicted))
    known, fresh = np.arange(12000) < 6000, np.arange(12000) >= 6000
    intervals = Intervals.of(predicted[known], error[known])
    below, above = intervals.reach(predicted[fresh], np.ones(6000))
    covered = (error[fresh] >= -below) & (error[fresh] <= above)
    for decade in range(3):
        assert 0.88 < covered[np.floor(np.log10(predicted[fresh])) == decade].mean() < 0.97


def test_intervals_are_corrected_by_what_they_missed() -> None:
    """Errors reach half as far as was said below, and further above in the decade that has many rows."""
    random = np.random.default_rng(0)
    predicted = np.concatenate([np.full(20000, 3.0), np.full(50, 30.0), np.full(8000, 300.0)])
    error = random.uniform(-1, 1, len(predicted))
    scores = np.where(error < 0, 0.75 * error, np.where(predicted > 100, 1.4, 1.0) * error) / 0.9
    checks = Intervals.corrections(predicted, scores)
    below, above = checks.reach(np.array([3.0, 30.0, 300.0]), np.array([1.0, 1.0, 2.0]), np.ones(3))
    np.testing.assert_allclose(below, [0.75, 0.75, 1.5], rtol=0.03)
    np.testing.assert_allclose(above, [1.0, above[1], 1.4], rtol=0.06)
    assert 1.0 < above[1] < 1.3
    widest = Intervals.corrections(predicted, 100 * scores)
    assert widest.high.max() == widest.high.min() == pytest.approx(1.5)


def test_a_process_has_the_gradient_it_says() -> None:
    random = np.random.default_rng(0)
    points, values = random.normal(size=(31, 3)), random.normal(size=31)
    logs = np.array([0.1, 0.5, 1.0, -0.3, -3.0])
    wrong = check_grad(
        lambda at: _unlikelihood(at, points, values)[0], lambda at: _unlikelihood(at, points, values)[1], logs
    )
    assert wrong < 1e-4


def test_a_process_finds_a_smooth_function_in_spite_of_an_outlier() -> None:
    points = np.linspace(-3, 3, 63)[:, None]
    values = np.sin(points[:, 0])
    values[31] += 2.0
    process = Process.fit(points, values).without_outliers(values)
    between = np.linspace(-2.9, 2.9, 100)[:, None]
    assert np.abs(process.predict(between)[0] - np.sin(between[:, 0])).max() < 0.2


@pytest.mark.parametrize(
    ("device", "multiprocessors"),
    [("NVIDIA H200", 132), ("NVIDIA H20-3e", 78), ("NVIDIA A100-SXM4-80GB", 108), ("some", None)],
)
def test_a_device_is_known_by_how_its_name_begins(device: str, multiprocessors: int | None) -> None:
    assert limits_of(device).multiprocessors == multiprocessors
