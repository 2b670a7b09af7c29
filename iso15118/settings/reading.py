"""A table of a TOML file into a settings class, key by key; whatever is wrong is refused by name.

No value is converted on the quiet: a text is no number, and 1 is not true.
"""

from __future__ import annotations

import math
import stat
import tomllib
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_origin

import msgspec
from msgspec import Struct

from iso15118.errors import ConfigError, Problems
from iso15118.settings.choice import MANY_BITS, choose, nearest, shown
from iso15118.settings.fields import Field, enum_names, fields

__all__ = ["read_file", "read_struct", "read_toml", "read_values"]

S = TypeVar("S", bound=Struct)

LONGEST_FILE: Final = 1024 * 1024
"""Octets; a configuration with every key has about 20,000."""
_LONGEST_NAME: Final = 60


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file. Raises ``ConfigError`` if it cannot be read or is no TOML."""
    try:
        return tomllib.loads(read_file(path, str(path), LONGEST_FILE).decode())
    except UnicodeDecodeError as error:
        raise ConfigError(
            str(path), f"is not UTF-8 text: octet {error.start} is 0x{error.object[error.start]:02x}"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), f"is no TOML: {error}") from error
    except ValueError as error:  # a whole number with thousands of digits, which the parser leaves to Python
        raise ConfigError(
            str(path), f"has a value that cannot be read: {error}", "a shorter number"
        ) from error
    except RecursionError as error:
        raise ConfigError(
            str(path), "is nested too deeply", "no key takes more than a list of texts"
        ) from error


def read_file(path: Path, key: str, most: int) -> bytes:
    """The octets of a regular file of at most ``most`` octets: a device has no end, and a pipe may never
    begin. Raises ``ConfigError`` about ``key``."""
    try:
        # What is no regular file is not even opened: that can wait for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(key, f"{path} is no regular file", "a file, not a folder, a device or a pipe")
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise ConfigError(
            key,
            f"{'' if key == str(path) else f'{path} '}cannot be read: {error.strerror}",
            "name a file that can be read",
        ) from error
    except ValueError as error:  # a NUL in a path
        raise ConfigError(key, f"{str(path)!r} is no path: {error}") from error
    if len(content) > most:
        raise ConfigError(key, f"{path} is longer than {most} octets", "is it the right file?")
    return content


def read_struct(
    kind: type[S], table: Mapping[str, Any], where: str = "", *, elsewhere: Mapping[str, str] | None = None
) -> S:
    """Make a ``kind`` of ``table``, whose dotted name is ``where``.

    ``elsewhere``: fields that are not set here, by name or by dotted key, each with the key that sets
    it. Raises ``ConfigError`` with the dotted key; where several keys are wrong,
    ``SeveralConfigError`` with all of them.
    """
    elsewhere = elsewhere or {}
    problems = Problems()
    values: dict[str, Any] = {}
    with problems.noted():
        values = read_values(kind, table, where, elsewhere=elsewhere)
    for name, field in _known(kind, where, elsewhere).items():
        if name not in table and field.default is msgspec.NODEFAULT:
            with problems.noted():
                raise ConfigError(_dotted(where, name), "is missing", field.wanted)
    problems.tell()
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(_under(where, error.key), error.reason, error.hint) from error
    except (OverflowError, ValueError) as error:
        raise ConfigError(where or kind.__name__, f"these values do not go together: {error}") from error


def read_values(
    kind: type[Struct],
    table: Mapping[str, Any],
    where: str = "",
    *,
    elsewhere: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The values of ``table`` for fields of ``kind``, each checked by itself: whether they go together, and
    whether one is missing, is for whoever makes a ``kind`` of them. Raises as ``read_struct``."""
    elsewhere = elsewhere or {}
    own = {field.name for field in fields(kind)}
    known = _known(kind, where, elsewhere)
    values: dict[str, Any] = {}
    problems = Problems()
    for name, value in table.items():
        key = _dotted(where, _name(name))
        with problems.noted():
            if name in own and name not in known:
                raise ConfigError(key, "is not set here", f"use {elsewhere.get(name) or elsewhere[key]}")
            if name not in known:
                raise ConfigError(
                    key, "there is no such key", f"did you mean {_dotted(where, nearest(name, known))!r}?"
                )
            values[name] = _value(key, value, known[name], elsewhere)
    problems.tell()
    return values


def _known(kind: type[Struct], where: str, elsewhere: Mapping[str, str]) -> dict[str, Field]:
    return {
        field.name: field
        for field in fields(kind)
        if field.name not in elsewhere and _dotted(where, field.name) not in elsewhere
    }


def _value(key: str, value: Any, field: Field, elsewhere: Mapping[str, str]) -> Any:
    if field.item is not None:
        if not isinstance(value, list):
            raise ConfigError(key, f"{shown(value)} is no list", field.wanted)
        items: dict[Any, None] = {}  # in their order
        for place, one in enumerate(value):
            item = _item(f"{key}[{place}]", one, field, elsewhere)
            if item in items:
                raise ConfigError(f"{key}[{place}]", f"{shown(one)} is listed twice", "list each once")
            items[item] = None
        return tuple(items)
    if field.is_table:
        if not isinstance(value, dict):
            raise ConfigError(key, f"{shown(value)} is no table", f"write it as [{key}] with its keys below")
        return read_struct(field.kind, value, key, elsewhere=elsewhere)
    return _one(key, value, field, field.kind)


def _item(key: str, value: Any, field: Field, elsewhere: Mapping[str, str]) -> Any:
    if not field.has_tables:
        return _one(key, value, field, field.item)
    if not isinstance(value, dict):
        raise ConfigError(key, f"{shown(value)} is no table", field.wanted)
    return read_struct(field.item, value, key, elsewhere=elsewhere)


def _one(key: str, value: Any, field: Field, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        return choose(key, _text(key, value, field), field.values or ())
    if issubclass(kind, Enum):
        names = enum_names(kind)
        return names[choose(key, _text(key, value, field), names)]
    if kind is bool:
        if type(value) is not bool:
            raise ConfigError(key, f"{shown(value)} is neither true nor false", field.wanted)
        return value
    if kind in (int, float):
        return _number(key, value, field, kind)
    text = _text(key, value, field)
    if field.choices:
        return choose(key, text, field.choices)
    if kind is bytes:
        try:
            return bytes.fromhex(text.replace(":", ""))
        except ValueError:
            raise ConfigError(key, f"{shown(text)} is not hexadecimal", field.wanted) from None
    return Path(text) if kind is Path else text


def _text(key: str, value: Any, field: Field) -> str:
    if not isinstance(value, str):
        raise ConfigError(key, f"{shown(value)} is no text", field.wanted)
    for place, character in enumerate(value):
        if not character.isprintable():
            raise ConfigError(
                key,
                f"character {place + 1} of {shown(value)} is U+{ord(character):04X}, which nobody can see",
                "leave it out",
            )
    return value


def _number(key: str, value: Any, field: Field, kind: Any) -> int | float:
    fits = type(value) is int or (kind is float and type(value) is float and math.isfinite(value))
    if not fits:
        what = "whole number" if kind is int else "number"
        raise ConfigError(key, f"{shown(value)} is no {what}", field.wanted)
    if type(value) is int and value.bit_length() >= MANY_BITS:
        raise ConfigError(key, f"{shown(value)} is out of range", field.wanted)
    if (field.least is not None and value < field.least) or (field.most is not None and value > field.most):
        raise ConfigError(key, f"{value} is out of range", field.wanted)
    number: int | float = kind(value)
    return number


def _name(name: str) -> str:
    """A key as it may be shown: one that is no key may be anything."""
    return name if name.isprintable() and len(name) <= _LONGEST_NAME else shown(name)


def _dotted(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _under(where: str, key: str) -> str:
    """The key of an error raised by the class itself, which may know the name of its own table, but
    not what that is part of."""
    table, _, name = key.rpartition(".")
    return _dotted(where, name) if table and where.split(".")[-1] == table else _dotted(where, key)
