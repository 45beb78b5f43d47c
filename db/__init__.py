"""The ledger: every job, evaluation, front and device in SQL. The only room that imports sqlalchemy."""

from __future__ import annotations

from .ledger import Ledger
from .opening import open_ledger, upgrade
from .rows import (
    CurvePoint,
    Device,
    DuplicateEvaluation,
    Evaluation,
    Job,
    KernelMeasurement,
    KernelTable,
    ValidationRow,
)

__all__ = [
    "CurvePoint",
    "Device",
    "DuplicateEvaluation",
    "Evaluation",
    "Job",
    "KernelMeasurement",
    "KernelTable",
    "Ledger",
    "ValidationRow",
    "open_ledger",
    "upgrade",
]
