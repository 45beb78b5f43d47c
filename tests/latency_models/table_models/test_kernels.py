"""Kernel times of an imported device: rows are looked up, shapes between them predicted, all else priced by traffic."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from frontier.errors import InputError
from frontier.latency_models import KernelCall, Tracer, Workload
from frontier.latency_models.families import FUSED
from frontier.latency_models.predicting.table_shapes import table_shape
from frontier.latency_models.predicting.tensor_parallel import collective
from frontier.latency_models.table_models import Limits, TableModel
from frontier.latency_models.table_models.kernels import BLIND, NEAR_ROOFLINE, REPEATED, TableKernels
from frontier.latency_models.tables import KINDS
from frontier.search_space import Architecture
from frontier.supernet import ModelShape


@pytest.fixture(scope="module")
def kernels(gemm: pd.DataFrame) -> TableKernels:
    return TableKernels({"gemm": TableModel.fit(KINDS["gemm"], gemm, Limits(), 0)})


def product(m: int, n: int, k: int, dtype: str = "bfloat16") -> KernelCall:
    def matrix(rows: int, columns: int) -> str:
        return f'{{"dtype":"{dtype}","stride":[{columns},1],"tensor":[{rows},{columns}]}}'

    arguments = f'{{"args":[{matrix(m, k)},{matrix(k, n)}],"kwargs":{{}}}}'
    return KernelCall("aten.mm.default", "matmul", arguments, 2 * m * n * k, 2 * (m * k + k * n + m * n))


def traced(block: dict, workload: Workload) -> list[KernelCall]:
    architecture = Architecture.from_json({"width": 64, "blocks": [block]})
    tracer = Tracer(ModelShape(256, 40), dtype=torch.bfloat16, compiled=True)
    return [one.call for one in tracer.calls(architecture, workload)]


ATTENTION = {"kind": "attention", "num_heads": 4, "num_kv_heads": 2, "head_dim": 16}
SWIGLU = {"kind": "swiglu", "inner": 96}


def test_traced_calls_are_read_as_rows() -> None:
    block = {"token_mixer": ATTENTION, "channel_mixer": SWIGLU}
    found = [shape for call in traced(block, Workload("prefill", 3, 7)) if (shape := table_shape(call))]
    assert {"m": 21, "n": 96, "k": 64, "dtype": "bfloat16"} in [one.columns for one in found]
    (attention,) = (one for one in found if one.kind == "prefill_attention")
    assert attention.columns == {
        "batch": 3, "seq_len": 7, "num_heads": 4, "num_kv_heads": 2, "head_dim": 16, "window": 0,
        "dtype": "bfloat16", "kv_dtype": "bfloat16",
    }  # fmt: skip
    decoding = [table_shape(call) for call in traced(block, Workload("decode", 3, 7))]
    (attention,) = (one for one in decoding if one and one.kind == "decode_attention")
    assert (attention.columns["batch"], attention.columns["context"]) == (3, 8)


def test_experts_are_read_as_a_row() -> None:
    experts = {"kind": "moe", "num_experts": 5, "top_k": 2, "inner": 32}
    calls = traced({"token_mixer": ATTENTION, "channel_mixer": experts}, Workload("prefill", 3, 7))
    (found,) = (shape for call in calls if (shape := table_shape(call)) and shape.kind == "moe")
    sizes = {"tokens": 21, "hidden": 64, "inter": 32, "top_k": 2, "num_experts": 5, "tp": 1, "ep": 1}
    assert found.columns == {**sizes, "dtype": "bfloat16", "distribution": "balanced"}


@pytest.mark.parametrize("compiled", [True, False])
def test_a_window_is_read_where_it_is_told(compiled: bool) -> None:
    block = {"token_mixer": {**ATTENTION, "window": 3}, "channel_mixer": SWIGLU}
    tracer = Tracer(ModelShape(256, 40), dtype=torch.bfloat16, compiled=compiled)
    calls = tracer.calls(Architecture.from_json({"width": 64, "blocks": [block]}), Workload("prefill", 1, 30))
    (attention,) = (one.call for one in calls if one.call.family == "attention")
    found = table_shape(attention)
    # Run as it is, the model hands a mask to a kernel that no table is about.
    assert (found is not None) == compiled
    if found:
        assert (found.columns["window"], found.columns["seq_len"]) == (3, 30)


def test_rows_have_the_columns_of_their_kind() -> None:
    block = {"token_mixer": ATTENTION, "channel_mixer": {"kind": "moe", "num_experts": 5, "top_k": 2, "inner": 32}}
    calls = [*traced(block, Workload("prefill", 3, 7)), *traced(block, Workload("decode", 3, 7))]
    calls += [collective(op, 4096, 2, "bfloat16") for op in ("all_reduce", "all_gather")]
    shapes = [shape for call in calls if (shape := table_shape(call))]
    assert {shape.kind for shape in shapes} == set(KINDS) - {"mamba2"}
    for shape in shapes:
        assert set(shape.columns) == set(KINDS[shape.kind].call)


def test_a_row_is_looked_up(kernels: TableKernels, gemm: pd.DataFrame) -> None:
    row = gemm.iloc[17]
    found = kernels.time(product(int(row["m"]), int(row["n"]), int(row["k"])))
    assert (found.time_us, found.source, found.measured) == (row["latency_us"], "measured", True)
    assert found.high_us / found.time_us - 1 == pytest.approx(REPEATED)


def test_shapes_between_rows_are_predicted(kernels: TableKernels) -> None:
    found = kernels.time(product(200, 300, 400))
    smaller, larger = (kernels.time(product(m, n, k)).time_us for m, n, k in ((130, 256, 256), (384, 520, 520)))
    assert smaller < found.time_us < larger
    assert found.low_us < found.time_us < found.high_us
    assert (found.source, found.measured, found.extrapolates) == ("table", False, False)
    assert kernels.time(product(200, 300, 40_000)).extrapolates


def test_what_no_table_is_about_is_priced_by_what_it_moves(kernels: TableKernels) -> None:
    near, far = (KernelCall(f"x.{n}.default", family, "{}", 0, 3_000_000) for n, family in enumerate((FUSED, "scan")))
    for call, factor in ((near, NEAR_ROOFLINE), (far, BLIND)):
        found = kernels.time(call)
        assert found.source == "bytes"
        assert found.high_us / found.time_us == pytest.approx(factor)
        assert found.time_us / found.low_us == pytest.approx(factor)
        # The law moves 3 MB a microsecond and takes 2 us before.
        assert found.time_us == pytest.approx(3.0, rel=0.3)


def test_other_types_than_those_measured_are_priced_by_what_they_move(kernels: TableKernels) -> None:
    assert kernels.time(product(130, 256, 256, "float32")).source == "bytes"


def test_together_is_as_one_by_one(gemm: pd.DataFrame) -> None:
    model = TableModel.fit(KINDS["gemm"], gemm, Limits(), 0)
    together, alone = TableKernels({"gemm": model}), TableKernels({"gemm": model})
    calls = [product(m, 300, 400) for m in (1, 63, 200, 1000)]
    assert together.times([*calls, *calls]) == [alone.time(call) for call in (*calls, *calls)]


def test_without_matrix_products_nothing_can_be_priced() -> None:
    with pytest.raises(InputError, match="tables: one of gemm is needed; got none"):
        TableKernels({})
