"""Reading the parts of a space from plain data. What breaks a rule is refused: source, key path, rule and value."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from ..errors import InputError
from .architecture import RESIDUALS
from .hidden import HIDDEN, Dense
from .layout import Layout, StageChoices
from .operators import Spec
from .operators.choices import OperatorChoices
from .pattern import Pattern

DENSE = (OperatorChoices(Dense, ()),)


def read_layout(source: str, raw: Mapping[str, Any]) -> Layout:
    """`width` and `depth` of a decoder for text, or the `stages` of an image pyramid."""
    if "stages" not in raw:
        for key in ("width", "depth"):
            if key not in raw:
                raise InputError(f"{source}: {key}: this key is needed; got nothing")
        stage = StageChoices(read_sizes(source, "width", raw["width"]), read_sizes(source, "depth", raw["depth"]))
        return Layout((stage,), pyramid=False)
    for key in ("width", "depth"):
        if key in raw:
            raise InputError(f"{source}: {key}: either {key} or stages; got both")
    if not isinstance(raw["stages"], list) or not raw["stages"]:
        raise InputError(f"{source}: stages: a list of at least one stage; got {raw['stages']!r}")
    stages = tuple(_read_stage(source, index, stage) for index, stage in enumerate(raw["stages"]))
    for index, (before, stage) in enumerate(pairwise(stages), 1):
        if min(stage.width) < max(before.width):
            raise InputError(
                f"{source}: stages.{index}.width: at least every width of the stage before, {max(before.width)}; "
                f"got {min(stage.width)}"
            )
    return Layout(stages, pyramid=True)


def _read_stage(source: str, index: int, raw: Any) -> StageChoices:
    key = f"stages.{index}"
    if not isinstance(raw, Mapping) or set(raw) != {"width", "depth"}:
        raise InputError(f"{source}: {key}: a stage has the keys width and depth; got {raw!r}")
    return StageChoices(
        read_sizes(source, f"{key}.width", raw["width"]), read_sizes(source, f"{key}.depth", raw["depth"])
    )


def read_sizes(source: str, key: str, raw: Any) -> tuple[int, ...]:
    """A whole number or a list of different ones."""
    sizes = tuple(raw) if isinstance(raw, list) else (raw,)
    if not sizes:
        raise InputError(f"{source}: {key}: a choice needs at least one value; got []")
    for size in sizes:
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise InputError(f"{source}: {key}: whole numbers of at least 1; got {size!r}")
    if len(set(sizes)) != len(sizes):
        raise InputError(f"{source}: {key}: every value of a choice is listed once; got {list(sizes)}")
    return sizes


def read_operators(source: str, key: str, raw: Any, table: Mapping[str, type[Spec]]) -> tuple[OperatorChoices, ...]:
    """A list of operators with the choices of each."""
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


def check_halves(source: str, token: tuple[OperatorChoices, ...], channel: tuple[OperatorChoices, ...]) -> None:
    """Refuse a `none` that no legal block can hold, because the other half is `none` as well."""
    for key, here, there in (("token_mixers", token, channel), ("channel_mixers", channel, token)):
        if {choices.kind for choices in there} == {"none"}:
            for index, choices in enumerate(here):
                if choices.kind == "none":
                    raise InputError(f"{source}: {key}.{index}.kind: not none where the other half is; got 'none'")


def check_medium(source: str, token_mixers: tuple[OperatorChoices, ...], layout: Layout) -> None:
    """Refuse a token mixer, or a value of one of its fields, that does not read what the space is for."""
    medium = "image" if layout.pyramid else "text"
    for index, choices in enumerate(token_mixers):
        if medium not in choices.spec_type.media:
            raise InputError(f"{source}: token_mixers.{index}.kind: one that reads {medium}s; got {choices.kind!r}")
        for spec in choices.legal if layout.pyramid else ():
            try:
                spec.check_grid()
            except ValueError as error:
                raise InputError(f"{source}: token_mixers.{index}.{error}") from None


def read_residual(source: str, raw: Any) -> tuple[str, ...]:
    """One way to join the residual stream, or a list of them."""
    options = tuple(raw) if isinstance(raw, list) else (raw,)
    if not options or len(set(options)) != len(options):
        raise InputError(f"{source}: residual: a list of different values; got {raw!r}")
    for option in options:
        if option not in RESIDUALS:
            raise InputError(f"{source}: residual: one of {', '.join(RESIDUALS)}; got {option!r}")
    return options


def read_hidden(source: str, raw: Any, layout: Layout) -> tuple[OperatorChoices, ...]:
    """What of the residual stream's width is read. Groups are what subnets share, so their size is one for a space."""
    hidden = read_operators(source, "hidden", raw, HIDDEN)
    for choices in hidden:
        for field, options in choices.values:
            sizes = [size for size in options if (field, size) != ("fusion_blocks", 1)]
            if field in ("group_size", "fusion_blocks") and len(sizes) > 1:
                raise InputError(f"{source}: hidden.{field}: one size for a whole space; got {sizes}")
        if choices.kind != "dense" and layout.pyramid:
            raise InputError(f"{source}: hidden: dense where there are stages; got {choices.kind!r}")
        for spec in choices.legal:
            for width in layout.stages[0].width:
                try:
                    spec.check_width(width)  # type: ignore[attr-defined]
                except ValueError as error:
                    raise InputError(f"{source}: {error}") from None
    return hidden


def read_pattern(source: str, raw: Any, token_mixers: tuple[OperatorChoices, ...], layout: Layout) -> Pattern | None:
    """The declared pattern, when there is one."""
    if raw is None:
        return None
    try:
        return Pattern.parse(raw, token_mixers, layout.least_depth)
    except ValueError as error:
        raise InputError(f"{source}: pattern.{error}".replace(".:", ":")) from None
