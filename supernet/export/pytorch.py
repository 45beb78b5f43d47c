"""The `pytorch` export: a folder that holds a model anybody can read, load and run without us."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import InputError
from ...search_space import Architecture
from ..checkpoint import save_tensors
from ..shapes import ImageShape, Shape
from .fresh_process import largest_relative_difference, probe_inputs, run_in_fresh_process
from .source import standalone_source

TOLERANCE = 1e-5


@dataclass(frozen=True)
class Exported:
    """An export that was reloaded in a fresh process, and how far its outputs are from the model it came from."""

    folder: Path
    max_relative_difference: float


def export_pytorch(
    model: nn.Module,
    architecture: Architecture,
    shape: Shape,
    folder: Path,
    title: str,
    card: Callable[[float], str],
    tokenizer: Path | None = None,
    classes: Sequence[str] = (),
) -> Exported:
    """Write `model.py`, `config.json`, `architecture.json`, `model.safetensors` and the model card into `folder`.

    The files are written beside it, loaded and compared in a fresh process, and only then renamed into place.

    Args:
        card: the text of the model card, given the largest relative difference.
        tokenizer: the `tokenizer.json` that made the text's tokens, copied beside the model; None where they are bytes.
        classes: names of an image classifier's classes.

    Raises:
        InputError: the folder exists or cannot be made, or the exported model does not say the same.
    """
    if folder.exists():
        raise InputError(f"--out: a folder that does not exist yet; got {folder}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise InputError(f"--out: a folder that can be made; got {folder}: {error.strerror}") from None
    try:
        write_files(model, architecture, shape, beside, title, tokenizer, classes)
        difference = _compare(model, shape, beside)
        (beside / "README.md").write_text(card(difference))
        beside.chmod(0o755)
        os.rename(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Exported(folder, difference)


def write_files(
    model: nn.Module,
    architecture: Architecture,
    shape: Shape,
    folder: Path,
    title: str,
    tokenizer: Path | None = None,
    classes: Sequence[str] = (),
) -> None:
    """The model's files, without a card and unchecked (see `export_pytorch`)."""
    config = {"architecture": architecture.to_json(), "digest": architecture.digest, **shape_config(shape)}
    if isinstance(shape, ImageShape):
        config["classes"] = list(classes) or [str(index) for index in range(shape.num_classes)]
    if tokenizer is not None:
        shutil.copyfile(tokenizer, folder / "tokenizer.json")
    (folder / "model.py").write_text(standalone_source(architecture, title, tokens=tokenizer is not None))
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "architecture.json").write_text(json.dumps(architecture.to_json(), indent=2) + "\n")
    save_tensors(model.state_dict(), folder / "model.safetensors", {"format": "pt"})


def shape_config(shape: Shape) -> dict[str, Any]:
    """What a standalone model reads of a shape."""
    derived = {"grid": shape.grid, "stem_kernel": shape.stem_kernel} if isinstance(shape, ImageShape) else {}
    return {**asdict(shape), **derived}


def _compare(model: nn.Module, shape: Shape, folder: Path) -> float:
    inputs = probe_inputs(shape)
    with torch.inference_mode():
        expected = {name: model(asked) for name, asked in inputs.items()}
    difference = largest_relative_difference(expected, run_in_fresh_process(folder, inputs))
    if difference > TOLERANCE:
        raise InputError(f"export: outputs within {TOLERANCE} of the model's, relative; got {difference:.3g}")
    return difference
