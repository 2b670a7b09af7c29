"""Settings as a commented TOML file, and the shape of such files as a JSON Schema:
both drawn from the classes."""

from __future__ import annotations

import json
import textwrap
import tomllib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from iso15118.settings.fields import Field, fields

__all__ = ["json_schema", "to_builtins", "to_toml"]

_WIDTH = 110


def to_toml(settings: Struct, *, without: frozenset[str] = frozenset(), where: str = "") -> str:
    """``settings`` as a file that reads back as the same value; ``without``: fields that a file does not
    have, by name or by dotted key.

    Keys that stand for nothing are commented out. ``where``: the dotted name of the table, whose own
    heading is left to the caller.
    """
    lines = [*_comment(_meaning_of(type(settings))), "", *_table(settings, where, without)]
    return "\n".join(lines).strip() + "\n"


def to_builtins(settings: Struct, *, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The same as tables and plain values, for JSON; keys that stand for nothing are absent."""
    return tomllib.loads(to_toml(settings, without=without))


def _table(settings: Struct, where: str, without: frozenset[str]) -> Iterator[str]:
    own = _own(type(settings), where, without)
    for field in own:
        if field.is_table or field.has_tables:
            continue
        value = getattr(settings, field.name)
        yield from _comment(f"{field.meaning} ({field.wanted})" if field.meaning else field.wanted)
        yield f"# {field.name} =" if value is None else f"{field.name} = {_toml(value)}"
    for field in own:
        table = f"{where}.{field.name}" if where else field.name
        if field.has_tables:
            yield from _tables(field, getattr(settings, field.name), table)
        if field.is_table:
            yield ""
            yield from _comment(_meaning_of(field.kind))
            yield f"[{table}]"
            yield from _table(getattr(settings, field.name), table, without)


def _tables(field: Field, items: tuple[Struct, ...], table: str) -> Iterator[str]:
    """A table for each of the list, of what it says; for none of them the keys that one may have."""
    yield ""
    yield from _comment(f"{field.meaning} Each is a table [[{table}]]; there are {len(items) or 'none'}.")
    if not items:
        yield from _possible(field, table)
    yield from _said(field, items, table)


def _possible(field: Field, table: str) -> Iterator[str]:
    yield f"# [[{table}]]"
    for one in fields(field.item):
        yield from _comment(f"{one.name}: {one.wanted}" + (f". {one.meaning}" if one.meaning else ""))
    for one in fields(field.item):
        if one.has_tables:
            yield from _possible(one, f"{table}.{one.name}")


def _said(field: Field, items: tuple[Struct, ...], table: str) -> Iterator[str]:
    for item in items:
        yield f"[[{table}]]"
        lists = []
        for one in fields(field.item):
            value = getattr(item, one.name)
            if one.has_tables:
                lists.append((one, value))
            elif value is not None and value != one.default:
                yield f"{one.name} = {_toml(value)}"
        for one, inner in lists:  # the keys of a table stand before the tables in it
            yield from _said(one, inner, f"{table}.{one.name}")


def _own(kind: type[Struct], where: str, without: frozenset[str]) -> list[Field]:
    prefix = f"{where}." if where else ""
    return [one for one in fields(kind) if one.name not in without and prefix + one.name not in without]


def _comment(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text, _WIDTH):
        yield f"# {line}"


def _meaning_of(kind: type) -> str:
    """The first paragraph of its docstring, in one line, but for what it raises: that is for programs."""
    first = " ".join((kind.__doc__ or "").strip().partition("\n\n")[0].split())
    return first.partition(" Raises ")[0]


def _toml(value: Any) -> str:
    match value:
        case Enum():
            return json.dumps(value.name.lower().replace("_", "-"))
        case bytes():
            return json.dumps(value.hex(":"))
        case Path() | str():
            return json.dumps(str(value))
        case tuple():
            return "[" + ", ".join(_toml(one) for one in value) + "]"
        case _:
            return json.dumps(value)  # numbers and truth values are written alike


def json_schema(
    kind: type[Struct], *, without: frozenset[str] = frozenset(), where: str = ""
) -> dict[str, Any]:
    """The JSON Schema of a file of this kind, with units and defaults; ``where`` is the
    dotted name of its table."""
    own = _own(kind, where, without)
    schema: dict[str, Any] = {
        "type": "object",
        "description": _meaning_of(kind),
        "properties": {field.name: _property(field, without, where) for field in own},
        "additionalProperties": False,
    }
    return schema


def _property(field: Field, without: frozenset[str], where: str) -> dict[str, Any]:
    if field.is_table:
        inner = f"{where}.{field.name}" if where else field.name
        return json_schema(field.kind, without=without, where=inner)
    names = {bool: "boolean", int: "integer", float: "number"}
    one: dict[str, Any] = {"type": names.get(field.kind, "string")}
    if field.values is not None:
        one = {"enum": field.values}
    if field.has_tables:
        one = json_schema(field.item)
    if field.item is not None:
        one = {"type": "array", "items": one}
    if field.meaning:
        one["description"] = field.meaning
    if field.unit:
        one["unit"] = field.unit
    if field.least is not None:
        one["minimum"] = field.least
    if field.most is not None:
        one["maximum"] = field.most
    if field.default is not msgspec.NODEFAULT and field.default is not None:
        one["default"] = json.loads(_toml(field.default))
    return one
