"""The supernet over the presets: subnet, extracted and exported model say the same; decode is prefill."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random
from subprocess import run

import pytest
import torch
from safetensors.torch import load_file, save_file

from frontier.errors import InputError
from frontier.search_space import Architecture, SearchSpace, preset_names
from frontier.supernet import ImageShape, ModelShape, Supernet
from frontier.supernet.export import export_pytorch
from frontier.supernet.export.fresh_process import largest_relative_difference, probe_inputs, run_in_fresh_process
from frontier.supernet.export.pytorch import write_files
from frontier.supernet.export.source import standalone_source

TOLERANCE = 1e-5
ARCHITECTURES = 20
CONTEXT = 160  # longer than every preset's windows

RUN_MANY = """
import json, sys
sys.path.insert(0, sys.argv[1])
from importlib import import_module
import torch
from safetensors.torch import load_file, save_file
inputs = load_file(sys.argv[1] + "/inputs.safetensors")
with torch.inference_mode():
    outputs = {}
    for package in json.loads(sys.argv[2]):
        model = import_module(package + ".model").load(sys.argv[1] + "/" + package)
        outputs.update({f"{package}.{name}": model(ids) for name, ids in inputs.items()})
assert "frontier" not in sys.modules
save_file(outputs, sys.argv[1] + "/outputs.safetensors")
"""


@pytest.fixture(scope="module", params=preset_names())
def supernet(request: pytest.FixtureRequest) -> Supernet:
    space = SearchSpace.load(request.param)
    text = ModelShape(vocab_size=256, context=CONTEXT)
    return Supernet(space, ImageShape(channels=1, side=8, num_classes=10) if space.layout.pyramid else text, seed=3)


def random_architectures(supernet: Supernet) -> list[Architecture]:
    rng = Random(11)
    return [supernet.space.sample(rng) for _ in range(ARCHITECTURES)]


def test_subnet_extracted_and_exported_in_a_fresh_process_say_the_same(supernet: Supernet, tmp_path: Path) -> None:
    inputs = probe_inputs(supernet.shape)
    expected = {}
    packages = []
    for index, architecture in enumerate(random_architectures(supernet)):
        package = f"model{index}"
        packages.append(package)
        folder = tmp_path / package
        folder.mkdir()
        extracted = supernet.extract(architecture)
        write_files(extracted, architecture, supernet.shape, folder, "A model.")
        with torch.inference_mode():
            for name, asked in inputs.items():
                subnet = supernet(architecture, asked)
                assert torch.equal(subnet, extracted(asked))
                expected[f"{package}.{name}"] = subnet
    save_file(inputs, tmp_path / "inputs.safetensors")
    done = run(
        [sys.executable, "-I", "-c", RUN_MANY, str(tmp_path), json.dumps(packages)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = load_file(tmp_path / "outputs.safetensors")
    assert found.keys() == expected.keys()
    assert largest_relative_difference(expected, found) <= TOLERANCE


def test_decoding_is_prefill(supernet: Supernet) -> None:
    if isinstance(supernet.shape, ImageShape):
        pytest.skip("an image is read at once")
    ids_BT = torch.randint(0, 256, (2, CONTEXT))
    for architecture in random_architectures(supernet):
        model = supernet.extract(architecture).eval()
        with torch.inference_mode():
            prefill, state = model(ids_BT), model.init_state(2)
            for position in range(CONTEXT):
                logits_BV, state = model.step(ids_BT[:, position], state)
                difference = (logits_BV - prefill[:, position]).abs().max() / prefill.abs().max()
                assert difference <= TOLERANCE, f"{architecture.canonical} at {position}"


def test_two_subnets_share_what_both_read(supernet: Supernet) -> None:
    small, large = supernet.space.smallest(), supernet.space.largest()
    asked = next(iter(probe_inputs(supernet.shape).values()))
    before = supernet(small, asked).detach()
    supernet.backward(large, asked, lambda logits: logits.square().mean())
    with torch.no_grad():
        for tensor in supernet.shared.values():
            if tensor.grad is not None:
                tensor -= 0.1 * tensor.grad
                tensor.grad = None
    assert not torch.equal(supernet(small, asked), before)


def test_the_same_seed_gives_the_same_weights() -> None:
    space, shape = SearchSpace.load("tiny-lm"), ModelShape(256, 16)
    first, again, other = Supernet(space, shape, 5), Supernet(space, shape, 5), Supernet(space, shape, 6)
    assert all(torch.equal(first.shared[name], again.shared[name]) for name in first.shared)
    assert not torch.equal(first.shared["embed.weight"], other.shared["embed.weight"])


@pytest.fixture(scope="module")
def tiny() -> Supernet:
    return Supernet(SearchSpace.load("tiny-lm"), ModelShape(vocab_size=256, context=24))


def test_an_export_stands_alone_and_generates(tiny: Supernet, tmp_path: Path) -> None:
    architecture = tiny.space.sample(Random(4))
    out = tmp_path / "exported"
    model = tiny.extract(architecture)
    exported = export_pytorch(model, architecture, tiny.shape, out, "A model.", lambda d: f"differs by {d}")
    assert exported.max_relative_difference <= TOLERANCE
    written = {path.name for path in out.iterdir()}
    assert written == {"model.py", "config.json", "architecture.json", "model.safetensors", "README.md"}
    assert "frontier" not in (out / "model.py").read_text().replace("Written by Frontier", "")
    assert Architecture.from_json((out / "architecture.json").read_text()) == architecture
    command = [sys.executable, str(out / "model.py"), "--prompt", "ab", "--new-tokens", "5"]
    done = run(command, capture_output=True, check=True)
    expected = model.generate(torch.tensor([[97, 98]]), 5)
    assert done.stdout.rstrip(b"\n") == bytes(expected[0].tolist()).decode(errors="replace").encode().rstrip(b"\n")


def test_an_export_names_only_the_operators_it_uses(tiny: Supernet) -> None:
    for kind, absent in (("attention", "CausalConvModule"), ("causal_conv", "AttentionModule")):
        mixer = next(choices.smallest for choices in tiny.space.token_mixers if choices.kind == kind)
        blocks = [{"token_mixer": mixer.model_dump(), "channel_mixer": {"kind": "swiglu", "inner": 64}}]
        source = standalone_source(Architecture.from_json({"width": 48, "blocks": blocks}), "A model.")
        assert absent not in source
        assert "GeluMLPModule" not in source
        compile(source, "model.py", "exec")


def test_a_folder_that_exists_is_left_alone(tiny: Supernet, tmp_path: Path) -> None:
    architecture = tiny.space.smallest()
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match=r"a folder that does not exist yet; got .*taken"):
        export_pytorch(tiny.extract(architecture), architecture, tiny.shape, tmp_path / "taken", "A model.", str)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_an_export_that_says_something_else_is_refused(tiny: Supernet, tmp_path: Path) -> None:
    architecture = tiny.space.smallest()
    out = tmp_path / "exported"
    export_pytorch(tiny.extract(architecture), architecture, tiny.shape, out, "A model.", str)
    text = (
        (out / "model.py")
        .read_text()
        .replace("self.head(self.final_norm(self.residual.leave(stream)))", "self.head(self.residual.leave(stream))")
    )
    (out / "model.py").write_text(text)
    inputs = probe_inputs(tiny.shape)
    with torch.inference_mode():
        expected = {name: tiny(architecture, ids_BT) for name, ids_BT in inputs.items()}
    assert largest_relative_difference(expected, run_in_fresh_process(out, inputs)) > 1e-3
    (out / "model.py").write_text("raise RuntimeError('broken')")
    with pytest.raises(InputError, match="it said: RuntimeError: broken"):
        run_in_fresh_process(out, inputs)
