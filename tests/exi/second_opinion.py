"""A second EXI encoder and a generator of valid messages, both straight from the
grammar automata of the compiler.

Slow and simple on purpose: it shares no line with the engine and does not read the tables, so what both agree
on is neither a fault of the engine nor one of the table format.
"""

from __future__ import annotations

import enum
import importlib
import random
from functools import cache
from typing import Any

from iso15118.codegen.build import shapes_of
from iso15118.codegen.classes import enum_of
from iso15118.codegen.grammar import Event, Loop, Production, State, build
from iso15118.codegen.model import ComplexType, QName, SimpleType
from iso15118.codegen.sets import SETS
from iso15118.codegen.shape import Shape, Shapes

FEEDING = (Event.ATTRIBUTE, Event.CHARACTERS, Event.SIMPLE, Event.STRUCT)


@cache
def shapes(schema: str) -> Shapes:
    return shapes_of(next(one for one in SETS if one.name == schema))


@cache
def start(schema: str, shape_name: tuple[str, str]) -> State:
    return build(shapes(schema), shape_by_name(schema)[shape_name])


@cache
def shape_by_name(schema: str) -> dict[tuple[str, str], Shape]:
    return {(shape.module, shape.name): shape for shape in shapes(schema).by_type.values()}


@cache
def load(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def class_of(shape: Shape) -> Any:
    return load(shape.module, shape.name)


def width(codes: int) -> int:
    return (codes - 1).bit_length()


class Path:
    """A way through an automaton."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.count = 0

    def take(self, production: Production) -> None:
        after = production.next
        if isinstance(after, Loop):
            self.count = 1 if after.entering else self.count + 1
            if self.count < after.minimum:
                self.state = after.below
            elif after.maximum == 0 or self.count < after.maximum:
                self.state = after.within
            else:
                self.state = after.at_max
        else:
            assert after is not None
            self.state = after


class Bits:
    """Octets, written bit by bit; also the notation of the hand-made vectors."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def bits(self, count: int, value: int) -> Bits:
        if count:
            self.parts.append(f"{value:0{count}b}")
        return self

    def unsigned(self, value: int) -> Bits:
        while value > 0x7F:
            self.bits(8, value & 0x7F | 0x80)
            value >>= 7
        return self.bits(8, value)

    def string(self, value: str) -> Bits:
        self.unsigned(len(value) + 2)
        for character in value:
            self.unsigned(ord(character))
        return self

    def binary(self, value: bytes) -> Bits:
        self.unsigned(len(value))
        for octet in value:
            self.bits(8, octet)
        return self

    def signed(self, value: int) -> Bits:
        self.bits(1, value < 0)
        return self.unsigned(-value - 1 if value < 0 else value)

    def octets(self) -> bytes:
        text = "".join(self.parts)
        text += "0" * (-len(text) % 8)
        return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))


def encode(schema: str, message: Any, *, fragment: bool = False) -> bytes:
    """The EXI stream by the rules.

    Nothing is checked: a value beyond its type is written if there is a code for it, a literal may be given
    by its position, and an element with too little in it ends by the second level.
    """
    shape = shape_by_name(schema)[type(message).__module__, type(message).__name__]
    names = _names(schema, fragment)
    index = names[root_of(schema, shape, fragment)]
    codes = len(names) + (2 if fragment else 1)
    out = Bits().bits(8, 0x80).bits(width(codes), index)
    _content(schema, shape, message, out)
    if fragment:
        out.bits(width(codes), len(names) + 1)
    return out.octets()


def root_of(schema: str, shape: Shape, fragment: bool) -> QName:
    one = shapes(schema)
    if shape.type in one.wrappers.values():
        assert shape.type.element is not None
        return shape.type.element
    return _roots(schema, fragment)[shape.type]


@cache
def _roots(schema: str, fragment: bool) -> dict[ComplexType, QName]:
    """The first name of each type that has one of its own."""
    one = shapes(schema)
    elements = one.schema.declarations if fragment else list(one.schema.elements.values())
    types: dict[QName, set[int]] = {}
    for item in elements:
        types.setdefault(item.name, set()).add(id(item.type))
    found: dict[ComplexType, QName] = {}
    # Names of several types cannot be roots.
    for item in sorted(elements, key=lambda item: item.name):
        if isinstance(item.type, ComplexType) and len(types[item.name]) == 1:
            found.setdefault(item.type, item.name)
    return found


@cache
def _names(schema: str, fragment: bool) -> dict[QName, int]:
    """The code of each root element."""
    one = shapes(schema).schema
    names = {item.name for item in one.declarations} if fragment else one.elements
    return {name: code for code, name in enumerate(sorted(names))}


def _content(schema: str, shape: Shape, message: Any, out: Bits) -> None:
    pending: list[list[Any]] = []
    for item in shape.fields:
        value = getattr(message, item.name)
        pending.append([] if value is None else list(value) if isinstance(value, tuple) else [value])
    path = Path(start(schema, (shape.module, shape.name)))
    while True:
        productions = path.state.productions
        code = next((i for i, one in enumerate(productions) if _due(schema, one, pending)), None)
        if code is None:
            # Behind the escape, EE is the first code: zeros, of which three are enough in every state.
            out.bits(width(len(productions) + 1), len(productions)).bits(3, 0)
            return
        production = productions[code]
        out.bits(width(len(productions) + 1), code)
        if production.event is Event.END:
            assert not any(pending)
            return
        value = pending[production.field].pop(0)
        if isinstance(production.type, ComplexType):
            _content(schema, shapes(schema).by_type[production.type], value, out)
        else:
            assert production.type is not None
            if production.event is Event.SIMPLE:
                out.bits(1, 0)
            _simple(value, production.type, out)
            if production.event is Event.SIMPLE:
                out.bits(1, 0)
        path.take(production)


def _due(schema: str, production: Production, pending: list[list[Any]]) -> bool:
    if production.event is Event.END:
        return True
    if production.event not in FEEDING or not pending[production.field]:
        return False
    if isinstance(production.type, ComplexType):
        shape = shapes(schema).by_type[production.type]
        return type(pending[production.field][0]) is class_of(shape)
    return True


def _simple(value: Any, type_: SimpleType, out: Bits) -> None:
    if type_.literals:
        position = value if isinstance(value, int) else type_.literals.index(value.value)
        out.bits(width(len(type_.literals)), position)
    elif type_.primitive == "boolean":
        out.bits(1, value)
    elif type_.primitive == "string":
        out.string(value)
    elif type_.primitive in ("hexBinary", "base64Binary"):
        out.binary(value)
    elif type_.minimum is not None and type_.maximum is not None and type_.maximum - type_.minimum < 4096:
        out.bits(width(type_.maximum - type_.minimum + 1), value - type_.minimum)
    elif type_.minimum is not None and type_.minimum >= 0:
        out.unsigned(value)
    else:
        out.signed(value)


def generate(schema: str, shape: Shape, source: random.Random, *, long: bool = False) -> Any:
    """A valid message of this class; ``long`` goes on in lists as far as they may."""
    path = Path(start(schema, (shape.module, shape.name)))
    found: list[list[Any]] = [[] for _ in shape.fields]
    while True:
        feeding = [one for one in path.state.productions if one.event in FEEDING]
        ends = any(one.event is Event.END for one in path.state.productions)
        assert feeding or ends, f"{shape.name} cannot be made"
        again = long and any(isinstance(one.next, Loop) for one in feeding) and path.count < 12
        if ends and (not feeding or (source.random() < 0.5 and not again)):
            break
        production = source.choice(feeding)
        if isinstance(production.type, ComplexType):
            value = generate(schema, shapes(schema).by_type[production.type], source, long=long)
        else:
            assert production.type is not None
            value = simple_value(production.type, source)
        found[production.field].append(value)
        path.take(production)
    values = {
        item.name: tuple(items) if item.repeated else items[0]
        for item, items in zip(shape.fields, found, strict=True)
        if items
    }
    return class_of(shape)(**values)


def literals(type_: SimpleType) -> list[enum.Enum]:
    """The members of an enumeration, in schema order."""
    return list(load(*enum_of(type_)))


def simple_value(type_: SimpleType, source: random.Random) -> bool | int | str | bytes | enum.Enum:
    if type_.literals:
        return source.choice(literals(type_))
    if type_.primitive == "boolean":
        return source.random() < 0.5
    if type_.primitive == "integer":
        low = -(2**80) if type_.minimum is None else type_.minimum
        high = 2**160 if type_.maximum is None else type_.maximum
        near = [low, high, min(low + source.randrange(300), high), max(high - source.randrange(300), low)]
        return source.choice(
            [*near, source.randint(low, high), max(low, min(high, source.randrange(-200, 200)))]
        )
    length = source.choice(
        [type_.min_length, source.randrange(12), source.randrange(12), source.randrange(200)]
    )
    length = max(type_.min_length, min(length, type_.max_length if type_.max_length is not None else 300))
    if type_.primitive != "string":
        return source.randbytes(length)
    alphabet = source.choice(["abcXYZ019:/#-", "äß€日本", "\U0001f50c\U0010ffff~ \t"])
    return "".join(source.choice(alphabet) for _ in range(length))


def rooted(schema: str, *, fragment: bool) -> list[Shape]:
    """The classes that can stand alone and can be made at all."""
    one = shapes(schema)
    if fragment:
        # The relaxed grammar of a name with several types is not this encoder's; test_by_hand has it.
        kinds: dict[QName, set[int]] = {}
        for item in one.schema.declarations:
            kinds.setdefault(item.name, set()).add(id(item.type))
        declared = [item for item in one.schema.declarations if len(kinds[item.name]) == 1]
        alone = {type_ for name, type_ in one.wrappers.items() if len(kinds[name]) == 1}
        types = {item.type for item in declared} | alone
    else:
        elements = one.schema.elements.values()
        types = {one.wrappers.get(item.name, item.type) for item in elements}
    found = [one.by_type[item] for item in types if isinstance(item, ComplexType) and item in one.by_type]
    # What needs an element of another schema cannot be made.
    return sorted((item for item in found if item.name != "SignatureProperty" and item.name != "SignatureProperties"),
                  key=lambda item: (item.module, item.name))  # fmt: skip
