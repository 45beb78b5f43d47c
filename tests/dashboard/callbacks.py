"""Calls the app's callbacks over HTTP as its page does: by what changed, with the values that it would send."""

from __future__ import annotations

from typing import Any

from dash import Dash

PATH = "/_dash-update-component"


def callback_body(app: Dash, output: str, values: dict[str, Any], changed: str) -> dict[str, Any]:
    """The body that runs the callback whose outputs begin with `output`, such as "shell-page.children".

    `values` are by "id.property" and None where not given; `changed` is what set the callback off.
    """
    key = next(
        key for key, entry in app.callback_map.items() if key.strip(".").startswith(output) and "callback" in entry
    )
    entry = app.callback_map[key]

    def given(places: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**place, "value": values.get(f"{place['id']}.{place['property']}")} for place in places]

    names = [name.rpartition(".") for name in key.strip(".").split("...")]
    outputs = [{"id": name, "property": prop} for name, _, prop in names]
    return {
        "output": key,
        "outputs": outputs if key.startswith("..") else outputs[0],
        "inputs": given(entry["inputs"]),
        "state": given(entry["state"]),
        "changedPropIds": [changed],
    }
