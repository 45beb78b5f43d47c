"""A decoder-only language model at its exact size.

B batch, T tokens, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..search_space import Architecture
from .block import NORM_EPS, BlockModule
from .residual import RESIDUALS
from .shapes import ModelShape

EMBEDDING_STD = 0.5


class LanguageModel(nn.Module):
    """Embedding, blocks, norm, head. `model(ids_BT)` gives logits_BTV; `step` gives the same token by token."""

    axes = {
        "embed.weight": ("vocab_size", "width"),
        "final_norm.weight": ("width",),
        "head.weight": ("vocab_size", "width"),
    }

    def __init__(
        self, width: int, vocab_size: int, context: int, blocks: Sequence[BlockModule], residual: str = "sequential"
    ) -> None:
        super().__init__()
        self.context = context
        self.residual = RESIDUALS[residual]
        self.embed = nn.Embedding(vocab_size, width)
        self.blocks = nn.ModuleList(blocks)
        self.final_norm = nn.RMSNorm(width, eps=NORM_EPS)
        self.head = nn.Linear(width, vocab_size, bias=False)
        nn.init.normal_(self.embed.weight, std=EMBEDDING_STD)

    @classmethod
    def build(cls, architecture: Architecture, shape: ModelShape) -> LanguageModel:
        """The standalone model of an architecture, freshly initialised."""
        blocks = [
            BlockModule.build(block, architecture.width, shape.context, architecture.residual, architecture.hidden)
            for block in architecture.blocks
        ]
        return cls(architecture.width, shape.vocab_size, shape.context, blocks, architecture.residual)

    def forward(self, ids_BT: Tensor) -> Tensor:
        stream = self.residual.enter(self.embed(ids_BT))
        for block in self.blocks:
            stream = block(stream)
        return self.head(self.final_norm(self.residual.leave(stream)))

    def init_state(self, batch_size: int) -> list[dict]:
        """The state before the first token, one entry per block."""
        return [block.init_state(batch_size) for block in self.blocks]

    def step(self, ids_B: Tensor, state: list[dict]) -> tuple[Tensor, list[dict]]:
        """The next token's logits_BV, given this one."""
        stream: Any = self.residual.enter(self.embed(ids_B))
        next_state = []
        for block, block_state in zip(self.blocks, state, strict=True):
            stream, block_state = block.step(stream, block_state)
            next_state.append(block_state)
        return self.head(self.final_norm(self.residual.leave(stream))), next_state

    @torch.inference_mode()
    def generate(self, ids_BT: Tensor, new_tokens: int, temperature: float = 0.0) -> Tensor:
        """Append `new_tokens` tokens, the likeliest ones at temperature 0, else sampled."""
        state, ids = self.init_state(ids_BT.shape[0]), ids_BT
        for position in range(ids_BT.shape[1]):
            logits_BV, state = self.step(ids_BT[:, position], state)
        for _ in range(new_tokens):
            if temperature > 0:
                next_B = torch.multinomial(torch.softmax(logits_BV / temperature, dim=-1), 1)[:, 0]
            else:
                next_B = logits_BV.argmax(dim=-1)
            ids = torch.cat((ids, next_B[:, None]), dim=1)
            if ids.shape[1] < ids_BT.shape[1] + new_tokens:
                logits_BV, state = self.step(next_B, state)
        return ids
