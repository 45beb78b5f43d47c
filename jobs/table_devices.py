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
from ..latency_models.table_models import Figure, TableModel, evaluate, from_bytes, limits_of, to_bytes
from ..latency_models.table_models.kernels import TableKernels
from ..latency_models.tables import KINDS
from ..latency_models.tables.reader import read_import
from ..supernet import Shape
from .kernel_tables import BACKEND
from .reporter import Reporter

# Published tables are of serving engines, which compile and compute in this type.
DTYPE = torch.bfloat16
PHASES = ("prefill", "decode")
SEED = 0
FOLDS = 5


def is_imported(hardware: Mapping[str, Any]) -> bool:
    """Whether a device is known by published tables rather than by measurements made here."""
    return hardware.get("backend") == BACKEND


def imported_profile(ledger: Ledger, name: str) -> DeviceProfile | None:
    """The profile of an imported device, of which nothing is measured; None of any other."""
    stored = ledger.device(name)
    return DeviceProfile(name, stored.hardware) if stored and is_imported(stored.hardware) else None


def fit_tables(ledger: Ledger, device: str, reporter: Reporter) -> dict[str, TableModel]:
    """The models of a device's tables by kind; what is not in the ledger yet is fitted now and kept there.

    A table that is too small to hold any shape out has none; the reporter is told.

    Raises:
        InputError: there is no such device, or it has no tables.
    """
    stored = ledger.device(device)
    if stored is None:
        raise InputError(f"device: one in {ledger.url}; got {device!r}")
    kept = ledger.kernel_models(device)
    if not kept:
        raise InputError(f"device: one with imported tables; got {device!r}")
    models = _readable(kept, reporter)
    missing = [kind for kind in kept if kind not in models]
    if missing:
        reporter.stage("fit", len(missing))
    for done, kind in enumerate(missing, 1):
        frame = ledger.kernel_table(device, kind)
        assert frame is not None, "a kind that is listed has a table"
        try:
            models[kind] = TableModel.fit(KINDS[kind], frame, limits_of(str(stored.hardware["device"])), SEED)
        except InputError as error:
            reporter.note(f"warning: nothing can be predicted from this table: {error}")
            continue
        ledger.save_kernel_model(device, kind, to_bytes(models[kind]))
        reporter.progress(done, len(missing), kind)
    return models


def _readable(kept: Mapping[str, bytes | None], reporter: Reporter) -> dict[str, TableModel]:
    """The models that this version can read."""
    models: dict[str, TableModel] = {}
    for kind, content in kept.items():
        if content is None:
            continue
        try:
            models[kind] = from_bytes(content)
        except InputError as error:
            reporter.note(f"{kind} is fitted again: {error}")
    return models


def table_kernels(ledger: Ledger, device: str, reporter: Reporter) -> TableKernels:
    """Kernel times of an imported device.

    Raises:
        InputError: see `fit_tables`; or it has no table of matrix products.
    """
    return TableKernels(fit_tables(ledger, device, reporter))


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
