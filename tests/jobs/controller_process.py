"""A controller in a process of its own, to be killed: `python controller_process.py DATABASE LEASE_SECONDS`."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from frontier.jobs.controller import Controller, Places, Settings

if __name__ == "__main__":
    database, lease_s = sys.argv[1:]
    folder = Path(database).parent
    places = Places(database, folder / "runs", folder / "exports")
    Controller(places, Settings(lease_s=float(lease_s), poll_s=0.05)).run(threading.Event())
