"""Importing kernel tables by the command a user would type, and what becomes of the device afterwards."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from frontier import cli
from frontier.db import open_ledger
from frontier.latency_models.table_models import regression

OWN = pd.DataFrame(
    {
        "kind": "gemm",
        "device": "Example X1",
        "runtime": "torch 2.13.0 cublas",
        "m": [1, 63, 63, 1000],
        "n": 127,
        "k": 33,
        "dtype": "bfloat16",
        "latency_us": [2.5, 3.0, 3.5, 9.0],
    }
)
IMPORT = ["device", "import", "own.csv", "--name", "x1", "--db", "f.db"]


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    OWN.to_csv("own.csv", index=False)
    return tmp_path


def run(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run the command line in this process: its exit code, and what it printed (what it refused, where it did)."""
    monkeypatch.setattr(sys, "argv", ["frontier", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capsys.readouterr()
    return int(left.value.code or 0), said.err if left.value.code else said.out


Run = tuple[pytest.MonkeyPatch, pytest.CaptureFixture[str]]


@pytest.fixture
def terminal(in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return monkeypatch, capsys


def test_an_import_is_told_and_kept(terminal: Run) -> None:
    code, said = run(IMPORT, *terminal)
    assert code == 0
    assert re.search(r"^device +x1$", said, re.MULTILINE)
    assert re.search(r"^hardware +Example X1$", said, re.MULTILINE)
    assert re.search(r"^gemm +3 rows, 1 repeats merged$", said, re.MULTILINE)
    with open_ledger("f.db", read_only=True) as ledger:
        device, frame = ledger.device("x1"), ledger.kernel_table("x1", "gemm")
        assert ledger.kernel_tables("x1")["sources"][0][0]["file"] == "own.csv"
    assert device is not None
    assert (device.hardware["device"], device.hardware["backend"]) == ("Example X1", "table")
    assert device.hardware["runtimes"] == ["torch 2.13.0 cublas"]
    assert frame is not None
    assert frame["latency_us"].tolist() == [2.5, 3.25, 9.0]


def test_the_same_as_json(terminal: Run) -> None:
    code, said = run([*IMPORT, "--json"], *terminal)
    report = json.loads(said)
    assert code == 0
    assert report["name"] == "x1"
    assert report["kinds"] == {"gemm": {"rows": 3, "repeats_merged": 1, "calls_that_disagree": 0}}
    assert report["hardware"]["doubts"] == {}
    code, said = run(["device", "list", "--db", "f.db", "--json"], *terminal)
    assert [(row["name"], row["measurements"], row["table_rows"]) for row in json.loads(said)] == [("x1", 0, 3)]


def test_calls_that_disagree_are_refused_until_the_user_says_what_stands(terminal: Run) -> None:
    OWN.assign(latency_us=[2.5, 3.0, 30.0, 9.0]).to_csv("own.csv", index=False)
    code, said = run(IMPORT, *terminal)
    assert code == 2
    assert "got 3 us in row 2 and 30 us in row 3; say what" in said
    code, said = run([*IMPORT, "--duplicates", "fastest"], *terminal)
    assert code == 0
    assert re.search(r"^gemm +3 rows, 1 repeats merged, 1 calls that disagree: fastest$", said, re.MULTILINE)


def test_bad_files_make_no_ledger(terminal: Run, in_folder: Path) -> None:
    OWN.assign(m=0).to_csv("own.csv", index=False)
    code, said = run(IMPORT, *terminal)
    assert code == 2
    assert said.startswith("frontier: own.csv: m: a whole number from 1")
    assert said.count("\n") == 1
    assert {path.name for path in in_folder.iterdir()} == {"own.csv"}


def test_a_name_is_used_once(terminal: Run) -> None:
    assert run(IMPORT, *terminal)[0] == 0
    code, said = run(IMPORT, *terminal)
    assert code == 2
    assert re.search(r"device: must be new in .*f.db; got 'x1'", said)
    code, said = run([*IMPORT[:4], " ", "--db", "f.db"], *terminal)
    assert code == 2
    assert "device: a name that is not empty; got ' '" in said


@pytest.mark.parametrize(
    "arguments",
    [["device", "profile", "--name", "x1"], ["device", "validate", "--name", "x1"]],
    ids=["profile", "validate"],
)
def test_what_measures_refuses_an_imported_device(arguments: list[str], terminal: Run) -> None:
    """No measurement of this machine is ever added to another's tables."""
    assert run(IMPORT, *terminal)[0] == 0
    code, said = run([*arguments, "--db", "f.db"], *terminal)
    assert code == 2, said
    assert said.count("\n") == 1
    assert "'x1'" in said
    with open_ledger("f.db", read_only=True) as ledger:
        assert ledger.measurements("x1") == []


def test_the_published_tables_are_imported_by_the_documented_command(terminal: Run) -> None:
    for growth in ("BASE", "CORRECTION", "SPREAD"):
        # What is fitted has tests of its own.
        terminal[0].setattr(regression, growth, replace(getattr(regression, growth), rounds=2))
    folder = os.environ.get("FRONTIER_KERNEL_TABLES")
    if not folder:
        pytest.skip("set FRONTIER_KERNEL_TABLES to a folder of published kernel tables (Parquet) to test with them")
    files = [str(path) for path in sorted(Path(folder).glob("*.parquet"))]
    code, said = run(["device", "import", *files, "--name", "h200", "--duplicates", "drop", "--db", "f.db"], *terminal)
    assert code == 0
    assert "NVIDIA H200" in said
    assert "doubts.prefill_attention" in said
