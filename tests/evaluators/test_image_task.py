"""The image task: what is read, what is held out, batches that repeat, and input that is refused by name."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from frontier.errors import InputError
from frontier.evaluators.tasks import ImageClassificationConfig, ImageClassificationTask, open_task
from frontier.supernet.shapes import ImageShape

COUNT = 40


@pytest.fixture(scope="module")
def digits() -> ImageClassificationTask:
    task = open_task(ImageClassificationConfig(validation_images=200))
    assert isinstance(task, ImageClassificationTask)
    return task


def arrays(**changes: Any) -> dict[str, np.ndarray]:
    """Images of three classes; `changes` replaces an array or, with None, leaves it out."""
    rng = np.random.default_rng(0)
    plain = {
        "images": rng.integers(0, 256, (COUNT, 9, 9, 3), dtype=np.uint8),
        "labels": np.arange(COUNT) % 3,
    }
    return {name: array for name, array in {**plain, **changes}.items() if array is not None}


def npz(folder: Path, **changes: Any) -> str:
    path = folder / "images.npz"
    np.savez(path, **arrays(**changes))
    return str(path)


def image_folder(root: Path, size: tuple[int, int] = (6, 6), mode: str = "RGB", count: int = 12) -> str:
    rng = np.random.default_rng(1)
    for name in ("ant", "bee"):
        (root / name).mkdir(parents=True)
        for index in range(count):
            pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            Image.fromarray(pixels).convert(mode).save(root / name / f"{index}.png")
    return str(root)


def opened(data: str, **settings: Any) -> ImageClassificationTask:
    return ImageClassificationTask(ImageClassificationConfig(data=data, **settings))


def key(image_CHW: torch.Tensor) -> bytes:
    return image_CHW.numpy().tobytes()


def test_digits_come_with_the_package(digits: ImageClassificationTask) -> None:
    assert digits.shape == ImageShape(channels=1, side=8, num_classes=10)
    images_BCHW, labels_B = digits.train_batch(6, seed=0)
    assert images_BCHW.shape == (6, 1, 8, 8)
    assert images_BCHW.dtype == torch.float32
    assert labels_B.dtype == torch.int64
    assert 0 <= images_BCHW.min() < images_BCHW.max() == 1


def test_the_same_seed_draws_the_same_batch(digits: ImageClassificationTask) -> None:
    first, again, other = (digits.train_batch(9, seed) for seed in (3, 3, 4))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_validation_is_always_the_same_and_takes_the_classes_in_turns(digits: ImageClassificationTask) -> None:
    images_BCHW, labels_B = digits.validation_batch()
    again_BCHW, _ = opened("digits", validation_images=200).validation_batch()
    assert torch.equal(images_BCHW, again_BCHW)
    assert labels_B[:20].tolist() == [*range(10), *range(10)]
    assert torch.bincount(labels_B).min() >= 19


def test_no_image_is_learnt_from_and_held_out() -> None:
    task = opened("digits", shift=0, validation_images=10_000)
    held_out = {key(image) for image in task.validation_batch()[0]}
    learnt = {key(image) for image in task.train_batch(20_000, seed=0)[0]}
    assert 250 < len(held_out) < 450
    assert len(learnt) > 1300
    assert not held_out & learnt


def test_images_that_are_added_move_no_others(tmp_path: Path) -> None:
    plain = arrays()
    before = opened(npz(tmp_path), shift=0, validation_images=COUNT)
    more = {
        name: np.concatenate([array, array[:6] ^ 1 if name == "images" else array[:6]]) for name, array in plain.items()
    }
    after = opened(npz(tmp_path, **more), shift=0, validation_images=2 * COUNT)
    kept = {key(image) for image in before.validation_batch()[0]}
    assert kept <= {key(image) for image in after.validation_batch()[0]}
    assert before.revision != after.revision


def test_training_images_move_by_at_most_the_shift(tmp_path: Path) -> None:
    images = np.zeros((COUNT, 9, 9), dtype=np.uint8)
    images[:, 4, 4] = 255
    images[:, 0, 0] = np.arange(COUNT)
    data = npz(tmp_path, images=images)
    moved_BCHW, _ = opened(data).train_batch(300, seed=0)
    places = {tuple(place) for place in (moved_BCHW[:, 0] == 1).nonzero()[:, 1:].tolist()}
    assert places == {(row, column) for row in (3, 4, 5) for column in (3, 4, 5)}
    still_BCHW, _ = opened(data, shift=0).train_batch(300, seed=0)
    assert (still_BCHW[:, 0, 4, 4] == 1).all()


def test_baselines_are_those_of_the_held_out_labels(tmp_path: Path) -> None:
    labels = np.array([0] * 30 + [1] * 10)
    task = opened(npz(tmp_path, labels=labels))
    _, labels_B = task.validation_batch()
    counts = np.array([30 - (labels_B == 0).sum().item(), 10 - (labels_B == 1).sum().item()]) + 1
    expected = -np.log(counts / counts.sum())[labels_B.numpy()].mean()
    assert task.baselines() == {"uniform_nats": pytest.approx(math.log(2)), "prior_nats": pytest.approx(expected)}


def test_accuracy_counts_the_greatest_logits(digits: ImageClassificationTask) -> None:
    _, labels_B = digits.validation_batch()
    right = torch.nn.functional.one_hot(labels_B, 10).float()
    assert digits.accuracy(right) == 1
    assert digits.accuracy(right.roll(1, dims=0)) == pytest.approx((labels_B == labels_B.roll(1)).float().mean().item())


def test_an_npz_file_is_read_as_it_is(tmp_path: Path) -> None:
    task = opened(npz(tmp_path), shift=0, patch=3)
    assert task.shape == ImageShape(channels=3, side=9, num_classes=3, patch=3)
    wanted = {
        image.transpose(2, 0, 1).astype(np.float32).tobytes(): label
        for image, label in zip(arrays()["images"] / np.float32(255), arrays()["labels"], strict=True)
    }
    for image, label in zip(*task.train_batch(50, seed=2), strict=True):
        assert wanted[key(image)] == label


def test_floats_and_bytes_of_the_same_images_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "floats").mkdir()
    whole = npz(tmp_path)
    parts = npz(tmp_path / "floats", images=arrays()["images"] / np.float64(255))
    same = [
        {key(image) for batch in (task.train_batch(400, 0), task.validation_batch()) for image in batch[0]}
        for task in (opened(whole, shift=0, side=5), opened(parts, shift=0, side=5))
    ]
    assert same[0] == same[1]
    assert len(same[0]) == COUNT


def test_a_folder_names_its_classes_and_keeps_its_colours(tmp_path: Path) -> None:
    colour = opened(image_folder(tmp_path / "colour"))
    grey = opened(image_folder(tmp_path / "grey", mode="L"))
    forced = opened(str(tmp_path / "colour"), channels=1)
    assert colour.config.classes == ("ant", "bee")
    assert (colour.shape.channels, grey.shape.channels, forced.shape.channels) == (3, 1, 1)
    with Image.open(tmp_path / "colour" / "bee" / "0.png") as image:
        expected = np.asarray(image).transpose(2, 0, 1).astype(np.float32) / 255
    everything = torch.cat(
        [colour.validation_batch()[0], opened(str(tmp_path / "colour"), shift=0).train_batch(200, 0)[0]]
    )
    assert expected.tobytes() in {key(image) for image in everything}


def test_images_that_differ_in_size_are_resized(tmp_path: Path) -> None:
    image_folder(tmp_path / "a", size=(6, 8))
    Image.new("RGB", (11, 5)).save(tmp_path / "a" / "ant" / "other.jpg")
    assert opened(str(tmp_path / "a"), side=7).shape.side == 7
    with pytest.raises(InputError, match=r"task.side: set it when images differ in size; got .* 6 x 8 .* 11 x 5"):
        opened(str(tmp_path / "a"))


def test_a_config_that_was_filled_in_needs_no_data(tmp_path: Path) -> None:
    data = npz(tmp_path, classes=np.array(["cat", "dog", "eel"]))
    task = opened(data, patch=2)
    Path(data).unlink()
    assert task.config.shape == task.shape
    assert task.config.classes == ("cat", "dog", "eel")
    with pytest.raises(InputError, match=r"task.data: digits, an .npz file"):
        _ = ImageClassificationConfig(data=data).shape


def test_a_config_that_was_filled_in_reads_the_same_data(tmp_path: Path) -> None:
    for data in ("digits", npz(tmp_path), image_folder(tmp_path / "grey", mode="L")):
        task = opened(data)
        again = ImageClassificationTask(ImageClassificationConfig.model_validate_json(task.config.model_dump_json()))
        assert again.revision == task.revision
        assert again.config == task.config


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no-labels": ({"labels": None}, r"images.npz holds the arrays images and labels; got no labels"),
    "no-images": ({"images": None}, r"holds the arrays images and labels; got no images"),
    "flat-images": ({"images": np.zeros((COUNT, 81))}, r"images of .*: shape \(N, H, W\) or .*; got \(40, 81\)"),
    "no-image-at-all": ({"images": np.zeros((0, 9, 9))}, r"shape \(N, H, W\) or .*; got \(0, 9, 9\)"),
    "whole-numbers": ({"images": np.zeros((COUNT, 9, 9), int)}, r"uint8, or floats from 0 to 1; got int64"),
    "too-bright": ({"images": np.full((COUNT, 9, 9), 16.0)}, r"floats from 0 to 1; got values 16 to 16"),
    "not-a-number": ({"images": np.full((COUNT, 9, 9), np.nan)}, r"floats from 0 to 1; got values nan to nan"),
    "fewer-labels": ({"labels": np.zeros(7, int)}, r"one whole number per image, shape \(40,\); .*\(7,\)"),
    "float-labels": ({"labels": np.zeros(COUNT)}, r"one whole number per image.* got shape \(40,\) of float64"),
    "negative-label": ({"labels": np.arange(COUNT) - 1}, r"labels of .*: from 0 to at most 39; got -1 to 38"),
    "label-without-name": ({"classes": np.array(["a", "b"])}, r"labels of .*: from 0 to at most 1; got 0 to 2"),
    "one-class": ({"labels": np.zeros(COUNT, int)}, r"task.data: at least 2 classes; got 1"),
    "lonely-image": ({"labels": np.array([0] * 20 + [2] + [1] * 19)}, r"at least 2 images .*; got 1 of class '2'"),
    "class-without-images": ({"labels": np.array([0] * 20 + [2] * 20)}, r"at least 2 images .*; got 0 of class '1'"),
    "not-square": ({"images": np.zeros((COUNT, 8, 9))}, r"square images, or set task.side .*; got 9 x 8 pixels"),
    "objects": ({"images": np.array([None] * COUNT)}, r"an .npz file of plain arrays; got .*images.npz"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_arrays_are_refused_by_name(case: str, tmp_path: Path) -> None:
    changes, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as refused:
        opened(npz(tmp_path, **changes))
    assert "\n" not in str(refused.value)


def test_what_the_config_says_otherwise_is_refused(tmp_path: Path) -> None:
    data = npz(tmp_path)
    with pytest.raises(InputError, match=r"task.classes: those of the data, 0, 1, 2; got x, y"):
        opened(data, classes=("x", "y"))
    with pytest.raises(InputError, match=r"task.channels: that of the images, 3 .*; got 1"):
        opened(data, channels=1)
    with pytest.raises(InputError, match=r"task.patch: at most the side, 9 pixels; got 10"):
        opened(data, patch=10)


def test_files_that_are_no_images_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "broken.npz").write_text("no archive")
    with pytest.raises(InputError, match=r"an .npz file of plain arrays; got .*broken.npz"):
        opened(str(tmp_path / "broken.npz"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"a folder with one sub-folder of images per class; got .*empty"):
        opened(str(tmp_path / "empty"))
    image_folder(tmp_path / "folder")
    (tmp_path / "folder" / "bee" / "1.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"task.data: every image can be read; got .*bee/1.png"):
        opened(str(tmp_path / "folder"))
    whole = (tmp_path / "folder" / "bee" / "2.png").read_bytes()
    (tmp_path / "folder" / "bee" / "1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"task.data: every image can be read; got .*bee/1.png"):
        opened(str(tmp_path / "folder"))
