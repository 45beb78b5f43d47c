"""The form for a new search: one control for each field, in its groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from .draft import Draft
from .fields import GROUPS, Field

# Typing is read once it rests for so long.
DEBOUNCE_MS = 400
FEW = 3  # options that are shown side by side


def field_id(name: str) -> str:
    """The id of a field's control."""
    return f"new-search-{name}"


def place_id(name: str) -> str:
    """The id of the place a field's control stands in, which is hidden where the field means nothing."""
    return f"new-search-{name}-place"


def form(draft: Draft, devices: Sequence[str]) -> Component:
    """The form, filled in. `devices` are proposed for the field of that name."""
    return html.Div([_group(title, fields, draft, devices) for title, fields in GROUPS.items()])


def _group(title: str, fields: Sequence[Field], draft: Draft, devices: Sequence[str]) -> Component:
    return html.Fieldset(
        [
            html.Legend(title),
            html.Div(
                [
                    html.Div(
                        _control(field, draft.values[field.name], devices),
                        id=place_id(field.name),
                        hidden=field.text_only and draft.images,
                        className="new-search-wide" if field.kind == "choices" else None,
                    )
                    for field in fields
                ],
                className="new-search-fields",
            ),
        ],
        className="panel new-search-group",
    )


def _control(field: Field, value: Any, devices: Sequence[str]) -> Component:
    common = {"id": field_id(field.name), "label": field.label, "description": field.help or None, "size": "sm"}
    if field.kind in ("whole", "real"):
        least = {"min": field.least, "allowDecimal": False} if field.kind == "whole" else {"min": 0}
        return dmc.NumberInput(
            value="" if value is None else value, allowNegative=False, debounce=DEBOUNCE_MS, **least, **common
        )
    if field.kind == "choices":
        boxes = [dmc.Checkbox(value=name, label=words, size="sm") for name, words in field.options.items()]
        return dmc.CheckboxGroup(html.Div(boxes, className="new-search-boxes"), value=list(value), **common)
    if field.kind == "choice":
        return _choice(field, value, common)
    proposals = list(devices) if field.name == "device" else list(field.options)
    if proposals:
        return dmc.Autocomplete(data=proposals, value=value, debounce=DEBOUNCE_MS, **common)
    return dmc.TextInput(value=value or "", debounce=DEBOUNCE_MS, **common)


def _choice(field: Field, value: str, common: dict[str, Any]) -> Component:
    data = [{"value": name, "label": words} for name, words in field.options.items()]
    if len(data) > FEW:
        return dmc.Select(data=data, value=value, allowDeselect=False, **common)
    switch = dmc.SegmentedControl(
        id=common["id"], data=data, value=value, size="sm", fullWidth=True, **{"aria-label": field.label}
    )
    return html.Div([html.Span(field.label, className="control-label"), switch])
