"""Device profiles between the ledger and the latency models: measured once, kept, used by every later job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ..db import KernelMeasurement, Ledger, ValidationRow
from ..errors import InputError
from ..latency_models import (
    SIZES,
    DeviceProfile,
    KernelCall,
    Measurement,
    Predictor,
    Runtime,
    Validation,
    Workload,
    calibrate,
    describe_device,
    fit_predictor,
    least_size,
    measure_space,
    space_calls,
    validate,
)
from ..search_space import SearchSpace
from ..supernet import Shape
from .config import DeviceConfig
from .new_file import write_new
from .reporter import Reporter
from .table_devices import is_imported, table_predictor

DISTURBED = 0.3
# What a measurement says beside its call.
TIMING = tuple(field.name for field in fields(Measurement) if field.name != "call")


def profile_device(
    ledger: Ledger,
    device: DeviceConfig,
    space: SearchSpace,
    shape: Shape,
    workloads: tuple[Workload, ...],
    seed: int,
    reporter: Reporter,
) -> DeviceProfile:
    """The device's profile, with the calls of the space measured that latencies depend on and the ledger lacks.

    Measurements are written as they are made, so that an interrupted profile goes on where it stopped.

    Raises:
        InputError: the ledger holds a device of that name that was imported or has other hardware, versions or threads.
    """
    hardware = describe_device(device.runtime)
    known = stored_measurements(ledger, device.name)
    stored = ledger.device(device.name)
    if stored and is_imported(stored.hardware):
        raise InputError(f"device.name: {device.name!r} was imported from kernel tables: choose another name")
    if stored and stored.hardware != hardware:
        key = next(k for k in {**hardware, **stored.hardware} if hardware.get(k) != stored.hardware.get(k))
        raise InputError(
            f"device.name: {device.name!r} was measured with {key} = {stored.hardware.get(key)!r}, here it is "
            f"{hardware.get(key)!r}; choose another name"
        )
    reporter.stage("trace", 0)
    calls = space_calls(
        space, shape, workloads, device.runtime, lambda done, total: reporter.progress(done, total, "parts of models")
    )
    composition = dict(stored.composition) if stored else {}
    ledger.save_device(device.name, hardware, composition)
    before = len(known)
    if any(call.key not in known for call in calls):
        reporter.stage("profile", len(calls))
        _measure(ledger, device, calls, known, reporter)
    profile = DeviceProfile(device.name, hardware, tuple(known.values()), composition)
    if len(known) > before or not all(_is_calibrated(composition, space, workload) for workload in workloads):
        reporter.note(f"measuring {device.calibration_models} whole models to learn launch gaps")
        composition = calibrate(profile, space, shape, workloads, seed, device.calibration_models)
        ledger.save_device(device.name, hardware, composition)
        profile = replace(profile, composition=composition)
    return profile


def open_predictor(ledger: Ledger, profile: DeviceProfile, shape: Shape, reporter: Reporter) -> Predictor:
    """Predicts what models of a shape cost on a device, measured or imported.

    Raises:
        InputError: the device is neither measured and calibrated nor known by tables.
    """
    if is_imported(profile.hardware):
        return table_predictor(ledger, profile, shape, reporter)
    return fit_predictor(profile, shape)


def validate_device(
    ledger: Ledger,
    profile: DeviceProfile,
    space: SearchSpace,
    shape: Shape,
    workload: Workload,
    runtime: Runtime,
    seed: int,
    count: int,
) -> Validation:
    """Predicted against measured latency of held-out architectures; the outcome is stored with the device."""
    validation = validate(fit_predictor(profile, shape), space, shape, workload, runtime, seed, count)
    row = ValidationRow(
        space=space.name,
        phase=workload.phase,
        batch=workload.batch,
        seq_len=workload.seq_len,
        count=count,
        **vars(validation),
    )
    ledger.add_validation(profile.name, row)
    return validation


def stored_measurements(ledger: Ledger, device: str) -> dict[str, Measurement]:
    """What the ledger holds of a device's kernels, by key of the call."""
    if ledger.device(device) is None:
        return {}
    return {
        row.key: Measurement(
            call=KernelCall(row.op, row.family, row.arguments, row.flops, row.bytes),
            **{name: getattr(row, name) for name in TIMING},
        )
        for row in ledger.measurements(device)
    }


def write_measurements(ledger: Ledger, device: str, path: Path) -> int:
    """Write what was measured of a device's kernels as a Parquet file, a row per call; how many rows there are.

    Raises:
        InputError: there is no such device, nothing of it was measured, or the file exists or can't be written.
    """
    if ledger.device(device) is None:
        raise InputError(f"DEVICE: one in {ledger.url} (frontier device list); got {device!r}")
    rows = ledger.measurements(device)
    if not rows:
        raise InputError(f"DEVICE: one whose kernels were measured; got {device!r}")
    content = pd.DataFrame([asdict(row) for row in rows]).to_parquet(None, engine="pyarrow", index=False)
    write_new(path, content)
    return len(rows)


def check_sizes(space: SearchSpace, shape: Shape, workload: Workload, limits: Mapping[str, float]) -> None:
    """Refuse a limit on parameters or memory that no architecture of the space can meet.

    Raises:
        InputError: with the best value that the space can reach.
    """
    for quantity in SIZES:
        if quantity in limits:
            _compare(quantity, least_size(space, shape, workload, quantity), limits[quantity], f"{space.name} reaches")


def check_latency(
    predictor: Predictor,
    device: str,
    space: SearchSpace,
    workloads: Mapping[str, Workload],
    limits: Mapping[str, float],
) -> None:
    """Refuse a limit on latency that no architecture of the space is predicted to meet on the device.

    `workloads` says which latency is meant by what may be limited.

    Raises:
        InputError: with the best value that the space can reach.
    """
    for quantity, workload in workloads.items():
        if quantity in limits:
            least = predictor.least(space, workload, "latency_ms")
            _compare(quantity, least, limits[quantity], f"{space.name} reaches on {device}")


def _compare(quantity: str, least: float, limit: float, where: str) -> None:
    if least > limit:
        raise InputError(
            f"constraints.{quantity}.max: at least {least:.6g}, the least that any architecture of {where}; "
            f"got {limit:g}"
        )


def _measure(
    ledger: Ledger,
    device: DeviceConfig,
    calls: Mapping[KernelCall, float],
    known: dict[str, Measurement],
    reporter: Reporter,
) -> None:
    """Measure what is missing and add it to `known` and to the ledger."""

    def keep(measurement: Measurement) -> None:
        call = measurement.call
        known[call.key] = measurement
        row = KernelMeasurement(
            key=call.key,
            op=call.op,
            family=call.family,
            arguments=call.arguments,
            flops=call.flops,
            bytes=call.bytes,
            **{name: getattr(measurement, name) for name in TIMING},
        )
        ledger.add_measurements(device.name, [row])

    campaign = measure_space(
        calls,
        device.runtime,
        known=dict(known),
        budget_seconds=device.measure_seconds,
        on_progress=lambda done, total: reporter.progress(done, total, "kernel calls measured"),
        on_measured=keep,
    )
    if campaign.drift > DISTURBED:
        reporter.note(
            f"warning: this machine ran up to {campaign.drift:.0%} slower than its usual speed while its kernels were "
            f"measured; predictions on {device.name} may be off; measure again under another name when it is idle"
        )
    if campaign.remaining:
        reporter.note(
            f"{campaign.remaining} of {len(calls)} kernel calls are predicted from those measured: "
            + (
                "measuring them as well would change latencies less than a repetition does"
                if campaign.settled
                else "there was no time for them within device.measure_seconds"
            )
        )


def _is_calibrated(composition: dict[str, Any], space: SearchSpace, workload: Workload) -> bool:
    """Whether launch gaps were learned on this space at this workload."""
    fitted = composition.get(workload.phase)
    return fitted is not None and fitted["space"] == space.name and workload.to_json() in fitted["workloads"]
