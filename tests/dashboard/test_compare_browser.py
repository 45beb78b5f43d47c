"""A real browser compares architectures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from frontier.dashboard.numbers import loss
from frontier.db import open_ledger

from .conftest import JOB, Window
from .test_dashboard_browser import overflow

Windows = Callable[..., Window]


@pytest.fixture
def digests(ledger_path: str) -> list[str]:
    with open_ledger(ledger_path, read_only=True) as ledger:
        return ledger.front(JOB)["digest"].tolist()


def test_differences_are_shown_and_what_is_equal_on_demand(
    address: str, ledger_path: str, digests: list[str], window: Windows
) -> None:
    opened = window()
    page = opened.page
    page.goto(f"{address}/job/{JOB}/compare?with={digests[0]},{digests[1]}")
    page.locator("#compare-latency .main-svg").first.wait_for()
    row = page.locator("#compare-rows tr", has_text="Validation loss, inherited weights")
    with open_ledger(ledger_path, read_only=True) as ledger:
        losses = [ledger.evaluation(JOB, digest, "inherited").val_loss for digest in digests[:2]]
    texts = row.locator("td").all_inner_texts()
    assert [text.removesuffix(" ★ best") for text in texts] == [f"{loss(value)} nats per byte" for value in losses]
    assert texts[1].endswith("★ best")
    equal = page.locator("#compare-rows tr.compare-equal", has_text="Residual stream")
    assert not equal.is_visible()
    page.get_by_role("switch", name="Differences only").click()
    equal.wait_for(state="visible")
    page.wait_for_url(f"{address}/job/{JOB}/compare?with={digests[0]},{digests[1]}&rows=all")
    page.reload()
    equal.wait_for(state="visible")
    assert opened.complaints == []
    assert opened.strangers == []


def test_one_is_added_and_removed_by_links(address: str, digests: list[str], window: Windows) -> None:
    page = window().page
    page.goto(f"{address}/job/{JOB}/compare?with={digests[0]}")
    page.get_by_role("heading", name="Choose at least two").wait_for()
    page.get_by_role("link", name=f"+ {digests[1][:8]}").click()
    page.wait_for_url(f"{address}/job/{JOB}/compare?with={digests[0]},{digests[1]}")
    page.locator("#compare-latency .main-svg").first.wait_for()
    page.get_by_role("link", name="Remove").first.click()
    page.wait_for_url(f"{address}/job/{JOB}/compare?with={digests[1]}")
    page.get_by_role("heading", name="Choose at least two").wait_for()


def test_a_narrow_screen_scrolls_down_only(address: str, digests: list[str], window: Windows) -> None:
    page = window(width=390, scheme="dark").page
    page.goto(f"{address}/job/{JOB}/compare?with={','.join(digests[:4])}&rows=all")
    page.locator("#compare-latency .main-svg").first.wait_for()
    assert overflow(page) <= 0
