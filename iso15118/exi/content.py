"""The content of a message as JSON values, made fast: what ``to_json`` writes, without the text,
for tools that convert many.

A converter is put together once for each message class and then kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, TypeAlias

from iso15118.errors import ExiError

from .codec import Message
from .lexical import to_text
from .structure import Datatype, Event, Kind, Production, Structure, productions, structure

_VALUE = "value"

__all__ = ["content_of", "root_name"]

_Convert: TypeAlias = Callable[[Any], Any]


def content_of(schema: str, message: Message) -> Any:
    """What stands under the root element in `to_json`. Raises ExiError for a message that
    its class does not allow."""
    try:
        return _converter(schema, type(message))(message)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ExiError(str(error), schema=schema, path=type(message).__name__) from None


@cache
def root_name(schema: str, cls: type[Message]) -> str:
    """The element that a message of this class is, as the schema calls it; the name
    of the class where none is."""
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
    feeds = productions(table.schema, index)
    if [field.kind for field in struct.fields] == [2]:
        only, name = _alone(table, feeds[0])[1], struct.fields[0].name
        return lambda message: only(getattr(message, name))
    rows: list[tuple[str, str | None, bool, _Convert | None]] = []
    for number, field in enumerate(struct.fields):
        branches = feeds.get(number, {})
        if len(branches) == 1:
            key, one = _alone(table, branches)
            rows.append((field.name, key or _VALUE, field.repeated, None if one is _same else one))
        else:
            rows.append((field.name, None, field.repeated, _choice(table, branches)))
    ready = False

    def convert(message: Any) -> dict[str, Any]:
        nonlocal rows, ready
        if not ready:  # not before it is needed: types contain each other
            rows = [(name, key, repeated, _found(one)) for name, key, repeated, one in rows]
            ready = True
        content: dict[str, Any] = {}
        for name, key, repeated, one in rows:
            value = getattr(message, name)
            if value is None:
                continue
            if not repeated and key is not None:
                content[key] = value if one is None else one(value)
            elif not repeated and one is not None:
                branch, item = one(value)
                content[branch or _VALUE] = item
            elif not value:
                continue
            elif key is not None:
                content[key] = list(value) if one is None else [one(item) for item in value]
            elif one is not None:
                content[name] = [{branch: item} for branch, item in map(one, value)]
        return content

    if all(one is None and not repeated for _, _, repeated, one in rows):
        # Numbers with exponents and the like: the same few come again and again.
        # Nobody changes what is given out.
        return lru_cache(maxsize=4096)(convert)
    return convert


class _Later:
    """The converter of a class, to be looked up."""

    def __init__(self, schema: str, cls: type[Any]) -> None:
        self._schema, self._cls = schema, cls

    def __call__(self, value: Any) -> Any:
        return self.found()(value)

    def found(self) -> _Convert:
        return _converter(self._schema, self._cls)


def _found(one: _Convert | None) -> _Convert | None:
    return one.found() if isinstance(one, _Later) else one


def _alone(table: Structure, branches: dict[str, Production]) -> tuple[str, _Convert]:
    """The one element that a field is, and how its value is converted."""
    name, production = next(iter(branches.items()))
    if production.event is not Event.STRUCT:
        return name, _simple(table.datatypes[production.target])
    return name, _Later(table.schema, table.structs[production.target].cls)


def _choice(table: Structure, branches: dict[str, Production]) -> _Convert:
    """From a value to the name of its element and its content."""
    schema = table.schema
    by_class: dict[type[Any], str] = {}
    for name, one in branches.items():
        if one.event is Event.STRUCT:
            by_class.setdefault(table.structs[one.target].cls, name)
    simple = next(((name, one) for name, one in branches.items() if one.event is not Event.STRUCT), None)

    def convert(value: Any) -> tuple[str, Any]:
        cls = type(value)
        found = by_class.get(cls)
        if found is not None:
            return found, _converter(schema, cls)(value)
        if simple is None:
            raise ValueError(f"a {cls.__name__} does not fit {' or '.join(branches)}")
        return simple[0], _simple(table.datatypes[simple[1].target])(value)

    return convert


def _simple(datatype: Datatype) -> _Convert:
    kind = datatype.kind
    if kind in (Kind.NBIT, Kind.UNSIGNED, Kind.SIGNED, Kind.INTEGER, Kind.BOOLEAN, Kind.STRING):
        return _same
    if kind is Kind.ENUMERATION:
        return _enumerated
    if kind is Kind.HEX:
        return lambda value: value.hex().upper()
    return lambda value: to_text(value, datatype)


def _same(value: Any) -> Any:
    return value


_enumerated = attrgetter("_value_")
"""As ``value``, without the descriptor."""
