"""What a job's overview tells in words and short tables: counts, workers, failures, predictor, nodes, events, log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
from dash import html
from dash.development.base_component import Component

from ...db import Standing
from ..numbers import UNKNOWN, count, known, loss, moment, percent, seconds
from ..plain_tables import plain_table
from .log_tail import LogTail

NO_LOG = "This job's driver wrote no log into its run folder; what is worth telling is among its events."


def counts_list(counts: Mapping[str, int], standing: Standing, loss_unit: str) -> Component:
    """How many evaluations there are in each state, how many are on the front, and the best loss."""
    best = standing.best_val_loss
    pairs = [
        ("Evaluations", count(standing.evaluations)),
        *(
            (state.capitalize(), count(counts.get(state, 0)))
            for state in ("complete", "infeasible", "hopeless", "failed")
        ),
        ("On the front", count(standing.front_size)),
        ("Best validation loss", f"{loss(best)} {loss_unit}" if known(best) else UNKNOWN),
    ]
    return html.Dl(
        [html.Div([html.Dt(term), html.Dd(value)]) for term, value in pairs], className="facts facts-large facts-counts"
    )


def workers_table(workers: pd.DataFrame) -> Component:
    """Who scored lately."""
    if workers.empty:
        return html.P("Nobody has scored an architecture yet.", className="quiet")
    whole = workers["evaluations"].sum()
    rows = [
        [
            row["worker"],
            moment(row["last_at"]),
            count(row["evaluations"]),
            percent(row["evaluations"] / whole),
            count(row["failed"]),
            seconds(row["seconds"]),
        ]
        for row in workers.to_dict("records")
    ]
    headings = ("Worker", "Last written (UTC)", "Evaluations", "Share", "Failed", "Mean time each")
    return html.Div(
        [
            html.P(f"Of the last {count(whole)} evaluations, who scored how many.", className="quiet"),
            plain_table("Workers", headings, rows, numbers=4),
        ]
    )


def reasons_table(reasons: pd.DataFrame) -> Component:
    """Why evaluations did not complete, the most frequent reason first."""
    if reasons.empty:
        return html.P("No evaluation has failed, was infeasible or was given up.", className="quiet")
    rows = [
        [row["reason"] or "no reason was given", row["state"], count(row["last_seq"]), count(row["count"])]
        for row in reasons.to_dict("records")
    ]
    return plain_table("Reasons", ("Reason", "State", "Last at evaluation", "Times"), rows, numbers=2)


def quality_table(qualities: pd.DataFrame) -> Component:
    """How well the search's own predictor foresaw scores, the latest last, with a sentence on what it means."""
    if qualities.empty:
        return html.P(
            "This search has no predictor of its own, or too few scores yet to say how good it is.", className="quiet"
        )
    rows = [
        [
            count(row["evaluations"]),
            count(row["held_out"]),
            f"{row['kendall_tau']:.2f}" if known(row["kendall_tau"]) else UNKNOWN,
            loss(row["error"]),
            percent(row["coverage"]),
        ]
        for row in qualities.to_dict("records")
    ]
    headings = ("Evaluations known", "Held out", "Kendall tau", "Mean error of the loss", "Within the 90 % interval")
    return html.Div(
        [html.P(quality_words(qualities), className="quiet"), plain_table("Predictor", headings, rows, numbers=5)]
    )


def quality_words(qualities: pd.DataFrame) -> str:
    """What the latest figures of the predictor mean."""
    latest = qualities.iloc[-1]
    tau = latest["kendall_tau"]
    if not known(tau):
        return "The predictor could not be judged yet."
    return (
        f"Of two architectures that it had not seen, the predictor that guides the search puts the better one first "
        f"{percent((1 + tau) / 2)} of the time; a coin would 50\u00a0%."
    )


def nodes_table(nodes: pd.DataFrame, now: datetime) -> Component:
    """The machines of the cluster, as they came and went."""
    if nodes.empty:
        return html.P("Nothing is known of the machines that this job ran on.", className="quiet")
    here = int(nodes["left_at"].isna().sum())
    rows = [_node(row, now) for row in nodes.to_dict("records")]
    headings = ("Machine", "Joined (UTC)", "Left (UTC)", "For", "CPUs", "GPUs")
    return html.Div(
        [
            html.P(f"{count(here)} there now, {count(len(nodes) - here)} gone.", className="quiet"),
            plain_table("Machines", headings, rows, numbers=3),
        ]
    )


def _node(row: dict[Any, Any], now: datetime) -> list[str]:
    left = row["left_at"] if known(row["left_at"]) else None
    stay = ((left or now) - row["joined_at"]).total_seconds()
    ended = moment(left) if left else "is there"
    return [
        row["address"],
        moment(row["joined_at"]),
        ended,
        seconds(max(stay, 0.0)),
        f"{row['cpus']:g}",
        f"{row['gpus']:g}",
    ]


def event_list(events: pd.DataFrame) -> Component:
    """The events, newest first."""
    if events.empty:
        return html.P("No events yet.", className="quiet")
    return html.Ol([_event(event) for event in events.to_dict("records")], className="events", tabIndex=0)


def _event(event: dict[Any, Any]) -> Component:
    return html.Li(
        [
            html.Time(moment(event["created_at"])),
            html.Span(event["stage"], className="event-stage"),
            html.Span(event["message"], className=f"event-message event-{event['kind']}"),
        ]
    )


def log_lines(log: LogTail | None) -> Component:
    """The end of the driver's log."""
    if log is None:
        return html.P(NO_LOG, className="quiet")
    which = "" if log.whole else f"The last {count(len(log.lines))} lines of "
    return html.Div(
        [
            html.P([which, html.Code(log.path), f", written {moment(log.written_at)} UTC"], className="quiet"),
            html.Pre("\n".join(log.lines), className="log", tabIndex=0, **{"aria-label": "Log"}),
        ]
    )
