"""The command `price`: how many architectures a job's space spans, and between what its sizes and latencies lie."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from ...db import Device, Ledger
from ...errors import InputError
from ...latency_models import DeviceProfile, Predictor, Tracer, Workload, fit_predictor
from ...latency_models.predicting.least import least, least_size
from ...search_space import Architecture, SearchSpace
from ...supernet import Shape
from ..config import read_job
from ..device import stored_measurements
from ..prepared import Prepared, prepare
from ..reporter import Reporter, Silent
from ..table_devices import is_imported, table_predictor
from .command import JOB_FILE, Order

SAMPLES = 200


def price(order: Order) -> dict[str, Any]:
    """What a job's space holds, without measuring anything. A latency is None where the ledger cannot tell it.

    Raises:
        InputError: one line with the key path, the rule and the value.
    """
    prepared = prepare(read_job(order.argument("job_file"), JOB_FILE, Path.cwd()), JOB_FILE)
    space, shape, workload = prepared.space, prepared.task.shape, prepared.config.workload
    order.tell(0.2, "counting parameters")
    low, high = param_range(space, shape, workload)
    order.tell(0.4, f"predicting {SAMPLES} random architectures")
    return {
        "count": str(space.count()),
        "param_low": low,
        "param_high": high,
        **_latencies(order.ledger, prepared, Silent()),
    }


def param_range(space: SearchSpace, shape: Shape, workload: Workload) -> tuple[int, int]:
    """The least and the most parameters of any architecture of the space, exactly."""
    tracer = Tracer(shape)
    fewest = least_size(space, shape, workload, "param_count", tracer)
    most = -least(space, tracer, workload, lambda _, section: (-float(section.param_count), 0.0))
    return int(fewest), int(most)


def _latencies(ledger: Ledger, prepared: Prepared, reporter: Reporter) -> dict[str, Any]:
    device, workload = prepared.config.device.name, prepared.config.workload
    try:
        predictor = _predictor(ledger, device, prepared.task.shape, reporter)
        architectures = _sampled(prepared.space, prepared.config.seed)
        predicted = predictor.predict_many(architectures, workload)
        low_ms = predictor.least(prepared.space, workload, "latency_ms")
    except InputError as error:
        return {"latency_low_ms": None, "latency_high_ms": None, "latency_note": str(error)}
    measured = min(one.measured_share for one in predicted)
    note = f"predicted for {device}: from the fastest architecture there is to the slowest of {SAMPLES} random ones"
    if measured < 1.0:
        note += f"; down to {measured:.0%} of a latency rests on measured kernels, what is missing is still predicted"
    high_ms = max(low_ms, *(one.latency_ms for one in predicted))
    return {"latency_low_ms": low_ms, "latency_high_ms": high_ms, "latency_note": note}


def _predictor(ledger: Ledger, name: str, shape: Shape, reporter: Reporter) -> Predictor:
    """Predicts by what the ledger holds of a device. Raises InputError, for the reader, where that is not enough."""
    stored = ledger.device(name)
    if stored is None or not _is_ready(stored):
        raise InputError(f"{name} has not been measured yet; that is done when the job begins")
    if is_imported(stored.hardware):
        return table_predictor(ledger, DeviceProfile(name, stored.hardware), shape, reporter)
    measurements = tuple(stored_measurements(ledger, name).values())
    return fit_predictor(DeviceProfile(name, stored.hardware, measurements, stored.composition), shape)


def _is_ready(device: Device) -> bool:
    return is_imported(device.hardware) or bool(device.composition)


def _sampled(space: SearchSpace, seed: int) -> list[Architecture]:
    rng = Random(seed)
    drawn = [space.sample(rng) for _ in range(SAMPLES)]
    return list({architecture.digest: architecture for architecture in [*drawn, space.largest()]}.values())
