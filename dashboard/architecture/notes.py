"""What users say of an architecture: notes and tags, to read for everybody, to change for who may.

A note is data: it is shown as the text it is, never as markup.
"""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, html, no_update
from dash.development.base_component import Component

from ...db import Ledger
from ...errors import InputError
from ..access.access import Access
from ..numbers import moment
from ..reader import Unreadable
from ..site import Site
from ..trouble import trouble
from .reading import Remarks, read_remarks

DELETE = "architecture-note-delete"
REMOVE = "architecture-tag-remove"


def panel(remarks: Remarks, access: Access) -> Component:
    """Notes and tags; the forms are always there, hidden from who may not use them."""
    granted = access.granted()
    return html.Section(
        [
            html.H2("Notes and tags"),
            html.Div(listed(remarks, granted), id="architecture-remarks", **{"aria-live": "polite"}),
            html.Div(_forms(), hidden=not granted, className="remark-forms"),
            html.Div(id="architecture-remark-problem", role="status"),
        ],
        className="panel",
    )


def _forms() -> list[Component]:
    return [
        html.Div(
            [
                dmc.TextInput(id="architecture-tag-text", label="New tag", size="sm", value=""),
                dmc.Button("Add tag", id="architecture-tag-add", size="sm", variant="default"),
            ],
            className="controls",
        ),
        dmc.Textarea(id="architecture-note-text", label="New note", size="sm", autosize=True, minRows=2, value=""),
        dmc.Button("Add note", id="architecture-note-add", size="sm", variant="default"),
    ]


def listed(remarks: Remarks, granted: bool) -> list[Component]:
    """The tags, then the notes in the order they came, each with a button to take it away for who may."""
    tags = [_tag(row["tag"], granted) for row in remarks.tags.to_dict("records")]
    notes = [_note(row, granted) for row in remarks.notes.to_dict("records")]
    if not tags and not notes:
        return [html.P("No notes and no tags.", className="quiet")]
    return [
        *([html.Ul(tags, className="remark-tags", **{"aria-label": "Tags"})] if tags else []),
        *([html.Ul(notes, className="remark-notes", **{"aria-label": "Notes"})] if notes else []),
    ]


def _tag(tag: str, granted: bool) -> Component:
    remove = html.Button("×", id={"type": REMOVE, "tag": tag}, **{"aria-label": f"Remove the tag {tag}"})
    return html.Li([html.Span(tag), *([remove] if granted else [])], className="remark-tag")


def _note(row: dict[Any, Any], granted: bool) -> Component:
    number = int(row["id"])
    by = f" by {row['author']}" if row["author"] else ""
    delete = html.Button("Delete", id={"type": DELETE, "note": number}, **{"aria-label": f"Delete note {number}"})
    return html.Li(
        [
            html.Div(row["text"], className="remark-text"),
            html.Div(
                [html.Span(f"{moment(row['created_at'])} UTC{by}"), *([delete] if granted else [])], className="quiet"
            ),
        ]
    )


def change(ledger: Ledger, digest: str, asked: Any, note: str, tag: str) -> None:
    """Do what a button asks for: its id is a text, or says which note or tag it belongs to.

    Raises:
        InputError: no text, or too much of it.
    """
    if asked == "architecture-note-add":
        ledger.add_note(digest, note)
    elif asked == "architecture-tag-add":
        ledger.add_tag(digest, tag)
    elif asked["type"] == REMOVE:
        ledger.remove_tag(digest, str(asked["tag"]))
    elif int(asked["note"]) in ledger.notes(digest)["id"].tolist():
        ledger.delete_note(int(asked["note"]))


def register(app: Dash, site: Site) -> None:
    """Add and take away."""

    @app.callback(
        Output("architecture-remarks", "children"),
        Output("architecture-note-text", "value"),
        Output("architecture-tag-text", "value"),
        Output("architecture-remark-problem", "children"),
        Input("architecture-note-add", "n_clicks"),
        Input("architecture-tag-add", "n_clicks"),
        Input({"type": DELETE, "note": ALL}, "n_clicks"),
        Input({"type": REMOVE, "tag": ALL}, "n_clicks"),
        State("architecture-note-text", "value"),
        State("architecture-tag-text", "value"),
        State("architecture-digest", "data"),
        prevent_initial_call=True,
    )
    def remark(*given: Any) -> tuple[Any, ...]:
        note, tag, digest = given[-3:]
        asked = ctx.triggered_id
        # Buttons that were only just drawn call too, with no click.
        if asked is None or not any(event["value"] for event in ctx.triggered):
            return (no_update,) * 4
        try:
            with site.changing() as ledger:
                change(ledger, digest, asked, note or "", tag or "")
            remarks = read_remarks(site.reader, digest)
        except (InputError, Unreadable) as error:
            return no_update, no_update, no_update, trouble("Nothing was changed", str(error))
        kept_note = "" if asked == "architecture-note-add" else no_update
        kept_tag = "" if asked == "architecture-tag-add" else no_update
        return listed(remarks, granted=True), kept_note, kept_tag, None
