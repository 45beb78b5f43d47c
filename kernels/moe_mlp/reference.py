"""The definition of a mixture of experts.

N tokens, D width, E experts, F inner size of an expert, K experts per token.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def moe_mlp_reference(
    x_ND: Tensor, gate_EFD: Tensor, up_EFD: Tensor, down_EDF: Tensor, weight_NK: Tensor, chosen_NK: Tensor
) -> Tensor:
    """Every expert on the tokens that chose it, weighted and added up."""
    y_ND = torch.zeros_like(x_ND)
    for expert in range(len(gate_EFD)):
        token, place = (chosen_NK == expert).nonzero(as_tuple=True)
        x = x_ND[token]
        inner = F.silu(F.linear(x, gate_EFD[expert])) * F.linear(x, up_EFD[expert])
        y = F.linear(inner, down_EDF[expert]) * weight_NK[token, place].unsqueeze(1)
        y_ND = y_ND.index_add(0, token, y.to(y_ND.dtype))
    return y_ND
