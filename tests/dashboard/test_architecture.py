"""The page of one architecture as plain functions over a real ledger."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from frontier.dashboard.access.access import Access
from frontier.dashboard.architecture import agreement as architecture_agreement
from frontier.dashboard.architecture import export as architecture_export
from frontier.dashboard.architecture import latency as architecture_latency
from frontier.dashboard.architecture import notes as architecture_notes
from frontier.dashboard.architecture import page as architecture
from frontier.dashboard.architecture.export_formats import FORMATS, export_command
from frontier.dashboard.architecture.reading import ArchitectureReading, read_architecture, read_exports, read_remarks
from frontier.dashboard.architecture.view import ArchitectureView, read_view
from frontier.dashboard.numbers import latency, loss, percent
from frontier.dashboard.reader import NotThere, Reader
from frontier.db import Evaluation, open_ledger
from frontier.errors import InputError
from frontier.jobs.export import FORMATS as WRITTEN_FORMATS

from .conftest import FINALISTS, HOSTILE, HOSTILE_NAME, JOB
from .test_dashboard_layouts import text

TOKEN = "a token for tests only"


@pytest.fixture(scope="module")
def reader(ledger_path: str) -> Reader:
    return Reader(ledger_path)


def front_of(reader: Reader, fidelity: str) -> list[str]:
    with reader.ledger() as ledger:
        return ledger.front(JOB, fidelity)["digest"].tolist()


@pytest.fixture(scope="module")
def finalist(reader: Reader) -> ArchitectureReading:
    return read_architecture(reader, JOB, front_of(reader, "finetuned")[0])


@pytest.fixture
def own_ledger(ledger_path: str, tmp_path: Path) -> str:
    """A copy that a test may write to."""
    return str(shutil.copy(ledger_path, tmp_path / "frontier.db"))


def page_of(reading: ArchitectureReading, view: ArchitectureView | None = None, access: Access | None = None) -> str:
    return text(architecture.layout(reading, access or Access(), view or ArchitectureView()))


@contextmanager
def logged_in() -> Iterator[Access]:
    """A request of a browser that has shown the token."""
    access = Access(TOKEN)
    session = access.log_in(TOKEN)
    with Flask(__name__).test_request_context(headers={"Cookie": f"{access.session_cookie}={session.secret}"}):
        yield access


def test_a_finalist_has_both_losses_and_what_was_measured(finalist: ArchitectureReading) -> None:
    words = page_of(finalist)
    assert f"{loss(finalist.inherited.val_loss)} nats per byte" in words
    assert f"{loss(finalist.finetuned.val_loss)} nats per byte" in words
    assert f"{latency(finalist.finetuned.latency_measured_ms)} ms" in words
    assert "off by 6.2\u00a0% on average" in words
    assert str(finalist.finetuned.weights_path) in words


def test_an_architecture_without_a_breakdown_says_so(reader: Reader) -> None:
    with reader.ledger() as ledger:
        rows = ledger.evaluations(JOB)
    digest = rows.loc[rows["state"] == "infeasible", "digest"].iloc[0]
    words = page_of(read_architecture(reader, JOB, digest))
    assert "holds no breakdown" in words
    assert "infeasible: latency_ms above 6.0" in words
    assert "not measured" in words


def test_only_its_own_rows_are_read(reader: Reader, finalist: ArchitectureReading) -> None:
    assert finalist.rows["digest"].unique().tolist() == [finalist.digest]
    assert finalist.rows["fidelity"].tolist() == ["inherited", "finetuned"]
    assert len(finalist.measured) == FINALISTS
    assert read_architecture(reader, JOB, finalist.digest[:9]).digest == finalist.digest


def test_kernel_rows_add_up_in_every_phase(finalist: ArchitectureReading) -> None:
    for phase in architecture_latency.phases_of(finalist.breakdown):
        rows = architecture_latency.kernel_rows(finalist.breakdown[finalist.breakdown["phase"] == phase])
        assert sum(row["share"] for row in rows) == pytest.approx(1)
        assert {row["source"] for row in rows} == {"measured", "fitted"}
        if phase == "decode":
            assert sum(row["latency_ms"] for row in rows) == pytest.approx(finalist.inherited.latency_ms)
        json.dumps(rows, allow_nan=False)


def test_launch_gaps_are_told_apart_from_kernels(finalist: ArchitectureReading) -> None:
    rows = finalist.breakdown[finalist.breakdown["phase"] == "decode"]
    words = text(architecture_latency.summary(rows))
    gaps = rows.loc[rows["family"] == "launch gaps", "latency_ms"].sum()
    whole = rows["latency_ms"].sum()
    assert f"Launch gaps {latency(gaps)} ms ({percent(gaps / whole)})" in words
    assert f"In kernels {latency(whole - gaps)} ms" in words


def test_the_phase_of_the_job_is_shown_unless_the_address_asks_for_another(finalist: ArchitectureReading) -> None:
    assert "Decode: " in page_of(finalist)
    assert "Prefill: " in page_of(finalist, ArchitectureView(phase="prefill"))
    # A phase that nothing was kept of is not an empty figure.
    assert "Decode: " in page_of(finalist, ArchitectureView(phase="train"))


@pytest.mark.parametrize("view", [ArchitectureView(), ArchitectureView("prefill", "op")])
def test_a_view_is_read_back_from_its_address(view: ArchitectureView) -> None:
    assert ArchitectureView.parse(view.search) == view


@pytest.mark.parametrize("search", ["?phase=banana", "?by=", "?x=1"])
def test_a_wrong_address_shows_the_default_and_says_why(search: str) -> None:
    view, problem = read_view(search)
    assert view == ArchitectureView()
    assert problem is not None
    assert problem.startswith("address: ")


def test_where_it_came_from(reader: Reader, finalist: ArchitectureReading) -> None:
    words = page_of(finalist)
    for row in finalist.rows.to_dict("records"):
        assert f"evaluation {row['seq']}" in words
        assert f"On the front since evaluation {row['entered_seq']}" in words
    assert "keeps no parents" in words


def test_another_job_that_found_it_is_named_as_text(own_ledger: str, finalist: ArchitectureReading) -> None:
    with open_ledger(own_ledger) as ledger:
        ledger.record(HOSTILE, [replace(finalist.inherited, val_loss=1.25)])
    words = page_of(read_architecture(Reader(own_ledger), JOB, finalist.digest))
    assert f"Found by other jobs, too {HOSTILE_NAME} , inherited weights: complete, loss 1.2500" in words


def test_predicted_against_measured_in_words(reader: Reader, finalist: ArchitectureReading) -> None:
    own = finalist.finetuned
    error = own.latency_ms / own.latency_measured_ms - 1
    assert f"{percent(abs(error))} too {'slow' if error > 0 else 'fast'}" in architecture_agreement.words(finalist)
    assert len(architecture_agreement.rows(finalist)) == FINALISTS
    measured = set(finalist.measured["digest"])
    plain = next(digest for digest in front_of(reader, "inherited") if digest not in measured)
    assert "was not measured" in architecture_agreement.words(read_architecture(reader, JOB, plain))


def test_nothing_measured_is_said(own_ledger: str, finalist: ArchitectureReading) -> None:
    with open_ledger(own_ledger) as ledger:
        ledger.record(HOSTILE, [finalist.inherited])
    words = page_of(read_architecture(Reader(own_ledger), HOSTILE, finalist.digest))
    assert "No architecture of this job was measured" in words


def test_the_formats_are_those_of_the_command_line() -> None:
    assert tuple(FORMATS) == WRITTEN_FORMATS


def test_the_export_command_is_quoted_and_says_what_is_chosen() -> None:
    assert export_command("j 1", "ab12") == "frontier export 'j 1' ab12 --format pytorch --out exports/ab12"
    assert "--weights inherited --out" in export_command("j", "ab12", "pytorch", "inherited")


def test_who_may_not_export_gets_the_command_alone(finalist: ArchitectureReading) -> None:
    assert "frontier serve" in page_of(finalist)
    assert "log in" in page_of(finalist, access=Access(TOKEN))
    with logged_in() as access:
        words = page_of(finalist, access=access)
    assert "log in" not in words
    assert export_command(JOB, finalist.digest) in " ".join(words.split())


@pytest.mark.parametrize(
    ("export_format", "weights"), [("onnx", "best"), ("pytorch", "mine"), (None, "best"), ("pytorch", ["best"])]
)
def test_an_export_of_something_unknown_is_refused(export_format: Any, weights: Any) -> None:
    with pytest.raises(InputError, match=r"^(format|weights): one of "):
        architecture_export.asked_for("ab12", export_format, weights)


def test_an_export_is_followed_from_waiting_to_its_download(own_ledger: str, finalist: ArchitectureReading) -> None:
    reader = Reader(own_ledger)

    def shown(granted: bool = True) -> tuple[str, bool]:
        exports = read_exports(reader, JOB, finalist.digest)
        return text(architecture_export.listed(exports, granted)), architecture_export.under_way(exports)

    with open_ledger(own_ledger) as ledger:
        written = ledger.exports(JOB)["digest"].tolist()
    assert shown() == ("Not exported yet.", False) or finalist.digest in written
    with open_ledger(own_ledger) as ledger:
        arguments = architecture_export.asked_for(finalist.digest, "pytorch", "best")
        number = ledger.add_command("export", arguments, job_id=JOB)
        ledger.add_command("export", {**arguments, "digest": "another"}, job_id=JOB)
        words, moving = shown()
        assert "No controller is there" in words
        assert moving
        ledger.announce("c", "host", 60)
        claimed = ledger.claim_command("c", 60)
        assert claimed is not None
        assert claimed.id == number
        ledger.renew_command(number, "c", 60, share=0.25, message="measuring")
        assert "measuring, 25\u00a0%" in shown()[0]
        result = {"folder": "f", "archive": "f.zip", "max_relative_difference": 3e-7, "measured_ms": 1.5}
        ledger.finish_command(number, "c", "done", result=result)
    words, moving = shown()
    assert "Download f.zip" in words
    assert "differs by 3.0e-07 at most, measured at 1.50 ms" in words
    assert not moving
    assert "log in to download" in shown(granted=False)[0]


def test_a_failed_export_says_why_as_text(own_ledger: str, finalist: ArchitectureReading) -> None:
    with open_ledger(own_ledger) as ledger:
        number = ledger.add_command(
            "export", {"digest": finalist.digest, "format": "pytorch", "weights": "best"}, job_id=JOB
        )
        ledger.claim_command("c", 60)
        ledger.finish_command(number, "c", "failed", message="<b>no</b> weights there")
    exports = read_exports(Reader(own_ledger), JOB, finalist.digest)
    assert "<b>no</b> weights there" in text(architecture_export.listed(exports, granted=True))


def test_notes_and_tags_are_added_and_taken_away(own_ledger: str, finalist: ArchitectureReading) -> None:
    digest = finalist.digest
    with open_ledger(own_ledger) as ledger:
        architecture_notes.change(ledger, digest, "architecture-note-add", HOSTILE_NAME, "")
        architecture_notes.change(ledger, digest, "architecture-tag-add", "", " keep ")
        remarks = read_remarks(Reader(own_ledger), digest)
        words = text(architecture_notes.listed(remarks, granted=True))
        assert HOSTILE_NAME in words
        assert "keep" in words
        assert "Delete" not in text(architecture_notes.listed(remarks, granted=False))
        number = int(remarks.notes["id"].iloc[0])
        elsewhere = ledger.front(JOB)["digest"].iloc[-1]
        architecture_notes.change(ledger, elsewhere, {"type": architecture_notes.DELETE, "note": number}, "", "")
        assert len(ledger.notes(digest)) == 1
        architecture_notes.change(ledger, digest, {"type": architecture_notes.DELETE, "note": number}, "", "")
        architecture_notes.change(ledger, digest, {"type": architecture_notes.REMOVE, "tag": "keep"}, "", "")
        with pytest.raises(InputError, match="1 to 10000 characters"):
            architecture_notes.change(ledger, digest, "architecture-note-add", " ", "")
    assert "No notes" in text(architecture_notes.listed(read_remarks(Reader(own_ledger), digest), granted=True))


def test_forms_are_hidden_from_who_may_not_use_them(finalist: ArchitectureReading) -> None:
    def hidden(access: Access) -> bool:
        panel = architecture_notes.panel(finalist.remarks, access)
        return next(part.hidden for part in panel.children if getattr(part, "className", "") == "remark-forms")

    assert hidden(Access())
    assert hidden(Access(TOKEN))
    with logged_in() as access:
        assert not hidden(access)


def test_an_architecture_that_is_not_there(reader: Reader) -> None:
    with pytest.raises(NotThere):
        read_architecture(reader, JOB, "zzzz")
    with pytest.raises(NotThere):
        read_architecture(reader, "nope", "ab")


def test_a_failed_evaluation_has_a_page(own_ledger: str, finalist: ArchitectureReading) -> None:
    failed = Evaluation(
        architecture=finalist.inherited.architecture,
        digest=finalist.digest,
        fidelity="inherited",
        state="failed",
        reason=HOSTILE_NAME,
    )
    with open_ledger(own_ledger) as ledger:
        ledger.record(HOSTILE, [failed])
    words = page_of(read_architecture(Reader(own_ledger), HOSTILE, finalist.digest))
    assert f"failed: {HOSTILE_NAME}" in words
    assert "not predicted" in words
    assert "The ledger does not know the whole" in words


def test_an_unknown_number_is_a_dash_not_a_nan(finalist: ArchitectureReading) -> None:
    words = page_of(replace(finalist, measured=finalist.measured.assign(latency_low_ms=float("nan"))))
    assert not re.search(r"\bnan\b", words, re.IGNORECASE)
