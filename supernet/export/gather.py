"""Source text of a few definitions and everything of ours that they need, as one file that imports none of us.

Definitions are followed by name through our own modules. A function of `kernels` is taken as its plain torch reference,
under its public name; a table keeps only the entries that are asked for; what only the supernet needs is left out.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from graphlib import TopologicalSorter
from importlib import import_module
from importlib.util import resolve_name

OURS = __name__.split(".")[0]
KERNELS = f"{OURS}.kernels."
SPECS = f"{OURS}.search_space"
PLAIN_TYPE = "SimpleNamespace"

Place = tuple[str, str]


@dataclass(frozen=True)
class Source:
    """One of our modules: its lines, its top-level definitions, and what its imports bind."""

    lines: tuple[bytes, ...]
    definitions: dict[str, ast.stmt]
    ours: dict[str, Place]
    others: dict[str, Place]


@dataclass
class Gathered:
    """Definitions as text, in an order in which each stands behind what it needs, and the imports they need."""

    texts: list[str] = field(default_factory=list)
    imports: set[tuple[str, Place]] = field(default_factory=set)


@dataclass(frozen=True)
class Gatherer:
    """Follows names.

    Args:
        entries: the keys that tables keep.
        emptied: tables that keep nothing.
        dropped: declarations that classes lose.
        taken: names that gathered definitions may not have.
    """

    entries: frozenset[str]
    emptied: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()

    def gather(self, roots: list[Place]) -> Gathered:
        """The definitions `roots` and everything they need."""
        needs = self._reachable(roots)
        names, gathered = self._names(needs), Gathered()
        for place in needs:
            for name, other in self._others(place):
                gathered.imports.add((name, other))
        for place in _in_order(needs):
            text = self._text(place, names)
            if text not in gathered.texts:
                gathered.texts.append(text)
        return gathered

    def _reachable(self, roots: list[Place]) -> dict[Place, list[Place]]:
        """Every definition that is needed, and which others each needs."""
        needs: dict[Place, list[Place]] = {}
        waiting = list(roots)
        while waiting:
            place = waiting.pop()
            if place not in needs:
                module, _ = place
                found = [resolve(module, node.id) for node in self._names_used(place) if not _is_annotation(node)]
                needs[place] = list(dict.fromkeys(target for target in found if target and target != place))
                waiting.extend(needs[place])
        return needs

    def _names(self, needs: dict[Place, list[Place]]) -> dict[Place, str]:
        """The name each definition gets: its own, a kernel's public one, or one that no other has."""
        names: dict[Place, str] = {}
        texts: dict[str, str] = dict.fromkeys(self.taken, "")
        for place in _in_order(needs):
            module, name = place
            wanted = name.removesuffix("_reference") if module.startswith(KERNELS) else name
            text = self._text(place, {})
            if texts.get(wanted, text) != text:
                wanted = f"{wanted}_{module.rpartition('.')[2]}"
            assert texts.get(wanted, text) == text, f"two definitions are called {wanted}"
            names[place], texts[wanted] = wanted, text
        return names

    def _names_used(self, place: Place) -> Iterator[ast.Name]:
        definition = source_of(place[0]).definitions[place[1]]
        table = self._table(place)
        nodes = [definition] if table is None else list(table.values())
        for node in nodes:
            _mark_annotations(node)
            dropped = {id(inner) for item in self._dropped_from(node) for inner in ast.walk(item)}
            yield from (inner for inner in ast.walk(node) if isinstance(inner, ast.Name) and id(inner) not in dropped)

    def _others(self, place: Place) -> Iterator[tuple[str, Place]]:
        """What a definition needs of other people's packages, by the name it calls it."""
        others = source_of(place[0]).others
        for node in self._names_used(place):
            if node.id in others:
                yield node.id, others[node.id]

    def _table(self, place: Place) -> dict[str, ast.expr] | None:
        """The entries that a table keeps; None when the definition is no table."""
        node = source_of(place[0]).definitions[place[1]]
        value = getattr(node, "value", None)
        if not place[1].isupper() or not isinstance(value, ast.Dict):
            return None
        keys = [key.value for key in value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
        if len(keys) < len(value.values):
            return None
        kept = self.entries if place[1] not in self.emptied else frozenset()
        return {key: entry for key, entry in zip(keys, value.values, strict=True) if key in kept}

    def _text(self, place: Place, names: dict[Place, str]) -> str:
        """A definition as text, every name of ours in it as `names` has it."""
        module, name = place
        source = source_of(module)
        node = source.definitions[name]
        table = self._table(place)
        if table is not None:
            entries = ", ".join(f'"{key}": {self._renamed(module, entry, names)}' for key, entry in table.items())
            return f"{names.get(place, name)} = {{{entries}}}"
        lines = {number: source.lines[number - 1] for number in _lines_of(node)}
        for used in sorted(self._names_used(place), key=lambda used: (used.lineno, -used.col_offset)):
            wanted = self._name_in_text(module, used, names).encode()
            if wanted == used.id.encode():
                continue
            line = lines[used.lineno]
            assert line[used.col_offset : used.end_col_offset] == used.id.encode(), f"{used.id} stands elsewhere"
            lines[used.lineno] = line[: used.col_offset] + wanted + line[used.end_col_offset :]
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            head = lines[node.lineno].decode()
            lines[node.lineno] = re.sub(rf"\b{name}\b", names.get(place, name), head, count=1).encode()
        for item in self._dropped_from(node):
            for number in _lines_of(item):
                del lines[number]
        text = b"\n".join(lines.values()).decode()
        return re.sub(r"(class .*:\n)\n+", r"\1", re.sub(r"\n\n\n+(?=    )", "\n\n", text))

    def _dropped_from(self, node: ast.AST) -> list[ast.stmt]:
        return [item for item in getattr(node, "body", ()) if _declared(item) in self.dropped]

    def _renamed(self, module: str, node: ast.expr, names: dict[Place, str]) -> str:
        assert isinstance(node, ast.Name), f"an entry of a table is a name; got {ast.unparse(node)}"
        return self._name_in_text(module, node, names)

    def _name_in_text(self, module: str, node: ast.Name, names: dict[Place, str]) -> str:
        target = resolve(module, node.id)
        if target is None or target in names or not names:
            return names.get(target, node.id) if target else node.id
        assert _is_annotation(node), f"{node.id} of {target[0]} is used but was not gathered"
        return PLAIN_TYPE


def import_lines(imports: set[tuple[str, Place]]) -> str:
    """Import statements, the standard library's first."""
    whole, parts = set(), dict[str, set[str]]()
    for name, (module, member) in imports:
        if member:
            parts.setdefault(module, set()).add(member if member == name else f"{member} as {name}")
        else:
            whole.add(f"import {module}" if name == module else f"import {module} as {name}")
    lines = sorted(whole) + [f"from {module} import {', '.join(sorted(parts[module]))}" for module in sorted(parts)]
    standard = [line for line in lines if line.split()[1].split(".")[0] in sys.stdlib_module_names]
    return "\n".join([*standard, "", *(line for line in lines if line not in standard)])


def resolve(module: str, name: str) -> Place | None:
    """Where the definition stands that a module of ours means by a name; None when it is not ours."""
    source = source_of(module)
    if name in source.definitions:
        return module, name
    if name not in source.ours:
        return None
    owner, member = source.ours[name]
    reference = f"{member}_reference"
    if owner.startswith(KERNELS) and reference in {**source_of(owner).definitions, **source_of(owner).ours}:
        member = reference
    found = resolve(owner, member)
    assert found, f"{module} imports {member} of {owner}, which is no definition"
    return found


@lru_cache(None)
def source_of(module: str) -> Source:
    """One of our modules, read and parsed."""
    loaded = import_module(module)
    text = inspect.getsource(loaded)
    definitions: dict[str, ast.stmt] = {}
    ours: dict[str, Place] = {}
    others: dict[str, Place] = {}
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            definitions[node.name] = node
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            definitions.update({target.id: node for target in targets if isinstance(target, ast.Name)})
        elif isinstance(node, ast.Import):
            others.update({item.asname or item.name: (item.name, "") for item in node.names})
        elif isinstance(node, ast.ImportFrom) and node.level:
            owner = resolve_name("." * node.level + (node.module or ""), loaded.__package__ or "")
            ours.update({item.asname or item.name: (owner, item.name) for item in node.names})
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            others.update({item.asname or item.name: (node.module or "", item.name) for item in node.names})
    return Source(tuple(text.encode().split(b"\n")), definitions, ours, others)


def _in_order(needs: dict[Place, list[Place]]) -> list[Place]:
    """Module by module, each behind those it needs, and in a module as it is written."""
    modules: dict[str, set[str]] = {}
    for (module, _), targets in needs.items():
        modules.setdefault(module, set()).update(target for target, _ in targets if target != module)
    order = list(TopologicalSorter({module: sorted(modules[module]) for module in sorted(modules)}).static_order())
    return sorted(needs, key=lambda place: (order.index(place[0]), source_of(place[0]).definitions[place[1]].lineno))


def _mark_annotations(definition: ast.AST) -> None:
    """Note on every name inside an annotation that nothing runs it."""
    for node in ast.walk(definition):
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            for name in ast.walk(part) if isinstance(part, ast.AST) else ():
                setattr(name, "in_annotation", True)  # noqa: B010


def _is_annotation(node: ast.Name) -> bool:
    return getattr(node, "in_annotation", False)


def _declared(node: ast.stmt) -> str | None:
    """The name that an assignment gives a value."""
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    return target.id if isinstance(target, ast.Name) else None


def _lines_of(node: ast.stmt) -> range:
    """The lines of a statement with its decorators."""
    first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", ()))])
    return range(first, (node.end_lineno or node.lineno) + 1)
