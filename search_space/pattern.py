"""A declared pattern: in which layers one chosen token mixer stands, and nowhere else.

    pattern:
      place: {kind: attention, window: null}     # an operator, or one value of one of its fields
      at: [every 4, last 2, even 1, none]        # each is one way to place it; the search picks

`every k` takes each k-th layer, `first n` and `last n` the ends, `even n` n layers spread evenly, `all` and `none` what
they say. So convolution early and attention late is attention at `last n`, and full span in n layers with local
attention elsewhere is attention without a window at `even n` or `first n`.

Source: even placement arXiv 2406.07887, mixed spans arXiv 2310.12442.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .operators.choices import OperatorChoices, Value

RULE = re.compile(r"(every|first|last|even) ([1-9][0-9]*)|all|none")


@dataclass(frozen=True)
class Pattern:
    """Where `kind` (with `field` at `value`, when a field is named) stands: one of the rules `at`."""

    kind: str
    field: str | None
    value: Value
    at: tuple[str, ...]

    @classmethod
    def parse(cls, raw: Any, token_mixers: tuple[OperatorChoices, ...], least_depth: int) -> Pattern:
        """Read a pattern.

        Raises:
            ValueError: naming the key, the rule and the value; the pattern contradicts the token mixers or the depth.
        """
        if not isinstance(raw, Mapping) or set(raw) != {"place", "at"}:
            raise ValueError(f": a pattern has the keys place and at; got {raw!r}")
        kind, field, value = _placed(raw["place"], token_mixers)
        at = tuple(raw["at"]) if isinstance(raw["at"], list) else (raw["at"],)
        if not at or len(set(at)) != len(at):
            raise ValueError(f"at: a list of different rules; got {raw['at']!r}")
        for rule in at:
            _check_rule(rule, least_depth)
        pattern = cls(kind, field, value, at)
        pattern._check_against(token_mixers, least_depth)
        return pattern

    def to_json(self) -> dict[str, Any]:
        place = {"kind": self.kind} if self.field is None else {"kind": self.kind, self.field: self.value}
        return {"place": place, "at": list(self.at)}

    def places(self, spec: Any) -> bool:
        """Whether this is the mixer that the pattern places."""
        return bool(spec.kind == self.kind and (self.field is None or getattr(spec, self.field) == self.value))

    def split(
        self, token_mixers: tuple[OperatorChoices, ...]
    ) -> tuple[tuple[OperatorChoices, ...], tuple[OperatorChoices, ...]]:
        """The choices for layers where the mixer is placed, and those for all others."""
        placed, others = [], []
        for choices in token_mixers:
            if choices.kind != self.kind:
                others.append(choices)
            elif self.field is None:
                placed.append(choices)
            else:
                every = dict(choices.values)[self.field]
                placed.append(choices.narrowed(self.field, (self.value,)))
                if len(every) > 1:
                    others.append(choices.narrowed(self.field, tuple(v for v in every if v != self.value)))
        return tuple(placed), tuple(others)

    def rule_of(self, marks: tuple[bool, ...]) -> str | None:
        """The first rule that places the mixer in exactly these layers."""
        return next((rule for rule in self.at if layers_of(rule, len(marks)) == marks), None)

    def _check_against(self, token_mixers: tuple[OperatorChoices, ...], depth: int) -> None:
        placed, others = self.split(token_mixers)
        for rule in self.at:
            marks = layers_of(rule, depth)
            if not all(marks) and not others:
                raise ValueError(f"at: {rule!r} leaves layers for which there is no other token mixer than {self.kind}")
        assert placed, "parse found the placed mixer among the token mixers"


@lru_cache(1024)
def layers_of(rule: str, depth: int) -> tuple[bool, ...]:
    """Which of `depth` layers a rule takes."""
    if rule in ("all", "none"):
        return (rule == "all",) * depth
    word, number = rule.split()
    count = int(number)
    taken = {
        "every": range(count - 1, depth, count),
        "first": range(min(count, depth)),
        "last": range(max(0, depth - count), depth),
        "even": {(2 * index + 1) * depth // (2 * count) for index in range(count)},
    }[word]
    return tuple(layer in taken for layer in range(depth))


def _placed(raw: Any, token_mixers: tuple[OperatorChoices, ...]) -> tuple[str, str | None, Value]:
    if not isinstance(raw, Mapping) or "kind" not in raw or len(raw) > 2:
        raise ValueError(f"place: a kind, and at most one of its fields with a value; got {raw!r}")
    known = {choices.kind: dict(choices.values) for choices in token_mixers}
    if raw["kind"] not in known:
        raise ValueError(f"place.kind: one of the token mixers {', '.join(known)}; got {raw['kind']!r}")
    fields = [name for name in raw if name != "kind"]
    if not fields:
        return raw["kind"], None, None
    (field,) = fields
    options = known[raw["kind"]].get(field, ())
    if raw[field] not in options:
        raise ValueError(f"place.{field}: one of {json.dumps(options)}, its choices; got {json.dumps(raw[field])}")
    return raw["kind"], field, raw[field]


def _check_rule(rule: Any, least_depth: int) -> None:
    if not isinstance(rule, str) or not RULE.fullmatch(rule):
        raise ValueError(f"at: every k, first n, last n, even n, all or none; got {rule!r}")
    number = int(rule.split()[1]) if " " in rule else 1
    if number > least_depth:
        raise ValueError(f"at: at most the least depth, {least_depth}; got {rule!r}")
