"""The conformance suite with the Triton kernels themselves, run by Triton's interpreter, a process for every kernel.

Triton reads the variable when it is imported, so the interpreter needs processes of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .cases import CASES

SUITE = Path(__file__).with_name("test_conformance.py")


@pytest.mark.parametrize("case", [case.name for case in CASES if case.triton])
def test_triton_kernels_conform(case: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", str(SUITE)]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "KERNEL_CASE": case}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=SUITE.parents[2])
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
