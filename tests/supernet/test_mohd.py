"""Mixture of hidden dimensions around real mixers, against its formulas and golden values.

The golden values are float64 results of the formulas in NumPy, on inputs sin(0.7 n + 0.3 + k).
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from frontier.search_space import Attention, MoE, MoHD, SearchSpace, Spec, SwiGLU
from frontier.supernet.mohd import GroupFusion, MoHDSublayer
from frontier.supernet.operators import CHANNEL_MIXER_MODULES, TOKEN_MIXER_MODULES
from frontier.supernet.operators.attention import AttentionModule
from frontier.supernet.operators.moe import MoEModule
from frontier.supernet.operators.swiglu import SwiGLUModule
from frontier.supernet.routing import balance_loss, load, watch_routers

WIDTH, CONTEXT = 24, 17
EVERYTHING = SearchSpace.load("everything-lm")
MIXERS = [
    choices.smallest for choices in (*EVERYTHING.token_mixers, *EVERYTHING.channel_mixers) if choices.kind != "none"
]


def golden(k: int, *shape: int) -> Tensor:
    return torch.sin(0.7 * torch.arange(torch.Size(shape).numel()) + 0.3 + k).view(shape)


class Reader(nn.Module):
    """A mixer that does nothing but read."""

    reads = ("inside",)
    writes = ("outside",)

    def __init__(self, width: int, columns: int) -> None:
        super().__init__()
        self.inside = nn.Linear(width, columns, bias=False)
        self.outside = nn.Linear(columns, width, bias=False)

    def forward(self, x: Any) -> Tensor:
        return self.inside(x)


def spec(**fields: Any) -> MoHD:
    return MoHD(**{"group_size": 4, "shared": 2, "routed": 1, **fields})


def feed_forward(hidden: MoHD, width: int = WIDTH) -> MoHDSublayer:
    return MoHDSublayer(hidden, width, SwiGLUModule(SwiGLU(inner=10), width))


def attention(hidden: MoHD, width: int = WIDTH) -> MoHDSublayer:
    mixer = Attention(num_heads=3, num_kv_heads=1, head_dim=6, window=5)
    return MoHDSublayer(hidden, width, AttentionModule(mixer, width, CONTEXT))


def without_declaration(sublayer: MoHDSublayer) -> MoHDSublayer:
    """The same sub-layer as a mixer that declares neither reads nor writes would have it: masked."""
    mixer = sublayer.mixer
    for name in (*mixer.reads, *mixer.writes):
        routed = getattr(mixer, name)
        plain = nn.Linear(routed.in_features, routed.out_features, bias=False)
        plain.weight, plain.bias = routed.weight, routed.bias
        setattr(mixer, name, plain)
    sublayer.grouped = False
    return sublayer


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ("prod", [[-0.413604, -0.899129, -0.961779], [-0.554106, -0.699637, -0.516118]]),
        ("inv", [[-1.482610, -3.223028, -3.447606], [-2.305978, -2.911623, -2.147887]]),
        ("sqrt", [[-1.656373, -2.390958, -2.001038], [-1.998792, -1.899302, -0.906541]]),
    ],
)
def test_golden_read(scaling: str, expected: list[list[float]]) -> None:
    sublayer = MoHDSublayer(MoHD(group_size=2, shared=1, routed=1, scaling=scaling), 8, Reader(8, 3))
    with torch.no_grad():
        sublayer.router.weight.copy_(golden(2, 4, 8))
        sublayer.mixer.inside.weight.copy_(golden(3, 8, 3).T)
    u_ND = golden(1, 2, 8)
    with watch_routers(sublayer) as seen:
        h_NO = sublayer.mixer(sublayer.read(u_ND, sublayer.route(u_ND)))
    assert (h_NO - torch.tensor(expected)).abs().max() < 1e-5
    probabilities = torch.tensor([[0.053092, 0.374241, 0.475085, 0.097583], [0.004355, 0.080338, 0.485839, 0.429467]])
    assert (seen[0].probabilities_NE - probabilities).abs().max() < 1e-5
    assert seen[0].chosen_NK.tolist() == [[2], [2]]
    assert balance_loss(seen[0]).item() == pytest.approx(1.484530, abs=1e-5)
    assert load(seen[0]).tolist() == [0, 1, 0]


@pytest.mark.parametrize("scaling", ["sqrt", "inv", "prod"])
@pytest.mark.parametrize("routed", [1, 3])
@pytest.mark.parametrize("make", [feed_forward, attention])
def test_grouped_is_masked_dense(make: Any, routed: int, scaling: str) -> None:
    sublayer = make(spec(routed=routed, scaling=scaling, fusion="blockdiag", fusion_blocks=3))
    u_BTD = torch.randn(3, CONTEXT, WIDTH, requires_grad=True)

    def run() -> tuple[Tensor, ...]:
        y_BTD = sublayer(u_BTD)
        return (y_BTD, *torch.autograd.grad(y_BTD.square().sum(), (u_BTD, *sublayer.parameters()), allow_unused=True))

    names = ["y", "u", *(name for name, _ in sublayer.named_parameters())]
    grouped = dict(zip(names, run(), strict=True))
    without_declaration(sublayer)
    names = ["y", "u", *(name for name, _ in sublayer.named_parameters())]
    masked = dict(zip(names, run(), strict=True))
    assert grouped.keys() == masked.keys()
    for name, expected in masked.items():
        scale = expected.abs().max()
        torch.testing.assert_close(grouped[name] / scale, expected / scale, atol=1e-5, rtol=0, msg=name)


@pytest.mark.parametrize("mixer", MIXERS, ids=[mixer.kind for mixer in MIXERS])
def test_every_mixer_that_declares_itself_is_read_and_written_by_group(mixer: Spec) -> None:
    if mixer.kind in TOKEN_MIXER_MODULES:
        module = TOKEN_MIXER_MODULES[mixer.kind](mixer, WIDTH, CONTEXT)
    else:
        module = CHANNEL_MIXER_MODULES[mixer.kind](mixer, WIDTH)
    sublayer, u_BTD = MoHDSublayer(spec(), WIDTH, module), torch.randn(2, 7, WIDTH)
    grouped_BTD = sublayer(u_BTD)
    if sublayer.grouped:
        without_declaration(sublayer)
    # Pooling says nothing of a sequence's first token.
    assert ((grouped_BTD.view(2, 7, 6, 4)[:, 1:] != 0).any(dim=3).sum(dim=2) == 3).all()
    torch.testing.assert_close(grouped_BTD, sublayer(u_BTD), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("shared", "routed"), [(6, 0), (2, 4), (0, 6)])
def test_all_groups_with_unit_gates_are_the_dense_block(shared: int, routed: int) -> None:
    dense = SwiGLUModule(SwiGLU(inner=10), WIDTH)
    u_BTD = torch.randn(2, 5, WIDTH)
    expected = dense(u_BTD)
    sublayer = MoHDSublayer(spec(shared=shared, routed=routed, fusion="monarch", fusion_blocks=2), WIDTH, dense)
    if sublayer.router is not None:
        nn.init.zeros_(sublayer.router.weight)
    torch.testing.assert_close(sublayer(u_BTD), expected, atol=1e-6, rtol=1e-5)


def test_shared_only_is_a_sliced_dense_block_that_leaves_the_rest_untouched() -> None:
    wide = SwiGLUModule(SwiGLU(inner=10), WIDTH)
    narrow = SwiGLUModule(SwiGLU(inner=10), 8)
    narrow.load_state_dict(
        {name: weight[:8] if name == "down.weight" else weight[:, :8] for name, weight in wide.state_dict().items()}
    )
    x_BTD = torch.randn(2, 5, WIDTH)
    sublayer = MoHDSublayer(spec(shared=2, routed=0), WIDTH, wide)
    assert sublayer.router is None
    written = x_BTD + sublayer(x_BTD)
    torch.testing.assert_close(written[..., :8] - x_BTD[..., :8], narrow(x_BTD[..., :8] * 3**0.5), atol=1e-6, rtol=1e-5)
    assert torch.equal(written[..., 8:], x_BTD[..., 8:])


def test_columns_of_other_groups_are_untouched() -> None:
    sublayer, x_ND = feed_forward(spec()), torch.randn(40, WIDTH)
    with watch_routers(sublayer) as seen:
        written = x_ND + sublayer(x_ND)
    active_NG = torch.zeros(40, 6, dtype=torch.bool)
    active_NG[:, :2] = True
    active_NG.scatter_(1, seen[0].chosen_NK, True)
    assert torch.equal((written != x_ND).view(40, 6, 4).any(dim=2), active_NG)


@pytest.mark.parametrize("routed", [1, 3])
def test_a_token_does_not_see_the_others_to_the_bit(routed: int) -> None:
    sublayer, x_ND = feed_forward(spec(shared=0, routed=routed)), torch.randn(40, WIDTH)
    for seen in range(4, 40, 5):
        other_ND = torch.cat((x_ND[:seen], torch.randn(40 - seen, WIDTH)))
        assert torch.equal(sublayer(other_ND)[:seen], sublayer(x_ND)[:seen])


def test_permuting_the_routed_groups_changes_nothing() -> None:
    sublayer, u_BTD = feed_forward(spec(routed=2)), torch.randn(2, 9, WIDTH)
    expected = sublayer(u_BTD)
    groups = torch.tensor([0, 1, 4, 2, 5, 3])
    columns = torch.arange(WIDTH).view(6, 4)[groups].flatten()
    with torch.no_grad():
        for name in sublayer.mixer.reads:
            weight = getattr(sublayer.mixer, name).weight
            weight.copy_(weight[:, columns].clone())
        sublayer.mixer.down.weight.copy_(sublayer.mixer.down.weight[columns].clone())
        sublayer.router.weight.copy_(sublayer.router.weight[groups][:, columns].clone())
    torch.testing.assert_close(sublayer(u_BTD[..., columns]), expected[..., columns], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("scaling", ["sqrt", "inv", "prod"])
@pytest.mark.parametrize("routed", [1, 2])
def test_the_router_learns_from_the_model_loss(routed: int, scaling: str) -> None:
    sublayer = feed_forward(spec(routed=routed, scaling=scaling))
    sublayer(torch.randn(60, WIDTH)).square().sum().backward()
    assert (sublayer.router.weight.grad[2:].abs().sum(dim=1) > 0).all()


def test_one_routed_group_is_read_at_the_same_scale_as_the_shared() -> None:
    chosen = feed_forward(spec(shared=2, routed=1)).route(torch.randn(31, WIDTH))
    assert (chosen.multiplier_NA == 2**0.5).all()


@pytest.mark.parametrize("fusion", ["none", "blockdiag", "monarch"])
@pytest.mark.parametrize(("shared", "routed"), [(2, 1), (1, 2), (3, 0)])
def test_decoding_step_by_step_is_prefill(shared: int, routed: int, fusion: str) -> None:
    blocks = 1 if fusion == "none" else 2
    sublayer = attention(spec(shared=shared, routed=routed, fusion=fusion, fusion_blocks=blocks))
    x_BTD, state = torch.randn(2, CONTEXT, WIDTH), sublayer.init_state(2)
    prefill_BTD = sublayer(x_BTD)
    for t in range(CONTEXT):
        y_BD, state = sublayer.step(x_BTD[:, t], state)
        torch.testing.assert_close(y_BD, prefill_BTD[:, t], atol=1e-5, rtol=1e-4)
    assert state["position"] == CONTEXT


def test_a_mixer_that_declares_nothing_is_masked() -> None:
    sublayer = MoHDSublayer(spec(), WIDTH, MoEModule(MoE(num_experts=3, top_k=1, inner=5), WIDTH))
    with watch_routers(sublayer) as seen:
        y_BTD = sublayer(torch.randn(2, 9, WIDTH))
    groups, expert = seen
    assert groups.probabilities_NE.shape == (18, 6)
    assert expert.probabilities_NE.shape == (18, 3)
    assert ((y_BTD.view(18, 6, 4) != 0).any(dim=2).sum(dim=1) == 3).all()


@pytest.mark.parametrize(("width", "blocks"), [(64, 2), (64, 8), (36, 3), (256, 16)])
def test_monarch_begins_as_the_identity_and_can_mix_everything(width: int, blocks: int) -> None:
    fusion, y = GroupFusion(width, blocks, monarch=True), torch.randn(2, 3, width)
    assert torch.equal(fusion(y), y)
    with torch.no_grad():
        for factor in fusion.parameters():
            factor.uniform_(0.5, 1.5)
    dense = fusion(torch.eye(width))
    assert (dense > 0).all()
    torch.testing.assert_close(fusion(y), y @ dense, atol=1e-3, rtol=1e-4)


def test_monarch_is_the_product_of_its_factors() -> None:
    fusion = GroupFusion(12, 2, monarch=True)
    with torch.no_grad():
        for factor in fusion.parameters():
            factor.normal_()
    stride = torch.eye(12)[torch.arange(12).view(2, 6).T.flatten()].T
    right, left = (torch.block_diag(*factor) for factor in (fusion.right_RMM, fusion.left_RMM))
    torch.testing.assert_close(fusion(torch.eye(12)), right @ stride @ left @ stride.T)


def test_a_block_diagonal_fusion_mixes_within_its_blocks_only() -> None:
    fusion = GroupFusion(12, 3, monarch=False)
    with torch.no_grad():
        fusion.right_RMM.uniform_(0.5, 1.5)
    assert torch.equal(fusion(torch.eye(12)) > 0, torch.block_diag(*torch.ones(3, 4, 4)) > 0)


@pytest.mark.parametrize("fusion_blocks", [1, 2, 4])
def test_parameters_and_flops_are_those_of_the_formula(fusion_blocks: int) -> None:
    """Per token and sub-layer: 2 delta D S + 2 G D + 4 D^2 / r of a feed-forward with S = 3 inner."""
    width, inner, tokens, groups, active = 48, 20, 7, 12, 3
    monarch = fusion_blocks > 1
    hidden = spec(fusion="monarch" if monarch else "none", fusion_blocks=fusion_blocks)
    sublayer = MoHDSublayer(hidden, width, SwiGLUModule(SwiGLU(inner=inner), width))
    fusion = 2 * width**2 // fusion_blocks if monarch else 0
    assert sum(p.numel() for p in sublayer.parameters()) == width * 3 * inner + groups * width + fusion
    with FlopCounterMode(display=False) as counter:
        sublayer(torch.randn(tokens, width))
    per_token = 2 * active * 4 * 3 * inner + 2 * groups * width + 2 * fusion
    assert counter.get_total_flops() == tokens * per_token


def test_shared_only_flops_are_those_of_the_slice() -> None:
    sublayer = feed_forward(spec(shared=2, routed=0))
    with FlopCounterMode(display=False) as counter:
        sublayer(torch.randn(7, WIDTH))
    assert counter.get_total_flops() == 7 * 2 * 8 * 3 * 10


def test_a_sliced_skeleton_runs_as_its_standalone_copy() -> None:
    hidden = spec(fusion="monarch", fusion_blocks=2)
    real = attention(hidden)
    with torch.device("meta"):
        skeleton = attention(hidden)
    u_BTD = torch.randn(2, CONTEXT, WIDTH)
    assert torch.equal(functional_call(skeleton, dict(real.named_parameters()), (u_BTD,)), real(u_BTD))


def test_axes_name_the_parameters_of_the_sublayer() -> None:
    sublayer = feed_forward(spec(fusion="monarch", fusion_blocks=2))
    own = {name for name, _ in sublayer.named_parameters() if not name.startswith("mixer.")}
    assert own == set(MoHDSublayer.axes)
    assert {name for name, _ in sublayer.mixer.named_parameters()} == set(SwiGLUModule.axes)


@pytest.mark.parametrize("make", [feed_forward, attention])
def test_it_runs_on_fake_tensors(make: Any) -> None:
    with FakeTensorMode(), torch.no_grad():
        sublayer = make(spec(fusion="blockdiag", fusion_blocks=2))
        assert sublayer(torch.empty(2, CONTEXT, WIDTH)).shape == (2, CONTEXT, WIDTH)


def test_nothing_of_a_forward_stays_on_the_modules() -> None:
    sublayer = attention(spec())
    before = [dict(module.__dict__) for module in sublayer.modules()]
    sublayer(torch.randn(2, CONTEXT, WIDTH))
    assert [dict(module.__dict__) for module in sublayer.modules()] == before
