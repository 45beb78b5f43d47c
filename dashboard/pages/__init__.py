"""The pages. Each module has `ROUTE` (the addresses it answers), `open_page` (draws one) and `register` (callbacks)."""

from __future__ import annotations

from types import ModuleType

from . import architecture, compare, device, devices, explorer, job, jobs, new_search

PAGES: tuple[ModuleType, ...] = (jobs, job, explorer, architecture, compare, devices, device, new_search)
