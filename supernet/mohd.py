"""Mixture of hidden dimensions: around any mixer, so that it reads and writes only some groups of the width.

N tokens, D width cut into G groups, H shared groups (the first ones), K routed groups per token, A = H + K,
R fusion blocks of M columns.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..kernels.mohd import mohd_read, mohd_write
from ..search_space import MoHD
from .routing import Router


class Chosen(NamedTuple):
    """The routed groups of N tokens, and what multiplies each active group that is read: first the shared ones."""

    multiplier_NA: Tensor
    chosen_NK: Tensor


class MoHDSublayer(nn.Module):
    """A mixer behind a router over groups of the width, and a fusion after it.

    The mixer's linear maps named in its `reads` read the groups of each token, those in its `writes` write them; its
    own code and its parameters' names stay as they are. A mixer that declares neither gets its input with all other
    groups at zero, and its output is masked alike.
    """

    axes = {
        "router.weight": ("num_groups", "width"),
        "fusion.right_RMM": ("fusion_blocks", "fusion_size", "fusion_size"),
        "fusion.left_RMM": ("fusion_blocks", "fusion_size", "fusion_size"),
    }

    mixer: Any

    def __init__(self, spec: MoHD, width: int, mixer: nn.Module) -> None:
        super().__init__()
        self.shared = spec.shared
        self.shared_width = spec.shared * spec.group_size
        self.group_size = spec.group_size
        self.groups = width // spec.group_size
        self.scaling = spec.scaling
        self.mixer = mixer
        reads, writes = getattr(mixer, "reads", ()), getattr(mixer, "writes", ())
        self.grouped = bool(reads and writes)
        for name in reads:
            setattr(mixer, name, ReadLinear(getattr(mixer, name), spec.shared, spec.group_size))
        for name in writes:
            setattr(mixer, name, WriteLinear(getattr(mixer, name), spec))
        self.router = Router(width, self.groups, spec.routed, spec.shared) if spec.routed else None
        self.fusion = None
        if spec.fusion != "none":
            self.fusion = GroupFusion(width, spec.fusion_blocks, spec.fusion == "monarch")

    def forward(self, u: Tensor) -> Tensor:
        """Tokens (..., D), normalised over the whole width, to what is added to the residual stream."""
        chosen = self.route(u)
        y = self.write(self.mixer(self.read(u, chosen)), chosen)
        return y if self.fusion is None else self.fusion(y)

    def init_state(self, batch_size: int) -> dict:
        return self.mixer.init_state(batch_size)

    def step(self, u_BD: Tensor, state: dict) -> tuple[Tensor, dict]:
        chosen = self.route(u_BD)
        written, state = self.mixer.step(self.read(u_BD, chosen), state)
        y_BD = self.write(written, chosen)
        return y_BD if self.fusion is None else self.fusion(y_BD), state

    def route(self, u: Tensor) -> Chosen | None:
        """None without a router."""
        if self.router is None:
            return None
        routing = self.router(u)
        multiplier_NA = group_multipliers(routing.probabilities_NE, routing.chosen_NK, self.shared, self.scaling)
        return Chosen(multiplier_NA.to(u.dtype), routing.chosen_NK)

    def read(self, u: Tensor, chosen: Chosen | None) -> Any:
        """What the mixer is given in place of u."""
        if chosen is None:
            active = self.shared / self.groups
            multiplier = {"sqrt": active**-0.5, "inv": 1 / active, "prod": active}[self.scaling]
            shared = u[..., : self.shared_width] * multiplier
            return shared if self.grouped else F.pad(shared, (0, u.shape[-1] - self.shared_width))
        if self.grouped:
            return GroupedInput(u, chosen)
        return u * self.columns(chosen.multiplier_NA, chosen.chosen_NK).view(u.shape)

    def write(self, y: Any, chosen: Chosen | None) -> Tensor:
        """What the mixer said, in the groups of each token; the others are zero."""
        if chosen is None:
            return y if self.grouped else F.pad(y[..., : self.shared_width], (0, y.shape[-1] - self.shared_width))
        if self.grouped:
            return y.write(chosen)
        ones_NA = y.new_ones(chosen.multiplier_NA.shape)
        return y * self.columns(ones_NA, chosen.chosen_NK).view(y.shape)

    def columns(self, values_NA: Tensor, chosen_NK: Tensor) -> Tensor:
        """Values by active group to (N, D), zero in the other groups."""
        values_NG = F.pad(values_NA[:, : self.shared], (0, self.groups - self.shared))
        values_NG = values_NG.scatter(1, chosen_NK, values_NA[:, self.shared :])
        return values_NG.unsqueeze(2).expand(-1, -1, self.group_size).flatten(1)


class GroupedInput:
    """Tokens (..., D) and the groups of each that may be read. A mixer gives it to its maps as it would a tensor."""

    def __init__(self, u: Tensor, chosen: Chosen) -> None:
        self.u = u
        self.chosen = chosen

    @property
    def shape(self) -> torch.Size:
        return self.u.shape

    @property
    def dtype(self) -> torch.dtype:
        return self.u.dtype

    def unsqueeze(self, dim: int) -> GroupedInput:
        return GroupedInput(self.u.unsqueeze(dim), self.chosen)


class ReadLinear(nn.Linear):
    """A linear map that reads some groups; without routing it is given only the shared columns."""

    def __init__(self, linear: nn.Linear, shared: int, group_size: int) -> None:
        super().__init__(linear.in_features, linear.out_features, bias=False, device="meta")
        self.weight = linear.weight
        self.bias = linear.bias
        self.shared = shared
        self.group_size = group_size

    def forward(self, x: Tensor | GroupedInput) -> Tensor:
        if isinstance(x, Tensor):
            return F.linear(x, self.weight[:, : x.shape[-1]], self.bias)
        u_ND = x.u.flatten(0, -2)
        h_NO = mohd_read(u_ND, self.weight, *x.chosen, self.shared, self.group_size)
        return (h_NO if self.bias is None else h_NO + self.bias).view(*x.shape[:-1], h_NO.shape[1])


class Unwritten:
    """What a mixer would write into every group, and the map that would: the sub-layer knows each token's groups."""

    def __init__(self, a: Tensor, linear: WriteLinear) -> None:
        self.a = a
        self.linear = linear

    def write(self, chosen: Chosen) -> Tensor:
        linear = self.linear
        y_ND = mohd_write(self.a.flatten(0, -2), linear.weight, chosen.chosen_NK, linear.shared, linear.group_size)
        return y_ND.view(*self.a.shape[:-1], y_ND.shape[1])


class WriteLinear(nn.Linear):
    """A linear map that writes some groups, the others being zero: the shared ones at once, routed ones later."""

    def __init__(self, linear: nn.Linear, spec: MoHD) -> None:
        super().__init__(linear.in_features, linear.out_features, bias=False, device="meta")
        assert len(list(linear.parameters())) == 1, "a bias would write into every group"
        self.weight = linear.weight
        self.shared = spec.shared
        self.routed = spec.routed
        self.group_size = spec.group_size

    def forward(self, a: Tensor) -> Any:
        if self.routed:
            return Unwritten(a, self)
        active = self.shared * self.group_size
        return F.pad(F.linear(a, self.weight[:active]), (0, len(self.weight) - active))


class GroupFusion(nn.Module):
    """A structured linear map over the whole width, the identity at first, by which what was written leaves its groups.

    R blocks on the diagonal; as a Monarch matrix, R more of them after a stride permutation and before its inverse.
    Source: Monarch matrices arXiv 2204.00595.
    """

    def __init__(self, width: int, blocks: int, monarch: bool) -> None:
        super().__init__()
        size = width // blocks
        self.right_RMM = nn.Parameter(torch.eye(size).repeat(blocks, 1, 1))
        self.left_RMM = nn.Parameter(torch.eye(size).repeat(blocks, 1, 1)) if monarch else None

    def forward(self, y: Tensor) -> Tensor:
        blocks, size, _ = self.right_RMM.shape
        y_RNM = torch.bmm(y.reshape(-1, blocks, size).transpose(0, 1), self.right_RMM)
        if self.left_RMM is None:
            return y_RNM.transpose(0, 1).reshape(y.shape)
        strided_NRM = y_RNM.permute(1, 2, 0).reshape(-1, blocks, size)
        y_RNM = torch.bmm(strided_NRM.transpose(0, 1), self.left_RMM)
        return y_RNM.transpose(0, 1).reshape(-1, size, blocks).transpose(1, 2).reshape(y.shape)


def group_multipliers(probabilities_NG: Tensor, chosen_NK: Tensor, shared: int, scaling: str) -> Tensor:
    """What multiplies each active group (N, A), the shared first: by the router's scores and how few groups are active.

    `sqrt` leaves the shared groups to themselves and weighs the routed against each other. With one routed group that
    weight is 1, and the router learns from the gradient of the score it had.
    """
    gate_NA = torch.cat((probabilities_NG[:, :shared], probabilities_NG.gather(1, chosen_NK)), dim=1)
    groups, active = probabilities_NG.shape[1], gate_NA.shape[1]
    if scaling == "prod":
        return groups * gate_NA.sum(dim=1, keepdim=True) * gate_NA
    if scaling == "inv":
        return groups / gate_NA.sum(dim=1, keepdim=True) * gate_NA
    routed_NK = gate_NA[:, shared:]
    if chosen_NK.shape[1] == 1:
        among_routed_NK = routed_NK / probabilities_NG[:, shared:].sum(dim=1, keepdim=True)
        weight_NK = 1 + (among_routed_NK - among_routed_NK.detach())
    else:
        weight_NK = chosen_NK.shape[1] * routed_NK / routed_NK.sum(dim=1, keepdim=True)
    return torch.cat((torch.ones_like(gate_NA[:, :shared]), weight_NK), dim=1) * (groups / active) ** 0.5
