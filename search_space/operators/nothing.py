"""No mixer: the half of a block that is left out."""

from __future__ import annotations

from typing import Literal

from .spec import Spec


class Nothing(Spec):
    """No mixer, neither its norm nor its addition to the residual stream. A block has at most one of them.

    Source: blocks of attention or feed-forward alone, as in arXiv 1911.03864.
    """

    kind: Literal["none"] = "none"
