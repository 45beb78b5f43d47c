"""Tensors to a safetensors file and back. A file is written beside its place and renamed: no half file looks whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import InputError

FILE_MODE = 0o644


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors to `path`, replacing what was there in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, beside, dict(metadata or {}))
    beside.chmod(FILE_MODE)
    os.replace(beside, path)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read tensors. Raises InputError when the file is missing or damaged."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: a safetensors file that can be read; {' '.join(str(error).split())}") from None
