"""Token mixers for images: what they are by definition, and that spaces refuse what no grid can do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from frontier.errors import InputError
from frontier.search_space import Attention, GatedConv, Pooling, SearchSpace
from frontier.search_space.operators import TOKEN_MIXERS
from frontier.supernet.operators import GRID_MIXER_MODULES
from frontier.supernet.operators.grid.attention import GridAttentionModule
from frontier.supernet.operators.grid.gated_conv import GridGatedConvModule
from frontier.supernet.operators.grid.pooling import GridPoolingModule

WIDTH = 12


def square_around(x_BHWD: Tensor, row: int, column: int, window: int) -> Tensor:
    """The places within half a window, (B, places, D), those beyond the border left out."""
    half = window // 2
    rows, columns = x_BHWD.shape[1:3]
    part = x_BHWD[
        :, max(0, row - half) : min(rows, row + half + 1), max(0, column - half) : min(columns, column + half + 1)
    ]
    return part.flatten(1, 2)


@pytest.mark.parametrize("window", [1, 3, 5, 7])
def test_pooling_is_the_mean_of_the_places_there_are_less_the_place(window: int) -> None:
    x_BHWD = torch.randn(2, 5, 6, WIDTH)
    y_BHWD = GridPoolingModule(Pooling(window=window), WIDTH)(x_BHWD)
    for row in range(5):
        for column in range(6):
            expected = square_around(x_BHWD, row, column, window).mean(dim=1) - x_BHWD[:, row, column]
            torch.testing.assert_close(y_BHWD[:, row, column], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("side", [1, 2, 8])
@pytest.mark.parametrize("window", [3, 5])
def test_pooling_of_a_constant_image_is_zero(side: int, window: int) -> None:
    mixer = GridPoolingModule(Pooling(window=window), WIDTH)
    # Whole numbers, whose sums are exact: then so is the zero.
    constant = torch.randint(-50, 50, (2, 1, 1, WIDTH)).float().expand(2, side, side, WIDTH)
    assert mixer(constant).count_nonzero() == 0


def test_pooling_over_one_place_is_zero() -> None:
    assert GridPoolingModule(Pooling(window=1), WIDTH)(torch.randn(2, 4, 4, WIDTH)).count_nonzero() == 0


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_gated_convolution_by_its_definition(kernel_size: int) -> None:
    mixer = GridGatedConvModule(GatedConv(channels=7, kernel_size=kernel_size), WIDTH)
    x_BHWD = torch.randn(2, 4, 6, WIDTH)
    up_BHWC = mixer.up(x_BHWD)
    half = kernel_size // 2
    y_BHWC = torch.zeros_like(up_BHWC)
    for row in range(4):
        for column in range(6):
            for down in range(-half, half + 1):
                for right in range(-half, half + 1):
                    if 0 <= row + down < 4 and 0 <= column + right < 6:
                        weight_C = mixer.filter_CKK[:, half + down, half + right]
                        y_BHWC[:, row, column] += weight_C * up_BHWC[:, row + down, column + right]
    expected = mixer.down(torch.nn.functional.silu(mixer.gate(x_BHWD)) * y_BHWC)
    torch.testing.assert_close(mixer(x_BHWD), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("qk_norm", [False, True])
def test_attention_sees_every_place_and_no_order(qk_norm: bool) -> None:
    spec = Attention(num_heads=4, num_kv_heads=2, head_dim=6, qk_norm=qk_norm, rotary=False)
    mixer = GridAttentionModule(spec, WIDTH)
    x_BHWD = torch.randn(2, 3, 5, WIDTH)
    order = torch.randperm(15)
    shuffled_BHWD = x_BHWD.flatten(1, 2)[:, order].unflatten(1, (3, 5))
    torch.testing.assert_close(
        mixer(shuffled_BHWD).flatten(1, 2), mixer(x_BHWD).flatten(1, 2)[:, order], rtol=1e-4, atol=1e-5
    )
    changed_BHWD = x_BHWD.clone()
    changed_BHWD[:, 2, 4] += 1
    assert (mixer(changed_BHWD) != mixer(x_BHWD)).any(dim=-1).all()


def test_attention_by_its_definition() -> None:
    mixer = GridAttentionModule(Attention(num_heads=2, num_kv_heads=1, head_dim=4, rotary=False), WIDTH)
    x_TD = torch.randn(6, WIDTH)
    k_TK, v_TK = mixer.key(x_TD), mixer.value(x_TD)
    heads = [(q_TK @ k_TK.T / 2).softmax(dim=-1) @ v_TK for q_TK in mixer.query(x_TD).split(4, dim=-1)]
    expected = mixer.output(torch.cat(heads, dim=-1)).view(1, 2, 3, WIDTH)
    torch.testing.assert_close(mixer(x_TD.view(1, 2, 3, WIDTH)), expected, rtol=1e-4, atol=1e-5)


def test_every_mixer_that_reads_images_has_a_module() -> None:
    reading = {kind for kind, spec in TOKEN_MIXERS.items() if "image" in spec.media and kind != "none"}
    assert GRID_MIXER_MODULES.keys() == reading


@pytest.mark.parametrize("kind", GRID_MIXER_MODULES)
def test_axes_name_every_parameter(kind: str) -> None:
    fields: dict[str, Any] = {
        "num_heads": 2, "num_kv_heads": 1, "head_dim": 4, "qk_norm": True, "channels": 6, "kernel_size": 3, "window": 3,
    }  # fmt: skip
    names = TOKEN_MIXERS[kind].model_fields
    chosen = {
        name: value for name, value in fields.items() if name in names and (kind, name) != ("attention", "window")
    }
    mixer = GRID_MIXER_MODULES[kind](TOKEN_MIXERS[kind](**chosen), WIDTH)
    assert {name for name, _ in mixer.named_parameters()} == set(vars(type(mixer))["axes"])


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "even-kernel": (
        {"kind": "gated_conv", "channels": 8, "kernel_size": [3, 4]},
        r"0.kernel_size: odd on images.*got 4",
    ),
    "even-window": ({"kind": "pooling", "window": [2, 3]}, r"token_mixers.0.window: odd on images.*; got 2"),
    "causal": (
        {"kind": "causal_conv", "channels": 8, "kernel_size": 3},
        r"0.kind: one that reads images; got 'causal_",
    ),
    "rotary": (
        {"kind": "attention", "num_heads": 1, "num_kv_heads": 1, "head_dim": 4},
        r"token_mixers.0.rotary: false on images.*; got true",
    ),
    "windowed": (
        {"kind": "attention", "num_heads": 1, "num_kv_heads": 1, "head_dim": 4, "rotary": False, "window": [4, None]},
        r"token_mixers.0.window: null on images.*; got 4",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_space_of_images_refuses_what_no_grid_can_do(case: str) -> None:
    mixer, message = REFUSED[case]
    raw = {
        "name": "s",
        "stages": [{"width": 8, "depth": 1}],
        "token_mixers": [mixer],
        "channel_mixers": [{"kind": "gelu_mlp", "inner": 8}],
    }
    with pytest.raises(InputError, match=message):
        SearchSpace.parse(raw)
