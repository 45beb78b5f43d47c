"""The scan of a state space with one decay per head (SSD): S_t = exp(a dt_t) S_{t-1} + dt_t k_t^T x_t, y_t = q_t S_t.

B batch, T tokens, H heads, P head size, G groups of heads that share keys and queries, N state size. The paper's x, B
and C are the values, keys and queries of linear attention with decay, whose kernels run it: the time step dt > 0 weighs
what is written and makes the decay, a < 0 is the rate of a head. Values may skip the state: y_t + skip x_t.

Source: arXiv 2405.21060.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .autocast import autocasted
from .launching import by_triton
from .linear_attention_chunk import (
    check_places,
    linear_attention_chunk_reference,
    linear_attention_step_reference,
)
from .linear_attention_ops import attend, attend_step


def ssd_chunk_scan_reference(
    x_BTHP: Tensor,
    k_BTGN: Tensor,
    q_BTGN: Tensor,
    time_step_BTH: Tensor,
    rate_H: Tensor,
    skip_H: Tensor | None = None,
    state_BHNP: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Linear attention in chunks over values times their time steps."""
    written_BTHP = x_BTHP * time_step_BTH.unsqueeze(-1)
    q_BGTN, k_BGTN, v_BHTP = (part.transpose(1, 2) for part in (q_BTGN, k_BTGN, written_BTHP))
    log_decay_BHT = (rate_H * time_step_BTH).transpose(1, 2)
    y_BHTP, state_BHNP = linear_attention_chunk_reference(q_BGTN, k_BGTN, v_BHTP, log_decay_BHT, state_BHKV=state_BHNP)
    y_BTHP = y_BHTP.transpose(1, 2)
    return y_BTHP if skip_H is None else y_BTHP + x_BTHP * skip_H.unsqueeze(-1), state_BHNP


def ssd_step_reference(
    x_BHP: Tensor,
    k_BGN: Tensor,
    q_BGN: Tensor,
    time_step_BH: Tensor,
    rate_H: Tensor,
    state_BHNP: Tensor,
    skip_H: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One token."""
    written_BHP = x_BHP * time_step_BH.unsqueeze(-1)
    y_BHP, state_BHNP = linear_attention_step_reference(q_BGN, k_BGN, written_BHP, rate_H * time_step_BH, state_BHNP)
    return y_BHP if skip_H is None else y_BHP + x_BHP * skip_H.unsqueeze(-1), state_BHNP


def ssd_chunk_scan(
    x_BTHP: Tensor,
    k_BTGN: Tensor,
    q_BTGN: Tensor,
    time_step_BTH: Tensor,
    rate_H: Tensor,
    skip_H: Tensor | None = None,
    state_BHNP: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Outputs (B, T, H, P) and the state (B, H, N, P) after the last token, float32 or wider.

    Args:
        x_BTHP: values.
        k_BTGN, q_BTGN: keys and queries; each group serves H / G heads in turn.
        time_step_BTH: positive.
        rate_H: negative; time step times rate is the logarithm of what is kept.
        skip_H: what of the values is added to the outputs; None is nothing.
        state_BHNP: the state before the first token; None is zero.

    Raises:
        ValueError: shapes, dtypes or devices do not fit together. Float64 goes by plain torch everywhere.
    """
    _check("ssd_chunk_scan", x_BTHP, k_BTGN, q_BTGN, time_step_BTH, rate_H, skip_H, state_BHNP)
    if not by_triton(x_BTHP) or x_BTHP.dtype == torch.float64:
        return ssd_chunk_scan_reference(x_BTHP, k_BTGN, q_BTGN, time_step_BTH, rate_H, skip_H, state_BHNP)
    q_BGTN, k_BGTN, x_BHTP = autocasted(*(part.transpose(1, 2) for part in (q_BTGN, k_BTGN, x_BTHP)))
    time_step_BHT = time_step_BTH.transpose(1, 2)
    log_decay_BHT = rate_H.unsqueeze(-1) * time_step_BHT
    y_BHTP, state_BHNP = attend(q_BGTN, k_BGTN, x_BHTP, log_decay_BHT, time_step_BHT, skip_H, state_BHNP)
    return y_BHTP.transpose(1, 2), state_BHNP


def ssd_step(
    x_BHP: Tensor,
    k_BGN: Tensor,
    q_BGN: Tensor,
    time_step_BH: Tensor,
    rate_H: Tensor,
    state_BHNP: Tensor,
    skip_H: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One token: its output (B, H, P) and the state (B, H, N, P) after it.

    Raises:
        ValueError: shapes, dtypes or devices do not fit together. Plain torch looks for itself: a step is short.
    """
    if not by_triton(x_BHP) or torch.float64 in (x_BHP.dtype, state_BHNP.dtype):
        return ssd_step_reference(x_BHP, k_BGN, q_BGN, time_step_BH, rate_H, state_BHNP, skip_H)
    _check("ssd_step", x_BHP, k_BGN, q_BGN, time_step_BH, rate_H, skip_H, state_BHNP)
    return attend_step(*autocasted(q_BGN, k_BGN, x_BHP), rate_H * time_step_BH, time_step_BH, skip_H, state_BHNP)


def _check(
    name: str,
    x: Tensor,
    k: Tensor,
    q: Tensor,
    time_step: Tensor,
    rate_H: Tensor,
    skip_H: Tensor | None,
    state_BHNP: Tensor | None,
) -> None:
    """x is (..., H, P), keys and queries (..., G, N), time steps (..., H)."""
    rank = 4 if name == "ssd_chunk_scan" else 3
    fits = x.ndim == k.ndim == rank and k.shape == q.shape and k.shape[:-2] == x.shape[:-2] and 0 not in x.shape[1:]
    fits = fits and 0 not in k.shape[1:] and x.shape[-2] % k.shape[-2] == 0 and time_step.shape == x.shape[:-1]
    per_head = [part for part in (rate_H, skip_H) if part is not None]
    if not fits or any(part.shape != x.shape[-2:-1] for part in per_head):
        shapes = [tuple(part.shape) for part in (x, k, q, time_step, *per_head)]
        axes = "B, T" if rank == 4 else "B"
        raise ValueError(
            f"{name} takes x ({axes}, H, P), keys and queries ({axes}, G, N) of which G divides H, time steps "
            f"({axes}, H), rates and skips (H); got {', '.join(str(shape) for shape in shapes)}"
        )
    expected = (x.shape[0], x.shape[-2], k.shape[-1], x.shape[-1])
    if state_BHNP is not None and state_BHNP.shape != expected:
        raise ValueError(f"state: shaped (B, H, N, P), here {expected}; got {tuple(state_BHNP.shape)}")
    check_places(name, {"x": x, "k": k, "q": q}, time_step=time_step, rate=rate_H, skip=skip_H, state=state_BHNP)
