"""The task table: one line per task. A task's config is its part of the job file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from .corpus import STANDARD_LIBRARY
from .image_classification import ImageClassificationConfig, ImageClassificationTask
from .image_data import DIGITS
from .language_model import LanguageModelConfig, LanguageModelTask

Task = LanguageModelTask | ImageClassificationTask

TASKS: dict[str, Callable[[Any], Task]] = {
    "language_model": LanguageModelTask,
    "image_classification": ImageClassificationTask,
}
DEFAULT_TASK = "language_model"
BUILT_IN_DATA = (STANDARD_LIBRARY, DIGITS)


def kind_of(config: Any) -> Any:
    """The kind of a task's config, validated or plain; a job file that names none means the default."""
    return config.get("kind", DEFAULT_TASK) if isinstance(config, dict) else getattr(config, "kind", DEFAULT_TASK)


TaskConfig = Annotated[
    Annotated[LanguageModelConfig, Tag("language_model")]
    | Annotated[ImageClassificationConfig, Tag("image_classification")],
    Discriminator(kind_of),
]


def open_task(config: TaskConfig) -> Task:
    """The task that a config describes, with its data read."""
    return TASKS[config.kind](config)


__all__ = [
    "BUILT_IN_DATA",
    "DIGITS",
    "STANDARD_LIBRARY",
    "TASKS",
    "ImageClassificationConfig",
    "ImageClassificationTask",
    "LanguageModelConfig",
    "LanguageModelTask",
    "Task",
    "TaskConfig",
    "kind_of",
    "open_task",
]
