"""Latency of architectures, kernel by kernel, written inside somebody's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from ..errors import InputError
from .columns import whole
from .tables import BreakdownRow, EvaluationRow
from .words import PHASES

Breakdown = Mapping[str, Sequence[Mapping[str, Any]]]
Breakdowns = Mapping[str, Breakdown]


def write_breakdowns(session: Session, job_id: str, breakdowns: Breakdowns) -> None:
    """Write `{digest: {phase: [line, ...]}}`; the lines of a (digest, phase) that is there are replaced whole.

    Raises:
        InputError: the job has evaluated no architecture of that digest.
    """
    for digest, phases in breakdowns.items():
        require_evaluated(session, job_id, digest)
        for phase, lines in phases.items():
            assert phase in PHASES, f"phase: one of {PHASES}; got {phase!r}"
            _replace_lines(session, {"job_id": job_id, "digest": digest, "phase": phase}, lines)


def require_evaluated(session: Session, job_id: str, digest: str) -> None:
    query = select(EvaluationRow.seq).where(EvaluationRow.job_id == job_id, EvaluationRow.digest == digest).limit(1)
    if session.scalar(query) is None:
        raise InputError(f"architecture: must be one that job {job_id} evaluated; got {digest!r}")


def _replace_lines(session: Session, where: Mapping[str, str], lines: Iterable[Mapping[str, Any]]) -> None:
    session.execute(delete(BreakdownRow).filter_by(**where))
    rows = [
        {
            **where,
            "position": position,
            "layer": line["layer"],
            "op": line["op"],
            "family": line["family"],
            "calls": int(line["calls"]),
            "latency_ms": float(line["latency_ms"]),
            "measured": bool(line["measured"]),
            "flops": whole(line.get("flops")),
            "bytes": whole(line.get("bytes")),
        }
        for position, line in enumerate(lines)
    ]
    if rows:
        session.execute(insert(BreakdownRow), rows)
