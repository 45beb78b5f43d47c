"""What an export copies: all that is needed, nothing else, under names that do not clash."""

from __future__ import annotations

import torch

from frontier.kernels.causal_conv1d import causal_conv1d_reference
from frontier.supernet.export.gather import Gatherer, import_lines

PRELUDE = "import torch\nimport torch.nn.functional as F\nfrom torch import Tensor, nn\n"
CONV = ("frontier.supernet.operators.causal_conv", "CausalConvModule")
BLOCK = ("frontier.supernet.block", "BlockModule")


def gathered(*roots: tuple[str, str], **settings: frozenset[str]) -> str:
    entries = settings.pop("entries", frozenset())
    return "\n\n".join(Gatherer(entries=entries, **settings).gather(list(roots)).texts)


def test_a_kernel_is_its_reference_under_its_public_name() -> None:
    text = gathered(CONV)
    assert "triton" not in text
    assert "_reference" not in text
    names: dict[str, object] = {}
    exec(f"from __future__ import annotations\n{PRELUDE}\n{text}", names)
    x_BTC, filter_CK = torch.randn(2, 9, 5), torch.randn(5, 3)
    function = names["causal_conv1d"]
    assert callable(function)
    assert torch.equal(function(x_BTC, filter_CK), causal_conv1d_reference(x_BTC, filter_CK))


def test_a_table_keeps_what_is_asked_for() -> None:
    text = gathered(BLOCK, entries=frozenset({"swiglu", "sequential"}))
    assert 'CHANNEL_MIXER_MODULES = {"swiglu": SwiGLUModule}' in text
    assert "TOKEN_MIXER_MODULES = {}" in text
    assert "class SwiGLUModule" in text
    for absent in ("GeluMLP", "Attention", "Ladder", "MoHD"):
        assert absent not in text, absent
    emptied = frozenset({"CHANNEL_MIXER_MODULES"})
    assert "SwiGLU" not in gathered(BLOCK, entries=frozenset({"swiglu"}), emptied=emptied)


def test_declarations_are_dropped_and_our_types_are_plain() -> None:
    assert "axes = {" in gathered(CONV)
    text = gathered(CONV, dropped=frozenset({"axes"}))
    assert "axes" not in text
    assert "spec: SimpleNamespace, width: int, context: int" in text


def test_two_definitions_of_one_name_get_two() -> None:
    first, second = ("frontier.kernels.causal_conv1d", "_check"), ("frontier.supernet.shapes", "check_fits")
    text = gathered(first, second, taken=frozenset({"_check", "check_fits"}))
    assert "def _check_causal_conv1d(" in text
    assert "def check_fits_shapes(" in text


def test_imports_are_merged_the_standard_librarys_first() -> None:
    wanted = {
        ("nn", ("torch", "nn")), ("Tensor", ("torch", "Tensor")), ("F", ("torch.nn.functional", "")),
        ("Any", ("typing", "Any")), ("json", ("json", "")), ("torch", ("torch", "")),
    }  # fmt: skip
    lines = [
        "import json", "from typing import Any", "",
        "import torch", "import torch.nn.functional as F", "from torch import Tensor, nn",
    ]  # fmt: skip
    assert import_lines(wanted).splitlines() == lines
