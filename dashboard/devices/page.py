"""One device: what it is, how its predictions held, how its kernels use it, what was imported for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component

from .. import messages
from ..charts import chart, figure_id, plain
from ..choices import read_choices, write_choices
from ..grids import grid, grid_style
from ..numbers import moment
from ..page import Page
from ..reader import NotThere, Unreadable
from ..site import Site
from .check import checks, chosen, pair_rows
from .hardware_words import composition_words, facts, kind
from .kernel_tables import KERNELS, families_table, kernel_rows, tables_list
from .reading import DeviceReading, read_device
from .roofline_share import with_share
from .utilisation_figure import SIZES, utilisation_figure, utilisation_words
from .validation_figure import validation_figure, validation_words

ROUTE = re.compile(r"/device/(?P<device>[^/]+)/?")
UTILISATION = "Share of the roofline over size, by kernel family; the tables below hold the same numbers"


def choices(reading: DeviceReading) -> dict[str, tuple[str, ...]]:
    """What the address may say: the size that kernels are drawn over, and which check, the latest if it says none."""
    places = tuple(str(place) for place in range(len(reading.validations), 0, -1))
    return {"size": tuple(SIZES), "check": places or ("none",)}


def control(key: str) -> dict[str, str]:
    """The id of the control of a key of the view."""
    return {"type": "device-view", "key": key}


def open_page(site: Site, names: dict[str, str], search: str | None) -> Page:
    """The page of the device that the address names."""
    reading = read_device(site.reader, names["device"])
    view, problem = read_choices(search, choices(reading))
    return Page(reading.device.name, layout(reading, view, problem))


def layout(reading: DeviceReading, view: Mapping[str, str], problem: str | None = None) -> Component:
    """The page of a device. `problem` is what was wrong with the view that the address asked for."""
    device = reading.device
    pairs = [("Known", kind(device.hardware)), *facts(device.hardware)]
    held = checks(reading, view["check"], control("check"))
    return html.Div(
        [
            html.Div(id="device-notice"),
            messages.address_problem(problem) if problem else None,
            html.P(dcc.Link("All devices", href="/devices"), className="quiet"),
            html.H1(device.name),
            html.P(f"Created {moment(device.created_at)} UTC", className="quiet"),
            html.Dl([html.Div([html.Dt(term), html.Dd(value)]) for term, value in pairs], className="facts"),
            *_composition(device.composition),
            html.Section([html.H2("How predictions held"), *held], className="panel"),
            html.Section([html.H2("Measured kernels"), *_kernels(reading, view["size"])], className="panel"),
            html.Section([html.H2("Imported tables"), *tables_list(reading)], className="panel"),
            dcc.Store(id="device-name", data=device.name),
            dcc.Store(id="device-choices", data=choices(reading)),
        ]
    )


def _composition(composition: Mapping[str, Any]) -> list[Component]:
    lines = [html.Li([html.Strong(f"{phase}: "), composition_words(fitted)]) for phase, fitted in composition.items()]
    heading = html.H2("From kernels to a model's latency, as fitted")
    return [html.Section([heading, html.Ul(lines)], className="panel")] if lines else []


def _kernels(reading: DeviceReading, size: str) -> list[Component]:
    if reading.kernels.empty or reading.roofs is None:
        return [html.P("No kernel of this device was measured by itself.", className="quiet")]
    kernels = with_share(reading.kernels, reading.roofs)
    return [
        html.P(roofs_words(reading), className="quiet"),
        _size_switch(size),
        chart("device-utilisation", utilisation_figure(kernels, size), UTILISATION),
        html.P(utilisation_words(kernels), className="quiet"),
        families_table(kernels),
        html.H3("Every call"),
        grid("device-kernels", KERNELS, kernel_rows(kernels), "id"),
    ]


def roofs_words(reading: DeviceReading) -> str:
    """What the roofline of a device with measured kernels is made of."""
    roofs = reading.roofs
    assert roofs is not None, "a device with measured kernels has roofs"
    return (
        f"The roofline is the most that any of {roofs.kernels} measured calls reached here: "
        f"{roofs.flops_per_second / 1e9:.3g} GFLOP/s and {roofs.bytes_per_second / 1e9:.3g} GB/s. "
        "It is not what a data sheet promises."
    )


def _size_switch(size: str) -> Component:
    data = [{"value": value, "label": label.capitalize()} for value, label in SIZES.items()]
    switch = dmc.SegmentedControl(id=control("size"), data=data, value=size, size="sm", **{"aria-label": "Size"})
    return html.Div(html.Div([html.Span("Size", className="control-label"), switch]), className="controls")


def register(app: Dash, site: Site) -> None:
    """Draw what the controls say, and keep the address in step with them."""

    @app.callback(
        Output(figure_id("device-utilisation"), "data"),
        Output("device-notice", "children"),
        Input(control("size"), "value"),
        State("device-name", "data"),
        prevent_initial_call=True,
    )
    def draw_kernels(size: str, name: str) -> tuple[Any, ...]:
        try:
            reading = read_device(site.reader, name)
        except (Unreadable, NotThere) as error:
            return no_update, messages.stale(str(error))
        if reading.roofs is None or size not in SIZES:
            return no_update, None
        return plain(utilisation_figure(with_share(reading.kernels, reading.roofs), size)), None

    @app.callback(
        Output(figure_id("device-check"), "data"),
        Output("device-check-words", "children"),
        Output("device-pairs", "rowData"),
        Output("device-pairs", "style"),
        Output("device-notice", "children", allow_duplicate=True),
        Input(control("check"), "value"),
        State("device-name", "data"),
        prevent_initial_call=True,
    )
    def draw_check(check: str, name: str) -> tuple[Any, ...]:
        try:
            reading = read_device(site.reader, name)
        except (Unreadable, NotThere) as error:
            return (*[no_update] * 4, messages.stale(str(error)))
        if check not in choices(reading)["check"]:
            return (*[no_update] * 4, None)
        found = chosen(reading, check)
        rows = pair_rows(found["pairs"])
        figure = validation_figure(found["pairs"], found["floor_mape"])
        return plain(figure), validation_words(found), rows, grid_style(len(rows)), None

    @app.callback(
        Output("shell-location", "search", allow_duplicate=True),
        Output("shell-shown", "data", allow_duplicate=True),
        Input({"type": "device-view", "key": ALL}, "value"),
        State("device-choices", "data"),
        State("shell-location", "pathname"),
        prevent_initial_call=True,
    )
    def write_address(_: list[str], allowed: dict[str, list[str]], pathname: str) -> tuple[Any, ...]:
        chosen_now = {one["id"]["key"]: one["value"] for one in ctx.inputs_list[0]}
        search = write_choices({key: chosen_now.get(key, first[0]) for key, first in allowed.items()}, allowed)
        return search, [pathname, search]
