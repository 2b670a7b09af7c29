"""The content of a message as JSON values, made fast: what ``to_json`` writes, without the text, for tools that convert many.

A converter is put together once for each message class and then kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

from iso15118.errors import ExiError

from .codec import Message
from .json import _VALUE, _is_items, _productions
from .lexical import to_text
from .structure import Datatype, Event, Kind, Production, Structure, structure

__all__ = ["content_of", "root_name"]

_Convert: TypeAlias = Callable[[Any], Any]


def content_of(schema: str, message: Message) -> Any:
    """What stands under the root element in `to_json`. Raises ExiError for a message that its class does not allow."""
    try:
        return _converter(schema, type(message))(message)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ExiError(str(error), schema=schema, path=type(message).__name__) from None


@cache
def root_name(schema: str, cls: type[Message]) -> str:
    """The element that a message of this class is, as the schema calls it; the name of the class where none is."""
    table = structure(schema)
    root = table.root_of(cls, False) or table.root_of(cls, True)
    return cls.__name__ if root is None else root.local


_converters: dict[tuple[str, type[Any]], _Convert] = {}


def _converter(schema: str, cls: type[Any]) -> _Convert:
    known = _converters.get((schema, cls))
    if known is not None:
        return known
    table = structure(schema)
    index = table.by_class.get(cls)
    if index is None:
        raise ExiError(f"{cls.__name__} is not of this schema set", schema=schema)
    made = _converters[schema, cls] = _struct(table, index)
    return made


def _struct(table: Structure, index: int) -> _Convert:
    struct = table.structs[index]
    feeds = _productions(table.schema, index)
    if [field.kind for field in struct.fields] == [2]:
        only, name = _one(table, feeds[0]), struct.fields[0].name
        return lambda message: only(getattr(message, name))[1]
    rows: list[tuple[str, int, _Convert]] = []
    for number, field in enumerate(struct.fields):
        branches = feeds.get(number, {})
        how = 0 if not field.repeated else 2 if _is_items(field, branches) else 1
        rows.append((field.name, how, _one(table, branches)))

    def convert(message: Any) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for name, how, one in rows:
            value = getattr(message, name)
            if value is None or value == ():
                continue
            if how == 0:
                key, item = one(value)
                content[key or _VALUE] = item
            elif how == 1:
                pairs = [one(item) for item in value]
                content[pairs[0][0]] = [item for _, item in pairs]
            else:
                content[name] = [{key: item} for key, item in map(one, value)]
        return content

    return convert


def _one(table: Structure, branches: dict[str, Production]) -> _Convert:
    """From a value to the name of its element and its content."""
    by_class = {
        table.structs[one.target].cls: name for name, one in branches.items() if one.event is Event.STRUCT
    }
    simple = [(name, one) for name, one in branches.items() if one.event is not Event.STRUCT]
    if by_class and not simple:
        schema = table.schema

        def struct(value: Any) -> tuple[str, Any]:
            cls = type(value)
            return by_class[cls], _converter(schema, cls)(value)

        return struct
    if len(branches) == 1:
        name, production = simple[0]
        as_json = _simple(table.datatypes[production.target])
        return lambda value: (name, as_json(value))

    def mixed(value: Any) -> tuple[str, Any]:
        name = by_class.get(type(value))
        if name is not None:
            return name, _converter(table.schema, type(value))(value)
        for name, production in simple:
            return name, _simple(table.datatypes[production.target])(value)
        raise ValueError(f"a {type(value).__name__} does not fit {' or '.join(branches)}")

    return mixed


def _simple(datatype: Datatype) -> _Convert:
    kind = datatype.kind
    if kind in (Kind.NBIT, Kind.UNSIGNED, Kind.SIGNED, Kind.INTEGER, Kind.BOOLEAN, Kind.STRING):
        return _same
    if kind is Kind.ENUMERATION:
        return lambda value: value.value
    if kind is Kind.HEX:
        return lambda value: value.hex().upper()
    return lambda value: to_text(value, datatype)


def _same(value: Any) -> Any:
    return value
