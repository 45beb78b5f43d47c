"""Depthwise causal convolution over tokens.  B batch, T tokens, C channels, K kernel size."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def causal_conv1d(x_BTC: Tensor, filter_CK: Tensor) -> Tensor:
    """Filter every channel by itself over the last K tokens; tokens before the first count as zero."""
    channels, kernel_size = filter_CK.shape
    padded_BCT = F.pad(x_BTC.transpose(1, 2), (kernel_size - 1, 0))
    return F.conv1d(padded_BCT, filter_CK.unsqueeze(1), groups=channels).transpose(1, 2)
