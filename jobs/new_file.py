"""Writing a file that a user named, and never over another one."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError


def write_new(path: Path, content: bytes) -> None:
    """Write the file that `--out` names.

    Raises:
        InputError: it exists, or can't be written.
    """
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise InputError(f"--out: a file that does not exist yet; got {path}") from None
    except OSError as error:
        raise InputError(f"--out: a file that can be written; got {path}: {error.strerror}") from None
