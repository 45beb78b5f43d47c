"""Launch parameters: buckets, what runs where nothing was tuned, and the file that keeps what was."""

from __future__ import annotations

from pathlib import Path

import torch

from frontier.kernels.launching import INTERPRETED
from frontier.kernels.tuning import Config, Tuning, bucket, read, tuned_kernels, write

FIRST, SECOND, SMALL = {"b_N": 64}, {"b_N": 128}, {"b_N": 16}


def test_sizes_of_a_bucket_share_it() -> None:
    assert [bucket(size) for size in (1, 16, 17, 32, 33, 1000)] == [16, 16, 32, 32, 64, 1024]
    assert bucket(3, least=1) == 4


def test_without_a_gpu_nothing_is_tuned() -> None:
    ran: list[Config] = []
    with tuned_kernels():
        Tuning("one", FIRST, SECOND, interpreted=SMALL).launch(ran.append, torch.device("cpu"), 64, torch.float32)
        Tuning("other", FIRST, SECOND).launch(ran.append, torch.device("cpu"), 64, torch.float32)
    assert ran == [SMALL if INTERPRETED else FIRST, FIRST]


def test_what_was_tuned_is_kept_beside_what_others_kept(tmp_path: Path) -> None:
    path = tmp_path / "device" / "found.json"
    assert read(path) == {}
    write(path, "one", "64:float32", FIRST)
    write(path, "one", "128:float32", SECOND)
    write(path, "other", "64:float32", SECOND)
    write(path, "one", "64:float32", SECOND)
    assert read(path) == {"one": {"64:float32": SECOND, "128:float32": SECOND}, "other": {"64:float32": SECOND}}
    assert [file.name for file in path.parent.iterdir()] == ["found.json"]
