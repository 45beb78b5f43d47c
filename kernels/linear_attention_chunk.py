"""Causal linear attention with decay: S_t = exp(d_t) S_{t-1} + k_t^T v_t, y_t = q_t S_t, per head and not normalised.

B batch, H heads, T tokens, K key size, V value size, C chunks, L tokens of a chunk. S is the state, (K, V). A decay is
one number d_t <= 0 per head and token, the logarithm of what is kept. Queries and keys may have fewer heads, G of them,
each for H / G heads of values in turn. Kernels are in `linear_attention_triton`, launched by `linear_attention_ops`.

Source: the chunked algorithm of arXiv 2405.21060 (state space duality), arXiv 2312.06635 and arXiv 2307.08621.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .autocast import autocasted
from .launching import by_triton, dtype_name, same_place
from .linear_attention_ops import attend, attend_step


def linear_attention_recurrence(
    q_BHTK: Tensor, k_BHTK: Tensor, v_BHTV: Tensor, log_decay_BHT: Tensor | None, state_BHKV: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The definition, token by token."""
    q_BHTK, k_BHTK = per_head(q_BHTK, k_BHTK, v_BHTV.shape[1])
    if state_BHKV is None:
        state_BHKV = torch.zeros_like(k_BHTK[:, :, 0, :, None] * v_BHTV[:, :, 0, None, :])
    outputs = []
    for t in range(q_BHTK.shape[2]):
        log_decay_BH = None if log_decay_BHT is None else log_decay_BHT[:, :, t]
        y_BHV, state_BHKV = linear_attention_step_reference(
            q_BHTK[:, :, t], k_BHTK[:, :, t], v_BHTV[:, :, t], log_decay_BH, state_BHKV
        )
        outputs.append(y_BHV)
    return torch.stack(outputs, dim=2), state_BHKV


def per_head(q: Tensor, k: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """Queries and keys (B, G, ...), each repeated for all heads of its group."""
    repeats = heads // q.shape[1]
    return (q, k) if repeats == 1 else (q.repeat_interleave(repeats, dim=1), k.repeat_interleave(repeats, dim=1))


def linear_attention_quadratic(q_BHTK: Tensor, k_BHTK: Tensor, v_BHTV: Tensor, log_decay_BHT: Tensor | None) -> Tensor:
    """The same output as attention whose weight of token j at token i is (q_i . k_j) exp(d_{j+1} + ... + d_i)."""
    weights_BHTT = (q_BHTK @ k_BHTK.transpose(-1, -2)).tril()
    if log_decay_BHT is not None:
        kept_BHT = log_decay_BHT.cumsum(-1)
        weights_BHTT = weights_BHTT * (kept_BHT.unsqueeze(-1) - kept_BHT.unsqueeze(-2)).tril().exp()
    return weights_BHTT @ v_BHTV


def linear_attention_chunk_reference(
    q_BHTK: Tensor,
    k_BHTK: Tensor,
    v_BHTV: Tensor,
    log_decay_BHT: Tensor | None,
    chunk: int = 32,
    state_BHKV: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Quadratic inside chunks of about `chunk` tokens, one state from chunk to chunk. Float32 or wider throughout.

    A sum of decays over a span is a difference of cumulative sums, and what looks ahead is masked before the
    exponential: there the difference is positive and may overflow. The sums may be large where a span is small: they
    are float64, of which one rounding goes into the difference and then what it left. Powers are of two because
    torch's `exp` on CPU slows down tenfold where it underflows, and its `exp2` does not.
    """
    q_BHTK, k_BHTK = per_head(q_BHTK, k_BHTK, v_BHTV.shape[1])
    dtype = torch.float64 if q_BHTK.dtype == torch.float64 else torch.float32
    tokens = q_BHTK.shape[2]
    chunks = -(-tokens // chunk)
    length = -(-tokens // chunks)
    missing = chunks * length - tokens
    # Tokens that only fill the last chunk have no key, no value and no decay: they change neither output nor state.
    q_BHCLK, k_BHCLK, v_BHCLV = (
        (F.pad(x_BHTK, (0, 0, 0, missing)) if missing else x_BHTK).to(dtype).contiguous().unflatten(2, (chunks, length))
        for x_BHTK in (q_BHTK, k_BHTK, v_BHTV)
    )
    weights_BHCLL = q_BHCLK @ k_BHCLK.transpose(-1, -2)
    if log_decay_BHT is None:
        y_BHCLV = weights_BHCLL.tril() @ v_BHCLV
    else:
        bits_BHT = (F.pad(log_decay_BHT, (0, missing)) if missing else log_decay_BHT).to(dtype) / math.log(2)
        bits_BHCL = bits_BHT.unflatten(2, (chunks, length)).cumsum(-1, dtype=torch.float64)
        high_BHCL = bits_BHCL.to(dtype)
        low_BHCL = (bits_BHCL.detach() - high_BHCL.detach()).to(dtype)
        future_LL = torch.full((length, length), -math.inf, dtype=dtype, device=q_BHTK.device).triu(1)
        span_BHCLL = (high_BHCL.unsqueeze(-1) - high_BHCL.unsqueeze(-2)).add_(future_LL)
        span_BHCLL = span_BHCLL.add_(low_BHCL.unsqueeze(-1)).sub_(low_BHCL.unsqueeze(-2))
        y_BHCLV = (weights_BHCLL * span_BHCLL.exp2_()) @ v_BHCLV
        k_BHCLK = k_BHCLK * (bits_BHCL[..., -1:] - bits_BHCL).to(dtype).exp2().unsqueeze(-1)
        q_BHCLK = q_BHCLK * high_BHCL.exp2().unsqueeze(-1)
    made_BHCKV = k_BHCLK.transpose(-1, -2) @ v_BHCLV
    if state_BHKV is None and chunks == 1:
        return y_BHCLV.flatten(2, 3).to(v_BHTV.dtype), made_BHCKV[:, :, 0]
    # The states before the first chunk and after every chunk, all from what came before them.
    first_BHKV = torch.zeros_like(made_BHCKV[:, :, 0]) if state_BHKV is None else state_BHKV.to(dtype)
    states_BHCKV = torch.cat((first_BHKV.unsqueeze(2), made_BHCKV), dim=2)
    if log_decay_BHT is None:
        kept_BHCC = torch.ones(chunks + 1, chunks + 1, dtype=dtype, device=q_BHTK.device).tril()
    else:
        bits_BHC = F.pad(bits_BHCL[..., -1].cumsum(-1), (1, 0))
        future_CC = torch.full((chunks + 1, chunks + 1), -math.inf, dtype=dtype, device=q_BHTK.device).triu(1)
        kept_BHCC = ((bits_BHC.unsqueeze(-1) - bits_BHC.unsqueeze(-2)).to(dtype) + future_CC).exp2()
    states_BHCKV = (kept_BHCC @ states_BHCKV.flatten(3)).unflatten(-1, states_BHCKV.shape[3:])
    y_BHCLV = y_BHCLV + q_BHCLK @ states_BHCKV[:, :, :-1]
    return y_BHCLV.flatten(2, 3)[:, :, :tokens].to(v_BHTV.dtype), states_BHCKV[:, :, -1]


def linear_attention_step_reference(
    q_BHK: Tensor, k_BHK: Tensor, v_BHV: Tensor, log_decay_BH: Tensor | None, state_BHKV: Tensor
) -> tuple[Tensor, Tensor]:
    """One token of the recurrence, in the state's dtype."""
    q_BHK, k_BHK = per_head(q_BHK, k_BHK, v_BHV.shape[1])
    if log_decay_BH is not None:
        state_BHKV = state_BHKV * log_decay_BH.to(state_BHKV.dtype).exp()[..., None, None]
    state_BHKV = torch.addcmul(
        state_BHKV, k_BHK.to(state_BHKV.dtype).unsqueeze(-1), v_BHV.to(state_BHKV.dtype).unsqueeze(-2)
    )
    y_BHV = (q_BHK.to(state_BHKV.dtype).unsqueeze(-2) @ state_BHKV).squeeze(-2)
    return y_BHV.to(v_BHV.dtype), state_BHKV


def linear_attention_chunk(
    q_BGTK: Tensor,
    k_BGTK: Tensor,
    v_BHTV: Tensor,
    log_decay_BHT: Tensor | None,
    chunk: int = 32,
    state_BHKV: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Outputs (B, H, T, V) in the dtype of the values and the state (B, H, K, V) after the last, float32 or wider.

    Args:
        q_BGTK, k_BGTK, v_BHTV: queries, keys and values. Under autocast a GPU takes them in its dtype.
        log_decay_BHT: logarithm of what is kept of the state before each token, at most 0; None keeps all.
        chunk: the most tokens that plain torch treats at once; a kernel has chunks of its own.
        state_BHKV: the state before the first token; None is zero.

    Raises:
        ValueError: shapes, dtypes or devices do not fit together, or a chunk holds no token. Float64 goes by plain
            torch everywhere.
    """
    _check(q_BGTK, k_BGTK, v_BHTV, log_decay_BHT, chunk, state_BHKV)
    if not by_triton(v_BHTV) or v_BHTV.dtype == torch.float64:
        return linear_attention_chunk_reference(q_BGTK, k_BGTK, v_BHTV, log_decay_BHT, chunk, state_BHKV)
    return attend(*autocasted(q_BGTK, k_BGTK, v_BHTV), log_decay_BHT, None, None, state_BHKV)


def linear_attention_step(
    q_BGK: Tensor, k_BGK: Tensor, v_BHV: Tensor, log_decay_BH: Tensor | None, state_BHKV: Tensor
) -> tuple[Tensor, Tensor]:
    """One token: its output (B, H, V) and the state (B, H, K, V) after it.

    Raises:
        ValueError: shapes, dtypes or devices do not fit together. Plain torch looks for itself: a step is short.
    """
    if not by_triton(v_BHV) or torch.float64 in (v_BHV.dtype, state_BHKV.dtype):
        return linear_attention_step_reference(q_BGK, k_BGK, v_BHV, log_decay_BH, state_BHKV)
    _check_step(q_BGK, k_BGK, v_BHV, log_decay_BH, state_BHKV)
    return attend_step(*autocasted(q_BGK, k_BGK, v_BHV), log_decay_BH, None, None, state_BHKV)


def check_places(name: str, factors: dict[str, Tensor], **others: Tensor | None) -> None:
    """Refuse operands on different devices, and factors of products that are not floating point of one dtype.

    Raises:
        ValueError: names the operator and what each operand is.
    """
    first, *rest = factors.values()
    if any(x.dtype != first.dtype for x in rest) and not torch.is_autocast_enabled(first.device.type):
        same_place(name, **factors)
    everything = [first, *rest, *(x for x in others.values() if x is not None)]
    if any(x.device != first.device or not x.is_floating_point() for x in everything):
        said = ", ".join(f"{dtype_name(x.dtype)} on {x.device}" for x in everything)
        raise ValueError(f"{name} takes floating point on one device; got {said}")


def _check(
    q_BGTK: Tensor, k_BGTK: Tensor, v_BHTV: Tensor, log_decay_BHT: Tensor | None, chunk: int, state_BHKV: Tensor | None
) -> None:
    if chunk < 1:
        raise ValueError(f"chunk: at least one token; got {chunk}")
    fits = q_BGTK.ndim == 4 and q_BGTK.shape == k_BGTK.shape and 0 not in q_BGTK.shape[1:]
    fits = fits and v_BHTV.ndim == 4 and v_BHTV.shape[::2] == (q_BGTK.shape[0], q_BGTK.shape[2])
    fits = fits and v_BHTV.shape[1] % q_BGTK.shape[1] == 0 and 0 not in v_BHTV.shape[1:]
    if not fits or (log_decay_BHT is not None and log_decay_BHT.shape != v_BHTV.shape[:3]):
        shapes = [None if x is None else tuple(x.shape) for x in (q_BGTK, k_BGTK, v_BHTV, log_decay_BHT)]
        raise ValueError(
            "linear_attention_chunk takes queries and keys (B, G, T, K), values (B, H, T, V) of which G divides H, "
            f"and decays (B, H, T), T at least 1; got {', '.join(str(shape) for shape in shapes)}"
        )
    _check_state(state_BHKV, (*v_BHTV.shape[:2], q_BGTK.shape[3], v_BHTV.shape[3]))
    factors = {"q": q_BGTK, "k": k_BGTK, "v": v_BHTV}
    check_places("linear_attention_chunk", factors, log_decay=log_decay_BHT, state=state_BHKV)


def _check_step(q_BGK: Tensor, k_BGK: Tensor, v_BHV: Tensor, log_decay_BH: Tensor | None, state_BHKV: Tensor) -> None:
    fits = q_BGK.ndim == v_BHV.ndim == 3 and q_BGK.shape == k_BGK.shape and 0 not in q_BGK.shape[1:]
    fits = fits and v_BHV.shape[0] == q_BGK.shape[0] and v_BHV.shape[1] % q_BGK.shape[1] == 0
    if not fits or (log_decay_BH is not None and log_decay_BH.shape != v_BHV.shape[:2]):
        shapes = [None if x is None else tuple(x.shape) for x in (q_BGK, k_BGK, v_BHV, log_decay_BH)]
        raise ValueError(
            "linear_attention_step takes queries and keys (B, G, K), values (B, H, V) of which G divides H, and decays "
            f"(B, H); got {', '.join(str(shape) for shape in shapes)}"
        )
    _check_state(state_BHKV, (*v_BHV.shape[:2], q_BGK.shape[2], v_BHV.shape[2]))
    factors = {"q": q_BGK, "k": k_BGK, "v": v_BHV}
    check_places("linear_attention_step", factors, log_decay=log_decay_BH, state=state_BHKV)


def _check_state(state_BHKV: Tensor | None, expected: tuple[int, ...]) -> None:
    if state_BHKV is not None and state_BHKV.shape != expected:
        raise ValueError(f"state: shaped (B, H, K, V), here {expected}; got {tuple(state_BHKV.shape)}")
