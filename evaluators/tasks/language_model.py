"""Language modelling over bytes or tokens: batches, fixed validation windows, and the losses that cost nothing.

B batch, T tokens.
"""

from __future__ import annotations

import hashlib
import math
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor

from ...errors import InputError
from ...supernet import ModelShape
from .corpus import STANDARD_LIBRARY, read_corpus
from .tokens import BYTES, byte_tokens, encode, fingerprint, read_tokenizer


class LanguageModelConfig(BaseModel):
    """The `task` part of a job file for a language model.

    An empty `vocab_size` is filled in from the tokenizer when the task is opened, and kept with the job.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["language_model"] = "language_model"
    data: str = Field(STANDARD_LIBRARY, description="python-stdlib, or a file, folder or glob of text")
    tokenizer: str | None = Field(None, description="a tokenizer.json; empty reads the text as bytes")
    vocab_size: PositiveInt | None = Field(None, description="empty takes the tokenizer's, or 256 for bytes")
    context: PositiveInt = Field(128, description="how many tokens a model sees at once")
    validation_windows: PositiveInt = Field(64, description="how many windows of `context` tokens score a subnet")

    @property
    def shape(self) -> ModelShape:
        """What the task adds to an architecture. The tokenizer is read only when `vocab_size` is left empty."""
        return ModelShape(vocab_size=self.vocab_size or _vocab_size(self.tokenizer), context=self.context)

    @property
    def symbol(self) -> str:
        """What a model reads one by one: "byte" or "token"."""
        return "token" if self.tokenizer else "byte"


class LanguageModelTask:
    """A corpus cut into windows of `context` symbols, bytes or tokens, each predicting the one that follows.

    Raises:
        InputError: the corpus or the tokenizer is missing, the config says otherwise of its vocabulary, or the corpus
            is too small for one window of training or validation text.
    """

    def __init__(self, config: LanguageModelConfig) -> None:
        vocab_size = _vocab_size(config.tokenizer)
        if config.vocab_size not in (None, vocab_size):
            owner = f"the tokenizer's, {vocab_size}" if config.tokenizer else f"{BYTES} for bytes"
            raise InputError(f"task.vocab_size: {owner}; got {config.vocab_size}")
        self.config = config.model_copy(update={"vocab_size": vocab_size})
        self.shape = self.config.shape
        corpus = read_corpus(config.data)
        if config.tokenizer is None:
            self.revision = corpus.revision
            self._train, self._validation = byte_tokens(corpus.train), byte_tokens(corpus.validation)
        else:
            tokenizer = read_tokenizer(config.tokenizer)
            self.revision = hashlib.sha256((corpus.revision + fingerprint(tokenizer)).encode()).hexdigest()[:16]
            self._train, self._validation = encode(tokenizer, corpus.train), encode(tokenizer, corpus.validation)
        for name, text in (("training", self._train), ("validation", self._validation)):
            if len(text) < config.context + 1:
                raise InputError(
                    f"task.data: the {name} part holds at least context + 1 = {config.context + 1} {config.symbol}s; "
                    f"got {len(text)} {config.symbol}s in {config.data!r}"
                )

    def train_batch(self, size: int, seed: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets, each (size, context) int64, drawn at random places; the same seed draws the same."""
        rng = np.random.default_rng(seed)
        starts = rng.integers(0, len(self._train) - self.config.context, size)
        return self._windows(self._train, starts)

    def validation_batch(self) -> tuple[Tensor, Tensor]:
        """Inputs and targets, each (windows, context) int64, evenly spread over the held-out files: always the same."""
        last = len(self._validation) - self.config.context - 1
        windows = min(self.config.validation_windows, last // self.config.context + 1)
        return self._windows(self._validation, np.linspace(0, last, windows).astype(np.int64))

    def baselines(self) -> dict[str, float]:
        """Nats per symbol of the validation windows under a uniform guess and under the training text's frequencies."""
        _, targets_BT = self.validation_batch()
        counts = np.bincount(self._train, minlength=self.shape.vocab_size) + 1
        prior = -np.log(counts / counts.sum())[targets_BT.numpy()].mean()
        return {"uniform_nats": math.log(self.shape.vocab_size), "prior_nats": float(prior)}

    def _windows(self, text: np.ndarray, starts: np.ndarray) -> tuple[Tensor, Tensor]:
        window = torch.from_numpy(text[starts[:, None] + np.arange(self.config.context + 1)].astype(np.int64))
        return window[:, :-1].contiguous(), window[:, 1:].contiguous()


def _vocab_size(tokenizer: str | None) -> int:
    return BYTES if tokenizer is None else int(read_tokenizer(tokenizer).get_vocab_size())
