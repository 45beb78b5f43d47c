"""The source of a standalone model: one readable file with only the operators an architecture uses.

The operators' own code is copied, less what only the supernet needs, so the exported model runs the very lines that
were trained and tested. The file imports torch and nothing of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...search_space import Architecture
from ..image_classifier import ImageClassifier
from ..language_model import LanguageModel
from .gather import Gatherer, import_lines
from .shells import BYTES_SHELL, IMAGE_USE, IMAGES_SHELL, LOAD, TEXT_USE, TOKENS_SHELL

HEADER = '''\
"""{title}

Written by Frontier from architecture {digest}. It needs torch and safetensors; use it as

{use}
"""

from __future__ import annotations

{imports}
'''

OWN_IMPORTS = {
    ("argparse", ("argparse", "")),
    ("json", ("json", "")),
    ("Path", ("pathlib", "Path")),
    ("SimpleNamespace", ("types", "SimpleNamespace")),
    ("torch", ("torch", "")),
    ("load_file", ("safetensors.torch", "load_file")),
}


def standalone_source(architecture: Architecture, title: str, tokens: bool = False) -> str:
    """The text of `model.py` for an architecture. `tokens` says that its text was read by a tokenizer, not as bytes."""
    images = bool(architecture.stages)
    root = ImageClassifier if images else LanguageModel
    shell = IMAGES_SHELL if images else TOKENS_SHELL if tokens else BYTES_SHELL
    gatherer = Gatherer(
        entries=frozenset(_words(architecture.to_json())),
        emptied=frozenset({"TOKEN_MIXER_MODULES" if images else "GRID_MIXER_MODULES"}),
        dropped=frozenset({"axes"} if architecture.hidden.kind != "dense" else {"axes", "reads", "writes"}),
        taken=frozenset({"load", "main"}),
    )
    gathered = gatherer.gather([(root.__module__, root.__name__)])
    header = HEADER.format(
        title=title,
        digest=architecture.digest,
        use=IMAGE_USE if images else TEXT_USE,
        imports=import_lines(gathered.imports | OWN_IMPORTS),
    )
    parts = [header, *gathered.texts, LOAD.replace("CLASS", root.__name__), shell]
    return "\n\n\n".join(part.strip("\n") for part in parts) + "\n"


def _words(plain: Any) -> Iterator[str]:
    """Every word in plain data that stands for a kind of something."""
    if isinstance(plain, dict):
        plain = list(plain.values())
    if isinstance(plain, list):
        for item in plain:
            yield from _words(item)
    elif isinstance(plain, str):
        yield plain
