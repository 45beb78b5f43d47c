"""Reading, writing and their gradients by the Triton kernels."""

from __future__ import annotations

import torch
from torch import Tensor

from .order import by_group
from .read import launch_read
from .weight import launch_weight_gradient
from .write import launch_write

DTYPES = (torch.float32, torch.float16, torch.bfloat16)


class ByTriton:
    """The choices of N tokens, (N, K), among the groups after the shared ones."""

    def __init__(self, chosen_NK: Tensor, groups: int, shared: int, group_size: int) -> None:
        self.chosen_NK = chosen_NK.contiguous()
        self.groups, self.shared, self.group_size = groups, shared, group_size

    def read(self, u_ND: Tensor, weight_OD: Tensor, multiplier_NA: Tensor) -> Tensor:
        return launch_read(u_ND, weight_OD, multiplier_NA, self.chosen_NK, self.shared, self.group_size)

    def read_backward(
        self, grad_h_NO: Tensor, u_ND: Tensor, weight_OD: Tensor, multiplier_NA: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        by = by_group(self.chosen_NK, self.groups)
        sizes = (self.shared, self.group_size)
        scaled = (u_ND, multiplier_NA)
        grad_u_ND, grad_multiplier_NA = launch_write(grad_h_NO, weight_OD.T, self.chosen_NK, by, *sizes, scaled)
        assert grad_multiplier_NA is not None
        choices = self.chosen_NK.shape[1]
        grad_weight_OD = launch_weight_gradient(u_ND, grad_h_NO, multiplier_NA, choices, by, *sizes, transposed=True)
        return grad_u_ND, grad_weight_OD, grad_multiplier_NA

    def write(self, a_NO: Tensor, weight_DO: Tensor) -> Tensor:
        by = by_group(self.chosen_NK, self.groups)
        return launch_write(a_NO, weight_DO, self.chosen_NK, by, self.shared, self.group_size)[0]

    def write_backward(self, grad_y_ND: Tensor, a_NO: Tensor, weight_DO: Tensor) -> tuple[Tensor, Tensor]:
        sizes = (self.shared, self.group_size)
        grad_a_NO = launch_read(grad_y_ND, weight_DO.T, None, self.chosen_NK, *sizes)
        by, choices = by_group(self.chosen_NK, self.groups), self.chosen_NK.shape[1]
        return grad_a_NO, launch_weight_gradient(grad_y_ND, a_NO, None, choices, by, *sizes, transposed=False)
