"""The journeys of a user at the command line, over a job that really ran."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import SMALL_JOB, RunJob, frontier_command

from frontier.db import open_ledger
from frontier.db.schema import head_revision

ROOT = Path(__file__).parent.parent


def say(job: RunJob, *arguments: object) -> str:
    process = frontier_command(*arguments, "--db", job.db)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-2000:]
    return out


def read_json(job: RunJob, *arguments: object) -> Any:
    return json.loads(say(job, *arguments, "--json"))


def test_the_front_is_real(finished_job: RunJob) -> None:
    """Its best member has learned the text, and fine-tuning made finalists better."""
    with open_ledger(str(finished_job.db), read_only=True) as ledger:
        job = ledger.job(finished_job.job_id)
        front = ledger.front(job.id)
        finetuned = ledger.recorded(job.id, "finetuned")
        inherited = ledger.recorded(job.id, "inherited")
    assert job.state == "done"
    assert len(front) >= 3
    assert front["val_loss"].min() < job.facts["prior_nats"] < job.facts["uniform_nats"]
    assert len(finetuned) == 3
    gains = [inherited[digest].val_loss - row.val_loss for digest, row in finetuned.items()]  # type: ignore[operator]
    assert all(gain >= 0 for gain in gains)
    assert max(gains) > 0.01
    assert all(row.latency_measured_ms for row in finetuned.values())


def test_every_read_command_speaks_json(finished_job: RunJob) -> None:
    (listed,) = [entry for entry in read_json(finished_job, "jobs") if entry["id"] == finished_job.job_id]
    shown = read_json(finished_job, "show", finished_job.job_id)
    front = read_json(finished_job, "front", finished_job.job_id)
    device = next(entry for entry in read_json(finished_job, "device", "list") if entry["measurements"])
    assert listed["front_size"] == len(front)
    assert shown["facts"]["validation"]["count"] == 4
    assert device["name"] == "this-machine"
    assert read_json(finished_job, "db", "upgrade")["to"] == head_revision()
    for member in front:
        assert member["latency_low_ms"] <= member["latency_ms"] <= member["latency_high_ms"]


def test_the_front_as_csv_and_table_says_the_same(finished_job: RunJob) -> None:
    front = read_json(finished_job, "front", finished_job.job_id)
    written = list(csv.DictReader(io.StringIO(say(finished_job, "front", finished_job.job_id, "--csv"))))
    assert [row["digest"] for row in written] == [member["digest"] for member in front]
    assert [float(row["val_loss"]) for row in written] == [member["val_loss"] for member in front]
    table = say(finished_job, "front", finished_job.job_id)
    for member in front:
        assert member["digest"] in table
        assert f"{member['val_loss']:.4g}" in table


def test_a_job_moves_to_another_ledger_and_is_deleted_there(finished_job: RunJob, tmp_path: Path) -> None:
    file, other = tmp_path / "job.zip", RunJob(tmp_path, tmp_path / "other.db", tmp_path, tmp_path, finished_job.job_id)
    rows = read_json(finished_job, "job", "export", finished_job.job_id, file)["rows"]
    assert read_json(other, "job", "import", file)["evaluations"] == rows["evaluations"]
    for command in ("front", "show"):
        assert read_json(other, command, "latest") == read_json(finished_job, command, finished_job.job_id)
    table = tmp_path / "evaluations.parquet"
    assert read_json(other, "job", "evaluations", "latest", "--out", table)["rows"] == rows["evaluations"]
    assert list(pd.read_parquet(table)["seq"]) == list(range(1, rows["evaluations"] + 1))
    assert read_json(other, "job", "delete", "latest", "--dry-run")["rows"]["evaluations"] == rows["evaluations"]
    assert "deleted: " in say(other, "job", "delete", "latest")
    assert read_json(other, "jobs") == []
    orphans = read_json(other, "db", "vacuum", "--dry-run")["architectures"]
    assert orphans > 0
    assert read_json(other, "db", "vacuum")["architectures"] == orphans
    assert read_json(other, "db", "vacuum")["architectures"] == 0


def test_a_job_by_the_beginning_of_its_id(finished_job: RunJob) -> None:
    assert read_json(finished_job, "show", finished_job.job_id[:-1])["id"] == finished_job.job_id


@pytest.mark.parametrize("weights", ["inherited", "finetuned"])
def test_an_exported_model_scores_what_the_ledger_says(finished_job: RunJob, weights: str, tmp_path: Path) -> None:
    out = tmp_path / "model"
    with open_ledger(str(finished_job.db), read_only=True) as ledger:
        digest = next(iter(ledger.recorded(finished_job.job_id, "finetuned")))
        expected = ledger.evaluation(finished_job.job_id, digest, weights).val_loss
    arguments = ("export", finished_job.job_id, digest, "--weights", weights, "--out", out)
    assert read_json(finished_job, *arguments)["max_relative_difference"] <= 1e-5
    script = f"""
import sys; sys.path.insert(0, {str(out)!r})
import torch, torch.nn.functional as F
from model import load
from frontier.evaluators.tasks import LanguageModelConfig, open_task
inputs, targets = open_task(LanguageModelConfig(context=32, validation_windows=16)).validation_batch()
with torch.inference_mode():
    print(F.cross_entropy(load()(inputs).flatten(0, 1), targets.flatten()).item())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(expected, rel=1e-5)
    card = (out / "README.md").read_text()
    assert f"{expected:.4f} nats" in card
    assert ("fine-tuned on" if weights == "finetuned" else "not trained further") in card
    with open_ledger(str(finished_job.db), read_only=True) as ledger:
        assert str(out) in set(ledger.exports(finished_job.job_id)["path"])


def readme_commands() -> list[str]:
    """The README's `frontier` commands, in their order. `make` commands are what runs this."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [
        line.removeprefix(".venv/bin/") for line in lines if line.removeprefix(".venv/bin/").startswith("frontier ")
    ]


ARCHITECTURE = {
    "width": 64,
    "blocks": [
        {
            "token_mixer": {"kind": "attention", "num_heads": 4, "num_kv_heads": 2, "head_dim": 16},
            "channel_mixer": {"kind": "swiglu", "inner": 160},
        }
    ],
}


def published_table() -> pd.DataFrame:
    """Matrix products as published: 3 us, and 1 us more per 100 million operations."""
    sizes = product((1, 8, 64, 500, 4096), (64, 256, 1000, 4096, 16384), (64, 256, 1000, 4096))
    rows = pd.DataFrame(sizes, columns=["m", "n", "k"])
    rows["latency"] = 3e-3 + 2e-11 * rows.m * rows.n * rows.k
    runtime = {"framework": "law", "version": "1", "kernel_source": "made", "device": "Example X1"}
    return rows.assign(op_name="gemm", gemm_dtype="bfloat16", **runtime)


def test_the_readmes_commands_run(finished_job: RunJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each as it stands, with a small job in place of the reader's, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    published_table().to_parquet("gemm_perf.parquet")
    Path("architecture.json").write_text(json.dumps(ARCHITECTURE))
    with open_ledger(str(finished_job.db), read_only=True) as ledger:
        digest = ledger.front(finished_job.job_id).iloc[0]["digest"]
    ran = 0
    for command in readme_commands():
        found = {"JOB": finished_job.job_id, "ARCH": digest, "*_perf.parquet": "gemm_perf.parquet"}
        words = [found.get(word, word) for word in shlex.split(command, comments=True)[1:]]
        if words[0] in ("dashboard", "search", "resume", "serve", "submit", "stop") or words[:2] in (
            ["device", "profile"],
            ["device", "validate"],
        ):
            continue  # long-running: the tests of resuming, the service and the dashboard run them, on their own jobs
        process = frontier_command(*words, environment={"FRONTIER_DB": str(finished_job.db)})
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, f"{command}: {err[-1000:]}"
        ran += 1
    assert ran >= 6


def test_measured_kernels_are_written_as_parquet(finished_job: RunJob, tmp_path: Path) -> None:
    out = tmp_path / "kernels.parquet"
    device = next(entry for entry in read_json(finished_job, "device", "list") if entry["name"] == "this-machine")
    written = read_json(finished_job, "device", "export", "this-machine", "--out", str(out))
    frame = pd.read_parquet(out)
    assert written["measurements"] == len(frame) == device["measurements"]
    assert frame["key"].is_unique
    assert (frame["median_us"] > 0).all()
    assert set(frame["timing"]) == {"clock"}


def test_a_device_is_profiled_and_validated(finished_job: RunJob, tmp_path: Path) -> None:
    """The kernels of the small space are known, so only the launch gaps and the held-out models are measured."""
    space = tmp_path / "space.yaml"
    space.write_text(json.dumps(SMALL_JOB["space"]))
    options = ("--space", space, "--context", 32, "--seq-len", 31)
    profiled = read_json(finished_job, "device", "profile", *options)
    assert profiled["kernel calls measured"] > 20
    validated = read_json(finished_job, "device", "validate", *options, "--count", 4)
    assert len(validated["pairs"]) == 4
    assert validated["floor_mape"] >= 0
