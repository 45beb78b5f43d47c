"""A driver killed in every stage, at random instants, and resumed: nothing committed is lost, repeated or different."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from random import Random

import pytest
import yaml
from conftest import SMALL_JOB, RunJob, frontier_command
from watched_job import LIMIT_SECONDS, outcome, rows, start, wait_until, wait_until_gone

from frontier.db import open_ledger

STEPS = SMALL_JOB["training"]["steps"]
EVALUATIONS = SMALL_JOB["search"]["evaluations"]
FINALISTS = SMALL_JOB["finalists"]["count"]


def test_killed_in_every_stage(finished_job: RunJob, tmp_path: Path) -> None:
    seed = int.from_bytes(os.urandom(4))
    print(f"instants drawn from seed {seed}")
    rng = Random(seed)
    process, job_id = start(finished_job.job_file, finished_job.db, tmp_path / "runs")
    with open_ledger(str(finished_job.db), read_only=True) as ledger:
        step, scored, tuned = rng.randrange(1, STEPS), rng.randrange(1, EVALUATIONS), rng.randrange(FINALISTS)
        instants = {
            f"training at step {step}": lambda: ledger.curve(job_id)["step"].max() >= step,
            f"searching after {scored} evaluations": lambda: len(ledger.evaluations(job_id, "inherited")) >= scored,
            f"fine-tuning after {tuned} finalists": lambda: (
                ledger.job(job_id).stage == "finetune" and len(ledger.evaluations(job_id, "finetuned")) >= tuned
            ),
        }
        for instant, reached in instants.items():
            wait_until(reached, process, instant)
            committed = {fidelity: rows(ledger, job_id, fidelity) for fidelity in ("inherited", "finetuned")}
            curve = set(ledger.curve(job_id)["step"])
            process.kill()
            wait_until_gone(process)
            assert ledger.job(job_id).state == "running", instant
            process = frontier_command("resume", job_id, "--db", finished_job.db)
            for fidelity, before in committed.items():
                now = rows(ledger, job_id, fidelity)
                assert before.items() <= now.items(), f"{instant}: committed evaluations changed"
            assert curve <= set(ledger.curve(job_id)["step"])
        _, err = process.communicate(timeout=LIMIT_SECONDS)
        assert process.returncode == 0, err[-3000:]
        for fidelity, before in committed.items():
            assert before.items() <= rows(ledger, job_id, fidelity).items()
        assert ledger.job(job_id).state == "done"
        undisturbed = finished_job.job_id
        assert outcome(ledger, job_id) == outcome(ledger, undisturbed)
        # When ASHA stops a finalist depends on who is ahead at that moment, so losses may differ; who they are may not.
        tuned_now, tuned_then = rows(ledger, job_id, "finetuned"), rows(ledger, undisturbed, "finetuned")
        assert tuned_now.keys() == tuned_then.keys()
        assert len(tuned_now) == FINALISTS
        assert len(ledger.evaluations(job_id, "inherited")) == EVALUATIONS
        assert list(ledger.front(job_id)["digest"]) == list(ledger.front(undisturbed)["digest"])
        assert list(ledger.curve(job_id)["loss_nats"]) == list(ledger.curve(undisturbed)["loss_nats"])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_an_interrupted_job_is_resumable_and_says_the_command(
    finished_job: RunJob, how: signal.Signals, tmp_path: Path
) -> None:
    process = frontier_command("search", finished_job.job_file, "--db", finished_job.db, "--runs", tmp_path / "runs")
    assert process.stdout is not None
    line = process.stdout.readline()
    job_id = line.split()[1].rstrip(";")
    assert f"frontier resume {job_id} --db {finished_job.db}" in line
    with open_ledger(str(finished_job.db), read_only=True) as ledger:
        wait_until(lambda: len(ledger.curve(job_id)) > 0, process, "the first point of the curve")
        process.send_signal(how)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 3, err[-2000:]
        assert "Traceback" not in err
        assert f"frontier resume {job_id}" in err
        assert ledger.job(job_id).state == "interrupted"


def test_one_driver_at_a_time(finished_job: RunJob, tmp_path: Path) -> None:
    process, job_id = start(finished_job.job_file, finished_job.db, tmp_path / "runs")
    second = frontier_command("resume", job_id, "--db", finished_job.db)
    _, err = second.communicate(timeout=120)
    process.kill()
    process.communicate()
    assert second.returncode == 2
    assert "one driver at a time" in err


def test_a_limit_on_latency_that_nobody_meets_is_said_before_training(finished_job: RunJob, tmp_path: Path) -> None:
    job_file = tmp_path / "job.yaml"
    job_file.write_text(yaml.safe_dump({**SMALL_JOB, "constraints": {"latency_ms": {"max": 0.0001}}}))
    process = frontier_command("search", job_file, "--db", finished_job.db, "--runs", tmp_path / "runs")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert "job.yaml: constraints.latency_ms.max: at least 0." in last
    assert "the least that any architecture of small reaches on this-machine; got 0.0001" in last
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("change", ["data", "folder"])
def test_what_cannot_be_resumed_says_why(finished_job: RunJob, change: str, tmp_path: Path) -> None:
    corpus = tmp_path / "text"
    corpus.mkdir()
    for index in range(3):
        (corpus / f"{index}.txt").write_text(f"the quick brown fox number {index} jumps over the lazy dog. " * 200)
    runs = tmp_path / "runs"
    arguments = ("search", finished_job.job_file, "--data", corpus, "--db", finished_job.db, "--runs", runs)
    process = frontier_command(*arguments)
    assert process.stdout is not None
    job_id = process.stdout.readline().split()[1].rstrip(";")
    process.kill()
    process.communicate()
    if change == "data":
        (corpus / "3.txt").write_text("another text")
        expected = "task.data: the data the job began with"
    else:
        (runs / job_id).rename(tmp_path / "moved")
        expected = "its run folder with device.json"
    resumed = frontier_command("resume", job_id, "--db", finished_job.db)
    _, err = resumed.communicate(timeout=120)
    assert resumed.returncode == 2
    assert expected in err
    assert err.count("\n") == 1
