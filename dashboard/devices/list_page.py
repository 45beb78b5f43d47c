"""The devices page: what each device is, what was measured on it, and how predictions for it held."""

from __future__ import annotations

import re
from typing import Any

from dash import Dash, dcc, html
from dash.development.base_component import Component

from ..messages import message
from ..numbers import UNKNOWN, count, moment, percent
from ..page import Page
from ..plain_tables import Cell, plain_table
from ..site import Site
from .hardware_words import kind, summary
from .reading import DevicesReading, read_devices
from .validation_table import device_href, tau, validation_table

ROUTE = re.compile(r"/devices/?")
HEADINGS = (
    "Device",
    "Known",
    "Hardware",
    "Kernel families",
    "Created (UTC)",
    "Kernel calls",
    "Spread",
    "Table rows",
    "Mean error",
    "Floor",
    "Kendall tau",
)
NUMBERS = 6
EXPLAINED = (
    "Spread: the calls' summed interquartile ranges over their summed time. Mean error, floor and Kendall tau are of "
    "the latest check of whole models; the floor is the error of measuring the same models again."
)


def table_rows(reading: DevicesReading) -> list[list[Cell]]:
    """The rows of the table of devices, in the order of `HEADINGS`."""
    return [_row(device, reading) for device in reading.devices.to_dict("records")]


def _row(device: dict[Any, Any], reading: DevicesReading) -> list[Cell]:
    families = reading.families[reading.families["device"] == device["name"]]
    checks = reading.validations[reading.validations["device"] == device["name"]]
    latest = checks.iloc[-1].to_dict() if len(checks) else {}
    whole_us = families["median_us"].sum()
    return [
        dcc.Link(device["name"], href=device_href(device["name"])),
        kind(device["hardware"]),
        summary(device["hardware"]),
        ", ".join(families["family"].str.replace("_", " ")) or UNKNOWN,
        moment(device["created_at"]),
        count(device["measurements"]),
        percent(families["spread_us"].sum() / whole_us if whole_us else None),
        count(device["table_rows"]),
        percent(latest.get("mape")),
        percent(latest.get("floor_mape")),
        tau(latest.get("kendall_tau")),
    ]


def open_page(site: Site, names: dict[str, str], search: str | None) -> Page:
    """The page."""
    return Page("Devices", layout(read_devices(site.reader)))


def register(app: Dash, site: Site) -> None:
    """Nothing on this page moves by itself."""


def layout(reading: DevicesReading) -> Component:
    """The page; a ledger without devices is told how to get one."""
    if reading.devices.empty:
        return nobody()
    return html.Div(
        [
            html.H1("Devices"),
            html.Section(
                [
                    plain_table("Devices", HEADINGS, table_rows(reading), NUMBERS),
                    html.P(EXPLAINED, className="quiet"),
                ],
                className="panel",
            ),
            html.Section([html.H2("How predictions held"), *_validations(reading)], className="panel"),
        ]
    )


def _validations(reading: DevicesReading) -> list[Component]:
    if reading.validations.empty:
        return [html.P(["No device was checked yet. ", html.Code("frontier device validate"), " does it."])]
    return [
        html.P("Each check measures whole architectures that the prediction had not seen.", className="quiet"),
        validation_table("devices-validations", reading.validations, several_devices=True),
    ]


def nobody() -> Component:
    """What to do in a ledger without devices."""
    return message(
        "No devices yet",
        "A search measures the device that it is for. To measure this machine by itself:",
        html.Code("frontier device profile --name this-machine"),
        "To take in published tables of a device that need not be at hand:",
        html.Code("frontier device import --name NAME FILE..."),
    )
