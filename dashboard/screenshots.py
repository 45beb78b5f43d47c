"""Pictures of every page, for a person to look at: both colour schemes, on a wide and on a narrow screen.

python -m frontier.dashboard.screenshots --db frontier.db --out pictures
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from .pages import job, jobs
from .reader import NotThere, Reader, Unreadable
from .readings.job import read_job
from .serving import served

WIDTHS = (1440, 390)
SCHEMES = ("light", "dark")
CHROMIUM = "/usr/bin/chromium"
# Without a sandbox, as root has none; without a GPU and without the browser's own traffic, so that runs are alike.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
DRAWN = "document.querySelectorAll('.dash-graph--pending').length === 0 && document.querySelector('h1') !== null"


def paths(reader: Reader) -> dict[str, str]:
    """The addresses worth a picture: the jobs, the newest job that has a front, the middle of that front, nothing."""
    listed = jobs.read_jobs(reader)
    found = {"jobs": "/", "not-found": "/job/there-is-none"}
    shown = listed[listed["front_size"] > 0]
    if len(shown):
        job_id = shown["id"].iloc[0]
        front = read_job(reader, job_id, "inherited").front
        found["job"] = jobs.href(job_id)
        found["architecture"] = job.href(job_id, front["digest"].iloc[len(front) // 2])
    return found


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
    with served(database) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        pictures = [
            _picture(browser, f"{address}{path}", width, scheme, out / f"{name}-{width}-{scheme}.png")
            for width in WIDTHS
            for scheme in SCHEMES
            for name, path in pages.items()
        ]
        browser.close()
    return pictures


def _picture(browser: Any, address: str, width: int, scheme: str, file: Path) -> Path:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.wait_for_function(DRAWN)
    # A window as tall as the page, as parts that scroll by themselves are not drawn outside the window.
    page.set_viewport_size({"width": width, "height": page.evaluate("document.documentElement.scrollHeight")})
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
