"""The search that a form describes: as the query of an address, and as a job file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import yaml

from ...errors import InputError
from .fields import FIELDS, IMAGES, Field

HEADER = """\
# A Frontier search job: frontier search FILE launches it.
# What it leaves out keeps its default; see frontier init.
"""
DEFAULT_SPACES = {"language_model": "tiny-lm", IMAGES: "pyramid-vit"}
BUILT_IN_DATA = ("python-stdlib", "digits")
# A rate that suits the small models for text leaves the deeper ones for images at chance.
FOR_IMAGES = {"training.learning_rate": 0.001, "finalists.learning_rate": 0.001}


@dataclass(frozen=True)
class Draft:
    """The values of the form's fields, each as `Field.read` gives it."""

    values: Mapping[str, Any]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Draft:
        """Read what a form holds; a field that is not in it has its default.

        Raises:
            InputError: one line with the key path in the job file, the rule and the value.
        """
        values = {name: field.read(raw[name]) if name in raw else field.default for name, field in FIELDS.items()}
        if "val_loss" not in values["objectives"] or len(values["objectives"]) < 2:
            raise InputError(f"objectives: val_loss and at least one other; got {', '.join(values['objectives'])}")
        data = values["data"]
        if data and data not in BUILT_IN_DATA and not Path(data).is_absolute():
            raise InputError(f"task.data: a path from the root, as the service reads it; got {data!r}")
        return cls(values)

    @classmethod
    def parse(cls, search: str | None) -> Draft:
        """Read `?space=moe-lm&max_latency_ms=3`.

        Raises:
            InputError: an unknown key, or a value that its field may not have.
        """
        pairs = dict(parse_qsl((search or "").lstrip("?"), keep_blank_values=True))
        for key in pairs:
            if key not in FIELDS:
                raise InputError(f"address: the form has the fields {', '.join(FIELDS)}; got {key!r}")
        return cls.of(pairs)

    @property
    def search(self) -> str:
        """The query that `parse` reads back, question mark included; what stands at its default is left out."""
        changed = {name: value for name, value in self.values.items() if value != FIELDS[name].default}
        texts = {name: ",".join(value) if isinstance(value, tuple) else value for name, value in changed.items()}
        return f"?{urlencode(texts)}" if texts else ""

    @property
    def images(self) -> bool:
        return bool(self.values["task"] == IMAGES)

    @cached_property
    def job_file(self) -> str:
        """The job as YAML."""
        job: dict[str, Any] = {}
        for name, field in FIELDS.items():
            if self.values[name] is not None and not (self.images and field.text_only):
                for path in field.paths:
                    _put(job, path, _in_file(field, self.values[name]))
        for path, value in FOR_IMAGES.items() if self.images else ():
            _put(job, path, value)
        return HEADER + yaml.safe_dump(job, sort_keys=False, allow_unicode=True)


def read_draft(search: str | None) -> tuple[Draft, str | None]:
    """The draft of an address and, where the address is wrong, the default one with the line that says why."""
    try:
        return Draft.parse(search), None
    except InputError as error:
        return Draft.of({}), str(error)


def _in_file(field: Field, value: Any) -> Any:
    if field.kind == "choices":
        return list(value)
    return value if field.scale == 1 else round(value * field.scale)


def _put(job: dict[str, Any], path: str, value: Any) -> None:
    *parts, last = path.split(".")
    for part in parts:
        job = job.setdefault(part, {})
    job[last] = value
