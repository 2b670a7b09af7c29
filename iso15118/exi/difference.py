"""What two messages differ in, human-readable: one line for each place, by the names of the classes."""

from __future__ import annotations

import enum
from collections.abc import Iterator

import msgspec

from .codec import Message

_SHOWN = 64
"""Octets of a binary, or characters of a text, that a line shows."""


def diff(left: Message, right: Message) -> list[str]:
    """The places where two messages differ, as "path: left -> right"; empty if they are equal.

    A path is made of field names, with the position in a list: ``service_list.service[2].free_service``. What
    only one of the two has is "absent" in the other; items of lists are compared by their position.
    """
    return list(_differences("", left, right))


def _differences(path: str, left: object, right: object) -> Iterator[str]:
    if isinstance(left, msgspec.Struct) and type(left) is type(right):
        for name in left.__struct_fields__:
            yield from _differences(
                f"{path}.{name}" if path else name, getattr(left, name), getattr(right, name)
            )
    elif isinstance(left, tuple) and isinstance(right, tuple):
        for index in range(max(len(left), len(right))):
            pair = [items[index] if index < len(items) else None for items in (left, right)]
            yield from _differences(f"{path}[{index}]", *pair)
    elif left != right or type(left) is not type(right):
        yield f"{path or 'message'}: {_shown(left)} -> {_shown(right)}"


def _shown(value: object) -> str:
    if value is None:
        return "absent"
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, bytes):
        rest = f"... ({len(value)} octets)" if len(value) > _SHOWN else ""
        return value[:_SHOWN].hex() + rest
    if isinstance(value, str):
        rest = f"... ({len(value)} characters)" if len(value) > _SHOWN else ""
        return repr(value[:_SHOWN]) + rest
    if isinstance(value, msgspec.Struct):
        inside = ", ".join(f"{name}={_shown(getattr(value, name))}" for name in value.__struct_fields__)
        return f"{type(value).__name__}({inside})"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return str(value)
