"""The choices a search space leaves open for one operator: values per field, and the legal specs they span."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

from pydantic import ValidationError

from .spec import Spec

Value = int | str | None
Choose = Callable[[str, tuple[Value, ...]], Value]
Fixed = tuple[tuple[str, Value], ...]


@dataclass(frozen=True)
class OperatorChoices:
    """Values per field of one operator. Combinations that break a rule of the spec are left out of `legal`."""

    spec_type: type[Spec]
    values: tuple[tuple[str, tuple[Value, ...]], ...]

    @classmethod
    def parse(cls, table: Mapping[str, type[Spec]], raw: Any) -> OperatorChoices:
        """Read `{kind: ..., field: value or list of values, ...}`.

        Raises:
            ValueError: the kind or a field is unknown, a choice is empty or never legal; the message starts with the
                field it is about.
        """
        if not isinstance(raw, Mapping):
            raise ValueError(f": an operator is a mapping with a kind; got {raw!r}")
        kind = raw.get("kind")
        if not isinstance(kind, str) or kind not in table:
            raise ValueError(f"kind: one of {', '.join(table)}; got {kind!r}")
        spec_type = table[kind]
        unknown = [name for name in raw if name not in spec_type.model_fields]
        if unknown:
            known = ", ".join(name for name in spec_type.model_fields if name != "kind")
            raise ValueError(f"{unknown[0]}: {kind} has the fields {known}; got {raw[unknown[0]]!r}")
        values = tuple(
            (name, _as_choice(name, raw[name])) for name in spec_type.model_fields if name != "kind" and name in raw
        )
        choices = cls(spec_type, values)
        choices._check()
        return choices

    def narrowed(self, field: str, options: tuple[Value, ...]) -> OperatorChoices:
        """The same choices with fewer values for one field."""
        return OperatorChoices(
            self.spec_type, tuple((name, options if name == field else every) for name, every in self.values)
        )

    @cached_property
    def kind(self) -> str:
        return str(self.spec_type.model_fields["kind"].default)

    @cached_property
    def legal(self) -> tuple[Spec, ...]:
        """Every combination of values that the spec accepts, in the order of the values."""
        return tuple(spec for combination in self._combinations() if isinstance(spec := self._build(combination), Spec))

    @cached_property
    def smallest(self) -> Spec:
        return min(self.legal, key=self._size)

    @cached_property
    def largest(self) -> Spec:
        return max(self.legal, key=self._size)

    def questions(self, fixed: Fixed = ()) -> Iterator[tuple[str, tuple[Value, ...]]]:
        """Every named parameter with its choices, those of all branches included."""
        if len(fixed) == len(self.values):
            return
        name, options = self._question(fixed)
        if len(options) > 1:
            yield name, options
        field = self.values[len(fixed)][0]
        seen = set()
        for option in options:
            for question in self.questions((*fixed, (field, option))):
                if question[0] not in seen:
                    seen.add(question[0])
                    yield question

    def choose(self, choose: Choose, prefix: str) -> Spec:
        """Settle one field after the other by asking `choose(name, options)` wherever more than one value is legal."""
        fixed: Fixed = ()
        for field, _ in self.values:
            name, options = self._question(fixed)
            value = choose(f"{prefix}.{name}", options) if len(options) > 1 else options[0]
            fixed = (*fixed, (field, value))
        return self._by_values[tuple(value for _, value in fixed)]

    def answers(self, spec: Spec) -> dict[str, Value]:
        """The named parameters that lead `choose` to `spec`."""
        answers: dict[str, Value] = {}
        fixed: Fixed = ()
        for field, _ in self.values:
            name, options = self._question(fixed)
            if len(options) > 1:
                answers[name] = getattr(spec, field)
            fixed = (*fixed, (field, getattr(spec, field)))
        return answers

    @cached_property
    def _by_values(self) -> dict[tuple[Value, ...], Spec]:
        return {tuple(getattr(spec, field) for field, _ in self.values): spec for spec in self.legal}

    @cached_property
    def _questions(self) -> dict[Fixed, tuple[str, tuple[Value, ...]]]:
        """What was asked before, by what was fixed then."""
        return {}

    def _question(self, fixed: Fixed) -> tuple[str, tuple[Value, ...]]:
        """Name and options of the next field; the name carries what is fixed where that narrows the options."""
        if fixed not in self._questions:
            self._questions[fixed] = self._next_question(fixed)
        return self._questions[fixed]

    def _next_question(self, fixed: Fixed) -> tuple[str, tuple[Value, ...]]:
        field, every = self.values[len(fixed)]
        reachable = {getattr(spec, field) for spec in self.legal if self._matches(spec, fixed)}
        options = tuple(value for value in every if value in reachable)
        if len(options) == len(every):
            return f"{self.kind}.{field}", options
        condition = ",".join(f"{name}={value}" for name, value in fixed)
        return f"{self.kind}.{field}[{condition}]", options

    def _combinations(self) -> Iterator[dict[str, Value]]:
        names = [name for name, _ in self.values]
        for combination in product(*(options for _, options in self.values)):
            yield dict(zip(names, combination, strict=True))

    def _build(self, combination: Mapping[str, Value]) -> Spec | ValidationError:
        try:
            return self.spec_type(**combination)
        except ValidationError as error:
            return error

    def _check(self) -> None:
        refused = [built for c in self._combinations() if isinstance(built := self._build(c), ValidationError)]
        if not self.legal:
            problem = refused[0].errors(include_url=False)[0]
            where = ".".join(str(part) for part in problem["loc"]) or self.kind
            raise ValueError(f"{where}: {problem['msg']}; got {problem['input']!r}")
        for field, options in self.values:
            used = {getattr(spec, field) for spec in self.legal}
            for value in options:
                if value not in used:
                    raise ValueError(f"{field}: no combination with this value is legal; got {value!r}")

    def _size(self, spec: Spec) -> int:
        """How far up its choices every field stands; None means unlimited and is the largest."""
        return sum(
            sorted(options, key=lambda value: (value is None, value)).index(getattr(spec, field))  # type: ignore[arg-type,return-value]
            for field, options in self.values
        )

    @staticmethod
    def _matches(spec: Spec, fixed: Fixed) -> bool:
        return all(getattr(spec, field) == value for field, value in fixed)


def _as_choice(name: str, raw: Any) -> tuple[Value, ...]:
    options = tuple(raw) if isinstance(raw, Sequence) and not isinstance(raw, str) else (raw,)
    if not options:
        raise ValueError(f"{name}: a choice needs at least one value; got []")
    if any(isinstance(option, (Mapping, list)) for option in options):
        raise ValueError(f"{name}: a choice is a value or a list of values; got {raw!r}")
    if len(set(options)) != len(options):
        raise ValueError(f"{name}: every value of a choice is listed once; got {raw!r}")
    return options
