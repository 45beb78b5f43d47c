"""The source of a standalone model: one readable file with only the operators an architecture uses.

The operators' own code is copied, less what only the supernet needs, so the exported model runs the very lines that
were trained and tested. The file imports torch and nothing of ours.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from types import ModuleType

from torch import nn

from ... import search_space
from ...kernels import causal_conv1d
from ...search_space import Architecture
from .. import block, language_model
from ..operators import CHANNEL_MIXER_MODULES, TOKEN_MIXER_MODULES

Modules = dict[str, type[nn.Module]]

HEADER = '''\
"""{title}

Written by Frontier from architecture {digest}. It needs torch and safetensors; use it as

    from model import load
    model = load()                      # the folder this file is in
    logits = model(ids)                 # ids: (batch, tokens) int64; logits: (batch, tokens, vocabulary)

or from a shell: python model.py --prompt "import os"
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
'''

FOOTER = '''\
def load(folder: str | Path = Path(__file__).parent) -> LanguageModel:
    """The model with its weights, ready for inference."""
    folder = Path(folder)
    config = json.loads((folder / "config.json").read_text(), object_hook=lambda entry: SimpleNamespace(**entry))
    model = LanguageModel.build(config.architecture, config)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description="Continue a text.")
    parser.add_argument("--prompt", default="import ", help="the text to continue")
    parser.add_argument("--new-tokens", type=int, default=64, help="how many bytes to add")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 takes the likeliest byte each time")
    arguments = parser.parse_args()
    model = load()
    prompt = list(arguments.prompt.encode())[-(model.context - 1) :] or [10]
    new_tokens = min(arguments.new_tokens, model.context - len(prompt))
    ids = model.generate(torch.tensor([prompt]), new_tokens, arguments.temperature)
    print(bytes(ids[0].tolist()).decode(errors="replace"))


if __name__ == "__main__":
    main()
'''


def standalone_source(architecture: Architecture, title: str) -> str:
    """The text of `model.py` for an architecture."""
    token: Modules = {item.token_mixer.kind: TOKEN_MIXER_MODULES[item.token_mixer.kind] for item in architecture.blocks}
    channel: Modules = {
        item.channel_mixer.kind: CHANNEL_MIXER_MODULES[item.channel_mixer.kind] for item in architecture.blocks
    }
    parts = [HEADER.format(title=title, digest=architecture.digest)]
    if "causal_conv" in token:
        parts.append(_plain(inspect.getsource(causal_conv1d.causal_conv1d_reference)).replace("_reference(", "("))
    for module in dict.fromkeys((*token.values(), *channel.values())):
        parts.extend(_definitions(sys.modules[module.__module__]))
    parts.append(_table("TOKEN_MIXER_MODULES", token) + "\n" + _table("CHANNEL_MIXER_MODULES", channel))
    parts.extend(_definitions(block))
    parts.extend(text for text in _definitions(language_model) if "class ModelShape" not in text)
    parts.append(FOOTER)
    return "\n\n\n".join(part.strip("\n") for part in parts) + "\n"


def _definitions(module: ModuleType) -> Iterator[str]:
    """Constants, functions and classes of a module as text, in their order."""
    text = inspect.getsource(module)
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)) or _is_docstring(node):
            continue
        first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", ()))])
        dropped = {line for item in getattr(node, "body", ()) if _is_axes(item) for line in _lines_of(item)}
        kept = [lines[number - 1] for number in range(first, (node.end_lineno or first) + 1) if number not in dropped]
        yield _plain("\n".join(kept))


def _plain(text: str) -> str:
    """Name no type of ours, and leave no gap where a declaration stood."""
    names = "|".join([*search_space.__all__, "ModelShape"])
    text = re.sub(rf"(\w+): ({names})\b", r"\1: SimpleNamespace", text)
    return re.sub(r"(class .*:\n)\n+", r"\1", text)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_axes(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "axes"


def _lines_of(node: ast.stmt) -> range:
    """The lines of a statement and the empty one after it."""
    return range(node.lineno, (node.end_lineno or node.lineno) + 2)


def _table(name: str, modules: Modules) -> str:
    entries = ", ".join(f'"{kind}": {module.__name__}' for kind, module in modules.items())
    return f"{name} = {{{entries}}}"
