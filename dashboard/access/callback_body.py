"""Whether what was posted is a callback's body as Dash's own script sends it: a callback there is, with its values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def problem_with(body: Any, callbacks: Mapping[str, Mapping[str, Any]]) -> str | None:
    """What is wrong with a callback's body, in one line that quotes nothing of it; None where nothing is.

    Args:
        callbacks: Dash's `callback_map`: by output, with the declared `inputs` and `state`.
    """
    if not isinstance(body, dict) or not isinstance(body.get("output"), str):
        return "a callback's body names its output"
    callback = callbacks.get(body["output"])
    if callback is None or "callback" not in callback:
        return "there is no such callback"
    for part in ("inputs", "state"):
        if not _are_values_of(body.get(part, []), callback[part]):
            return f"a callback's {part} are those that it declares"
    if not _are_outputs(body.get("outputs", [])):
        return "a callback's outputs have an id and a property"
    changed = body.get("changedPropIds", [])
    if not isinstance(changed, list) or not all(isinstance(name, str) for name in changed):
        return "changedPropIds is a list of texts"
    return None


def _are_values_of(values: Any, declared: list[dict[str, Any]]) -> bool:
    return (
        isinstance(values, list)
        and len(values) == len(declared)
        and all(_is_value_of(value, place) for value, place in zip(values, declared, strict=True))
    )


def _is_value_of(value: Any, place: dict[str, Any]) -> bool:
    """A declared id that is a pattern begins with a brace. It stands for one place or, with ALL, for a list of them."""
    if str(place["id"]).startswith("{"):
        several = value if isinstance(value, list) else [value]
        return all(_is_place(each) and each["property"] == place["property"] for each in several)
    return _is_place(value) and (value["id"], value["property"]) == (place["id"], place["property"])


def _are_outputs(outputs: Any) -> bool:
    if isinstance(outputs, list):
        return all(_are_outputs(each) for each in outputs)
    return _is_place(outputs)


def _is_place(value: Any) -> bool:
    return (
        isinstance(value, dict) and isinstance(value.get("id"), (str, dict)) and isinstance(value.get("property"), str)
    )
