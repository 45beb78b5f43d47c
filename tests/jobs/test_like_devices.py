"""A device of which little is known: imported from no, few or many measurements, and told apart from what is known."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import frontier_command

from frontier.db import Ledger, open_ledger
from frontier.errors import InputError
from frontier.jobs.kernel_tables import import_device
from frontier.jobs.latency import Answer, Question, price
from frontier.jobs.latency_text import latency_lines
from frontier.jobs.like_devices import import_like, propose_calls
from frontier.jobs.table_devices import fit_tables
from frontier.latency_models.table_models import regression
from frontier.latency_models.tables.reader import TableImport, read_import
from frontier.search_space import Architecture
from frontier.supernet import ModelShape
from frontier.terminal import TerminalReporter

SIZES = (16, 48, 64, 96, 160, 256, 400)
ROWS = (1, 8, 31, 64, 128, 512)
QUESTION = Question("prefill", 1, 128)
SHAPE = ModelShape(256, 128)
DECODER = Architecture.from_json(
    {
        "width": 160,
        "blocks": [
            {
                "token_mixer": {"kind": "attention", "num_heads": 4, "num_kv_heads": 2, "head_dim": 40},
                "channel_mixer": {"kind": "swiglu", "inner": 400},
            }
        ],
    }
)
RATES = {"new": {"teraflops": {"bfloat16": 4}, "gigabytes_per_second": 200}}
RATES["known"] = {"teraflops": {"bfloat16": 8}, "gigabytes_per_second": 400}


def products(slower: float = 1.0, device: str = "Example X1") -> pd.DataFrame:
    """A device on which a product takes 3 us and 1 us more per million operations."""
    rows = pd.DataFrame(product(ROWS, SIZES, SIZES), columns=["m", "n", "k"])
    noise = np.exp(0.02 * np.random.default_rng(0).standard_normal(len(rows)))
    rows["latency_us"] = slower * (3 + 2 * rows.m * rows.n * rows.k / 1e6) * noise
    return rows.assign(kind="gemm", device=device, runtime="law 1", dtype="bfloat16")


def read(folder: Path, rows: pd.DataFrame) -> TableImport:
    path = folder / f"{len(list(folder.iterdir()))}.csv"
    rows.to_csv(path, index=False)
    return read_import([path])


def rates_file(folder: Path, rates: Any = RATES) -> Path:
    path = folder / "rates.json"
    path.write_text(json.dumps(rates))
    return path


@pytest.fixture(scope="module")
def reporter() -> TerminalReporter:
    return TerminalReporter(quiet=True)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, reporter: TerminalReporter) -> Path:
    """A ledger that knows one device by its table."""
    folder = tmp_path_factory.mktemp("known")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("BASE", "CORRECTION"):
            growth = getattr(regression, name)
            patch.setattr(regression, name, replace(growth, rounds=growth.rounds // 4, rate=growth.rate * 2))
        with open_ledger(str(folder / "f.db")) as ledger:
            import_device(ledger, "known", read(folder, products()))
            fit_tables(ledger, "known", reporter)
    return folder / "f.db"


@pytest.fixture
def ledger(known: Path, tmp_path: Path) -> Iterator[Ledger]:
    copied = tmp_path / "f.db"
    copied.write_bytes(known.read_bytes())
    with open_ledger(str(copied)) as opened:
        yield opened


def priced(ledger: Ledger, device: str, reporter: TerminalReporter) -> Answer:
    return price(ledger, device, DECODER, SHAPE, QUESTION, reporter)


def matmul_ms(answer: Answer) -> float:
    return sum(part.latency_ms for part in answer.report.parts if part.name == "matmul")


def width(answer: Answer) -> float:
    return answer.report.high_ms / answer.report.low_ms


def test_data_sheets_alone_price_an_architecture(ledger: Ledger, tmp_path: Path, reporter: TerminalReporter) -> None:
    report = import_like(ledger, "new", "known", None, rates_file(tmp_path), reporter)
    assert (report.facts()["like"], report.kinds) == ("known", {})
    new, old = (priced(ledger, name, reporter) for name in ("new", "known"))
    assert 1.05 < matmul_ms(new) / matmul_ms(old) < 2.0
    assert width(new) > 1.5 * width(old)
    assert new.basis["kernels"] == "those of known, at the rates of both data sheets; measured here: nothing"
    assert "carried over" in "\n".join(latency_lines(new, "new", QUESTION))
    assert {part.source for part in new.report.parts if part.name == "matmul"} == {"transfer"}


@pytest.mark.parametrize("count", [10, 50])
def test_a_few_measurements_tell_how_much_slower_it_is(
    ledger: Ledger, tmp_path: Path, reporter: TerminalReporter, count: int
) -> None:
    few = products(2.5, "Example X2").sample(count, random_state=1)
    report = import_like(ledger, "new", "known", read(tmp_path, few), None, reporter)
    assert re.match(r"2\.\d+ times as long as on known", report.carried["gemm"])
    new, old = (priced(ledger, name, reporter) for name in ("new", "known"))
    assert matmul_ms(new) == pytest.approx(2.5 * matmul_ms(old), rel=0.1)
    assert f"measured here: {count} calls of gemm" in new.basis["kernels"]
    assert new.basis["hardware"] == "Example X2"
    products_of = [part for part in new.report.parts if part.name == "matmul"]
    assert {part.source for part in products_of} <= {"transfer", "measured"}


def test_what_was_measured_is_looked_up(ledger: Ledger, tmp_path: Path, reporter: TerminalReporter) -> None:
    rows = products(2.5)
    used = rows[(rows.m == 128) & rows.n.isin([160, 400]) & rows.k.isin([160, 400])].assign(latency_us=50.0)
    import_like(ledger, "new", "known", read(tmp_path, used), None, reporter)
    parts = [part for part in priced(ledger, "new", reporter).report.parts if part.source == "measured"]
    assert parts[0].latency_ms == pytest.approx(0.05 * parts[0].calls)


def test_many_measurements_stand_for_themselves(
    ledger: Ledger, tmp_path: Path, reporter: TerminalReporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frontier.jobs.like_devices.OWN_TABLE_FROM", 200)
    report = import_like(ledger, "new", "known", read(tmp_path, products(2.5)), None, reporter)
    fit_tables(ledger, "new", reporter)
    assert report.carried == {}
    assert {part.source for part in priced(ledger, "new", reporter).report.parts} <= {"table", "bytes", "measured"}


def test_calls_are_proposed_filled_in_and_imported(ledger: Ledger, tmp_path: Path, reporter: TerminalReporter) -> None:
    measured: list[pd.DataFrame] = []
    law = products(2.0, "Example X2").set_index(["m", "n", "k"])["latency_us"]
    for name, count in (("known", 30), ("first", 40)):
        calls = propose_calls(ledger, name, "gemm", count, "m <= 128", seed=0)
        assert len(calls) == count
        assert calls["m"].max() <= 128
        keys = list(zip(calls.m, calls.n, calls.k, strict=True))
        measured.append(calls.assign(device="Example X2", runtime="law 1", latency_us=law.loc[keys].to_numpy()))
        together = pd.concat(measured)
        assert not together.duplicated(["m", "n", "k"]).any()
        new = {"known": "first", "first": "second"}[name]
        import_like(ledger, new, "known", read(tmp_path, together), None, reporter)
    assert matmul_ms(priced(ledger, "second", reporter)) == pytest.approx(
        2.0 * matmul_ms(priced(ledger, "known", reporter)), rel=0.1
    )


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nobody": ({"like": "nobody"}, r"--like: a device of .* with kernel tables of its own; got 'nobody'"),
    "taken": ({"name": "known"}, r"device: must be new in .*; got 'known'"),
    "no rates": ({"rates": None}, "--rates: needed where no table is given"),
    "one device": (
        {"rates": {"new": RATES["new"]}},
        "the rates of new and known, both from their data sheets; got new",
    ),
    "a list": ({"rates": [1]}, r"the rates of new and known, both from their data sheets; got \[1\]"),
    "no memory": ({"rates": {**RATES, "new": {"teraflops": {"bfloat16": 4}}}}, "new: an object with teraflops, gigab"),
    "no type": (
        {"rates": {**RATES, "new": {"teraflops": {"float8": 4}, "gigabytes_per_second": 2}}},
        r"new.teraflops: rates of float32, .*; got \{'float8': 4\}",
    ),
    "negative": (
        {"rates": {**RATES, "new": {"teraflops": {"bfloat16": -4}, "gigabytes_per_second": 2}}},
        r"new.teraflops.bfloat16: a finite number above 0; got -4",
    ),
    "no rate": (
        {
            "rows": products().head(5),
            "rates": {name: {"teraflops": {"fp8": 4}, "gigabytes_per_second": 2} for name in RATES},
        },
        "gemm: a rate of bfloat16 on both devices, as it was measured; got none",
    ),
    "labels": (
        {"rows": products().head(5).assign(dtype="int8"), "rates": None},
        "gemm: dtype: one of bfloat16; got int8",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_whole(ledger: Ledger, tmp_path: Path, reporter: TerminalReporter, case: str) -> None:
    given, refusal = REFUSED[case]
    rates = given.get("rates", RATES)
    table = read(tmp_path, given["rows"]) if "rows" in given else None
    with pytest.raises(InputError, match=refusal):
        import_like(
            ledger,
            given.get("name", "new"),
            given.get("like", "known"),
            table,
            None if rates is None else rates_file(tmp_path, rates),
            reporter,
        )
    assert ledger.devices()["name"].tolist() == ["known"]


def test_a_device_is_not_like_one_that_is_like_another(
    ledger: Ledger, tmp_path: Path, reporter: TerminalReporter
) -> None:
    import_like(ledger, "new", "known", None, rates_file(tmp_path), reporter)
    with pytest.raises(InputError, match="with kernel tables of its own; got 'new'"):
        import_like(ledger, "newer", "new", read(tmp_path, products().head(3)), None, reporter)


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        (("nobody", "gemm", 5, None), r"DEVICE: one of .* with kernel tables; got 'nobody'"),
        (("known", "moe", 5, None), "--kind: one of gemm, of which known has a table; got 'moe'"),
        (("known", "gemm", 5, "m <"), "--where: a condition on m, n, k, dtype; got 'm <'"),
        (("known", "gemm", 295, None), "count: from 1 to the 294 calls that are not measured; got 295"),
    ],
    ids=["device", "kind", "where", "count"],
)
def test_bad_proposals_are_refused(ledger: Ledger, asked: tuple, refusal: str) -> None:
    with pytest.raises(InputError, match=refusal):
        propose_calls(ledger, *asked, seed=0)


def test_the_commands(known: Path, tmp_path: Path) -> None:
    db = tmp_path / "f.db"
    db.write_bytes(known.read_bytes())
    rates = rates_file(tmp_path)

    def say(*arguments: object) -> tuple[int, str]:
        process = frontier_command(*arguments, "--db", db)
        out, err = process.communicate(timeout=600)
        return process.returncode, out or err

    code, said = say("device", "import", "--name", "new", "--like", "known", "--rates", rates)
    assert code == 0, said
    assert re.search(r"^like +known$", said, re.MULTILINE)
    code, said = say("device", "propose", "new", "--count", 7, "--out", tmp_path / "calls.csv")
    assert code == 0, said
    assert len(pd.read_csv(tmp_path / "calls.csv")) == 7
    code, said = say("device", "import", "--name", "newer")
    assert (code, said.count("\n")) == (2, 1)
    assert "--like: needed without tables" in said
