"""A corpus read by a tokenizer: its tokens, its vocabulary, what is said per token, and an export that carries it."""

from __future__ import annotations

import math
import shutil
import sys
from pathlib import Path
from subprocess import run

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from frontier.errors import InputError
from frontier.evaluators.tasks import LanguageModelConfig, LanguageModelTask
from frontier.evaluators.tasks.corpus import read_corpus
from frontier.evaluators.tasks.tokens import PIECE_CHARACTERS, encode, read_tokenizer
from frontier.search_space import SearchSpace
from frontier.supernet import ModelShape, Supernet
from frontier.supernet.export import export_pytorch

VOCABULARY = 300
TEXT = "".join(f"line {number} of a text whose words return, naïve or not\n" for number in range(3000))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text and a byte-level tokenizer trained on it."""
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "text.txt").write_text(TEXT)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        [TEXT], trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def task(folder: Path) -> LanguageModelTask:
    config = LanguageModelConfig(
        data=str(folder / "text.txt"), tokenizer=str(folder / "tokenizer.json"), context=16, validation_windows=8
    )
    return LanguageModelTask(config)


def test_tokens_say_the_text(folder: Path) -> None:
    tokenizer = read_tokenizer(str(folder / "tokenizer.json"))
    ids = encode(tokenizer, TEXT.encode())
    assert len(TEXT) > 2 * PIECE_CHARACTERS
    assert len(ids) < len(TEXT.encode()) / 1.5
    assert ids.dtype == np.uint16
    assert tokenizer.decode(ids.tolist()) == TEXT
    assert encode(tokenizer, b"").size == 0
    assert tokenizer.decode(encode(tokenizer, b"a\xffb").tolist()) == "a\ufffdb"


def test_a_batch_is_made_of_tokens(folder: Path, task: LanguageModelTask) -> None:
    tokenizer = read_tokenizer(str(folder / "tokenizer.json"))
    inputs_BT, targets_BT = task.train_batch(4, seed=1)
    assert inputs_BT.shape == (4, 16)
    assert (inputs_BT[:, 1:] == targets_BT[:, :-1]).all()
    assert tokenizer.decode(inputs_BT[0].tolist()) in TEXT


def test_the_vocabulary_is_the_tokenizers(folder: Path, task: LanguageModelTask) -> None:
    assert task.shape == ModelShape(vocab_size=VOCABULARY, context=16)
    assert task.config.vocab_size == VOCABULARY
    assert task.config.symbol == "token"
    moved = task.config.model_copy(update={"tokenizer": str(folder / "gone.json")})
    assert moved.shape == task.shape


def test_baselines_are_per_token(task: LanguageModelTask) -> None:
    baselines = task.baselines()
    assert baselines["uniform_nats"] == pytest.approx(math.log(VOCABULARY))
    assert 0 < baselines["prior_nats"] < baselines["uniform_nats"]


def test_the_revision_names_text_and_tokenizer(folder: Path, task: LanguageModelTask, tmp_path: Path) -> None:
    as_bytes = LanguageModelTask(LanguageModelConfig(data=str(folder / "text.txt"), context=16))
    assert as_bytes.revision == read_corpus(str(folder / "text.txt")).revision != task.revision
    shutil.copy(folder / "tokenizer.json", tmp_path / "copy.json")
    copied = task.config.model_copy(update={"tokenizer": str(tmp_path / "copy.json")})
    assert LanguageModelTask(copied).revision == task.revision


def test_what_is_wrong_is_named(folder: Path, tmp_path: Path) -> None:
    text, tokenizer = str(folder / "text.txt"), str(folder / "tokenizer.json")
    (tmp_path / "no.json").write_text("{}")
    for path in ("gone.json", "no.json"):
        with pytest.raises(
            InputError, match=rf"task.tokenizer: a tokenizer.json that can be read; got .*{path}"
        ) as said:
            LanguageModelTask(LanguageModelConfig(data=text, tokenizer=str(tmp_path / path)))
        assert "\n" not in str(said.value)
    with pytest.raises(InputError, match=r"task.vocab_size: the tokenizer's, 300; got 299"):
        LanguageModelTask(LanguageModelConfig(data=text, tokenizer=tokenizer, vocab_size=299))
    with pytest.raises(InputError, match=r"task.vocab_size: 256 for bytes; got 300"):
        LanguageModelTask(LanguageModelConfig(data=text, vocab_size=300))
    (tmp_path / "short.txt").write_text("short")
    with pytest.raises(InputError, match=r"the training part holds at least context \+ 1 = 33 tokens; got \d tokens"):
        LanguageModelTask(LanguageModelConfig(data=str(tmp_path / "short.txt"), tokenizer=tokenizer, context=32))


def test_an_export_carries_its_tokenizer(folder: Path, task: LanguageModelTask, tmp_path: Path) -> None:
    supernet = Supernet(SearchSpace.load("tiny-lm"), ModelShape(VOCABULARY, 64), seed=1)
    chosen, out = supernet.space.smallest(), tmp_path / "exported"
    model = supernet.extract(chosen)
    export_pytorch(model, chosen, supernet.shape, out, "A model.", str, tokenizer=folder / "tokenizer.json")
    command = [sys.executable, "-I", str(out / "model.py"), "--prompt", "line 7", "--new-tokens", "3"]
    said = run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("line 7")
