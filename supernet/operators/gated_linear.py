"""Gated linear attention with one decay per head and token, a norm per head and an output gate.

B batch, T tokens, D width, H heads, K head size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...kernels.linear_attention_chunk import linear_attention_chunk, linear_attention_step
from ...search_space.operators import GatedLinearAttention

# The decay's logarithm is divided by this, so that a head can remember hundreds of tokens (arXiv 2312.06635).
DECAY_TEMPERATURE = 16.0
DECAY_BIAS_RANGE = (-1.0, 5.0)
GOLDEN_RATIO = 0.618034
HEAD_NORM_EPS = 1e-5


class GatedLinearAttentionModule(nn.Module):
    axes = {
        "query.weight": ("num_heads head_dim", "width"),
        "key.weight": ("num_heads head_dim", "width"),
        "value.weight": ("num_heads head_dim", "width"),
        "gate.weight": ("num_heads head_dim", "width"),
        "decay.weight": ("num_heads", "width"),
        "decay_bias_H": ("num_heads",),
        "head_norm_HK": ("num_heads", "head_dim"),
        "output.weight": ("width", "num_heads head_dim"),
    }
    reads = ("query", "key", "value", "gate", "decay")
    writes = ("output",)

    def __init__(self, spec: GatedLinearAttention, width: int, context: int) -> None:
        super().__init__()
        self.head_dim = spec.head_dim
        inner = spec.num_heads * spec.head_dim
        self.query = nn.Linear(width, inner, bias=False)
        self.key = nn.Linear(width, inner, bias=False)
        self.value = nn.Linear(width, inner, bias=False)
        self.gate = nn.Linear(width, inner, bias=False)
        self.decay = nn.Linear(width, spec.num_heads, bias=False)
        # From 12 tokens to 2400; steps of the golden ratio spread the first heads of any number over all of it.
        low, high = DECAY_BIAS_RANGE
        spread_H = (0.5 + GOLDEN_RATIO * torch.arange(spec.num_heads)) % 1
        self.decay_bias_H = nn.Parameter(low + (high - low) * spread_H)
        self.head_norm_HK = nn.Parameter(torch.ones(spec.num_heads, spec.head_dim))
        self.output = nn.Linear(inner, width, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        q_BHTK, k_BHTK, v_BHTK = (
            self.split_heads(part(x_BTD)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        log_decay_BHT = self.log_decay(x_BTD).transpose(1, 2)
        y_BHTK, _ = linear_attention_chunk(q_BHTK, k_BHTK * self.head_dim**-0.5, v_BHTK, log_decay_BHT)
        return self.finish(y_BHTK.transpose(1, 2), self.gate(x_BTD))

    def init_state(self, batch_size: int) -> dict:
        """The decayed sum of keys times values."""
        heads, head_dim = self.head_norm_HK.shape
        shape = (batch_size, heads, head_dim, head_dim)
        return {"state": torch.zeros(shape, dtype=torch.float32, device=self.head_norm_HK.device)}

    def step(self, x_BD: Tensor, state: dict) -> tuple[Tensor, dict]:
        q_BHK, k_BHK, v_BHK = (self.split_heads(part(x_BD)) for part in (self.query, self.key, self.value))
        y_BHK, state_BHKK = linear_attention_step(
            q_BHK, k_BHK * self.head_dim**-0.5, v_BHK, self.log_decay(x_BD), state["state"]
        )
        return self.finish(y_BHK, self.gate(x_BD)), {"state": state_BHKK}

    def log_decay(self, x: Tensor) -> Tensor:
        """(..., D) to (..., H): the logarithm of what each head keeps."""
        return F.logsigmoid(self.decay(x) + self.decay_bias_H) / DECAY_TEMPERATURE

    def finish(self, y: Tensor, gate: Tensor) -> Tensor:
        """Norm of every head (..., H, K), gate (..., H * K), output projection."""
        y = F.rms_norm(y, (self.head_dim,), eps=HEAD_NORM_EPS) * self.head_norm_HK
        return self.output(y.flatten(-2) * F.silu(gate))

    def split_heads(self, x: Tensor) -> Tensor:
        """(..., H * K) to (..., H, K)."""
        return x.unflatten(-1, (-1, self.head_dim))
