"""The hidden dimension of the residual stream: dense, or a mixture of groups of it (MoHD)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from .operators.spec import Spec


class Dense(Spec):
    """Every sub-layer reads and writes the whole width."""

    kind: Literal["dense"] = "dense"

    def check_width(self, width: int) -> None:
        """Any width will do."""

    def read_columns(self, width: int) -> int:
        """How many columns of the residual stream a sub-layer reads for a token."""
        return width


class MoHD(Spec):
    """Mixture of hidden dimensions: every sub-layer reads and writes `shared + routed` of the width's groups.

    The width is cut into groups of `group_size` columns. The first `shared` groups serve every token; for each token a
    router picks `routed` of the others (none and no router at 0). What is read is scaled by `scaling`: `sqrt` keeps the
    variance, `inv` the mean, `prod` shrinks. What is written may leave its groups through a `fusion` of
    `fusion_blocks` blocks: block-diagonal, or monarch (two block-diagonal factors with a stride permutation between).

    Source: arXiv 2412.05644; the exact scaling and the place of the fusion are our reading of it.
    """

    kind: Literal["mohd"] = "mohd"
    group_size: PositiveInt
    shared: NonNegativeInt
    routed: NonNegativeInt
    scaling: Literal["sqrt", "inv", "prod"] = "sqrt"
    fusion: Literal["none", "blockdiag", "monarch"] = "none"
    fusion_blocks: PositiveInt = 1

    @model_validator(mode="after")
    def _reads_something(self) -> Self:
        if self.shared + self.routed < 1:
            raise ValueError(f"shared + routed must be at least 1; got {self.shared} and {self.routed}")
        return self

    @model_validator(mode="after")
    def _blocks_need_a_fusion(self) -> Self:
        if (self.fusion == "none") != (self.fusion_blocks == 1):
            raise ValueError(f"fusion_blocks must be 1 without a fusion, more with one; got {self.fusion_blocks}")
        return self

    def num_groups(self, width: int) -> int:
        """How many groups a width is cut into."""
        return width // self.group_size

    def fusion_size(self, width: int) -> int:
        """How many columns a block of the fusion mixes."""
        return width // self.fusion_blocks

    def read_columns(self, width: int) -> int:
        """How many columns of the residual stream a sub-layer reads for a token."""
        return (self.shared + self.routed) * self.group_size

    def check_width(self, width: int) -> None:
        """Whether a residual stream of this width can be cut so.

        Raises:
            ValueError: naming the field, the rule and the value received.
        """
        if width % self.group_size:
            raise ValueError(f"hidden.group_size: divides the width {width}; got {self.group_size}")
        if self.shared + self.routed > self.num_groups(width):
            raise ValueError(
                f"hidden.routed: shared + routed <= width / group_size = {self.num_groups(width)}; "
                f"got {self.shared} + {self.routed}"
            )
        if width % self.fusion_blocks:
            raise ValueError(f"hidden.fusion_blocks: divides the width {width}; got {self.fusion_blocks}")
        if self.fusion == "monarch" and self.fusion_size(width) % self.fusion_blocks:
            raise ValueError(
                f"hidden.fusion_blocks: divides width / fusion_blocks = {self.fusion_size(width)} with monarch; "
                f"got {self.fusion_blocks}"
            )


Hidden = Annotated[Dense | MoHD, Field(discriminator="kind")]

HIDDEN: dict[str, type[Spec]] = {
    "dense": Dense,
    "mohd": MoHD,
}
