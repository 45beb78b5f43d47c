"""The page on adding an operator is true: its code, put where it says, passes the conformance suite."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LEFT_OUT = shutil.ignore_patterns(".*", "demo", "build", "__pycache__", "*.egg-info", "*.db")


def insert(path: Path, before: str, line: str) -> None:
    text = path.read_text()
    assert before in text, f"{path.name} has no {before!r}"
    path.write_text(text.replace(before, line + before, 1))


def test_the_operator_of_the_page_passes_the_conformance_suite(tmp_path: Path) -> None:
    copy = tmp_path / "frontier"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    page = (ROOT / "docs" / "adding-an-operator.md").read_text()
    files = re.findall(r"`([a-z_/]+reglu\.py)`.*?```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(files) == 2
    for name, text in files:
        (copy / name).write_text(text)
    specs, modules = copy / "search_space/operators/__init__.py", copy / "supernet/operators/__init__.py"
    insert(specs, "from .swiglu import", "from .reglu import ReGLU\n")
    specs.write_text(specs.read_text().replace("Annotated[SwiGLU |", "Annotated[ReGLU | SwiGLU |", 1))
    insert(specs, '    "swiglu": SwiGLU,', '    "reglu": ReGLU,\n')
    insert(modules, "from .swiglu import", "from .reglu import ReGLUModule\n")
    insert(modules, '    "swiglu": SwiGLUModule,', '    "reglu": ReGLUModule,\n')
    preset = copy / "search_space/presets/hybrid-lm.yaml"
    (choices,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    preset.write_text(preset.read_text() + choices)
    command = [sys.executable, "-m", "pytest", "tests/supernet/test_operators.py", "-k", "reglu"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"\b([6-9]|[1-9][0-9]) passed", done.stdout), done.stdout[-500:]
