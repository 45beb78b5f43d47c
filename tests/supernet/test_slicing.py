"""Slices of shared tensors: prefixes, compound axes, last taps of a kernel, and gradients back to where they belong."""

from __future__ import annotations

import pytest
import torch

from frontier.supernet.slicing import Slice

FULL = {"width": 6, "num_heads": 3, "head_dim": 4, "kernel_size": 5, "channels": 2}


def test_a_prefix_of_every_axis() -> None:
    shared = torch.arange(12 * 6).view(12, 6)
    cut = Slice.plan(("num_heads head_dim", "width"), {**FULL, "num_heads": 2, "width": 3}, FULL)
    assert torch.equal(cut.read(shared), shared[:8, :3])


def test_a_compound_axis_slices_each_factor_by_itself() -> None:
    shared = torch.arange(12)
    cut = Slice.plan(("num_heads head_dim",), {**FULL, "num_heads": 2, "head_dim": 3}, FULL)
    assert cut.read(shared).tolist() == [0, 1, 2, 4, 5, 6]


def test_the_last_taps_of_a_kernel() -> None:
    shared = torch.arange(10).view(2, 5)
    cut = Slice.plan(("channels", "kernel_size:last"), {**FULL, "kernel_size": 3}, FULL)
    assert cut.read(shared).tolist() == [[2, 3, 4], [7, 8, 9]]


def test_a_fixed_axis_stays_whole() -> None:
    assert Slice.plan(("channels", "1"), FULL, FULL).shape == (2, 1)


def test_a_contiguous_slice_is_a_view() -> None:
    shared = torch.zeros(12, 6)
    Slice.plan(("num_heads head_dim", "width"), {**FULL, "num_heads": 2}, FULL).read(shared).fill_(1)
    assert shared.sum() == 8 * 6


@pytest.mark.parametrize("head_dim", [2, 4], ids=["copied", "view"])
def test_adding_goes_to_where_reading_came_from(head_dim: int) -> None:
    shared = torch.randn(12, 6)
    size = {**FULL, "num_heads": 2, "head_dim": head_dim, "width": 5}
    cut = Slice.plan(("num_heads head_dim", "width"), size, FULL)
    sums = torch.zeros_like(shared)
    cut.add_to(sums, cut.read(shared))
    assert torch.equal(cut.read(sums), cut.read(shared))
    assert sums.count_nonzero() == 2 * head_dim * 5


def test_a_size_over_the_shared_one_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="7 does not fit into the shared 6"):
        Slice.plan(("width",), {**FULL, "width": 7}, FULL)
