"""Collectives between the GPUs of one machine.

`message_bytes` is the whole message: what all-reduce adds up, what all-gather leaves on every GPU, what reduce-scatter
and all-to-all start from on each.
"""

from __future__ import annotations

import pandas as pd

from .dtypes import DTYPE_WORDS, element_bytes
from .kind import Derived, TableKind

OPS = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all")


def flops(rows: pd.DataFrame) -> pd.Series[float]:
    """None are counted: the wire decides."""
    return pd.Series(0.0, index=rows.index)


def wire_bytes(rows: pd.DataFrame) -> pd.Series[float]:
    """What each GPU sends over the ring: all-reduce goes around twice, the others once."""
    turns = (rows["op"] == "all_reduce") + 1.0
    return turns * (rows.num_gpus - 1) / rows.num_gpus * rows.message_bytes


def _message_bytes(rows: pd.DataFrame) -> pd.Series[int]:
    """Published sizes count elements: 2^28 of two bytes take as long as 2^29 of one."""
    return (rows["message_size"] * element_bytes(rows["dtype"])).astype("int64")


COLLECTIVE = TableKind(
    name="collective",
    shape=("num_gpus", "message_bytes"),
    labels=("op", "dtype"),
    published={
        "num_gpus": "num_gpus",
        "message_bytes": Derived(("message_size",), _message_bytes),
        "op": "op_name",
        "dtype": "nccl_dtype",
    },
    op_names=(*OPS, "alltoall"),
    whole_shape=("op", "num_gpus", "message_bytes"),
    flops=flops,
    bytes=wire_bytes,
    words={"op": {**{op: op for op in OPS}, "alltoall": "all_to_all"}, "dtype": DTYPE_WORDS},
    least={"num_gpus": 2},
)
