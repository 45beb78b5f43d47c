"""Grouped-query attention; optional are rotary positions, a sliding window, and normed queries and keys.

B batch, T tokens, D width, H query heads, G key/value heads, K head size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...search_space.operators import Attention

ROTARY_BASE = 10000.0
HEAD_NORM_EPS = 1e-6


class AttentionModule(nn.Module):
    axes = {
        "query.weight": ("num_heads head_dim", "width"),
        "key.weight": ("num_kv_heads head_dim", "width"),
        "value.weight": ("num_kv_heads head_dim", "width"),
        "query_norm.weight": ("head_dim",),
        "key_norm.weight": ("head_dim",),
        "output.weight": ("width", "num_heads head_dim"),
    }
    reads = ("query", "key", "value")
    writes = ("output",)
    cos_TK: Tensor
    sin_TK: Tensor
    near_TT: Tensor

    def __init__(self, spec: Attention, width: int, context: int) -> None:
        super().__init__()
        self.head_dim = spec.head_dim
        self.groups = spec.num_kv_heads
        self.rotary = spec.rotary
        self.span = min(spec.window or context, context)
        self.context = context
        self.query = nn.Linear(width, spec.num_heads * spec.head_dim, bias=False)
        self.key = nn.Linear(width, spec.num_kv_heads * spec.head_dim, bias=False)
        self.value = nn.Linear(width, spec.num_kv_heads * spec.head_dim, bias=False)
        self.output = nn.Linear(spec.num_heads * spec.head_dim, width, bias=False)
        self.query_norm = nn.RMSNorm(spec.head_dim, eps=HEAD_NORM_EPS) if spec.qk_norm else nn.Identity()
        self.key_norm = nn.RMSNorm(spec.head_dim, eps=HEAD_NORM_EPS) if spec.qk_norm else nn.Identity()
        cos_TK, sin_TK = rotary_table(context, spec.head_dim) if spec.rotary else (None, None)
        self.register_buffer("cos_TK", cos_TK, persistent=False)
        self.register_buffer("sin_TK", sin_TK, persistent=False)
        near_TT = sliding_mask(context, self.span) if self.span < context else None
        self.register_buffer("near_TT", near_TT, persistent=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        tokens = x_BTD.shape[1]
        q_BHTK, k_BGTK = self.queries_and_keys(x_BTD, 0)
        v_BGTK = self.split_heads(self.value(x_BTD))
        if tokens <= self.span:
            y_BHTK = F.scaled_dot_product_attention(q_BHTK, k_BGTK, v_BGTK, is_causal=True, enable_gqa=True)
        else:
            near_TT = self.near_TT[:tokens, :tokens]
            y_BHTK = F.scaled_dot_product_attention(q_BHTK, k_BGTK, v_BGTK, attn_mask=near_TT, enable_gqa=True)
        return self.output(y_BHTK.transpose(1, 2).flatten(2))

    def init_state(self, batch_size: int) -> dict:
        """Keys and values of the last `span` tokens (a ring: slot = position modulo span) and the next position."""
        weight = self.key.weight
        shape = (batch_size, self.groups, self.span, self.head_dim)
        return {
            "key": torch.zeros(shape, dtype=weight.dtype, device=weight.device),
            "value": torch.zeros(shape, dtype=weight.dtype, device=weight.device),
            "position": 0,
        }

    def step(self, x_BD: Tensor, state: dict) -> tuple[Tensor, dict]:
        """One token. The state is updated in place; the order of a ring does not matter to a softmax."""
        position = state["position"]
        if position >= self.context:
            raise ValueError(f"the context holds {self.context} tokens; got a token at position {position}")
        x_BTD = x_BD.unsqueeze(1)
        q_BHTK, k_BGTK = self.queries_and_keys(x_BTD, position)
        slot, held = position % self.span, min(position + 1, self.span)
        state["key"][:, :, slot : slot + 1] = k_BGTK
        state["value"][:, :, slot : slot + 1] = self.split_heads(self.value(x_BTD))
        state["position"] = position + 1
        y_BHTK = F.scaled_dot_product_attention(
            q_BHTK, state["key"][:, :, :held], state["value"][:, :, :held], enable_gqa=True
        )
        return self.output(y_BHTK.transpose(1, 2).flatten(1)), state

    def queries_and_keys(self, x_BTD: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """Queries and keys by head, ready to be compared; `first` is the position of the first token."""
        q_BHTK = self.query_norm(self.split_heads(self.query(x_BTD)))
        k_BGTK = self.key_norm(self.split_heads(self.key(x_BTD)))
        if not self.rotary:
            return q_BHTK, k_BGTK
        positions = slice(first, first + q_BHTK.shape[2])
        cos_TK, sin_TK = self.cos_TK[positions], self.sin_TK[positions]
        return rotate(q_BHTK, cos_TK, sin_TK), rotate(k_BGTK, cos_TK, sin_TK)

    def split_heads(self, x_BTD: Tensor) -> Tensor:
        """(B, T, heads * K) to (B, heads, T, K)."""
        return x_BTD.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)


def rotary_table(context: int, head_dim: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every position and pair, each (T, K / 2). Real even where a module is built without memory."""
    pair = torch.arange(0, head_dim, 2, device="cpu", dtype=torch.float64)
    position = torch.arange(context, device="cpu", dtype=torch.float64)
    angle = torch.outer(position, ROTARY_BASE ** (-pair / head_dim))
    return angle.cos().float(), angle.sin().float()


def rotate(x_BHTK: Tensor, cos_TK: Tensor, sin_TK: Tensor) -> Tensor:
    """Turn each pair of neighbouring entries by its position's angle."""
    even, odd = x_BHTK[..., 0::2], x_BHTK[..., 1::2]
    return torch.stack((even * cos_TK - odd * sin_TK, even * sin_TK + odd * cos_TK), dim=-1).flatten(-2)


def sliding_mask(context: int, window: int) -> Tensor:
    """(T, T) booleans: true where a token may look, at itself and the window - 1 tokens before it."""
    position = torch.arange(context, device="cpu")
    distance = position[:, None] - position[None, :]
    return (distance >= 0) & (distance < window)
