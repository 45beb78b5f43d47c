"""A job that goes on from another one's supernet: as it is, with its scores, or trained further."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import SMALL_JOB, RunJob, frontier_command

from frontier.db import open_ledger
from frontier.supernet.checkpoint import load_tensors

SHORT: dict[str, Any] = {
    **SMALL_JOB,
    "device": {**SMALL_JOB["device"], "validation_models": 0},
    "finalists": {"count": 0},
}


def launch(finished: RunJob, folder: Path, **changes: Any) -> tuple[int, str, str]:
    job_file = folder / "warm.yaml"
    job_file.write_text(yaml.safe_dump({**SHORT, "name": "warm", "warm_start": {"job": finished.job_id}, **changes}))
    process = frontier_command("search", job_file, "--db", finished.db, "--runs", folder / "runs", "--json")
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def test_a_supernet_as_it_is_brings_its_scores(finished_job: RunJob, tmp_path: Path) -> None:
    training = {**SHORT["training"], "steps": 0}
    code, out, err = launch(
        finished_job, tmp_path, training=training, objectives=["val_loss", "decode_latency_ms"],
        search={"evaluations": 12, "algorithm": "evolution"},
    )  # fmt: skip
    assert code == 0, err[-3000:]
    job_id = json.loads(out)["job"]
    with open_ledger(str(finished_job.db), read_only=True) as ledger:
        before, after = (ledger.evaluations(job, "inherited") for job in (finished_job.job_id, job_id))
        assert list(after["digest"][: len(before)]) == list(before["digest"])
        assert list(after["val_loss"][: len(before)]) == list(before["val_loss"])
        assert len(after) == len(before) + 12
        assert after["digest"].is_unique
        theirs, ours = (ledger.checkpoints(job).query("kind == 'supernet'") for job in (finished_job.job_id, job_id))
        assert int(ours.iloc[-1]["step"]) == SMALL_JOB["training"]["steps"]
        assert Path(ours.iloc[-1]["path"]).read_bytes() == Path(theirs.iloc[-1]["path"]).read_bytes()


def test_a_supernet_trained_further_begins_where_the_other_ended(finished_job: RunJob, tmp_path: Path) -> None:
    training = {**SHORT["training"], "steps": 2, "learning_rate": 1e-9, "warmup_steps": 0, "weight_decay": 0.0}
    code, out, err = launch(finished_job, tmp_path, training=training, search={"evaluations": 4})
    assert code == 0, err[-3000:]
    job_id = json.loads(out)["job"]
    with open_ledger(str(finished_job.db), read_only=True) as ledger:
        assert len(ledger.evaluations(job_id, "inherited")) == 4
        theirs, ours = (
            load_tensors(Path(ledger.checkpoints(job).query("kind == 'supernet'").iloc[-1]["path"]))
            for job in (finished_job.job_id, job_id)
        )
    shared = [name for name in theirs if name.startswith("shared.")]
    assert all((theirs[name] - ours[name]).abs().max() < 1e-6 for name in shared)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no-such-job": ({"warm_start": {"job": "nobody"}}, r"warm.yaml: job: .*got 'nobody'"),
    "another-space": ({"space": "tiny-lm"}, r"warm.yaml: warm_start.job: one of the space tiny-lm; got small-\w+"),
    "other-data": (
        {"task": {**SMALL_JOB["task"], "validation_windows": 8}},
        r"warm.yaml: warm_start.job: one of the same task and data; got small-\w+",
    ),
    "scores-made-otherwise": (
        {"training": {**SHORT["training"], "steps": 0}, "search": {"recalibrate_steps": 3}},
        r"warm.yaml: search.recalibrate_steps: 0 as in small-\w+, .*; got 3",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_match_is_refused_before_anything_starts(case: str, finished_job: RunJob, tmp_path: Path) -> None:
    changes, pattern = REFUSED[case]
    code, out, err = launch(finished_job, tmp_path, **changes)
    assert (code, out) == (2, "")
    assert re.search(pattern, err), err
    assert not (tmp_path / "runs").exists()
