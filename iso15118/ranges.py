"""Ranges of the numbers in settings, written once, at the field, as ``msgspec.Meta``: checked whoever makes
the settings, a file or a program, and shown by ``iso15118 config show``.

A class of settings is ``Ranged``, or calls :func:`check_numbers` before its own checks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from types import NoneType
from typing import Annotated, Any, Final, NamedTuple, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct

from .errors import ConfigError

__all__ = [
    "Count",
    "Duration",
    "HowLong",
    "Range",
    "Ranged",
    "Share",
    "check_numbers",
    "listed_once",
    "range_of",
]

Duration = Annotated[float, Meta(ge=0.001, le=86_400.0)]
"""A timer or a pause in s, from a millisecond to a day: none at all, or one without end, is no duration."""
HowLong = Annotated[float, Meta(ge=0.0, le=3600.0)]
"""How long something has to last in s before anything is done; 0: at once."""
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
"""A share; 1 is all of it."""
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
"""How many."""

_MANY_BITS: Final = 1024
"""Whole numbers beyond this fit no float, and are not converted to text."""


class Range(NamedTuple):
    """What a number may be."""

    whole: bool
    optional: bool
    """None is possible."""
    least: float | None
    most: float | None

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.least is not None and self.most is not None:
            return f"{kind} from {self.least:g} to {self.most:g}"
        return kind if self.least is None else f"{kind}, {self.least:g} or more"


class Ranged(Struct, frozen=True, kw_only=True):
    """Settings whose numbers are checked. Raises ``ConfigError`` naming the key."""

    def __post_init__(self) -> None:
        check_numbers(self)


def check_numbers(settings: Struct, table: str = "") -> None:
    """Every number of these settings is a number within its range. ``table``: what
    stands before the key in an error.

    Raises ``ConfigError`` with the key, the value and what it has to be.
    """
    for name, legal in _ranges(type(settings)):
        value = getattr(settings, name)
        if value is None and legal.optional:
            continue
        key = f"{table}.{name}" if table else name
        kinds = (int,) if legal.whole else (int, float)
        if type(value) not in kinds:
            raise ConfigError(key, f"{value!r} is no {'whole ' if legal.whole else ''}number", str(legal))
        if isinstance(value, int) and value.bit_length() >= _MANY_BITS:
            raise ConfigError(key, f"a whole number of {value.bit_length()} bits is out of range", str(legal))
        if not math.isfinite(value):
            raise ConfigError(key, f"{value!r} is no number", str(legal))
        if (legal.least is not None and value < legal.least) or (
            legal.most is not None and value > legal.most
        ):
            raise ConfigError(key, f"{value!r} is out of range", str(legal))


def listed_once(key: str, values: Iterable[Any]) -> None:
    """Raises ``ConfigError`` if one of these stands there twice: an order of preference,
    or an offer, has each once."""
    seen: list[Any] = []
    for value in values:
        if value in seen:
            raise ConfigError(key, f"{getattr(value, 'name', value)!s} is listed twice", "list each once")
        seen.append(value)


def range_of(annotation: Any) -> Range | None:
    """The range that an annotation says; None for what is no number."""
    whole, optional, metas = _taken_apart(annotation)
    if whole is None:
        return None
    return Range(
        whole,
        optional,
        next((meta.ge for meta in metas if meta.ge is not None), None),
        next((meta.le for meta in metas if meta.le is not None), None),
    )


@cache
def _ranges(kind: type[Struct]) -> tuple[tuple[str, Range], ...]:
    hints = get_type_hints(kind, include_extras=True)
    found = ((name, range_of(hints[name])) for name in kind.__struct_fields__)
    return tuple((name, legal) for name, legal in found if legal is not None)


def _taken_apart(annotation: Any) -> tuple[bool | None, bool, list[Meta]]:
    """Whole number or not (None: no number), optional or not, and what is said about it."""
    if annotation in (int, float):
        return annotation is int, False, []
    if get_origin(annotation) is Annotated:
        kind, *extras = get_args(annotation)
        whole, optional, metas = _taken_apart(kind)
        return whole, optional, [*metas, *(one for one in extras if isinstance(one, Meta))]
    parts = get_args(annotation)
    if NoneType in parts and len(parts) == 2:
        whole, _, metas = _taken_apart(next(part for part in parts if part is not NoneType))
        return whole, True, metas
    return None, False, []
