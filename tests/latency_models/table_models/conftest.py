"""Small tables made from a known law: time over roofline depends smoothly on sizes, with noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from frontier.latency_models.table_models import Limits, TableModel, regression
from frontier.latency_models.tables import KINDS

NOISE = 0.03
FEWER_ROUNDS = 4

M = (1, 5, 16, 63, 130, 384, 1000, 3000)
NK = (63, 96, 160, 256, 520, 1000, 1536, 3000)


def law_us(rows: pd.DataFrame) -> np.ndarray:
    """2 us, and the larger of arithmetic and traffic; small matrices reach a part of the rates."""
    compute = 2.0 * rows.m * rows.n * rows.k / 500e6
    memory = 2.0 * (rows.m * rows.k + rows.k * rows.n + rows.m * rows.n) / 3e6
    share = rows.n / (rows.n + 100.0) * rows.k / (rows.k + 200.0)
    return (2.0 + np.maximum(compute, memory) / share).to_numpy(float)


def gemm_table(dtypes: tuple[str, ...] = ("bfloat16",), noise: float = NOISE, seed: int = 0) -> pd.DataFrame:
    rows = pd.MultiIndex.from_product([M, NK, NK, dtypes], names=["m", "n", "k", "dtype"]).to_frame(index=False)
    random = np.random.default_rng(seed)
    rows["runtime"] = "made 1.0 law"
    rows["latency_us"] = law_us(rows) * np.exp(noise * random.standard_normal(len(rows)))
    return rows.sample(frac=1, random_state=seed).reset_index(drop=True)


@pytest.fixture(scope="session", autouse=True)
def small_forests() -> Iterator[None]:
    """A smooth law needs few trees."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("BASE", "CORRECTION"):
            growth = getattr(regression, name)
            faster = replace(growth, rounds=growth.rounds // FEWER_ROUNDS, rate=growth.rate * FEWER_ROUNDS / 2, depth=5)
            patch.setattr(regression, name, faster)
        yield


@pytest.fixture(scope="session")
def gemm() -> pd.DataFrame:
    return gemm_table()


def attention_table(kind: str, windows: tuple[int, ...]) -> pd.DataFrame:
    """Attention that takes 3 us, and computes 200 and moves 2 million a microsecond; windows cost what they let see."""
    length = "seq_len" if kind == "prefill_attention" else "context"
    rows = pd.MultiIndex.from_product(
        [(1, 4), (16, 128, 600, 2048, 8192), (2, 4, 8, 16), (1, 2), (64,), windows],
        names=["batch", length, "num_heads", "num_kv_heads", "head_dim", "window"],
    ).to_frame(index=False)
    rows = rows.assign(dtype="bfloat16", kv_dtype="bfloat16", runtime="made 1.0 law")
    random = np.random.default_rng(0)
    law = 3.0 + KINDS[kind].flops(rows) / 200e6 + KINDS[kind].bytes(rows) / 2e6
    return rows.assign(latency_us=law * np.exp(NOISE * random.standard_normal(len(rows))))


def collective_table() -> pd.DataFrame:
    rows = pd.MultiIndex.from_product(
        [(2, 4, 8), [2**power + 1 for power in range(9, 28)], ("all_reduce",), ("float16",)],
        names=["num_gpus", "message_bytes", "op", "dtype"],
    ).to_frame(index=False)
    random = np.random.default_rng(0)
    law = 5.0 * rows.num_gpus**0.5 + rows.message_bytes / 2e5
    rows["runtime"] = "made 1.0 law"
    rows["latency_us"] = law * np.exp(NOISE * random.standard_normal(len(rows)))
    return rows


@pytest.fixture(scope="session")
def collective() -> pd.DataFrame:
    return collective_table()


@pytest.fixture(scope="session")
def attention() -> Callable[[str, tuple[int, ...]], TableModel]:
    """A model of a kind of attention by its table with these windows."""
    return cache(lambda kind, windows: TableModel.fit(KINDS[kind], attention_table(kind, windows), Limits(), seed=0))
