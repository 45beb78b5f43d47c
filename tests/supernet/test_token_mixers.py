"""What a token mixer becomes at the ends of its settings, where something simpler says the same."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from frontier.kernels.linear_attention_chunk import linear_attention_chunk, linear_attention_quadratic
from frontier.kernels.ssd_chunk_scan import ssd_chunk_scan
from frontier.search_space import Attention, CosFormer, GatedLinearAttention, Mamba2, Pooling
from frontier.supernet.operators import CHANNEL_MIXER_MODULES, TOKEN_MIXER_MODULES
from frontier.supernet.operators.attention import AttentionModule
from frontier.supernet.operators.cosformer import CosFormerModule, cosine_attention, quarter_turn
from frontier.supernet.operators.gated_linear import DECAY_BIAS_RANGE, GatedLinearAttentionModule
from frontier.supernet.operators.mamba2 import RATE_RANGE, TIME_STEP_RANGE, Mamba2Module, spread_over_heads
from frontier.supernet.operators.pooling import PoolingModule

WIDTH, TOKENS = 12, 21


def attention(**fields: object) -> AttentionModule:
    spec = Attention.model_validate({"num_heads": 4, "num_kv_heads": 2, "head_dim": 6, **fields})
    return AttentionModule(spec, WIDTH, TOKENS)


def stream() -> Tensor:
    return torch.randn(2, TOKENS, WIDTH)


def test_a_window_over_everything_is_full_attention_to_the_bit() -> None:
    full, x_BTD = attention(), stream()
    for window in (TOKENS, TOKENS + 7):
        windowed = attention(window=window)
        windowed.load_state_dict(full.state_dict())
        assert torch.equal(windowed(x_BTD), full(x_BTD))
    narrow = attention(window=TOKENS - 1)
    narrow.load_state_dict(full.state_dict())
    assert not torch.equal(narrow(x_BTD), full(x_BTD))


def test_fewer_query_heads_are_more_whose_output_is_cut() -> None:
    all_heads, few_heads = attention(num_kv_heads=4), attention(num_heads=2)
    rows = 2 * 6
    with torch.no_grad():
        all_heads.output.weight[:, rows:] = 0
        for name in ("query", "key", "value"):
            getattr(few_heads, name).weight.copy_(getattr(all_heads, name).weight[:rows])
        few_heads.output.weight.copy_(all_heads.output.weight[:, :rows])
    x_BTD = stream()
    torch.testing.assert_close(few_heads(x_BTD), all_heads(x_BTD), rtol=1e-5, atol=1e-6)


def test_normed_queries_and_keys_have_no_size_of_their_own() -> None:
    normed, plain, x_BTD = attention(qk_norm=True), attention(), stream()
    before = normed(x_BTD), plain(x_BTD)
    with torch.no_grad():
        for module in (normed, plain):
            module.query.weight *= 30
            module.key.weight *= 30
    torch.testing.assert_close(normed(x_BTD), before[0], rtol=1e-3, atol=1e-4)
    assert (plain(x_BTD) - before[1]).abs().max() > 0.01


def test_without_rotation_the_past_has_no_order() -> None:
    x_BTD = stream()
    shuffled_BTD = torch.cat((x_BTD[:, : TOKENS - 1].flip(1), x_BTD[:, -1:]), dim=1)
    unordered, ordered = attention(rotary=False), attention()
    torch.testing.assert_close(unordered(x_BTD)[:, -1], unordered(shuffled_BTD)[:, -1])
    assert (ordered(x_BTD)[:, -1] - ordered(shuffled_BTD)[:, -1]).abs().max() > 1e-4


def test_attention_has_the_parameters_it_always_had_unless_asked() -> None:
    names = ["query.weight", "key.weight", "value.weight", "output.weight"]
    assert [name for name, _ in attention().named_parameters()] == names
    normed = {name for name, _ in attention(qk_norm=True).named_parameters()}
    assert normed == {*names, "query_norm.weight", "key_norm.weight"} == set(AttentionModule.axes)


def test_mamba_2_without_decay_is_linear_attention() -> None:
    v_BTHP, k_BTHN, q_BTHN = torch.randn(2, 40, 3, 4), torch.randn(2, 40, 3, 5), torch.randn(2, 40, 3, 5)
    y_BTHP, _ = ssd_chunk_scan(v_BTHP, k_BTHN, q_BTHN, torch.ones(2, 40, 3), torch.zeros(3))
    q_BHTN, k_BHTN, v_BHTP = (part.transpose(1, 2) for part in (q_BTHN, k_BTHN, v_BTHP))
    expected_BHTP = linear_attention_quadratic(q_BHTN, k_BHTN, v_BHTP, None)
    torch.testing.assert_close(y_BTHP.transpose(1, 2), expected_BHTP, rtol=1e-4, atol=1e-5)


def test_a_group_of_mamba_2_is_shared_by_neighbouring_heads() -> None:
    module = Mamba2Module(Mamba2(num_heads=4, head_dim=3, state_dim=5, num_groups=2), WIDTH, TOKENS)
    mixed_BTC = torch.randn(2, TOKENS, 4 * 3 + 2 * 2 * 5)
    v_BTHP, *shared_BTGN = module.by_head(mixed_BTC)
    rest = (torch.rand(2, TOKENS, 4), -torch.rand(4))
    grouped_BTHP, _ = ssd_chunk_scan(v_BTHP, *shared_BTGN, *rest)
    key_BTGN, query_BTGN = mixed_BTC[..., 12:22].view(2, TOKENS, 2, 5), mixed_BTC[..., 22:].view(2, TOKENS, 2, 5)
    of_head = (part_BTGN[:, :, [0, 0, 1, 1]] for part_BTGN in (key_BTGN, query_BTGN))
    y_BTHP, _ = ssd_chunk_scan(mixed_BTC[..., :12].view(2, TOKENS, 4, 3), *of_head, *rest)
    torch.testing.assert_close(grouped_BTHP, y_BTHP)


def test_mamba_2_as_a_recurrence_written_out() -> None:
    """Section by section as the paper has it: filter, decay, skip, gate, norm."""
    module, x_TD = (
        Mamba2Module(Mamba2(num_heads=2, head_dim=3, state_dim=4), WIDTH, TOKENS).double(),
        stream()[0].double(),
    )
    filtered = []
    for name in ("value", "key", "query"):
        rows_TC, filter_CK = getattr(module, name)(x_TD), getattr(module, f"{name}_filter_CK")
        padded_TC = F.pad(rows_TC, (0, 0, 3, 0))
        filtered.append(F.silu(sum(padded_TC[k : k + TOKENS] * filter_CK[:, k] for k in range(4))))
    x_THP, b_TN, c_TN = filtered[0].view(TOKENS, 2, 3), filtered[1], filtered[2]
    dt_TH = F.softplus(module.time_step(x_TD) + module.time_step_bias_H)
    state_HPN, outputs = torch.zeros(2, 3, 4, dtype=torch.float64), []
    for t in range(TOKENS):
        a_H = torch.exp(-module.log_rate_H.exp() * dt_TH[t])
        state_HPN = a_H[:, None, None] * state_HPN + (dt_TH[t, :, None] * x_THP[t])[:, :, None] * b_TN[t]
        outputs.append(state_HPN @ c_TN[t] + module.skip_H[:, None] * x_THP[t])
    gated_TC = torch.stack(outputs).flatten(1) * F.silu(module.gate(x_TD))
    normed_TC = gated_TC * (gated_TC.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * module.gated_norm.weight
    torch.testing.assert_close(module(x_TD[None])[0], module.output(normed_TC))


@pytest.mark.parametrize("num_heads", range(3, 17))
def test_the_first_heads_span_what_all_heads_span(num_heads: int) -> None:
    """Else a subnet with few heads would remember only long, or only short."""
    gated_linear = GatedLinearAttentionModule(GatedLinearAttention(num_heads=16, head_dim=2), WIDTH, TOKENS)
    rate_H, time_step_H = spread_over_heads(16)
    scales = [
        (rate_H, RATE_RANGE),
        (time_step_H.log(), torch.tensor(TIME_STEP_RANGE).log().tolist()),
        (gated_linear.decay_bias_H.detach(), DECAY_BIAS_RANGE),
    ]
    for values_H, (low, high) in scales:
        share_H = ((values_H[:num_heads] - low) / (high - low)).sort().values
        assert share_H[0] >= 0
        assert share_H[-1] <= 1
        gaps = torch.cat((share_H, torch.ones(1))) - torch.cat((torch.zeros(1), share_H))
        assert gaps.max() < 0.1 + 2 / num_heads  # in order of size, 8 of 16 heads would leave out half


def test_the_time_step_starts_where_it_was_spread() -> None:
    module = Mamba2Module(Mamba2(num_heads=8, head_dim=2, state_dim=4), WIDTH, TOKENS)
    torch.testing.assert_close(F.softplus(module.time_step_bias_H), spread_over_heads(8)[1])


def test_cosformer_is_its_quadratic_form() -> None:
    context, q_BHTK, k_BHTK, v_BHTK = 30, *torch.randn(3, 2, 3, TOKENS, 4)
    sin_T1, cos_T1 = quarter_turn(context)
    position = torch.arange(TOKENS)
    fade_TT = torch.cos(torch.pi / 2 * (position[:, None] - position) / context)
    weights_BHTT = ((F.relu(q_BHTK) @ F.relu(k_BHTK).transpose(2, 3)) * fade_TT).tril()
    expected_BHTK = weights_BHTT @ v_BHTK / weights_BHTT.sum(-1, keepdim=True).clamp(min=1e-6)
    y_BHTK = cosine_attention(q_BHTK, k_BHTK, v_BHTK, sin_T1[:TOKENS], cos_T1[:TOKENS])
    torch.testing.assert_close(y_BHTK, expected_BHTK, rtol=1e-4, atol=1e-5)


def test_cosformer_over_a_context_without_end_is_linear_attention_over_relu() -> None:
    q_BHTK, k_BHTK, v_BHTK = torch.randn(3, 2, 3, TOKENS, 4)
    sin_T1, cos_T1 = quarter_turn(1_000_000)
    sums_BHTK, _ = linear_attention_chunk(F.relu(q_BHTK), F.relu(k_BHTK), F.pad(v_BHTK, (0, 1), value=1.0), None)
    expected_BHTK = sums_BHTK[..., :-1] / sums_BHTK[..., -1:].clamp(min=1e-6)
    y_BHTK = cosine_attention(q_BHTK, k_BHTK, v_BHTK, sin_T1[:TOKENS], cos_T1[:TOKENS])
    torch.testing.assert_close(y_BHTK, expected_BHTK, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("module", [attention(), CosFormerModule(CosFormer(num_heads=2, head_dim=4), WIDTH, TOKENS)])
def test_a_full_context_takes_no_further_token(module: AttentionModule | CosFormerModule) -> None:
    state = module.init_state(1)
    state["position"] = TOKENS
    with pytest.raises(ValueError, match=f"the context holds {TOKENS} tokens; got a token at position {TOKENS}"):
        module.step(torch.zeros(1, WIDTH), state)


@pytest.mark.parametrize("window", [2, 3, 7, 40])
def test_pooling_of_a_constant_is_zero_and_of_others_the_mean_less_the_token(window: int) -> None:
    module, x_BTD = PoolingModule(Pooling(window=window), WIDTH, TOKENS), stream()
    assert module(torch.full((1, TOKENS, WIDTH), 0.5)).count_nonzero() == 0
    means = [x_BTD[:, max(0, t - window + 1) : t + 1].mean(1) for t in range(TOKENS)]
    torch.testing.assert_close(module(x_BTD), torch.stack(means, dim=1) - x_BTD, rtol=1e-4, atol=1e-6)


def test_pooling_over_one_token_is_nothing() -> None:
    assert PoolingModule(Pooling(window=1), WIDTH, TOKENS)(stream()).count_nonzero() == 0


@pytest.mark.parametrize("kind", [*TOKEN_MIXER_MODULES, "swiglu", "gelu_mlp", "squared_relu"])
def test_linear_maps_that_touch_the_residual_stream_are_named(kind: str) -> None:
    """`reads` take the width in, `writes` give it, and no other parameter is sized by it."""
    module = {**TOKEN_MIXER_MODULES, **CHANNEL_MIXER_MODULES}[kind]
    reading = {f"{name}.weight" for name in module.reads}
    writing = {f"{name}.weight" for name in module.writes}
    assert {name for name, axes in module.axes.items() if axes[-1] == "width"} == reading
    assert {name for name, axes in module.axes.items() if axes[0] == "width"} == writing
