"""The families of regressions, by kind of table."""

from __future__ import annotations

from .attention import DECODE_ATTENTION, PREFILL_ATTENTION
from .collective import COLLECTIVE
from .family import Family
from .gemm import GEMM
from .mamba2 import MAMBA2
from .moe import MOE

FAMILIES: dict[str, Family] = {
    "gemm": GEMM,
    "prefill_attention": PREFILL_ATTENTION,
    "decode_attention": DECODE_ATTENTION,
    "moe": MOE,
    "mamba2": MAMBA2,
    "collective": COLLECTIVE,
}
