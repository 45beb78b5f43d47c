"""The image pyramid: its parts by their definitions, its slices against standalone copies, and that it learns."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random
from subprocess import run

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from frontier.evaluators.tasks import ImageClassificationConfig, ImageClassificationTask
from frontier.search_space import Architecture, SearchSpace
from frontier.supernet import ImageClassifier, ImageShape, Supernet
from frontier.supernet.export import export_pytorch
from frontier.supernet.image_classifier import SpatialReduction, Stem
from frontier.supernet.lone import train_alone
from frontier.supernet.optimizer import TrainerOptions

TOLERANCE = 1e-5
SHAPES = {
    "digits": ImageShape(channels=1, side=8, num_classes=10),
    "odd": ImageShape(channels=3, side=13, num_classes=3, patch=2),
    "large": ImageShape(channels=3, side=32, num_classes=7, patch=4),
}


def architecture(residual: str = "sequential") -> Architecture:
    return Architecture.from_json(
        {
            "width": 8,
            "residual": residual,
            "stages": [{"width": 8, "depth": 1}, {"width": 12, "depth": 2}],
            "blocks": [
                {"token_mixer": {"kind": "pooling", "window": 3}, "channel_mixer": {"kind": "swiglu", "inner": 8}},
                {
                    "token_mixer": {"kind": "gated_conv", "channels": 6, "kernel_size": 3},
                    "channel_mixer": {"kind": "none"},
                },
                {
                    "token_mixer": {
                        "kind": "attention", "num_heads": 2, "num_kv_heads": 1, "head_dim": 4, "rotary": False,
                    },
                    "channel_mixer": {"kind": "gelu_mlp", "inner": 16},
                },
            ],
        }
    )  # fmt: skip


@pytest.fixture(scope="module", params=SHAPES)
def shape(request: pytest.FixtureRequest) -> ImageShape:
    return SHAPES[request.param]


def images(shape: ImageShape, batch: int = 3) -> torch.Tensor:
    return torch.rand(batch, shape.channels, shape.side, shape.side)


def zeroed(module: torch.nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()


@pytest.mark.parametrize("side", [1, 4, 7])
@pytest.mark.parametrize("width", [5, 9])
def test_a_reduction_without_its_convolution_is_the_pooled_map_with_zeros(side: int, width: int) -> None:
    reduction = SpatialReduction(5, width)
    zeroed(reduction.conv)
    x_BHWD = torch.randn(2, side, side, 5)
    y_BHWD = reduction(x_BHWD)
    half = -(-side // 2)
    assert y_BHWD.shape == (2, half, half, width)
    assert y_BHWD[..., 5:].count_nonzero() == 0
    for row in range(half):
        for column in range(half):
            pooled = x_BHWD[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].mean(dim=(1, 2))
            torch.testing.assert_close(y_BHWD[:, row, column, :5], pooled, rtol=1e-5, atol=1e-6)


def test_a_reduction_convolves_the_normed_map() -> None:
    reduction = SpatialReduction(4, 6)
    x_BHWD = torch.randn(2, 6, 6, 4)
    scaled = reduction(x_BHWD * 1000)
    skip = F.pad(F.avg_pool2d(x_BHWD.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1), (0, 2))
    torch.testing.assert_close(scaled - skip * 1000, reduction(x_BHWD) - skip, rtol=1e-3, atol=1e-3)


def test_a_stem_without_its_convolutions_is_the_position_embedding(shape: ImageShape) -> None:
    stem = Stem(6, shape)
    zeroed(stem.patch)
    zeroed(stem.mix)
    x_BHWD = stem(images(shape))
    assert x_BHWD.shape == (3, shape.grid, shape.grid, 6)
    assert torch.equal(x_BHWD, stem.position_HWD.expand_as(x_BHWD))


def test_every_pixel_is_seen(shape: ImageShape) -> None:
    model = ImageClassifier.build(architecture(), shape)
    pixels = images(shape).requires_grad_()
    logits_BC = model(pixels)
    assert logits_BC.shape == (3, shape.num_classes)
    logits_BC.square().sum().backward()
    assert pixels.grad is not None
    assert (pixels.grad != 0).all()


def test_an_image_is_classified_by_itself(shape: ImageShape) -> None:
    model, batch = ImageClassifier.build(architecture(), shape).eval(), images(shape, 4)
    together = model(batch)
    alone = torch.cat([model(image[None]) for image in batch])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("residual", ["parallel", "ladder"])
def test_residual_streams_have_the_same_parameters_and_another_result(residual: str) -> None:
    shape, batch = SHAPES["digits"], images(SHAPES["digits"])
    plain = ImageClassifier.build(architecture(), shape)
    other = ImageClassifier.build(architecture(residual), shape)
    other.load_state_dict(plain.state_dict())
    assert not torch.allclose(plain(batch), other(batch), rtol=1e-3)


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    return Supernet(SearchSpace.load("pyramid-vit"), SHAPES["digits"], seed=2)


def test_a_slice_is_its_standalone_copy_to_the_bit(supernet: Supernet) -> None:
    rng, batch = Random(5), images(SHAPES["digits"])
    space = supernet.space
    for chosen in (space.smallest(), space.largest(), *(space.sample(rng) for _ in range(12))):
        model = supernet.extract(chosen)
        assert torch.equal(supernet(chosen, batch), model(batch)), chosen.canonical
        assert {name: tensor.shape for name, tensor in model.named_parameters()} == {
            name: tensor.shape for name, tensor in ImageClassifier.build(chosen, SHAPES["digits"]).named_parameters()
        }


def test_a_smaller_filter_is_the_middle_of_a_larger(supernet: Supernet) -> None:
    parts = [
        {"token_mixer": {"kind": "gated_conv", "channels": 32, "kernel_size": size}, "channel_mixer": {"kind": "none"}}
        for size in (3, 5)
    ]
    filters = []
    for part in parts:
        stages = [{"width": width, "depth": 1} for width in (16, 32, 64)]
        chosen = Architecture.from_json({"width": 16, "stages": stages, "blocks": [part] * 3})
        filters.append(supernet.read(chosen)["blocks.0.token_mixer.filter_CKK"])
    assert torch.equal(filters[0], filters[1][:, 1:4, 1:4])


def test_a_small_model_learns_the_digits(supernet: Supernet) -> None:
    task = ImageClassificationTask(ImageClassificationConfig())
    model = supernet.extract(supernet.space.smallest())
    options = TrainerOptions(steps=150, learning_rate=0.005, warmup_steps=10)
    train_alone(model, options, (task.train_batch(32, step) for step in range(options.steps)))
    inputs_BCHW, labels_B = task.validation_batch()
    with torch.inference_mode():
        logits_BC = model(inputs_BCHW)
    baselines = task.baselines()
    assert F.cross_entropy(logits_BC, labels_B) < baselines["prior_nats"] / 3
    assert task.accuracy(logits_BC) > 0.8


def test_an_export_stands_alone_and_classifies_a_file(supernet: Supernet, tmp_path: Path) -> None:
    chosen, out = supernet.space.sample(Random(8)), tmp_path / "exported"
    model = supernet.extract(chosen)
    names = [f"class {index}" for index in range(10)]
    exported = export_pytorch(model, chosen, SHAPES["digits"], out, "An image classifier.", str, classes=names)
    assert exported.max_relative_difference <= TOLERANCE
    pixels = torch.randint(0, 256, (8, 8), dtype=torch.uint8)
    Image.fromarray(pixels.numpy()).save(tmp_path / "picture.png")
    command = [sys.executable, "-I", str(out / "model.py"), "--image", str(tmp_path / "picture.png"), "--top", "2"]
    said = run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    probabilities = model(pixels[None, None] / 255)[0].softmax(dim=-1)
    best = probabilities.argsort(descending=True)[:2].tolist()
    assert said == [f"class {index}\t{probabilities[index].item():.4f}" for index in best]


def test_an_export_holds_only_what_it_uses(supernet: Supernet, tmp_path: Path) -> None:
    stages = [{"width": width, "depth": 1} for width in (16, 32, 64)]
    block = {"token_mixer": {"kind": "pooling", "window": 3}, "channel_mixer": {"kind": "gelu_mlp", "inner": 64}}
    chosen = Architecture.from_json({"width": 16, "stages": stages, "blocks": [block] * 3})
    export_pytorch(supernet.extract(chosen), chosen, SHAPES["digits"], tmp_path / "out", "An image classifier.", str)
    text = (tmp_path / "out" / "model.py").read_text()
    for absent in ("LanguageModel", "Attention", "GatedConv", "SwiGLU", "Ladder", "MoHD", "Router", "axes", "embed("):
        assert absent not in text, absent
    assert json.loads((tmp_path / "out" / "config.json").read_text())["classes"] == [str(i) for i in range(10)]
