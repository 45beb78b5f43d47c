"""Reading and writing groups of the width: (tokens, groups, group size, shared, routed, columns)."""

from __future__ import annotations

import torch
from torch import Tensor

from frontier.kernels.mohd import mohd_read, mohd_read_reference, mohd_write, mohd_write_reference

from ..case import Case, Inputs, Size

# One token, no token, nothing shared, nothing routed, one group with all tokens, all groups active, groups of more
# columns than a tile or as many as fill some, of a few columns so that a tile has several, more tokens than a tile.
SIZES = (
    (1, 4, 2, 0, 1, 3),
    (0, 4, 2, 1, 1, 3),
    (13, 4, 3, 3, 0, 5),
    (21, 2, 9, 1, 1, 17),
    (9, 3, 40, 1, 2, 1),
    (17, 3, 64, 1, 1, 3),
    (35, 3, 33, 1, 1, 34),
    (63, 7, 5, 2, 3, 7),
)
BOUNDS = ((1, 20), (1, 5), (1, 18), (0, 3), (0, 2), (1, 18))


def fits(size: Size) -> bool:
    _, groups, _, shared, routed, _ = size
    return shared + routed <= groups


def chosen(size: Size) -> Tensor:
    """Different groups after the shared ones, more often the earlier: the last may have none."""
    tokens, groups, _, shared, routed, _ = size
    likely_NG = torch.rand(tokens, groups - shared) + torch.arange(groups - shared) / 4
    return likely_NG.argsort(dim=1)[:, :routed] + shared


def sliced(rows: int, columns: int, dtype: torch.dtype) -> Tensor:
    """A weight as a supernet gives it: a slice of a larger one."""
    return torch.randn(rows + 2, columns + 3).to(dtype)[:rows, :columns]


def read_inputs(size: Size, dtype: torch.dtype) -> Inputs:
    tokens, groups, group_size, shared, routed, columns = size
    width = groups * group_size
    multiplier_NA = torch.rand(tokens, shared + routed).to(dtype)
    tensors = [torch.randn(tokens, width).to(dtype), sliced(columns, width, dtype), multiplier_NA]
    return tensors, [chosen(size), shared, group_size]


def write_inputs(size: Size, dtype: torch.dtype) -> Inputs:
    tokens, groups, group_size, shared, _, columns = size
    tensors = [torch.randn(tokens, columns).to(dtype), sliced(groups * group_size, columns, dtype)]
    return tensors, [chosen(size), shared, group_size]


CASES = [
    Case(
        name="mohd_read",
        ours=mohd_read,
        reference=mohd_read_reference,
        inputs=read_inputs,
        sizes=SIZES,
        bounds=BOUNDS,
        fits=fits,
    ),
    Case(
        name="mohd_write",
        ours=mohd_write,
        reference=mohd_write_reference,
        inputs=write_inputs,
        sizes=SIZES,
        bounds=BOUNDS,
        fits=fits,
    ),
]
