"""The one error a user can cause. It stands on nothing, so every room may raise it."""

from __future__ import annotations


class InputError(ValueError):
    """The input is wrong. The message is one line: where (file, key path), the rule, the value received."""
