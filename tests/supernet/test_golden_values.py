"""Golden values, computed once in float64 NumPy from the papers' formulas, against the functions our modules run."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from frontier.kernels.linear_attention_chunk import linear_attention_chunk
from frontier.kernels.ssd_chunk_scan import ssd_chunk_scan
from frontier.supernet.operators.cosformer import cosine_attention, quarter_turn

CLOSE = {"rtol": 0.0, "atol": 1e-5}


def wave(start: int, *shape: int) -> Tensor:
    """Entry n, row by row, is sin(0.7 n + 0.3 + start)."""
    return torch.sin(0.7 * torch.arange(math.prod(shape)) + 0.3 + start).view(shape)


def test_state_space_of_mamba_2() -> None:
    """Four tokens, head size 2, state size 3, A = -0.9."""
    value_TP, key_TN, query_TN, time_step_T = wave(1, 4, 2), wave(2, 4, 3), wave(3, 4, 3), F.softplus(wave(4, 4))
    y_TP = torch.tensor([[0.099013, 0.093437], [-0.115613, -0.253287], [-0.632412, -0.461217], [0.227471, 0.343846]])
    state_PN = torch.tensor([[-0.414534, -0.247997, 0.035177], [-0.011464, -0.153790, -0.223787]])
    value, key, query = (part[None, :, None] for part in (value_TP, key_TN, query_TN))
    ours, _ = ssd_chunk_scan(value, key, query, time_step_T.view(1, 4, 1), torch.tensor([-0.9]))
    torch.testing.assert_close(ours[0, :, 0], y_TP, **CLOSE)
    written_TP, log_decay_T = value_TP * time_step_T[:, None], -0.9 * time_step_T
    for chunk in (1, 3, 4):
        heads = (part[None, None] for part in (query_TN, key_TN, written_TP, log_decay_T))
        y_BHTP, state_BHNP = linear_attention_chunk(*heads, chunk=chunk)
        torch.testing.assert_close(y_BHTP[0, 0], y_TP, **CLOSE)
        torch.testing.assert_close(state_BHNP[0, 0].T, state_PN, **CLOSE)


def test_cosformer() -> None:
    """Three tokens, head size 2, length 8. The third token's features are all dead: it gives zero, not NaN."""
    q_TK, k_TK, v_TK = wave(1, 3, 2), wave(2, 3, 2), wave(3, 3, 2)
    sin_T1, cos_T1 = quarter_turn(8)
    q, k, v = (part[None, None] for part in (q_TK, k_TK, v_TK))
    y_BHTK = cosine_attention(q, k, v, sin_T1[:3], cos_T1[:3])
    expected_TK = torch.tensor([[-0.157746, -0.756802], [-0.157746, -0.756802], [0.0, 0.0]])
    torch.testing.assert_close(y_BHTK[0, 0], expected_TK, **CLOSE)
