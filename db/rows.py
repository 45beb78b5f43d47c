"""The frozen values that go into the ledger and leave it. None is "not known", never zero."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from .words import EVALUATION_STATES, FIDELITIES, SUBNETS


class DuplicateEvaluation(ValueError):
    """The job already holds an evaluation of this digest at this fidelity; nothing of the batch was written."""


@dataclass(frozen=True)
class Job:
    """A search job. `facts` is what the job has found out about itself so far; times are UTC.

    A job with a `priority` stands in the queue (the highest first). While `claimed_by` runs it, the claim holds until
    `lease_until`; `attempts` is how often it was claimed. `evaluations` counts all there are, at any fidelity.
    `stop_asked` tells who runs it to end.
    """

    id: str
    name: str
    state: str
    stage: str
    done: int
    total: int
    config: dict[str, Any]
    space: dict[str, Any]
    objectives: tuple[str, ...]
    run_dir: str
    facts: dict[str, Any]
    error: str | None
    created_at: datetime
    updated_at: datetime
    priority: int | None = None
    claimed_by: str | None = None
    lease_until: datetime | None = None
    attempts: int = 0
    evaluations: int = 0
    stop_asked: bool = False


@dataclass(frozen=True)
class Evaluation:
    """One architecture at one fidelity, with the objective values found for it.

    `latency_ms` is predicted (with its interval), `latency_measured_ms` measured; the latencies of phases are predicted
    ones. `measured_share` is the share of the predicted latency that rests on measured kernels, `extrapolates` whether
    any of it lies outside of what was measured. `attempts` counts how often it was tried, `seen_share` is the share of
    the validation data that was looked at (None: all). A `hopeless` one was given up early. A NaN is stored as not
    known.
    """

    architecture: dict[str, Any]
    digest: str
    fidelity: str
    state: str
    val_loss: float | None = None
    latency_ms: float | None = None
    latency_low_ms: float | None = None
    latency_high_ms: float | None = None
    latency_measured_ms: float | None = None
    param_count: int | None = None
    peak_memory_bytes: int | None = None
    worker: str | None = None
    seconds: float | None = None
    reason: str | None = None
    weights_path: str | None = None
    prefill_latency_ms: float | None = None
    decode_latency_ms: float | None = None
    train_latency_ms: float | None = None
    measured_share: float | None = None
    extrapolates: bool | None = None
    attempts: int | None = None
    seen_share: float | None = None

    def __post_init__(self) -> None:
        assert self.fidelity in FIDELITIES, f"fidelity: one of {FIDELITIES}; got {self.fidelity!r}"
        assert self.state in EVALUATION_STATES, f"state: one of {EVALUATION_STATES}; got {self.state!r}"


@dataclass(frozen=True)
class CurvePoint:
    """Loss of the supernet's smallest or largest subnet at a training step, `seconds` after training began."""

    step: int
    subnet: str
    loss_nats: float
    seconds: float

    def __post_init__(self) -> None:
        assert self.subnet in SUBNETS, f"subnet: one of {SUBNETS}; got {self.subnet!r}"


@dataclass(frozen=True)
class Quality:
    """How well a quality predictor that had learned from `evaluations` did on `held_out` others.

    `error` is the mean absolute error in units of the validation loss, `coverage` the share of held-out losses that
    lay within the interval it gave.
    """

    evaluations: int
    held_out: int
    kendall_tau: float | None
    error: float | None
    coverage: float | None


@dataclass(frozen=True)
class Command:
    """What a user asked a controller for, of a job or of none.

    `share` of it is done, `message` says what goes on or why it failed, `result` what came of it.
    """

    id: int
    kind: str
    job_id: str | None
    arguments: dict[str, Any]
    state: str
    share: float
    message: str | None
    result: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Node:
    """A machine of a cluster, as the cluster names it, and what it offers."""

    node_id: str
    address: str
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Device:
    """A device and runtime that kernels were measured on, and what composes their times into a model's."""

    name: str
    hardware: dict[str, Any]
    composition: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class KernelMeasurement:
    """One kernel call as measured. `arguments` is canonical JSON, `spread_us` the interquartile range.

    `timing` says how it was timed, `warm_us` how long it takes where everything it reads is in the cache, `skewed_us`
    how long where its tokens are sent to few of the experts,
    `kernel_names` what the library launched, `note` why it was not timed otherwise.
    """

    key: str
    op: str
    family: str
    arguments: str
    flops: int
    bytes: int
    median_us: float
    spread_us: float
    count: int
    timing: str = "clock"
    warm_us: float | None = None
    skewed_us: float | None = None
    kernel_names: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, eq=False)
class KernelTable:
    """A published table of one kind of kernel: a row of `frame` per call, with `runtime` and `latency_us`.

    `sources` say which files it was read from: the name, sha256 and number of rows of each.
    """

    kind: str
    frame: pd.DataFrame
    sources: list[dict[str, Any]]


@dataclass(frozen=True)
class ValidationRow:
    """Predicted against measured latency on `count` whole architectures of a space.

    Errors are fractions of the measured latency; `floor_mape` is the error of measuring again.
    """

    space: str
    phase: str
    batch: int
    seq_len: int
    count: int
    mape: float | None
    median_ape: float | None
    within_10: float | None
    kendall_tau: float | None
    floor_mape: float | None
    pairs: list[dict[str, Any]]
