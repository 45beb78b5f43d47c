"""`frontier init`: a job file with every setting and what it means, written from the settings themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel

from .config import JobConfig

HEADER = """\
# A Frontier search job. Launch it with: frontier search FILE
# Every setting is listed with its default; what you delete keeps its default.
"""


def job_template(overrides: dict[str, Any] | None = None) -> str:
    """A job file as text. `overrides` replaces defaults by the same nesting as the file."""
    config = JobConfig.model_validate({"name": "my-search", **(overrides or {})})
    return HEADER + "\n".join(_lines(config, "")) + "\n"


def _lines(part: BaseModel, indent: str) -> Iterator[str]:
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        if field.description:
            yield f"{indent}# {field.description}"
        if isinstance(value, BaseModel):
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{name}: {_inline(value)}"


def _inline(value: Any) -> str:
    plain = json.loads(json.dumps(value, default=lambda item: item.model_dump()))
    return yaml.safe_dump(plain, default_flow_style=True, width=1000).replace("\n...", "").strip()
