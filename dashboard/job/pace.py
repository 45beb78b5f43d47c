"""How fast something goes on, and how long what remains will take at that rate."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ...db import Job

# So many of the last points say how fast it is now.
LATELY = 12
LEAST_SECONDS = 1.0
MOST_WINDOWS = 60


def rates(times: pd.DataFrame) -> pd.DataFrame:
    """Evaluations per second in windows between rows of `times` (seq, created_at).

    Evaluations are written in bursts, so a window lasts a second at least, and a sixtieth of the whole. Columns
    `start_seq` and `seq` (after which evaluations), `start` and `end` (when), `per_second`.
    """
    points = times.sort_values("seq").drop_duplicates("created_at", keep="last")
    points = points[points["created_at"] >= points["created_at"].cummax()]
    points = points.iloc[_edges((points["created_at"] - points["created_at"].min()).dt.total_seconds().tolist())]
    seconds = points["created_at"].diff().dt.total_seconds()
    found = pd.DataFrame(
        {
            "start_seq": points["seq"].shift(),
            "seq": points["seq"],
            "start": points["created_at"].shift(),
            "end": points["created_at"],
            "per_second": points["seq"].diff() / seconds,
        }
    )
    return found.iloc[1:].reset_index(drop=True)


def _edges(seconds: list[float]) -> list[int]:
    """The places of the points where windows begin and end; what is left over at the end goes to the last window."""
    if len(seconds) < 2:
        return []
    least = max(LEAST_SECONDS, seconds[-1] / MOST_WINDOWS)
    edges = [0]
    for place, second in enumerate(seconds):
        if second - seconds[edges[-1]] >= least:
            edges.append(place)
    return [*(edges[:-1] if len(edges) > 1 else edges), len(seconds) - 1]


def pace(done: Sequence[float], seconds: Sequence[float]) -> float | None:
    """Steps per second over the last points; None where they do not tell. A clock that began anew counts from there."""
    points = list(zip(done, seconds, strict=True))[-LATELY:]
    for at in range(len(points) - 1, 0, -1):
        if points[at][1] < points[at - 1][1] or points[at][0] < points[at - 1][0]:
            points = points[at:]
            break
    if len(points) < 2 or points[-1][1] <= points[0][1] or points[-1][0] <= points[0][0]:
        return None
    return (points[-1][0] - points[0][0]) / (points[-1][1] - points[0][1])


def remaining_seconds(job: Job, spread: pd.DataFrame, newest: pd.DataFrame, curve: pd.DataFrame) -> float | None:
    """How long the present stage of a running job still takes, by how fast it went lately; None where that is unknown.

    Args:
        spread, newest: when evaluations were written (seq, fidelity, created_at), some of all and the last ones.
        curve: the supernet's training curve.
    """
    if job.state != "running" or job.total <= job.done:
        return None
    speed = {
        "train": lambda: pace(*_steps(curve)),
        "search": lambda: pace(*_evaluations(spread, "inherited")),
        "finetune": lambda: pace(*_evaluations(newest, "finetuned")),
    }.get(job.stage, lambda: None)()
    return None if speed is None else (job.total - job.done) / speed


def _steps(curve: pd.DataFrame) -> tuple[list[float], list[float]]:
    steps = curve.drop_duplicates("step")
    return steps["step"].tolist(), steps["seconds"].tolist()


def _evaluations(times: pd.DataFrame, fidelity: str) -> tuple[list[float], list[float]]:
    rows = times[times["fidelity"] == fidelity].drop_duplicates("created_at", keep="last")
    if rows.empty:
        return [], []
    return rows["seq"].tolist(), (rows["created_at"] - rows["created_at"].iloc[0]).dt.total_seconds().tolist()
