"""One layer at its exact size: a token mixer and a channel mixer, each behind its own norm, and how they join the
residual stream.

B batch, T tokens, D width; images have H rows and W columns in place of T.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..search_space import Block
from .hidden import HIDDEN_MODULES
from .operators import CHANNEL_MIXER_MODULES, GRID_MIXER_MODULES, TOKEN_MIXER_MODULES
from .residual import RESIDUALS

NORM_EPS = 1e-6


class BlockModule(nn.Module):
    """A half whose mixer is none is left out, its norm with it."""

    axes = {
        "token_norm.weight": ("width",),
        "channel_norm.weight": ("width",),
    }

    token_norm: Any
    token_mixer: Any
    channel_norm: Any
    channel_mixer: Any

    def __init__(
        self, width: int, token_mixer: nn.Module | None, channel_mixer: nn.Module | None, residual: str = "sequential"
    ) -> None:
        super().__init__()
        self.residual = RESIDUALS[residual]
        self.token_norm = None if token_mixer is None else nn.RMSNorm(width, eps=NORM_EPS)
        self.token_mixer = token_mixer
        self.channel_norm = None if channel_mixer is None else nn.RMSNorm(width, eps=NORM_EPS)
        self.channel_mixer = channel_mixer

    @classmethod
    def build(cls, block: Block, width: int, context: int | None, residual: str, hidden: Any) -> BlockModule:
        """The block of a decoder that sees `context` tokens, or of an image pyramid where that is None."""
        token, channel = block.token_mixer, block.channel_mixer
        token_mixer = channel_mixer = None
        if token.kind != "none" and context is None:
            token_mixer = GRID_MIXER_MODULES[token.kind](token, width)
        elif token.kind != "none":
            token_mixer = TOKEN_MIXER_MODULES[token.kind](token, width, context)
        if channel.kind != "none":
            channel_mixer = CHANNEL_MIXER_MODULES[channel.kind](channel, width)
        if hidden.kind != "dense":
            routed = HIDDEN_MODULES[hidden.kind]
            token_mixer = None if token_mixer is None else routed(hidden, width, token_mixer)
            channel_mixer = None if channel_mixer is None else routed(hidden, width, channel_mixer)
        return cls(width, token_mixer, channel_mixer, residual)

    def forward(self, stream: Any) -> Any:
        return self.residual.join(stream, self.halves(self.token))

    def init_state(self, batch_size: int) -> dict:
        return {} if self.token_mixer is None else self.token_mixer.init_state(batch_size)

    def step(self, stream: Any, state: dict) -> tuple[Any, dict]:
        """One token. What the token mixer keeps is in `state`."""
        next_state = state

        def token(x_BD: Tensor) -> Tensor:
            nonlocal next_state
            y_BD, next_state = self.token_mixer.step(self.token_norm(x_BD), state)
            return y_BD

        return self.residual.join(stream, self.halves(token)), next_state

    def token(self, x_BTD: Tensor) -> Tensor:
        return self.token_mixer(self.token_norm(x_BTD))

    def channel(self, x_BTD: Tensor) -> Tensor:
        return self.channel_mixer(self.channel_norm(x_BTD))

    def halves(self, token: Any) -> list:
        """The halves that are there, in their order."""
        present = [] if self.token_mixer is None else [token]
        return present if self.channel_mixer is None else [*present, self.channel]
