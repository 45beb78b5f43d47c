"""The widest spaces, searched from the command line to an exported model: every operator meets every stage of a job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import frontier_command

SHORT: dict[str, Any] = {
    "device": {"measure_seconds": 3, "calibration_models": 5, "validation_models": 0},
    "training": {
        "steps": 6, "batch_size": 4, "warmup_steps": 2, "learning_rate": 0.001, "workers": 1,
        "report_every": 3, "checkpoint_every": 6,
    },
    "search": {"evaluations": 10, "population": 4, "workers": 1},
    "finalists": {"count": 1, "steps": 4, "batch_size": 4, "workers": 1},
}  # fmt: skip
JOBS: dict[str, dict[str, Any]] = {
    "everything-lm": {"task": {"context": 32, "validation_windows": 4}, "device": {**SHORT["device"], "seq_len": 31}},
    "pyramid-vit": {"task": {"kind": "image_classification", "validation_images": 64}},
}


def run(*arguments: object) -> str:
    process = frontier_command(*arguments)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err[-3000:]
    return out


@pytest.mark.parametrize("space", JOBS)
def test_a_search_runs_to_an_exported_model(space: str, tmp_path: Path) -> None:
    job_file, db, out = tmp_path / "job.yaml", tmp_path / "f.db", tmp_path / "model"
    job_file.write_text(yaml.safe_dump({"name": space, "space": space, **SHORT, **JOBS[space]}))
    finished = json.loads(run("search", job_file, "--db", db, "--runs", tmp_path / "runs", "--json"))
    assert finished["state"] == "done"
    assert finished["front_size"] >= 1
    if space == "everything-lm":
        assert finished["expert_load"]["step"] == 6
    rows = json.loads(run("front", "latest", "--db", db, "--json"))
    assert all(row["val_loss"] > 0 and row["latency_ms"] > 0 for row in rows)
    exported = json.loads(run("export", "latest", "best", "--db", db, "--out", out, "--json"))
    assert exported["max_relative_difference"] <= 1e-5
    assert "frontier" not in (out / "model.py").read_text().replace("Written by Frontier", "")
