"""Text as numbers: its bytes, or what a tokenizer makes of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from ...errors import InputError

BYTES = 256
PIECE_CHARACTERS = 2**16


def read_tokenizer(path: str) -> Tokenizer:
    """Read a `tokenizer.json`.

    Raises:
        InputError: the file is missing or no tokenizer.
    """
    try:
        return Tokenizer.from_file(str(Path(path).expanduser()))
    except Exception as error:  # the library raises nothing narrower
        raise InputError(f"task.tokenizer: a tokenizer.json that can be read; got {path!r}: {error}") from None


def byte_tokens(text: bytes) -> np.ndarray:
    """A text's bytes, uint8."""
    return np.frombuffer(text, dtype=np.uint8)


def encode(tokenizer: Tokenizer, text: bytes) -> np.ndarray:
    """A text's tokens, without special ones at its ends. Bytes that are no UTF-8 count as U+FFFD.

    The text is encoded in pieces of whole lines, because a tokenizer takes a hundred bytes per token while it works.
    """
    size = tokenizer.get_vocab_size()
    dtype = np.uint8 if size <= 2**8 else np.uint16 if size <= 2**16 else np.int32
    pieces = (tokenizer.encode(piece, add_special_tokens=False).ids for piece in _pieces(text.decode(errors="replace")))
    return np.concatenate([np.empty(0, dtype), *(np.array(ids, dtype=dtype) for ids in pieces)])


def fingerprint(tokenizer: Tokenizer) -> str:
    """Content hash of a tokenizer."""
    return hashlib.sha256(tokenizer.to_str().encode()).hexdigest()


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start + PIECE_CHARACTERS) + 1 or len(text)
        yield text[start:end]
        start = end
