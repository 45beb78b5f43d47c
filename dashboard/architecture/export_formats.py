"""The export formats there are: one line per format, the same as the command line knows."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

WEIGHTS = {"best": "Best", "finetuned": "Fine-tuned", "inherited": "Inherited"}


@dataclass(frozen=True)
class Format:
    """A format by its name on a button, and what one gets."""

    label: str
    words: str


FORMATS = {
    "pytorch": Format("PyTorch", "A folder of plain PyTorch that needs nothing of ours: code, weights, a model card."),
}


def export_command(job_id: str, digest: str, export_format: str = "pytorch", weights: str = "best") -> str:
    """The command line that exports an architecture."""
    chosen = "" if weights == "best" else f" --weights {shlex.quote(weights)}"
    names = f"{shlex.quote(job_id)} {shlex.quote(digest)} --format {shlex.quote(export_format)}"
    return f"frontier export {names}{chosen} --out {shlex.quote(f'exports/{digest}')}"
