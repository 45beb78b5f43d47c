"""Commands carried out: launched, priced, exported; what a user did wrong comes back as one line."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import SMALL_JOB, RunJob

from frontier.db import Command, Ledger, open_ledger
from frontier.db.words import COMMAND_KINDS
from frontier.jobs.config import parse_job
from frontier.jobs.controller.command_process import carry_out
from frontier.jobs.controller.commands import COMMANDS
from frontier.jobs.controller.exporting import pack
from frontier.jobs.prepared import prepare

from .service import controlled, copied_ledger, places, until


@pytest.fixture
def db(finished_job: RunJob, tmp_path: Path) -> Path:
    return copied_ledger(finished_job.db, tmp_path)


@pytest.fixture
def ledger(db: Path) -> Iterator[Ledger]:
    with open_ledger(str(db)) as ledger:
        yield ledger


def carried_out(ledger: Ledger, db: Path, kind: str, arguments: dict[str, Any], job_id: str | None = None) -> Command:
    """A command after it was carried out, in this process."""
    number = ledger.add_command(kind, arguments, job_id)
    claimed = ledger.claim_command("w", 60)
    assert claimed is not None
    assert claimed.id == number
    carry_out(ledger, places(db), number, "w", 60)
    return ledger.command(number)


def job_file(**changes: Any) -> dict[str, str]:
    return {"job_file": yaml.safe_dump({**SMALL_JOB, **changes})}


def test_there_is_a_way_to_carry_out_each_kind() -> None:
    assert tuple(COMMANDS) == COMMAND_KINDS


def test_a_launched_job_waits_in_the_queue(ledger: Ledger, db: Path) -> None:
    done = carried_out(ledger, db, "launch", job_file(name="from-the-form"))
    assert (done.state, done.message, done.share) == ("done", None, 1.0)
    job = ledger.job(done.result["job_id"])
    assert (job.state, job.stage, job.priority, job.claimed_by) == ("queued", "profile", 0, None)
    expected = prepare(parse_job({**SMALL_JOB, "name": "from-the-form"}, "test"), "test").config
    assert job.config == expected.model_dump(mode="json")
    assert job.run_dir == str((db.parent / "runs" / job.id).resolve())
    assert job.facts["space_count"] == str(parse_job(SMALL_JOB, "test").open_space().count())


def test_a_launch_carried_out_twice_is_one_job(ledger: Ledger, db: Path) -> None:
    number = ledger.add_command("launch", job_file(name="once"))
    found = []
    for _ in range(2):
        ledger.claim_command("w", 60)
        carry_out(ledger, places(db), number, "w", 60)
        found.append(ledger.command(number).result["job_id"])
        with ledger._writing() as session:  # as if the worker had died before it said that it was done
            session.connection().exec_driver_sql("UPDATE commands SET state = 'waiting'")
    assert found[0] == found[1]
    assert (ledger.jobs()["name"] == "once").sum() == 1


BAD = {
    "not-yaml": ("a: [", "job file: not YAML: "),
    "no-mapping": ("- 1\n", "job file: a job file is a mapping of settings; got [1]"),
    "setting": ("name: x\nsearch: {evaluations: 0}\n", "job file: search.evaluations: "),
    "space": ("name: x\nspace: nowhere\n", "job file: space: "),
    "data": ("name: x\ntask: {data: /nowhere}\n", "job file: task.data: "),
    "limit": ("name: x\nconstraints: {param_count: {max: 3}}\n", "job file: constraints.param_count.max: at least "),
    "warm-start": ("name: x\nwarm_start: {job: nobody}\n", "job file: job: must be the beginning of a job's id "),
}


@pytest.mark.parametrize(("text", "expected"), BAD.values(), ids=BAD)
def test_a_bad_job_file_fails_with_one_line(ledger: Ledger, db: Path, text: str, expected: str) -> None:
    before = len(ledger.jobs())
    failed = carried_out(ledger, db, "launch", {"job_file": text})
    assert failed.state == "failed"
    assert str(failed.message).startswith(expected)
    assert "\n" not in str(failed.message)
    assert len(ledger.jobs()) == before


def test_a_price_is_known_where_the_device_is(ledger: Ledger, db: Path) -> None:
    config = parse_job(SMALL_JOB, "test")
    found = carried_out(ledger, db, "price", job_file()).result
    assert found["count"] == str(config.open_space().count())
    assert 0 < found["latency_low_ms"] < found["latency_high_ms"]
    assert found["latency_note"].startswith("predicted for this-machine: ")
    job_id = ledger.jobs()["id"].iloc[-1]
    scored = ledger.evaluations(job_id, "inherited")
    assert found["latency_low_ms"] <= scored["latency_ms"].min() * (1 + 1e-6)
    assert found["param_low"] <= scored["param_count"].min() < scored["param_count"].max() <= found["param_high"]


def test_a_price_says_what_is_not_known_yet(ledger: Ledger, db: Path) -> None:
    found = carried_out(ledger, db, "price", job_file(device={**SMALL_JOB["device"], "name": "elsewhere"})).result
    assert (found["latency_low_ms"], found["latency_high_ms"]) == (None, None)
    assert found["latency_note"] == "elsewhere has not been measured yet; that is done when the job begins"
    assert 0 < found["param_low"] < found["param_high"]
    phase = {**SMALL_JOB["device"], "phase": "train"}
    uncalibrated = carried_out(ledger, db, "price", job_file(device=phase)).result
    assert uncalibrated["latency_low_ms"] is None
    assert uncalibrated["latency_note"].startswith("phase: calibrated on this device is ")


def test_an_export_leaves_a_folder_and_an_archive(ledger: Ledger, db: Path, finished_job: RunJob) -> None:
    digest = ledger.front(finished_job.job_id)["digest"].iloc[0]
    arguments = {"digest": digest, "format": "pytorch", "weights": "best"}
    number = ledger.add_command("export", arguments, finished_job.job_id)
    with controlled(db):
        until(lambda: ledger.command(number).state not in ("waiting", "running"), "the export")
    done = ledger.command(number)
    assert done.state == "done", done.message
    exports = places(db).exports
    folder, archive = exports / done.result["folder"], exports / done.result["archive"]
    assert archive.name == f"{folder.name}.zip"
    assert sorted(exports.iterdir()) == sorted([folder, archive])
    assert folder.name.startswith(f"{finished_job.job_id}-{digest}"[:40])
    assert done.result["max_relative_difference"] <= 1e-5
    assert done.result["measured_ms"] > 0
    with zipfile.ZipFile(archive) as packed:
        assert packed.testzip() is None
        assert set(packed.namelist()) == {f"{folder.name}/{path.name}" for path in folder.iterdir()}


BAD_EXPORTS = {
    "digest": ({"digest": "zz"}, "zz"),
    "format": ({"format": "pdf"}, "--format: one of pytorch"),
    "weights": ({"weights": "../../etc"}, "weights: one of best, inherited, finetuned; got '../../etc'"),
    "nothing": ({"digest": None}, "export: digest: a text; got None"),
}


@pytest.mark.parametrize(("change", "expected"), BAD_EXPORTS.values(), ids=BAD_EXPORTS)
def test_a_bad_export_fails_with_one_line_and_leaves_nothing(
    ledger: Ledger, db: Path, finished_job: RunJob, change: dict[str, Any], expected: str
) -> None:
    digest = ledger.front(finished_job.job_id)["digest"].iloc[0]
    arguments = {"digest": digest, "format": "pytorch", "weights": "best"} | change
    failed = carried_out(ledger, db, "export", arguments, finished_job.job_id)
    assert failed.state == "failed"
    assert expected in str(failed.message)
    assert "\n" not in str(failed.message)
    assert not list(places(db).exports.glob("*"))


def test_an_archive_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_bytes(b"w" * 1000)
    monkeypatch.setattr(zipfile.ZipFile, "write", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        pack(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
