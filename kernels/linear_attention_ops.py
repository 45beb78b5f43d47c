"""Launches the kernels of decayed linear attention, as operators of torch with gradients and FLOPs.

B batch, H heads of values, G heads of queries and keys, T tokens, K key size, V value size, C chunks. The formula is in
`linear_attention_triton`; a decay, a weight of what is written, a skip and a first state may each be missing.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from .launching import INTERPRETED
from .linear_attention_triton import mix_kernel, query_key_gradients_kernel, states_kernel, step_kernel
from .tuning import Config, Tuning, bucket

# Where every operation is a call of the interpreter: small, but more than one chunk and tile all the same.
SMALL = {"b_L": 16, "b_K": 16, "b_V": 16}
FORWARD = Tuning(
    "linear_attention_chunk",
    {"b_L": 64, "b_K": 64, "b_V": 64, "num_warps": 4, "num_stages": 2},
    {"b_L": 64, "b_K": 32, "b_V": 64, "num_warps": 4, "num_stages": 3},
    {"b_L": 64, "b_K": 64, "b_V": 32, "num_warps": 4, "num_stages": 2},
    {"b_L": 32, "b_K": 32, "b_V": 32, "num_warps": 2, "num_stages": 2},
    {"b_L": 64, "b_K": 64, "b_V": 128, "num_warps": 8, "num_stages": 2},
    {"b_L": 128, "b_K": 64, "b_V": 64, "num_warps": 8, "num_stages": 2},
    interpreted=SMALL,
)
BACKWARD = Tuning(
    "linear_attention_chunk_backward",
    {"b_L": 64, "b_K": 64, "b_V": 32, "num_warps": 8, "num_stages": 1},
    {"b_L": 64, "b_K": 64, "b_V": 64, "num_warps": 8, "num_stages": 1},
    {"b_L": 64, "b_K": 32, "b_V": 32, "num_warps": 4, "num_stages": 2},
    {"b_L": 32, "b_K": 32, "b_V": 32, "num_warps": 2, "num_stages": 2},
    {"b_L": 32, "b_K": 64, "b_V": 64, "num_warps": 4, "num_stages": 2},
    interpreted=SMALL,
)
STEP = Tuning(
    "linear_attention_step",
    {"b_K": 64, "b_V": 32, "num_warps": 4},
    {"b_K": 32, "b_V": 64, "num_warps": 4},
    {"b_K": 128, "b_V": 16, "num_warps": 4},
    {"b_K": 64, "b_V": 64, "num_warps": 8},
    interpreted={"b_K": 16, "b_V": 16},
)
# Programs that fill a large GPU a few times over: with fewer, the heads of a group are shared among several.
ENOUGH_PROGRAMS = 4 if INTERPRETED else 512
# The chunk that FLOPs are counted with.
COUNTED_CHUNK = 64


def _rows(x: Tensor) -> Tensor:
    """What lies next to each other are the numbers of one token; anything else may lie as it does."""
    return x if x.stride(-1) == 1 else x.contiguous()


def _strides(x: Tensor | None) -> tuple[int, int, int]:
    return (0, 0, 0) if x is None else x.stride()[:3]  # type: ignore[return-value]


def _states(
    rows: Tensor,
    columns: Tensor,
    log_decay_BHT: Tensor | None,
    write_BHT: Tensor | None,
    first_BHKV: Tensor | None,
    last_BHKV: Tensor,
    config: Config,
    backward: bool = False,
) -> Tensor:
    """The states before every chunk (B, H, C, K, V), the last to where it goes; backward, gradients of those after."""
    (batch, heads, tokens, values), (groups, keys) = columns.shape, (rows.shape[1], rows.shape[3])
    chunks = triton.cdiv(tokens, config["b_L"])
    states_BHCKV = columns.new_empty(batch, heads, chunks, keys, values, dtype=torch.float32)
    grid = (batch * heads, triton.cdiv(keys, config["b_K"]), triton.cdiv(values, config["b_V"]))
    states_kernel[grid](
        rows, columns, log_decay_BHT, write_BHT, first_BHKV, states_BHCKV, last_BHKV,
        *map(_strides, (rows, columns, log_decay_BHT, write_BHT, first_BHKV)),
        tokens, heads, heads // groups, keys, values, REVERSED=backward, **config,
    )  # fmt: skip
    return states_BHCKV


@torch.library.custom_op("frontier::linear_attention_chunk", mutates_args=())
def attend(
    q_BGTK: Tensor,
    k_BGTK: Tensor,
    v_BHTV: Tensor,
    log_decay_BHT: Tensor | None,
    write_BHT: Tensor | None,
    skip_H: Tensor | None,
    state_BHKV: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The outputs, and the state after the last token in float32."""
    q_BGTK, k_BGTK, v_BHTV = _rows(q_BGTK), _rows(k_BGTK), _rows(v_BHTV)
    state_BHKV = None if state_BHKV is None else _rows(state_BHKV)
    (batch, heads, tokens, values), (groups, keys) = v_BHTV.shape, (q_BGTK.shape[1], q_BGTK.shape[3])
    y_BHTV = torch.empty_like(v_BHTV)
    last_BHKV = v_BHTV.new_empty(batch, heads, keys, values, dtype=torch.float32)

    def run(config: Config) -> None:
        states_BHCKV = _states(k_BGTK, v_BHTV, log_decay_BHT, write_BHT, state_BHKV, last_BHKV, config)
        grid = (batch * heads, triton.cdiv(tokens, config["b_L"]), triton.cdiv(values, config["b_V"]))
        mix_kernel[grid](
            q_BGTK, k_BGTK, v_BHTV, log_decay_BHT, write_BHT, skip_H, states_BHCKV, None, y_BHTV, None, None,
            *map(_strides, (q_BGTK, k_BGTK, v_BHTV, log_decay_BHT, write_BHT, None, y_BHTV)),
            tokens, heads, heads // groups, keys, values, REVERSED=False, **config,
        )  # fmt: skip

    FORWARD.launch(run, v_BHTV.device, *_key(q_BGTK, v_BHTV))
    return y_BHTV, last_BHKV


@attend.register_fake
def _(
    q_BGTK: Tensor,
    k_BGTK: Tensor,
    v_BHTV: Tensor,
    log_decay_BHT: Tensor | None,
    write_BHT: Tensor | None,
    skip_H: Tensor | None,
    state_BHKV: Tensor | None,
) -> tuple[Tensor, Tensor]:
    shape = (*v_BHTV.shape[:2], q_BGTK.shape[3], v_BHTV.shape[3])
    return torch.empty_like(_rows(v_BHTV)), v_BHTV.new_empty(shape, dtype=torch.float32)


@torch.library.custom_op("frontier::linear_attention_chunk_backward", mutates_args=())
def _attend_backward(
    grad_y_BHTV: Tensor,
    grad_last_BHKV: Tensor | None,
    q_BGTK: Tensor,
    k_BGTK: Tensor,
    v_BHTV: Tensor,
    log_decay_BHT: Tensor | None,
    write_BHT: Tensor | None,
    skip_H: Tensor | None,
    state_BHKV: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of all that follow the first two; of what is not given, empty."""
    grad_y_BHTV, q_BGTK, k_BGTK, v_BHTV = map(_rows, (grad_y_BHTV, q_BGTK, k_BGTK, v_BHTV))
    grad_last_BHKV, state_BHKV = (None if x is None else _rows(x) for x in (grad_last_BHKV, state_BHKV))
    (batch, heads, tokens, values), (_, groups, _, keys) = v_BHTV.shape, q_BGTK.shape
    given = (q_BGTK, k_BGTK, v_BHTV, log_decay_BHT, write_BHT, skip_H, state_BHKV)
    gradients = tuple(_empty_for(x, v_BHTV) for x in given)
    grad_q, grad_k, grad_v, grad_decay, grad_write, grad_skip, grad_state = gradients

    def run(config: Config) -> None:
        last_BHKV, grad_first_BHKV = (_float32(v_BHTV, batch, heads, keys, values) for _ in range(2))
        states_BHCKV = _states(k_BGTK, v_BHTV, log_decay_BHT, write_BHT, state_BHKV, last_BHKV, config)
        grad_states_BHCKV = _states(
            q_BGTK, grad_y_BHTV, log_decay_BHT, None, grad_last_BHKV, grad_first_BHKV, config, backward=True
        )
        chunks, k_tiles, v_tiles = (
            triton.cdiv(n, config[b]) for n, b in ((tokens, "b_L"), (keys, "b_K"), (values, "b_V"))
        )
        write_parts = None if write_BHT is None else _float32(v_BHTV, v_tiles, batch, heads, tokens)
        skip_parts = None if skip_H is None else _float32(v_BHTV, chunks * v_tiles * batch, heads)
        mix_kernel[(batch * heads, chunks, v_tiles)](
            k_BGTK, q_BGTK, grad_y_BHTV, log_decay_BHT, write_BHT, skip_H, grad_states_BHCKV, v_BHTV,
            grad_v, write_parts, skip_parts,
            *map(_strides, (k_BGTK, q_BGTK, grad_y_BHTV, log_decay_BHT, write_BHT, v_BHTV, grad_v)),
            tokens, heads, heads // groups, keys, values, REVERSED=True, **config,
        )  # fmt: skip
        parts = _parts(heads // groups, batch * groups * chunks * k_tiles)
        dtype = q_BGTK.dtype if parts == 1 else torch.float32
        query_parts, key_parts = (v_BHTV.new_empty(parts, *q_BGTK.shape, dtype=dtype) for _ in range(2))
        decay_parts = None if log_decay_BHT is None else _float32(v_BHTV, 2 * k_tiles, batch, heads, tokens)
        query_key_gradients_kernel[(batch * groups * parts, chunks, k_tiles)](
            q_BGTK, k_BGTK, v_BHTV, grad_y_BHTV, log_decay_BHT, write_BHT, states_BHCKV, grad_states_BHCKV,
            query_parts, key_parts, decay_parts,
            *map(_strides, (q_BGTK, k_BGTK, v_BHTV, grad_y_BHTV, log_decay_BHT, write_BHT)),
            tokens, heads, heads // groups, parts, keys, values, **config,
        )  # fmt: skip
        for gradient, by_part in (
            (grad_q, query_parts),
            (grad_k, key_parts),
            (grad_decay, decay_parts),
            (grad_write, write_parts),
            (grad_skip, skip_parts),
        ):
            if by_part is not None:
                gradient.copy_(by_part[0] if len(by_part) == 1 else by_part.sum(dim=0))
        if state_BHKV is not None:
            grad_state.copy_(grad_first_BHKV)

    BACKWARD.launch(run, v_BHTV.device, *_key(q_BGTK, v_BHTV))
    return gradients  # type: ignore[return-value]


@_attend_backward.register_fake
def _(
    grad_y_BHTV: Tensor,
    grad_last_BHKV: Tensor | None,
    q_BGTK: Tensor,
    k_BGTK: Tensor,
    v_BHTV: Tensor,
    log_decay_BHT: Tensor | None,
    write_BHT: Tensor | None,
    skip_H: Tensor | None,
    state_BHKV: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    given = (q_BGTK, k_BGTK, v_BHTV, log_decay_BHT, write_BHT, skip_H, state_BHKV)
    return tuple(_empty_for(x, v_BHTV) for x in given)  # type: ignore[return-value]


@torch.library.custom_op("frontier::linear_attention_step", mutates_args=())
def attend_step(
    q_BGK: Tensor,
    k_BGK: Tensor,
    v_BHV: Tensor,
    log_decay_BH: Tensor | None,
    write_BH: Tensor | None,
    skip_H: Tensor | None,
    state_BHKV: Tensor,
) -> tuple[Tensor, Tensor]:
    q_BGK, k_BGK, v_BHV, state_BHKV = map(_rows, (q_BGK, k_BGK, v_BHV, state_BHKV))
    (batch, heads, values), (_, groups, keys) = v_BHV.shape, q_BGK.shape
    y_BHV, state_out_BHKV = v_BHV.new_empty(v_BHV.shape), state_BHKV.new_empty(state_BHKV.shape)

    def run(config: Config) -> None:
        step_kernel[(batch * heads, triton.cdiv(values, config["b_V"]))](
            q_BGK, k_BGK, v_BHV, log_decay_BH, write_BH, skip_H, state_BHKV, y_BHV, state_out_BHKV,
            *map(_strides, (q_BGK, k_BGK, v_BHV, log_decay_BH, write_BH, state_BHKV)),
            heads, heads // groups, keys, values, **config,
        )  # fmt: skip

    STEP.launch(run, v_BHV.device, bucket(batch * heads), bucket(keys), bucket(values), v_BHV.dtype)
    return y_BHV, state_out_BHKV


@attend_step.register_fake
def _(
    q_BGK: Tensor,
    k_BGK: Tensor,
    v_BHV: Tensor,
    log_decay_BH: Tensor | None,
    write_BH: Tensor | None,
    skip_H: Tensor | None,
    state_BHKV: Tensor,
) -> tuple[Tensor, Tensor]:
    return v_BHV.new_empty(v_BHV.shape), state_BHKV.new_empty(state_BHKV.shape)


def _key(q_BGTK: Tensor, v_BHTV: Tensor) -> tuple[int | torch.dtype, ...]:
    batch, heads, tokens, values = v_BHTV.shape
    return (bucket(batch * heads), bucket(tokens), bucket(q_BGTK.shape[3]), bucket(values), v_BHTV.dtype)


def _empty_for(x: Tensor | None, like: Tensor) -> Tensor:
    """Where the gradient of x goes."""
    return like.new_empty(0) if x is None else x.new_empty(x.shape)


def _float32(like: Tensor, *shape: int) -> Tensor:
    return like.new_empty(shape, dtype=torch.float32)


def _parts(heads_of_group: int, programs: int) -> int:
    """In how many equal parts the heads of a group are taken so that there are programs enough."""
    divisors = [parts for parts in range(1, heads_of_group + 1) if heads_of_group % parts == 0]
    return next((parts for parts in divisors if parts * programs >= ENOUGH_PROGRAMS), heads_of_group)


def _save_inputs(ctx: Any, inputs: tuple[Tensor | None, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad_y_BHTV: Tensor | None, grad_last_BHKV: Tensor | None) -> tuple[Tensor | None, ...]:
    given = ctx.saved_tensors
    if grad_y_BHTV is None:
        grad_y_BHTV = torch.zeros_like(given[2])
    gradients = torch.ops.frontier.linear_attention_chunk_backward(grad_y_BHTV, grad_last_BHKV, *given)
    return tuple(None if x is None else gradient for x, gradient in zip(given, gradients, strict=True))


attend.register_autograd(_backward, setup_context=_save_inputs)


def _chunk_flops(q: list[int], v: list[int], between_keys: int, between_values: int, states: int) -> int:
    """Products of so many numbers per pair of tokens in a chunk with K and with V, and per token with the state."""
    batch, heads, tokens, values = v
    keys, length = q[3], min(v[2], COUNTED_CHUNK)
    per_token = length * (between_keys * keys + between_values * values) + states * keys * values
    return 2 * batch * heads * tokens * per_token


@register_flop_formula(torch.ops.frontier.linear_attention_chunk)
def _flops(q: list[int], k: list[int], v: list[int], *args: Any, **kwargs: Any) -> int:
    return _chunk_flops(q, v, 1, 1, 2)


@register_flop_formula(torch.ops.frontier.linear_attention_chunk_backward)
def _backward_flops(
    grad_y: list[int], grad_last: Any, q: list[int], k: list[int], v: list[int], *args: Any, **kwargs: Any
) -> int:
    return _chunk_flops(q, v, 4, 2, 5)


@register_flop_formula(torch.ops.frontier.linear_attention_step)
def _step_flops(q: list[int], k: list[int], v: list[int], *args: Any, **kwargs: Any) -> int:
    return 4 * v[0] * v[1] * v[2] * q[2]
