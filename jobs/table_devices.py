"""Devices that are known by published tables: what was fitted to them, kept in the ledger beside the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..db import Ledger
from ..errors import InputError
from ..latency_models import DeviceProfile, Predictor, Tracer
from ..latency_models.predicting.composition import SUMMED
from ..latency_models.table_models import Figure, evaluate, limits_of
from ..latency_models.table_models.kernels import TableKernels
from ..latency_models.tables.reader import read_import
from ..supernet import Shape
from .kept_models import KeptModels
from .kernel_tables import BACKEND
from .like_devices import LikeModels
from .reporter import Reporter

# Published tables are of serving engines, which compile and compute in this type.
DTYPE = torch.bfloat16
PHASES = ("prefill", "decode")
FOLDS = 5


def is_imported(hardware: Mapping[str, Any]) -> bool:
    """Whether a device is known by published tables rather than by measurements made here."""
    return hardware.get("backend") == BACKEND


def imported_profile(ledger: Ledger, name: str) -> DeviceProfile | None:
    """The profile of an imported device, of which nothing is measured; None of any other."""
    stored = ledger.device(name)
    return DeviceProfile(name, stored.hardware) if stored and is_imported(stored.hardware) else None


def fit_tables(ledger: Ledger, device: str, reporter: Reporter) -> None:
    """Fit what nothing was fitted to yet of the tables that a device is priced by, and keep it in the ledger.

    Raises:
        InputError: there is no such device.
    """
    models = _models(ledger, device, reporter)
    missing = models.unfitted
    if missing:
        reporter.stage("fit", len(missing))
    for done, kind in enumerate(missing, 1):
        if models.get(kind) is not None:
            reporter.progress(done, len(missing), kind)


def table_kernels(ledger: Ledger, device: str, reporter: Reporter) -> TableKernels:
    """Kernel times of an imported device. Only the kinds of kernels that are asked for are opened.

    Raises:
        InputError: there is no such device, or it has no table of matrix products.
    """
    models = _models(ledger, device, reporter)
    if not models:
        raise InputError(f"device: one with imported tables; got {device!r}")
    return TableKernels(models)


def _models(ledger: Ledger, device: str, reporter: Reporter) -> KeptModels | LikeModels:
    """What is known of each kind of kernel on a device."""
    stored = ledger.device(device)
    if stored is not None and "like" in stored.hardware:
        return LikeModels(ledger, stored, reporter)
    return KeptModels(ledger, device, reporter)


def table_predictor(ledger: Ledger, profile: DeviceProfile, shape: Shape, reporter: Reporter) -> Predictor:
    """Predicts what models of a shape cost on an imported device, run as a serving engine runs them.

    Raises:
        InputError: see `table_kernels`.
    """
    kernels = table_kernels(ledger, profile.name, reporter)
    tracer = Tracer(shape, dtype=DTYPE, compiled=True)
    return Predictor(kernels, dict.fromkeys(PHASES, SUMMED), shape, tracer)


def accuracy_of(
    files: Sequence[Path], duplicates: str, seed: int, folds: int = FOLDS, holdout: str | None = None
) -> list[Figure]:
    """How well every kind of table in the files is predicted, whole shapes held out.

    They are held out in `folds`, or, where it is given, those that the condition `holdout` selects.

    Raises:
        InputError: see `read_import` and `evaluate`.
    """
    read = read_import(files, duplicates)
    limits = limits_of(read.device)
    return [
        figure for kind, frame in read.frames.items() for figure in evaluate(kind, frame, folds, seed, limits, holdout)
    ]
