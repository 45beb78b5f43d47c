"""How well kernel tables are predicted: whole shapes held out, a frontier, few measurements, another device.

FRONTIER_KERNEL_TABLES=folder python benchmarks/latency_tables.py --part gemm_fp8 --part decode_attention --keep folds

With --keep the predictions of each fold stay in that folder: a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd
from provenance import provenance

from frontier.latency_models.table_models import (
    FewModel,
    Limits,
    TableModel,
    Transfer,
    choose,
    evaluate,
    limits_of,
    propose,
    report,
)
from frontier.latency_models.table_models.accuracy import by_part
from frontier.latency_models.table_models.evaluate import FOLDS, Figure, predict_fold
from frontier.latency_models.table_models.rates import Rates
from frontier.latency_models.tables import KINDS, TableKind
from frontier.latency_models.tables.reader import read_import

FOLDER = "FRONTIER_KERNEL_TABLES"
# Bfloat16 of an H200 by its data sheet, and the device that its fp8 stands for.
ONCE, TWICE = Rates({"bfloat16": 989.5e6}, 4.8e6), Rates({"bfloat16": 1979e6}, 9.6e6)
BATCH = 60
DTYPES = ("bfloat16", "fp8", "fp8_block")
CHOSEN = 300
# Enough rows to know an error by, where predicting all would take long.
TESTED = 4000


@dataclass(frozen=True)
class Given:
    """The tables by kind, what they do not say of their device, and where predictions are kept."""

    tables: dict[str, pd.DataFrame]
    limits: Limits
    seed: int
    keep: Path | None

    def in_folds(self, name: str, kind: TableKind, rows: pd.DataFrame) -> None:
        """Predict every row from whole shapes other than its own, and print how well."""
        parts = [self._fold(f"{name}-{self.seed}-{held}.parquet", kind, rows, held) for held in range(FOLDS)]
        predicted = pd.concat(parts)
        print(report([Figure(kind.name, part, found) for part, found in by_part(kind.labels, predicted)]), flush=True)

    def _fold(self, file: str, kind: TableKind, rows: pd.DataFrame, held: int) -> pd.DataFrame:
        if self.keep and (self.keep / file).is_file():
            return pd.read_parquet(self.keep / file)
        predicted = predict_fold(kind, rows, FOLDS, held, self.seed, self.limits)
        if self.keep:
            self.keep.mkdir(parents=True, exist_ok=True)
            predicted.to_parquet(self.keep / file)
        return predicted


def main() -> None:
    """Read the options, fit, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=PARTS, help="repeat for several; all if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the predictions of each fold")
    options = parser.parse_args()
    folder = os.environ.get(FOLDER)
    if not folder:
        print(f"{FOLDER} names no folder of kernel tables, so there is nothing to predict")
        return
    read = read_import(sorted(Path(folder).glob("*.parquet")), duplicates="drop")
    print(provenance(threads=1))
    print(f"tables    {read.device}, {', '.join(f'{kind} {len(rows)}' for kind, rows in read.frames.items())}")
    given = Given(read.frames, limits_of(read.device), options.seed, options.keep)
    for part in options.part or PARTS:
        started = time.process_time()
        print(f"\n{part}")
        PARTS[part](given)
        print(f"{time.process_time() - started:.0f} s of processor time", flush=True)


def gemm(dtype: str, given: Given) -> None:
    """Matrix products of a dtype, unseen (n, k)."""
    rows = given.tables["gemm"]
    given.in_folds(f"gemm_{dtype}", KINDS["gemm"], rows[rows["dtype"] == dtype])


def whole(kind: str, given: Given) -> None:
    """A table by its own whole shapes."""
    given.in_folds(kind, KINDS[kind], given.tables[kind])


def moe_split(given: Given) -> None:
    """Mixtures of experts, where another split over devices is another shape."""
    split = replace(KINDS["moe"], whole_shape=(*KINDS["moe"].whole_shape, "tp", "ep"))
    given.in_folds("moe_split", split, given.tables["moe"])


def frontier(given: Given) -> None:
    """Matrix products in bfloat16, n up to 8192 known, n = 65536 asked for."""
    rows = _bfloat16(given)
    rows = rows[(rows["n"] <= 8192) | (rows["n"] == 65536)]
    print(report(evaluate("gemm", rows, seed=given.seed, limits=given.limits, holdout="n > 8192")))


def chosen(given: Given) -> None:
    """300 matrix products in bfloat16, chosen and at random; the rest of the table, and its unseen (n, k) alone."""
    kind, rows = KINDS["gemm"], _bfloat16(given)
    calls = rows.drop(columns="latency_us")
    for number in range(given.seed, given.seed + 3):
        by_choice = choose(kind, calls, lambda asked: rows["latency_us"][asked.index], CHOSEN, number)
        for name, measured in (("chosen", by_choice), ("random", rows.sample(CHOSEN, random_state=number))):
            model = FewModel.fit(kind, measured)
            rest = rows.drop(index=measured.index)
            known = pd.MultiIndex.from_frame(measured[["n", "k"]])
            unseen = rest[~pd.MultiIndex.from_frame(rest[["n", "k"]]).isin(known)]
            print(f"{name} with seed {number}: {_said(model.predict_us, rest)}")
            print(f"    unseen (n, k) alone: {_said(model.predict_us, unseen)}", flush=True)


def transfer(given: Given) -> None:
    """A new device: what fp8 takes here stands in for another device's bfloat16, which is known.

    Its data sheet would promise twice the operations and twice the bytes of two-byte elements.
    """
    kind, known, table = KINDS["gemm"], _bfloat16(given), given.tables["gemm"]
    new = table[table["dtype"] == "fp8"].assign(dtype="bfloat16")
    other = TableModel.fit(kind, known, given.limits, given.seed)
    rest = new.sample(TESTED, random_state=given.seed)
    pool = new.drop(index=rest.index).reset_index(drop=True)
    for count in (0, 10, 50, 300):
        picked = {"random": pool.sample(count, random_state=given.seed)}
        if count:
            picked["proposed"] = _proposed(kind, pool, count, given.seed)
        for way, measured in picked.items():
            for said, rates in (("", None), (" and data sheets", (TWICE, ONCE))):
                found = rest.join(Transfer.fit(kind, other, measured, rates).predict(rest))
                covered = found["latency_us"].between(found["low_us"], found["high_us"]).mean()
                width = (found["high_us"] / found["low_us"]).median()
                print(
                    f"{count:4d} {way}{said}: {_said(lambda rows, found=found: found['time_us'], rest)},"
                    f" covered {covered:.1%}, high/low {width:.2f}",
                    flush=True,
                )
            if count:
                print(f"     {way}, without the other device: {_said(FewModel.fit(kind, measured).predict_us, rest)}")


def _proposed(kind: TableKind, pool: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """As a user would: the first calls spread out, the others told by those."""
    calls, measured = pool.drop(columns="latency_us"), pool.head(0)
    while len(measured) < count:
        batch = min(count - len(measured), BATCH)
        measured = pd.concat([measured, pool.loc[propose(kind, calls, measured, batch, seed).index]])
    return measured


def _bfloat16(given: Given) -> pd.DataFrame:
    table = given.tables["gemm"]
    return table[table["dtype"] == "bfloat16"].reset_index(drop=True)


def _said(predict_us: Callable[[pd.DataFrame], object], rows: pd.DataFrame) -> str:
    error = (predict_us(rows) / rows["latency_us"] - 1).abs()
    return f"median {error.median():.2%}, p90 {error.quantile(0.9):.2%}, MAPE {error.mean():.2%}"


PARTS: dict[str, Callable[[Given], None]] = {
    **{f"gemm_{dtype}": partial(gemm, dtype) for dtype in DTYPES},
    **{kind: partial(whole, kind) for kind in KINDS if kind != "gemm"},
    "moe_split": moe_split,
    "frontier": frontier,
    "chosen": chosen,
    "transfer": transfer,
}


if __name__ == "__main__":
    main()
