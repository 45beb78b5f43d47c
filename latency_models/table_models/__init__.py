"""Latencies of any call from a table of measured ones: fit once, keep as bytes, predict with intervals.

It needs pandas, scipy and xgboost, which a machine that only measures need not have: nothing imports it but who
predicts from tables.
"""

from __future__ import annotations

from .accuracy import Accuracy, accuracy
from .choice import choose, propose
from .evaluate import Figure, evaluate, report
from .families import FAMILIES
from .few import FewModel
from .limits import Limits, limits_of
from .model import TableModel
from .storage import from_bytes, to_bytes
from .transfer import Transfer

__all__ = [
    "FAMILIES",
    "Accuracy",
    "FewModel",
    "Figure",
    "Limits",
    "TableModel",
    "Transfer",
    "accuracy",
    "choose",
    "evaluate",
    "from_bytes",
    "limits_of",
    "propose",
    "report",
    "to_bytes",
]
