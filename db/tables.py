"""Every table of the ledger. What the database can check is a constraint; a NULL is "not known"."""

from __future__ import annotations

from .table_base import Base
from .tables_devices import DeviceRow, DeviceValidationRow, KernelTableRow, MeasurementRow
from .tables_jobs import ArchitectureRow, EvaluationRow, FrontMemberRow, JobRow, NoteRow, TagRow
from .tables_service import CommandRow, ControllerRow, NodeRow
from .tables_traces import BreakdownRow, CheckpointRow, CurveRow, EventRow, ExportRow, QualityRow

__all__ = [
    "ArchitectureRow",
    "Base",
    "BreakdownRow",
    "CheckpointRow",
    "CommandRow",
    "ControllerRow",
    "CurveRow",
    "DeviceRow",
    "DeviceValidationRow",
    "EvaluationRow",
    "EventRow",
    "ExportRow",
    "FrontMemberRow",
    "JobRow",
    "KernelTableRow",
    "MeasurementRow",
    "NodeRow",
    "NoteRow",
    "QualityRow",
    "TagRow",
]
