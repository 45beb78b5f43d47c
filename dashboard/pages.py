"""The pages. Each module has `ROUTE` (the addresses it answers), `open_page` (draws one) and `register` (callbacks)."""

from __future__ import annotations

from types import ModuleType

from .architecture import page as architecture
from .compare import page as compare
from .devices import list_page as devices
from .devices import page as device
from .explorer import page as explorer
from .job import page as job
from .jobs import page as jobs
from .new_search import page as new_search

PAGES: tuple[ModuleType, ...] = (jobs, job, explorer, architecture, compare, devices, device, new_search)
