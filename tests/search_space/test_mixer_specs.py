"""What single operators allow, and what they leave out of the canonical form."""

from __future__ import annotations

import pytest

from frontier.search_space import (
    CHANNEL_MIXERS,
    TOKEN_MIXERS,
    Architecture,
    Attention,
    Block,
    Mamba2,
    Nothing,
    SearchSpace,
    SwiGLU,
)


def test_groups_of_mamba_2_divide_its_heads() -> None:
    with pytest.raises(ValueError, match="num_groups must divide num_heads; got 3 and 4"):
        Mamba2(num_heads=4, head_dim=8, state_dim=8, num_groups=3)


def test_what_is_at_its_default_is_not_spelled_out() -> None:
    block = Block(
        token_mixer=Mamba2(num_heads=4, head_dim=8, state_dim=8, num_groups=1, conv_size=4),
        channel_mixer=Nothing(),
    )
    assert Architecture(width=8, blocks=(block,)).canonical == (
        '{"blocks":[{"channel_mixer":{"kind":"none"},"token_mixer":'
        '{"head_dim":8,"kind":"mamba2","num_heads":4,"state_dim":8}}],"width":8}'
    )


@pytest.mark.parametrize(("field", "value"), [("qk_norm", True), ("rotary", False)])
def test_what_attention_can_turn_on_and_off_tells_architectures_apart(field: str, value: bool) -> None:
    plain = Attention(num_heads=2, num_kv_heads=1, head_dim=4)
    digests = [
        Architecture(width=8, blocks=(Block(token_mixer=mixer, channel_mixer=SwiGLU(inner=4)),)).digest
        for mixer in (plain, plain.model_copy(update={field: not value}), plain.model_copy(update={field: value}))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_everything_holds_every_operator() -> None:
    space = SearchSpace.load("everything-lm")
    assert {choices.kind for choices in space.token_mixers} == set(TOKEN_MIXERS)
    assert {choices.kind for choices in space.channel_mixers} == set(CHANNEL_MIXERS)
