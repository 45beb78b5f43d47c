"""Mixture of SwiGLU experts: y[n] = sum over k of weight[n, k] * expert[chosen[n, k]](x[n]), no token dropped.

`reference` defines it, `kernel` is Triton's way, `library` that of torch's grouped product, `by_expert` a CPU's.
"""

from .by_expert import enough_rows, sort_by_expert
from .operator import moe_mlp, moe_mlp_backend
from .reference import moe_mlp_reference

__all__ = ["enough_rows", "moe_mlp", "moe_mlp_backend", "moe_mlp_reference", "sort_by_expert"]
