"""Which row of which kernel table a traced call would be: the operator's arguments read as a shape.

A table is about a kernel, whoever launches it, so the same shape is found from the call that a CPU, a GPU or fake
tensors dispatch.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

from ..calls import KernelCall


@dataclass(frozen=True)
class TableShape:
    """A call in the words of a kernel table: the kind's name, and the values of its shape and label columns."""

    kind: str
    columns: dict[str, int | str] = field(hash=False)


def table_shape(call: KernelCall) -> TableShape | None:
    """The row that a call would have in a kernel table; None for what no kind of table is about."""
    packet = call.op.rpartition(".")[0]
    return READERS[packet](json.loads(call.arguments)) if packet in READERS else None


def _matrix_product(first: int) -> Callable[[dict[str, Any]], TableShape]:
    """Reads (rows, inner) times (inner, columns), the operands standing at `first` and behind it."""

    def read(plain: dict[str, Any]) -> TableShape:
        left, right = plain["args"][first : first + 2]
        *rows, inner = left["tensor"]
        columns = right["tensor"][1] if len(right["tensor"]) == 2 else 1
        return TableShape("gemm", {"m": prod(rows), "n": columns, "k": inner, "dtype": left["dtype"]})

    return read


def _attention(plain: dict[str, Any]) -> TableShape | None:
    """One query per sequence is decoding. Tables of prefill are causal: nothing is said of images and of masks.

    An attention call of torch has no window.
    """
    query, key, _, *options = plain["args"]
    if query["tensor"][2] > 1 and True not in options:
        return None
    return _attention_row(query, key, window=0, context=key["tensor"][2])


def _window_attention(plain: dict[str, Any]) -> TableShape:
    """Causal attention of a compiled trace, told its window (see `windows`)."""
    return _attention_row(**plain)


def _attention_row(query: dict[str, Any], key: dict[str, Any], window: int, context: int) -> TableShape:
    (batch, num_heads, tokens, head_dim), (_, num_kv_heads, _, _) = query["tensor"], key["tensor"]
    heads = {"batch": batch, "num_heads": num_heads, "num_kv_heads": num_kv_heads, "head_dim": head_dim}
    columns = {**heads, "window": window, "dtype": query["dtype"], "kv_dtype": key["dtype"]}
    if tokens == 1:
        return TableShape("decode_attention", {**columns, "context": context})
    return TableShape("prefill_attention", {**columns, "seq_len": tokens})


def _experts(plain: dict[str, Any]) -> TableShape:
    """All experts of a layer on one device, with the load that a trained router comes nearest to."""
    x, gate, _, _, weight, _ = plain["args"]
    (num_experts, inner, hidden), (tokens, top_k) = gate["tensor"], weight["tensor"]
    sizes = {"tokens": tokens, "hidden": hidden, "inter": inner, "top_k": top_k, "num_experts": num_experts}
    return TableShape("moe", {**sizes, "tp": 1, "ep": 1, "dtype": x["dtype"], "distribution": "balanced"})


def _collective(op: str) -> Callable[[dict[str, Any]], TableShape]:
    """Wires move bytes, whatever they mean; tables are made with elements of two."""

    def read(plain: dict[str, Any]) -> TableShape:
        sizes = {"num_gpus": plain["num_gpus"], "message_bytes": plain["message_bytes"]}
        return TableShape("collective", {**sizes, "op": op, "dtype": "float16"})

    return read


READERS: dict[str, Callable[[dict[str, Any]], TableShape | None]] = {
    "aten.mm": _matrix_product(0),
    "aten.mv": _matrix_product(0),
    "aten.addmm": _matrix_product(1),
    "aten.addmv": _matrix_product(1),
    "aten._scaled_dot_product_flash_attention_for_cpu": _attention,
    "aten._scaled_dot_product_flash_attention": _attention,
    "aten._scaled_dot_product_efficient_attention": _attention,
    "aten._scaled_dot_product_cudnn_attention": _attention,
    "compiled.window_attention": _window_attention,
    "frontier.moe_mlp": _experts,
    "collective.all_reduce": _collective("all_reduce"),
    "collective.all_gather": _collective("all_gather"),
}
