"""What every table of a benchmark begins with: machine, versions, commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

from frontier.latency_models import Runtime, describe_device


def provenance(threads: int) -> str:
    """The lines that say where and with what a table was made."""
    hardware = describe_device(Runtime(threads))
    return (
        f"machine   {hardware['cpu_model']}, {hardware['cores']} cores, {hardware['capability']}\n"
        f"versions  torch {hardware['torch']}, {hardware['platform']}, commit {commit()}"
    )


def commit() -> str:
    """The commit this was run at, or why it is not known."""
    folder = Path(__file__).resolve().parent
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "not a git checkout"
    return answer.stdout.strip()
