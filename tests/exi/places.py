"""Every place of a schema set where a simple value or a list stands, with messages
around it: for tests of bounds.

A place is a field of a class that can be a fragment, or of a class inside one that can. Which values belong
there is read from the schema, not from the tables of the engine.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from iso15118.codegen.grammar import Event, Loop, State
from iso15118.codegen.model import ComplexType, SimpleType
from iso15118.codegen.shape import Shape
from tests.exi import second_opinion as second


@dataclass(frozen=True)
class Place:
    """A field; ``host`` is the class around it and the field there, where the class cannot stand alone."""

    schema: str
    shape: Shape
    field: int
    element: str
    """Local name of the element or attribute; empty for character content."""
    counted: bool = False
    """Whether the error of an item says which one it is; not in a repeated choice without end."""
    host: tuple[Shape, str] | None = None

    @property
    def name(self) -> str:
        return self.shape.fields[self.field].name

    @property
    def root(self) -> str:
        """Local name of the root element."""
        shape = self.host[0] if self.host else self.shape
        return second.root_of(self.schema, shape, fragment=True).local

    @property
    def path(self) -> str:
        """The element path of a value here; of the first, if there are several."""
        inner = self.host[0].fields[_index(*self.host)].branches[0].name.local if self.host else ""
        occurrence = "[1]" if self.counted else ""
        return "/".join(filter(None, (self.root, inner, self.element and self.element + occurrence)))

    def message(self, value: object) -> Any:
        """A message with this value; in a list, in its first place. Otherwise the same at every call."""
        own = with_value(self.schema, self.shape, self.name, value)
        return own if self.host is None else with_value(self.schema, *self.host, own)


_EXAMPLES: dict[tuple[str, str, str, str], Any] = {}


def with_value(schema: str, shape: Shape, name: str, value: object) -> Any:
    key = (schema, shape.module, shape.name, name)
    message = _EXAMPLES.get(key)
    if message is None:
        source = random.Random("".join(key))
        while message is None or getattr(message, name) in (None, ()):
            message = second.generate(schema, shape, source)
        _EXAMPLES[key] = message
    present = getattr(message, name)
    items = (value, *present[1:]) if isinstance(present, tuple) else value
    return msgspec.structs.replace(message, **{name: items})


def _index(shape: Shape, name: str) -> int:
    return next(index for index, one in enumerate(shape.fields) if one.name == name)


def states(schema: str, shape: Shape) -> list[State]:
    """All states of a class."""
    found: list[State] = []
    pending = [second.start(schema, (shape.module, shape.name))]
    while pending:
        state = pending.pop()
        if state in found:
            continue
        found.append(state)
        for one in state.productions:
            after = one.next
            pending += [after.below, after.within, after.at_max] if isinstance(after, Loop) else []
            pending += [after] if isinstance(after, State) else []
    return found


def _classes(schema: str) -> Iterator[tuple[Shape, tuple[Shape, str] | None]]:
    """The classes of a set, those that can stand alone first; then those inside them."""
    alone = second.rooted(schema, fragment=True)
    seen = {(shape.module, shape.name) for shape in alone}
    for shape in alone:
        yield shape, None
    for host in alone:
        for state in states(schema, host):
            for one in state.productions:
                inner = (
                    second.shapes(schema).by_type.get(one.type) if isinstance(one.type, ComplexType) else None
                )
                # What needs an element of another schema cannot be made.
                if (
                    inner is None
                    or (inner.module, inner.name) in seen
                    or inner.name.startswith("SignatureProp")
                ):
                    continue
                seen.add((inner.module, inner.name))
                yield inner, (host, host.fields[one.field].name)


def simple_places(schema: str) -> Iterator[tuple[Place, SimpleType]]:
    """Every place of a set where a simple value stands, with its type."""
    for shape, host in _classes(schema):
        seen = set()
        for state in states(schema, shape):
            for one in state.productions:
                if isinstance(one.type, SimpleType) and one.field not in seen:
                    seen.add(one.field)
                    element = "" if one.event is Event.CHARACTERS else one.name.local
                    counted = isinstance(one.next, Loop)
                    yield Place(schema, shape, one.field, element, counted, host), one.type


def lists(schema: str) -> Iterator[tuple[Place, int, int]]:
    """Every list of a set, with the number of items that it has at least and at most; 0 for any number."""
    for shape, host in _classes(schema):
        seen = set()
        for state in states(schema, shape):
            for one in state.productions:
                if isinstance(one.next, Loop) and one.field not in seen:
                    seen.add(one.field)
                    yield (
                        Place(schema, shape, one.field, one.name.local, True, host),
                        one.next.minimum,
                        one.next.maximum,
                    )


def with_list(place: Place) -> tuple[Any, Any]:
    """A message with something in the list, and the first item of it."""
    source = random.Random(f"{place.shape.name}.{place.name}")
    while True:
        message = second.generate(place.schema, place.shape, source)
        if getattr(message, place.name):
            return message, getattr(message, place.name)[0]


@cache
def _all_states(schema: str) -> list[State]:
    classes = second.shape_by_name(schema).values()
    return [state for shape in classes for state in states(schema, shape)]


@contextmanager
def without_maximum(schema: str, at_least: int = 1) -> Iterator[None]:
    """The second encoder writes every list of the set, with this maximum or more, as
    if it could go on for ever."""
    saved = [(state, list(state.productions)) for state in _all_states(schema)]
    try:
        for state, productions in saved:
            state.productions[:] = [
                dataclasses.replace(one, next=dataclasses.replace(one.next, maximum=0))
                if isinstance(one.next, Loop) and one.next.maximum >= at_least
                else one
                for one in productions
            ]
        yield
    finally:
        for state, productions in saved:
            state.productions[:] = productions


def allowed(type_: SimpleType) -> list[object]:
    """Every literal of an enumeration; both values of a boolean; the bounds of an integer; the
    shortest and longest text."""
    if type_.literals:
        return list(second.literals(type_))
    if type_.primitive == "boolean":
        return [True, False]
    if type_.primitive == "integer":
        bounds: list[object] = [
            value for value in (type_.minimum, type_.maximum, 0, 1, -1) if _within(value, type_)
        ]
        return bounds + ([2**160, -(2**160)] if type_.minimum is None and type_.maximum is None else [])
    longest = 300 if type_.max_length is None else type_.max_length
    lengths = {type_.min_length, longest, max(longest - 1, type_.min_length)}
    units = ("é", "\U0010ffff", "x") if type_.primitive == "string" else (b"\xff",)
    return [unit * length for unit in units for length in sorted(lengths)]


def _within(value: int | None, type_: SimpleType) -> bool:
    return (
        value is not None
        and (type_.minimum is None or value >= type_.minimum)
        and (type_.maximum is None or value <= type_.maximum)
    )


def beyond(type_: SimpleType) -> list[object]:
    """One less than the least, one more than the most, and nothing where there must be something."""
    if type_.literals or type_.primitive == "boolean":
        return []
    if type_.primitive == "integer":
        below: list[object] = [type_.minimum - 1] if type_.minimum is not None else []
        return below + ([type_.maximum + 1] if type_.maximum is not None else [])
    unit: str | bytes = "é" if type_.primitive == "string" else b"\xff"
    wrong: list[object] = [unit * (type_.max_length + 1)] if type_.max_length is not None else []
    return wrong + [unit * length for length in sorted({0, type_.min_length - 1}) if type_.min_length]


def of_other_types(type_: SimpleType) -> list[object]:
    """Values that the place cannot hold whatever the bounds are."""
    if type_.literals:
        return ["OK", 0]
    if type_.primitive == "boolean":
        return [1, "true"]
    if type_.primitive == "integer":
        return ["1", 1.0]
    return [7, b"octets" if type_.primitive == "string" else "text"]


def codes_beyond(type_: SimpleType) -> list[object]:
    """What `second_opinion.encode` can write and no decoder may take: values beyond
    the type that have a code."""
    if type_.literals:
        count = len(type_.literals)
        return [count] if second.width(count) == second.width(count + 1) else []
    if type_.primitive != "integer":
        return beyond(type_)
    low, high = type_.minimum, type_.maximum
    found: list[object] = []
    if low is not None and high is not None and high - low < 4096:
        return [high + 1] if second.width(high - low + 1) == second.width(high - low + 2) else []
    if low is None or low != 0:
        found += [low - 1] if low is not None else []
    return found + ([high + 1] if high is not None else [])
