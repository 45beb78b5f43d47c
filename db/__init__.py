"""The ledger: every job, evaluation, front and device in SQL. The only room that imports sqlalchemy."""

from __future__ import annotations

from .failures import LedgerUnavailable
from .hypervolume import hypervolume
from .ledger import Ledger
from .ledger_pages import Filter
from .ledger_retention import Vacuumed
from .opening import open_ledger, upgrade
from .patience import patiently
from .rows import (
    CurvePoint,
    Device,
    DuplicateEvaluation,
    Evaluation,
    Job,
    KernelMeasurement,
    KernelTable,
    Quality,
    ValidationRow,
)
from .transfer import export_job, import_job, write_evaluations

__all__ = [
    "CurvePoint",
    "Device",
    "DuplicateEvaluation",
    "Evaluation",
    "Filter",
    "Job",
    "KernelMeasurement",
    "KernelTable",
    "Ledger",
    "LedgerUnavailable",
    "Quality",
    "Vacuumed",
    "ValidationRow",
    "export_job",
    "hypervolume",
    "import_job",
    "open_ledger",
    "patiently",
    "upgrade",
    "write_evaluations",
]
