"""axe-core looks at every page: nothing serious or critical, in either colour scheme."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from frontier.dashboard.access.access import Access
from frontier.dashboard.reader import Reader
from frontier.dashboard.screenshots import DRAWN, paths
from frontier.dashboard.serving import served

from .conftest import Window

PAGES = (
    "jobs", "job", "explorer", "architecture", "compare", "devices", "device", "new-search", "login", "not-found",
)  # fmt: skip
GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def service(ledger_path: str) -> Iterator[str]:
    with served(ledger_path, Access("a-token-of-some-length")) as address:
        yield address


@pytest.fixture(scope="module")
def addresses(ledger_path: str) -> dict[str, str]:
    return paths(Reader(ledger_path))


def grave_findings(page: Any, only: list[str] | None = None) -> list[str]:
    """What axe-core finds serious or critical, a line for each place."""
    from axe_playwright_python.sync_playwright import Axe

    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if only:
        options["runOnly"] = only
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {' '.join(map(str, node['target']))} {node['html'][:160]}"
        for rule in found
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]


def test_the_pages_looked_at_are_all_there_are(addresses: dict[str, str]) -> None:
    assert set(addresses) == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_grave_finding(
    service: str, addresses: dict[str, str], window: Callable[..., Window], name: str
) -> None:
    page = window().page
    page.goto(f"{service}{addresses[name]}")
    page.wait_for_function(DRAWN)
    page.wait_for_load_state("networkidle")
    assert "\n".join(grave_findings(page)) == ""
    # The other scheme has the same places in other colours.
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.mantineColorScheme !== 'light'")
    page.wait_for_function("document.getAnimations().every(({playState}) => playState !== 'running')")
    assert "\n".join(grave_findings(page, only=["color-contrast"])) == ""
