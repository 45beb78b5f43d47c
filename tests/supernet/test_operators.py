"""The conformance suite of operators. Its parameter list is the operator table: a new line there is tested here.

Every operator is put into a supernet of its own, once at every size that the presets' choices span; a token mixer for
every medium that it can read.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import torch
from torch import nn

from frontier.latency_models import Workload
from frontier.latency_models.tracing.trace import Tracer
from frontier.search_space import CHANNEL_MIXERS, TOKEN_MIXERS, Architecture, SearchSpace, preset_names
from frontier.supernet import ImageShape, ModelShape, Supernet
from frontier.supernet.export.fresh_process import largest_relative_difference, run_in_fresh_process
from frontier.supernet.export.source import standalone_source
from frontier.supernet.operators import CHANNEL_MIXER_MODULES, GRID_MIXER_MODULES, TOKEN_MIXER_MODULES
from frontier.supernet.routing import Router

TOKENS = 21
SHAPES = {
    "text": ModelShape(vocab_size=29, context=TOKENS),
    "image": ImageShape(channels=2, side=9, num_classes=5),
}
PARTNER = {
    "channel_mixer": {"kind": "swiglu", "inner": 8},
    "token_mixer": {
        "text": {"kind": "causal_conv", "channels": 8, "kernel_size": 2},
        "image": {"kind": "attention", "num_heads": 1, "num_kv_heads": 1, "head_dim": 8, "rotary": False},
    },
}
SPECS_PER_OPERATOR = 12
Case = tuple[str, str, str]


def cases() -> Iterator[Case]:
    """Slot, kind and medium of everything in the tables that is something."""
    for kind, spec in TOKEN_MIXERS.items():
        yield from (("token_mixer", kind, medium) for medium in spec.media if kind != "none")
    for kind in CHANNEL_MIXERS:
        if kind != "none":
            yield "channel_mixer", kind, "text"


def choices_of(slot: str, kind: str, medium: str) -> dict[str, Any]:
    """All the presets' choices of an operator in one, as plain data; windows are made to fit our short context."""
    together: dict[str, Any] = {}
    for name in preset_names():
        space = SearchSpace.load(name)
        if slot == "token_mixer" and space.layout.pyramid != (medium == "image"):
            continue
        for choices in space.to_json()[f"{slot}s"]:
            if choices.pop("kind") == kind:
                together = {field: [*dict.fromkeys(together.get(field, []) + choices[field])] for field in choices}
                together["kind"] = kind
    assert together, f"no preset for {medium}s uses {kind}: add it to one, so that it is tested"
    return together | ({"window": [5, None]} if kind == "attention" and medium == "text" else {})


def space_of(slot: str, kind: str, medium: str) -> SearchSpace:
    token = choices_of(slot, kind, medium) if slot == "token_mixer" else PARTNER["token_mixer"][medium]
    channel = choices_of(slot, kind, medium) if slot == "channel_mixer" else PARTNER["channel_mixer"]
    text = {"width": [12, 20], "depth": [1, 2]}
    image = {"stages": [{"width": [12, 16], "depth": [1, 2]}, {"width": [20, 24], "depth": 1}]}
    sizes = text if medium == "text" else image
    return SearchSpace.parse({"name": kind, **sizes, "token_mixers": [token], "channel_mixers": [channel]})


@pytest.fixture(scope="module", params=list(cases()), ids=lambda case: f"{case[1]}-{case[2]}")
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(scope="module")
def supernet(case: Case) -> Supernet:
    return Supernet(space_of(*case), SHAPES[case[2]], seed=1)


def architectures(supernet: Supernet) -> list[Architecture]:
    """Smallest, largest, and random ones in between."""
    space, rng = supernet.space, Random(0)
    chosen = [space.smallest(), space.largest(), *(space.sample(rng) for _ in range(SPECS_PER_OPERATOR))]
    return list(dict.fromkeys(chosen))


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same inputs whatever tests ran before.

    Not those of seed 0: there two heads of gated_linear read almost nothing at the first token, a query and a key being
    nearly orthogonal, and the heads' norm makes of float32's rounding a difference of 1.3e-5.
    """
    torch.manual_seed(1)


def inputs(supernet: Supernet, batch: int = 2) -> torch.Tensor:
    shape = supernet.shape
    if isinstance(shape, ImageShape):
        return torch.randn(batch, shape.channels, shape.side, shape.side)
    return torch.randint(0, shape.vocab_size, (batch, TOKENS))


def decode(model: nn.Module, ids_BT: torch.Tensor, start: int = 0, state: Any = None) -> tuple[torch.Tensor, Any]:
    state = model.init_state(len(ids_BT)) if state is None else state
    logits = []
    for position in range(start, ids_BT.shape[1]):
        logits_BV, state = model.step(ids_BT[:, position], state)
        logits.append(logits_BV)
    return torch.stack(logits, dim=1), state


def every_block(supernet: Supernet) -> Iterator[Architecture]:
    """One architecture per legal block, of the smallest size otherwise."""
    smallest = supernet.space.smallest()
    for block in supernet.space.block_options():
        yield smallest.model_copy(update={"blocks": (block,) * smallest.depth})


def test_every_legal_spec_builds_and_is_its_standalone_copy_to_the_bit(supernet: Supernet) -> None:
    for architecture in every_block(supernet):
        x = inputs(supernet, batch=1)
        said = supernet(architecture, x)
        assert said.isfinite().all()
        assert torch.equal(said, supernet.extract(architecture)(x)), architecture.canonical


def test_a_slice_is_its_standalone_copy_to_the_bit(supernet: Supernet) -> None:
    for architecture in architectures(supernet):
        x = inputs(supernet)
        assert torch.equal(supernet(architecture, x), supernet.extract(architecture)(x))


def test_every_legal_spec_is_plain_json_and_back(supernet: Supernet) -> None:
    for architecture in every_block(supernet):
        assert Architecture.from_json(architecture.canonical) == architecture


def test_an_extracted_model_shares_no_memory_with_the_supernet(supernet: Supernet) -> None:
    architecture, x = supernet.space.largest(), inputs(supernet)
    before = supernet(architecture, x)
    with torch.no_grad():
        for parameter in supernet.extract(architecture).parameters():
            parameter.fill_(9)
    assert torch.equal(supernet(architecture, x), before)


def test_no_token_sees_the_future(supernet: Supernet) -> None:
    if isinstance(supernet.shape, ImageShape):
        pytest.skip("every place of an image sees the others")
    for architecture in architectures(supernet):
        model, ids_BT = supernet.extract(architecture), inputs(supernet)
        changed_BT = ids_BT.clone()
        changed_BT[:, 13:] = (changed_BT[:, 13:] + 1) % supernet.shape.vocab_size
        same, other = model(ids_BT), model(changed_BT)
        # Experts multiply as many tokens at once as chose them, and a product's last bit depends on how many those are.
        routes = any(isinstance(module, Router) for module in model.modules())
        torch.testing.assert_close(same[:, :13], other[:, :13], rtol=0, atol=1e-6 if routes else 0)
        assert not torch.equal(same[:, 13:], other[:, 13:])


def test_decoding_step_by_step_is_prefill(supernet: Supernet) -> None:
    if isinstance(supernet.shape, ImageShape):
        pytest.skip("an image is read at once")
    for architecture in architectures(supernet):
        model, ids_BT = supernet.extract(architecture), inputs(supernet)
        prefill = model(ids_BT)
        difference = (decode(model, ids_BT)[0] - prefill).abs().max() / prefill.abs().max()
        assert difference < 1e-5, architecture.canonical


def test_gradients_reach_every_active_weight_and_no_other(supernet: Supernet) -> None:
    for architecture in architectures(supernet):
        # So many examples that every expert is chosen by some token.
        supernet(architecture, inputs(supernet, batch=16)).square().sum().backward()
        active = {source: torch.zeros_like(supernet.shared[source]) for _, source, _ in supernet._plan(architecture)}
        for _, source, cut in supernet._plan(architecture):
            cut.add_to(active[source], torch.ones(cut.folded))
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
    architecture, x = supernet.space.smallest(), inputs(supernet)
    supernet(architecture, x).square().mean().backward()
    by_autograd = {name: tensor.grad for name, tensor in supernet.shared.items() if tensor.grad is not None}
    for tensor in supernet.shared.values():
        tensor.grad = None
    for _ in range(2):  # the first gradient of a tensor and one that is added to it go different ways
        found = supernet.backward(architecture, x, lambda logits: logits.square().mean() / 2)
    assert found.loss > 0
    routers = sum(isinstance(module, Router) for module in supernet.extract(architecture).modules())
    assert len(found.routings) == routers
    for name, tensor in supernet.shared.items():
        if name in by_autograd:
            torch.testing.assert_close(tensor.grad, by_autograd[name])
        else:
            assert tensor.grad is None
        tensor.grad = None


def test_tracing_gives_a_kernel_list_and_counts_every_parameter(supernet: Supernet) -> None:
    tracer = Tracer(supernet.shape)
    for architecture in architectures(supernet)[:4]:
        for phase in supernet.shape.phases:
            workload = Workload(phase, 1, supernet.shape.most_tokens(phase))
            calls = tracer.calls(architecture, workload)
            unknown = {call.call.op for call in calls if call.call.family == "unknown"}
            assert calls
            assert not unknown, f"latency_models/families.py knows no family of {unknown}"
            counted = sum(section.param_count for _, section in tracer.sections(architecture, workload))
            assert counted == sum(parameter.numel() for parameter in supernet.extract(architecture).parameters())


def test_export_gives_the_same_numbers(supernet: Supernet, tmp_path: Any) -> None:
    from frontier.supernet.export.pytorch import write_files

    architecture = supernet.space.sample(Random(5))
    x = inputs(supernet)
    model = supernet.extract(architecture)
    write_files(model, architecture, supernet.shape, tmp_path, "A model.")
    assert "frontier" not in standalone_source(architecture, "A model.").replace("Written by Frontier", "")
    found = run_in_fresh_process(tmp_path, {"inputs": x})
    assert largest_relative_difference({"inputs": model(x).detach()}, found) <= 1e-5


def test_the_tables_of_specs_and_modules_name_the_same_kinds() -> None:
    reading = {
        medium: {kind for kind, spec in TOKEN_MIXERS.items() if medium in spec.media and kind != "none"}
        for medium in SHAPES
    }
    assert TOKEN_MIXER_MODULES.keys() == reading["text"]
    assert GRID_MIXER_MODULES.keys() == reading["image"]
    assert CHANNEL_MIXER_MODULES.keys() == CHANNEL_MIXERS.keys() - {"none"}
