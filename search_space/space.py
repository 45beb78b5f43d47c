"""A search space: the choices, as read from YAML, and what can be asked of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from itertools import product
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any

import yaml

from ..errors import InputError
from .architecture import Architecture, Block
from .operators import CHANNEL_MIXERS, TOKEN_MIXERS, Spec
from .operators.choices import Choose, OperatorChoices, Value

KEYS = ("name", "description", "width", "depth", "token_mixers", "channel_mixers")


@dataclass(frozen=True)
class SearchSpace:
    """The choices that span a family of architectures.

    Every layer picks one token mixer and one channel mixer freely; width and depth are shared by the whole model.
    """

    name: str
    width: tuple[int, ...]
    depth: tuple[int, ...]
    token_mixers: tuple[OperatorChoices, ...]
    channel_mixers: tuple[OperatorChoices, ...]
    description: str = ""
    source: str = field(default="", compare=False)

    @classmethod
    def load(cls, name_or_path: str) -> SearchSpace:
        """A preset by name, or a YAML file of the same format.

        Raises:
            InputError: no such preset or file, or the content breaks a rule.
        """
        preset = resources.files(__package__) / "presets" / f"{name_or_path}.yaml"
        if preset.is_file():
            return cls.parse(yaml.safe_load(preset.read_text()), source=name_or_path)
        path = Path(name_or_path)
        if not path.is_file():
            raise InputError(f"space: a preset ({', '.join(preset_names())}) or a YAML file; got {name_or_path!r}")
        try:
            raw = yaml.safe_load(path.read_text())
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
        return cls.parse(raw, source=str(path))

    @classmethod
    def parse(cls, raw: Any, source: str = "space") -> SearchSpace:
        """Read a space from plain data. Raises InputError naming `source`, the key path, the rule and the value."""
        if not isinstance(raw, Mapping):
            raise InputError(f"{source}: a space is a mapping with the keys {', '.join(KEYS)}; got {raw!r}")
        for key in raw:
            if key not in KEYS:
                raise InputError(f"{source}: {key}: a space has the keys {', '.join(KEYS)}; got {raw[key]!r}")
        for key in ("name", "width", "depth", "token_mixers", "channel_mixers"):
            if key not in raw:
                raise InputError(f"{source}: {key}: this key is needed; got nothing")
        return cls(
            name=str(raw["name"]),
            description=str(raw.get("description", "")).strip(),
            width=_sizes(source, "width", raw["width"]),
            depth=_sizes(source, "depth", raw["depth"]),
            token_mixers=_operators(source, "token_mixers", raw["token_mixers"], TOKEN_MIXERS),
            channel_mixers=_operators(source, "channel_mixers", raw["channel_mixers"], CHANNEL_MIXERS),
            source=source,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data that `parse` reads back to an equal space."""
        return {
            "name": self.name,
            "description": self.description,
            "width": list(self.width),
            "depth": list(self.depth),
            "token_mixers": [_operator_json(choices) for choices in self.token_mixers],
            "channel_mixers": [_operator_json(choices) for choices in self.channel_mixers],
        }

    @cached_property
    def token_specs(self) -> tuple[Spec, ...]:
        return tuple(spec for choices in self.token_mixers for spec in choices.legal)

    @cached_property
    def channel_specs(self) -> tuple[Spec, ...]:
        return tuple(spec for choices in self.channel_mixers for spec in choices.legal)

    @property
    def max_depth(self) -> int:
        return max(self.depth)

    def block_options(self) -> Iterator[Block]:
        """Every block that a layer may be."""
        for token_mixer, channel_mixer in product(self.token_specs, self.channel_specs):
            yield Block(token_mixer=token_mixer, channel_mixer=channel_mixer)  # type: ignore[arg-type]

    def count(self) -> int:
        """How many distinct architectures there are, exactly."""
        per_layer = len(self.token_specs) * len(self.channel_specs)
        return len(self.width) * sum(per_layer**depth for depth in self.depth)

    def enumerate(self) -> Iterator[Architecture]:
        """Every architecture, for spaces small enough to exhaust."""
        options = tuple(self.block_options())
        for width, depth in product(self.width, self.depth):
            for blocks in product(options, repeat=depth):
                yield Architecture(width=width, blocks=blocks)

    def why_not(self, architecture: Architecture) -> str | None:
        """Why an architecture is not in the space (key path, rule, value), or None when it is."""
        if architecture.width not in self.width:
            return f"width: one of {list(self.width)}; got {architecture.width}"
        if architecture.depth not in self.depth:
            return f"blocks: their number is one of {list(self.depth)}; got {architecture.depth}"
        for index, block in enumerate(architecture.blocks):
            for slot, choices in (("token_mixer", self.token_mixers), ("channel_mixer", self.channel_mixers)):
                reason = _why_not_operator(getattr(block, slot), choices)
                if reason:
                    return f"blocks.{index}.{slot}{reason}"
        return None

    def __contains__(self, architecture: Architecture) -> bool:
        return self.why_not(architecture) is None

    @cached_property
    def parameters(self) -> Mapping[str, tuple[Value, ...]]:
        """Every named parameter and its choices, in a fixed order; which of them are active depends on the others."""
        names: dict[str, tuple[Value, ...]] = {}
        if len(self.width) > 1:
            names["width"] = self.width
        if len(self.depth) > 1:
            names["depth"] = self.depth
        for index in range(self.max_depth):
            for slot, operators in (("token_mixer", self.token_mixers), ("channel_mixer", self.channel_mixers)):
                if len(operators) > 1:
                    names[f"blocks.{index}.{slot}"] = tuple(choices.kind for choices in operators)
                for choices in operators:
                    names.update({f"blocks.{index}.{name}": options for name, options in choices.questions()})
        return MappingProxyType(names)

    def build(self, choose: Choose) -> Architecture:
        """Settle every choice by asking `choose(name, options)`; only active parameters are asked."""
        width = choose("width", self.width) if len(self.width) > 1 else self.width[0]
        depth = choose("depth", self.depth) if len(self.depth) > 1 else self.depth[0]
        assert isinstance(width, int)
        assert isinstance(depth, int)
        return Architecture(width=width, blocks=tuple(self._block(choose, index) for index in range(depth)))

    def encode(self, architecture: Architecture) -> dict[str, Value]:
        """The active named parameters of an architecture: what `decode` needs to build it again."""
        reason = self.why_not(architecture)
        if reason:
            raise InputError(f"architecture {architecture.digest} is not in space {self.name}: {reason}")
        names: dict[str, Value] = {"width": architecture.width, "depth": architecture.depth}
        for index, block in enumerate(architecture.blocks):
            for slot, operators in (("token_mixer", self.token_mixers), ("channel_mixer", self.channel_mixers)):
                spec = getattr(block, slot)
                names[f"blocks.{index}.{slot}"] = spec.kind
                choices = _of_kind(operators, spec.kind)
                names.update({f"blocks.{index}.{name}": value for name, value in choices.answers(spec).items()})
        asked = self.parameters
        return {name: value for name, value in names.items() if name in asked}

    def decode(self, parameters: Mapping[str, Value]) -> Architecture:
        """The architecture that named parameters describe; inactive ones are ignored."""

        def look_up(name: str, options: tuple[Value, ...]) -> Value:
            if name not in parameters:
                raise InputError(f"{name}: one of {list(options)}; got nothing")
            if parameters[name] not in options:
                raise InputError(f"{name}: one of {list(options)}; got {parameters[name]!r}")
            return parameters[name]

        return self.build(look_up)

    def sample(self, rng: Random) -> Architecture:
        """An architecture with every choice drawn uniformly, one after the other."""
        return self.build(lambda _, options: rng.choice(options))

    def mutate(self, architecture: Architecture, rng: Random) -> Architecture:
        """A neighbour: one active choice changed, and what that newly opens drawn at random."""
        names = self.encode(architecture)
        options = self.parameters
        if not names:
            return architecture
        name = rng.choice(sorted(names))
        names[name] = rng.choice([value for value in options[name] if value != names[name]])
        return self.build(lambda key, legal: names[key] if names.get(key, _MISSING) in legal else rng.choice(legal))

    def crossover(self, first: Architecture, second: Architecture, rng: Random) -> Architecture:
        """A child that takes width, depth and every layer from either parent."""
        parents = self.encode(first), self.encode(second)
        taken: dict[str, Mapping[str, Value]] = {}

        def inherit(name: str, options: tuple[Value, ...]) -> Value:
            layer = ".".join(name.split(".")[:2])
            parent = taken.setdefault(layer, rng.choice(parents))
            other = parents[1] if parent is parents[0] else parents[0]
            for source in (parent, other):
                if source.get(name, _MISSING) in options:
                    return source[name]
            return rng.choice(options)

        return self.build(inherit)

    def largest(self, rng: Random | None = None) -> Architecture:
        """Every size at its maximum. With `rng` each layer draws its kinds, else it takes the first listed."""
        return self._extreme(max(self.width), max(self.depth), "largest", rng)

    def smallest(self, rng: Random | None = None) -> Architecture:
        """Every size at its minimum. With `rng` each layer draws its kinds, else it takes the first listed."""
        return self._extreme(min(self.width), min(self.depth), "smallest", rng)

    @cached_property
    def vector_names(self) -> tuple[str, ...]:
        """The name of each entry of `vector`."""
        names = ["width", "depth"]
        for index in range(self.max_depth):
            for choices in (*self.token_mixers, *self.channel_mixers):
                names.append(f"blocks.{index}.{choices.kind}")
                names.extend(f"blocks.{index}.{choices.kind}.{name}" for name, _ in choices.values)
        return tuple(names)

    def vector(self, architecture: Architecture) -> tuple[float, ...]:
        """A vector of fixed length in [0, 1]: which operator stands where, and how far up its choices each size is.

        Absent layers and operators that were not chosen are zero; the lowest choice of a present one is not.
        """
        entries = [_rank(architecture.width, self.width), _rank(architecture.depth, self.depth)]
        for index in range(self.max_depth):
            block = architecture.blocks[index] if index < architecture.depth else None
            for slot, operators in (("token_mixer", self.token_mixers), ("channel_mixer", self.channel_mixers)):
                spec = getattr(block, slot) if block else None
                for choices in operators:
                    active = spec is not None and spec.kind == choices.kind
                    entries.append(float(active))
                    entries.extend(
                        _rank(getattr(spec, name), options) if active else 0.0 for name, options in choices.values
                    )
        return tuple(entries)

    def _block(self, choose: Choose, index: int) -> Block:
        specs = {}
        for slot, operators in (("token_mixer", self.token_mixers), ("channel_mixer", self.channel_mixers)):
            kinds = tuple(choices.kind for choices in operators)
            kind = choose(f"blocks.{index}.{slot}", kinds) if len(kinds) > 1 else kinds[0]
            specs[slot] = _of_kind(operators, kind).choose(choose, f"blocks.{index}")
        return Block(**specs)  # type: ignore[arg-type]

    def _extreme(self, width: int, depth: int, which: str, rng: Random | None) -> Architecture:
        def pick(operators: tuple[OperatorChoices, ...]) -> Any:
            return getattr(rng.choice(operators) if rng else operators[0], which)

        blocks = tuple(
            Block(token_mixer=pick(self.token_mixers), channel_mixer=pick(self.channel_mixers)) for _ in range(depth)
        )
        return Architecture(width=width, blocks=blocks)


_MISSING = object()


def preset_names() -> tuple[str, ...]:
    """The spaces that ship with the package."""
    folder = resources.files(__package__) / "presets"
    return tuple(sorted(entry.name[: -len(".yaml")] for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def _sizes(source: str, key: str, raw: Any) -> tuple[int, ...]:
    sizes = tuple(raw) if isinstance(raw, list) else (raw,)
    if not sizes:
        raise InputError(f"{source}: {key}: a choice needs at least one value; got []")
    for size in sizes:
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise InputError(f"{source}: {key}: whole numbers of at least 1; got {size!r}")
    if len(set(sizes)) != len(sizes):
        raise InputError(f"{source}: {key}: every value of a choice is listed once; got {list(sizes)}")
    return sizes


def _operators(source: str, key: str, raw: Any, table: Mapping[str, type[Spec]]) -> tuple[OperatorChoices, ...]:
    if not isinstance(raw, list) or not raw:
        raise InputError(f"{source}: {key}: a list of at least one operator; got {raw!r}")
    parsed: list[OperatorChoices] = []
    for index, entry in enumerate(raw):
        try:
            choices = OperatorChoices.parse(table, entry)
        except ValueError as error:
            raise InputError(f"{source}: {key}.{index}.{error}".replace(".:", ":")) from None
        if any(choices.kind == other.kind for other in parsed):
            raise InputError(f"{source}: {key}.{index}.kind: every kind is listed once; got {choices.kind!r}")
        parsed.append(choices)
    return tuple(parsed)


def _operator_json(choices: OperatorChoices) -> dict[str, Any]:
    return {"kind": choices.kind, **{name: list(options) for name, options in choices.values}}


def _of_kind(operators: tuple[OperatorChoices, ...], kind: Value) -> OperatorChoices:
    return next(choices for choices in operators if choices.kind == kind)


def _why_not_operator(spec: Spec, operators: tuple[OperatorChoices, ...]) -> str | None:
    """The rest of a key path, the rule and the value; None when one of the operators has this spec."""
    kind = getattr(spec, "kind")  # noqa: B009 - every spec of the tables has a kind, the base has not
    kinds = [choices.kind for choices in operators]
    if kind not in kinds:
        return f": one of {kinds}; got {kind!r}"
    choices = _of_kind(operators, kind)
    if spec in choices.legal:
        return None
    for name, options in choices.values:
        if getattr(spec, name) not in options:
            return f".{name}: one of {json.dumps(options)}; got {json.dumps(getattr(spec, name))}"
    return f": fields outside the space must hold their default; got {spec.model_dump_json()}"


def _rank(value: Value, options: tuple[Value, ...]) -> float:
    """Where a value stands among its options, in (0, 1]; None means unlimited and stands last."""
    ordered = sorted(options, key=lambda option: (option is None, option))  # type: ignore[arg-type,return-value]
    return (ordered.index(value) + 1) / len(ordered)
