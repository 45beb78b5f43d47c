"""A device that is not at hand: imported from a table, asked for a latency, searched for."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import frontier_command

from frontier.db import open_ledger

SIZES = (16, 48, 64, 96, 160, 256, 400)
ROWS = (1, 8, 31, 64, 128, 512)
SHORT: dict[str, Any] = {
    "task": {"context": 32, "validation_windows": 4},
    "device": {"name": "x1", "seq_len": 31, "validation_models": 5},
    "training": {
        "steps": 4, "batch_size": 4, "warmup_steps": 1, "workers": 1, "report_every": 2, "checkpoint_every": 4,
        "rule": "uniform",
    },
    "search": {"evaluations": 6, "population": 3, "workers": 1},
    "finalists": {"count": 1, "steps": 2, "batch_size": 4, "workers": 1},
}  # fmt: skip
DECODER = {
    "width": 160,
    "blocks": [
        {
            "token_mixer": {"kind": "attention", "num_heads": 4, "num_kv_heads": 2, "head_dim": 40},
            "channel_mixer": {"kind": "swiglu", "inner": 400},
        }
    ]
    * 3,
}


def say(*arguments: object, code: int = 0) -> str:
    process = frontier_command(*arguments)
    out, err = process.communicate(timeout=600)
    assert process.returncode == code, err[-3000:]
    return out if code == 0 else err


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with a device on which a product takes 3 us and 1 us more per million operations."""
    here = tmp_path_factory.mktemp("imported")
    rows = pd.DataFrame(product(ROWS, SIZES, SIZES), columns=["m", "n", "k"])
    noise = np.exp(0.02 * np.random.default_rng(0).standard_normal(len(rows)))
    rows["latency_us"] = (3 + 2 * rows.m * rows.n * rows.k / 1e6) * noise
    rows.assign(kind="gemm", device="Example X1", runtime="law 1", dtype="bfloat16").to_csv(here / "own.csv")
    (here / "decoder.json").write_text(json.dumps(DECODER))
    say("device", "import", here / "own.csv", "--name", "x1", "--db", here / "f.db")
    return here


def latency(folder: Path, *more: object) -> dict[str, Any]:
    words = ("latency", folder / "decoder.json", "--device", "x1", "--db", folder / "f.db", "--json", *more)
    return dict(json.loads(say(*words)))


def test_an_architecture_is_priced(folder: Path) -> None:
    answer = latency(folder, "--phase", "prefill", "--seq-len", 128)
    found = answer["report"]
    products = 3 * (4 * 2 * 128 * 160 * 160 * 0.75 + 3 * 2 * 128 * 160 * 400) + 2 * 128 * 160 * 256
    matmul_ms = sum(part["latency_ms"] for part in found["parts"] if part["name"] == "matmul")
    assert matmul_ms == pytest.approx((3 * (3 * 7 + 1) + products / 1e6) / 1e3, rel=0.15)
    assert found["low_ms"] < found["latency_ms"] < found["high_ms"]
    assert answer["validation"] is None
    assert (answer["basis"]["dtype"], answer["basis"]["execution"]) == ("bfloat16", "compiled")
    assert {part["name"] for part in found["by_bytes"]} >= {"compiled.pointwise.default"}


def test_a_generation_is_the_mean_of_its_steps(folder: Path) -> None:
    decode = ("--phase", "decode", "--context", 60, "--seq-len")
    steps = [latency(folder, *decode, context)["report"]["latency_ms"] for context in (10, 30, 50)]
    mean = latency(folder, *decode, 10, "--new-tokens", 41)["report"]["latency_ms"]
    assert steps[0] < mean < steps[2]
    assert mean == pytest.approx(steps[1], rel=0.02)


def test_it_is_told_in_words(folder: Path) -> None:
    words = ("latency", folder / "decoder.json", "--device", "x1", "--db", folder / "f.db")
    said = say(*words, "--phase", "decode", "--seq-len", 20, "--tensor-parallel", 2)
    assert said.startswith("decode after 20, 1 sequence on 2 x x1: ")
    assert "waits for other devices" in said
    assert "never on whole models of this device" in said
    assert "from what it moves" in said


@pytest.mark.parametrize(
    ("more", "refusal"),
    [
        (("--device", "y"), r"--device: one in .*; got 'y'"),
        (("--phase", "rest"), "phase: one of prefill, decode, train; got 'rest'"),
        (("--dtype", "float8"), "--dtype: one of float32, float16, bfloat16; got 'float8'"),
        (("--new-tokens", 2), "--new-tokens: 1 but for decode; got 2 for prefill"),
        (("--tensor-parallel", 3), r"blocks\.0\.token_mixer\.num_heads: .* 3 devices it is split over; got 4"),
        (("--context", 20), "seq_len: at most 20 for prefill"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_bad_questions_are_refused_in_a_line(folder: Path, more: tuple, refusal: str) -> None:
    words = ("latency", folder / "decoder.json", "--device", "x1", "--db", folder / "f.db", *more)
    said = say(*words, code=2)
    assert said.count("\n") == 1
    assert re.search(refusal, said), said


def test_an_architecture_that_is_none_is_refused(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "a.json"
    broken.write_text('{"width": 0, "blocks": []}')
    said = say("latency", broken, "--device", "x1", "--db", folder / "f.db", code=2)
    assert said.startswith(f"frontier: {broken}: width: ")


def test_a_fit_of_another_version_is_made_again(folder: Path, tmp_path: Path) -> None:
    copied = tmp_path / "f.db"
    copied.write_bytes((folder / "f.db").read_bytes())
    with open_ledger(str(copied)) as ledger:
        ledger.save_kernel_model("x1", "gemm", b"of another version")
    words = ("latency", folder / "decoder.json", "--device", "x1", "--seq-len", 30)
    out, err = frontier_command(*words, "--db", copied).communicate(timeout=600)
    assert "gemm is fitted again: table model: bytes in the format" in err
    assert out.splitlines()[0] == say(*words, "--db", folder / "f.db").splitlines()[0]


def test_a_search_for_it_measures_nothing_here(folder: Path, tmp_path: Path) -> None:
    job_file, db = tmp_path / "job.yaml", folder / "f.db"
    job_file.write_text(yaml.safe_dump({"name": "far", "space": "tiny-lm", **SHORT}))
    finished = json.loads(say("search", job_file, "--db", db, "--runs", tmp_path / "runs", "--json"))
    assert finished["state"] == "done"
    assert "validation" not in finished
    rows = json.loads(say("front", "latest", "--db", db, "--json"))
    assert rows
    for row in rows:
        assert row["latency_low_ms"] < row["latency_ms"] < row["latency_high_ms"]
        assert row["latency_measured_ms"] is None
    (device,) = json.loads(say("device", "list", "--db", db, "--json"))
    assert (device["measurements"], device["validations"]) == (0, 0)
    architecture = tmp_path / "best.json"
    architecture.write_text(json.dumps(rows[0]["architecture"]))
    words = ("latency", architecture, "--device", "x1", "--seq-len", 31, "--context", 32, "--db", db, "--json")
    assert json.loads(say(*words))["report"]["latency_ms"] == pytest.approx(rows[0]["latency_ms"], rel=1e-6)
