"""Pictures of every page, for a person to look at: both colour schemes, on a wide and on a narrow screen.

python -m frontier.dashboard.screenshots --db frontier.db --out pictures
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from ..errors import InputError
from .access.access import Access
from .compare.view import CompareView, compare_href
from .job.tabs import architecture_href, explorer_href, overview_href
from .reader import NotThere, Reader, Unreadable
from .serving import served

WIDTHS = (1440, 390)
HEIGHT = 900
LOGIN = "login"
SCHEMES = ("light", "dark")
CHROMIUM = "/usr/bin/chromium"
# Without a sandbox, as root has none; without a GPU and without the browser's own traffic, so that runs are alike.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
DRAWN = "document.querySelectorAll('.dash-graph--pending').length === 0 && document.querySelector('h1') !== null"


def paths(reader: Reader) -> dict[str, str]:
    """The addresses worth a picture: each page, of the newest job that has a front and of the first device.

    The page to log in at stands first, since those who have logged in are led away from it.
    """
    listed, devices = _listed(reader)
    found = {LOGIN: "/login", "jobs": "/", "devices": "/devices", "new-search": "/new", "not-found": "/no-such-page"}
    if devices:
        found["device"] = f"/device/{quote(devices[0], safe='')}"
    shown = listed[listed["front_size"] > 0]
    if len(shown):
        job_id = str(shown["id"].iloc[0])
        with reader.ledger() as ledger:
            front = ledger.front(job_id, architectures=False)["digest"].tolist()
        found["job"] = overview_href(job_id)
        found["explorer"] = explorer_href(job_id)
        found["architecture"] = architecture_href(job_id, front[len(front) // 2])
        found["compare"] = compare_href(job_id, CompareView(_spread(front)))
    return found


def _listed(reader: Reader) -> tuple[pd.DataFrame, list[str]]:
    with reader.ledger() as ledger:
        return ledger.jobs(), ledger.devices()["name"].tolist()


def _spread(front: list[str]) -> tuple[str, ...]:
    """The two ends of a front and its middle, each once."""
    return tuple(dict.fromkeys([front[0], front[len(front) // 2], front[-1]]))


def take(database: str, out: Path, chromium: str = CHROMIUM) -> list[Path]:
    """Write `PAGE-WIDTH-SCHEME.png` for every page into the folder `out`.

    Raises:
        InputError: playwright or the browser is missing, or the ledger can't be read.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise InputError("screenshots: need the package playwright; run: pip install pytest-playwright") from None
    if not Path(chromium).exists():
        raise InputError(f"screenshots: need Chromium (set CHROMIUM to its path); got {chromium!r}")
    try:
        pages = paths(Reader(database))
    except (Unreadable, NotThere) as error:
        raise InputError(str(error)) from None
    out.mkdir(parents=True, exist_ok=True)
    access = Access.from_environment({})
    with served(database, access) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        pictures = []
        for width, scheme in product(WIDTHS, SCHEMES):
            context = browser.new_context(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme)
            for name, path in pages.items():
                file = out / f"{name}-{width}-{scheme}.png"
                pictures.append(_picture(context, f"{address}{path}", file))
                if name == LOGIN:
                    _log_in(context, address, str(access.token))
            context.close()
        browser.close()
    return pictures


def _log_in(context: Any, address: str, token: str) -> None:
    page = context.new_page()
    page.goto(f"{address}/login")
    page.fill("#login-token", token)
    page.press("#login-token", "Enter")
    page.wait_for_selector("#shell-page")
    page.close()


def _picture(context: Any, address: str, file: Path) -> Path:
    page = context.new_page()
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.wait_for_function(DRAWN)
    # A window as tall as the page, as parts that scroll by themselves are not drawn outside the window.
    height = max(HEIGHT, page.evaluate("document.documentElement.scrollHeight"))
    page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
    page.wait_for_function(DRAWN)
    page.wait_for_timeout(500)
    page.screenshot(path=str(file))
    page.close()
    return file


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, take the pictures, name them."""
    parser = argparse.ArgumentParser(prog="python -m frontier.dashboard.screenshots", description="Picture every page.")
    parser.add_argument("--db", default=os.environ.get("FRONTIER_DB", "frontier.db"), help="the ledger")
    parser.add_argument("--out", type=Path, required=True, help="the folder for the pictures")
    given = parser.parse_args(arguments)
    try:
        for picture in take(given.db, given.out, os.environ.get("CHROMIUM", CHROMIUM)):
            print(picture)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
