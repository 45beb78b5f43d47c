"""What reading and writing groups of the hidden dimension means: dense products with everything else at zero."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def mohd_read_reference(
    u_ND: Tensor, weight_OD: Tensor, multiplier_NA: Tensor, chosen_NK: Tensor, shared: int, group_size: int
) -> Tensor:
    """The dense product of the input with everything outside a token's groups at zero."""
    groups = u_ND.shape[1] // group_size
    scale_NG = F.pad(multiplier_NA[:, :shared], (0, groups - shared))
    scale_NG = scale_NG.scatter(1, chosen_NK, multiplier_NA[:, shared:])
    return F.linear(u_ND * scale_NG.repeat_interleave(group_size, dim=1), weight_OD)


def mohd_write_reference(a_NO: Tensor, weight_DO: Tensor, chosen_NK: Tensor, shared: int, group_size: int) -> Tensor:
    """The dense product with every column outside a token's groups set to zero."""
    y_ND = F.linear(a_NO, weight_DO)
    active_NG = y_ND.new_zeros(len(y_ND), y_ND.shape[1] // group_size)
    active_NG[:, :shared] = 1
    active_NG = active_NG.scatter(1, chosen_NK, 1)
    return y_ND * active_NG.repeat_interleave(group_size, dim=1)
