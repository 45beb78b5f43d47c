"""The pages. Each module has `ROUTE` (the addresses it answers), `open_page` (draws one) and `register` (callbacks)."""

from __future__ import annotations

from types import ModuleType

from . import architecture, job, jobs

PAGES: tuple[ModuleType, ...] = (jobs, job, architecture)
