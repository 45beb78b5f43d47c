"""Grouped-query attention among all places of a grid. Where a place is, the stem's position embedding says.

B batch, H rows, W columns, T = H W places, D width, N query heads, G key/value heads, K head size.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ....search_space.operators import Attention

QK_NORM_EPS = 1e-6


class GridAttentionModule(nn.Module):
    axes = {
        "query.weight": ("num_heads head_dim", "width"),
        "key.weight": ("num_kv_heads head_dim", "width"),
        "value.weight": ("num_kv_heads head_dim", "width"),
        "output.weight": ("width", "num_heads head_dim"),
        "query_norm.weight": ("head_dim",),
        "key_norm.weight": ("head_dim",),
    }

    def __init__(self, spec: Attention, width: int) -> None:
        super().__init__()
        self.head_dim = spec.head_dim
        self.query = nn.Linear(width, spec.num_heads * spec.head_dim, bias=False)
        self.key = nn.Linear(width, spec.num_kv_heads * spec.head_dim, bias=False)
        self.value = nn.Linear(width, spec.num_kv_heads * spec.head_dim, bias=False)
        self.output = nn.Linear(spec.num_heads * spec.head_dim, width, bias=False)
        self.query_norm = nn.RMSNorm(spec.head_dim, eps=QK_NORM_EPS) if spec.qk_norm else nn.Identity()
        self.key_norm = nn.RMSNorm(spec.head_dim, eps=QK_NORM_EPS) if spec.qk_norm else nn.Identity()

    def forward(self, x_BHWD: Tensor) -> Tensor:
        x_BTD = x_BHWD.flatten(1, 2)
        q_BNTK = self.query_norm(self.split_heads(self.query(x_BTD)))
        k_BGTK = self.key_norm(self.split_heads(self.key(x_BTD)))
        v_BGTK = self.split_heads(self.value(x_BTD))
        y_BNTK = F.scaled_dot_product_attention(q_BNTK, k_BGTK, v_BGTK, enable_gqa=True)
        return self.output(y_BNTK.transpose(1, 2).flatten(2)).unflatten(1, x_BHWD.shape[1:3])

    def split_heads(self, x_BTD: Tensor) -> Tensor:
        """(B, T, heads * K) to (B, heads, T, K)."""
        return x_BTD.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
