"""The experts through torch's grouped product, `torch.nn.functional.grouped_mm`, in the order of the experts.

N tokens, D width, E experts, F inner size of an expert, K choices per token, M = N K choices.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.functional import grouped_mm

from ..grouping import Grouped
from .by_expert import inner_gradients

ALIGNMENT_BYTES = 16
# What its preparing kernel holds in one block of threads.
MOST_EXPERTS = 1023


def fits(x_ND: Tensor, *weights: Tensor) -> bool:
    """Whether torch multiplies these by its fast kernel: bfloat16 on Hopper, every row at a multiple of 16 bytes.

    Before Hopper it loops over experts and waits for the device. On Blackwell it gave experts without tokens a
    gradient that is not zero (pytorch issue 172439).
    """
    if not x_ND.is_cuda or x_ND.dtype != torch.bfloat16 or torch.cuda.get_device_capability(x_ND.device)[0] != 9:
        return False
    # Buffers of ours have rows of D and of F entries.
    rows = ALIGNMENT_BYTES // x_ND.element_size()
    return len(weights[0]) <= MOST_EXPERTS and all(
        weight.stride(2) == 1
        and weight.data_ptr() % ALIGNMENT_BYTES == 0
        and not any(size % rows for size in (*weight.shape[1:], *weight.stride()[:2]))
        for weight in weights
    )


def forward(x_ND: Tensor, gate_EFD: Tensor, up_EFD: Tensor, down_EDF: Tensor, groups: Grouped, choices: int) -> Tensor:
    """What the experts say, unweighted, in the order of the experts: (M, D)."""
    ends_E = groups.begins_G1[1:]
    x_MD = x_ND.index_select(0, groups.order_M // choices)
    inner_MF = F.silu(grouped_mm(x_MD, gate_EFD.mT, offs=ends_E)) * grouped_mm(x_MD, up_EFD.mT, offs=ends_E)
    return grouped_mm(inner_MF, down_EDF.mT, offs=ends_E)


def backward(
    grad_y_ND: Tensor,
    x_ND: Tensor,
    gate_EFD: Tensor,
    up_EFD: Tensor,
    down_EDF: Tensor,
    weight_NK: Tensor,
    groups: Grouped,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of x and weight in the order of the experts, (M, D) and (M,), and between them gate, up and down."""
    ends_E, token_M = groups.begins_G1[1:], groups.order_M // weight_NK.shape[1]
    x_MD, grad_y_MD = x_ND.index_select(0, token_M), grad_y_ND.index_select(0, token_M)
    weight_M1 = weight_NK.flatten()[groups.order_M].unsqueeze(1)
    gate_MF, up_MF = grouped_mm(x_MD, gate_EFD.mT, offs=ends_E), grouped_mm(x_MD, up_EFD.mT, offs=ends_E)
    grad_inner_MF = grouped_mm(grad_y_MD, down_EDF, offs=ends_E)
    inner_MF, grad_gate_MF, grad_up_MF, grad_weight_M = inner_gradients(gate_MF, up_MF, grad_inner_MF, weight_M1)
    grad_x_MD = grouped_mm(grad_gate_MF, gate_EFD, offs=ends_E)
    grad_x_MD += grouped_mm(grad_up_MF, up_EFD, offs=ends_E)
    return (
        grad_x_MD,
        grouped_mm(grad_gate_MF.T, x_MD, offs=ends_E),
        grouped_mm(grad_up_MF.T, x_MD, offs=ends_E),
        grouped_mm(grad_y_MD.T, inner_MF, offs=ends_E),
        grad_weight_M,
    )
