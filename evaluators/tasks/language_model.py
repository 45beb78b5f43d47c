"""Language modelling over bytes: batches, the fixed validation windows, and the losses that cost nothing to reach.

B batch, T tokens.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor

from ...errors import InputError
from ...supernet import ModelShape
from .corpus import STANDARD_LIBRARY, read_corpus

BYTES = 256


class LanguageModelConfig(BaseModel):
    """The `task` part of a job file for a language model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["language_model"] = "language_model"
    data: str = Field(STANDARD_LIBRARY, description="python-stdlib, or a file, folder or glob of text")
    context: PositiveInt = Field(128, description="how many tokens a model sees at once")
    validation_windows: PositiveInt = Field(64, description="how many windows of `context` tokens score a subnet")

    @property
    def shape(self) -> ModelShape:
        """What the task adds to an architecture; known without reading the data."""
        return ModelShape(vocab_size=BYTES, context=self.context)


class LanguageModelTask:
    """A corpus cut into windows of `context` bytes, each predicting the byte that follows.

    Raises:
        InputError: the corpus is missing, or too small for one window of training or validation text.
    """

    def __init__(self, config: LanguageModelConfig) -> None:
        self.config = config
        corpus = read_corpus(config.data)
        self.revision = corpus.revision
        self.shape = config.shape
        self._train = np.frombuffer(corpus.train, dtype=np.uint8)
        self._validation = np.frombuffer(corpus.validation, dtype=np.uint8)
        for name, text in (("training", self._train), ("validation", self._validation)):
            if len(text) < config.context + 1:
                raise InputError(
                    f"task.data: the {name} part holds at least context + 1 = {config.context + 1} bytes; "
                    f"got {len(text)} bytes in {config.data!r}"
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
        """Nats per byte of the validation windows under a uniform and a unigram model of the training text."""
        _, targets_BT = self.validation_batch()
        counts = np.bincount(self._train, minlength=BYTES) + 1
        unigram = -np.log(counts / counts.sum())[targets_BT.numpy()].mean()
        return {"uniform_nats": math.log(BYTES), "unigram_nats": float(unigram)}

    def _windows(self, text: np.ndarray, starts: np.ndarray) -> tuple[Tensor, Tensor]:
        window = torch.from_numpy(text[starts[:, None] + np.arange(self.config.context + 1)].astype(np.int64))
        return window[:, :-1].contiguous(), window[:, 1:].contiguous()
