"""Types and ranges of settings, written once, at the field, ranges as ``msgspec.Meta``: checked whoever makes
the settings, a file or a program, and shown by ``iso15118 config show``.

A class of settings is ``Ranged``, or calls :func:`check_fields` before its own checks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import timedelta
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct

from .errors import ConfigError

__all__ = [
    "MOST",
    "Count",
    "Duration",
    "HowLong",
    "Range",
    "Ranged",
    "Share",
    "check_fields",
    "is_number",
    "listed_once",
    "range_of",
    "shown",
]

Duration = Annotated[float, Meta(ge=0.001, le=86_400.0)]
"""A timer or a pause in s, from a millisecond to a day: none at all, or one without end, is no duration."""
HowLong = Annotated[float, Meta(ge=0.0, le=3600.0)]
"""How long something has to last in s before anything is done; 0: at once."""
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
"""A share; 1 is all of it."""
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
"""How many."""

MOST: Final = 1e15
"""A limit in V, A or W beyond this is a mistake, and what is reckoned from it fits no message."""

_LONGEST_SHOWN: Final = 100
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
    """Settings whose fields are checked. Raises ``ConfigError`` naming the key."""

    def __post_init__(self) -> None:
        check_fields(self)


def check_fields(settings: Struct, table: str = "") -> None:
    """Every field of these settings is of the type that its class says, and every number within its range.
    ``table``: what stands before the key in an error.

    A text where a member of an enumeration belongs equals none of them, and "false" is as good as true:
    either would switch off a check in silence. Nothing is converted, as in files. Raises ``ConfigError`` with
    the key, the value and what it has to be.
    """
    for name, legal in _legal(type(settings)):
        value = getattr(settings, name)
        if value is None and legal.optional:
            continue
        key = f"{table}.{name}" if table else name
        if not legal.many:
            _check_value(key, value, legal)
            continue
        if type(value) is not tuple:
            raise ConfigError(key, f"{shown(value)} is no tuple", f"a tuple, each of it {legal.wanted}")
        for one in value:
            if one is not None or not legal.gaps:
                _check_value(key, one, legal)


def _check_value(key: str, value: Any, legal: _Legal) -> None:
    if legal.number is not None:
        _check_number(key, value, legal.number)
    elif legal.choices:
        if not any(type(value) is type(one) and value == one for one in legal.choices):
            raise ConfigError(key, f"{shown(value)} is none of the choices", legal.wanted)
    elif legal.kind is Callable:
        if not callable(value):
            raise ConfigError(key, f"{shown(value)} cannot be called", legal.wanted)
    elif type(value) is not legal.kind and (legal.kind is bool or not isinstance(value, legal.kind)):
        raise ConfigError(key, f"{shown(value)} is a value of another type", legal.wanted)


def _check_number(key: str, value: Any, legal: Range) -> None:
    kinds = (int,) if legal.whole else (int, float)
    if type(value) not in kinds:
        raise ConfigError(key, f"{shown(value)} is no {'whole ' if legal.whole else ''}number", str(legal))
    if isinstance(value, int) and value.bit_length() >= _MANY_BITS:
        raise ConfigError(key, f"a whole number of {value.bit_length()} bits is out of range", str(legal))
    if not math.isfinite(value):
        raise ConfigError(key, f"{value!r} is no number", str(legal))
    if (legal.least is not None and value < legal.least) or (legal.most is not None and value > legal.most):
        raise ConfigError(key, f"{value!r} is out of range", str(legal))


def shown(value: Any) -> str:
    """A wrong value in an error: it may be anything, and endless, or fail when it is to be shown."""
    try:
        return repr(value)[:_LONGEST_SHOWN]
    except Exception:  # whatever it is, it is of the wrong type
        return f"({type(value).__name__})"


def is_number(value: Any, least: float, most: float = MOST) -> bool:
    """A float, a library's own as well, or a whole number, from ``least`` to ``most``: NaN is none, and True
    is no number."""
    return isinstance(value, (float, int)) and type(value) is not bool and least <= value <= most


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


class _Legal(NamedTuple):
    """What a field may be, or, where it has ``many``, each of its items, of which some may be None
    (``gaps``)."""

    many: bool
    optional: bool
    number: Range | None
    choices: tuple[Any, ...]
    kind: Any
    """A class, or several of them; ``Callable``: whatever can be called."""
    gaps: bool = False

    @property
    def wanted(self) -> str:
        if self.number is not None:
            return str(self.number)
        if self.choices:
            return "one of " + ", ".join(repr(one) for one in self.choices)
        kinds = self.kind if isinstance(self.kind, tuple) else (self.kind,)
        return " or ".join(_word(kind) for kind in kinds)


_WORDS: Final = {
    bool: "True or False",
    str: "a text",
    bytes: "octets (bytes)",
    Path: "a pathlib.Path",
    timedelta: "a datetime.timedelta",
    Callable: "a function",
}


def _word(kind: Any) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    if issubclass(kind, Enum):
        return "one of " + ", ".join(f"{kind.__name__}.{one.name}" for one in kind)
    return f"a value of {kind.__module__}.{kind.__qualname__}"


@cache
def _legal(kind: type[Struct]) -> tuple[tuple[str, _Legal], ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple((name, _of(hints[name])) for name in kind.__struct_fields__)


def _of(annotation: Any) -> _Legal:
    """What an annotation allows: a number, a choice, a class, one of these or None, or a tuple of one."""
    number = range_of(annotation)
    if number is not None:
        return _Legal(False, number.optional, number, (), None)
    if get_origin(annotation) is Annotated:
        return _of(get_args(annotation)[0])
    parts = get_args(annotation)
    if get_origin(annotation) is Literal:
        return _Legal(False, False, None, parts, None)
    if get_origin(annotation) is tuple:
        item = _of(parts[0])
        return item._replace(many=True, optional=False, gaps=item.optional)
    if get_origin(annotation) is Callable:
        return _Legal(False, False, None, (), Callable)
    if NoneType in parts:
        others = tuple(part for part in parts if part is not NoneType)
        found = _of(others[0]) if len(others) == 1 else _Legal(False, False, None, (), others)
        return found._replace(optional=True)
    return _Legal(False, False, None, (), annotation)


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
