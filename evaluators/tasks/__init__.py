"""The task table: one line per task. A task's config is its part of the job file."""

from __future__ import annotations

from .corpus import STANDARD_LIBRARY
from .language_model import LanguageModelConfig, LanguageModelTask

TASKS = {
    "language_model": LanguageModelTask,
}
TaskConfig = LanguageModelConfig


def open_task(config: TaskConfig) -> LanguageModelTask:
    """The task that a config describes, with its data read."""
    return TASKS[config.kind](config)


__all__ = ["STANDARD_LIBRARY", "TASKS", "LanguageModelConfig", "LanguageModelTask", "TaskConfig", "open_task"]
