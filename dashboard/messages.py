"""What a page says when there is nothing to show: no job yet, nothing by that name, a ledger that can't be read."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component


def message(title: str, *lines: str | Component) -> Component:
    """A page of its own: a heading and what to do next."""
    return html.Section([html.H1(title), *(html.P(line) for line in lines)], className="message")


def no_jobs(database: str) -> Component:
    return html.Section(
        [
            html.H2("No jobs yet"),
            html.P(["The ledger ", html.Code(database), " is there and holds no job. Start one with"]),
            html.Pre(html.Code("frontier search job.yaml")),
            html.P(
                [
                    "and it appears here. ",
                    html.Code("frontier init --out job.yaml"),
                    " writes a job file to start from.",
                ]
            ),
        ],
        className="message",
    )


def not_found(what: str, why: str) -> Component:
    """`what` names what was looked for, `why` is the ledger's own line about it, if it was asked."""
    return message("Not found", what, *([html.Code(why)] if why else []), dcc.Link("All jobs", href="/"))


def unreadable(why: str) -> Component:
    return message(
        "The ledger can't be read right now",
        html.Code(why),
        "This page tries again every 2 seconds and shows the ledger as soon as it can be read.",
    )


def broken() -> Component:
    return message(
        "This page could not be drawn",
        "The dashboard's log holds the reason. The ledger is as it was: looking changes nothing.",
        dcc.Link("All jobs", href="/"),
    )


def stale(why: str) -> Component:
    """A line above a page whose numbers are those of the last successful read."""
    return dmc.Alert(
        [html.Code(why), html.Br(), "Below is what was read last. Trying again every 2 seconds."],
        title="The ledger can't be read right now",
        color="yellow",
        variant="light",
        className="notice",
    )


def not_refreshed() -> Component:
    """A line above a page whose refreshing failed by a fault of the dashboard's own."""
    return dmc.Alert(
        "The dashboard's log holds the reason. Below is what was shown last; the ledger is as it was.",
        title="This page could not be refreshed",
        color="red",
        variant="light",
        className="notice",
    )


def address_problem(why: str) -> Component:
    return dmc.Alert(f"{why}. Showing the default view.", color="yellow", variant="light", className="notice")
