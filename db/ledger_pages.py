"""A job's evaluations one page at a time, filtered and sorted by the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import Session

from ..errors import InputError
from . import frames
from .evaluation_rows import evaluation_query, shown
from .front_members import same_evaluation
from .tables import EvaluationRow, FrontMemberRow, JobRow, TagRow
from .transactions import Transactions
from .words import EVALUATION_STATES, FIDELITIES

LONGEST_PAGE = 1000
# Columns that every evaluation has a value in; by any other column those without one come last.
ALWAYS_KNOWN = ("seq", "digest", "fidelity", "state")
NUMBERS = tuple(name for name, kind in frames.EVALUATIONS.items() if kind in (frames.REAL, frames.MAYBE_WHOLE))
SORTABLE = (*ALWAYS_KNOWN, *NUMBERS)


@dataclass(frozen=True)
class Filter:
    """Which evaluations of a job: those that meet everything that is said. Nothing said means all.

    `at_least` and `at_most` bound columns of numbers; an evaluation whose value is not known meets no bound. `on_front`
    is as of now, at the evaluation's own fidelity.
    """

    fidelity: str | None = None
    states: Sequence[str] = ()
    on_front: bool | None = None
    tag: str | None = None
    at_least: Mapping[str, float] = field(default_factory=dict)
    at_most: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.fidelity not in (None, *FIDELITIES):
            raise InputError(f"fidelity: one of {', '.join(FIDELITIES)}; got {self.fidelity!r}")
        for state in self.states:
            if state not in EVALUATION_STATES:
                raise InputError(f"state: one of {', '.join(EVALUATION_STATES)}; got {state!r}")
        for name in (*self.at_least, *self.at_most):
            if name not in NUMBERS:
                raise InputError(f"column: one of {', '.join(NUMBERS)}; got {name!r}")


ALL = Filter()


class PageLedger(Transactions):
    """The pages of a ledger."""

    def page(
        self,
        job_id: str,
        wanted: Filter = ALL,
        *,
        sort: str = "seq",
        descending: bool = False,
        offset: int = 0,
        limit: int = 100,
        architectures: bool = True,
    ) -> pd.DataFrame:
        """`limit` evaluations from the `offset`-th on, in the order of a column, with the columns of `evaluations`.

        Equal values stand in the order they came (backwards where descending). Who has no value comes last. Without
        `architectures` that column is not there.

        Raises:
            InputError: a column that cannot be sorted by, or a page that is negative or longer than 1000.
        """
        if sort not in SORTABLE:
            raise InputError(f"sort: one of {', '.join(SORTABLE)}; got {sort!r}")
        if offset < 0 or not 0 <= limit <= LONGEST_PAGE:
            raise InputError(f"page: offset from 0, limit 0 to {LONGEST_PAGE}; got {offset}, {limit}")
        with self._reading() as session:
            seqs = _seqs(session, job_id, wanted, sort, descending, offset, limit)
            query = evaluation_query(job_id, architectures=architectures)
            rows = session.connection().execute(query.where(EvaluationRow.seq.in_(seqs))).all()
        place = {seq: position for position, seq in enumerate(seqs)}
        ordered = sorted(rows, key=lambda row: place[row.seq])
        return frames.frame(shown(frames.EVALUATIONS, architectures=architectures), ordered)

    def count(self, job_id: str, wanted: Filter = ALL) -> int:
        """How many evaluations of a job there are of that kind."""
        query = select(func.count()).select_from(_matching(select(EvaluationRow.seq), job_id, wanted).subquery())
        if wanted == ALL:
            query = select(JobRow.evaluations).where(JobRow.id == job_id)
        with self._reading() as session:
            return session.scalar(query) or 0


def _seqs(
    session: Session, job_id: str, wanted: Filter, sort: str, descending: bool, offset: int, limit: int
) -> list[int]:
    """The numbers of a page's evaluations. Only they are sorted and skipped, not all that is shown of them."""
    column, seq = getattr(EvaluationRow, sort), EvaluationRow.seq
    matching = _matching(select(seq), job_id, wanted)
    order = [part.desc() if descending else part for part in ([seq] if sort == "seq" else [column, seq])]
    known = matching if sort in ALWAYS_KNOWN else matching.where(column.is_not(None))
    found = list(session.scalars(known.order_by(*order).limit(limit).offset(offset)))
    if len(found) == limit or sort in ALWAYS_KNOWN:
        return found
    # Engines differ in where they put NULL, and an index serves one way only: those come from a second query.
    skipped = 0 if found else session.scalar(select(func.count()).select_from(known.subquery())) or 0
    unknown = matching.where(column.is_(None)).order_by(seq).limit(limit - len(found))
    return found + list(session.scalars(unknown.offset(max(0, offset - skipped) if not found else 0)))


def _matching(query: Select[Any], job_id: str, wanted: Filter) -> Select[Any]:
    tests: list[ColumnElement[bool]] = [EvaluationRow.job_id == job_id]
    if wanted.fidelity is not None:
        tests.append(EvaluationRow.fidelity == wanted.fidelity)
    if wanted.states:
        tests.append(EvaluationRow.state.in_(list(wanted.states)))
    if wanted.tag is not None:
        tests.append(EvaluationRow.digest.in_(select(TagRow.digest).where(TagRow.tag == wanted.tag)))
    tests += [getattr(EvaluationRow, name) >= least for name, least in wanted.at_least.items()]
    tests += [getattr(EvaluationRow, name) <= most for name, most in wanted.at_most.items()]
    if wanted.on_front:
        query = query.join(FrontMemberRow, same_evaluation())
        tests += [FrontMemberRow.job_id == job_id, FrontMemberRow.left_seq.is_(None)]
    elif wanted.on_front is not None:
        tests.append(~exists().where(same_evaluation(), FrontMemberRow.left_seq.is_(None)))
    return query.where(*tests)
