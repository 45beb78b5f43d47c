"""A real browser looks at one architecture, annotates it and takes it home."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from frontier.dashboard.access.access import Access
from frontier.dashboard.numbers import significant
from frontier.dashboard.serving import served
from frontier.db import open_ledger

from .conftest import HOSTILE_NAME, JOB, Window
from .test_dashboard_browser import cells, overflow

Windows = Callable[..., Window]
TOKEN = "a token for tests only"


@pytest.fixture
def digest(ledger_path: str) -> str:
    """An architecture that was fine-tuned and measured."""
    with open_ledger(ledger_path, read_only=True) as ledger:
        return str(ledger.front(JOB, "finetuned")["digest"].iloc[0])


def test_the_table_of_a_phase_is_the_ledgers_and_the_phase_is_in_the_address(
    address: str, ledger_path: str, digest: str, window: Windows
) -> None:
    with open_ledger(ledger_path, read_only=True) as ledger:
        breakdown = ledger.breakdown(JOB, digest)
    opened = window(height=2400)
    page = opened.page
    page.goto(f"{address}/job/{JOB}/architecture/{digest}")
    for phase in ("decode", "prefill"):
        if phase == "prefill":
            page.locator("#architecture-phase").get_by_text("Prefill").click()
            page.wait_for_url(f"{address}/job/{JOB}/architecture/{digest}?phase=prefill")
        page.locator(f"#architecture-latency-{phase} .main-svg").first.wait_for()
        rows = breakdown[breakdown["phase"] == phase]
        read = cells(page, "architecture-kernels")
        shown = [row["latency_ms"] for row in read]
        assert shown == [significant(value) for value in rows["latency_ms"]][: len(shown)]
        assert len(shown) >= min(14, len(rows))
    page.reload()
    page.locator("#architecture-latency-prefill .main-svg").first.wait_for()
    assert opened.complaints == []
    assert opened.strangers == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_screen_scrolls_down_only(address: str, digest: str, window: Windows, scheme: str) -> None:
    page = window(width=390, scheme=scheme).page
    page.goto(f"{address}/job/{JOB}/architecture/{digest}?by=op")
    page.locator("#architecture-latency-decode .main-svg").first.wait_for()
    page.locator("#architecture-parameters .main-svg").first.wait_for()
    assert overflow(page) <= 0


def test_who_may_not_change_anything_sees_no_form(address: str, digest: str, window: Windows) -> None:
    page = window().page
    page.goto(f"{address}/job/{JOB}/architecture/{digest}")
    page.locator("#architecture-export").wait_for()
    assert not page.locator("#architecture-export-start").is_visible()
    assert not page.locator("#architecture-note-text").is_visible()


def test_notes_are_text_and_an_export_is_followed_to_its_download(
    ledger_path: str, digest: str, tmp_path: Path, window: Windows
) -> None:
    path, exports = str(shutil.copy(ledger_path, tmp_path / "frontier.db")), tmp_path / "exports"
    exports.mkdir()
    with zipfile.ZipFile(exports / "model.zip", "w") as archive:
        archive.writestr("model/README.md", "a model")
    with served(path, Access(TOKEN), exports) as address, open_ledger(path) as ledger:
        opened = window()
        page = opened.page
        page.goto(f"{address}/login")
        page.locator("input[type=password]").fill(TOKEN)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{address}/")
        page.goto(f"{address}/job/{JOB}/architecture/{digest}")
        page.locator("#architecture-note-text").fill(HOSTILE_NAME)
        page.locator("#architecture-note-add").click()
        page.locator("#architecture-remarks .remark-text").wait_for()
        assert page.locator("#architecture-remarks .remark-text").inner_text() == HOSTILE_NAME
        assert page.locator("#architecture-remarks b").count() == 0
        page.locator("#architecture-tag-text").fill("keep")
        page.locator("#architecture-tag-add").click()
        page.locator("#architecture-remarks .remark-tag").wait_for()
        assert ledger.tags(digest)["tag"].tolist() == ["keep"]
        page.get_by_label("Remove the tag keep").click()
        page.locator("#architecture-remarks .remark-tag").wait_for(state="detached")
        page.get_by_role("button", name="Delete note").click()
        page.get_by_text("No notes and no tags").wait_for()

        page.locator("#architecture-export-start").click()
        page.get_by_text("No controller is there").wait_for()
        ledger.announce("tests", "here", 60)
        command = ledger.claim_command("tests", 60)
        assert command is not None
        assert command.arguments == {"digest": digest, "format": "pytorch", "weights": "best"}
        ledger.renew_command(command.id, "tests", 60, share=0.5, message="checking in a fresh process")
        page.get_by_text("checking in a fresh process").wait_for()
        result = {"folder": "model", "archive": "model.zip", "max_relative_difference": 1e-7, "measured_ms": 1.2}
        ledger.finish_command(command.id, "tests", "done", result=result)
        link = page.get_by_role("link", name="Download model.zip")
        link.wait_for()
        with page.expect_download() as download:
            link.click()
        assert zipfile.ZipFile(download.value.path()).namelist() == ["model/README.md"]
        assert opened.complaints == []
