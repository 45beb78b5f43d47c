"""A job that moves to another ledger is the same job, a file that is not whole is refused, and nothing is half done."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from frontier.db import (
    CurvePoint,
    Evaluation,
    Job,
    Ledger,
    Node,
    Quality,
    export_job,
    import_job,
    open_ledger,
    write_evaluations,
)
from frontier.errors import InputError

from .conftest import ENGINES

MakeEvaluation = Callable[..., Evaluation]
EVERY_WORD = "naïve — 前 ' \" \\ % \n end"


@pytest.fixture
def filled(ledger: Ledger, job: Job, evaluation: MakeEvaluation) -> Ledger:
    """A ledger whose job has rows of every kind, and a second job that shares some of its architectures."""
    other = ledger.create_job(job_id="other", name="o", config={}, space={}, run_dir="r", objectives=["val_loss"])
    batch = [
        evaluation("a", 2.0, 1.0, param_count=2**40, reason=EVERY_WORD),
        evaluation("b", 1.0, math.inf, extrapolates=True, attempts=2, seen_share=0.5),
        evaluation("c", None, None, state="failed"),
        evaluation("a", 1.5, 1.0, fidelity="finetuned", latency_measured_ms=0.1),
        evaluation("d", 0.5, 0.5),
    ]
    line = {"layer": "l", "op": "mm", "family": "gemm", "calls": 1, "latency_ms": 1.0, "measured": True}
    ledger.record(job.id, batch, {"a": {"prefill": [line, line], "decode": [line]}})
    ledger.record(other.id, [evaluation("a", 9.0, 9.0), evaluation("z", 1.0, 1.0)])
    ledger.add_curve(job.id, [CurvePoint(0, "largest", 5.5, 0.0), CurvePoint(1, "largest", math.nan, 1.0)])
    ledger.add_event(job.id, "train", "k", EVERY_WORD)
    ledger.add_event(other.id, "train", "k", "other")
    ledger.add_event(job.id, "done", "k", "second")
    ledger.add_checkpoint(job.id, "supernet", "/w", 3, sha256="aa")
    ledger.add_checkpoint(job.id, "finalist", "/w/a", 5, digest="a")
    ledger.add_export(job.id, "a", "onnx", "/out", "inherited", 1e-7, None)
    ledger.add_quality(job.id, Quality(5, 2, 0.5, None, 1.0))
    ledger.see_nodes(job.id, [Node("n", "10.0.0.1", 2.0, 1.0), Node("m", "10.0.0.2", 4.0, 0.0)])
    ledger.see_nodes(job.id, [])
    ledger.add_command("export", {"digest": "a"}, job.id)
    ledger.add_note("a", "good", "me")
    ledger.add_tag("a", "keep")
    ledger.add_note("z", "of the other job")
    ledger.add_facts(job.id, {"best": {"digest": "d"}, "nan": math.nan})
    ledger.set_state(job.id, "done")
    return ledger


@pytest.fixture(params=ENGINES)
def second(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """Another ledger, of either engine whatever the first is."""
    folder = tmp_path / "second"
    folder.mkdir()
    with open_ledger(ENGINES[request.param](request, folder)) as ledger:
        yield ledger


def everything(ledger: Ledger, job_id: str) -> dict[str, pd.DataFrame]:
    frames = {
        "evaluations": ledger.evaluations(job_id),
        "front": ledger.front(job_id),
        "finetuned": ledger.front(job_id, "finetuned"),
        "history": ledger.front_history(job_id),
        "curve": ledger.curve(job_id),
        "events": ledger.events(job_id).drop(columns="id"),
        "breakdown": ledger.breakdown(job_id, "a"),
        "checkpoints": ledger.checkpoints(job_id),
        "exports": ledger.exports(job_id),
        "qualities": ledger.qualities(job_id),
        "nodes": ledger.nodes(job_id),
        "notes": ledger.notes(job_id=job_id).drop(columns="id"),
        "tags": ledger.tags(job_id=job_id),
    }
    jobs = ledger.jobs()
    return {**frames, "list": jobs[jobs["id"] == job_id].reset_index(drop=True)}


def test_another_ledger_gets_the_same_rows(filled: Ledger, job: Job, second: Ledger, tmp_path: Path) -> None:
    counts = export_job(filled, job.id, tmp_path / "job.frontier")
    assert counts["evaluations"] == 5
    assert counts["architectures"] == 4
    assert counts["events"] == counts["checkpoints"] == 2
    imported = import_job(second, tmp_path / "job.frontier")
    assert imported == filled.job(job.id)
    assert second.commands().empty  # what was asked of one ledger is not to be done by another
    expected, found = everything(filled, job.id), everything(second, job.id)
    for name, frame in expected.items():
        assert len(frame) > 0, name
        assert_frame_equal(frame, found[name], check_exact=True)
    assert list(second.jobs()["id"]) == [job.id]
    assert [path.name for path in tmp_path.glob(".job*")] == []


def test_an_imported_job_goes_on(
    filled: Ledger, job: Job, second: Ledger, tmp_path: Path, evaluation: MakeEvaluation
) -> None:
    export_job(filled, job.id, tmp_path / "job.frontier")
    import_job(second, tmp_path / "job.frontier")
    assert second.record(job.id, [evaluation("e", 0.25, 0.25)]) == 2
    assert list(second.front(job.id)["digest"]) == ["e"]
    assert second.job(job.id).evaluations == 6
    second.add_event(job.id, "done", "k", "third")
    assert len(second.events(job.id)) == 3


def test_an_id_that_is_taken_is_refused_and_what_is_there_stays(filled: Ledger, job: Job, tmp_path: Path) -> None:
    export_job(filled, job.id, tmp_path / "job.frontier")
    before = everything(filled, job.id)
    with pytest.raises(InputError, match=f"job: its id must be new to .*; got '{job.id}'"):
        import_job(filled, tmp_path / "job.frontier")
    for name, frame in everything(filled, job.id).items():
        assert_frame_equal(frame, before[name])


def test_a_deleted_job_comes_back_beside_what_stayed(filled: Ledger, job: Job, tmp_path: Path) -> None:
    before = everything(filled, job.id)
    export_job(filled, job.id, tmp_path / "job.frontier")
    filled.delete_job(job.id)
    import_job(filled, tmp_path / "job.frontier")
    for name, frame in everything(filled, job.id).items():
        assert_frame_equal(frame, before[name])
    assert len(filled.notes("a")) == 1, "the note that stayed was written again"
    assert filled.job("other").evaluations == 2


def test_a_job_in_work_comes_out_of_the_queue(filled: Ledger, second: Ledger, tmp_path: Path) -> None:
    filled.create_job(job_id="q", name="n", config={}, space={}, run_dir="r", objectives=["val_loss"], priority=3)
    filled.claim_job("w", 60)
    export_job(filled, "q", tmp_path / "q.frontier")
    found = import_job(second, tmp_path / "q.frontier")
    assert (found.state, found.priority, found.claimed_by, found.attempts) == ("interrupted", None, None, 1)
    assert second.claim_job("w", 60) is None


def test_every_truncation_is_refused_and_leaves_nothing(filled: Ledger, job: Job, tmp_path: Path) -> None:
    whole, cut = tmp_path / "job.frontier", tmp_path / "cut.frontier"
    export_job(filled, job.id, whole)
    content = whole.read_bytes()
    filled.delete_job(job.id)
    for size in (0, 1, 63, 1000, len(content) // 2, len(content) - 1):
        cut.write_bytes(content[:size])
        with pytest.raises(InputError, match="file: must be a whole exported job") as refused:
            import_job(filled, cut)
        assert "\n" not in str(refused.value)
        assert str(cut) in str(refused.value)
        assert list(filled.jobs()["id"]) == ["other"]
    import_job(filled, whole)


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The file with some of its members changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def in_manifest(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members["manifest.json"] = json.dumps({**json.loads(members["manifest.json"]), **changes}).encode()

    return change


DAMAGES: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "no-manifest": (lambda members: members.pop("manifest.json"), "with its manifest.json"),
    "no-json": (lambda members: members.update({"manifest.json": b"{"}), "with its manifest.json"),
    "another-format": (in_manifest(format="recipes"), "format frontier-job, not 'recipes'"),
    "newer-format": (in_manifest(version=2), r"format 2, schema \d+ is newer .*upgrade Frontier"),
    "newer-schema": (in_manifest(schema="9999"), "schema 9999 is newer .*upgrade Frontier"),
    "no-table": (lambda members: members.pop("tables/events.parquet"), "its table events is missing"),
    "other-bytes": (
        lambda members: members.update({"tables/evaluations.parquet": members["tables/events.parquet"]}),
        "its table evaluations is not what was exported",
    ),
    "another-job": (in_manifest(job="zz"), "must hold the job that it names; got 'zz'"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_file_that_is_not_what_was_exported_is_refused(
    filled: Ledger,
    job: Job,
    second: Ledger,
    tmp_path: Path,
    damage: Callable[[dict[str, bytes]], None],
    message: str,
) -> None:
    path = tmp_path / "job.frontier"
    export_job(filled, job.id, path)
    with pytest.raises(InputError, match=message):
        import_job(second, rewritten(path, damage))
    assert second.jobs().empty
    assert second.tags().empty


def test_bad_paths_are_refused(filled: Ledger, job: Job, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    with pytest.raises(InputError, match="file: must be new"):
        export_job(filled, job.id, tmp_path / "there")
    with pytest.raises(InputError, match=r"file: cannot be written there .*No such file"):
        export_job(filled, job.id, tmp_path / "no" / "job.frontier")
    with pytest.raises(InputError, match="'nobody'"):
        export_job(filled, "nobody", tmp_path / "job.frontier")
    with pytest.raises(InputError, match="file: must exist"):
        import_job(filled, tmp_path / "job.frontier")
    with pytest.raises(InputError, match=r"must end in \.csv or \.parquet; got .*job\.xlsx"):
        write_evaluations(filled, job.id, tmp_path / "job.xlsx")
    with pytest.raises(InputError, match="file: cannot be written"):
        write_evaluations(filled, job.id, tmp_path / "no" / "job.csv")


@pytest.mark.parametrize(
    ("suffix", "read"), [(".csv", pd.read_csv), (".parquet", pd.read_parquet)], ids=["csv", "parquet"]
)
def test_evaluations_for_other_programs(
    filled: Ledger, job: Job, tmp_path: Path, suffix: str, read: Callable[[Path], pd.DataFrame]
) -> None:
    path = tmp_path / f"rows{suffix}"
    assert write_evaluations(filled, job.id, path) == 5
    frame = read(path)
    assert frame["digest"].tolist() == ["a", "b", "c", "a", "d"]
    assert frame["val_loss"].tolist()[:2] == [2.0, 1.0]
    assert json.loads(frame["architecture"][0]) == {"of": "a"}
    assert frame["latency_ms"][1] == math.inf
    assert write_evaluations(filled, job.id, path, "finetuned") == 1
