"""The page of all jobs as plain functions: its numbers are the ledger's, and it sends no more than what changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dash import Dash

from frontier.dashboard import create_app
from frontier.dashboard.access.access import Access, Refused
from frontier.dashboard.jobs import page as jobs
from frontier.dashboard.jobs.actions import OFFERED, carry_out, offered, what_goes
from frontier.dashboard.jobs.reading import read_overviews, read_version
from frontier.dashboard.jobs.sparkline import HEIGHT, WIDTH, sparkline_path
from frontier.dashboard.numbers import count, loss
from frontier.dashboard.reader import Reader
from frontier.dashboard.site import Site
from frontier.db import Evaluation, Ledger, open_ledger
from frontier.db.words import JOB_STATES
from frontier.errors import InputError

from .callbacks import PATH, callback_body
from .conftest import HOSTILE, HOSTILE_NAME, JOB
from .test_dashboard_layouts import text

NEW = {"name": "n", "config": {}, "space": {}, "run_dir": "runs/n", "objectives": ["val_loss", "latency_ms"]}


class Allowed(Access):
    """Whoever asks may change things."""

    def granted(self) -> bool:
        return True


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = str(tmp_path / "frontier.db")
    open_ledger(path).close()
    return path


@pytest.fixture
def ledger(path: str) -> Iterator[Ledger]:
    with open_ledger(path) as ledger:
        yield ledger


def evaluation(digest: str, val_loss: float | None, state: str = "complete") -> Evaluation:
    return Evaluation({}, digest, "inherited", state, val_loss=val_loss, latency_ms=1.0)


def test_rows_hold_what_the_ledger_holds(ledger_path: str) -> None:
    reading = read_overviews(Reader(ledger_path))
    rows = jobs.rows(reading)
    assert [row["name"] for row in rows] == [HOSTILE_NAME, "stdlib-bytes"]
    with open_ledger(ledger_path, read_only=True) as ledger:
        states = ledger.evaluations(JOB)["state"].value_counts()
        listed = ledger.jobs().set_index("id").loc[JOB]
        last = ledger.hypervolume(JOB)["value"].iloc[-1]
    assert {state: rows[1][state] for state in jobs.STATES} == {state: states.get(state, 0) for state in jobs.STATES}
    assert rows[1]["best_val_loss_text"] == loss(listed["best_val_loss"])
    assert rows[1]["front_size_text"] == count(listed["front_size"])
    assert float(rows[1]["hypervolume_text"].split(",")[0]) == pytest.approx(last, rel=0.01)
    assert rows[1]["hypervolume"].startswith("M")
    assert (rows[0]["best_val_loss_text"], rows[0]["hypervolume"], rows[0]["progress_text"]) == ("–", "", "not begun")
    json.dumps(rows, allow_nan=False)


def test_a_job_that_is_done_leads_to_its_explorer_and_others_to_their_overview(ledger_path: str) -> None:
    rows = jobs.rows(read_overviews(Reader(ledger_path)))
    assert [row["href"] for row in rows] == [f"/job/{HOSTILE}", f"/job/{JOB}/explorer"]


def test_a_new_evaluation_changes_the_version_and_the_counts(path: str, ledger: Ledger) -> None:
    reader = Reader(path)
    for job_id in ("a", "b"):
        ledger.create_job(job_id=job_id, **NEW)
    before = read_overviews(reader)
    assert read_version(reader) == before.version
    ledger.record("a", [evaluation("x", 2.0), evaluation("y", None, "failed")])
    assert read_version(reader) != before.version
    after = read_overviews(reader)
    assert after.counts == {"a": {"complete": 1, "failed": 1}, "b": {}}
    ledger.record("a", [evaluation("z", 1.0)])
    again = read_overviews(reader)
    assert again.counts["a"]["complete"] == 2
    assert again.hypervolumes["a"]["seq"].tolist() == [1, 3]
    # What did not change is not made anew.
    assert again.counts["b"] is after.counts["b"] is before.counts["b"]


def test_what_there_is_no_time_for_comes_with_the_next_readings(path: str, ledger: Ledger) -> None:
    reader = Reader(path)
    for job_id in ("a", "b"):
        ledger.create_job(job_id=job_id, **NEW)
        ledger.record(job_id, [evaluation("x", 2.0)])
    hasty = read_overviews(reader, patience_s=0.0)
    assert hasty.counts == hasty.hypervolumes == {}
    rows = jobs.rows(hasty)
    assert {row["complete_text"] for row in rows} == {"…"} == {row["hypervolume_text"] for row in rows}
    assert read_version(reader) != hasty.version
    patient = read_overviews(reader)
    assert read_version(reader) == patient.version
    _, transaction = jobs.changes(jobs.rows(patient), {row["id"]: row["stamp"] for row in rows})
    assert [row["complete_text"] for row in transaction["update"]] == ["1", "1"]
    # What is kept takes no time.
    assert read_overviews(reader, patience_s=0.0).counts == patient.counts


def test_a_job_made_again_under_its_old_id_is_another(path: str, ledger: Ledger) -> None:
    reader = Reader(path)
    for state in ("complete", "failed"):
        ledger.create_job(job_id="a", **NEW)
        ledger.record("a", [evaluation("x", 2.0 if state == "complete" else None, state)])
        assert read_overviews(reader).counts["a"] == {state: 1}
        ledger.delete_job("a")


def test_only_rows_that_changed_are_sent(path: str, ledger: Ledger) -> None:
    for job_id in ("a", "b", "c"):
        ledger.create_job(job_id=job_id, **NEW)
    first = jobs.rows(read_overviews(Reader(path)))
    stamps = {row["id"]: row["stamp"] for row in first}
    ledger.set_progress("b", "search", 3, 9)
    whole, transaction = jobs.changes(jobs.rows(read_overviews(Reader(path))), stamps)
    assert [row["id"] for row in transaction["update"]] == ["b"]
    assert transaction["update"][0]["progress_text"] == "search\u00a03/9"
    ledger.delete_job("c")
    whole, transaction = jobs.changes(jobs.rows(read_overviews(Reader(path))), stamps)
    assert [row["id"] for row in whole] == ["b", "a"]


def test_progress_sorts_by_stage_and_every_text_has_its_value(path: str, ledger: Ledger) -> None:
    ledger.create_job(job_id="a", **NEW)
    seen = [_progress(path)]
    ledger.set_state("a", "running")
    for stage, done, total in (("profile", 0, 0), ("train", 0, 0), ("train", 0, 9), ("train", 9, 9), ("search", 0, 0)):
        ledger.set_progress("a", stage, done, total)
        seen.append(_progress(path))
    ledger.set_progress("a", "done", 9, 9)
    seen.append(_progress(path))
    values = [value for value, _ in seen]
    assert len(set(values)) == len(values)
    assert sorted(values) == values
    assert [words for _, words in seen][:4] == ["not begun", "profile", "train", "train\u00a00/9"]


def _progress(path: str) -> tuple[float, str]:
    row = jobs.rows(read_overviews(Reader(path)))[0]
    return row["progress"], row["progress_text"]


def test_jobs_that_wait_for_nobody_are_told_of(path: str, ledger: Ledger) -> None:
    ledger.create_job(job_id="a", **NEW, priority=0)
    words = text(jobs.waiting(read_overviews(Reader(path)), path))
    assert f"frontier serve --db {path}" in words
    before = read_version(Reader(path))
    ledger.announce("c1", "host", 60.0)
    assert read_version(Reader(path)) != before
    assert jobs.waiting(read_overviews(Reader(path)), path) is None


def test_the_summary_counts_jobs_by_state(path: str, ledger: Ledger) -> None:
    for job_id, state in (("a", "queued"), ("b", "running"), ("c", "queued"), ("d", "done")):
        ledger.create_job(job_id=job_id, **NEW)
        ledger.set_state(job_id, state)
    assert jobs.summary(read_overviews(Reader(path))) == "1 running, 2 queued, 1 done"


@pytest.mark.parametrize("may_change", [False, True])
def test_buttons_are_for_who_may_use_them(ledger_path: str, may_change: bool) -> None:
    layout = jobs.layout(read_overviews(Reader(ledger_path)), ledger_path, may_change)
    table = next(part for part in layout._traverse() if getattr(part, "id", None) == "jobs-table")
    assert ("actions" in [column["field"] for column in table.columnDefs]) is may_change


def test_a_database_with_a_password_is_shown_without_it() -> None:
    url = "postgresql+psycopg://me:***@host/frontier"
    assert jobs.shown_database("postgresql://me:secret@host/frontier", url) == url
    assert jobs.shown_database("frontier.db", "sqlite:////x/frontier.db") == "frontier.db"


class TestActions:
    def test_every_state_has_its_actions(self) -> None:
        assert set(OFFERED) == set(JOB_STATES)
        assert offered("running", stop_asked=True) == ()

    def test_a_job_is_stopped_resumed_and_deleted(self, path: str, ledger: Ledger) -> None:
        site = Site(Reader(path), Allowed())
        ledger.create_job(job_id="a", **NEW, priority=0)
        for action, state in (("stop", "interrupted"), ("resume", "queued"), ("stop", "interrupted")):
            assert action in offered(ledger.job("a").state, ledger.job("a").stop_asked)
            assert "n " in carry_out(site, action, "a")
            assert ledger.job("a").state == state
        ledger.record("a", [evaluation("x", 1.0), evaluation("y", 2.0)])
        words = text(what_goes(site.reader, "a"))
        assert re.search(r"2\s+evaluations", words)
        assert "runs/n" in words
        carry_out(site, "delete", "a")
        assert ledger.jobs().empty

    @pytest.mark.parametrize("action", ["stop", "resume", "delete"])
    def test_who_may_not_is_refused_and_nothing_changes(self, path: str, ledger: Ledger, action: str) -> None:
        ledger.create_job(job_id="a", **NEW, priority=0)
        before = ledger.job("a")
        with pytest.raises(Refused):
            carry_out(Site(Reader(path), Access()), action, "a")
        assert ledger.job("a") == before

    @pytest.mark.parametrize(
        ("action", "job_id", "message"),
        [
            ("drop", "a", "action: one of stop, resume, delete"),
            ("stop", None, "action: "),
            ("stop", {"$ne": 1}, "action: "),
            ("resume", "a", "must be interrupted or failed"),
            ("delete", "a", "must not be running"),
            ("stop", "nobody", "job: "),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, path: str, ledger: Ledger, action: str, job_id: Any, message: str
    ) -> None:
        ledger.create_job(job_id="a", **NEW)
        ledger.set_state("a", "running")
        with pytest.raises(InputError, match=message):
            carry_out(Site(Reader(path), Allowed()), action, job_id)


class TestSparkline:
    def test_it_rises_from_the_bottom_to_the_top_and_stays_inside(self) -> None:
        path = sparkline_path([1, 5, 9], [0.0, 3.0, 4.0], 20)
        places = [float(number) for number in re.findall(r"[\d.]+", path)]
        heights = [float(number) for number in re.findall(r"V([\d.]+)", path)]
        assert path.startswith(f"M2.0 {HEIGHT - 2:.1f}")
        assert heights == sorted(heights, reverse=True)
        assert heights[-1] == 2.0
        assert max(places) == WIDTH - 2
        assert min(places) >= 2

    @pytest.mark.parametrize(("xs", "ys"), [([], []), ([1], [2.0]), ([1, 2], [3.0, 3.0])])
    def test_what_has_no_shape_has_no_path(self, xs: list[int], ys: list[float]) -> None:
        assert sparkline_path(xs, ys, 9) == ""


class TestDeleting:
    @pytest.mark.parametrize("page", ["jobs", "job"])
    @pytest.mark.parametrize(
        ("clicks", "asked", "gone"),
        [(None, False, False), (None, True, False), (1, False, False), (1, True, True)],
        ids=["page-came-up", "only-asked", "not-asked", "clicked"],
    )
    def test_it_takes_the_question_and_a_click(
        self, path: str, ledger: Ledger, page: str, clicks: int | None, asked: bool, gone: bool
    ) -> None:
        ledger.create_job(job_id="a", **NEW)
        ledger.set_state("a", "done")
        app = create_app(path, Allowed())
        doomed = "jobs-doomed" if page == "jobs" else "job-id"
        values = {f"{page}-delete.n_clicks": clicks, f"{page}-deletion.opened": asked, f"{doomed}.data": "a"}
        output = "jobs-said.children@" if page == "jobs" else "shell-location.href@"
        body = _body(app, output, f"{page}-delete", values)
        answer = app.server.test_client().post(PATH, json=body)
        assert answer.status_code in (200, 204)
        assert ledger.jobs().empty is gone


def _body(app: Dash, begins: str, button: str, values: dict[str, Any]) -> dict[str, Any]:
    """The body that runs the callback which that button sets off."""
    key = next(
        key
        for key, entry in app.callback_map.items()
        if any(place["id"] == button for place in entry["inputs"]) and begins in key
    )
    return callback_body(app, key.strip("."), values, f"{button}.n_clicks")
