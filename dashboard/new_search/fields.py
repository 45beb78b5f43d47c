"""The fields of the form for a new search: what each is called, where the job file has it, and what it may be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...db.words import OBJECTIVES, PHASES
from ...errors import InputError
from ...search_space import preset_names
from ..numbers import MEBIBYTE

TEXT, IMAGES = "language_model", "image_classification"
ALGORITHMS = ("predictor", "evolution", "nsga2", "nsga3", "tpe", "slimming", "random")
OBJECTIVE_WORDS = {
    "val_loss": "Validation loss",
    "latency_ms": "Latency of the phase above",
    "prefill_latency_ms": "Latency of prefill",
    "decode_latency_ms": "Latency of decode",
    "train_latency_ms": "Latency of a training step",
    "param_count": "Parameters",
    "peak_memory_bytes": "Peak memory",
}


@dataclass(frozen=True)
class Field:
    """One field. Its value stands at each of `paths` in the job file; an empty one is left out, and keeps its default.

    `options` gives what may be chosen, with its words; a text may be any other too. A whole number is at least `least`,
    and a number stands in the file `scale` times as large. `text_only`: images have no such setting.
    """

    name: str
    label: str
    kind: Literal["text", "whole", "real", "choice", "choices"]
    paths: tuple[str, ...]
    default: Any = None
    options: Mapping[str, str] = field(default_factory=dict)
    least: int = 1
    scale: int = 1
    help: str = ""
    text_only: bool = False

    def read(self, raw: Any) -> Any:
        """The value that a form or an address holds; None where it is empty and may be.

        Raises:
            InputError: the key path in the job file, the rule and the value.
        """
        if raw in (None, "", []):
            if self.default is None:
                return None
            raise self._wrong("a value is needed", "nothing")
        if self.kind in ("whole", "real"):
            return self._number(raw)
        if self.kind == "choices":
            return self._chosen(raw.split(",") if isinstance(raw, str) else raw)
        if not isinstance(raw, str) or (self.kind == "choice" and raw not in self.options):
            raise self._wrong(f"one of {', '.join(self.options)}" if self.options else "a text", repr(raw))
        return raw.strip()

    def _number(self, raw: Any) -> float:
        try:
            value = float(raw)
        except (TypeError, ValueError):
            value = math.nan
        if self.kind == "whole" and not (value.is_integer() and value >= self.least):
            raise self._wrong(f"a whole number of at least {self.least}", repr(raw))
        if not (math.isfinite(value) and (value > 0 or self.kind == "whole")):
            raise self._wrong("a number above 0", repr(raw))
        return int(value) if value.is_integer() else value

    def _chosen(self, raw: Any) -> tuple[str, ...]:
        if not isinstance(raw, list) or not all(isinstance(name, str) and name in self.options for name in raw):
            raise self._wrong(f"some of {', '.join(self.options)}", repr(raw))
        return tuple(name for name in self.options if name in raw)

    def _wrong(self, rule: str, got: str) -> InputError:
        return InputError(f"{self.paths[0]}: {rule}; got {got}")


def _limit(objective: str, label: str, scale: int = 1) -> Field:
    return Field(f"max_{objective}", label, "real", (f"constraints.{objective}.max",), scale=scale)


GROUPS: dict[str, tuple[Field, ...]] = {
    "Task": (
        Field("name", "Name", "text", ("name",), "my-search", help="Small letters, digits and dashes."),
        Field("task", "Models for", "choice", ("task.kind",), TEXT, {TEXT: "Text", IMAGES: "Images"}),
        Field(
            "data", "Data", "text", ("task.data",),
            help="A path on the service's machine. Empty: the standard library's source, or digits.",
        ),
        Field("context", "Context (tokens)", "whole", ("task.context",), 128, text_only=True),
    ),
    "Search space": (
        Field(
            "space", "Space", "text", ("space",), "tiny-lm", dict.fromkeys(preset_names(), ""),
            help="A preset, or the path of a YAML file.",
        ),
    ),
    "Device": (
        Field(
            "device", "Device", "text", ("device.name",), "this-machine",
            help="One of the ledger, or a new name for the machine that serves.",
        ),
        Field("runs_on", "Runs on", "choice", ("device.device",), "cpu", {"cpu": "CPU", "cuda": "NVIDIA GPU"}),
        Field("threads", "CPU threads", "whole", ("device.threads",), 1),
        Field(
            "phase", "Phase", "choice", ("device.phase",), "prefill",
            {phase: phase.capitalize() for phase in PHASES}, text_only=True,
        ),
        Field("batch", "Batch", "whole", ("device.batch",), 1),
        Field("seq_len", "Sequence length (tokens)", "whole", ("device.seq_len",), 127, text_only=True),
    ),
    "Objectives": (
        Field(
            "objectives", "Minimise", "choices", ("objectives",), ("val_loss", "latency_ms"),
            {name: OBJECTIVE_WORDS[name] for name in OBJECTIVES},
        ),
    ),
    "Limits": (
        _limit("latency_ms", "Latency, at most (ms)"),
        _limit("param_count", "Parameters, at most"),
        _limit("peak_memory_bytes", "Peak memory, at most (MiB)", MEBIBYTE),
        _limit("prefill_latency_ms", "Prefill, at most (ms)"),
        _limit("decode_latency_ms", "Decode, at most (ms)"),
        _limit("train_latency_ms", "Training step, at most (ms)"),
        _limit("val_loss", "Validation loss, at most (nats)"),
    ),
    "Search": (
        Field("steps", "Supernet training (steps)", "whole", ("training.steps",), 400),
        Field("algorithm", "Algorithm", "choice", ("search.algorithm",), "predictor", {a: a for a in ALGORITHMS}),
        Field("evaluations", "Evaluations", "whole", ("search.evaluations",), 240),
        Field("seconds", "Time, at most (s)", "real", ("search.seconds",), help="Empty: however long it takes."),
        Field("finalists", "Finalists to fine-tune", "whole", ("finalists.count",), 4, least=0),
        Field(
            "workers", "Workers", "whole",
            ("training.workers", "search.workers", "finalists.workers", "cluster.cpus"), 2,
            help="As many CPUs are used.",
        ),
        Field("seed", "Seed", "whole", ("seed",), 0, least=0),
    ),
}  # fmt: skip

FIELDS: dict[str, Field] = {field.name: field for group in GROUPS.values() for field in group}
