"""How well kernel tables are predicted: whole shapes held out, a frontier, few measurements, another device.

FRONTIER_KERNEL_TABLES=folder python benchmarks/latency_tables.py --part gemm --part attention
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
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
    report,
)
from frontier.latency_models.table_models.accuracy import by_part
from frontier.latency_models.table_models.evaluate import Figure, predict_folds
from frontier.latency_models.tables import KINDS
from frontier.latency_models.tables.reader import read_import

FOLDER = "FRONTIER_KERNEL_TABLES"
CHOSEN = 300
# Enough rows to know an error by, where predicting all would take long.
TESTED = 4000

Tables = dict[str, pd.DataFrame]


def main() -> None:
    """Read the options, fit, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=PARTS, help="repeat for several; all if not given")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = os.environ.get(FOLDER)
    if not folder:
        print(f"{FOLDER} names no folder of kernel tables, so there is nothing to predict")
        return
    read = read_import(sorted(Path(folder).glob("*.parquet")), duplicates="drop")
    print(provenance(threads=1))
    print(f"tables    {read.device}, {', '.join(f'{kind} {len(rows)}' for kind, rows in read.frames.items())}")
    for part in options.part or PARTS:
        started = time.process_time()
        print(f"\n{PARTS[part].__doc__}")
        PARTS[part](read.frames, limits_of(read.device), options.seed)
        print(f"{time.process_time() - started:.0f} s of processor time", flush=True)


def gemm(tables: Tables, limits: Limits, seed: int) -> None:
    """Matrix products, unseen (n, k), by dtype."""
    for dtype, rows in tables["gemm"].groupby("dtype"):
        print(dtype)
        print(report(evaluate("gemm", rows, seed=seed, limits=limits)), flush=True)


def attention(tables: Tables, limits: Limits, seed: int) -> None:
    """Attention, unseen (heads, key and value heads, head width, window, cache type)."""
    for kind in ("prefill_attention", "decode_attention"):
        print(report(evaluate(kind, tables[kind], seed=seed, limits=limits)), flush=True)


def moe(tables: Tables, limits: Limits, seed: int) -> None:
    """Mixtures of experts, unseen configurations: first with how they are split over devices, then without."""
    split = replace(KINDS["moe"], whole_shape=(*KINDS["moe"].whole_shape, "tp", "ep"))
    for kind in (split, KINDS["moe"]):
        print(f"held out together: {', '.join(kind.whole_shape)}")
        predicted = predict_folds(kind, tables["moe"], 5, seed, limits)
        print(report([Figure("moe", part, found) for part, found in by_part(kind.labels, predicted)]), flush=True)


def small(tables: Tables, limits: Limits, seed: int) -> None:
    """Small tables: collectives and Mamba-2."""
    for kind in ("collective", "mamba2"):
        print(report(evaluate(kind, tables[kind], seed=seed, limits=limits)), flush=True)


def frontier(tables: Tables, limits: Limits, seed: int) -> None:
    """Matrix products in bfloat16, n up to 8192 known, n = 65536 asked for."""
    rows = _bfloat16(tables)
    rows = rows[(rows["n"] <= 8192) | (rows["n"] == 65536)]
    print(report(evaluate("gemm", rows, seed=seed, limits=limits, holdout="n > 8192")))


def chosen(tables: Tables, limits: Limits, seed: int) -> None:
    """300 matrix products in bfloat16, chosen and at random; the rest of the table, and its unseen (n, k) alone."""
    kind, rows = KINDS["gemm"], _bfloat16(tables)
    calls = rows.drop(columns="latency_us")
    for number in range(seed, seed + 3):
        by_choice = choose(kind, calls, lambda asked: rows["latency_us"][asked.index], CHOSEN, number)
        for name, measured in (("chosen", by_choice), ("random", rows.sample(CHOSEN, random_state=number))):
            model = FewModel.fit(kind, measured)
            rest = rows.drop(index=measured.index)
            known = pd.MultiIndex.from_frame(measured[["n", "k"]])
            unseen = rest[~pd.MultiIndex.from_frame(rest[["n", "k"]]).isin(known)]
            print(f"{name} with seed {number}: {_said(model.predict_us, rest)}")
            print(f"    unseen (n, k) alone: {_said(model.predict_us, unseen)}", flush=True)


def transfer(tables: Tables, limits: Limits, seed: int) -> None:
    """A new device: what fp8 takes here stands in for another device's bfloat16, which is known."""
    known, table = _bfloat16(tables), tables["gemm"]
    new = table[table["dtype"] == "fp8"].assign(dtype="bfloat16")
    other = TableModel.fit(KINDS["gemm"], known, limits, seed)
    rest = new.sample(TESTED, random_state=seed)
    pool = new.drop(index=rest.index)
    for count in (0, 10, 50, 300):
        measured = pool.sample(count, random_state=seed)
        moved = Transfer.fit(KINDS["gemm"], other, measured)
        alone = (
            f"; without the other device: {_said(FewModel.fit(KINDS['gemm'], measured).predict_us, rest)}"
            if count
            else ""
        )
        print(f"{count:4d} measured: {_said(moved.predict_us, rest)}{alone}", flush=True)


def _bfloat16(tables: Tables) -> pd.DataFrame:
    table = tables["gemm"]
    return table[table["dtype"] == "bfloat16"].reset_index(drop=True)


def _said(predict_us: Callable[[pd.DataFrame], object], rows: pd.DataFrame) -> str:
    error = (predict_us(rows) / rows["latency_us"] - 1).abs()
    return f"median {error.median():.2%}, p90 {error.quantile(0.9):.2%}, MAPE {error.mean():.2%}"


PARTS = {part.__name__: part for part in (gemm, attention, moe, small, frontier, chosen, transfer)}


if __name__ == "__main__":
    main()
