"""Mamba-2: a state space model with one decay per head.

B batch, T tokens, D width, H heads, P head size, G groups, N state size, K convolution size, C = H P + 2 G N channels.
The paper's X, B and C are here the value, the key and the query of decayed linear attention, z is the gate.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...kernels.causal_conv1d import causal_conv1d, causal_conv1d_step
from ...kernels.ssd_chunk_scan import ssd_chunk_scan, ssd_step
from ...search_space.operators import Mamba2

RATE_RANGE = (1.0, 16.0)
TIME_STEP_RANGE = (0.001, 0.1)
# Two irrational steps whose multiples fill the unit square evenly, whichever head comes last.
SPREAD = (0.754878, 0.569840)
GATED_NORM_EPS = 1e-6


class Mamba2Module(nn.Module):
    axes = {
        "gate.weight": ("num_heads head_dim", "width"),
        "value.weight": ("num_heads head_dim", "width"),
        "key.weight": ("num_groups state_dim", "width"),
        "query.weight": ("num_groups state_dim", "width"),
        "time_step.weight": ("num_heads", "width"),
        "value_filter_CK": ("num_heads head_dim", "conv_size:last"),
        "key_filter_CK": ("num_groups state_dim", "conv_size:last"),
        "query_filter_CK": ("num_groups state_dim", "conv_size:last"),
        "time_step_bias_H": ("num_heads",),
        "log_rate_H": ("num_heads",),
        "skip_H": ("num_heads",),
        "gated_norm.weight": ("num_heads head_dim",),
        "output.weight": ("width", "num_heads head_dim"),
    }
    reads = ("gate", "value", "key", "query", "time_step")
    writes = ("output",)

    def __init__(self, spec: Mamba2, width: int, context: int) -> None:
        super().__init__()
        self.num_heads = spec.num_heads
        self.num_groups = spec.num_groups
        inner, shared = spec.num_heads * spec.head_dim, spec.num_groups * spec.state_dim
        self.sizes = (inner, shared, shared)
        self.gate = nn.Linear(width, inner, bias=False)
        self.value = nn.Linear(width, inner, bias=False)
        self.key = nn.Linear(width, shared, bias=False)
        self.query = nn.Linear(width, shared, bias=False)
        self.time_step = nn.Linear(width, spec.num_heads, bias=False)
        scale = spec.conv_size**-0.5
        self.value_filter_CK = nn.Parameter(torch.randn(inner, spec.conv_size) * scale)
        self.key_filter_CK = nn.Parameter(torch.randn(shared, spec.conv_size) * scale)
        self.query_filter_CK = nn.Parameter(torch.randn(shared, spec.conv_size) * scale)
        rate_H, time_step_H = spread_over_heads(spec.num_heads)
        self.time_step_bias_H = nn.Parameter(time_step_H.expm1().log())  # whose softplus is the time step
        self.log_rate_H = nn.Parameter(rate_H.log())
        self.skip_H = nn.Parameter(torch.ones(spec.num_heads))
        self.gated_norm = nn.RMSNorm(inner, eps=GATED_NORM_EPS)
        self.output = nn.Linear(inner, width, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        mixed_BTC = causal_conv1d(self.projected(x_BTD), self.filter(), silu=True)
        v_BTHP, k_BTGN, q_BTGN = self.by_head(mixed_BTC)
        y_BTHP, _ = ssd_chunk_scan(v_BTHP, k_BTGN, q_BTGN, self.time_steps(x_BTD), -self.log_rate_H.exp(), self.skip_H)
        return self.finish(y_BTHP, self.gate(x_BTD))

    def init_state(self, batch_size: int) -> dict:
        """The last K - 1 inputs of the filters, oldest first, and every head's state."""
        weight, (inner, shared, _) = self.value_filter_CK, self.sizes
        recent = (batch_size, weight.shape[1] - 1, inner + 2 * shared)
        state = (batch_size, self.num_heads, shared // self.num_groups, inner // self.num_heads)
        return {
            "recent": torch.zeros(recent, dtype=weight.dtype, device=weight.device),
            "state": torch.zeros(state, dtype=torch.float32, device=weight.device),
        }

    def step(self, x_BD: Tensor, state: dict) -> tuple[Tensor, dict]:
        mixed_BC, recent_BKC = causal_conv1d_step(self.projected(x_BD), self.filter(), state["recent"], silu=True)
        v_BHP, k_BGN, q_BGN = self.by_head(mixed_BC)
        y_BHP, state_BHNP = ssd_step(
            v_BHP, k_BGN, q_BGN, self.time_steps(x_BD), -self.log_rate_H.exp(), state["state"], self.skip_H
        )
        return self.finish(y_BHP, self.gate(x_BD)), {"recent": recent_BKC, "state": state_BHNP}

    def projected(self, x: Tensor) -> Tensor:
        """(..., D) to the (..., C) inputs of the filters: value, key, query."""
        return torch.cat((self.value(x), self.key(x), self.query(x)), dim=-1)

    def filter(self) -> Tensor:
        """The filters of all channels, (C, K)."""
        return torch.cat((self.value_filter_CK, self.key_filter_CK, self.query_filter_CK))

    def by_head(self, mixed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(..., C) to values (..., H, P), and keys and queries (..., G, N)."""
        value, key, query = mixed.split(self.sizes, dim=-1)
        shared = (part.unflatten(-1, (self.num_groups, -1)) for part in (key, query))
        return value.unflatten(-1, (self.num_heads, -1)), *shared

    def time_steps(self, x: Tensor) -> Tensor:
        """(..., D) to (..., H), positive."""
        return F.softplus(self.time_step(x) + self.time_step_bias_H)

    def finish(self, y: Tensor, gate: Tensor) -> Tensor:
        """The gate on every head's output (..., H, P), then the norm, then the output projection."""
        return self.output(self.gated_norm(y.flatten(-2) * F.silu(gate)))


def spread_over_heads(num_heads: int) -> tuple[Tensor, Tensor]:
    """A rate, uniform in its range, and a time step, log-uniform in its, per head: the first heads span them all."""
    first_H, second_H = ((0.5 + step * torch.arange(num_heads)) % 1 for step in SPREAD)
    (slow, fast), (least, most) = RATE_RANGE, TIME_STEP_RANGE
    return slow + (fast - slow) * first_H, least * (second_H * math.log(most / least)).exp()
