"""Run an exported model in a process of its own, to see that it stands alone and says the same."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from ...errors import InputError
from ..checkpoint import load_tensors, save_tensors
from ..shapes import ImageShape, Shape

TIMEOUT_SECONDS = 300

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
from model import load
from safetensors.torch import load_file, save_file
assert "frontier" not in sys.modules, "the exported model imports frontier"
with torch.inference_mode():
    model = load(sys.argv[1])
    save_file({name: model(asked).contiguous() for name, asked in load_file(sys.argv[2]).items()}, sys.argv[3])
"""


def run_in_fresh_process(folder: Path, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Logits of the exported model in `folder` for each of `inputs`.

    Raises:
        InputError: the model does not load or run there; the message has the last line of what it said.
    """
    with tempfile.TemporaryDirectory() as scratch:
        asked, answered = Path(scratch) / "inputs.safetensors", Path(scratch) / "outputs.safetensors"
        save_tensors(inputs, asked)
        command = [sys.executable, "-I", "-B", "-c", SCRIPT, str(folder.resolve()), str(asked), str(answered)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, cwd=scratch)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise InputError(f"{folder}: an exported model that runs by itself; it said: {said}")
        return load_tensors(answered)


def largest_relative_difference(expected: dict[str, Tensor], found: dict[str, Tensor]) -> float:
    """The largest difference over all outputs, each relative to the largest magnitude of the expected output."""
    return max(((found[name] - tensor).abs().max() / tensor.abs().max()).item() for name, tensor in expected.items())


def probe_inputs(shape: Shape, seed: int = 0) -> dict[str, Tensor]:
    """Inputs of several sizes: one token, part of a context, a batch of whole contexts; or one image and a batch."""
    generator = torch.Generator().manual_seed(seed)
    if isinstance(shape, ImageShape):
        size = (shape.channels, shape.side, shape.side)
        return {name: torch.rand((batch, *size), generator=generator) for name, batch in (("one", 1), ("batch", 5))}
    sizes = {"one_token": (1, 1), "part": (2, max(1, shape.context // 3)), "whole": (3, shape.context)}
    return {name: torch.randint(0, shape.vocab_size, size, generator=generator) for name, size in sizes.items()}
