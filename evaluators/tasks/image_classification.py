"""Image classification: batches, the fixed validation images, and the losses that cost nothing to reach.

B batch, C channels (of images) or classes (of logits), H height, W width.
"""

from __future__ import annotations

import math
from typing import Literal, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor

from ...errors import InputError
from ...supernet.shapes import ImageShape
from .image_data import DIGITS, as_floats, read_images


class ImageClassificationConfig(BaseModel):
    """The `task` part of a job file for an image classifier.

    `side`, `channels` and `classes` come from the data where the job file leaves them empty; a job keeps them with its
    config, so that its models can be exported when the data is no longer there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["image_classification"] = "image_classification"
    data: str = Field(
        DIGITS, description="digits, an .npz file with images and labels, or a folder with a sub-folder per class"
    )
    side: PositiveInt | None = Field(None, description="pixels a side, resizing if need be; empty takes the data's")
    channels: PositiveInt | None = Field(None, description="1 is grey; empty takes the data's")
    classes: tuple[str, ...] | None = Field(None, description="names in the order of labels; empty takes the data's")
    patch: PositiveInt = Field(1, description="stride of the stem: pixels a side that become one place")
    shift: NonNegativeInt = Field(1, description="training images are moved by up to this many pixels each way")
    validation_images: PositiveInt = Field(512, description="how many held-out images score a subnet, at most")

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.side is not None and self.patch > self.side:
            raise ValueError(f"patch: at most the side, {self.side}; got {self.patch}")
        return self

    @property
    def shape(self) -> ImageShape:
        """What the task adds to an architecture. The data is read only when a size is left empty."""
        config = self
        if self.side is None or self.channels is None or self.classes is None:
            config = ImageClassificationTask(self).config
        assert config.side is not None
        assert config.channels is not None
        assert config.classes is not None
        return ImageShape(config.channels, config.side, len(config.classes), config.patch)


class ImageClassificationTask:
    """Labelled images, drawn at random to learn from; the same held-out ones score every model.

    Raises:
        InputError: the images are missing, cannot be read or break a rule, or the config says otherwise of them.
    """

    def __init__(self, config: ImageClassificationConfig) -> None:
        images = read_images(config.data, config.side, config.channels)
        if config.classes is not None and config.classes != images.classes:
            raise InputError(f"task.classes: those of the data, {_some(images.classes)}; got {_some(config.classes)}")
        _, channels, side, _ = images.train_NCHW.shape
        if config.patch > side:
            raise InputError(f"task.patch: at most the side, {side} pixels; got {config.patch}")
        found = {"side": side, "channels": channels, "classes": images.classes}
        self.config = config.model_copy(update=found)
        self.revision = images.revision
        self.shape = self.config.shape
        self._images = images

    def train_batch(self, size: int, seed: int) -> tuple[Tensor, Tensor]:
        """Images (size, C, H, W) float32 from 0 to 1 and labels (size,) int64; the same seed draws the same.

        Each image is moved by up to `shift` pixels along both axes; its edge fills what comes free.
        """
        rng = np.random.default_rng(seed)
        chosen = rng.integers(0, len(self._images.train_labels_N), size)
        moves = rng.integers(-self.config.shift, self.config.shift + 1, (2, size))
        images = _moved(as_floats(self._images.train_NCHW[chosen]), *moves)
        return torch.from_numpy(images), torch.from_numpy(self._images.train_labels_N[chosen])

    def validation_batch(self) -> tuple[Tensor, Tensor]:
        """Held-out images (N, C, H, W) and labels (N,), the classes in turns: always the same."""
        images_NCHW = self._images.validation_NCHW[: self.config.validation_images]
        labels_N = self._images.validation_labels_N[: self.config.validation_images]
        return torch.from_numpy(as_floats(images_NCHW)), torch.from_numpy(labels_N.copy())

    def baselines(self) -> dict[str, float]:
        """Nats per image of the validation labels under a uniform guess and under the training labels' frequencies."""
        _, labels_B = self.validation_batch()
        counts = np.bincount(self._images.train_labels_N, minlength=self.shape.num_classes) + 1
        prior = -np.log(counts / counts.sum())[labels_B.numpy()].mean()
        return {"uniform_nats": math.log(self.shape.num_classes), "prior_nats": float(prior)}

    def accuracy(self, logits_BC: Tensor) -> float:
        """The share of the validation images whose greatest logit is their label's."""
        _, labels_B = self.validation_batch()
        return (logits_BC.argmax(dim=-1) == labels_B).float().mean().item()


def _moved(images_BCHW: np.ndarray, down_B: np.ndarray, right_B: np.ndarray) -> np.ndarray:
    batch, channels, height, width = images_BCHW.shape
    rows_BH = np.clip(np.arange(height) - down_B[:, None], 0, height - 1)
    columns_BW = np.clip(np.arange(width) - right_B[:, None], 0, width - 1)
    b, c = np.arange(batch)[:, None, None, None], np.arange(channels)[None, :, None, None]
    return images_BCHW[b, c, rows_BH[:, None, :, None], columns_BW[:, None, None, :]]


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
