"""Labelled images: where they are read from, and which of them are held out for validation.

N images, H height, W width, C channels.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, UnidentifiedImageError

from ...errors import InputError

DIGITS = "digits"
VALIDATION_SHARE = 5
LEAST_PER_CLASS = 2
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
GREY_MODES = {"1", "L", "LA"}
BROKEN_IMAGE = (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError)


@dataclass(frozen=True)
class LabelledImages:
    """Images to learn from and images held out, each (N, C, H, W) with values of 0 to 1, and the hash that names them.

    `uint8` images are kept as they came; `as_floats` gives their values.
    """

    train_NCHW: np.ndarray
    train_labels_N: np.ndarray
    validation_NCHW: np.ndarray
    validation_labels_N: np.ndarray
    classes: tuple[str, ...]
    revision: str


def read_images(data: str, side: int | None = None, channels: int | None = None) -> LabelledImages:
    """Read `digits`, an `.npz` file with `images` and `labels`, or a folder with one sub-folder of images per class.

    An image is held out when the hash of its content says so, so that adding images moves none of the others and copies
    of an image stay together; every class has at least one on each side. The held-out ones stand in an order that
    takes the classes in turns.

    Args:
        side: resize every image to this many pixels a side; None leaves them as they are.
        channels: 1 for grey, 3 for colour, in a folder; None takes colour as soon as one image has it.

    Raises:
        InputError: the data is missing, cannot be read, or breaks a rule.
    """
    if data == DIGITS:
        images_NHWC, labels_N, classes = _digits()
    elif (path := Path(data).expanduser()).is_dir():
        images_NHWC, labels_N, classes = _folder(path, side, channels)
    else:
        images_NHWC, labels_N, classes = _arrays(path)
    _check_classes(data, labels_N, classes)
    _check_size(data, images_NHWC.shape, side, channels)
    images_NCHW = _resized(np.ascontiguousarray(images_NHWC.transpose(0, 3, 1, 2)), side)
    return _split(images_NCHW, labels_N, classes)


def as_floats(images_NCHW: np.ndarray) -> np.ndarray:
    """Images as float32 of 0 to 1."""
    scale = 255 if images_NCHW.dtype == np.uint8 else 1
    return images_NCHW.astype(np.float32) / np.float32(scale)


def _digits() -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """1797 handwritten digits of 8 x 8 pixels, which come with scikit-learn."""
    # Imported here because it takes a second, and nobody else needs it.
    from sklearn.datasets import load_digits

    digits = load_digits()
    images_NHWC = (digits.images / 16).astype(np.float32)[..., None]
    return images_NHWC, digits.target.astype(np.int64), tuple(map(str, range(10)))


def _arrays(path: Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    if not path.is_file() or path.suffix != ".npz":
        raise InputError(
            f"task.data: {DIGITS}, an .npz file, or a folder with one sub-folder of images per class; got {str(path)!r}"
        )
    try:
        with np.load(path, allow_pickle=False) as arrays:
            held = {name: arrays[name] for name in ("images", "labels", "classes") if name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"task.data: an .npz file of plain arrays; got {path}: {_line(error)}") from None
    for name in ("images", "labels"):
        if name not in held:
            raise InputError(f"task.data: {path} holds the arrays images and labels; got no {name}")
    images_NHWC, labels_N = _checked_images(path, held["images"]), held["labels"]
    if labels_N.shape != images_NHWC.shape[:1] or not np.issubdtype(labels_N.dtype, np.integer):
        raise InputError(
            f"task.data: labels of {path}: one whole number per image, shape ({len(images_NHWC)},); "
            f"got shape {labels_N.shape} of {labels_N.dtype}"
        )
    labels_N = labels_N.astype(np.int64)
    return images_NHWC, labels_N, _class_names(path, labels_N, held.get("classes"))


def _checked_images(path: Path, images: np.ndarray) -> np.ndarray:
    """(N, H, W, C) images of uint8, or of float32 from 0 to 1."""
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise InputError(f"task.data: images of {path}: shape (N, H, W) or (N, H, W, C); got {images.shape}")
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype == np.uint8:
        return images
    if not np.issubdtype(images.dtype, np.floating):
        raise InputError(f"task.data: images of {path}: uint8, or floats from 0 to 1; got {images.dtype}")
    low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 1):
        raise InputError(f"task.data: images of {path}: uint8, or floats from 0 to 1; got values {low:g} to {high:g}")
    return images.astype(np.float32)


def _class_names(path: Path, labels_N: np.ndarray, names: np.ndarray | None) -> tuple[str, ...]:
    if names is not None and names.ndim != 1:
        raise InputError(f"task.data: classes of {path}: one name per class; got shape {names.shape}")
    low, high = int(labels_N.min()), int(labels_N.max())
    # A class without images would be refused later; without this a stray label would name a billion of them first.
    most = len(labels_N) if names is None else len(names)
    if low < 0 or high >= most:
        raise InputError(f"task.data: labels of {path}: from 0 to at most {most - 1}; got {low} to {high}")
    return tuple(map(str, range(high + 1))) if names is None else tuple(str(name) for name in names)


def _folder(root: Path, side: int | None, channels: int | None) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    folders = [entry for entry in sorted(root.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    files = [(label, path) for label, folder in enumerate(folders) for path in _images_of(folder)]
    if not files:
        raise InputError(f"task.data: a folder with one sub-folder of images per class; got {str(root)!r}")
    if channels not in (None, 1, 3):
        raise InputError(f"task.channels: 1 (grey) or 3 (colour) for a folder of images; got {channels}")
    if channels is None:
        channels = 1 if all(_mode(path) in GREY_MODES for _, path in files) else 3
    images = [_pixels(path, side, channels) for _, path in files]
    for (_, path), image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            height, width = images[0].shape[:2]
            raise InputError(
                f"task.side: set it when images differ in size; got {files[0][1]} of {width} x {height} pixels and "
                f"{path} of {image.shape[1]} x {image.shape[0]}"
            )
    labels_N = np.array([label for label, _ in files], dtype=np.int64)
    return np.stack(images), labels_N, tuple(folder.name for folder in folders)


def _images_of(folder: Path) -> Sequence[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]


def _mode(path: Path) -> str:
    try:
        with Image.open(path) as image:
            return str(image.mode)
    except BROKEN_IMAGE as error:
        raise InputError(f"task.data: every image can be read; got {path}: {_line(error)}") from None


def _pixels(path: Path, side: int | None, channels: int) -> np.ndarray:
    """(H, W, C) uint8."""
    try:
        with Image.open(path) as image:
            plain = image.convert("L" if channels == 1 else "RGB")
    except BROKEN_IMAGE as error:
        raise InputError(f"task.data: every image can be read; got {path}: {_line(error)}") from None
    if side is not None:
        plain = plain.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(plain, dtype=np.uint8).reshape(plain.height, plain.width, channels)


def _check_classes(data: str, labels_N: np.ndarray, classes: tuple[str, ...]) -> None:
    if len(classes) < 2:
        raise InputError(f"task.data: at least 2 classes; got {len(classes)} in {data!r}")
    counts = np.bincount(labels_N, minlength=len(classes))
    if counts.min() < LEAST_PER_CLASS:
        name = classes[int(counts.argmin())]
        raise InputError(
            f"task.data: at least {LEAST_PER_CLASS} images of every class, one to learn from and one to validate on; "
            f"got {counts.min()} of class {name!r} in {data!r}"
        )


def _check_size(data: str, shape: tuple[int, ...], side: int | None, channels: int | None) -> None:
    _, height, width, found = shape
    if height != width and side is None:
        raise InputError(
            f"task.data: square images, or set task.side to resize them; got {width} x {height} pixels in {data!r}"
        )
    if channels is not None and found != channels:
        raise InputError(f"task.channels: that of the images, {found} in {data!r}; got {channels}")


def _resized(images_NCHW: np.ndarray, side: int | None) -> np.ndarray:
    """Images stretched to `side` pixels a side; arrays of the right size stay what they are."""
    if side is None or images_NCHW.shape[2:] == (side, side):
        return images_NCHW
    images = torch.from_numpy(as_floats(images_NCHW))
    return F.interpolate(images, (side, side), mode="bilinear", antialias=True).clamp(0, 1).numpy()


def _split(images_NCHW: np.ndarray, labels_N: np.ndarray, classes: tuple[str, ...]) -> LabelledImages:
    hashes = [hashlib.sha256(image.tobytes()).digest() for image in images_NCHW]
    train: list[int] = []
    held_out: list[tuple[int, int, int]] = []
    for label in range(len(classes)):
        members = sorted(np.flatnonzero(labels_N == label).tolist(), key=lambda index: hashes[index])
        kept_back = [index for index in members if hashes[index][0] * VALIDATION_SHARE < 256] or members[:1]
        if len(kept_back) == len(members):
            kept_back.pop()
        taken = set(kept_back)
        held_out.extend((rank, label, index) for rank, index in enumerate(kept_back))
        train.extend(index for index in members if index not in taken)
    validation = [index for _, _, index in sorted(held_out)]
    train.sort(key=lambda index: (labels_N[index], hashes[index]))
    digest = hashlib.sha256("\0".join(classes).encode())
    for index in (*train, *validation):
        digest.update(hashes[index] + int(labels_N[index]).to_bytes(8, "little"))
    return LabelledImages(
        train_NCHW=images_NCHW[train],
        train_labels_N=labels_N[train],
        validation_NCHW=images_NCHW[validation],
        validation_labels_N=labels_N[validation],
        classes=classes,
        revision=digest.hexdigest()[:16],
    )


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
