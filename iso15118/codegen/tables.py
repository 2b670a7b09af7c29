"""Writes the grammar tables of a schema set in the binary format that the engine loads (rust/exi/TABLES.md).

Everything is ordered by name, so that the order of declarations in a schema file
leaves no trace in the output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from . import grammar, relaxed
from .classes import enum_of
from .grammar import Event, Loop, Production, State
from .model import ComplexType, Element, QName, SchemaError, SimpleType
from .shape import Shape, Shapes

MAGIC = b"V2GEXI\x01"
_ROOT_STRUCT, _ROOT_SIMPLE, _ROOT_REFUSED, _ROOT_RELAXED = 0, 1, 2, 3
_BINARIES = {"hexBinary": 5, "base64Binary": 6, "string": 7}
_NBIT_RANGE = 4096


def compile_tables(shapes: Shapes) -> bytes:
    """The tables of one schema set."""
    return _Compiler(shapes).compile()


def unsigned(value: int) -> bytes:
    """LEB128."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value: int) -> bytes:
    """A signed integer as LEB128: sign in the lowest bit."""
    return unsigned(value << 1 if value >= 0 else (-value << 1) - 1)


def _optional(value: int | None, write: Callable[[int], bytes]) -> bytes:
    return unsigned(0) if value is None else unsigned(1) + write(value)


def _listed(items: list[bytes]) -> bytes:
    return unsigned(len(items)) + b"".join(items)


class _Compiler:
    def __init__(self, shapes: Shapes) -> None:
        self.schema = shapes.schema
        self.shapes = shapes
        self.ordered = sorted(shapes.by_type.values(), key=lambda item: (item.module, item.name))
        self.struct_index = {shape.type: index for index, shape in enumerate(self.ordered)}
        self.starts = [grammar.build(shapes, shape) for shape in self.ordered]
        self.relaxed = {
            name: relaxed.alternatives(shapes, elements)
            for name, elements in self._declared().items()
            if name.local in shapes.alone and len({element.type for element in elements}) > 1
        }
        self.states: dict[State, int] = {}
        self.state_list: list[State] = []
        self.end: State | None = None
        self.strings: dict[str, int] = {}
        self.datatypes: dict[bytes, int] = {}

    def compile(self) -> bytes:
        for start in self.starts:
            self._number(start)
        for root in sorted(self.relaxed):
            for _, start in self.relaxed[root]:
                self._number(start)
        # Writing them collects the string pool, which stands before them in the file.
        structs = _listed(
            [self._struct(shape, start) for shape, start in zip(self.ordered, self.starts, strict=True)]
        )
        states = _listed(
            [_listed([self._production(one) for one in state.productions]) for state in self.state_list]
        )
        roots = _listed([self._root(name, [item]) for name, item in sorted(self.schema.elements.items())])
        fragment = _listed([self._root(name, items) for name, items in sorted(self._declared().items())])
        name = self.schema.name.encode()
        pool = [unsigned(len(text.encode())) + text.encode() for text in self.strings]
        parts = [unsigned(len(name)) + name, _listed(pool), _listed(list(self.datatypes)), structs, states]
        return MAGIC + b"".join(parts) + roots + fragment

    # Numbering

    def _number(self, start: State) -> None:
        pending = [start]
        while pending:
            state = pending.pop(0)
            if state in self.states:
                continue
            if [one.event for one in state.productions] == [Event.END]:
                # All that end an element and nothing else are the same.
                self.end = self.end or state
                self.states[state] = self.states.get(self.end, len(self.state_list))
                if self.end is not state:
                    continue
            self.states[state] = len(self.state_list)
            self.state_list.append(state)
            pending += [target for one in state.productions for target in _targets(one)]

    def _string(self, text: str) -> bytes:
        return unsigned(self.strings.setdefault(text, len(self.strings)))

    def _name(self, name: QName) -> bytes:
        return self._string(name.local) + self._string(name.uri)

    # Parts of the file

    def _struct(self, shape: Shape, start: State) -> bytes:
        fields = []
        for item in shape.fields:
            flags = (1 if item.optional and not item.repeated else 0) | (2 if item.repeated else 0)
            name = item.branches[0].name
            fields.append(self._string(item.name) + self._name(name) + unsigned(item.kind) + unsigned(flags))
        names = [shape.module, shape.name, shape.type.label.local]
        return b"".join(map(self._string, names)) + _listed(fields) + unsigned(self.states[start])

    def _production(self, one: Production) -> bytes:
        event = one.event
        out = unsigned(event)
        if event in (Event.ATTRIBUTE, Event.SIMPLE, Event.STRUCT, Event.ABSTRACT):
            out += self._name(one.name)
        if event is Event.WILDCARD:
            out += self._string(one.name.uri)
        if event in (Event.ATTRIBUTE, Event.CHARACTERS, Event.SIMPLE, Event.STRUCT):
            out += unsigned(one.field) + self._type(one.type)
        if one.next is not None:
            out += self._next(one.next)
        return out

    def _type(self, type_: SimpleType | ComplexType | None) -> bytes:
        if isinstance(type_, ComplexType):
            return unsigned(self.struct_index[type_])
        if type_ is None:
            raise SchemaError("a production without a type")
        return unsigned(self.datatypes.setdefault(self._datatype(type_), len(self.datatypes)))

    def _next(self, target: State | Loop) -> bytes:
        if isinstance(target, State):
            return unsigned(0) + unsigned(self.states[target])
        numbers = [self.states[one] for one in (target.below, target.within, target.at_max)]
        head = [1, int(target.entering), target.minimum, target.maximum]
        return b"".join(map(unsigned, head + numbers))

    def _datatype(self, type_: SimpleType) -> bytes:
        if type_.literals:
            module, name = enum_of(type_, self.schema.modules)
            literals = [self._string(literal) for literal in type_.literals]
            return unsigned(4) + self._string(module) + self._string(name) + _listed(literals)
        if type_.primitive == "boolean":
            return unsigned(0)
        if type_.primitive in _BINARIES:
            lengths = unsigned(type_.min_length) + _optional(type_.max_length, unsigned)
            return unsigned(_BINARIES[type_.primitive]) + lengths
        return self._integer(type_)

    def _integer(self, type_: SimpleType) -> bytes:
        low, high = type_.minimum, type_.maximum
        if low is not None and high is not None and high - low < _NBIT_RANGE:
            return unsigned(1) + zigzag(low) + unsigned(high - low + 1)
        if low is None and high is None:
            return unsigned(8)
        if low is not None and 0 <= low < 2**64:
            return unsigned(2) + unsigned(low) + _optional(high, unsigned)
        if any(bound is not None and not -(2**63) <= bound < 2**63 for bound in (low, high)):
            raise SchemaError(f"{type_.name}: bounds beyond 64 bits")
        return unsigned(3) + _optional(low, zigzag) + _optional(high, zigzag)

    # Roots

    def _declared(self) -> dict[QName, list[Element]]:
        """Every element name of the set with all its declarations: the roots of the fragment grammar."""
        found: dict[QName, list[Element]] = {}
        for element in self.schema.declarations:
            found.setdefault(element.name, []).append(element)
        return found

    def _root(self, name: QName, declarations: Iterable[Element]) -> bytes:
        elements = list(declarations)
        types = {element.type for element in elements}
        out = self._name(name)
        type_ = types.pop()
        if types or any(self.schema.is_abstract(element) for element in elements):
            if choices := self.relaxed.get(name):
                pairs = [
                    unsigned(self.struct_index[shape.type]) + unsigned(self.states[start])
                    for shape, start in choices
                ]
                return out + unsigned(_ROOT_RELAXED) + _listed(pairs)
            # No other signed element has a name of several types; such roots are refused.
            return out + unsigned(_ROOT_REFUSED) + unsigned(0)
        wrapper = self.shapes.wrappers.get(name)
        if isinstance(type_, SimpleType) and wrapper is not None:
            type_ = wrapper
        kind = _ROOT_STRUCT if isinstance(type_, ComplexType) else _ROOT_SIMPLE
        return out + unsigned(kind) + self._type(type_)


def _targets(production: Production) -> list[State]:
    if isinstance(production.next, State):
        return [production.next]
    if isinstance(production.next, Loop):
        return [production.next.below, production.next.within, production.next.at_max]
    return []
