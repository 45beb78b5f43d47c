"""Reading, writing and their gradients in plain torch: group by group, or as masked dense products.

N tokens, D width cut into G groups of S columns, O columns on the module's side, H shared groups (the first ones, used
by every token), K routed groups per token, A = H + K, M = N K choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..moe_mlp import enough_rows, sort_by_expert

# Going group by group pays where it saves so many multiplications for every routed group that tokens are sorted into.
# Measured on one core of an AMD EPYC (Zen 4), float32: at 3.4 million the two take the same time, with 128 tokens of
# width 512 as with 2048 of width 128; at 0.8 million masked takes 0.6 of the time of sorted, at 13 million 1.2.
LEAST_SAVED = 2**22


class Ways(Protocol):
    """What an operator is made of."""

    def read(self, u_ND: Tensor, weight_OD: Tensor, multiplier_NA: Tensor) -> Tensor: ...

    def read_backward(
        self, grad_h_NO: Tensor, u_ND: Tensor, weight_OD: Tensor, multiplier_NA: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]: ...

    def write(self, a_NO: Tensor, weight_DO: Tensor) -> Tensor: ...

    def write_backward(self, grad_y_ND: Tensor, a_NO: Tensor, weight_DO: Tensor) -> tuple[Tensor, Tensor]: ...


def by_torch(chosen_NK: Tensor, width: int, columns: int, shared: int, group_size: int) -> Ways:
    """The faster of the two for these sizes, whatever is chosen: equal shapes give equal bits."""
    way = Sorted if sorting_pays(chosen_NK.shape, width, columns, shared, group_size) else Masked
    return way(chosen_NK, width // group_size, shared, group_size)


def sorting_pays(choices: Sequence[int], width: int, columns: int, shared: int, group_size: int) -> bool:
    """Whether going group by group is the faster way for choices shaped (N, K)."""
    tokens, routed = choices
    saved = tokens * columns * (width - (shared + routed) * group_size)
    return saved >= LEAST_SAVED * (width // group_size - shared)


class Masked:
    """Products over the whole width, with what is outside a token's groups at zero."""

    def __init__(self, chosen_NK: Tensor, groups: int, shared: int, group_size: int) -> None:
        self.chosen_NK = chosen_NK
        self.groups, self.shared, self.group_size = groups, shared, group_size

    def read(self, u_ND: Tensor, weight_OD: Tensor, multiplier_NA: Tensor) -> Tensor:
        return F.linear(self._scaled(u_ND, self._by_group(multiplier_NA)), weight_OD)

    def read_backward(
        self, grad_h_NO: Tensor, u_ND: Tensor, weight_OD: Tensor, multiplier_NA: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        scale_NG = self._by_group(multiplier_NA)
        grad_weight_OD = grad_h_NO.T @ self._scaled(u_ND, scale_NG)
        grad_scaled_ND = grad_h_NO @ weight_OD
        grad_NG = (grad_scaled_ND * u_ND).unflatten(1, (self.groups, self.group_size)).sum(dim=2)
        grad_multiplier_NA = torch.cat((grad_NG[:, : self.shared], grad_NG.gather(1, self.chosen_NK)), dim=1)
        return self._scaled(grad_scaled_ND, scale_NG), grad_weight_OD, grad_multiplier_NA

    def write(self, a_NO: Tensor, weight_DO: Tensor) -> Tensor:
        return self._active(F.linear(a_NO, weight_DO))

    def write_backward(self, grad_y_ND: Tensor, a_NO: Tensor, weight_DO: Tensor) -> tuple[Tensor, Tensor]:
        grad_y_ND = self._active(grad_y_ND)
        return grad_y_ND @ weight_DO, grad_y_ND.T @ a_NO

    def _by_group(self, multiplier_NA: Tensor) -> Tensor:
        scale_NG = multiplier_NA.new_zeros(len(multiplier_NA), self.groups)
        scale_NG[:, : self.shared] = multiplier_NA[:, : self.shared]
        return scale_NG.scatter_(1, self.chosen_NK, multiplier_NA[:, self.shared :])

    def _active(self, y_ND: Tensor) -> Tensor:
        active_NG = y_ND.new_zeros(len(y_ND), self.groups)
        active_NG[:, : self.shared] = 1
        return self._scaled(y_ND, active_NG.scatter_(1, self.chosen_NK, 1))

    def _scaled(self, x_ND: Tensor, scale_NG: Tensor) -> Tensor:
        return (x_ND.unflatten(1, (self.groups, self.group_size)) * scale_NG.unsqueeze(2)).flatten(1)


class Sorted:
    """Products over the active columns alone, of the tokens of one group at a time.

    A vector of width D is packed into its shared columns (N, H S) and its routed groups (M, S), the latter sorted.
    """

    def __init__(self, chosen_NK: Tensor, groups: int, shared: int, group_size: int) -> None:
        self.chosen_NK = chosen_NK
        self.groups, self.shared, self.group_size = groups, shared, group_size
        self.shared_width = shared * group_size
        self.order_M, self.segments = sort_by_expert(chosen_NK, groups)
        self.token_M = self.order_M // max(1, chosen_NK.shape[1])
        self.row_M = self.token_M * groups + chosen_NK.flatten()[self.order_M]

    def read(self, u_ND: Tensor, weight_OD: Tensor, multiplier_NA: Tensor) -> Tensor:
        return self._products(*self._scaled(self._pack(u_ND), multiplier_NA), weight_OD)

    def read_backward(
        self, grad_h_NO: Tensor, u_ND: Tensor, weight_OD: Tensor, multiplier_NA: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        packed, grad_packed = self._pack(u_ND), self._packed_products(grad_h_NO, weight_OD)
        grad_u_ND = self._unpack(*self._scaled(grad_packed, multiplier_NA))
        grad_weight_OD = self._weight_gradient(*self._scaled(packed, multiplier_NA), grad_h_NO)
        return grad_u_ND, grad_weight_OD, self._multiplier_gradient(packed, grad_packed)

    def write(self, a_NO: Tensor, weight_DO: Tensor) -> Tensor:
        return self._unpack(*self._packed_products(a_NO, weight_DO.T))

    def write_backward(self, grad_y_ND: Tensor, a_NO: Tensor, weight_DO: Tensor) -> tuple[Tensor, Tensor]:
        grad_shared_N, grad_routed_MS = self._pack(grad_y_ND)
        grad_a_NO = self._products(grad_shared_N, grad_routed_MS, weight_DO.T)
        return grad_a_NO, self._weight_gradient(grad_shared_N, grad_routed_MS, a_NO).T.contiguous()

    def _pack(self, u_ND: Tensor) -> tuple[Tensor, Tensor]:
        routed_MS = u_ND.reshape(-1, self.group_size).index_select(0, self.row_M)
        return u_ND[:, : self.shared_width], routed_MS

    def _unpack(self, shared_N: Tensor, routed_MS: Tensor) -> Tensor:
        """The vectors of width D, zero outside their groups."""
        y_ND = shared_N.new_zeros(len(shared_N), self.groups * self.group_size)
        y_ND[:, : self.shared_width] = shared_N
        y_ND.view(-1, self.group_size)[self.row_M] = routed_MS
        return y_ND

    def _scaled(self, packed: tuple[Tensor, Tensor], multiplier_NA: Tensor) -> tuple[Tensor, Tensor]:
        """A packed vector, every group times its multiplier."""
        shared_N, routed_MS = packed
        multiplier_NH1 = multiplier_NA[:, : self.shared].unsqueeze(2)
        multiplier_M1 = multiplier_NA[:, self.shared :].flatten()[self.order_M].unsqueeze(1)
        return (self._by_group(shared_N) * multiplier_NH1).flatten(1), routed_MS * multiplier_M1

    def _multiplier_gradient(self, packed: tuple[Tensor, Tensor], grad_packed: tuple[Tensor, Tensor]) -> Tensor:
        """(N, A): by group, the product of what was scaled and the gradient of the result."""
        shared_NH = self._by_group(packed[0] * grad_packed[0]).sum(dim=2)
        routed_M = torch.empty_like(packed[1][:, 0])
        routed_M[self.order_M] = (packed[1] * grad_packed[1]).sum(dim=1)
        return torch.cat((shared_NH, routed_M.view(self.chosen_NK.shape)), dim=1)

    def _products(self, shared_N: Tensor, routed_MS: Tensor, weight_OD: Tensor) -> Tensor:
        """Packed vectors times the columns of their groups, (N, O)."""
        h_NO = F.linear(shared_N, weight_OD[:, : self.shared_width])
        for group, part in self.segments:
            rows = enough_rows(routed_MS[part], len(h_NO))
            h = F.linear(rows, weight_OD[:, self._columns(group)])[: part.stop - part.start]
            h_NO.index_add_(0, self.token_M[part], h)
        return h_NO

    def _packed_products(self, a_NO: Tensor, weight_OD: Tensor) -> tuple[Tensor, Tensor]:
        """The packed vectors that (N, O) writes."""
        routed_MS = a_NO.new_empty(len(self.token_M), self.group_size)
        for group, part in self.segments:
            rows = enough_rows(a_NO.index_select(0, self.token_M[part]), len(a_NO))
            routed_MS[part] = (rows @ weight_OD[:, self._columns(group)])[: part.stop - part.start]
        return a_NO @ weight_OD[:, : self.shared_width], routed_MS

    def _weight_gradient(self, shared_N: Tensor, routed_MS: Tensor, a_NO: Tensor) -> Tensor:
        """(O, D), zero in the columns of groups that no token chose."""
        grad_OD = a_NO.new_zeros(a_NO.shape[1], self.groups * self.group_size)
        torch.mm(a_NO.T, shared_N, out=grad_OD[:, : self.shared_width])
        for group, part in self.segments:
            grad_OD[:, self._columns(group)] = a_NO.index_select(0, self.token_M[part]).T @ routed_MS[part]
        return grad_OD

    def _by_group(self, shared_N: Tensor) -> Tensor:
        return shared_N.unflatten(1, (self.shared, self.group_size))

    def _columns(self, group: int) -> slice:
        return slice(group * self.group_size, (group + 1) * self.group_size)
