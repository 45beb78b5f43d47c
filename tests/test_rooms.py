"""The house: who may import whom, and that each room imports where only its own packages are installed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {
    "search_space": set(),
    "kernels": set(),
    "supernet": {"search_space", "kernels"},
    "latency_models": {"search_space", "supernet", "kernels"},
    "db": {"search_space"},
    "evaluators": {"supernet", "search_space"},
    "jobs": {"evaluators", "latency_models", "supernet", "search_space", "db"},
    "dashboard": {"db", "search_space"},
}
ONLY_IN = {
    "ray": {"evaluators", "jobs"},
    "dash": {"dashboard"},
    "plotly": {"dashboard"},
    "sqlalchemy": {"db"},
    "alembic": {"db"},
    "triton": {"kernels"},
    "optuna": {"jobs"},
}
NEVER_IN = {
    "torch": {"search_space", "db", "dashboard"},
    "pandas": {"search_space", "kernels", "supernet", "latency_models"},
}
# Reading tables needs pandas; nothing that measures imports these.
READS_TABLES = {"tables", "table_models"}
EVERYWHERE = {"errors"}

GPU_BOX_LACKS = ["ray", "dash", "sqlalchemy", "optuna", "pandas", "plotly", "alembic", "typer", "rich"]


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def room_imports(path: Path) -> Iterator[str]:
    """Rooms of ours that a file imports, however it spells it."""
    depth = len(path.relative_to(ROOT).parts) - 1
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level > depth:
            yield from [node.module.split(".")[0]] if node.module else [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "frontier":
            yield ".".join((node.module or "").split(".")[1:2])
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("frontier."))


def outside_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_it_may(room: str) -> None:
    for path in sources(room):
        foreign = set(room_imports(path)) - MAY_IMPORT[room] - EVERYWHERE - {room}
        assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}"


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_package_appears_only_in_its_rooms(package: str) -> None:
    for room in MAY_IMPORT.keys() - ONLY_IN[package]:
        for path in sources(room):
            assert package not in set(outside_imports(path)), f"{path.relative_to(ROOT)} imports {package}"


@pytest.mark.parametrize("package", NEVER_IN)
def test_a_package_stays_out_of_rooms_that_do_without(package: str) -> None:
    for room in NEVER_IN[package]:
        for path in sources(room):
            if not READS_TABLES.intersection(path.parts):
                assert package not in set(outside_imports(path)), f"{path.relative_to(ROOT)} imports {package}"


@pytest.mark.parametrize(
    ("modules", "lacking"),
    [
        (["search_space"], [*GPU_BOX_LACKS, "torch", "triton"]),
        (["kernels.causal_conv1d", "supernet", "supernet.export", "latency_models"], GPU_BOX_LACKS),
        (["db"], ["torch", "ray", "dash", "triton", "optuna"]),
        (["dashboard"], ["torch", "ray", "triton", "optuna"]),
    ],
    ids=["search_space", "gpu-box", "db", "dashboard"],
)
def test_a_room_imports_without_what_it_may_lack(modules: list[str], lacking: list[str]) -> None:
    code = "import sys\n"
    code += f"sys.modules.update(dict.fromkeys({lacking!r}))\n"
    code += "".join(f"import frontier.{module}\n" for module in modules)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_every_room_is_in_the_package_list_and_in_the_docs() -> None:
    listed = (ROOT / "pyproject.toml").read_text()
    told = (ROOT / "docs" / "architecture.md").read_text()
    for room in MAY_IMPORT:
        for init in (ROOT / room).rglob("__init__.py"):
            package = ".".join(("frontier", *init.parent.relative_to(ROOT).parts))
            assert f'"{package}"' in listed, f"pyproject.toml does not list {package}"
        assert f"`{room}/`" in told, f"docs/architecture.md does not tell of {room}/"


def test_every_file_says_what_it_is_for() -> None:
    for room in MAY_IMPORT:
        for path in sources(room):
            assert ast.get_docstring(ast.parse(path.read_text())), f"{path.relative_to(ROOT)} has no docstring"
