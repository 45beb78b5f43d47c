"""Wrong input ends with exit code 2 and one line that names the file, the key path, the rule and the value."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml

from frontier import cli
from frontier.jobs.config import load_job
from frontier.search_space import SearchSpace

JOB: dict[str, Any] = {"name": "bad", "task": {"context": 32}, "device": {"seq_len": 31}}
IMAGES: dict[str, Any] = {"kind": "image_classification"}
EMPTY_CHOICE = {"name": "s", "width": [], "depth": [1], "token_mixers": [], "channel_mixers": []}


def refuse(arguments: list[object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """Run the command line in this process; it must refuse, in one line. Returns the line."""
    monkeypatch.setattr("sys.argv", ["frontier", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capsys.readouterr()
    assert left.value.code == 2, said.err
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    return said.err


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


CASES: dict[str, tuple[Any, str]] = {
    "unknown-key": ({**JOB, "colour": "red"}, r"job.yaml: colour: Extra inputs are not permitted; got \"red\""),
    "unknown-nested-key": ({**JOB, "training": {"step": 3}}, r"job.yaml: training.step: Extra inputs .*; got 3"),
    "wrong-type": ({**JOB, "training": {"steps": "many"}}, r"training.steps: .* valid integer.*; got \"many\""),
    "budget-of-zero": ({**JOB, "search": {"evaluations": 0}}, r"search.evaluations: .* greater than 0; got 0"),
    "unknown-algorithm": (
        {**JOB, "search": {"algorithm": "magic"}}, r"job.yaml: search.algorithm: one of .*nsga2.*; got 'magic'",
    ),
    "algorithm-in-no-file": ({**JOB, "search": {"algorithm": "no.py:Mine"}}, r"job.yaml: search.algorithm: .*no.py"),
    "more-gpus-than-there-are": (
        {**JOB, "cluster": {"cpus": 99}, "search": {"use_gpu": True, "workers": 99}},
        r"job.yaml: search.workers: with use_gpu at most the \d+ GPUs of this machine; got 99",
    ),
    "no-training-and-no-supernet": (
        {**JOB, "training": {"steps": 0}}, r"job.yaml: .*training.steps: at least 1 without a warm_start; got 0",
    ),
    "latency-of-a-phase-images-have-not": (
        {**JOB, "task": IMAGES, "space": "pyramid-vit", "objectives": ["val_loss", "decode_latency_ms"]},
        r"decode_latency_ms: images are seen at once",
    ),
    "unknown-objective": ({**JOB, "objectives": ["val_loss", "beauty"]}, r"objectives.1: .*; got \"beauty\""),
    "one-objective": ({**JOB, "objectives": ["val_loss"]}, r"objectives: val_loss and at least one other"),
    "unknown-constraint": ({**JOB, "constraints": {"price": {"max": 1}}}, r"constraints.price.*; got \"price\""),
    "negative-limit": ({**JOB, "constraints": {"latency_ms": {"max": -1}}}, r"constraints.latency_ms.max: .* got -1"),
    "no-name": ({"task": {"context": 32}}, r"name: Field required"),
    "name-with-blanks": ({**JOB, "name": "my job"}, r"name: .*pattern.*; got \"my job\""),
    "sequence-over-context": ({**JOB, "device": {"seq_len": 99}}, r"device.seq_len: at most 32 for prefill .*; got 99"),
    "more-threads-than-cpus": ({**JOB, "cluster": {"cpus": 1}}, r"training.workers: .* cluster.cpus = 1; got 2"),
    "unknown-space": ({**JOB, "space": "tiny-ml"}, r"job.yaml: space: .*a YAML file; got 'tiny-ml'"),
    "empty-choice": ({**JOB, "space": EMPTY_CHOICE}, r"job.yaml: space: .*width: a choice needs"),
    "no-mapping": (["a"], r"job.yaml: a job file is a mapping of settings; got \['a'\]"),
    "missing-data": ({**JOB, "task": {"context": 32, "data": "no.txt"}}, r"job.yaml: task.data: .*; got '/.*/no.txt'"),
    "unknown-task": ({**JOB, "task": {"kind": "translation"}}, r"task.kind: one of language_.*; got \"translation\""),
    "nameless-task": ({**JOB, "task": {"kind": ["a"]}}, r"job.yaml: task.kind: one of .*; got \[\"a\"\]"),
    "key-of-another-task": ({**JOB, "task": {**IMAGES, "context": 3}}, r"job.yaml: task.context: Extra .*; got 3"),
    "decoding-images": (
        {**JOB, "task": IMAGES, "device": {"phase": "decode"}}, r"device.phase: prefill for images.*got decode",
    ),
    "patch-over-side": ({**JOB, "task": {**IMAGES, "side": 4, "patch": 5}}, r"job.yaml: task: .*patch: .* 4; got 5"),
    "images-in-a-text-space": ({**JOB, "task": IMAGES}, r"job.yaml: space: images need .*; got tiny-lm"),
    "text-in-an-image-space": ({**JOB, "space": "pyramid-vit"}, r"job.yaml: space: text needs .*; got pyramid-vit"),
    "missing-images": (
        {**JOB, "task": {**IMAGES, "data": "no.npz"}, "space": "pyramid-vit"},
        r"job.yaml: task.data: .*; got '/.*/no.npz'",
    ),
    "missing-tokenizer": (
        {**JOB, "task": {"context": 32, "tokenizer": "no.json"}}, r"job.yaml: task.tokenizer: .*; got '/.*/no.json'",
    ),
    "parameters-nobody-has": (
        {**JOB, "constraints": {"param_count": {"max": 10}}},
        r"job.yaml: constraints.param_count.max: at least \d+, the least .* of tiny-lm reaches; got 10",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_job_file(
    case: str, in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw, pattern = CASES[case]
    (in_folder / "job.yaml").write_text(yaml.safe_dump(raw))
    line = refuse(["search", "job.yaml"], monkeypatch, capsys)
    assert re.search(pattern, line), line
    assert {path.name for path in in_folder.iterdir()} == {"job.yaml"}


def test_a_job_file_that_is_no_yaml(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_folder / "job.yaml").write_text("name: [unclosed")
    assert "job.yaml: not YAML" in refuse(["search", "job.yaml"], monkeypatch, capsys)
    assert "no.yaml: a job file that can be read" in refuse(["search", "no.yaml"], monkeypatch, capsys)


def test_paths_are_meant_from_the_job_files_folder(in_folder: Path) -> None:
    (in_folder / "jobs").mkdir()
    (in_folder / "jobs" / "space.yaml").write_text(yaml.safe_dump(SearchSpace.load("tiny-lm").to_json()))
    job_file = in_folder / "jobs" / "job.yaml"
    job_file.write_text(yaml.safe_dump({**JOB, "space": "space.yaml", "task": {"context": 32, "data": "text/*.txt"}}))
    config = load_job(Path("jobs/job.yaml"))
    assert config.space == str(in_folder / "jobs" / "space.yaml")
    assert config.task.data == str(in_folder / "jobs" / "text" / "*.txt")


def test_a_corpus_too_small_for_one_window(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_folder / "text.txt").write_text("short")
    (in_folder / "job.yaml").write_text(yaml.safe_dump({**JOB, "task": {"context": 32, "data": "text.txt"}}))
    line = refuse(["search", "job.yaml"], monkeypatch, capsys)
    assert "job.yaml: task.data: the training part holds at least context + 1 = 33 bytes; got 5 bytes" in line


def test_databases_that_cannot_be_used(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_folder / "job.yaml").write_text(yaml.safe_dump(JOB))
    (in_folder / "text.db").write_text("this is no database, whatever its name says" * 30)
    assert "text.db" in refuse(["search", "job.yaml", "--db", "text.db"], monkeypatch, capsys)
    assert "gone" in refuse(["jobs", "--db", "gone/frontier.db"], monkeypatch, capsys)
    assert "missing.db" in refuse(["jobs", "--db", "missing.db"], monkeypatch, capsys)
    assert not (in_folder / "missing.db").exists()


def test_a_newer_schema(in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["frontier", "db", "upgrade", "--db", "new.db"])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    capsys.readouterr()
    with sqlite3.connect(in_folder / "new.db") as database:
        database.execute("update alembic_version set version_num = '9999'")
    database.close()
    line = refuse(["jobs", "--db", "new.db"], monkeypatch, capsys)
    assert "new.db" in line
    assert "9999" in line
    assert "newer" in line


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        (["front"], "Missing argument 'JOB'"),
        (["fly"], "No such command 'fly'"),
        (["jobs", "--fast"], "No such option: --fast"),
        (["init", "--task", "vision"], "--task: text or language_model, images or .*; got 'vision'"),
        (["device", "profile", "--threads", "0"], "device.threads: .*greater than 0; got 0"),
        (["device", "profile", "--space", "nope"], "a YAML file; got 'nope'"),
        (["device", "validate", "--phase", "tune"], 'device.phase: .*; got "tune"'),
        (["submit", "gone.yaml"], "gone.yaml: a job file that can be read"),
        (["stop", "JOB"], "database: must exist; got .*frontier.db"),
        (["serve", "--parallel", "0"], "parallel: at least 1 job at once; got 0"),
    ],
)
def test_wrong_arguments(
    arguments: list[object],
    pattern: str,
    in_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = refuse(arguments, monkeypatch, capsys)
    assert re.search(pattern, line), line
    assert list(in_folder.iterdir()) == []


def test_init_leaves_a_file_that_exists_alone(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_folder / "job.yaml").write_text("mine")
    assert "a file that does not exist yet; got job.yaml" in refuse(["init"], monkeypatch, capsys)
    assert (in_folder / "job.yaml").read_text() == "mine"
