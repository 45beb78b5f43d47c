"""A new search: a form and the job file it writes, what that would cost, and launching it."""

from __future__ import annotations

import re
import shlex
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from ...errors import InputError
from .. import messages
from ..numbers import space_size
from ..page import Page
from ..reader import NotThere, Unreadable
from ..site import Site
from ..trouble import trouble
from .asked_words import OVER, asked
from .draft import DEFAULT_SPACES, Draft, read_draft
from .fields import FIELDS
from .form import field_id, form, place_id
from .reading import NewSearchReading, read_asked, read_new_search
from .space_count import architectures_in

ROUTE = re.compile(r"/new/?")
POLL_MS = 1000
KINDS = ("price", "launch")
NOT_YET = "Not a search yet"
TEXT_ONLY = tuple(name for name, field in FIELDS.items() if field.text_only)


def open_page(site: Site, names: dict[str, str], search: str | None) -> Page:
    """The form, filled in as the address says."""
    draft, wrong = read_draft(search)
    return Page("New search", layout(read_new_search(site.reader), draft, site.access.granted(), wrong))


def layout(reading: NewSearchReading, draft: Draft, granted: bool, wrong: str | None = None) -> Component:
    """The page. `granted`: the reader may launch. `wrong` is what was wrong with the address."""
    return html.Div(
        [
            html.H1("New search"),
            messages.address_problem(wrong) if wrong else None,
            html.Div(
                [form(draft, reading.devices), _job_file(reading.database, draft, granted)], className="new-search"
            ),
        ]
    )


def _job_file(database: str, draft: Draft, granted: bool) -> Component:
    text = draft.job_file
    said, good = verdict(draft, granted)
    copy = dmc.CopyButton("Copy", id="new-search-copy", value=text, copiedChildren="Copied", variant="default")
    return html.Section(
        [
            html.H2("Job file"),
            html.Div(said, id="new-search-verdict", **{"aria-live": "polite"}),
            html.Pre(html.Code(text, id="new-search-text"), tabIndex=0, **{"aria-label": "The job file"}),
            html.Div([copy, *(_buttons(good) if granted else [])], className="new-search-actions"),
            *(html.Div(id=f"new-search-{kind}-answer", **{"aria-live": "polite"}) for kind in KINDS),
            html.P(_without_the_form(granted), className="quiet"),
            html.Pre(html.Code(f"frontier search job.yaml --db {shlex.quote(database)}"), tabIndex=0),
            dcc.Store(id="new-search-file", data=text if good else None),
            *(dcc.Store(id=f"new-search-{kind}-id") for kind in KINDS),
            dcc.Interval(id="new-search-clock", interval=POLL_MS, disabled=True),
        ],
        className="panel new-search-file",
    )


def _buttons(good: bool) -> list[Component]:
    return [
        dmc.Button("What would it cost?", id="new-search-price", variant="default", disabled=not good),
        dmc.Button("Launch", id="new-search-launch", disabled=not good),
    ]


def _without_the_form(granted: bool) -> str:
    saved = "save it as job.yaml and run"
    return f"Or {saved}" if granted else f"Log in to launch it from here, or {saved}"


def verdict(draft: Draft, granted: bool) -> tuple[Component, bool]:
    """How many architectures the draft's space spans, or what is wrong with it; whether it can be launched."""
    try:
        found = architectures_in(draft.values["space"], draft.images, granted)
    except InputError as error:
        return trouble(NOT_YET, str(error)), False
    return html.P([html.Strong(space_size(found)), " architectures in ", html.Code(draft.values["space"])]), True


def register(app: Dash, site: Site) -> None:
    """Keep the file and the address in step with the form, ask for prices and launches, follow them."""
    _register_form(app, site)
    for kind in KINDS:
        _register_ask(app, site, kind)
    _register_answers(app, site)


def _register_form(app: Dash, site: Site) -> None:
    @app.callback(
        output={
            "text": Output("new-search-text", "children"),
            "copied": Output("new-search-copy", "value"),
            "verdict": Output("new-search-verdict", "children"),
            "file": Output("new-search-file", "data"),
            "priced": Output("new-search-price-answer", "children", allow_duplicate=True),
            "price": Output("new-search-price-id", "data", allow_duplicate=True),
            "search": Output("shell-location", "search", allow_duplicate=True),
            "shown": Output("shell-shown", "data", allow_duplicate=True),
        },
        inputs={"raw": {name: Input(field_id(name), "value") for name in FIELDS}},
        state={"pathname": State("shell-location", "pathname")},
        prevent_initial_call=True,
    )
    def write(raw: dict[str, Any], pathname: str) -> dict[str, Any]:
        # A price is that of a file, and goes with it.
        written: dict[str, Any] = {"priced": None, "price": None}
        try:
            draft = Draft.of(raw)
        except InputError as error:
            kept = dict.fromkeys(("text", "copied", "search", "shown"), no_update)
            return {**written, **kept, "file": None, "verdict": trouble(NOT_YET, str(error))}
        said, good = verdict(draft, site.access.granted())
        return {
            **written,
            "text": draft.job_file,
            "copied": draft.job_file,
            "verdict": said,
            "file": draft.job_file if good else None,
            "search": draft.search,
            "shown": [pathname, draft.search],
        }

    @app.callback(
        Output(field_id("space"), "value"),
        *(Output(place_id(name), "hidden") for name in TEXT_ONLY),
        Input(field_id("task"), "value"),
        State(field_id("space"), "value"),
        prevent_initial_call=True,
    )
    def fit(task: str, space: str) -> tuple[Any, ...]:
        presets = DEFAULT_SPACES.values()
        fitting = DEFAULT_SPACES[task] if space in presets else no_update
        return fitting, *[FIELDS["task"].default != task] * len(TEXT_ONLY)

    app.clientside_callback(
        "(file) => [!file, !file]",
        Output("new-search-price", "disabled"),
        Output("new-search-launch", "disabled"),
        Input("new-search-file", "data"),
        prevent_initial_call=True,
    )


def _register_ask(app: Dash, site: Site, kind: str) -> None:
    @app.callback(
        Output(f"new-search-{kind}-id", "data"),
        Output("new-search-clock", "disabled", allow_duplicate=True),
        Output(f"new-search-{kind}-answer", "children", allow_duplicate=True),
        Input(f"new-search-{kind}", "n_clicks"),
        State("new-search-file", "data"),
        running=[(Output(f"new-search-{kind}", "loading"), True, False)],
        prevent_initial_call=True,
    )
    def ask(clicks: int | None, file: str) -> tuple[Any, ...]:
        if not clicks or not file:
            return no_update, no_update, no_update
        try:
            with site.changing() as ledger:
                number = ledger.add_command(kind, {"job_file": str(file)})
        except InputError as error:
            return no_update, no_update, trouble("The ledger can't be written to", str(error))
        return number, False, html.P("Asked for.", className="quiet")


def _register_answers(app: Dash, site: Site) -> None:
    @app.callback(
        Output("new-search-price-answer", "children"),
        Output("new-search-launch-answer", "children"),
        Output("new-search-clock", "disabled"),
        Input("new-search-clock", "n_intervals"),
        State("new-search-price-id", "data"),
        State("new-search-launch-id", "data"),
        prevent_initial_call=True,
    )
    def follow(_: int, price: int | None, launch: int | None) -> tuple[Any, ...]:
        numbers = {kind: number for kind, number in zip(KINDS, (price, launch), strict=True) if number is not None}
        try:
            reading = read_asked(site.reader, numbers)
        except (NotThere, Unreadable):
            # The next round asks again; what was said last still stands.
            return no_update, no_update, no_update
        answers = {kind: asked(command, reading.attended) for kind, command in reading.commands.items()}
        over = all(command.state in OVER for command in reading.commands.values())
        return answers.get("price", no_update), answers.get("launch", no_update), over
