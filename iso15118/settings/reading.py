"""A table of a TOML file into a settings class, key by key; whatever is wrong is refused by name.

No value is converted on the quiet: a text is no number, and 1 is not true.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, get_origin

import msgspec
from msgspec import Struct

from iso15118.errors import ConfigError
from iso15118.settings.choice import choose, nearest
from iso15118.settings.fields import Field, enum_names, fields

__all__ = ["read_struct", "read_toml"]

S = TypeVar("S", bound=Struct)


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file. Raises ``ConfigError`` if it cannot be read or is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), "is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), f"is no TOML: {error}") from error


def read_struct(
    kind: type[S], table: Mapping[str, Any], where: str = "", *, elsewhere: Mapping[str, str] | None = None
) -> S:
    """Make a ``kind`` of ``table``, whose dotted name is ``where``.

    ``elsewhere``: fields that are not set here, each with the key that sets it. Raises ``ConfigError`` with the dotted key.
    """
    elsewhere = elsewhere or {}
    known = {field.name: field for field in fields(kind) if field.name not in elsewhere}
    values: dict[str, Any] = {}
    for name, value in table.items():
        key = _dotted(where, name)
        if name in elsewhere:
            raise ConfigError(key, "is not set here", f"use {elsewhere[name]}")
        if name not in known:
            raise ConfigError(
                key, "there is no such key", f"did you mean {_dotted(where, nearest(name, known))!r}?"
            )
        values[name] = _value(key, value, known[name], elsewhere)
    for name, field in known.items():
        if name not in values and field.default is msgspec.NODEFAULT:
            raise ConfigError(_dotted(where, name), "is missing", field.wanted)
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(_under(where, error.key), error.reason, error.hint) from error


def _value(key: str, value: Any, field: Field, elsewhere: Mapping[str, str]) -> Any:
    if field.item is not None:
        if not isinstance(value, list):
            raise ConfigError(key, f"{_shown(value)} is no list", field.wanted)
        return tuple(_one(f"{key}[{place}]", one, field, field.item) for place, one in enumerate(value))
    if field.is_table:
        if not isinstance(value, dict):
            raise ConfigError(key, f"{_shown(value)} is no table", f"write it as [{key}] with its keys below")
        return read_struct(field.kind, value, key, elsewhere=elsewhere)
    return _one(key, value, field, field.kind)


def _one(key: str, value: Any, field: Field, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        return choose(key, _text(key, value, field), field.values or ())
    if issubclass(kind, Enum):
        names = enum_names(kind)
        return names[choose(key, _text(key, value, field), names)]
    if kind is bool:
        if type(value) is not bool:
            raise ConfigError(key, f"{_shown(value)} is neither true nor false", field.wanted)
        return value
    if kind in (int, float):
        return _number(key, value, field, kind)
    text = _text(key, value, field)
    if kind is bytes:
        try:
            return bytes.fromhex(text.replace(":", ""))
        except ValueError:
            raise ConfigError(key, f"{text!r} is not hexadecimal", field.wanted) from None
    return Path(text) if kind is Path else text


def _text(key: str, value: Any, field: Field) -> str:
    if not isinstance(value, str):
        raise ConfigError(key, f"{_shown(value)} is no text", field.wanted)
    return value


def _number(key: str, value: Any, field: Field, kind: Any) -> int | float:
    fits = type(value) is int or (kind is float and type(value) is float and math.isfinite(value))
    if not fits:
        what = "whole number" if kind is int else "number"
        raise ConfigError(key, f"{_shown(value)} is no {what}", field.wanted)
    if (field.least is not None and value < field.least) or (field.most is not None and value > field.most):
        raise ConfigError(key, f"{value} is out of range", field.wanted)
    number: int | float = kind(value)
    return number


def _shown(value: Any) -> str:
    return "a table" if isinstance(value, dict) else repr(value)


def _dotted(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _under(where: str, key: str) -> str:
    """The key of an error raised by the class itself, which may know the name of its own table, but not what that is part of."""
    table, _, name = key.rpartition(".")
    return _dotted(where, name) if table and where.split(".")[-1] == table else _dotted(where, key)
