"""The docs name what there is: every command, every option of a job file, every operator, every preset."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from frontier.cli import app
from frontier.evaluators.tasks import ImageClassificationConfig, LanguageModelConfig
from frontier.jobs.algorithms import ALGORITHMS
from frontier.jobs.config import JobConfig, parse_job
from frontier.jobs.template import job_template
from frontier.search_space import CHANNEL_MIXERS, TOKEN_MIXERS, preset_names

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
SEARCHING = (ROOT / "docs" / "searching.md").read_text()


def commands() -> list[str]:
    """Every command with its group, as typed."""
    names = []
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        names += [f"{name} {inner}" for inner in getattr(command, "commands", ())] or [name]
    return names


@pytest.mark.parametrize("command", commands())
def test_every_command_is_documented(command: str) -> None:
    assert f"`frontier {command}`" in ARCHITECTURE
    assert f"frontier {command}" in README


@pytest.mark.parametrize("kind", [*TOKEN_MIXERS, *CHANNEL_MIXERS])
def test_every_operator_is_documented(kind: str) -> None:
    fields = {**TOKEN_MIXERS, **CHANNEL_MIXERS}[kind].model_fields
    row = next(line for line in ARCHITECTURE.splitlines() if f"| `{kind}` |" in line)
    assert all(f"`{name}`" in row for name in fields if name != "kind")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_search_algorithm_is_documented(algorithm: str) -> None:
    rows = [line for line in SEARCHING.splitlines() if line.startswith("| `")]
    assert any(f"`{algorithm}`" in row.split("|")[1] for row in rows)


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_is_in_the_readme(preset: str) -> None:
    assert f"`{preset}`" in README


def test_the_docs_name_no_command_that_is_not_there() -> None:
    there = {command.split()[0] for command in commands()}
    for text in (README, ARCHITECTURE):
        for word in re.findall(r"(?:^|`)(?:\.venv/bin/)?frontier ([a-z]+)", text, flags=re.MULTILINE):
            assert word in there, f"frontier {word}"


def test_links_inside_the_docs_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("task", [LanguageModelConfig, ImageClassificationConfig], ids=["text", "images"])
def test_the_job_template_explains_every_setting_and_is_a_job(task: Any) -> None:
    text = job_template({"name": "written", "task": {"kind": task().kind}})
    assert parse_job(yaml.safe_load(text), "template") == JobConfig(name="written", task=task())
    lines = text.splitlines()
    for part in (JobConfig, task, *(field.annotation for field in JobConfig.model_fields.values())):
        for name, field in getattr(part, "model_fields", {}).items():
            if part is JobConfig and hasattr(field.annotation, "model_fields"):
                continue
            index = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{name}:"))
            if field.description:
                assert lines[index - 1].strip().startswith("#"), f"{name} is not explained"


def test_the_demo_is_a_job() -> None:
    parse_job(yaml.safe_load((ROOT / "examples" / "demo.yaml").read_text()), "demo.yaml")
