"""Messages as JSON and back, with the schema's names as keys.

One object ``{root element: content}``. An element is its name with its content, a repeated one with a list;
attributes stand beside the elements; simple content is "value", or stands alone if there are no attributes.
Binaries are written as the schema has them, in hexadecimal or base 64. The items of a repeated choice are a
list of ``{element: content}`` under the name that the class has for them.
"""

from __future__ import annotations

import json
from typing import Any

from iso15118.errors import ExiError

from .codec import Message, encode
from .lexical import Simple, from_text, to_text
from .structure import (
    Datatype,
    Event,
    Field,
    Kind,
    Production,
    Struct,
    Structure,
    locate,
    productions,
    structure,
)

MAX_JSON = 16 * 1024 * 1024
"""Characters that ``from_json`` takes."""

_VALUE = "value"


def to_json(message: Message, *, schema: str | None = None, indent: int | None = None) -> str:
    """The message as JSON text; ``schema`` as in `to_xml`. ExiError if its class
    does not allow the message."""
    table, root = locate(message, schema)
    try:
        content = _content(table, message)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ExiError(str(error), schema=table.schema, path=root.local) from None
    return json.dumps({root.local: content}, indent=indent, ensure_ascii=False)


def from_json(schema: str, text: str, *, fragment: bool = False) -> Message:
    """The message of JSON text; ``fragment`` takes any element of the set as the root.

    Raises ExiError for anything that is no JSON, or no message of the schema set.
    """
    table = structure(schema)
    if not isinstance(text, str) or len(text) > MAX_JSON:
        raise ExiError("no text, or too long", schema=schema, expected=f"at most {MAX_JSON} characters")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExiError(f"no JSON: {error}", schema=schema) from None
    if not isinstance(value, dict) or len(value) != 1:
        raise ExiError("not one object with one root element", schema=schema)
    name, content = next(iter(value.items()))
    root = next((one for one in table.roots(fragment) if one.local == name and one.structs), None)
    if root is None:
        raise ExiError(f"{name[:200]} is no root element", schema=schema)
    # Of several types that share a name, one of simple content is an object only if it has attributes.
    message = next(
        _Read(table).struct(number, content, root.local)
        for number in root.structs
        if len(root.structs) == 1 or isinstance(content, dict) == (len(table.structs[number].fields) > 1)
    )
    encode(schema, message, fragment=fragment, root=root.local)
    return message


def _is_items(field: Field, branches: dict[str, Production]) -> bool:
    return field.repeated and len(branches) > 1


# Writing


def _content(table: Structure, message: Message) -> Any:
    index = table.by_class.get(type(message))
    if index is None:
        raise ExiError(f"{type(message).__name__} is not of this schema set", schema=table.schema)
    struct = table.structs[index]
    feeds = productions(table.schema, index)
    if [field.kind for field in struct.fields] == [2]:
        return _value(table, getattr(message, struct.fields[0].name), feeds[0])[1]
    content: dict[str, Any] = {}
    for number, field in enumerate(struct.fields):
        value = getattr(message, field.name)
        branches = feeds.get(number, {})
        if value is None or value == ():
            continue
        if field.repeated:
            pairs = [_value(table, item, branches) for item in value]
            if _is_items(field, branches):
                content[field.name] = [{name: item} for name, item in pairs]
            else:
                content[pairs[0][0]] = [item for _, item in pairs]
        else:
            name, item = _value(table, value, branches)
            content[name or _VALUE] = item
    return content


def _value(table: Structure, value: Any, branches: dict[str, Production]) -> tuple[str, Any]:
    for name, one in branches.items():
        if one.event is Event.STRUCT:
            if type(value) is table.structs[one.target].cls:
                return name, _content(table, value)
        else:
            return name, _simple(value, table.datatypes[one.target])
    raise ValueError(f"a {type(value).__name__} does not fit {' or '.join(branches)}")


def _simple(value: Simple, datatype: Datatype) -> bool | int | str:
    text = to_text(value, datatype)
    return value if isinstance(value, bool | int) else text


# Reading


class _Read:
    def __init__(self, table: Structure) -> None:
        self.table = table

    def struct(self, index: int, content: Any, path: str) -> Message:
        struct = self.table.structs[index]
        feeds = productions(self.table.schema, index)
        if [field.kind for field in struct.fields] == [2]:
            content = {_VALUE: content}
        if not isinstance(content, dict):
            raise self._error("no object", path)
        values: dict[str, Any] = {}
        for name, value in content.items():
            field, branches = self._field(struct, feeds, name, path)
            if field.name in values:
                raise self._error("two of a choice", f"{path}/{name[:200]}")
            values[field.name] = self._branch(field, branches, name, value, f"{path}/{name[:200]}")
        try:
            return struct.cls(**values)
        except TypeError as error:
            raise self._error(str(error), path) from None

    def _field(
        self, struct: Struct, feeds: dict[int, dict[str, Production]], name: str, path: str
    ) -> tuple[Field, dict[str, Production]]:
        for number, branches in feeds.items():
            field = struct.fields[number]
            names = [field.name] if _is_items(field, branches) else [one or _VALUE for one in branches]
            if name in names:
                return field, branches
        allowed = [one.local if one.kind != 2 else _VALUE for one in struct.fields]
        raise ExiError(
            f"no {name[:200]} here", schema=self.table.schema, path=path, expected=", ".join(allowed)
        )

    def _branch(self, field: Field, branches: dict[str, Production], name: str, value: Any, path: str) -> Any:
        if not field.repeated:
            return self._one(branches[name if name in branches else ""], value, path)
        if not isinstance(value, list):
            raise self._error("no list", path)
        if not _is_items(field, branches):
            return tuple(self._one(branches[name], item, path) for item in value)
        result = []
        for item in value:
            if not isinstance(item, dict) or len(item) != 1 or next(iter(item)) not in branches:
                raise self._error(f"not one of {', '.join(branches)}", path)
            key, content = next(iter(item.items()))
            result.append(self._one(branches[key], content, f"{path}/{key}"))
        return tuple(result)

    def _one(self, production: Production, value: Any, path: str) -> Any:
        if production.event is Event.STRUCT:
            return self.struct(production.target, value, path)
        datatype = self.table.datatypes[production.target]
        numeric = datatype.kind in (Kind.NBIT, Kind.UNSIGNED, Kind.SIGNED, Kind.INTEGER)
        wanted = bool if datatype.kind is Kind.BOOLEAN else int if numeric else str
        if type(value) is not wanted:
            raise self._error(f"a {type(value).__name__} instead of a {wanted.__name__}", path)
        if isinstance(value, bool | int):
            return value
        try:
            return from_text(value, datatype)
        except ValueError as error:
            raise self._error(str(error), path) from None

    def _error(self, reason: str, path: str) -> ExiError:
        return ExiError(reason, schema=self.table.schema, path=path)
