"""The view of a page as the query of its address says it: a few keys, each with its choices, the first the default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlencode

from ..errors import InputError

Choices = Mapping[str, Sequence[str]]


def given_choices(search: str | None, choices: Choices) -> dict[str, str]:
    """What the query says, of the keys that it names.

    Raises:
        InputError: an unknown key, or a value that is not one of the key's choices.
    """
    given = dict(parse_qsl((search or "").lstrip("?"), keep_blank_values=True))
    for key, value in given.items():
        if key not in choices:
            raise InputError(f"address: the view has the keys {', '.join(choices)}; got {key!r}")
        if value not in choices[key]:
            raise InputError(f"address: {key}: one of {', '.join(choices[key])}; got {value!r}")
    return given


def parse_choices(search: str | None, choices: Choices) -> dict[str, str]:
    """What the query says of every key; the default where it says nothing. Raises InputError as `given_choices`."""
    given = given_choices(search, choices)
    return {key: given.get(key, allowed[0]) for key, allowed in choices.items()}


def read_choices(search: str | None, choices: Choices) -> tuple[dict[str, str], str | None]:
    """The view of an address and, where the address is wrong, the default view with the line that says why."""
    try:
        return parse_choices(search, choices), None
    except InputError as error:
        return {key: allowed[0] for key, allowed in choices.items()}, str(error)


def write_choices(view: Mapping[str, str], choices: Choices) -> str:
    """The query that `parse_choices` reads back, question mark included; what stands at its default is left out."""
    changed = {key: view[key] for key, allowed in choices.items() if view[key] != allowed[0]}
    return f"?{urlencode(changed)}" if changed else ""
