"""What was fitted to a device's kernel tables, kept in the ledger and opened kind by kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..db import Ledger
from ..errors import InputError
from ..latency_models.table_models import TableModel, from_bytes, limits_of, to_bytes
from ..latency_models.tables import KINDS
from .reporter import Reporter

SEED = 0


class KeptModels(Mapping[str, TableModel]):
    """The models of a device's own tables by kind, each read when it is first asked for.

    What is not in the ledger, or was fitted by another version, is fitted then and kept there. A table that is too
    small to hold any shape out has no model; the reporter is told.

    Raises:
        InputError: there is no such device.
    """

    def __init__(self, ledger: Ledger, device: str, reporter: Reporter) -> None:
        stored = ledger.device(device)
        if stored is None:
            raise InputError(f"device: one in {ledger.url}; got {device!r}")
        self._ledger, self._device, self._reporter = ledger, device, reporter
        self._limits = limits_of(str(stored.hardware["device"]))
        self._kept = ledger.kernel_models(device)
        self._models: dict[str, TableModel | None] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, kind: str) -> TableModel:
        if kind not in self._models:
            self._models[kind] = self._read(kind) or self._fit(kind)
        model = self._models[kind]
        if model is None:
            raise KeyError(kind)
        return model

    @property
    def unfitted(self) -> list[str]:
        """Kinds that nothing was fitted to yet."""
        return [kind for kind, content in self._kept.items() if content is None]

    def _read(self, kind: str) -> TableModel | None:
        content = self._kept[kind]
        if content is None:
            return None
        try:
            return from_bytes(content)
        except InputError as error:
            self._reporter.note(f"{kind} is fitted again: {error}")
            return None

    def _fit(self, kind: str) -> TableModel | None:
        frame = self._ledger.kernel_table(self._device, kind)
        assert frame is not None, "a kind that is listed has a table"
        try:
            model = TableModel.fit(KINDS[kind], frame, self._limits, SEED)
        except InputError as error:
            self._reporter.note(f"warning: nothing can be predicted from this table: {error}")
            return None
        self._ledger.save_kernel_model(self._device, kind, to_bytes(model))
        return model
