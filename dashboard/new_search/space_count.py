"""How many architectures a space spans, for a space that a reader names."""

from __future__ import annotations

from functools import lru_cache

from ...errors import InputError
from ...search_space import SearchSpace, preset_names


def architectures_in(name: str, images: bool, may_read_files: bool) -> int:
    """The number of architectures of a preset or, for who may change things, of a YAML file on this machine.

    Raises:
        InputError: no such space, it breaks a rule, it is for the other kind of task, or a file is not for this reader.
    """
    if name not in preset_names() and not may_read_files:
        # What is wrong with a file would tell what is in it.
        raise InputError(f"space: a preset ({', '.join(preset_names())}), or log in to read a file; got {name!r}")
    pyramid, count = _preset(name) if name in preset_names() else _facts(name)
    if pyramid != images:
        raise InputError(f"space: one {'with' if images else 'without'} stages for this task; got {name!r}")
    return count


@lru_cache
def _preset(name: str) -> tuple[bool, int]:
    return _facts(name)


def _facts(name: str) -> tuple[bool, int]:
    space = SearchSpace.load(name)
    return space.layout.pyramid, space.count()
