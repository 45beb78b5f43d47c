"""Devices of which little is known, started from one whose tables are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..db import Device, Ledger
from ..errors import InputError
from ..latency_models.table_models import Transfer, propose
from ..latency_models.table_models.holdout import selected
from ..latency_models.table_models.kernels import CallTimes
from ..latency_models.table_models.model import usual_runtime
from ..latency_models.table_models.rates import Rates, read_rates
from ..latency_models.tables import KINDS
from ..latency_models.tables.reader import TableImport
from .kept_models import KeptModels
from .kernel_tables import BACKEND, ImportReport, check_name, counts, describe_table_device, kernel_tables
from .reporter import Reporter

# A kind with so many measurements is known by itself.
OWN_TABLE_FROM = 1000


class LikeModels(Mapping[str, CallTimes]):
    """By kind, a device's own model where there are many measurements, else one carried over from the known device."""

    def __init__(self, ledger: Ledger, device: Device, reporter: Reporter) -> None:
        self._own = KeptModels(ledger, device.name, reporter)
        self._known = KeptModels(ledger, device.hardware["like"], reporter)
        self._ledger, self._device = ledger, device
        self._models: dict[str, CallTimes] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._known, *self._own)))

    def __len__(self) -> int:
        return len(set(self._known) | set(self._own))

    def __getitem__(self, kind: str) -> CallTimes:
        if kind not in self._models:
            self._models[kind] = self._open(kind)
        return self._models[kind]

    @property
    def unfitted(self) -> list[str]:
        """Kinds that are known by the device's own table, to which nothing was fitted yet."""
        tables = self._ledger.kernel_tables(self._device.name).set_index("kind")["row_count"]
        return [kind for kind in self._own.unfitted if self._stands_alone(kind, tables[kind])]

    def _stands_alone(self, kind: str, measured: int) -> bool:
        # A mapping opens what it is asked whether it has.
        return measured >= OWN_TABLE_FROM or kind not in list(self._known)

    def _open(self, kind: str) -> CallTimes:
        frame = self._ledger.kernel_table(self._device.name, kind)
        if frame is not None and self._stands_alone(kind, len(frame)):
            return self._own[kind]
        measured = pd.DataFrame(columns=list(KINDS[kind].columns)) if frame is None else frame
        rates = _pair(self._device.name, self._device.hardware)
        return Transfer.fit(KINDS[kind], self._known[kind], measured, rates)


def import_like(
    ledger: Ledger, name: str, like: str, read: TableImport | None, rates: Path | None, reporter: Reporter
) -> ImportReport:
    """Keep a new device that starts from the known device `like`: what was `read` of it, if anything, and `rates`.

    Raises:
        InputError: the name is empty or taken, `like` is not a device with tables of its own, neither tables nor rates
            are given, or a measured call has a label that the known device lacks; nothing is kept then.
    """
    check_name(ledger, name)
    known = ledger.device(like)
    if known is None or known.hardware.get("backend") != BACKEND or "like" in known.hardware:
        raise InputError(f"--like: a device of {ledger.url} with kernel tables of its own; got {like!r}")
    if read is None and rates is None:
        raise InputError("--rates: needed where no table is given, as nothing tells the device from --like; got none")
    hardware: dict[str, Any] = (
        {"device": name, "backend": BACKEND, "runtimes": [], "duplicates": "", "doubts": {}}
        if read is None
        else describe_table_device(read)
    )
    hardware["like"] = like
    if rates is not None:
        hardware["rates"] = {device: found.to_json() for device, found in read_rates(rates, (name, like)).items()}
    frames = {} if read is None else read.frames
    carried = _carried(KeptModels(ledger, like, reporter), frames, name, hardware)
    ledger.import_device(name, hardware, [] if read is None else kernel_tables(read))
    return ImportReport(name, hardware, {} if read is None else counts(read), carried)


def _carried(
    known: KeptModels, frames: Mapping[str, pd.DataFrame], name: str, hardware: Mapping[str, Any]
) -> dict[str, str]:
    """By kind of which there are a few measurements, how they compare with the known device."""
    told, rates = {}, _pair(name, hardware)
    for kind, frame in frames.items():
        if len(frame) < OWN_TABLE_FROM and kind in known:
            slower = Transfer.fit(KINDS[kind], known[kind], frame, rates).slower
            expected = f"as the data sheets make of {hardware['like']}" if rates else f"as on {hardware['like']}"
            told[kind] = f"{slower:.3g} times as long {expected}"
    return told


def told_of(ledger: Ledger, device: Device) -> str:
    """What a device that is like another one is known by."""
    frame = ledger.kernel_tables(device.name)
    rows = zip(frame["kind"], frame["row_count"], strict=True)
    measured = ", ".join(f"{count} calls of {kind}" for kind, count in rows)
    start = "at the rates of both data sheets" if "rates" in device.hardware else "taken as they are"
    return f"those of {device.hardware['like']}, {start}; measured here: {measured or 'nothing'}"


def propose_calls(ledger: Ledger, device: str, kind: str, count: int, where: str | None, seed: int) -> pd.DataFrame:
    """Calls of a kind to measure next, as a table of one's own whose latencies are to be filled in.

    They are of the shapes in the tables of the device, or of the known device that it is like; those that make the
    rest best known, given what was measured already.

    Raises:
        InputError: there is no such device or table, the condition `where` is none, or there are fewer such calls.
    """
    stored = ledger.device(device)
    if stored is None or stored.hardware.get("backend") != BACKEND:
        raise InputError(f"DEVICE: one of {ledger.url} with kernel tables; got {device!r}")
    known = stored.hardware.get("like")
    frame = ledger.kernel_table(known or device, kind) if kind in KINDS else None
    if frame is None:
        kinds = ", ".join(ledger.kernel_tables(known or device)["kind"])
        raise InputError(f"--kind: one of {kinds}, of which {known or device} has a table; got {kind!r}")
    described = KINDS[kind]
    calls = frame[list(described.call)].drop_duplicates(ignore_index=True)
    if where is not None:
        calls = calls[selected(described, calls, where, "--where")].reset_index(drop=True)
    measured = ledger.kernel_table(device, kind) if known else None
    chosen = propose(described, calls, measured, count, seed)
    runtime = "" if measured is None else usual_runtime(measured)
    hardware = stored.hardware["device"] if known else ""
    return pd.DataFrame({"kind": kind, "device": hardware, "runtime": runtime, **chosen, "latency_us": ""})


def _pair(name: str, hardware: Mapping[str, Any]) -> tuple[Rates, Rates] | None:
    """The rates of a device and of the one that it is like."""
    plain = hardware.get("rates")
    if plain is None:
        return None
    new, old = (Rates.from_json(plain[device], device) for device in (name, hardware["like"]))
    return new, old
