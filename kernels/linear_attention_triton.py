"""The Triton kernels of decayed linear attention, and the operators of torch that launch them.

B batch, H heads of values, G heads of queries and keys (H is a multiple: one for H / G heads in turn), T tokens, K key
size, V value size, C chunks, L tokens of a chunk. S is the state, (K, V). With d_t <= 0 the logarithm of what is kept,
w_t a weight of what is written (one where none is given) and e_h a skip of the values (zero where none is given):

    S_t = exp(d_t) S_{t-1} + w_t k_t^T v_t        y_t = q_t S_t + e_h v_t

A chunk needs the state before it, and its gradients that of the state after it: one pass over the chunks each. All else
is done for all chunks at once. The backward pass makes the states again instead of keeping them.
"""

from __future__ import annotations

import triton
import triton.language as tl

LOG2_E = tl.constexpr(1.4426950408889634)
# Two to this power is zero in float32: a stronger decay keeps no more, and its sums stay exact. It may be infinite.
LEAST_BITS = tl.constexpr(-1024.0)


@triton.jit
def _bits_kept(p_log_decay, i_row, i_t, tokens, stride_T):
    """The base 2 logarithm of what is kept of the state before a chunk, after each token and after all: float64."""
    if p_log_decay is None:
        b_bits = tl.zeros(i_row.shape, dtype=tl.float64)
    else:
        b_bits = tl.load(p_log_decay + i_row * stride_T, mask=i_t < tokens, other=0.0).to(tl.float64) * LOG2_E
        b_bits = tl.maximum(b_bits, LEAST_BITS)
    return tl.cumsum(b_bits, axis=0), tl.sum(b_bits, axis=0)


@triton.jit
def _kept_between(b_bits, i_row, REVERSED: tl.constexpr):
    """(L, L): what is left at the later of two tokens of the earlier, zero where the column is later than the row.

    REVERSED: where it is earlier. A span is the difference of two sums, which may be large where the span is small:
    each is a float32 and what that leaves of it. What looks ahead is masked before the power, which may overflow there.
    """
    b_high = b_bits.to(tl.float32)
    b_low = (b_bits - b_high.to(tl.float64)).to(tl.float32)
    b_span = (b_high[:, None] - b_high[None, :]) + (b_low[:, None] - b_low[None, :])
    if REVERSED:
        b_span = tl.where(i_row[:, None] <= i_row[None, :], -b_span, float("-inf"))
    else:
        b_span = tl.where(i_row[:, None] >= i_row[None, :], b_span, float("-inf"))
    return tl.exp2(b_span)


@triton.jit
def _weight_written(p_write, i_row, i_t, tokens, stride_T):
    """w of a chunk's tokens."""
    if p_write is None:
        b_write = tl.full(i_row.shape, 1.0, dtype=tl.float32)
    else:
        b_write = tl.load(p_write + i_row * stride_T, mask=i_t < tokens, other=0.0).to(tl.float32)
    return b_write


@triton.jit
def _times_state(b_rows, b_state):
    """Rows times a float32 state, which float16 may be too small for: with those it is TF32, as exact and wider."""
    if b_rows.dtype == tl.float16:
        b_product = tl.dot(b_rows.to(tl.float32), b_state, input_precision="tf32")
    else:
        b_product = tl.dot(b_rows, b_state.to(b_rows.dtype), input_precision="ieee")
    return b_product


@triton.jit
def states_kernel(
    p_rows, p_columns, p_log_decay, p_write, p_first, p_states, p_last,
    rows_strides, columns_strides, decay_strides, write_strides, first_strides,
    tokens, heads, heads_of_group, keys, values,
    REVERSED: tl.constexpr, b_L: tl.constexpr, b_K: tl.constexpr, b_V: tl.constexpr,
):  # fmt: skip
    """A (b_K, b_V) tile of the state before every chunk, rows are keys and columns values; and after the last.

    REVERSED: of the gradient of the state after every chunk, rows are queries and columns gradients of the output.
    """
    i_batch, i_head = (tl.program_id(0) // heads).to(tl.int64), tl.program_id(0) % heads
    i_k = tl.program_id(1) * b_K + tl.arange(0, b_K)
    i_v = tl.program_id(2) * b_V + tl.arange(0, b_V)
    i_row = tl.arange(0, b_L)
    in_KV = (i_k < keys)[:, None] & (i_v < values)[None, :]
    tile = i_k[:, None] * values + i_v[None, :]
    chunks = tl.cdiv(tokens, b_L)
    p_rows += i_batch * rows_strides[0] + (i_head // heads_of_group) * rows_strides[1]
    p_columns += i_batch * columns_strides[0] + i_head * columns_strides[1]
    if p_log_decay is not None:
        p_log_decay += i_batch * decay_strides[0] + i_head * decay_strides[1]
    if p_write is not None:
        p_write += i_batch * write_strides[0] + i_head * write_strides[1]
    i_state = i_batch * heads + i_head
    b_state = tl.zeros((b_K, b_V), dtype=tl.float32)
    if p_first is not None:
        p_first += i_batch * first_strides[0] + i_head * first_strides[1]
        b_first = tl.load(p_first + i_k[:, None] * first_strides[2] + i_v[None, :], mask=in_KV, other=0.0)
        b_state += b_first.to(tl.float32)
    for i in range(chunks):
        i_chunk = tl.cast(chunks - 1 - i if REVERSED else i, tl.int64)
        tl.store(p_states + (i_state * chunks + i_chunk) * keys * values + tile, b_state, mask=in_KV)
        first = i_chunk * b_L
        i_t = first + i_row
        b_rows = tl.load(
            p_rows + first * rows_strides[2] + i_row[None, :] * rows_strides[2] + i_k[:, None],
            mask=(i_t < tokens)[None, :] & (i_k < keys)[:, None], other=0.0,
        )  # fmt: skip
        b_columns = tl.load(
            p_columns + first * columns_strides[2] + i_row[:, None] * columns_strides[2] + i_v[None, :],
            mask=(i_t < tokens)[:, None] & (i_v < values)[None, :], other=0.0,
        )  # fmt: skip
        p_decays = None if p_log_decay is None else p_log_decay + first * decay_strides[2]
        b_bits, bits = _bits_kept(p_decays, i_row, i_t, tokens, decay_strides[2])
        b_factor = tl.exp2((b_bits if REVERSED else bits - b_bits).to(tl.float32))
        if p_write is not None and not REVERSED:
            b_factor *= _weight_written(p_write + first * write_strides[2], i_row, i_t, tokens, write_strides[2])
        b_rows = (b_rows.to(tl.float32) * b_factor[None, :]).to(b_columns.dtype)
        b_state = b_state * tl.exp2(bits.to(tl.float32)) + tl.dot(b_rows, b_columns, input_precision="ieee")
    tl.store(p_last + i_state * keys * values + tile, b_state, mask=in_KV)


@triton.jit
def mix_kernel(
    p_rows, p_columns, p_mixed, p_log_decay, p_write, p_skip, p_states, p_values, p_out, p_write_part, p_skip_part,
    rows_strides, columns_strides, mixed_strides, decay_strides, write_strides, values_strides, out_strides,
    tokens, heads, heads_of_group, keys, values,
    REVERSED: tl.constexpr, b_L: tl.constexpr, b_K: tl.constexpr, b_V: tl.constexpr,
):  # fmt: skip
    """The outputs of a chunk, b_V of its values: rows are queries, columns keys, and values are mixed.

    REVERSED: the gradients of its values: rows are keys, columns queries, and gradients of the outputs are mixed. What
    the gradients of w and of the skip get from here is kept in parts.
    """
    i_batch, i_head = (tl.program_id(0) // heads).to(tl.int64), tl.program_id(0) % heads
    i_chunk = tl.program_id(1).to(tl.int64)
    first = i_chunk * b_L
    i_row = tl.arange(0, b_L)
    i_t = first + i_row
    i_v = tl.program_id(2) * b_V + tl.arange(0, b_V)
    in_T, in_V = i_t < tokens, i_v < values
    in_TV = in_T[:, None] & in_V[None, :]
    i_group = i_head // heads_of_group
    p_rows += i_batch * rows_strides[0] + i_group * rows_strides[1] + first * rows_strides[2]
    p_columns += i_batch * columns_strides[0] + i_group * columns_strides[1] + first * columns_strides[2]
    p_mixed += i_batch * mixed_strides[0] + i_head * mixed_strides[1] + first * mixed_strides[2]
    p_out += i_batch * out_strides[0] + i_head * out_strides[1] + first * out_strides[2]
    p_states += ((i_batch * heads + i_head) * tl.cdiv(tokens, b_L) + i_chunk) * keys * values
    b_weights = tl.zeros((b_L, b_L), dtype=tl.float32)
    b_out = tl.zeros((b_L, b_V), dtype=tl.float32)
    for k in range(0, keys, b_K):
        i_k = k + tl.arange(0, b_K)
        in_K = i_k < keys
        b_rows = tl.load(
            p_rows + i_row[:, None] * rows_strides[2] + i_k[None, :], mask=in_T[:, None] & in_K[None, :], other=0.0
        )
        b_columns = tl.load(
            p_columns + i_row[None, :] * columns_strides[2] + i_k[:, None],
            mask=in_T[None, :] & in_K[:, None], other=0.0,
        )  # fmt: skip
        b_state = tl.load(
            p_states + i_k[:, None] * values + i_v[None, :], mask=in_K[:, None] & in_V[None, :], other=0.0
        )
        b_weights += tl.dot(b_rows, b_columns, input_precision="ieee")
        b_out += _times_state(b_rows, b_state)
    if p_log_decay is not None:
        p_log_decay += i_batch * decay_strides[0] + i_head * decay_strides[1] + first * decay_strides[2]
    b_bits, bits = _bits_kept(p_log_decay, i_row, i_t, tokens, decay_strides[2])
    b_weights *= _kept_between(b_bits, i_row, REVERSED)
    b_out *= tl.exp2((bits - b_bits if REVERSED else b_bits).to(tl.float32))[:, None]
    b_mixed = tl.load(p_mixed + i_row[:, None] * mixed_strides[2] + i_v[None, :], mask=in_TV, other=0.0)
    if p_write is not None:
        p_write += i_batch * write_strides[0] + i_head * write_strides[1] + first * write_strides[2]
        b_write = _weight_written(p_write, i_row, i_t, tokens, write_strides[2])
    if p_write is not None and not REVERSED:
        b_weights *= b_write[None, :]
    b_out += tl.dot(b_weights.to(b_mixed.dtype), b_mixed, input_precision="ieee")
    if REVERSED and (p_write is not None or p_skip is not None):
        p_values += i_batch * values_strides[0] + i_head * values_strides[1] + first * values_strides[2]
        b_v = tl.load(p_values + i_row[:, None] * values_strides[2] + i_v[None, :], mask=in_TV, other=0.0)
        b_v = b_v.to(tl.float32)
    if REVERSED and p_write is not None:
        i_part = (tl.program_id(2) * tl.num_programs(0) + tl.program_id(0)).to(tl.int64)
        tl.store(p_write_part + i_part * tokens + i_t, tl.sum(b_v * b_out, axis=1), mask=in_T)
        b_out *= b_write[:, None]
    if p_skip is not None:
        b_out += b_mixed.to(tl.float32) * tl.load(p_skip + i_head).to(tl.float32)
    if REVERSED and p_skip is not None:
        i_part = (i_chunk * tl.num_programs(2) + tl.program_id(2)) * tl.num_programs(0) + tl.program_id(0)
        tl.store(p_skip_part + i_part, tl.sum(tl.sum(b_v * b_mixed.to(tl.float32), axis=1), axis=0))
    tl.store(p_out + i_row[:, None] * out_strides[2] + i_v[None, :], b_out.to(p_out.dtype.element_ty), mask=in_TV)


@triton.jit
def query_key_gradients_kernel(
    p_q, p_k, p_v, p_grad_y, p_log_decay, p_write, p_states, p_grad_states,
    p_grad_q, p_grad_k, p_decay_part,
    q_strides, k_strides, v_strides, grad_strides, decay_strides, write_strides,
    tokens, heads, heads_of_group, parts_of_group, keys, values,
    b_L: tl.constexpr, b_K: tl.constexpr, b_V: tl.constexpr,
):  # fmt: skip
    """Gradients of b_K numbers of the queries and keys of a chunk, from one part of the heads that they serve.

    The gradient of a decay is a sum over all pairs of a token before it and one not before it, so that nothing large
    cancels: inside the chunk, into it from the state before, out of it to the state after, and through it.
    """
    groups = heads // heads_of_group
    i_part = tl.program_id(0) % parts_of_group
    i_group = tl.program_id(0) // parts_of_group % groups
    i_batch = (tl.program_id(0) // parts_of_group // groups).to(tl.int64)
    batch = tl.num_programs(0) // parts_of_group // groups
    heads_of_part = heads_of_group // parts_of_group
    i_chunk = tl.program_id(1).to(tl.int64)
    first = i_chunk * b_L
    i_row = tl.arange(0, b_L)
    i_t = first + i_row
    i_k = tl.program_id(2) * b_K + tl.arange(0, b_K)
    in_T, in_K = i_t < tokens, i_k < keys
    in_TK = in_T[:, None] & in_K[None, :]
    p_q += i_batch * q_strides[0] + i_group * q_strides[1] + first * q_strides[2]
    p_k += i_batch * k_strides[0] + i_group * k_strides[1] + first * k_strides[2]
    b_q = tl.load(p_q + i_row[:, None] * q_strides[2] + i_k[None, :], mask=in_TK, other=0.0)
    b_k = tl.load(p_k + i_row[:, None] * k_strides[2] + i_k[None, :], mask=in_TK, other=0.0)
    b_grad_q = tl.zeros((b_L, b_K), dtype=tl.float32)
    b_grad_k = tl.zeros((b_L, b_K), dtype=tl.float32)
    for i in range(heads_of_part):
        i_head = i_group * heads_of_group + i_part * heads_of_part + i
        p_values = p_v + i_batch * v_strides[0] + i_head * v_strides[1] + first * v_strides[2]
        p_grads = p_grad_y + i_batch * grad_strides[0] + i_head * grad_strides[1] + first * grad_strides[2]
        state = ((i_batch * heads + i_head) * tl.cdiv(tokens, b_L) + i_chunk) * keys * values
        b_weights = tl.zeros((b_L, b_L), dtype=tl.float32)
        b_into_q = tl.zeros((b_L, b_K), dtype=tl.float32)
        b_from_k = tl.zeros((b_L, b_K), dtype=tl.float32)
        through = 0.0
        for v in range(0, values, b_V):
            i_v = v + tl.arange(0, b_V)
            in_V = i_v < values
            in_VT, in_VK = in_V[:, None] & in_T[None, :], in_V[:, None] & in_K[None, :]
            b_grad = tl.load(
                p_grads + i_row[:, None] * grad_strides[2] + i_v[None, :],
                mask=in_T[:, None] & in_V[None, :], other=0.0,
            )  # fmt: skip
            b_v = tl.load(p_values + i_row[None, :] * v_strides[2] + i_v[:, None], mask=in_VT, other=0.0)
            b_state = tl.load(p_states + state + i_k[None, :] * values + i_v[:, None], mask=in_VK, other=0.0)
            b_grad_state = tl.load(p_grad_states + state + i_k[None, :] * values + i_v[:, None], mask=in_VK, other=0.0)
            b_weights += tl.dot(b_grad, b_v, input_precision="ieee")
            b_into_q += _times_state(b_grad, b_state)
            b_from_k += _times_state(tl.trans(b_v), b_grad_state)
            through += tl.sum(tl.sum(b_state * b_grad_state, axis=1), axis=0)
        if p_log_decay is None:
            p_decays = None
        else:
            p_decays = p_log_decay + i_batch * decay_strides[0] + i_head * decay_strides[1] + first * decay_strides[2]
        b_bits, bits = _bits_kept(p_decays, i_row, i_t, tokens, decay_strides[2])
        b_weights *= _kept_between(b_bits, i_row, False)
        b_into_q *= tl.exp2(b_bits.to(tl.float32))[:, None]
        b_from_k *= tl.exp2((bits - b_bits).to(tl.float32))[:, None]
        if p_write is not None:
            p_writes = p_write + i_batch * write_strides[0] + i_head * write_strides[1] + first * write_strides[2]
            b_write = _weight_written(p_writes, i_row, i_t, tokens, write_strides[2])
            b_weights *= b_write[None, :]
            b_from_k *= b_write[:, None]
        if p_log_decay is not None:
            later = i_row[:, None] > i_row[None, :]
            b_pairs = tl.where(later, b_weights * tl.dot(b_q, tl.trans(b_k), input_precision="ieee"), 0.0)
            # Of the decay after token s: tokens i > s at tokens j <= s. Belongs to the token s + 1.
            b_inside = tl.sum(tl.where(later, tl.cumsum(b_pairs, axis=1), 0.0), axis=0)
            b_into = tl.sum(b_q.to(tl.float32) * b_into_q, axis=1)
            b_from = tl.sum(b_k.to(tl.float32) * b_from_k, axis=1)
            b_across = tl.sum(tl.where(i_row[:, None] >= i_row[None, :], b_into[:, None], 0.0), axis=0)
            b_across += tl.sum(tl.where(later, b_from[None, :], 0.0), axis=1)
            b_across += through * tl.exp2(bits.to(tl.float32))
            p_part = p_decay_part + ((tl.program_id(2) * 2 * batch + i_batch) * heads + i_head) * tokens + first
            tl.store(p_part + i_row, b_across, mask=in_T)
            # Behind the last token of a chunk there is none inside: that zero goes to the first.
            i_after = (i_row + 1) % b_L
            tl.store(p_part + batch * heads * tokens + i_after, b_inside, mask=first + i_after < tokens)
        b_grad_q += b_into_q + tl.dot(b_weights.to(b_k.dtype), b_k, input_precision="ieee")
        b_grad_k += b_from_k + tl.dot(tl.trans(b_weights).to(b_q.dtype), b_q, input_precision="ieee")
    # Contiguous, part by part.
    out = ((i_part * batch + i_batch) * groups + i_group) * tokens * keys + first * keys
    tile = out + i_row[:, None] * keys + i_k[None, :]
    tl.store(p_grad_q + tile, b_grad_q.to(p_grad_q.dtype.element_ty), mask=in_TK)
    tl.store(p_grad_k + tile, b_grad_k.to(p_grad_k.dtype.element_ty), mask=in_TK)


@triton.jit
def step_kernel(
    p_q, p_k, p_v, p_log_decay, p_write, p_skip, p_state, p_y, p_state_out,
    q_strides, k_strides, v_strides, decay_strides, write_strides, state_strides,
    heads, heads_of_group, keys, values, b_K: tl.constexpr, b_V: tl.constexpr,
):  # fmt: skip
    """One token of one head, b_V of its values: the state is read and written once."""
    i_batch, i_head = (tl.program_id(0) // heads).to(tl.int64), tl.program_id(0) % heads
    i_v = tl.program_id(1) * b_V + tl.arange(0, b_V)
    in_V = i_v < values
    p_q += i_batch * q_strides[0] + (i_head // heads_of_group) * q_strides[1]
    p_k += i_batch * k_strides[0] + (i_head // heads_of_group) * k_strides[1]
    b_v = tl.load(p_v + i_batch * v_strides[0] + i_head * v_strides[1] + i_v, mask=in_V, other=0.0).to(tl.float32)
    b_written = b_v
    if p_write is not None:
        b_written *= tl.load(p_write + i_batch * write_strides[0] + i_head * write_strides[1]).to(tl.float32)
    p_state += i_batch * state_strides[0] + i_head * state_strides[1]
    p_state_out += (i_batch * heads + i_head) * keys * values
    b_y = tl.zeros((b_V,), dtype=tl.float32)
    for k in range(0, keys, b_K):
        i_k = k + tl.arange(0, b_K)
        in_K = i_k < keys
        in_VK = in_V[:, None] & in_K[None, :]
        b_k = tl.load(p_k + i_k, mask=in_K, other=0.0).to(tl.float32)
        b_q = tl.load(p_q + i_k, mask=in_K, other=0.0).to(tl.float32)
        b_state = tl.load(p_state + i_k[None, :] * state_strides[2] + i_v[:, None], mask=in_VK, other=0.0)
        b_state = b_state.to(tl.float32)
        if p_log_decay is not None:
            p_decay = p_log_decay + i_batch * decay_strides[0] + i_head * decay_strides[1]
            b_state *= tl.exp(tl.load(p_decay).to(tl.float32))
        b_state += b_k[None, :] * b_written[:, None]
        b_stored = b_state.to(p_state_out.dtype.element_ty)
        tl.store(p_state_out + i_k[None, :] * values + i_v[:, None], b_stored, mask=in_VK)
        b_y += tl.sum(b_q[None, :] * b_state, axis=1)
    if p_skip is not None:
        b_y += b_v * tl.load(p_skip + i_head).to(tl.float32)
    p_y += (i_batch * heads + i_head) * values
    tl.store(p_y + i_v, b_y.to(p_y.dtype.element_ty), mask=in_V)
