"""Memory that a kernel takes while it runs and gives back at its end, beside its inputs and outputs.

Those of our own operators follow from their code, with tokens spread evenly over experts or groups. Those of the
CPU's libraries follow from the layouts they copy tensors into; they were read off torch's allocator with a single call
at a time, and `benchmarks/latency_memory.py` shows how well they hold.

N tokens, D width, E experts, F inner size, K choices per token, M = N K, O outputs, S columns of a group.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from ...kernels.mohd.by_torch import sorting_pays

INDEX_BYTES = 8
LANES = 16
ROWS_OF_FILTERS = 256
LIBRARY_SCRATCH = 4096
TRANSPOSED_BLOCK = 60 * 60


def workspace_bytes(op: OpOverload, args: Sequence[Any], outputs: Sequence[Tensor]) -> int:
    """The most bytes that a call takes beside its inputs and outputs."""
    packet = str(op.overloadpacket)
    made = sum(tensor.numel() * tensor.element_size() for tensor in outputs)
    if packet in OWN:
        return max(0, OWN[packet](args) - made)
    if packet in CPU and outputs and outputs[0].device.type == "cpu":
        return max(0, CPU[packet](args, outputs[0]))
    return 0


def _bytes(*shape: int, like: Tensor) -> int:
    return math.prod(shape) * like.element_size()


def _experts(args: Sequence[Any]) -> int:
    """Two experts' inner activations at once, with the output."""
    x_ND, gate_EFD, chosen_NK = args[0], args[1], args[5]
    return _bytes(*x_ND.shape, like=x_ND) + _rows_of_experts(x_ND, gate_EFD, chosen_NK, inner_tensors=4)


def _experts_backward(args: Sequence[Any]) -> int:
    x_ND, gate_EFD, up_EFD, down_EDF, weight_NK, chosen_NK = args[1:7]
    made = sum(tensor.numel() * tensor.element_size() for tensor in (x_ND, gate_EFD, up_EFD, down_EDF, weight_NK))
    return made + _rows_of_experts(x_ND, gate_EFD, chosen_NK, inner_tensors=11)


def _rows_of_experts(x_ND: Tensor, gate_EFD: Tensor, chosen_NK: Tensor, inner_tensors: int) -> int:
    experts, inner, width = gate_EFD.shape
    rows = -(-chosen_NK.numel() // experts)
    order = chosen_NK.numel() * (2 * INDEX_BYTES + x_ND.element_size())
    return order + _bytes(rows, inner_tensors * inner + 2 * width, like=x_ND)


class _Groups:
    """The sizes in bytes of what reads and writes groups of the width."""

    def __init__(self, tokens: Tensor, outputs: int, width: int, chosen_NK: Tensor, shared: int, size: int) -> None:
        self.sorted = sorting_pays(chosen_NK.shape, width, outputs, shared, size)
        self.scale = _bytes(len(tokens), width // size, like=tokens)
        self.multiplier = _bytes(len(tokens), shared + chosen_NK.shape[1], like=tokens)
        choices, routed = chosen_NK.numel(), max(1, width // size - shared)
        rows = -(-choices // routed)
        self.order = 3 * INDEX_BYTES * choices
        self.shared = _bytes(len(tokens), shared * size, like=tokens)
        self.routed = _bytes(choices, size, like=tokens)
        self.row_outputs = _bytes(rows, outputs, like=tokens)
        self.whole = _bytes(len(tokens), width, like=tokens)
        self.outputs = _bytes(len(tokens), outputs, like=tokens)
        self.weight = _bytes(outputs, width, like=tokens)
        self.weight_of_group = _bytes(outputs, size, like=tokens)


def _read(args: Sequence[Any]) -> int:
    u_ND, weight_OD, _, chosen_NK, shared, size = args
    of = _Groups(u_ND, len(weight_OD), u_ND.shape[1], chosen_NK, shared, size)
    if not of.sorted:
        return of.outputs + of.whole + of.scale
    return of.outputs + of.order + of.shared + of.routed + 2 * of.row_outputs


def _read_backward(args: Sequence[Any]) -> int:
    _, u_ND, weight_OD, _, chosen_NK, shared, size = args
    of = _Groups(u_ND, len(weight_OD), u_ND.shape[1], chosen_NK, shared, size)
    if not of.sorted:
        return of.weight + 2 * of.whole + 2 * of.scale + of.multiplier
    packed = of.order + 2 * of.shared + 3 * of.routed
    return packed + of.whole + of.weight + of.row_outputs + of.weight_of_group


def _write(args: Sequence[Any]) -> int:
    a_NO, weight_DO, chosen_NK, shared, size = args
    of = _Groups(a_NO, a_NO.shape[1], len(weight_DO), chosen_NK, shared, size)
    if not of.sorted:
        return 2 * of.whole + of.scale
    return of.order + of.routed + max(2 * of.row_outputs, of.shared + of.whole)


def _write_backward(args: Sequence[Any]) -> int:
    _, a_NO, weight_DO, chosen_NK, shared, size = args
    of = _Groups(a_NO, a_NO.shape[1], len(weight_DO), chosen_NK, shared, size)
    if not of.sorted:
        return of.whole + of.outputs + of.weight
    transposed = 2 * of.weight + _bytes(TRANSPOSED_BLOCK, like=a_NO)
    return of.order + of.routed + of.outputs + max(2 * of.row_outputs, transposed)


def _attention(args: Sequence[Any], out: Tensor) -> int:
    """A block of weights, their greatest and their sum, and a block of the output, in float32 per thread."""
    queries, keys, head_dim = args[0].shape[2], args[1].shape[2], args[0].shape[3]
    block = _query_block(queries)
    return 4 * torch.get_num_threads() * block * (min(512, keys) + 2 + head_dim)


def _attention_backward(args: Sequence[Any], out: Tensor) -> int:
    """Two blocks of weights in float32 per thread."""
    queries, keys = args[1].shape[2], args[2].shape[2]
    return 4 * torch.get_num_threads() * 2 * _query_block(queries) * min(512, keys)


def _query_block(queries: int) -> int:
    most = 256 if queries >= 768 else 64 if queries >= 192 else 32
    return min(most, queries)


def _convolution(args: Sequence[Any], out: Tensor) -> int:
    x, weight, groups = args[0], args[1], args[8]
    if groups == 1:
        return _dense_convolution(x, weight, out)
    if x.dim() == 4:
        return _size(weight)
    return _padded(x, 1) + _padded(weight, 0) + _padded(out, 1) - _size(out)


def _dense_convolution(x: Tensor, weight: Tensor, out: Tensor) -> int:
    """Without a batch every place is unfolded; else the filters are reordered, twice, or where the input has hardly a
    channel the output is."""
    if len(x) == 1:
        return _unfolded(weight, out) + (_size(weight) if _channels_last(x) else 0)
    if not _channels_last(x):
        return _padded(out, 1)
    return _size(weight) + _padded(weight, 1) + LIBRARY_SCRATCH * (1 + torch.get_num_threads())


def _convolution_backward(args: Sequence[Any], out: Tensor) -> int:
    grad, x, weight, groups = args[0], args[1], args[2], args[9]
    if groups == 1:
        return _dense_convolution_backward(grad, x, weight)
    if x.dim() == 4:
        # The fast kernel takes filters of up to 3 x 3 that fit on the map; the other one adds up in rows of filters.
        fast = max(weight.shape[2:]) <= min(3, *x.shape[2:])
        return _size(weight) * (2 if fast else ROWS_OF_FILTERS + 1)
    both = _padded(x, 1) + _padded(grad, 1)
    return both + _padded(grad, 1) if weight.shape[2] <= 3 else both - _size(weight)


def _dense_convolution_backward(grad: Tensor, x: Tensor, weight: Tensor) -> int:
    if len(x) == 1:
        return _unfolded(weight, grad) + _size(weight if _channels_last(x) else grad)
    if not _channels_last(x):
        return _size(grad) + _padded(grad, 1)
    return 2 * _size(weight) + _padded(weight, 0, 1)


def _unfolded(weight: Tensor, out: Tensor) -> int:
    """What every place of the output sees."""
    return _bytes(weight[0].numel(), *out.shape[2:], like=weight)


def _channels_last(x: Tensor) -> bool:
    return x.shape[1] > 1 and x.stride(1) == 1


def _size(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _padded(tensor: Tensor, *axes: int) -> int:
    """Bytes of a tensor whose channels fill whole vectors."""
    shape = [-(-size // LANES) * LANES if axis in axes else size for axis, size in enumerate(tensor.shape)]
    return _bytes(*shape, like=tensor)


OWN: dict[str, Callable[[Sequence[Any]], int]] = {
    "frontier.moe_mlp": _experts,
    "frontier.moe_mlp_backward": _experts_backward,
    "frontier.mohd_read": _read,
    "frontier.mohd_read_backward": _read_backward,
    "frontier.mohd_write": _write,
    "frontier.mohd_write_backward": _write_backward,
}
CPU: dict[str, Callable[[Sequence[Any], Tensor], int]] = {
    "aten._scaled_dot_product_flash_attention_for_cpu": _attention,
    "aten._scaled_dot_product_flash_attention_for_cpu_backward": _attention_backward,
    "aten.convolution": _convolution,
    "aten.convolution_backward": _convolution_backward,
}
