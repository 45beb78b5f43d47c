"""The plan of each question a page asks: an index serves, and no table of evaluations is read from end to end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest
from sqlalchemy import event

from frontier.db import Evaluation, Filter, Ledger, open_ledger
from frontier.db.tables import NoteRow, TagRow

from .conftest import EMPTY

MakeEvaluation = Callable[..., Evaluation]

JOBS, EACH = 12, 250
LARGE = "evaluations|architectures|front_members|breakdowns|notes|tags"
# SQLite says SCAN and the table for reading all of it (by whatever index), PostgreSQL Seq Scan on and the table.
READS_ALL = {"sqlite": rf"SCAN ({LARGE})", "postgresql": rf"Seq Scan on ({LARGE})"}
PLAN = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN"}

# Small tables are best read whole, so PostgreSQL is told not to: what it then still reads whole has no index to serve.
AS_IF_LARGE = {"sqlite": (), "postgresql": ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")}

WITHIN_LATENCY = Filter("inherited", states=("complete",), at_most={"latency_ms": 0.9})
WITHIN_LOSS = Filter("inherited", states=("complete",), at_most={"val_loss": 0.9})

QUESTIONS: dict[str, Callable[[Ledger], object]] = {
    "front": lambda ledger: ledger.front("j3"),
    "front-without-architectures": lambda ledger: ledger.front("j3", architectures=False),
    "past-front": lambda ledger: ledger.front("j3", at_seq=EACH // 2),
    "front-history": lambda ledger: ledger.front_history("j3"),
    "hypervolume": lambda ledger: ledger.hypervolume("j3"),
    "jobs": lambda ledger: ledger.jobs(),
    "job": lambda ledger: ledger.job("j3"),
    "standing": lambda ledger: ledger.standing("j3"),
    "front-changes": lambda ledger: ledger.front_changes(),
    "state-counts": lambda ledger: ledger.state_counts(["j3", "j5"]),
    "evaluation-times": lambda ledger: ledger.evaluation_times("j3", [1, 100, EACH]),
    "workers": lambda ledger: ledger.workers("j3", 50),
    "reasons": lambda ledger: ledger.reasons("j3", 50),
    "sampled-hypervolume": lambda ledger: ledger.hypervolume_sampled("j3", 9),
    "evaluation": lambda ledger: ledger.evaluation("j3", "d3"),
    "evaluation-by-prefix": lambda ledger: ledger.evaluation("j3", "d3-10", "inherited"),
    "count": lambda ledger: ledger.count("j3"),
    "count-failed": lambda ledger: ledger.count("j3", Filter(states=("failed",))),
    "page": lambda ledger: ledger.page("j3", offset=100),
    "page-by-loss": lambda ledger: ledger.page("j3", sort="val_loss", limit=20),
    "page-by-loss-descending": lambda ledger: ledger.page("j3", sort="val_loss", descending=True, limit=20),
    "page-by-latency": lambda ledger: ledger.page("j3", sort="latency_ms", offset=10, limit=20),
    "page-by-size": lambda ledger: ledger.page("j3", sort="param_count", limit=20),
    "page-of-failed": lambda ledger: ledger.page("j3", Filter(states=("failed",)), limit=20),
    "page-of-front": lambda ledger: ledger.page("j3", Filter(on_front=True), sort="val_loss", limit=20),
    "page-off-front": lambda ledger: ledger.page("j3", Filter(on_front=False), sort="val_loss", limit=20),
    "page-of-tagged": lambda ledger: ledger.page("j3", Filter(tag="keep"), limit=20),
    "page-within": lambda ledger: ledger.page("j3", Filter(at_most={"latency_ms": 0.5}), sort="val_loss", limit=20),
    "page-of-complete-within": lambda ledger: ledger.page("j3", WITHIN_LATENCY, sort="val_loss", offset=EACH // 4),
    "page-backwards-within": lambda ledger: ledger.page("j3", WITHIN_LOSS, sort="latency_ms", descending=True),
    "page-past-the-known": lambda ledger: ledger.page("j3", sort="val_loss", offset=EACH - 5, limit=20),
    "notes-of-job": lambda ledger: ledger.notes(job_id="j3"),
    "notes": lambda ledger: ledger.notes("d3-100"),
    "breakdown": lambda ledger: ledger.breakdown("j3", "d3-100"),
}
BY_LOSS = "ix_evaluations_job_id_val_loss_seq_state_fidelity_latency_ms"
BY_LATENCY = "ix_evaluations_job_id_latency_ms_seq_state_fidelity_val_loss"
# Each index that serves a sorted page or a filter, so that none is there in vain.
SERVED_BY = {
    "page-by-loss": BY_LOSS,
    "page-by-loss-descending": BY_LOSS,
    "page-by-latency": BY_LATENCY,
    "page-of-failed": "ix_evaluations_job_id_state_seq",
    "count-failed": "ix_evaluations_job_id_state_seq",
}
# Pages whose rows are found, sorted and skipped in an index alone.
COVERED_BY = {"page-of-complete-within": BY_LOSS, "page-backwards-within": BY_LATENCY}
COVERS = {"sqlite": r"USING COVERING INDEX", "postgresql": r"Index Only Scan( Backward)? using"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A dozen jobs, one of which is asked about, with what the engine needs to know to plan."""
    database = EMPTY[request.param](request, tmp_path_factory.mktemp("plans"))
    with open_ledger(database) as ledger:
        for number in range(JOBS):
            fill(ledger, number)
        ledger.vacuum()
        yield ledger


def fill(ledger: Ledger, number: int) -> None:
    rng, job_id = Random(number), f"j{number}"
    objectives = ["val_loss", "latency_ms"]
    ledger.create_job(job_id=job_id, name="n", config={}, space={}, run_dir="r", objectives=objectives, priority=0)
    batch = [
        Evaluation(
            architecture={"of": i},
            digest=f"d{number}-{i}" if i else f"d{number}",
            fidelity="inherited",
            state="failed" if i % 50 == 7 else "complete",
            val_loss=None if i % 25 == 3 else rng.random(),
            latency_ms=rng.random(),
            param_count=rng.randrange(10**6),
        )
        for i in range(EACH)
    ]
    line = {"layer": "l", "op": "mm", "family": "gemm", "calls": 1, "latency_ms": 1.0, "measured": True}
    ledger.record(job_id, batch, {one.digest: {"prefill": [line, line]} for one in batch[:: 1 if number == 3 else 50]})
    with ledger._writing() as session:
        for one in batch[::5]:
            session.add(NoteRow(digest=one.digest, text="a note"))
            session.add(TagRow(digest=one.digest, tag="keep" if one is batch[0] else "drop"))


@contextmanager
def asked(ledger: Ledger) -> Iterator[list[tuple[str, object]]]:
    """The statements that go to the database meanwhile, with their parameters."""
    statements: list[tuple[str, object]] = []

    def note(connection: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
        statements.append((statement, parameters))

    event.listen(ledger._engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(ledger._engine, "before_cursor_execute", note)


def plan_of(ledger: Ledger, ask: Callable[[Ledger], object]) -> str:
    """What the engine says it will do for each statement of a question, in one text."""
    with asked(ledger) as statements:
        ask(ledger)
    engine = ledger._engine.dialect.name
    lines = []
    with ledger._engine.connect() as connection:
        for setting in AS_IF_LARGE[engine]:
            connection.exec_driver_sql(f"SET {setting} = off")
        for statement, parameters in statements:
            if statement.lstrip().startswith("SELECT"):
                rows = connection.exec_driver_sql(f"{PLAN[engine]} {statement}", parameters)  # type: ignore[arg-type]
                lines += [str(row[-1]) for row in rows]
    assert lines, "nothing was asked"
    return "\n".join(lines)


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_table_is_read_from_end_to_end(filled: Ledger, question: str) -> None:
    plan = plan_of(filled, QUESTIONS[question])
    assert not re.search(READS_ALL[filled._engine.dialect.name], plan), plan


@pytest.mark.parametrize("question", SERVED_BY)
def test_the_index_that_is_there_for_it_serves(filled: Ledger, question: str) -> None:
    plan = plan_of(filled, QUESTIONS[question])
    assert SERVED_BY[question] in plan, plan


@pytest.mark.parametrize("question", COVERED_BY)
def test_rows_that_a_page_passes_over_are_not_looked_at(filled: Ledger, question: str) -> None:
    plan = plan_of(filled, QUESTIONS[question])
    assert re.search(f"{COVERS[filled._engine.dialect.name]} {COVERED_BY[question]}", plan), plan


def test_a_claim_looks_where_jobs_wait(ledger: Ledger) -> None:
    for number in range(3):
        ledger.create_job(
            job_id=str(number), name="n", config={}, space={}, run_dir="r", objectives=["val_loss"], priority=number
        )
    assert "ix_jobs_state_priority_created_at" in plan_of(ledger, lambda ledger: ledger.claim_job("w", 1))
