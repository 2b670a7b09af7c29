"""Values of ports made plain: a float of a numeric library is a number too, but nothing that comes after
should have to trust its arithmetic, its comparisons or its text.

What is no float is left for those who judge the value.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from msgspec import Struct, structs

from iso15118.errors import ConfigError, HardwareError

__all__ = ["made_again", "plain"]

_DEEPEST: Final = 8
_LONGEST: Final = 1024
_PLAIN: Final = frozenset((float, int, bool, str, bytes, type(None)))

Value = TypeVar("Value")


def plain(value: Value, name: str) -> Value:
    """The same value, with plain floats in it and in the tuples and values within it. ``name`` is said in the
    ``HardwareError`` of one that is nested too deeply, or too long."""
    made: Value = _plain(value, name, 0, False)
    return made


def made_again(value: Value, name: str) -> Value:
    """As ``plain``; and every value in it judges itself once more, since its owner may have changed it in
    place. Raises ``HardwareError`` with what is wrong."""
    try:
        made: Value = _plain(value, name, 0, True)
    except ConfigError as error:
        raise HardwareError(f"{name}: {error}") from error
    return made


def _plain(value: Any, name: str, depth: int, again: bool) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if issubclass(kind, float):
        return float.__float__(value)
    if kind is tuple:
        _look_at_size(name, depth, len(value))
        parts = tuple([_plain(part, name, depth + 1, again) for part in value])
        return value if all(map(_is, parts, value)) else parts
    if issubclass(kind, Struct):
        _look_at_size(name, depth, 0)
        changed = {}
        for field in kind.__struct_fields__:
            part = getattr(value, field)
            made = _plain(part, name, depth + 1, again)
            if made is not part:
                changed[field] = made
        return structs.replace(value, **changed) if changed or again else value
    return value


def _is(one: object, other: object) -> bool:
    return one is other


def _look_at_size(name: str, depth: int, length: int) -> None:
    if depth > _DEEPEST or length > _LONGEST:
        raise HardwareError(f"{name} is nested too deeply, or has too many entries")
