"""The benchmark of the ledger runs and prints what it promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent.parent.parent / "benchmarks" / "ledger.py"


def test_a_small_run_prints_every_figure() -> None:
    sizes = ["--count", "300", "--jobs", "3", "--seconds", "0.2", "--readers", "1", "--trials", "3"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *sizes, "--engine", "sqlite"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for figure in ("300 evaluations in 3 jobs", "current front", "goal  20 ms", "with 1 readers", "Optuna's storage"):
        assert figure in done.stdout, done.stdout
