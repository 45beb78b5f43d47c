"""cosFormer attention: linear attention whose weights fade as the cosine of the distance, and sum to one.

B batch, T tokens, D width, H heads, K head size. Token j weighs relu(q_i) . relu(k_j) cos(pi / 2 (i - j) / M) at token
i, which is the product of two sines plus that of two cosines: linear attention over 2 K features, called E.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...kernels.linear_attention_chunk import linear_attention_chunk, linear_attention_step
from ...search_space.operators import CosFormer

LEAST_WEIGHT = 1e-6


class CosFormerModule(nn.Module):
    axes = {
        "query.weight": ("num_heads head_dim", "width"),
        "key.weight": ("num_heads head_dim", "width"),
        "value.weight": ("num_heads head_dim", "width"),
        "output.weight": ("width", "num_heads head_dim"),
    }
    reads = ("query", "key", "value")
    writes = ("output",)
    sin_T1: Tensor
    cos_T1: Tensor

    def __init__(self, spec: CosFormer, width: int, context: int) -> None:
        super().__init__()
        self.num_heads = spec.num_heads
        self.head_dim = spec.head_dim
        self.context = context
        self.query = nn.Linear(width, spec.num_heads * spec.head_dim, bias=False)
        self.key = nn.Linear(width, spec.num_heads * spec.head_dim, bias=False)
        self.value = nn.Linear(width, spec.num_heads * spec.head_dim, bias=False)
        self.output = nn.Linear(spec.num_heads * spec.head_dim, width, bias=False)
        sin_T1, cos_T1 = quarter_turn(context)
        self.register_buffer("sin_T1", sin_T1, persistent=False)
        self.register_buffer("cos_T1", cos_T1, persistent=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        tokens = x_BTD.shape[1]
        q_BHTK, k_BHTK, v_BHTK = (self.split_heads(part(x_BTD)) for part in (self.query, self.key, self.value))
        y_BHTK = cosine_attention(q_BHTK, k_BHTK, v_BHTK, self.sin_T1[:tokens], self.cos_T1[:tokens])
        return self.output(y_BHTK.transpose(1, 2).flatten(2))

    def init_state(self, batch_size: int) -> dict:
        """Sums over the tokens so far of features times values and of features, and the next token's position."""
        device = self.key.weight.device
        shape = (batch_size, self.num_heads, 2 * self.head_dim, self.head_dim)
        return {
            "state": torch.zeros(shape, dtype=torch.float32, device=device),
            "normaliser": torch.zeros(shape[:3], dtype=torch.float32, device=device),
            "position": 0,
        }

    def step(self, x_BD: Tensor, state: dict) -> tuple[Tensor, dict]:
        position = state["position"]
        if position >= self.context:
            raise ValueError(f"the context holds {self.context} tokens; got a token at position {position}")
        sin_1, cos_1 = self.sin_T1[position], self.cos_T1[position]
        q_BHK, k_BHK, v_BHK = (
            part(x_BD).unflatten(-1, (-1, self.head_dim)).float() for part in (self.query, self.key, self.value)
        )
        q_BHE, k_BHE = cosine_features(q_BHK, sin_1, cos_1), cosine_features(k_BHK, sin_1, cos_1)
        sum_BHK, state_BHEK = linear_attention_step(q_BHE, k_BHE, v_BHK, None, state["state"])
        normaliser_BHE = state["normaliser"] + k_BHE
        weight_BH1 = (q_BHE * normaliser_BHE).sum(dim=-1, keepdim=True)
        y_BHK = (sum_BHK / weight_BH1.clamp(min=LEAST_WEIGHT)).to(x_BD.dtype)
        return self.output(y_BHK.flatten(1)), {
            "state": state_BHEK,
            "normaliser": normaliser_BHE,
            "position": position + 1,
        }

    def split_heads(self, x_BTD: Tensor) -> Tensor:
        """(B, T, H * K) to (B, H, T, K)."""
        return x_BTD.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)


def cosine_attention(q_BHTK: Tensor, k_BHTK: Tensor, v_BHTK: Tensor, sin_T1: Tensor, cos_T1: Tensor) -> Tensor:
    """Causal attention over tokens at the positions of the table's rows; a token that weighs none gives zero."""
    q_BHTE = cosine_features(q_BHTK.float(), sin_T1, cos_T1)
    k_BHTE = cosine_features(k_BHTK.float(), sin_T1, cos_T1)
    # A last value of one in every token sums the weights.
    sums_BHTK, _ = linear_attention_chunk(q_BHTE, k_BHTE, F.pad(v_BHTK.float(), (0, 1), value=1.0), None)
    return (sums_BHTK[..., :-1] / sums_BHTK[..., -1:].clamp(min=LEAST_WEIGHT)).to(v_BHTK.dtype)


def cosine_features(x: Tensor, sin: Tensor, cos: Tensor) -> Tensor:
    """(..., K) to the (..., 2 K) features whose products are those of relu(x), times the cosine of the distance."""
    positive = F.relu(x)
    return torch.cat((positive * sin, positive * cos), dim=-1)


def quarter_turn(context: int) -> tuple[Tensor, Tensor]:
    """Sine and cosine of pi / 2 times position / context, positions from 1, each (T, 1). Real on any default device."""
    position = torch.arange(1, context + 1, device="cpu", dtype=torch.float64).unsqueeze(1)
    angle = position * (math.pi / 2 / context)
    return angle.sin().float(), angle.cos().float()
