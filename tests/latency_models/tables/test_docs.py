"""The page on kernel tables names every kind, column, word and choice there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from frontier.latency_models.tables import KINDS
from frontier.latency_models.tables.recognise import GENERIC_COLUMNS, PUBLISHED_COLUMNS, needed
from frontier.latency_models.tables.repeats import CHOICES, TOLERANCE

PAGE = (Path(__file__).parents[3] / "docs" / "kernel-tables.md").read_text()
PUBLISHED, OWN = PAGE.split("## Your own measurements")


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_documented(kind: str) -> None:
    described = KINDS[kind]
    row = next(line for line in PUBLISHED.splitlines() if line.startswith(f"| `{kind}` |"))
    assert all(f"`{op}`" in row for op in described.op_names if op != "all_to_all")
    if kind != "decode_attention":  # which says that it is as the other
        assert all(f"`{column}`" in row for column in needed(described) if column not in PUBLISHED_COLUMNS)
    for column in described.call:
        assert any(f"`{column}`" in line.split("|")[1] for line in OWN.splitlines() if line.startswith("| `")), column


def test_what_every_table_has_is_documented() -> None:
    assert all(f"`{column}`" in PUBLISHED for column in PUBLISHED_COLUMNS)
    assert all(f"| `{column}` |" in OWN for column in GENERIC_COLUMNS)


def test_every_word_and_choice_is_documented() -> None:
    words = {word for kind in KINDS.values() for allowed in kind.words.values() for word in allowed}
    assert [word for word in words if f"`{word}`" not in OWN] == []
    assert [choice for choice in CHOICES if f"| `{choice}` |" not in OWN] == []
    assert f"within a factor of {TOLERANCE:g}" in OWN
