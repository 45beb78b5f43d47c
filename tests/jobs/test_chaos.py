"""Workers, drivers and whole clusters killed at random instants: every job completes as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from conftest import SMALL_JOB, RunJob, frontier_command
from watched_job import outcome, processes_using, ray_folders_of, rows, start, wait_until, wait_until_gone

from frontier.db import Ledger, open_ledger

CLUSTER = ("gcs_server", "raylet")
LIMIT_SECONDS = 1800
# Long enough that seventeen kills find it at work.
LONG_JOB: dict[str, Any] = {
    **SMALL_JOB,
    "name": "long",
    "space": "tiny-lm",
    "task": {"context": 64, "validation_windows": 32},
    "device": {**SMALL_JOB["device"], "validation_models": 0},
    "training": {**SMALL_JOB["training"], "steps": 150},
    "search": {"evaluations": 400},
    "finalists": {"count": 3, "steps": 120, "batch_size": 4},
}


def workers_of(pid: int) -> list[int]:
    """Ray's worker processes on the cluster that a driver started: the children of its raylet that do a job's work."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
            parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
            raylet = (Path("/proc") / parent / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        ours = any(str(ray_folder) in raylet for ray_folder in ray_folders_of(pid))
        if ours and name.startswith("ray::") and not name.endswith(("IDLE", "Agent")):
            found.append(int(folder.name))
    return sorted(found)


def kill_a_worker(process: subprocess.Popen[str], rng: Random) -> None:
    """Kill one of the processes that work; waits until there is one."""
    wait_until(lambda: bool(workers_of(process.pid)), process, "a worker that can be killed")
    os.kill(rng.choice(workers_of(process.pid)), signal.SIGKILL)


def kill_the_driver(process: subprocess.Popen[str], rng: Random) -> None:
    process.kill()
    _killed(process)


def kill_the_cluster(process: subprocess.Popen[str], rng: Random) -> None:
    """Kill what holds a local cluster together; the driver ends by itself."""
    wait_until(lambda: bool(workers_of(process.pid)), process, "a cluster that works")
    for folder in ray_folders_of(process.pid):
        for command in map(Path, processes_using(folder)):
            if command.read_bytes().split(b"\0")[0].decode().endswith(CLUSTER):
                os.kill(int(command.parent.name), signal.SIGKILL)
    _killed(process)


def _killed(process: subprocess.Popen[str]) -> None:
    wait_until_gone(process)
    assert process.returncode != 0, "the job had ended before it was killed"


KILLS = {"worker": kill_a_worker, "driver": kill_the_driver, "cluster": kill_the_cluster}


def strike(ledger: Ledger, job_id: str, kind: str, process: subprocess.Popen[str], rng: Random) -> None:
    """Kill, and see that what was committed before is there after, as it was."""
    before = {fidelity: rows(ledger, job_id, fidelity) for fidelity in ("inherited", "finetuned")}
    KILLS[kind](process, rng)
    for fidelity, committed in before.items():
        assert committed.items() <= rows(ledger, job_id, fidelity).items(), f"committed {fidelity} evaluations changed"


def assert_same_job(ledger: Ledger, job_id: str, undisturbed: str) -> None:
    assert ledger.job(job_id).state == "done"
    assert outcome(ledger, job_id) == outcome(ledger, undisturbed)
    assert list(ledger.front(job_id)["digest"]) == list(ledger.front(undisturbed)["digest"])
    assert list(ledger.curve(job_id)["loss_nats"]) == list(ledger.curve(undisturbed)["loss_nats"])
    # When ASHA stops a finalist depends on who is ahead at that moment, so losses may differ; who they are may not.
    assert rows(ledger, job_id, "finetuned").keys() == rows(ledger, undisturbed, "finetuned").keys()


def test_a_worker_lost_in_every_stage_and_the_cluster_at_last(finished_job: RunJob, tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4))
    print(f"instants drawn from seed {seed}")
    rng = Random(seed)
    process, job_id = start(finished_job.job_file, finished_job.db, tmp_path / "runs")
    with open_ledger(str(finished_job.db), read_only=True) as ledger:
        step = rng.randrange(SMALL_JOB["training"]["steps"] // 2)
        scored = rng.randrange(SMALL_JOB["search"]["evaluations"] // 2)
        wait_until(lambda: len(ledger.curve(job_id)) and ledger.curve(job_id)["step"].max() >= step, process, "a step")
        strike(ledger, job_id, "worker", process, rng)
        wait_until(lambda: len(ledger.evaluations(job_id, "inherited")) > scored, process, "evaluations")
        strike(ledger, job_id, "worker", process, rng)
        wait_until(lambda: ledger.job(job_id).stage == "finetune", process, "the finalists")
        strike(ledger, job_id, "cluster", process, rng)
        process = frontier_command("resume", job_id, "--db", finished_job.db)
        _, err = process.communicate(timeout=LIMIT_SECONDS)
        assert process.returncode == 0, err[-3000:]
        assert_same_job(ledger, job_id, finished_job.job_id)


@pytest.mark.soak
def test_seventeen_kills(tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4))
    print(f"instants drawn from seed {seed}")
    rng = Random(seed)
    job_file, db, runs = tmp_path / "job.yaml", tmp_path / "f.db", tmp_path / "runs"
    job_file.write_text(yaml.safe_dump(LONG_JOB))
    process, undisturbed = start(job_file, db, runs)
    _, err = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0, err[-3000:]
    left = ["worker"] * 10 + ["driver"] * 5 + ["cluster"] * 2
    rng.shuffle(left)
    process, job_id = start(job_file, db, runs)
    with open_ledger(str(db), read_only=True) as ledger:
        while left:
            _wait(process, rng.uniform(0.5, 8.0))
            kind = left.pop()
            print(f"{kind} killed in {ledger.job(job_id).stage} at {ledger.job(job_id).done}")
            strike(ledger, job_id, kind, process, rng)
            if process.poll() is not None:
                process = frontier_command("resume", job_id, "--db", db)
        _, err = process.communicate(timeout=LIMIT_SECONDS)
        assert process.returncode == 0, err[-3000:]
        assert_same_job(ledger, job_id, undisturbed)


def _wait(process: subprocess.Popen[str], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
    raise AssertionError(f"the job ended before all kills: {process.communicate()[1][-2000:]}")
