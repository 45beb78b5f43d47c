"""The top of a job's page: its name, where it stands, and what it has found out so far."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from ...db import Job
from ..caption import caption
from ..numbers import QUANTITIES, count, known, loss, loss_unit, moment, percent, seconds, significant, space_size

STAGES = ("profile", "train", "search", "finetune")
DOING = {
    "profile": "profiling the device",
    "train": "training the supernet",
    "search": "searching",
    "finetune": "fine-tuning finalists",
    "done": "done",
}
COUNTED = {"profile": "kernels", "train": "steps", "search": "evaluations", "finetune": "finalists", "done": ""}


def header(job: Job, remaining_s: float | None = None) -> list[Component]:
    """Name, state and the progress of the present stage, with how long the rest of it may take where that is known."""
    lines = [
        html.Div([html.H1(job.name), state_word(job.state)], className="job-title"),
        html.P(f"Job {job.id}, created {moment(job.created_at)} UTC", className="quiet"),
        _stages(job, remaining_s),
    ]
    if job.error:
        lines.append(dmc.Alert(job.error, title="The job failed", color="red", variant="light", className="notice"))
    return lines


def state_word(state: str) -> Component:
    return html.Span(state, className=f"state state-{state}")


def _stages(job: Job, remaining_s: float | None) -> Component:
    over = job.stage == "done"
    at = len(STAGES) if over else STAGES.index(job.stage)
    share = 100 * job.done / job.total if job.total else 0.0
    segments = [
        html.Li(
            [
                html.Span(stage, className="stage-name"),
                html.Div(html.Div(style={"width": f"{_filled(place, at, share):.1f}%"}), className="stage-bar"),
            ],
            className="stage-now" if place == at else None,
        )
        for place, stage in enumerate(STAGES)
    ]
    if job.state == "queued":
        return html.Div([html.Ol(segments, className="stages"), html.P("Queued, not begun yet")])
    words = "all stages are done" if over else f"stage {at + 1} of {len(STAGES)}, {DOING[job.stage]}"
    progress = "" if over or not job.total else f": {count(job.done)} of {count(job.total)} {COUNTED[job.stage]}"
    rest = "" if remaining_s is None else f", about {seconds(remaining_s)} left of this stage"
    return html.Div([html.Ol(segments, className="stages"), html.P(f"{words}{progress}{rest}".capitalize())])


def _filled(place: int, at: int, share: float) -> float:
    """How full the bar of a stage is, in percent."""
    return 100.0 if place < at else share if place == at else 0.0


def facts(job: Job) -> Component:
    """What is known about the job; what is not known yet is left out."""
    found, config = job.facts, job.config
    unit = loss_unit(config)
    pairs = [
        ("Search space", _space(job)),
        ("Task", _task(config.get("task") or {})),
        ("Latency of", caption(config)),
        ("Limits", limits(config.get("constraints") or {})),
        ("Prior loss", _with_unit(loss(found.get("prior_nats")), unit, found.get("prior_nats"))),
        ("Uniform loss", _with_unit(loss(found.get("uniform_nats")), unit, found.get("uniform_nats"))),
        ("Latency prediction", validation(found.get("validation"))),
        ("Supernet", _supernet(found)),
        ("Search speed", _speed(found.get("evaluations_per_second"))),
        ("Finalists", _agreement(found.get("finalists") or {})),
        ("Seed", "" if config.get("seed") is None else str(config["seed"])),
    ]
    return html.Dl(
        [html.Div([html.Dt(term), html.Dd(value)]) for term, value in pairs if value],
        className="facts",
    )


def validation(found: dict[str, Any] | None) -> str:
    """How far the latency predictor was off on whole models that it had not seen, in words for beside a prediction."""
    if not found or not known(found.get("mape")):
        return "not validated on this device"
    parts = [f"off by {percent(found['mape'])} on average"]
    if known(found.get("floor_mape")):
        parts.append(f"measuring again is off by {percent(found['floor_mape'])}")
    if known(found.get("kendall_tau")):
        parts.append(f"Kendall tau {found['kendall_tau']:.2f}")
    if known(found.get("count")):
        parts.append(f"{count(found['count'])} held-out architectures")
    return "; ".join(parts)


def limits(constraints: dict[str, Any]) -> str:
    """The constraints of a job: `Latency ≤ 5.00, Parameters ≤ 2.00 M`, latency in ms."""
    return ", ".join(
        f"{QUANTITIES[name].label} ≤ {QUANTITIES[name].text(limit['max'])}{' ms' if name == 'latency_ms' else ''}"
        for name, limit in constraints.items()
        if name in QUANTITIES and isinstance(limit, dict) and known(limit.get("max"))
    )


def _space(job: Job) -> str:
    name = str(job.space.get("name", ""))
    size = job.facts.get("space_count")
    return f"{name}, {space_size(size)} architectures" if known(size) else name


def _task(task: dict[str, Any]) -> str:
    return ", ".join(
        text
        for text in (
            str(task.get("kind", "")).replace("_", " "),
            str(task.get("data", "")),
            f"context {task['context']}" if known(task.get("context")) else "",
        )
        if text
    )


def _supernet(found: dict[str, Any]) -> str:
    steps, taken = found.get("supernet_steps"), found.get("supernet_seconds")
    if not known(steps):
        return ""
    return f"{count(steps)} steps" + (f" in {seconds(taken)}" if known(taken) else "")


def _speed(rate: Any) -> str:
    return f"{significant(rate)} evaluations per second" if known(rate) else ""


def _agreement(found: dict[str, Any]) -> str:
    """Whether what the search went by held for the finalists."""
    if not known(found.get("count")):
        return ""
    taus = (
        ("loss before and after fine-tuning", found.get("loss_tau")),
        ("latency predicted and measured", found.get("latency_tau")),
    )
    parts = [f"Kendall tau {tau:.2f} of {words}" for words, tau in taus if known(tau)]
    return f"{count(found['count'])} compared: {'; '.join(parts)}" if parts else f"{count(found['count'])} compared"


def _with_unit(text: str, unit: str, value: Any) -> str:
    return f"{text} {unit}" if known(value) else ""
