"""Published kernel tables: what kinds there are, and how files of them are read.

It needs pandas and pyarrow, which a machine that only measures need not have: nothing imports it but who reads tables.
"""

from __future__ import annotations

from .collective import COLLECTIVE
from .decode_attention import DECODE_ATTENTION
from .gemm import GEMM
from .kind import Derived, TableKind
from .mamba2 import MAMBA2
from .moe import MOE
from .prefill_attention import PREFILL_ATTENTION

# One line per kind; a table's header and its op_name tell which of them it is.
KINDS: dict[str, TableKind] = {
    kind.name: kind for kind in (GEMM, PREFILL_ATTENTION, DECODE_ATTENTION, MOE, MAMBA2, COLLECTIVE)
}

__all__ = ["KINDS", "Derived", "TableKind"]
