"""The form for a new search: the job file it writes, what it refuses, and what its page says."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from frontier.cli import app as command_line
from frontier.dashboard.new_search.asked_words import asked
from frontier.dashboard.new_search.draft import BUILT_IN_DATA, DEFAULT_SPACES, Draft, read_draft
from frontier.dashboard.new_search.fields import ALGORITHMS, FIELDS, IMAGES, OBJECTIVE_WORDS
from frontier.dashboard.new_search.page import layout
from frontier.dashboard.new_search.reading import NewSearchReading
from frontier.dashboard.new_search.space_count import architectures_in
from frontier.db import Command
from frontier.db.words import OBJECTIVES
from frontier.errors import InputError
from frontier.evaluators import tasks
from frontier.jobs import algorithms
from frontier.jobs.config import JobConfig, load_job
from frontier.search_space import SearchSpace, preset_names

EVERYTHING: dict[str, Any] = {
    "name": "mine", "data": "/data/texts", "context": "63", "space": "moe-lm", "device": "laptop", "runs_on": "cuda",
    "threads": "3", "phase": "decode", "batch": "5", "seq_len": "62",
    "objectives": "val_loss,decode_latency_ms,param_count", "max_latency_ms": "1.5", "max_param_count": "2000000",
    "max_peak_memory_bytes": "0.5", "max_prefill_latency_ms": "7", "max_decode_latency_ms": "8",
    "max_train_latency_ms": "9", "max_val_loss": "2.5", "steps": "11", "algorithm": "nsga3", "evaluations": "13",
    "seconds": "90.5", "finalists": "0", "workers": "7", "seed": "17",
}  # fmt: skip


def job_of(draft: Draft, folder: Path) -> JobConfig:
    path = folder / "job.yaml"
    path.write_text(draft.job_file)
    return load_job(path)


def test_the_form_begins_with_the_defaults_of_a_job(tmp_path: Path) -> None:
    assert job_of(Draft.of({}), tmp_path) == JobConfig(name="my-search")


@pytest.mark.parametrize(("task", "kind"), [("text", "language_model"), ("images", IMAGES)])
def test_the_file_says_what_init_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, kind: str) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: FIELDS["workers"].default)
    written = tmp_path / "init.yaml"
    assert CliRunner().invoke(command_line, ["init", "--task", task, "--out", str(written)]).exit_code == 0
    draft = Draft.of({"task": kind, "space": DEFAULT_SPACES[kind]})
    assert job_of(draft, tmp_path) == load_job(written)


def test_every_field_reaches_its_place(tmp_path: Path) -> None:
    assert EVERYTHING.keys() == FIELDS.keys() - {"task"}
    job = job_of(Draft.of(EVERYTHING), tmp_path)
    assert (job.name, job.space, job.seed, job.task.data) == ("mine", "moe-lm", 17, "/data/texts")
    assert job.task.context == 63
    device = job.device
    assert (device.name, device.device, device.threads) == ("laptop", "cuda", 3)
    assert (device.phase, device.batch, device.seq_len) == ("decode", 5, 62)
    assert job.objectives == ("val_loss", "decode_latency_ms", "param_count")
    assert {name: limit.max for name, limit in job.constraints.items()} == {
        "latency_ms": 1.5, "param_count": 2e6, "peak_memory_bytes": 2**19, "prefill_latency_ms": 7,
        "decode_latency_ms": 8, "train_latency_ms": 9, "val_loss": 2.5,
    }  # fmt: skip
    assert (job.training.steps, job.search.algorithm, job.search.evaluations, job.search.seconds) == (
        11,
        "nsga3",
        13,
        90.5,
    )
    assert (job.training.workers, job.search.workers, job.finalists.workers, job.cluster.cpus) == (7, 7, 7, 7)
    assert job.finalists.count == 0


@pytest.mark.parametrize("raw", [{}, EVERYTHING, {"task": IMAGES, "space": "pyramid-vit"}, {"name": "a", "seed": 3}])
def test_the_address_holds_the_whole_form(raw: dict[str, Any]) -> None:
    draft = Draft.of(raw)
    assert Draft.parse(draft.search) == draft
    assert Draft.of(draft.values | {"objectives": list(draft.values["objectives"])}) == draft


def test_what_stands_at_its_default_is_left_out_of_the_address() -> None:
    assert Draft.of({}).search == ""
    assert Draft.of({"seed": 3, "batch": "1"}).search == "?seed=3"


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ({"batch": "0"}, "device.batch: a whole number of at least 1; got '0'"),
        ({"batch": ""}, "device.batch: a value is needed; got nothing"),
        ({"batch": "1.5"}, "device.batch: a whole number of at least 1; got '1.5'"),
        ({"batch": "inf"}, "device.batch: a whole number of at least 1; got 'inf'"),
        ({"batch": [3]}, r"device.batch: a whole number of at least 1; got \[3\]"),
        ({"seed": "-1"}, "seed: a whole number of at least 0; got '-1'"),
        ({"max_latency_ms": "0"}, "constraints.latency_ms.max: a number above 0; got '0'"),
        ({"max_latency_ms": "nan"}, "constraints.latency_ms.max: a number above 0; got 'nan'"),
        ({"phase": "sleep"}, "device.phase: one of prefill, decode, train; got 'sleep'"),
        ({"objectives": "val_loss,beauty"}, "objectives: some of val_loss, .*; got "),
        ({"objectives": {"val_loss": 1}}, "objectives: some of val_loss, .*; got "),
        ({"objectives": "latency_ms,param_count"}, "objectives: val_loss and at least one other; got latency_ms"),
        ({"objectives": ["val_loss"]}, "objectives: val_loss and at least one other; got val_loss"),
        ({"data": "texts"}, "task.data: a path from the root, as the service reads it; got 'texts'"),
        ({"name": 5}, "name: a text; got 5"),
    ],
)  # fmt: skip
def test_what_a_field_may_not_hold_is_refused_in_one_line(raw: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=f"^{line}"):
        Draft.of(raw)


def test_an_address_with_an_unknown_field_shows_the_default_form_and_says_so() -> None:
    draft, wrong = read_draft("?colour=red")
    assert draft == Draft.of({})
    assert wrong is not None
    assert "'colour'" in wrong


def test_the_words_of_the_form_are_those_of_the_service() -> None:
    assert set(ALGORITHMS) == set(algorithms.ALGORITHMS)
    assert tuple(OBJECTIVE_WORDS) == OBJECTIVES
    assert set(FIELDS["task"].options) == set(tasks.TASKS) == set(DEFAULT_SPACES)
    assert set(BUILT_IN_DATA) == set(tasks.BUILT_IN_DATA)
    assert {f"max_{name}" for name in OBJECTIVES} <= FIELDS.keys()


@pytest.mark.parametrize("preset", preset_names())
def test_a_preset_is_counted(preset: str) -> None:
    space = SearchSpace.load(preset)
    assert architectures_in(preset, space.layout.pyramid, may_read_files=False) == space.count()
    with pytest.raises(InputError, match="stages for this task"):
        architectures_in(preset, not space.layout.pyramid, may_read_files=False)


@pytest.mark.parametrize("name", ["{folder}/secret.yaml", "../../../../../../../../..{folder}/secret"])
def test_a_file_is_told_of_only_to_who_may_change_things(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.yaml").write_text("password\n")
    named = name.format(folder=tmp_path)
    with pytest.raises(InputError) as refused:
        architectures_in(named, images=False, may_read_files=False)
    assert "password" not in str(refused.value)
    (tmp_path / "own.yaml").write_text(json.dumps(SearchSpace.load("tiny-lm").to_json()))
    assert architectures_in(str(tmp_path / "own.yaml"), images=False, may_read_files=True) > 1


READING = NewSearchReading(("laptop", "<b>server</b>"), "my ledger.db")


@pytest.mark.parametrize("granted", [False, True])
def test_only_who_may_launch_is_offered_it(granted: bool) -> None:
    page = json.dumps(
        layout(READING, Draft.of({}), granted).to_plotly_json(), default=lambda part: part.to_plotly_json()
    )
    assert ('"new-search-launch"' in page) is granted
    assert "frontier search job.yaml --db 'my ledger.db'" in page
    assert json.dumps(Draft.of({}).job_file)[1:-1] in page
    assert "dangerously" not in page


def test_a_space_that_does_not_fit_is_said_beside_the_form() -> None:
    page = str(layout(READING, Draft.of({"space": "no-such"}), granted=True))
    assert "space: a preset" in page
    assert "Not a search yet" in page


def command(kind: str, state: str, **fields: Any) -> Command:
    moment = datetime(2026, 11, 22)
    whole = {
        "arguments": {"job_file": "name: x\n"}, "share": 0.0, "message": None, "result": {}, "created_at": moment,
        "updated_at": moment,
    }  # fmt: skip
    return Command(id=1, kind=kind, job_id=None, state=state, **(whole | fields))


PRICE = {
    "count": "5308416204800", "latency_low_ms": 0.4123, "latency_high_ms": 7.91, "latency_note": "on laptop",
    "param_low": 45_000, "param_high": 2_100_000,
}  # fmt: skip


def test_a_price_is_a_range_with_what_stands_behind_it() -> None:
    said = str(asked(command("price", "done", result=PRICE), True))
    assert "0.412 to 7.91 ms" in said
    assert "on laptop" in said
    assert "5.3" in said
    unknown = PRICE | {"latency_low_ms": None, "latency_high_ms": None, "latency_note": "the device was never measured"}
    said = str(asked(command("price", "done", result=unknown), True))
    assert "not known yet" in said
    assert "never measured" in said


@pytest.mark.parametrize(
    ("most", "meaning"), [(0.1, "no architecture meets it"), (3, "a part of the space"), (50, "limits nothing")]
)
def test_a_limit_is_held_against_the_range(most: float, meaning: str) -> None:
    job_file = Draft.of({"max_latency_ms": most}).job_file
    said = str(asked(command("price", "done", result=PRICE, arguments={"job_file": job_file}), True))
    assert meaning in said


def test_what_was_asked_is_followed_in_words() -> None:
    assert "no controller is there" in str(asked(command("launch", "waiting"), False))
    assert "waits for the controller" in str(asked(command("launch", "waiting"), True))
    assert "reading the data" in str(asked(command("launch", "running", share=0.5, message="reading the data"), True))
    assert "search.workers: too many" in str(
        asked(command("launch", "failed", message="search.workers: too many"), True)
    )
    assert "/job/mine-a1b2c3" in str(asked(command("launch", "done", result={"job_id": "mine-a1b2c3"}), True))
