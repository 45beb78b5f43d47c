"""What an architecture costs on a device of the ledger, without a job and without owning the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ..db import Device, Ledger
from ..errors import InputError
from ..evaluators.tasks import ImageClassificationConfig
from ..latency_models import Composition, DeviceProfile, Workload
from ..latency_models.calls import dtype_name
from ..latency_models.predicting.composition import SUMMED
from ..latency_models.predicting.eager import EagerComposition
from ..latency_models.predicting.fit import KernelModel
from ..latency_models.predicting.report import LatencyReport, Pricing, report
from ..search_space import Architecture
from ..supernet import ModelShape, Shape
from .device import stored_measurements
from .like_devices import told_of
from .reporter import Reporter
from .table_devices import DTYPE, is_imported, table_kernels

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
VALIDATION_FIGURES = ("space", "phase", "batch", "seq_len", "count", "mape", "floor_mape", "kendall_tau")
# Gauss-Legendre on three points, exact for what grows with the context up to its fifth power.
NODES, WEIGHTS = (-(0.6**0.5), 0.0, 0.6**0.5), (5 / 18, 8 / 18, 5 / 18)


@dataclass(frozen=True)
class Question:
    """What is asked of an architecture. `new_tokens` are decoded one after the other, each with one more cached.

    `dtype` and `compiled` are the device's own where they are None: what was measured on a CPU is eager float32, and
    published tables are of serving engines, which compile and compute in bfloat16.
    """

    phase: str
    batch: int
    seq_len: int
    new_tokens: int = 1
    devices: int = 1
    dtype: str | None = None
    compiled: bool | None = None


@dataclass(frozen=True)
class Answer:
    """A report, what it rests on, and how well predictions for the device held so far (None: never checked)."""

    report: LatencyReport
    basis: dict[str, Any]
    validation: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read_architecture(path: Path) -> Architecture:
    """Read an architecture from a JSON file.

    Raises:
        InputError: it cannot be read, or is no architecture; the message starts with the file.
    """
    try:
        return Architecture.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: a file that can be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def shape_for(
    architecture: Architecture, question: Question, vocab_size: int, context: int | None, images: str
) -> Shape:
    """The shape that an architecture is asked about: as long a context as is needed, where none is given."""
    if architecture.stages:
        return ImageClassificationConfig(data=images).shape
    needed = question.seq_len + (question.new_tokens if question.phase == "decode" else 0)
    return ModelShape(vocab_size, context or needed)


def price(
    ledger: Ledger, device: str, architecture: Architecture, shape: Shape, question: Question, reporter: Reporter
) -> Answer:
    """Price an architecture on a device of the ledger.

    Raises:
        InputError: there is no such device, it does not know the phase or the dtype, or the workload does not fit.
    """
    workloads = [
        Workload(question.phase, question.batch, seq_len)
        for seq_len in _contexts(question.seq_len, question.new_tokens)
    ]
    if question.new_tokens > 1 and question.phase != "decode":
        raise InputError(f"--new-tokens: 1 but for decode; got {question.new_tokens} for {question.phase}")
    stored = ledger.device(device)
    if stored is None:
        raise InputError(f"--device: one in {ledger.url} (frontier device list); got {device!r}")
    if is_imported(stored.hardware):
        pricing, basis = _imported(ledger, stored, question, reporter)
    else:
        pricing, basis = _measured(ledger, stored, question)
    reports = [report(architecture, shape, workload, pricing, question.devices) for workload in workloads]
    return Answer(_averaged(reports), basis, _last_validation(ledger, device, question.phase))


def _imported(ledger: Ledger, device: Device, question: Question, reporter: Reporter) -> tuple[Pricing, dict[str, Any]]:
    dtype = DTYPE if question.dtype is None else _dtype(question.dtype)
    compiled = True if question.compiled is None else question.compiled
    kernels = table_kernels(ledger, device.name, reporter)
    basis = {
        "hardware": device.hardware["device"],
        "kernels": (
            told_of(ledger, device) if "like" in device.hardware else f"published tables of {', '.join(kernels.kinds)}"
        ),
        "composition": f"summed; no whole model was measured, so the interval allows {SUMMED.interval:.0%} for it",
        "dtype": dtype_name(dtype),
        "execution": "compiled" if compiled else "eager",
    }
    return Pricing(kernels, SUMMED, dtype, compiled), basis


def _measured(ledger: Ledger, device: Device, question: Question) -> tuple[Pricing, dict[str, Any]]:
    if question.devices > 1:
        raise InputError(
            f"--tensor-parallel: 1 on {device.name}, of which no collective is known; got {question.devices}"
        )
    dtype = device.hardware.get("dtype", "float32")
    if question.dtype not in (None, dtype):
        raise InputError(f"--dtype: {dtype}, which {device.name} was measured in; got {question.dtype}")
    if question.compiled:
        raise InputError(f"--compiled: not on {device.name}, which was measured running eagerly")
    if question.phase not in device.composition:
        known = ", ".join(sorted(device.composition)) or "nothing"
        raise InputError(f"--phase: calibrated on {device.name} is {known}; got {question.phase!r}")
    profile = DeviceProfile(device.name, device.hardware, tuple(stored_measurements(ledger, device.name).values()))
    composition = Composition(**device.composition[question.phase])
    eager = _eager(device, composition) if question.compiled is False else None
    basis = {
        "hardware": device.hardware.get("gpu") or device.hardware.get("cpu_model", device.hardware["device"]),
        "kernels": f"{len(profile.measurements)} calls measured there, {device.hardware['threads']} thread(s)",
        "composition": f"fitted on {len(composition.digests)} whole models of {composition.space}",
        "dtype": dtype,
        "execution": "eager" if eager else device.hardware.get("backend", "eager"),
    }
    pricing = Pricing(
        KernelModel(profile.measurements),
        composition,
        _dtype(dtype),
        device=device.hardware.get("device", "cpu"),
        eager=eager,
    )
    return pricing, basis


def _eager(device: Device, composition: Composition) -> EagerComposition | None:
    """How models run without a graph on a device that was measured with graphs; None of one that has none."""
    if device.hardware.get("backend") != "graph":
        return None
    if composition.eager is None:
        raise InputError(f"--eager: a device that was profiled by this version, in both ways; got {device.name!r}")
    return EagerComposition(**composition.eager)


def _dtype(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise InputError(f"--dtype: one of {', '.join(DTYPES)}; got {name!r}")
    return DTYPES[name]


def _contexts(seq_len: int, new_tokens: int) -> list[int]:
    """How many tokens are cached at the steps that stand for all of them: see `_averaged`."""
    if new_tokens < 1:
        raise InputError(f"--new-tokens: at least 1; got {new_tokens}")
    if new_tokens < len(NODES):
        return list(range(seq_len, seq_len + new_tokens))
    middle, reach = seq_len + (new_tokens - 1) / 2, (new_tokens - 1) / 2
    return [round(middle + node * reach) for node in NODES]


def _averaged(reports: Sequence[LatencyReport]) -> LatencyReport:
    """The mean step of a generation. Its parts are those of the middle one, its memory that of the last."""
    weights = WEIGHTS if len(reports) == len(WEIGHTS) else [1 / len(reports)] * len(reports)

    def mean(name: str) -> float:
        return float(sum(weight * getattr(one, name) for weight, one in zip(weights, reports, strict=True)))

    return replace(
        reports[len(reports) // 2],
        latency_ms=mean("latency_ms"),
        low_ms=mean("low_ms"),
        high_ms=mean("high_ms"),
        mean_ms=mean("mean_ms"),
        p95_ms=mean("p95_ms"),
        peak_memory_bytes=reports[-1].peak_memory_bytes,
    )


def _last_validation(ledger: Ledger, device: str, phase: str) -> dict[str, Any] | None:
    frame = ledger.validations(device)
    frame = frame[frame["phase"] == phase]
    return None if frame.empty else {name: frame.iloc[-1][name] for name in VALIDATION_FIGURES}
