"""What the explorer shows, as the query of its address says it.

Python reads an address and refuses what it does not know; the browser, where the view changes, writes it
(assets/explorer_address.js).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from ...errors import InputError
from .explored import EXPLORED

QUANTITY = tuple(EXPLORED)
SCALES = ("linear", "log")
FIDELITIES = ("both", "inherited", "finetuned")
FEASIBLE = ("yes", "no")
MOST_COMPARED = 4
MOST_CORNERS = 60
LIMIT = "max_"
RANGE = "range_"
# A rule of "pick for me" and its number: within this many percent of the best, or up to this value of the cost.
PICK = re.compile(r"(knee|(cheapest|under):(\d{1,9}(\.\d{1,9})?))")
NAME = re.compile(r"[\w.\-]{1,128}")


@dataclass(frozen=True)
class ExplorerView:
    """The state of the explorer. What stands at its default is left out of the address.

    `at` is the evaluation after which the front is shown, 0 for now; `limits` are upper limits by quantity; `zoom` is
    (x from, x to, y from, y to) as plotly has ranges, `brush` ("box" or "lasso", then x and y of each corner);
    `shown` are the choices that have an axis in the parallel coordinates and `ranges` what is brushed on them;
    `ticked` are the digests to compare.
    """

    x: str = "latency_ms"
    y: str = "val_loss"
    colour: str = ""
    xscale: str = "linear"
    yscale: str = "linear"
    fidelity: str = "both"
    feasible: str = "yes"
    at: int = 0
    over: str = ""
    pick: str = ""
    zoom: tuple[float, ...] = ()
    brush: tuple[Any, ...] = ()
    limits: dict[str, float] = field(default_factory=dict)
    shown: tuple[str, ...] = ()
    ranges: dict[str, tuple[float, ...]] = field(default_factory=dict)
    ticked: tuple[str, ...] = ()

    @classmethod
    def parse(cls, search: str | None) -> ExplorerView:
        """Read `?x=param_count&xscale=log&max_latency_ms=3.5&with=ab12,cd34`.

        Raises:
            InputError: an unknown key, or a value that is none of the key's.
        """
        pairs = dict(parse_qsl((search or "").lstrip("?"), keep_blank_values=True))
        given: dict[str, Any] = {"limits": {}, "ranges": {}}
        for key, value in pairs.items():
            if key.startswith(LIMIT):
                given["limits"][_one_of("a limit", QUANTITY)(key.removeprefix(LIMIT))] = _number(key, value)
            elif key.startswith(RANGE):
                given["ranges"][_name(key.removeprefix(RANGE))] = _numbers(key, value, (2, 4, 6, 8))
            elif key in READ:
                given["ticked" if key == "with" else key] = READ[key](value)
            else:
                raise InputError(f"address: the view has the keys {', '.join(READ)}, max_ and range_; got {key[:60]!r}")
        return cls(**given)

    def to_json(self) -> dict[str, Any]:
        """The view as the browser takes it."""
        return asdict(self)


def read_explorer_view(search: str | None) -> tuple[ExplorerView, str | None]:
    """The view of an address and, where the address is wrong, the default view with the line that says why."""
    try:
        return ExplorerView.parse(search), None
    except InputError as error:
        return ExplorerView(), str(error)


def _one_of(key: str, choices: tuple[str, ...]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise InputError(f"address: {key}: one of {', '.join(choices)}; got {value[:60]!r}")
        return value

    return read


def _number(key: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"address: {key}: a number; got {value[:60]!r}")
    return number


def _numbers(key: str, value: str, lengths: tuple[int, ...]) -> tuple[float, ...]:
    parts = value.split(",")
    if len(parts) not in lengths:
        raise InputError(f"address: {key}: {lengths[0]} to {lengths[-1]} numbers; got {len(parts)}")
    return tuple(_number(key, part) for part in parts)


def _at(value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 12:
        raise InputError(f"address: at: the number of an evaluation; got {value[:60]!r}")
    return int(value)


def _name(value: str) -> str:
    if value and not NAME.fullmatch(value):
        raise InputError(f"address: a name of letters, digits, dots and dashes; got {value[:60]!r}")
    return value


def _pick(value: str) -> str:
    if value and not PICK.fullmatch(value):
        raise InputError(f"address: pick: knee, cheapest:PERCENT or under:LIMIT; got {value[:60]!r}")
    return value


def _brush(value: str) -> tuple[Any, ...]:
    kind, _, corners = value.partition(",")
    kind = _one_of("brush", ("box", "lasso"))(kind)
    lengths = (4,) if kind == "box" else tuple(range(6, 2 * MOST_CORNERS + 2, 2))
    return (kind, *_numbers("brush", corners, lengths))


def _names(value: str) -> tuple[str, ...]:
    return tuple(_name(name) for name in value.split(",") if name)


def _ticked(value: str) -> tuple[str, ...]:
    names = _names(value)
    if len(names) > MOST_COMPARED:
        raise InputError(f"address: with: up to {MOST_COMPARED} architectures; got {len(names)}")
    return names


READ: dict[str, Callable[[str], Any]] = {
    "x": _one_of("x", QUANTITY),
    "y": _one_of("y", QUANTITY),
    "colour": _one_of("colour", ("", *QUANTITY)),
    "xscale": _one_of("xscale", SCALES),
    "yscale": _one_of("yscale", SCALES),
    "fidelity": _one_of("fidelity", FIDELITIES),
    "feasible": _one_of("feasible", FEASIBLE),
    "at": _at,
    "over": _name,
    "pick": _pick,
    "zoom": lambda value: _numbers("zoom", value, (4,)),
    "brush": _brush,
    "shown": _names,
    "with": _ticked,
}
