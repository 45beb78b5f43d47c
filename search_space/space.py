"""A search space: the choices, as read from YAML, and what can be asked of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from itertools import product
from math import prod
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any

import yaml

from ..errors import InputError
from .architecture import Architecture, Block, Stage
from .layout import Layout, Place
from .operators import CHANNEL_MIXERS, TOKEN_MIXERS, Spec
from .operators.choices import Choose, OperatorChoices, Value
from .operators.spec import kind_of
from .pattern import Pattern, layers_of
from .reading import (
    DENSE,
    check_halves,
    check_medium,
    read_hidden,
    read_layout,
    read_operators,
    read_pattern,
    read_residual,
)

KEYS = (
    "name", "description", "width", "depth", "stages", "token_mixers", "channel_mixers", "residual", "hidden",
    "pattern",
)  # fmt: skip
Operators = tuple[OperatorChoices, ...]


@dataclass(frozen=True)
class SearchSpace:
    """The choices that span a family of architectures.

    Every layer picks one token mixer and one channel mixer, freely or as the pattern says; sizes of the residual stream
    and how blocks join it are shared by the whole model.
    """

    name: str
    layout: Layout
    token_mixers: Operators
    channel_mixers: Operators
    residual: tuple[str, ...] = ("sequential",)
    hidden: Operators = DENSE
    pattern: Pattern | None = None
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
        layout = read_layout(source, raw)
        for key in ("name", "token_mixers", "channel_mixers"):
            if key not in raw:
                raise InputError(f"{source}: {key}: this key is needed; got nothing")
        token_mixers = read_operators(source, "token_mixers", raw["token_mixers"], TOKEN_MIXERS)
        channel_mixers = read_operators(source, "channel_mixers", raw["channel_mixers"], CHANNEL_MIXERS)
        check_halves(source, token_mixers, channel_mixers)
        check_medium(source, token_mixers, layout)
        return cls(
            name=str(raw["name"]),
            layout=layout,
            token_mixers=token_mixers,
            channel_mixers=channel_mixers,
            residual=read_residual(source, raw.get("residual", "sequential")),
            hidden=read_hidden(source, raw["hidden"], layout) if "hidden" in raw else DENSE,
            pattern=read_pattern(source, raw.get("pattern"), token_mixers, layout),
            description=str(raw.get("description", "")).strip(),
            source=source,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data that `parse` reads back to an equal space."""
        stages = [{"width": list(stage.width), "depth": list(stage.depth)} for stage in self.layout.stages]
        plain: dict[str, Any] = {"name": self.name, "description": self.description}
        plain |= {"stages": stages} if self.layout.pyramid else stages[0]
        plain["token_mixers"] = [_operator_json(choices) for choices in self.token_mixers]
        plain["channel_mixers"] = [_operator_json(choices) for choices in self.channel_mixers]
        plain["residual"] = list(self.residual)
        plain["hidden"] = [_operator_json(choices) for choices in self.hidden]
        return plain if self.pattern is None else {**plain, "pattern": self.pattern.to_json()}

    def summary(self) -> dict[str, str]:
        """The choices in words, and how many architectures they span."""
        lines = {"space": self.name, "description": self.description}
        for number, stage in enumerate(self.layout.stages):
            prefix = self.layout.prefix(number)
            lines[f"{prefix}width"] = _listed(stage.width)
            lines[f"{prefix}depth"] = _listed(stage.depth)
        for choices in self.token_mixers:
            lines[f"token mixer {choices.kind}"] = _described(choices)
        for choices in self.channel_mixers:
            lines[f"channel mixer {choices.kind}"] = _described(choices)
        lines["residual stream"] = _listed(self.residual)
        for choices in self.hidden:
            lines[f"hidden dimension {choices.kind}"] = _described(choices)
        if self.pattern:
            lines["pattern"] = f"{json.dumps(self.pattern.to_json()['place'])} at {_listed(self.pattern.at)}"
        blocks = sum(1 for _ in self.block_options())
        return {**lines, "blocks a layer may be": f"{blocks:,}", "architectures": f"{self.count():,}"}

    @cached_property
    def token_specs(self) -> tuple[Spec, ...]:
        return tuple(spec for choices in self.token_mixers for spec in choices.legal)

    @cached_property
    def channel_specs(self) -> tuple[Spec, ...]:
        return tuple(spec for choices in self.channel_mixers for spec in choices.legal)

    @cached_property
    def hidden_specs(self) -> tuple[Spec, ...]:
        return tuple(spec for choices in self.hidden for spec in choices.legal)

    @property
    def width(self) -> tuple[int, ...]:
        """The widths of the first stage, which for text is the only one."""
        return self.layout.stages[0].width

    @cached_property
    def depth(self) -> tuple[int, ...]:
        """Every number of blocks there may be."""
        return tuple(sorted({sum(depths) for depths in self.layout.all_depths()}))

    @property
    def max_depth(self) -> int:
        return len(self.layout.deepest)

    def block_options(self) -> Iterator[Block]:
        """Every block that a layer may be."""
        yield from _blocks(self.token_mixers, self.channel_mixers)

    def marks(self, depth: int) -> tuple[tuple[bool, ...], ...]:
        """Every way the pattern places its mixer over so many layers; without a pattern it places nothing."""
        rules = self.pattern.at if self.pattern else ("none",)
        return tuple(dict.fromkeys(layers_of(rule, depth) for rule in rules))

    def count(self) -> int:
        """How many distinct architectures there are, exactly."""
        options = {mark: sum(1 for _ in _blocks(self.layer_mixers(mark), self.channel_mixers)) for mark in self._marks}
        blocks = sum(
            prod(options[mark] for mark in marks)
            for depths in self.layout.all_depths()
            for marks in self.marks(sum(depths))
        )
        widths = prod(len(stage.width) for stage in self.layout.stages)
        return widths * len(self.residual) * len(self.hidden_specs) * blocks

    def enumerate(self) -> Iterator[Architecture]:
        """Every architecture, for spaces small enough to exhaust."""
        options = {mark: tuple(_blocks(self.layer_mixers(mark), self.channel_mixers)) for mark in self._marks}
        outer = product(self.layout.all_widths(), self.layout.all_depths(), self.residual, self.hidden_specs)
        for widths, depths, residual, hidden in outer:
            for marks in self.marks(sum(depths)):
                for blocks in product(*(options[mark] for mark in marks)):
                    yield self._architecture(widths, depths, blocks, residual, hidden)

    def why_not(self, architecture: Architecture) -> str | None:
        """Why an architecture is not in the space (key path, rule, value), or None when it is."""
        return self._why_not_outer(architecture) or self._why_not_blocks(architecture)

    def __contains__(self, architecture: Architecture) -> bool:
        return self.why_not(architecture) is None

    @cached_property
    def parameters(self) -> Mapping[str, tuple[Value, ...]]:
        """Every named parameter and its choices, in a fixed order; which of them are active depends on the others."""
        names: dict[str, tuple[Value, ...]] = {"residual": self.residual}
        names |= _questions("hidden", "hidden", self.hidden)
        for number, stage in enumerate(self.layout.stages):
            names[f"{self.layout.prefix(number)}width"] = stage.width
            names[f"{self.layout.prefix(number)}depth"] = stage.depth
        names["pattern"] = self.pattern.at if self.pattern else ()
        for place in self.layout.deepest:
            for mark in self._marks:
                prefix = _token_prefix(place, mark)
                names |= _questions(f"{prefix}.token_mixer", prefix, self.layer_mixers(mark))
            for slot, mixers in self._channel_slots(place):
                names |= _questions(slot, place.prefix, mixers)
        return MappingProxyType({name: options for name, options in names.items() if len(options) > 1})

    def build(self, choose: Choose) -> Architecture:
        """Settle every choice by asking `choose(name, options)`; only active parameters are asked."""

        def settle(name: str, options: tuple[Any, ...]) -> Any:
            return choose(name, options) if len(options) > 1 else options[0]

        residual = settle("residual", self.residual)
        hidden = _choose(choose, "hidden", "hidden", self.hidden)
        stages = [(self.layout.prefix(number), stage) for number, stage in enumerate(self.layout.stages)]
        widths = tuple(settle(f"{prefix}width", stage.width) for prefix, stage in stages)
        depths = tuple(settle(f"{prefix}depth", stage.depth) for prefix, stage in stages)
        rule = settle("pattern", self.pattern.at) if self.pattern else "none"
        marks = layers_of(rule, sum(depths))
        places = self.layout.places(depths)
        blocks = tuple(self._block(choose, place, mark) for place, mark in zip(places, marks, strict=True))
        return self._architecture(widths, depths, blocks, residual, hidden)

    def encode(self, architecture: Architecture) -> dict[str, Value]:
        """The active named parameters of an architecture: what `decode` needs to build it again."""
        reason = self.why_not(architecture)
        if reason:
            raise InputError(f"architecture {architecture.digest} is not in space {self.name}: {reason}")
        names: dict[str, Value] = {"residual": architecture.residual}
        names |= _answers("hidden", "hidden", self.hidden, architecture.hidden)
        widths, depths = self.sizes(architecture)
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            names[f"{self.layout.prefix(number)}width"] = width
            names[f"{self.layout.prefix(number)}depth"] = depth
        marks = self._marks_of(architecture)
        names["pattern"] = self.pattern.rule_of(marks) if self.pattern else None
        for place, mark, block in zip(self.layout.places(depths), marks, architecture.blocks, strict=True):
            prefix = _token_prefix(place, mark)
            names |= _answers(f"{prefix}.token_mixer", prefix, self.layer_mixers(mark), block.token_mixer)
            slot, mixers = self._channel_slots(place)[block.token_mixer.kind == "none"]
            names |= _answers(slot, place.prefix, mixers, block.channel_mixer)
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
            parent = taken.setdefault(_layer_of(name), rng.choice(parents))
            other = parents[1] if parent is parents[0] else parents[0]
            for source in (parent, other):
                if source.get(name, _MISSING) in options:
                    return source[name]
            return rng.choice(options)

        return self.build(inherit)

    def largest(self, rng: Random | None = None) -> Architecture:
        """Every size at its maximum. With `rng` each layer draws its kinds, else it takes the first listed."""
        return self._extreme(max, "largest", rng)

    def smallest(self, rng: Random | None = None) -> Architecture:
        """Every size at its minimum. With `rng` each layer draws its kinds, else it takes the first listed."""
        return self._extreme(min, "smallest", rng)

    def sizes(self, architecture: Architecture) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The widths and the depths of an architecture's stages."""
        stages = architecture.stages or (Stage(width=architecture.width, depth=architecture.depth),)
        return tuple(stage.width for stage in stages), tuple(stage.depth for stage in stages)

    def layer_mixers(self, placed: bool) -> Operators:
        """The token mixers for a layer where the pattern places its own, or for any other layer."""
        if self.pattern is None:
            return self.token_mixers
        return self._split[0 if placed else 1]

    @cached_property
    def vector_names(self) -> tuple[str, ...]:
        """The name of each entry of `vector`."""
        names = [
            f"{self.layout.prefix(n)}{size}" for n in range(len(self.layout.stages)) for size in ("width", "depth")
        ]
        names += [f"residual.{residual}" for residual in self.residual[1:]]
        names += _vector_names("hidden", self.hidden)
        for place in self.layout.deepest:
            names += _vector_names(place.prefix, (*self.token_mixers, *self.channel_mixers))
        return tuple(names)

    def vector(self, architecture: Architecture) -> tuple[float, ...]:
        """A vector of fixed length in [0, 1]: which operator stands where, and how far up its choices each size is.

        Absent layers and operators that were not chosen are zero; the lowest choice of a present one is not.
        """
        entries: list[float] = []
        widths, depths = self.sizes(architecture)
        for stage, width, depth in zip(self.layout.stages, widths, depths, strict=True):
            entries += (_rank(width, stage.width), _rank(depth, stage.depth))
        entries += [float(architecture.residual == residual) for residual in self.residual[1:]]
        entries += _entries(self.hidden, architecture.hidden)
        at = {place.slot: block for place, block in zip(self.layout.places(depths), architecture.blocks, strict=True)}
        for place in self.layout.deepest:
            block = at.get(place.slot)
            entries += _entries(self.token_mixers, block.token_mixer if block else None)
            entries += _entries(self.channel_mixers, block.channel_mixer if block else None)
        return tuple(entries)

    @cached_property
    def _split(self) -> tuple[Operators, Operators]:
        assert self.pattern is not None
        return self.pattern.split(self.token_mixers)

    @cached_property
    def _marks(self) -> tuple[bool, ...]:
        """The kinds of layers there are: those the pattern marks, and the others."""
        if self.pattern is None:
            return (False,)
        return tuple(mark for mark in (True, False) if self.layer_mixers(mark))

    def _marks_of(self, architecture: Architecture) -> tuple[bool, ...]:
        pattern = self.pattern
        return tuple(pattern is not None and pattern.places(block.token_mixer) for block in architecture.blocks)

    def _channel_slots(self, place: Place) -> tuple[tuple[str, Operators], ...]:
        """Name and choices of a block's channel mixer: those beside a token mixer, and those beside none."""
        free = (f"{place.prefix}.channel_mixer", self.channel_mixers)
        if all(choices.kind != "none" for choices in self.token_mixers):
            return (free,)
        if all(choices.kind != "none" for choices in self.channel_mixers):
            return (free, free)
        something = tuple(choices for choices in self.channel_mixers if choices.kind != "none")
        return (free, (f"{place.prefix}.channel_mixer[token_mixer=none]", something))

    def _block(self, choose: Choose, place: Place, mark: bool) -> Block:
        prefix = _token_prefix(place, mark)
        token: Any = _choose(choose, f"{prefix}.token_mixer", prefix, self.layer_mixers(mark))
        slot, mixers = self._channel_slots(place)[token.kind == "none"]
        channel: Any = _choose(choose, slot, place.prefix, mixers)
        return Block(token_mixer=token, channel_mixer=channel)

    def _architecture(
        self, widths: tuple[int, ...], depths: tuple[int, ...], blocks: tuple[Block, ...], residual: str, hidden: Spec
    ) -> Architecture:
        stages = tuple(Stage(width=width, depth=depth) for width, depth in zip(widths, depths, strict=True))
        return Architecture(
            width=widths[0],
            blocks=blocks,
            residual=residual,  # type: ignore[arg-type]
            hidden=hidden,  # type: ignore[arg-type]
            stages=stages if self.layout.pyramid else (),
        )

    def _extreme(self, extreme: Any, which: str, rng: Random | None) -> Architecture:
        def pick(options: Any) -> Any:
            return rng.choice(options) if rng else options[0]

        def mixer(operators: Operators) -> Any:
            working = tuple(choices for choices in operators if choices.kind != "none") or operators
            return getattr(pick(working), which)

        widths = tuple(extreme(stage.width) for stage in self.layout.stages)
        depths = tuple(extreme(stage.depth) for stage in self.layout.stages)
        blocks = tuple(
            Block(token_mixer=mixer(self.layer_mixers(mark)), channel_mixer=mixer(self.channel_mixers))
            for mark in pick(self.marks(sum(depths)))
        )
        hidden = extreme(self.hidden_specs, key=lambda spec: spec.read_columns(widths[0]))
        return self._architecture(widths, depths, blocks, pick(self.residual), hidden)

    def _why_not_outer(self, architecture: Architecture) -> str | None:
        if bool(architecture.stages) != self.layout.pyramid:
            held = "stages" if self.layout.pyramid else "no stages"
            return f"stages: this space has {held}; got {len(architecture.stages)}"
        widths, depths = self.sizes(architecture)
        if len(widths) != len(self.layout.stages):
            return f"stages: {len(self.layout.stages)} of them; got {len(widths)}"
        for number, (stage, width, depth) in enumerate(zip(self.layout.stages, widths, depths, strict=True)):
            prefix = self.layout.prefix(number)
            if width not in stage.width:
                return f"{prefix}width: one of {list(stage.width)}; got {width}"
            if depth not in stage.depth:
                where = f"{prefix}depth: one of" if prefix else "blocks: their number is one of"
                return f"{where} {list(stage.depth)}; got {depth}"
        if architecture.residual not in self.residual:
            return f"residual: one of {list(self.residual)}; got {architecture.residual!r}"
        reason = _why_not_operator(architecture.hidden, self.hidden)
        return f"hidden{reason}" if reason else None

    def _why_not_blocks(self, architecture: Architecture) -> str | None:
        for index, block in enumerate(architecture.blocks):
            for slot, choices in (("token_mixer", self.token_mixers), ("channel_mixer", self.channel_mixers)):
                reason = _why_not_operator(getattr(block, slot), choices)
                if reason:
                    return f"blocks.{index}.{slot}{reason}"
        marks = self._marks_of(architecture)
        if self.pattern and self.pattern.rule_of(marks) is None:
            layers = [index for index, mark in enumerate(marks) if mark]
            return f"pattern: {self.pattern.kind} at one of {list(self.pattern.at)}; got it in layers {layers}"
        return None


_MISSING = object()


def preset_names() -> tuple[str, ...]:
    """The spaces that ship with the package."""
    folder = resources.files(__package__) / "presets"
    return tuple(sorted(entry.name[: -len(".yaml")] for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def _blocks(token_mixers: Operators, channel_mixers: Operators) -> Iterator[Block]:
    """Every block of these choices, less those of which both halves are none."""
    for token in (spec for choices in token_mixers for spec in choices.legal):
        for channel in (spec for choices in channel_mixers for spec in choices.legal):
            if not kind_of(token) == kind_of(channel) == "none":
                yield Block(token_mixer=token, channel_mixer=channel)  # type: ignore[arg-type]


def _token_prefix(place: Place, mark: bool) -> str:
    return f"{place.prefix}.placed" if mark else place.prefix


def _layer_of(name: str) -> str:
    """The block a parameter belongs to, or the parameter itself where it belongs to none."""
    before, found, after = name.partition("blocks.")
    return f"{before}{found}{after.split('.')[0]}" if found else name


def _questions(slot: str, prefix: str, operators: Operators) -> dict[str, tuple[Value, ...]]:
    """The named parameters of one operator's choice: which kind, then the fields of every kind."""
    names: dict[str, tuple[Value, ...]] = {slot: tuple(choices.kind for choices in operators)}
    for choices in operators:
        names |= {f"{prefix}.{name}": options for name, options in choices.questions()}
    return names


def _choose(choose: Choose, slot: str, prefix: str, operators: Operators) -> Spec:
    kinds = tuple(choices.kind for choices in operators)
    kind = choose(slot, kinds) if len(kinds) > 1 else kinds[0]
    return _of_kind(operators, kind).choose(choose, prefix)


def _answers(slot: str, prefix: str, operators: Operators, spec: Spec) -> dict[str, Value]:
    choices = _of_kind(operators, kind_of(spec))
    return {slot: choices.kind} | {f"{prefix}.{name}": value for name, value in choices.answers(spec).items()}


def _vector_names(prefix: str, operators: Operators) -> list[str]:
    if len(operators) == 1 and not operators[0].values:
        return []
    return [
        name
        for choices in operators
        for name in (f"{prefix}.{choices.kind}", *(f"{prefix}.{choices.kind}.{field}" for field, _ in choices.values))
    ]


def _entries(operators: Operators, spec: Spec | None) -> list[float]:
    """What `_vector_names` names, for one operator."""
    if len(operators) == 1 and not operators[0].values:
        return []
    entries: list[float] = []
    for choices in operators:
        active = spec is not None and kind_of(spec) == choices.kind
        entries.append(float(active))
        entries += [_rank(getattr(spec, name), options) if active else 0.0 for name, options in choices.values]
    return entries


def _operator_json(choices: OperatorChoices) -> dict[str, Any]:
    return {"kind": choices.kind, **{name: list(options) for name, options in choices.values}}


def _listed(options: tuple[Value, ...]) -> str:
    return ", ".join(option if isinstance(option, str) else json.dumps(option) for option in options)


def _described(choices: OperatorChoices) -> str:
    return "; ".join(f"{name} {_listed(options)}" for name, options in choices.values) or "no choices"


def _of_kind(operators: tuple[OperatorChoices, ...], kind: Value) -> OperatorChoices:
    return next(choices for choices in operators if choices.kind == kind)


def _why_not_operator(spec: Spec, operators: tuple[OperatorChoices, ...]) -> str | None:
    """The rest of a key path, the rule and the value; None when one of the operators has this spec."""
    kind = kind_of(spec)
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
