"""The relaxed grammar of a fragment whose element name has several types in the schema set (EXI 1.0, 8.5.3).

Every attribute and every element of the set may stand in it, and text has no type. One signed element needs
it: eMAID of ISO 15118-2. What that one does not use holds its code and is refused by name.
"""

from __future__ import annotations

from .grammar import Event, Production, State
from .model import ComplexType, Element, QName, SimpleType
from .shape import FieldKind, Shape, Shapes

_HELD = Production(Event.WILDCARD, QName("", "##any"))


def alternatives(shapes: Shapes, declarations: list[Element]) -> list[tuple[Shape, State]]:
    """The classes that a fragment of these declarations may be, each with its start state; empty if one
    has other content than text."""
    found: list[tuple[Shape, State]] = []
    types = {element.type for element in declarations}
    for type_ in types:
        wrapped = shapes.wrappers.get(declarations[0].name) if isinstance(type_, SimpleType) else type_
        shape = shapes.by_type.get(wrapped) if isinstance(wrapped, ComplexType) else None
        if shape is None or shape.type.text is None or shape.type.text.primitive != "string":
            return []
        if shape.type.text.literals or len(shape.type.attributes) > 1:
            return []
        found.append((shape, _start(shapes, shape)))
    return sorted(found, key=lambda item: item[0].name)


def _start(shapes: Shapes, shape: Shape) -> State:
    """Attributes in the order of their names, AT(*), the elements, SE(*), EE, text."""
    elements = len({element.name for element in shapes.schema.declarations})
    attributes = sorted({item.name for one in shapes.by_type for item in one.attributes})
    value = next(i for i, item in enumerate(shape.fields) if item.kind is FieldKind.TEXT)
    end = State([_HELD] * (elements + 1))
    end.productions += [Production(Event.END), Production(Event.UNTYPED, next=end)]
    text = Production(Event.CHARACTERS, field=value, type=shape.type.text, next=end)
    state = State([_HELD] * (len(attributes) + 1 + elements + 2) + [text])
    for attribute in shape.type.attributes:
        number = next(i for i, item in enumerate(shape.fields) if item.branches[0].name == attribute.name)
        production = Production(Event.ATTRIBUTE, attribute.name, number, attribute.type, state)
        after = _HELD if attribute.required else state.productions[-1]
        state = State([*state.productions[:-1], after])
        state.productions[attributes.index(attribute.name)] = production
    return state
