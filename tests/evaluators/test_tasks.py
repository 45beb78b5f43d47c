"""The language-model task: what a corpus is, what is held out, batches that repeat, losses that cost nothing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from frontier.errors import InputError
from frontier.evaluators.tasks import LanguageModelConfig, LanguageModelTask, open_task
from frontier.evaluators.tasks.corpus import read_corpus


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


def many(folder: Path) -> Path:
    return write(folder, **{f"file{index}": f"{index % 10}" * 50 for index in range(60)})


def test_files_are_held_out_whole(tmp_path: Path) -> None:
    corpus = read_corpus(str(many(tmp_path)))
    train, held_out = corpus.train.split(b"\n"), corpus.validation.split(b"\n")
    assert corpus.files == 60 == len(train) + len(held_out)
    assert 2 <= len(held_out) <= 15
    assert all(len(text) == 50 for text in (*train, *held_out))


def test_a_new_file_moves_no_other(tmp_path: Path) -> None:
    before = read_corpus(str(many(tmp_path)))
    write(tmp_path, another="z" * 50)
    after = read_corpus(str(tmp_path))
    assert before.validation.replace(b"\n", b"") in (
        after.validation.replace(b"\n", b""),
        after.validation.replace(b"\n", b"").replace(b"z", b""),
    )
    assert after.revision != before.revision


def test_a_glob_and_a_folder_read_the_same_files(tmp_path: Path) -> None:
    assert read_corpus(str(many(tmp_path) / "*.txt")).files == read_corpus(str(tmp_path)).files


def test_one_file_gives_its_last_tenth(tmp_path: Path) -> None:
    write(tmp_path, only="a" * 900 + "b" * 100)
    corpus = read_corpus(str(tmp_path / "only.txt"))
    assert corpus.train == b"a" * 900
    assert corpus.validation == b"b" * 100


def test_two_files_give_one_to_each_part(tmp_path: Path) -> None:
    corpus = read_corpus(str(write(tmp_path, one="a" * 10, two="b" * 10)))
    assert {corpus.train[:1], corpus.validation[:1]} == {b"a", b"b"}


@pytest.mark.parametrize("data", ["nowhere", "nowhere/*.txt"])
def test_missing_data_is_named(data: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"task.data: a file, folder or glob .*; got .*nowhere"):
        read_corpus(str(tmp_path / data))


def test_a_corpus_too_small_for_one_window_says_how_much_is_needed(tmp_path: Path) -> None:
    write(tmp_path, only="a" * 300)
    config = LanguageModelConfig(data=str(tmp_path), context=64)
    with pytest.raises(InputError, match=r"the validation part holds at least context \+ 1 = 65 bytes; got 30 bytes"):
        open_task(config)


@pytest.fixture(scope="module")
def task() -> LanguageModelTask:
    return open_task(LanguageModelConfig(context=32, validation_windows=50))


def test_the_standard_library_is_there(task: LanguageModelTask) -> None:
    inputs_BT, _ = task.train_batch(400, seed=0)
    assert b"import" in bytes(inputs_BT.flatten().tolist())


def test_targets_are_the_next_bytes(task: LanguageModelTask) -> None:
    for inputs_BT, targets_BT in (task.train_batch(5, seed=1), task.validation_batch()):
        assert inputs_BT.shape == targets_BT.shape
        assert torch.equal(inputs_BT[:, 1:], targets_BT[:, :-1])


def test_the_same_seed_draws_the_same_batch(task: LanguageModelTask) -> None:
    assert torch.equal(task.train_batch(5, 7)[0], task.train_batch(5, 7)[0])
    assert not torch.equal(task.train_batch(5, 7)[0], task.train_batch(5, 8)[0])


def test_baselines_are_those_of_the_validation_text(task: LanguageModelTask) -> None:
    baselines = task.baselines()
    assert baselines["uniform_nats"] == pytest.approx(math.log(256))
    assert 2.5 < baselines["prior_nats"] < 4
    _, targets_BT = task.validation_batch()
    counts = torch.bincount(targets_BT.flatten(), minlength=256) / targets_BT.numel()
    entropy = -(counts[counts > 0] * counts[counts > 0].log()).sum().item()
    assert baselines["prior_nats"] >= entropy
