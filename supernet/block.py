"""One layer at its exact size: two mixers, each behind its own norm, added to the residual stream.

B batch, T tokens, D width.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..search_space import Block
from .operators import CHANNEL_MIXER_MODULES, TOKEN_MIXER_MODULES

NORM_EPS = 1e-6


class BlockModule(nn.Module):
    axes = {
        "token_norm.weight": ("width",),
        "channel_norm.weight": ("width",),
    }

    def __init__(self, width: int, token_mixer: nn.Module, channel_mixer: nn.Module) -> None:
        super().__init__()
        self.token_norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.token_mixer = token_mixer
        self.channel_norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.channel_mixer = channel_mixer

    @classmethod
    def build(cls, block: Block, width: int, context: int) -> BlockModule:
        token, channel = block.token_mixer, block.channel_mixer
        return cls(
            width,
            TOKEN_MIXER_MODULES[token.kind](token, width, context),
            CHANNEL_MIXER_MODULES[channel.kind](channel, width),
        )

    def forward(self, x_BTD: Tensor) -> Tensor:
        x_BTD = x_BTD + self.token_mixer(self.token_norm(x_BTD))
        return x_BTD + self.channel_mixer(self.channel_norm(x_BTD))

    def init_state(self, batch_size: int) -> dict:
        return self.token_mixer.init_state(batch_size)

    def step(self, x_BD: Tensor, state: dict) -> tuple[Tensor, dict]:
        y_BD, state = self.token_mixer.step(self.token_norm(x_BD), state)
        x_BD = x_BD + y_BD
        return x_BD + self.channel_mixer(self.channel_norm(x_BD)), state
