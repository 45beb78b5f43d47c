"""The overview of a job as plain functions: words, figures, what is read and what is sent again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from frontier.dashboard import numbers
from frontier.dashboard.choices import parse_choices, read_choices, write_choices
from frontier.dashboard.job import page as job
from frontier.dashboard.job.hypervolume_figure import hypervolume_figure, hypervolume_unit, hypervolume_words
from frontier.dashboard.job.log_tail import LOG_FILE, MOST_BYTES, MOST_LINES, log_tail
from frontier.dashboard.job.overview import OVER_TIME, PANELS, PLACES, Shown, places
from frontier.dashboard.job.pace import pace, rates, remaining_seconds
from frontier.dashboard.job.panels import nodes_table, quality_table, reasons_table, workers_table
from frontier.dashboard.job.reading import CHANGES, NEWEST, WINDOWS, read_job, read_versions
from frontier.dashboard.job.tabs import tabs
from frontier.dashboard.job.throughput_figure import throughput_figure, throughput_words
from frontier.dashboard.reader import Reader
from frontier.db import CurvePoint, Evaluation, Ledger, Node, Quality, open_ledger
from frontier.errors import InputError

from .conftest import HOSTILE, HOSTILE_NAME, JOB
from .test_dashboard_layouts import text

NEW = {"name": "n", "config": {}, "space": {}, "run_dir": "runs/n", "objectives": ["val_loss", "latency_ms"]}
BEGAN = pd.Timestamp("2026-11-01 10:00", tz="UTC")
TIME = "datetime64[us, UTC]"


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = str(tmp_path / "frontier.db")
    open_ledger(path).close()
    return path


@pytest.fixture
def ledger(path: str) -> Iterator[Ledger]:
    with open_ledger(path) as ledger:
        ledger.create_job(job_id="a", **NEW)
        yield ledger


def shown(database: str, job_id: str, over: str = "evaluations", may_change: bool = False) -> Shown:
    return Shown(read_job(Reader(database), job_id), over, database, may_change)


def evaluation(digest: str, val_loss: float | None = 1.0, **fields: object) -> Evaluation:
    return Evaluation(
        {}, digest, **{"fidelity": "inherited", "state": "complete", "latency_ms": 1.0} | fields, val_loss=val_loss
    )


def times(*seconds: float, fidelity: str = "inherited") -> pd.DataFrame:
    """Evaluations written so many seconds after the beginning."""
    return pd.DataFrame(
        {
            "seq": range(1, len(seconds) + 1),
            "fidelity": fidelity,
            "created_at": pd.Series([BEGAN + pd.Timedelta(seconds=second) for second in seconds], dtype=TIME),
        }
    )


class TestPage:
    def test_it_says_what_the_job_found(self, ledger_path: str) -> None:
        words = text(job.layout(shown(ledger_path, JOB)))
        for fact in ("5.3\u00a0×\u00a010¹² architectures", "3.1234 nats per byte", "5.5452 nats per byte"):
            assert fact in words
        assert "decode, batch 1, 256 tokens, on laptop (2 threads)" in words

    def test_its_counts_are_the_ledgers(self, ledger_path: str) -> None:
        with open_ledger(ledger_path, read_only=True) as ledger:
            rows, front = ledger.evaluations(JOB), ledger.front(JOB)
        words = text(places(shown(ledger_path, JOB))["job-counts"])
        for state, number in rows["state"].value_counts().items():
            assert f"{state.capitalize()} {numbers.count(number)}" in words
        assert f"On the front {len(front)}" in words
        assert f"Best validation loss {rows['val_loss'].min():.4f}" in words

    def test_a_job_that_has_not_begun_has_a_page(self, ledger_path: str) -> None:
        words = text(job.layout(shown(ledger_path, HOSTILE)))
        for said in ("Queued, not begun yet", HOSTILE_NAME, "Nothing is on the front yet", "No events yet"):
            assert said in words

    def test_polling_stops_with_the_job(self, ledger_path: str) -> None:
        def stopped(job_id: str) -> bool:
            layout = job.layout(shown(ledger_path, job_id))
            return next(part for part in layout.children if getattr(part, "id", "") == "job-clock").disabled

        assert stopped(JOB) is True
        assert stopped(HOSTILE) is False

    def test_every_place_is_under_one_heading_or_at_the_top(self) -> None:
        listed = [name for names in PANELS.values() for name in names]
        top = ["job-header", "job-waiting", "job-actions", "job-counts", "job-facts"]
        assert sorted([*listed, *top]) == sorted(place.name for place in PLACES)
        assert {place.part for place in PLACES if place.label} == OVER_TIME

    def test_who_may_not_change_anything_is_given_the_commands(self, path: str, ledger: Ledger) -> None:
        ledger.set_state("a", "failed", error="no memory")
        words = text(places(shown(path, "a"))["job-actions"])
        assert f"frontier resume a --db {path}" in words
        assert f"frontier job delete a --db {path}" in words
        assert "Resume Delete" in text(places(shown(path, "a", may_change=True))["job-actions"])

    def test_a_queued_job_with_nobody_to_run_it_says_so(self, path: str, ledger: Ledger) -> None:
        assert "nobody is there" in str(places(shown(path, "a"))["job-waiting"])
        ledger.announce("c1", "host", 60.0)
        assert "nobody is there" not in str(places(shown(path, "a"))["job-waiting"])

    def test_the_stages_say_how_long_is_left(self, path: str, ledger: Ledger) -> None:
        ledger.set_state("a", "running")
        ledger.set_progress("a", "train", 100, 400)
        ledger.add_curve("a", [CurvePoint(step, "largest", 2.0, step / 10) for step in (0, 50, 100)])
        assert "about 30\u00a0s left of this stage" in text(places(shown(path, "a"))["job-header"])

    def test_tabs_lead_to_the_pages_of_the_job(self) -> None:
        here, other = tabs("a b", "overview").children
        assert getattr(here, "aria-current") == "page"
        assert other.href == "/job/a%20b/explorer"


class TestVersions:
    def test_a_part_changes_with_what_it_shows_and_no_other(self, path: str, ledger: Ledger) -> None:
        reader = Reader(path)
        ledger.record("a", [evaluation("first")])
        changes = {
            "curve": lambda: ledger.add_curve("a", [CurvePoint(20, "largest", 1.0, 2.0)]),
            "events": lambda: ledger.add_event("a", "search", "info", "something"),
            "predictor": lambda: ledger.add_quality("a", Quality(5, 2, 0.5, 0.1, 0.9)),
            "nodes": lambda: ledger.see_nodes("a", [Node("n1", "10.0.0.1", 2.0, 0.0)]),
            "job": lambda: ledger.set_progress("a", "search", 1, 2),
        }
        for part, change in changes.items():
            before = read_versions(reader, "a")
            assert job.changed_parts(read_versions(reader, "a"), before) == frozenset()
            change()
            assert job.changed_parts(read_versions(reader, "a"), before) - {"job"} == {part} - {"job"}
        before = read_versions(reader, "a")
        ledger.record("a", [evaluation("second", 0.5)])
        assert job.changed_parts(read_versions(reader, "a"), before) == {"job", "evaluations"}
        assert read_versions(reader, "a") == read_job(reader, "a").versions

    def test_a_log_that_grows_is_seen(self, path: str, tmp_path: Path) -> None:
        with open_ledger(path) as ledger:
            ledger.create_job(job_id="a", **NEW | {"run_dir": str(tmp_path)})
        before = read_versions(Reader(path), "a")
        (tmp_path / LOG_FILE).write_text("a line\n")
        assert job.changed_parts(read_versions(Reader(path), "a"), before) == {"log"}
        assert "a line" in text(places(shown(path, "a"))["job-log"])


def test_no_question_reads_all_evaluations(path: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [evaluation(f"d{i}", 1 / (i + 1), latency_ms=i, worker="w", seconds=1.0) for i in range(1500)]
    ledger.record("a", rows)
    fetched: list[int] = []
    plain_execute = Ledger._frame

    def counted(self: Ledger, columns: object, query: object) -> pd.DataFrame:
        frame = plain_execute(self, columns, query)
        fetched.append(len(frame))
        return frame

    monkeypatch.setattr(Ledger, "_frame", counted)
    monkeypatch.setattr(Ledger, "evaluations", lambda *_: pytest.fail("all evaluations were read"))
    reading = read_job(Reader(path), "a")
    assert len(reading.spread) == WINDOWS
    assert len(reading.newest) == NEWEST
    assert len(reading.hypervolume) == CHANGES
    assert max(fetched) < 200


class TestPace:
    def test_rates_are_evaluations_over_seconds(self) -> None:
        found = rates(times(0, 0, 2, 2, 2, 3))
        assert found["seq"].tolist() == [5, 6]
        assert found["start_seq"].tolist() == [2, 5]
        assert found["per_second"].tolist() == [1.5, 1.0]
        assert rates(times(1)).empty
        assert rates(times()).empty

    def test_bursts_are_not_taken_for_speed(self) -> None:
        found = rates(times(0.0, 5.0, 5.01, 10.0, 10.01))
        assert found["per_second"].max() < 1.0
        assert found["seq"].tolist()[-1] == 5
        quick = rates(times(0.0, 0.1, 0.2))
        assert quick["per_second"].tolist() == [10.0]
        assert len(rates(times(*range(1000)))) <= 60

    @pytest.mark.parametrize(
        ("done", "seconds", "expected"),
        [
            ([0, 10, 20], [0, 5, 10], 2.0),
            ([0, 10, 20, 30], [0, 50, 3, 8], 2.0),  # the clock began anew after the second
            ([100, 0, 10, 30], [50, 60, 65, 70], 3.0),  # trained again from the beginning
            ([5], [1], None),
            ([5, 5], [1, 2], None),
            ([], [], None),
            (list(range(100)), [9 * i for i in range(50)] + [450 + i for i in range(50)], 1.0),
        ],
        ids=["even", "clock-anew", "steps-anew", "one", "still", "none", "lately"],
    )
    def test_pace_is_that_of_late(self, done: list[float], seconds: list[float], expected: float | None) -> None:
        assert pace(done, seconds) == expected

    def test_what_remains(self, ledger: Ledger) -> None:
        running = replace(ledger.job("a"), state="running", stage="search", done=4, total=24)
        nothing, none = times(), pd.DataFrame({"step": [], "seconds": []})
        assert remaining_seconds(running, times(0, 2, 4, 6), nothing, none) == 40.0
        assert remaining_seconds(replace(running, state="interrupted"), times(0, 2, 4, 6), nothing, none) is None
        assert remaining_seconds(replace(running, done=24), times(0, 2, 4, 6), nothing, none) is None
        assert remaining_seconds(replace(running, stage="profile"), times(0, 2), nothing, none) is None
        tuning = replace(running, stage="finetune", done=2, total=5)
        assert remaining_seconds(tuning, nothing, times(0, 30, fidelity="finetuned"), none) == 90.0
        assert remaining_seconds(tuning, nothing, times(0, 30), none) is None


class TestHypervolumeFigure:
    curve = pd.DataFrame({"seq": [1, 4, 9], "value": [0.0, 2.0, 8.0], "created_at": times(0, 5, 20)["created_at"]})

    def test_it_is_level_between_changes_and_on_to_now(self) -> None:
        line = hypervolume_figure(self.curve, 20, "evaluations", "nats × ms").data[0]
        assert list(line.x) == [1, 4, 9, 20]
        assert list(line.y) == [0.0, 2.0, 8.0, 8.0]
        assert line.line.shape == "hv"

    def test_over_time(self) -> None:
        figure = hypervolume_figure(self.curve, 20, "time", "nats × ms")
        assert list(figure.data[0].x) == self.curve["created_at"].tolist()
        assert figure.layout.xaxis.title.text == "time (UTC)"
        assert "nats × ms" in figure.layout.yaxis.title.text

    def test_in_words(self) -> None:
        words = hypervolume_words(self.curve, 20, "nats × ms")
        assert "8.00 nats × ms now" in words
        assert "after 9 evaluations" in words
        assert "changed at evaluation 9 of 20" in words
        assert hypervolume_words(self.curve.head(0), 0, "x") == "Nothing is on the front yet."

    def test_nothing_yet(self) -> None:
        assert hypervolume_figure(self.curve.head(0), 0, "time", "x").layout.annotations[0].text

    def test_its_unit_is_that_of_the_objectives(self) -> None:
        objectives = ("val_loss", "decode_latency_ms", "param_count")
        assert hypervolume_unit(objectives, "nats per byte") == "nats per byte × ms × parameters"


class TestThroughputFigure:
    def test_each_window_is_as_high_as_its_rate(self) -> None:
        found = rates(times(0, 1, 3))
        line = throughput_figure(found, "evaluations").data[0]
        assert list(line.x) == [1, 2, 3]
        assert list(line.y) == [1.0, 1.0, 0.5]
        assert line.line.shape == "vh"
        assert list(throughput_figure(found, "time").data[0].x) == times(0, 1, 3)["created_at"].tolist()

    def test_in_words(self) -> None:
        words = throughput_words(rates(times(0, 1, 3)))
        assert words.startswith("0.500 evaluations per second lately")
        assert "Too few" in throughput_words(rates(times(0)))
        assert "Too few" in throughput_figure(rates(times(0)), "time").layout.annotations[0].text


class TestTables:
    def test_workers_share_the_work(self, path: str, ledger: Ledger) -> None:
        ledger.record("a", [evaluation(f"d{i}", worker=f"worker {i % 4 == 0}", seconds=2.0) for i in range(8)])
        words = text(workers_table(ledger.workers("a")))
        assert "25.0\u00a0%" in words
        assert "75.0\u00a0%" in words

    def test_reasons_are_counted(self, ledger: Ledger) -> None:
        assert "No evaluation has failed" in text(reasons_table(ledger.reasons("a")))
        failed = [evaluation(f"d{i}", None, state="failed", reason="<b>no</b> number") for i in range(3)]
        ledger.record("a", [*failed, evaluation("x", None, state="failed")])
        table = reasons_table(ledger.reasons("a"))
        assert "<b>no</b> number failed 3 3" in text(table)
        assert "no reason was given failed 4 1" in text(table)

    def test_the_predictor_is_judged_in_words(self, ledger: Ledger) -> None:
        assert "no predictor" in text(quality_table(ledger.qualities("a")))
        ledger.add_quality("a", Quality(50, 10, 0.5, 0.25, 0.9))
        words = text(quality_table(ledger.qualities("a")))
        assert "75.0\u00a0%" in words
        assert "0.2500" in words

    def test_machines_come_and_go(self, ledger: Ledger) -> None:
        now = datetime.now(UTC) + timedelta(minutes=5)
        assert "Nothing is known" in text(nodes_table(ledger.nodes("a"), now))
        first, second = Node("n1", "10.0.0.1", 2.0, 0.0), Node("n2", "10.0.0.2", 4.0, 1.0)
        ledger.see_nodes("a", [first, second])
        ledger.see_nodes("a", [second])
        words = text(nodes_table(ledger.nodes("a"), now))
        assert words.startswith("1 there now, 1 gone.")
        assert "10.0.0.2" in words
        assert "is there" in words
        assert "5\u00a0min" in words


class TestLog:
    def test_the_end_of_a_long_log_is_read(self, tmp_path: Path) -> None:
        lines = [f"line {number} {'x' * 50}" for number in range(5000)]
        (tmp_path / LOG_FILE).write_text("\n".join(lines) + "\n")
        tail = log_tail(str(tmp_path))
        assert tail.lines[-1] == lines[-1]
        assert set(tail.lines) <= set(lines)
        assert len(tail.lines) <= MOST_LINES
        assert sum(map(len, tail.lines)) <= MOST_BYTES
        assert not tail.whole

    def test_a_short_log_is_whole(self, tmp_path: Path) -> None:
        (tmp_path / LOG_FILE).write_bytes(b"one\n\xff two\n")
        tail = log_tail(str(tmp_path))
        assert tail.whole
        assert tail.lines == ("one", "\ufffd two")

    @pytest.mark.parametrize("kind", ["link", "folder", "pipe", "nothing", "relative", "zero"])
    def test_nothing_but_a_plain_file_is_read(self, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        secret, folder = tmp_path / "secret", tmp_path / "run"
        secret.write_text("secret")
        folder.mkdir()
        if kind == "link":
            (folder / LOG_FILE).symlink_to(secret)
        elif kind == "folder":
            (folder / LOG_FILE).mkdir()
        elif kind == "pipe":
            os.mkfifo(folder / LOG_FILE)
        elif kind == "relative":
            (folder / LOG_FILE).write_text("a line")
            monkeypatch.chdir(tmp_path)
        assert log_tail({"relative": "run", "zero": f"{folder}\x00"}.get(kind, str(folder))) is None


class TestChoices:
    choices = {"over": ("evaluations", "time"), "check": ("2", "1")}

    @pytest.mark.parametrize("search", ["", "?over=time", "?over=time&check=1", "?check=1"])
    def test_a_view_is_read_back_from_its_address(self, search: str) -> None:
        assert write_choices(parse_choices(search, self.choices), self.choices) == search

    @pytest.mark.parametrize("search", ["?over=sideways", "?sort=up", "?check="])
    def test_a_wrong_address_shows_the_default_and_says_why(self, search: str) -> None:
        with pytest.raises(InputError, match=r"^address: "):
            parse_choices(search, self.choices)
        view, problem = read_choices(search, self.choices)
        assert view == {"over": "evaluations", "check": "2"}
        assert problem.startswith("address: ")
