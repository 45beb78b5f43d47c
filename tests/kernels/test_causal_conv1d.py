"""Depthwise causal convolution: the Triton kernel under the interpreter against float64, forward and gradients.

The interpreter needs its environment variable before triton is imported, so the comparison runs in its own process.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from frontier.kernels.causal_conv1d import causal_conv1d, causal_conv1d_reference

COMPARISON = """
import itertools, sys, torch
from frontier.kernels.causal_conv1d import causal_conv1d_reference, launch_convolve, launch_filter_gradient
torch.use_deterministic_algorithms(True)  # fills what torch.empty returns with NaN
dtype = getattr(torch, sys.argv[1])

def by_torch(x, w, g):
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    y = causal_conv1d_reference(x, w)
    return (y.detach(), *torch.autograd.grad(y, (x, w), g))

def by_kernel(x, w, g):
    grad_w = launch_filter_gradient(x, g, w.shape[1]).to(dtype)
    return launch_convolve(x, w), launch_convolve(g, w, look_ahead=True), grad_w

# One token, odd tokens, more channels than a tile, a filter longer than the sequence, sequences longer than a tile.
sizes = [(1, 1, 1, 2), (2, 63, 5, 4), (1, 33, 100, 3), (1, 9, 3, 15), (3, 70, 64, 7)]
for batch, tokens, channels, kernel_size in sizes:
    x = torch.randn(batch, tokens, channels).to(dtype)
    w = torch.randn(channels, kernel_size).to(dtype)
    g = torch.randn(batch, tokens, channels).to(dtype)
    exact, plain = by_torch(x.double(), w.double(), g.double()), by_torch(x, w, g)
    names = ("y", "grad_x", "grad_filter")
    for name, e, p, o, a in zip(names, exact, plain, by_kernel(x, w, g), by_kernel(x, w, g), strict=True):
        where = f"{name} at {(batch, tokens, channels, kernel_size)}"
        assert torch.equal(o, a), f"{where} differs between two runs"
        ulp = torch.finfo(dtype).eps * e.abs().max()
        bound = 2 * (p.double() - e).abs().max() + ulp
        error = (o.double() - e).abs().max()
        assert error <= bound, f"{where}: error {error} over its bound {bound}"
    print("agree")
"""


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_triton_kernel_matches_float64(dtype: str) -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-c", COMPARISON, dtype]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["agree"] * 5


def test_reference_is_the_definition() -> None:
    x_BTC, filter_CK = torch.randn(2, 9, 3), torch.randn(3, 4)
    expected = torch.zeros_like(x_BTC)
    for t in range(9):
        for k in range(4):
            if t - 3 + k >= 0:
                expected[:, t] += x_BTC[:, t - 3 + k] * filter_CK[:, k]
    torch.testing.assert_close(causal_conv1d_reference(x_BTC, filter_CK), expected)


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"got \(2, 9, 3\) and \(4, 4\)"):
        causal_conv1d(torch.randn(2, 9, 3), torch.randn(4, 4))
