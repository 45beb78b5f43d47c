"""A user's own algorithm, read from a Python file."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ...errors import InputError
from .algorithm import Algorithm


def class_in(name: str) -> type[Algorithm]:
    """The class that `path/to/file.py:ClassName` names: a subclass of `Algorithm` made of a problem, settings and seed.

    Raises:
        InputError: no such file or class, the file does not run, or the class is no algorithm.
    """
    path, _, class_name = name.rpartition(":")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise InputError(f"algorithm: {path}: a Python file that can be read; got none")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"algorithm: {path}: a file that runs; got {type(error).__name__}: {error}") from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type) or not issubclass(found, Algorithm):
        raise InputError(f"algorithm: {path}: a subclass of Algorithm named {class_name}; got {found!r}")
    return found
