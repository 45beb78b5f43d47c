"""The conformance suite of operators. Its parameter list is the operator table: a new line there is tested here.

Every operator is put into a supernet of its own, once at every size that the presets' choices span.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import torch

from frontier.search_space import CHANNEL_MIXERS, TOKEN_MIXERS, Architecture, Block, SearchSpace, preset_names
from frontier.search_space.operators.choices import OperatorChoices
from frontier.supernet import LanguageModel, ModelShape, Supernet
from frontier.supernet.operators import CHANNEL_MIXER_MODULES, TOKEN_MIXER_MODULES

SHAPE = ModelShape(vocab_size=29, context=21)
TOKENS = 21
PARTNER = {
    "channel_mixer": {"kind": "swiglu", "inner": 8},
    "token_mixer": {"kind": "causal_conv", "channels": 8, "kernel_size": 2},
}
OPERATORS = [("token_mixer", kind) for kind in TOKEN_MIXERS] + [("channel_mixer", kind) for kind in CHANNEL_MIXERS]
SPECS_PER_OPERATOR = 12


def choices_of(slot: str, kind: str) -> dict[str, Any]:
    """The first preset's choices of an operator, as plain data; a windowed operator's windows fit our short context."""
    for name in sorted(preset_names(), reverse=True):
        for choices in SearchSpace.load(name).to_json()[f"{slot}s"]:
            if choices["kind"] == kind:
                if "window" in choices:
                    choices["window"] = [5, None]
                return choices
    raise AssertionError(f"no preset uses {kind}: add it to one, so that it is tested")


@pytest.fixture(scope="module", params=OPERATORS, ids=[kind for _, kind in OPERATORS])
def supernet(request: pytest.FixtureRequest) -> Supernet:
    slot, kind = request.param
    other = "channel_mixer" if slot == "token_mixer" else "token_mixer"
    raw = {
        "name": kind,
        "width": [12, 20],
        "depth": [1, 2],
        f"{slot}s": [choices_of(slot, kind)],
        f"{other}s": [PARTNER[other]],
    }
    return Supernet(SearchSpace.parse(raw), SHAPE, seed=1)


def architectures(supernet: Supernet) -> list[Architecture]:
    """Smallest, largest, and random ones in between."""
    space, rng = supernet.space, Random(0)
    chosen = [space.smallest(), space.largest(), *(space.sample(rng) for _ in range(SPECS_PER_OPERATOR))]
    return list(dict.fromkeys(chosen))


def ids(batch: int = 2, tokens: int = TOKENS) -> torch.Tensor:
    return torch.randint(0, SHAPE.vocab_size, (batch, tokens))


def decode(model: LanguageModel, ids_BT: torch.Tensor, start: int = 0, state: Any = None) -> torch.Tensor:
    state = model.init_state(len(ids_BT)) if state is None else state
    logits = []
    for position in range(start, ids_BT.shape[1]):
        logits_BV, state = model.step(ids_BT[:, position], state)
        logits.append(logits_BV)
    return torch.stack(logits, dim=1)


def test_every_legal_spec_builds_and_runs(supernet: Supernet) -> None:
    for block in supernet.space.block_options():
        architecture = Architecture(width=12, blocks=(block,))
        assert supernet(architecture, ids(1, 3)).shape == (1, 3, SHAPE.vocab_size)


def test_a_slice_is_its_standalone_copy_to_the_bit(supernet: Supernet) -> None:
    for architecture in architectures(supernet):
        ids_BT = ids()
        assert torch.equal(supernet(architecture, ids_BT), supernet.extract(architecture)(ids_BT))


def test_an_extracted_model_shares_no_memory_with_the_supernet(supernet: Supernet) -> None:
    architecture, ids_BT = supernet.space.largest(), ids()
    before = supernet(architecture, ids_BT)
    with torch.no_grad():
        for parameter in supernet.extract(architecture).parameters():
            parameter.fill_(9)
    assert torch.equal(supernet(architecture, ids_BT), before)


def test_no_token_sees_the_future(supernet: Supernet) -> None:
    for architecture in architectures(supernet):
        model, ids_BT = supernet.extract(architecture), ids()
        changed_BT = ids_BT.clone()
        changed_BT[:, 13:] = (changed_BT[:, 13:] + 1) % SHAPE.vocab_size
        same, other = model(ids_BT), model(changed_BT)
        assert torch.equal(same[:, :13], other[:, :13])
        assert not torch.equal(same[:, 13:], other[:, 13:])


def test_decoding_step_by_step_is_prefill(supernet: Supernet) -> None:
    for architecture in architectures(supernet):
        model, ids_BT = supernet.extract(architecture), ids()
        prefill = model(ids_BT)
        difference = (decode(model, ids_BT) - prefill).abs().max() / prefill.abs().max()
        assert difference < 1e-5, architecture.canonical


def test_gradients_reach_every_active_weight_and_no_other(supernet: Supernet) -> None:
    for architecture in architectures(supernet):
        supernet(architecture, ids()).square().sum().backward()
        active = {source: torch.zeros_like(supernet.shared[source]) for _, source, _ in supernet._plan(architecture)}
        for _, source, cut in supernet._plan(architecture):
            cut.add_to(active[source], torch.ones(cut.shape))
        for name, tensor in supernet.shared.items():
            expected = active.get(name)
            gradient = tensor.grad
            tensor.grad = None
            if expected is None:
                assert gradient is None, f"{name} is not part of the subnet"
                continue
            assert gradient is not None, name
            assert gradient[expected == 0].count_nonzero() == 0, f"{name} has gradient outside its slice"
            rows = gradient if name != "embed.weight" else gradient[:0]
            assert (rows[expected[: len(rows)] == 1] != 0).float().mean() > 0.9 or not len(rows), name


def test_backward_adds_the_gradients_that_autograd_finds(supernet: Supernet) -> None:
    architecture, ids_BT = supernet.space.smallest(), ids()
    supernet(architecture, ids_BT).square().mean().backward()
    by_autograd = {name: tensor.grad for name, tensor in supernet.shared.items() if tensor.grad is not None}
    for tensor in supernet.shared.values():
        tensor.grad = None
    _, loss = supernet.backward(architecture, ids_BT, lambda logits_BTV: logits_BTV.square().mean())
    assert loss > 0
    for name, tensor in supernet.shared.items():
        if name in by_autograd:
            torch.testing.assert_close(tensor.grad, by_autograd[name])
        else:
            assert tensor.grad is None
        tensor.grad = None


def test_the_tables_of_specs_and_modules_name_the_same_kinds() -> None:
    assert TOKEN_MIXER_MODULES.keys() == TOKEN_MIXERS.keys()
    assert CHANNEL_MIXER_MODULES.keys() == CHANNEL_MIXERS.keys()


def test_axes_name_every_parameter_of_their_module(supernet: Supernet) -> None:
    for choices in (*supernet.space.token_mixers, *supernet.space.channel_mixers):
        assert isinstance(choices, OperatorChoices)
        block = Block(
            **{
                slot: choices.smallest if choices.kind in table else PARTNER[slot]  # type: ignore[arg-type]
                for slot, table in (("token_mixer", TOKEN_MIXERS), ("channel_mixer", CHANNEL_MIXERS))
            }
        )
        model = LanguageModel.build(Architecture(width=12, blocks=(block,)), SHAPE)
        module = next(
            part for part in model.modules() if type(part).__name__.lower().startswith(choices.kind.replace("_", ""))
        )
        assert set(module.axes) == {name for name, _ in module.named_parameters()}
