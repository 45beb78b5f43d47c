"""Which family a kernel belongs to. Kernels of one family share a regression (see `fit`)."""

from __future__ import annotations

import torch
from torch._ops import OpOverload

UNKNOWN = "unknown"
FUSED = "fused_pointwise"
COLLECTIVE = "collective"

FAMILIES: dict[str, tuple[str, ...]] = {
    "matmul": (
        "aten.mm",
        "aten.addmm",
        "aten.mv",
        "aten.addmv",
        "aten.dot",
        "frontier.fused_ffn",
        "frontier.fused_ffn_backward",
    ),
    "batched_matmul": ("aten.bmm", "aten.baddbmm"),
    "grouped_matmul": (
        "frontier.moe_mlp",
        "frontier.mohd_read",
        "frontier.mohd_write",
        "frontier.moe_mlp_backward",
        "frontier.mohd_read_backward",
        "frontier.mohd_write_backward",
    ),
    "attention": (
        "aten._scaled_dot_product_flash_attention_for_cpu",
        "aten._scaled_dot_product_flash_attention",
        "aten._scaled_dot_product_efficient_attention",
        "aten._scaled_dot_product_cudnn_attention",
        "aten._scaled_dot_product_flash_attention_for_cpu_backward",
        "aten._scaled_dot_product_flash_attention_backward",
        "aten._scaled_dot_product_efficient_attention_backward",
        "aten._scaled_dot_product_cudnn_attention_backward",
        "frontier.decode_attention",
        "frontier.merge_attention",
    ),
    "scan": (
        "frontier.linear_attention_chunk",
        "frontier.linear_attention_chunk_backward",
        "frontier.linear_attention_step",
    ),
    "convolution": (
        "aten.convolution",
        "aten._convolution",
        "aten.mkldnn_convolution",
        "aten.convolution_backward",
        "frontier.causal_conv1d",
        "frontier.causal_conv1d_backward",
        "frontier.causal_conv1d_step",
    ),
    "norm": (
        "aten.native_layer_norm",
        "aten.native_group_norm",
        "aten.native_batch_norm",
        "aten._fused_rms_norm",
        "aten.native_layer_norm_backward",
        "aten.native_group_norm_backward",
        "aten._fused_rms_norm_backward",
        "frontier.residual_norm",
        "frontier.residual_norm_backward",
    ),
    "reduction": (
        "aten.mean",
        "aten.sum",
        "aten.prod",
        "aten.amax",
        "aten.amin",
        "aten.max",
        "aten.min",
        "aten.argmax",
        "aten.var",
        "aten.var_mean",
        "aten.cumsum",
        "aten.cumprod",
        "aten._softmax",
        "aten._safe_softmax",
        "aten._log_softmax",
        "aten.logsumexp",
        "aten.linalg_vector_norm",
        "aten.avg_pool2d",
        "aten._softmax_backward_data",
        "aten._log_softmax_backward_data",
        "aten.avg_pool2d_backward",
        "aten.nll_loss_forward",
        "aten.nll_loss_backward",
        "aten._foreach_norm",
    ),
    "gather": (
        "aten.embedding",
        "aten.gather",
        "aten.index",
        "aten.index_select",
        "aten.index_put",
        "aten.index_put_",
        "aten.index_copy",
        "aten.index_copy_",
        "aten.scatter",
        "aten.scatter_",
        "aten.scatter_add",
        "aten.scatter_add_",
        "aten.sort",
        "aten.topk",
        "aten.index_add",
        "aten.index_add_",
        "aten.embedding_dense_backward",
    ),
    "copy": (
        "aten.clone",
        "aten.copy_",
        "aten._to_copy",
        "aten.cat",
        "aten.stack",
        "aten.constant_pad_nd",
        "aten.roll",
        "aten.flip",
        "aten.repeat",
        "aten.tril",
        "aten.triu",
        "aten.where",
        "aten.masked_fill",
        "aten.slice_backward",
        "aten.select_backward",
        "aten._local_scalar_dense",
    ),
    "creation": (
        "aten.arange",
        "aten.empty",
        "aten.empty_like",
        "aten.full",
        "aten.full_like",
        "aten.new_ones",
        "aten.new_zeros",
        "aten.ones",
        "aten.ones_like",
        "aten.scalar_tensor",
        "aten.zeros",
        "aten.zeros_like",
        "aten.new_empty_strided",
    ),
    # Elementwise, though torch has no tag on them.
    "pointwise": (
        "aten.log_sigmoid_forward",
        "aten.log_sigmoid_backward",
        "aten._foreach_mul_",
    ),
}

_FAMILY_OF = {op: family for family, ops in FAMILIES.items() for op in ops}


def family_of(op: OpOverload) -> str:
    """The family of an operator; elementwise operators say so themselves, what nobody knows is `unknown`."""
    named = _FAMILY_OF.get(str(op.overloadpacket))
    if named is not None:
        return named
    return "pointwise" if torch.Tag.pointwise in op.tags else UNKNOWN
