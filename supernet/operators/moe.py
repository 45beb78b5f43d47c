"""Mixture of SwiGLU experts.  N tokens, D width, E experts, F inner size of an expert, K experts per token."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...kernels.moe_mlp import moe_mlp
from ...search_space.operators import MoE
from ..routing import Router


class MoEModule(nn.Module):
    axes = {
        "router.weight": ("num_experts", "width"),
        "gate_EFD": ("num_experts", "inner", "width"),
        "up_EFD": ("num_experts", "inner", "width"),
        "down_EDF": ("num_experts", "width", "inner"),
        "shared_gate.weight": ("shared_inner", "width"),
        "shared_up.weight": ("shared_inner", "width"),
        "shared_down.weight": ("width", "shared_inner"),
    }

    def __init__(self, spec: MoE, width: int) -> None:
        super().__init__()
        self.router = Router(width, spec.num_experts, spec.top_k)
        self.gate_EFD = uniform_experts(spec.num_experts, spec.inner, width)
        self.up_EFD = uniform_experts(spec.num_experts, spec.inner, width)
        self.down_EDF = uniform_experts(spec.num_experts, width, spec.inner)
        self.shared_inner = spec.shared_inner
        if spec.shared_inner:
            self.shared_gate = nn.Linear(width, spec.shared_inner, bias=False)
            self.shared_up = nn.Linear(width, spec.shared_inner, bias=False)
            self.shared_down = nn.Linear(spec.shared_inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        routing = self.router(x)
        weight_NK = routing.probabilities_NE.gather(1, routing.chosen_NK)
        if self.router.top_k > 1:
            weight_NK = weight_NK / weight_NK.sum(dim=1, keepdim=True)
        y_ND = moe_mlp(
            x.flatten(0, -2), self.gate_EFD, self.up_EFD, self.down_EDF, weight_NK.to(x.dtype), routing.chosen_NK
        )
        y = y_ND.view(x.shape)
        if not self.shared_inner:
            return y
        return y + self.shared_down(F.silu(self.shared_gate(x)) * self.shared_up(x))


def uniform_experts(experts: int, outputs: int, inputs: int) -> nn.Parameter:
    """Weights of many linear maps, each as `nn.Linear` would begin it."""
    return nn.Parameter(torch.empty(experts, outputs, inputs).uniform_(-(inputs**-0.5), inputs**-0.5))
