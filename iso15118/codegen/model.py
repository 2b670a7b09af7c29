"""Component model of a schema set: what is left of an XSD once references,
extensions and imports are resolved.

Only the constructs that message schemas of this family use are modelled; the reader refuses the rest by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from .sets import MODULES

UNBOUNDED = -1


class SchemaError(Exception):
    """The schema uses something this compiler does not know, or contradicts itself; ``where``
    is file and line, if known."""

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" if self.where else self.reason


@contextmanager
def located(where: str) -> Iterator[None]:
    """Tells a SchemaError from inside where in the schema it belongs, unless it knows better."""
    try:
        yield
    except SchemaError as error:
        error.where = error.where or where
        raise


class QName(NamedTuple):
    """Name of a component. The order is that of EXI: local name first, then namespace URI."""

    local: str
    uri: str


@dataclass(frozen=True)
class SimpleType:
    """A simple type, reduced to its value space.

    ``primitive`` is one of boolean, integer, string, hexBinary, base64Binary. ``minimum`` and ``maximum`` are
    inclusive and belong to integers; lengths count code points of strings and octets of binaries;
    ``literals`` makes it an enumeration.
    """

    name: QName | None
    primitive: str
    minimum: int | None = None
    maximum: int | None = None
    min_length: int = 0
    max_length: int | None = None
    literals: tuple[str, ...] = ()
    doc: str = field(default="", compare=False)


@dataclass(eq=False)
class Element:
    """An element declaration, global or local."""

    name: QName
    type: SimpleType | ComplexType
    abstract: bool = False
    is_global: bool = False
    substitutes: QName | None = None
    doc: str = ""


@dataclass(frozen=True)
class Attribute:
    """An attribute use."""

    name: QName
    type: SimpleType
    required: bool
    doc: str = ""


@dataclass(frozen=True)
class ElementUse:
    """A particle whose term is an element; ``maximum`` may be UNBOUNDED."""

    element: Element
    minimum: int = 1
    maximum: int = 1
    doc: str = ""


@dataclass(frozen=True)
class Wildcard:
    """A particle that admits elements of other schemas. ``namespace`` is the
    attribute's text, e.g. ``##other``."""

    namespace: str
    minimum: int = 1
    maximum: int = 1


@dataclass(frozen=True)
class Group:
    """A sequence or a choice of particles."""

    is_choice: bool
    items: tuple[Particle, ...]
    minimum: int = 1
    maximum: int = 1


Particle = ElementUse | Wildcard | Group


@dataclass(eq=False)
class ComplexType:
    """A complex type with everything it inherits.

    ``content`` is the content model, None for empty or simple content; ``text`` is the type
    of simple content. ``element`` names the element that an anonymous type belongs to, or
    the one a wrapper was made for.
    """

    name: QName | None
    element: QName | None = None
    abstract: bool = False
    mixed: bool = False
    attributes: tuple[Attribute, ...] = ()
    content: Particle | None = None
    text: SimpleType | None = None
    doc: str = ""
    where: str = ""
    """File and line of its definition."""

    @property
    def label(self) -> QName:
        """The name it is known by: its own, or that of its element."""
        name = self.name or self.element
        if name is None:
            raise SchemaError("a complex type without any name")
        return name


@dataclass
class SchemaSet:
    """All components of one schema document and everything it imports."""

    name: str
    elements: dict[QName, Element] = field(default_factory=dict)
    """Global elements."""
    declarations: list[Element] = field(default_factory=list)
    """Every element declaration, global and local."""
    complex_types: dict[QName, ComplexType] = field(default_factory=dict)
    simple_types: dict[QName, SimpleType] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=lambda: MODULES)
    """Module of the classes of each namespace."""
    docs: dict[str, str] = field(default_factory=dict)
    """What the schema documents say of themselves, by target namespace."""

    def members(self, head: Element) -> list[Element]:
        """The substitution group of a global element: itself and all direct and
        indirect members, in EXI order."""
        if not head.is_global:
            return [head]
        found = {head.name: head}
        grown = True
        while grown:
            grown = False
            for element in self.elements.values():
                if element.substitutes in found and element.name not in found:
                    found[element.name] = element
                    grown = True
        return [found[name] for name in sorted(found)]

    def is_abstract(self, element: Element) -> bool:
        """True when no instance may carry this element: it or its type is abstract."""
        return element.abstract or (isinstance(element.type, ComplexType) and element.type.abstract)
