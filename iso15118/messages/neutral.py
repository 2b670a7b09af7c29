"""A value of a message type that says nothing: for the mandatory fields of a refusal, which carry no meaning.

Whatever is optional is left out. What the type cannot say is given by the caller, by type.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin

import msgspec

from iso15118.errors import MisuseError

__all__ = ["mandatory", "neutral"]

_PLAIN: dict[object, Any] = {bool: False, int: 0, str: "", bytes: b""}


def neutral(kind: Any, known: Mapping[Any, Any]) -> Any:
    """The emptiest value of ``kind``: numbers are 0, lists have one entry, enumerations their first
    value, a choice its first branch.

    ``known`` has what stands for a type instead, wherever it is met below. Raises ``MisuseError`` for
    what is no type of a message.
    """
    if kind in known:
        return known[kind]
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind(**{name: neutral(part, known) for name, part in mandatory(kind)})
    origin = get_origin(kind)
    if origin is tuple:
        return (neutral(get_args(kind)[0], known),)
    if origin is UnionType or origin is typing.Union:
        branches = get_args(kind)
        return next((known[branch] for branch in branches if branch in known), None) or neutral(
            branches[0], known
        )
    raise MisuseError(f"{kind!r} is no type of a message")


@cache
def mandatory(kind: type[msgspec.Struct]) -> tuple[tuple[str, Any], ...]:
    """Name and type of each field that has to be there; kept, since reading the annotations of a class takes
    far longer than making one of it."""
    hints = typing.get_type_hints(kind)
    return tuple((one.name, hints[one.name]) for one in msgspec.structs.fields(kind) if one.required)
