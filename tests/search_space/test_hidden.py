"""The hidden dimension's specs: what is legal by itself, and at a width."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from frontier.search_space import Dense, MoHD


def spec(**fields: Any) -> MoHD:
    return MoHD(**{"group_size": 8, "shared": 2, "routed": 1, **fields})


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"shared": 0, "routed": 0}, r"shared \+ routed must be at least 1; got 0 and 0"),
        ({"fusion_blocks": 4}, "fusion_blocks must be 1 without a fusion, more with one; got 4"),
        ({"fusion": "monarch"}, "fusion_blocks must be 1 without a fusion, more with one; got 1"),
        ({"scaling": "cube"}, "'sqrt', 'inv' or 'prod'"),
        ({"group_size": 0}, "greater than 0"),
    ],
)
def test_illegal_specs_are_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        spec(**fields)


@pytest.mark.parametrize(
    ("fields", "width", "problem"),
    [
        ({}, 60, "hidden.group_size: divides the width 60; got 8"),
        ({"routed": 5}, 48, r"hidden.routed: shared \+ routed <= width / group_size = 6; got 2 \+ 5"),
        ({"fusion": "blockdiag", "fusion_blocks": 5}, 48, "hidden.fusion_blocks: divides the width 48; got 5"),
        (
            {"fusion": "monarch", "fusion_blocks": 8},
            48,
            "hidden.fusion_blocks: divides width / fusion_blocks = 6 with monarch; got 8",
        ),
    ],
)
def test_a_width_that_does_not_fit_is_named(fields: dict[str, Any], width: int, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        spec(**fields).check_width(width)


@pytest.mark.parametrize("fields", [{}, {"shared": 6, "routed": 0}, {"fusion": "monarch", "fusion_blocks": 4}])
def test_a_width_that_fits_passes(fields: dict[str, Any]) -> None:
    spec(**fields).check_width(48)
    assert spec(**fields).num_groups(48) == 6


def test_a_dense_hidden_dimension_fits_every_width() -> None:
    Dense().check_width(61)
    assert Dense().read_columns(61) == 61
    assert spec().read_columns(48) == 24
