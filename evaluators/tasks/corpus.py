"""Text as bytes: which files a corpus has, and which of them are held out for validation."""

from __future__ import annotations

import glob
import hashlib
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError

STANDARD_LIBRARY = "python-stdlib"
VALIDATION_SHARE = 10
LEFT_OUT = {"site-packages", "test", "tests", "idle_test", "__pycache__"}


@dataclass(frozen=True)
class Corpus:
    """The bytes to learn from and the bytes held out, and the hash that names them."""

    train: bytes
    validation: bytes
    files: int
    revision: str


def read_corpus(data: str) -> Corpus:
    """Read `python-stdlib`, a file, a folder (its readable files, sorted) or a glob.

    A file is held out when the hash of its path inside the corpus says so, so that adding files moves none of the
    others; a corpus of one file gives its last tenth.

    Raises:
        InputError: nothing matches, or nothing can be read.
    """
    root, paths = _files(data)
    texts = {str(path.relative_to(root)): _read(path) for path in paths}
    texts = {name: text for name, text in texts.items() if text}
    if not texts:
        raise InputError(f"task.data: a file, folder or glob that holds text, or {STANDARD_LIBRARY}; got {data!r}")
    train, validation = _split(texts)
    digest = hashlib.sha256(b"\0".join((train, validation))).hexdigest()[:16]
    return Corpus(train, validation, files=len(texts), revision=digest)


def _files(data: str) -> tuple[Path, Sequence[Path]]:
    if data == STANDARD_LIBRARY:
        root = Path(sysconfig.get_paths()["stdlib"])
        return root, [path for path in sorted(root.rglob("*.py")) if not LEFT_OUT & set(path.relative_to(root).parts)]
    path = Path(data).expanduser()
    if path.is_file():
        return path.parent, [path]
    if path.is_dir():
        return path, [entry for entry in sorted(path.rglob("*")) if entry.is_file() and not _hidden(entry, path)]
    matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
    return Path(path.anchor or "."), [match for match in matches if match.is_file()]


def _hidden(entry: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in entry.relative_to(root).parts)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"task.data: every file can be read; got {path}: {error.strerror}") from None


def _split(texts: dict[str, bytes]) -> tuple[bytes, bytes]:
    if len(texts) == 1:
        (text,) = texts.values()
        cut = len(text) - len(text) // VALIDATION_SHARE
        return text[:cut], text[cut:]
    order = sorted(texts, key=lambda name: hashlib.sha256(name.encode()).digest())
    held_out = {name for name in order if hashlib.sha256(name.encode()).digest()[0] * VALIDATION_SHARE < 256}
    held_out = held_out or {order[0]}
    if len(held_out) == len(texts):
        held_out.discard(order[-1])
    join = b"\n".join
    return (
        join([texts[name] for name in sorted(texts) if name not in held_out]),
        join([texts[name] for name in sorted(held_out)]),
    )
