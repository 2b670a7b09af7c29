"""The grammar tables as Python objects, for what the engine does not do: XML and JSON.

Read lazily, once a set, from the same files that the engine loads (rust/exi/TABLES.md); these are our own
files, and the engine's loader is the one that checks them.
"""

from __future__ import annotations

import enum
import importlib
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from iso15118.errors import ExiError

from .codec import Message, known_schemas, tables_of


class Kind(IntEnum):
    """Kinds of datatype, as numbered in the tables."""

    BOOLEAN = 0
    NBIT = 1
    UNSIGNED = 2
    SIGNED = 3
    ENUMERATION = 4
    HEX = 5
    BASE64 = 6
    STRING = 7
    INTEGER = 8


class Event(IntEnum):
    """Kinds of production, as numbered in the tables."""

    END = 0
    ATTRIBUTE = 1
    CHARACTERS = 2
    SIMPLE = 3
    STRUCT = 4
    ABSTRACT = 5
    WILDCARD = 6
    UNTYPED = 7


@dataclass(frozen=True)
class Datatype:
    """A simple type; ``enumeration`` is set for enumerations. The engine checks ranges and lengths."""

    kind: Kind
    enumeration: type[enum.Enum] | None = None


@dataclass(frozen=True)
class Field:
    """A field of a message class; ``kind`` 0 element, 1 attribute, 2 text."""

    name: str
    local: str
    uri: str
    kind: int
    optional: bool
    repeated: bool


@dataclass(frozen=True)
class Loop:
    """Continuation of a repeated element, by the number of times it was taken."""

    entering: bool
    minimum: int
    maximum: int
    below: int
    within: int
    at_max: int


@dataclass(frozen=True)
class Production:
    """One alternative of a state; ``target`` is the datatype or struct of the value."""

    event: Event
    local: str = ""
    uri: str = ""
    field: int = 0
    target: int = 0
    next: int | Loop = 0


@dataclass(frozen=True)
class Struct:
    """A message class, its fields, and where its content begins."""

    cls: type[Message]
    fields: tuple[Field, ...]
    start: int


@dataclass(frozen=True)
class Root:
    """A root element; ``structs`` is empty where the element cannot be a message of its own, and holds
    several numbers where its name stands for several types."""

    local: str
    uri: str
    structs: tuple[int, ...]


@dataclass(frozen=True)
class Structure:
    """All of one schema set."""

    schema: str
    datatypes: tuple[Datatype, ...]
    structs: tuple[Struct, ...]
    states: tuple[tuple[Production, ...], ...]
    document: tuple[Root, ...]
    fragment: tuple[Root, ...]
    by_class: dict[type[Message], int]

    def roots(self, fragment: bool) -> tuple[Root, ...]:
        """The root elements: of documents, or of fragments."""
        return self.fragment if fragment else self.document

    def root_of(self, cls: type[Message], fragment: bool) -> Root | None:
        """The first root that holds this class."""
        index = self.by_class.get(cls)
        return next((root for root in self.roots(fragment) if index in root.structs), None)


@cache
def structure(schema: str) -> Structure:
    """The structure of a schema set; ExiError for a name that there is not."""
    return _Reader(tables_of(schema)).read(schema)


def locate(message: Message, schema: str | None) -> tuple[Structure, Root]:
    """The set and the root element that a message stands in by itself: as a document
    if it can, else as a fragment.

    Sets may share a class and differ in what it may hold, so a set that knows all parts
    of the message is preferred.
    """
    first = None
    # The set that is called like the message's module comes first: the others need not be loaded then.
    words = type(message).__module__.replace("_messages", "").replace("_", "-").split(".")[2:]
    likely = "-".join(words)
    for fragment in (False, True):
        for name in sorted(known_schemas(), key=lambda one: one != likely) if schema is None else (schema,):
            found = structure(name).root_of(type(message), fragment)
            if found is None:
                continue
            first = first or (structure(name), found)
            if _knows(structure(name), message):
                return structure(name), found
    if first is not None:
        return first
    raise ExiError(f"{type(message).__name__} is no message of {schema or 'any schema set'}")


def _knows(table: Structure, value: object) -> bool:
    """Whether the classes of a message and of all its parts are of this set."""
    if isinstance(value, tuple):
        return all(_knows(table, item) for item in value)
    if not isinstance(value, msgspec.Struct):
        return True
    return type(value) in table.by_class and all(
        _knows(table, getattr(value, name)) for name in value.__struct_fields__
    )


class _Reader:
    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        self.at = 7  # behind the magic number
        self.strings: list[str] = []

    def read(self, schema: str) -> Structure:
        self._text()
        self.strings = [self._text() for _ in range(self._number())]
        datatypes = tuple(self._datatype() for _ in range(self._number()))
        structs = tuple(self._struct() for _ in range(self._number()))
        states = tuple(
            tuple(self._production() for _ in range(self._number())) for _ in range(self._number())
        )
        document = tuple(self._root() for _ in range(self._number()))
        fragment = tuple(self._root() for _ in range(self._number()))
        by_class = {one.cls: index for index, one in enumerate(structs)}
        return Structure(schema, datatypes, structs, states, document, fragment, by_class)

    def _number(self) -> int:
        value = shift = 0
        while True:
            octet = self.data[self.at]
            self.at += 1
            value |= (octet & 0x7F) << shift
            if octet < 0x80:
                return value
            shift += 7

    def _text(self) -> str:
        length = self._number()
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def _string(self) -> str:
        return self.strings[self._number()]

    def _load(self) -> Any:
        module = self._string()
        return getattr(importlib.import_module(module), self._string())

    def _datatype(self) -> Datatype:
        kind = Kind(self._number())
        if kind is Kind.ENUMERATION:
            enumeration = self._load()
            for _ in range(self._number()):
                self._number()
            return Datatype(kind, enumeration)
        # The facets: one number and an optional one, or two optional ones, or two numbers.
        if kind is Kind.SIGNED and self._number():
            self._number()
        if kind is Kind.NBIT or kind in (Kind.UNSIGNED, Kind.HEX, Kind.BASE64, Kind.STRING):
            self._number()
        if kind is Kind.NBIT or (kind not in (Kind.BOOLEAN, Kind.INTEGER) and self._number()):
            self._number()
        return Datatype(kind)

    def _struct(self) -> Struct:
        cls = self._load()
        self._number()
        fields = tuple(self._field() for _ in range(self._number()))
        return Struct(cls, fields, self._number())

    def _field(self) -> Field:
        name, local, uri = self._string(), self._string(), self._string()
        kind, flags = self._number(), self._number()
        return Field(name, local, uri, kind, bool(flags & 1), bool(flags & 2))

    def _production(self) -> Production:
        event = Event(self._number())
        local = uri = ""
        field = target = 0
        if event in (Event.ATTRIBUTE, Event.SIMPLE, Event.STRUCT, Event.ABSTRACT):
            local = self._string()
        if event in (Event.ATTRIBUTE, Event.SIMPLE, Event.STRUCT, Event.ABSTRACT, Event.WILDCARD):
            uri = self._string()
        if event in (Event.ATTRIBUTE, Event.CHARACTERS, Event.SIMPLE, Event.STRUCT):
            field, target = self._number(), self._number()
        if event in (Event.END, Event.ABSTRACT, Event.WILDCARD):
            return Production(event, local, uri)
        return Production(event, local, uri, field, target, self._next())

    def _next(self) -> int | Loop:
        if self._number() == 0:
            return self._number()
        return Loop(bool(self._number()), *(self._number() for _ in range(5)))

    def _root(self) -> Root:
        local, uri, kind, number = self._string(), self._string(), self._number(), self._number()
        if kind == 3:
            # Each with its state in the grammar of fragments, which XML does not know.
            return Root(local, uri, tuple((self._number(), self._number())[0] for _ in range(number)))
        return Root(local, uri, (number,) if kind == 0 else ())


class Walk:
    """A way through the grammar of one element, for whoever reads or writes its content in order."""

    def __init__(self, table: Structure, struct: Struct) -> None:
        self._states = table.states
        self._state = struct.start
        self._count = 0

    @property
    def choices(self) -> tuple[Production, ...]:
        """What may come now, in the order of the schema."""
        return self._states[self._state]

    @property
    def may_end(self) -> bool:
        """Whether the element may end here."""
        return any(one.event is Event.END for one in self.choices)

    @property
    def expectation(self) -> str:
        """What may come now, in words."""
        names = [
            one.local or one.event.name.lower() for one in self.choices if one.event is not Event.UNTYPED
        ]
        return " or ".join(names)

    def take(self, production: Production) -> None:
        """Go on behind one of the choices."""
        after = production.next
        if isinstance(after, int):
            self._state = after
            return
        self._count = 1 if after.entering else self._count + 1
        if self._count < after.minimum:
            self._state = after.below
        elif after.maximum and self._count >= after.maximum:
            self._state = after.at_max
        else:
            self._state = after.within


def is_message(value: object) -> bool:
    """Whether a value is a message or a part of one, rather than a simple value."""
    return isinstance(value, msgspec.Struct)


@cache
def productions(schema: str, struct: int) -> dict[int, dict[str, Production]]:
    """What feeds each field of a struct: local names to productions."""
    table = structure(schema)
    found: dict[int, dict[str, Production]] = {}
    pending, seen = [table.structs[struct].start], set[int]()
    while pending:
        state = pending.pop()
        if state in seen:
            continue
        seen.add(state)
        for one in table.states[state]:
            if one.event in (Event.ATTRIBUTE, Event.CHARACTERS, Event.SIMPLE, Event.STRUCT):
                found.setdefault(one.field, {}).setdefault(one.local, one)
                after = one.next
                pending += [after.below, after.within, after.at_max] if isinstance(after, Loop) else [after]
    return found
