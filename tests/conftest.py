"""What several rooms' tests share: a small search job that really ran, from its file to its finalists."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

SMALL_JOB: dict[str, Any] = {
    "name": "small",
    "space": {
        "name": "small",
        "width": [16, 32],
        "depth": [1, 2],
        "token_mixers": [
            {"kind": "attention", "num_heads": [1, 2], "num_kv_heads": 1, "head_dim": 16, "window": [8, None]},
            {"kind": "causal_conv", "channels": [16, 32], "kernel_size": 3},
        ],
        "channel_mixers": [{"kind": "swiglu", "inner": [16, 32]}],
    },
    "task": {"context": 32, "validation_windows": 16},
    "device": {"seq_len": 31, "calibration_models": 6, "validation_models": 4},
    "training": {
        "steps": 40, "batch_size": 4, "warmup_steps": 5, "workers": 1, "report_every": 5, "checkpoint_every": 5,
    },
    "search": {"evaluations": 40, "population": 8},
    "finalists": {"count": 3, "steps": 40, "batch_size": 4},
}  # fmt: skip


def frontier_command(*arguments: object, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """The `frontier` command in a process of its own, its output captured."""
    return subprocess.Popen(
        [sys.executable, "-m", "frontier", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
        preexec_fn=_hear_interrupts,
    )


def _hear_interrupts() -> None:
    """A shell lets what it runs in the background ignore Ctrl-C, and so do their children, unless told otherwise."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True)
class RunJob:
    """Where a job that ran left its things."""

    folder: Path
    db: Path
    runs: Path
    job_file: Path
    job_id: str


@pytest.fixture(scope="session")
def finished_job(tmp_path_factory: pytest.TempPathFactory) -> RunJob:
    """A small job, run undisturbed by the command a user would type."""
    folder = tmp_path_factory.mktemp("job")
    job_file = folder / "job.yaml"
    job_file.write_text(yaml.safe_dump(SMALL_JOB))
    process = frontier_command("search", job_file, "--db", folder / "f.db", "--runs", folder / "runs")
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err[-3000:]
    job_id = out.split()[1].rstrip(";")
    return RunJob(folder, folder / "f.db", folder / "runs", job_file, job_id)
