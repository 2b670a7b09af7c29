"""Reads XSD files into the component model.

Imports and includes are followed only to files beside the importing one; nothing is fetched, no
entity and no DTD is resolved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from lxml import etree

from .builtin import BUILTIN, XS
from .model import (
    UNBOUNDED,
    Attribute,
    ComplexType,
    Element,
    ElementUse,
    Group,
    Particle,
    QName,
    SchemaError,
    SchemaSet,
    SimpleType,
    Wildcard,
    located,
)
from .sets import MODULES

_Node = etree._Element
_P = ParamSpec("_P")
_T = TypeVar("_T")
_PARTICLES = ("sequence", "choice", "element", "any")


_FACETS = (
    "enumeration",
    "length",
    "minLength",
    "maxLength",
    "minInclusive",
    "maxInclusive",
    "minExclusive",
    "maxExclusive",
)
_OCCURRENCE = "minOccurs maxOccurs"
_ATTRIBUTES = {
    "schema": "targetNamespace elementFormDefault attributeFormDefault blockDefault finalDefault version",
    "import": "namespace schemaLocation",
    "include": "schemaLocation",
    "element": f"name type ref substitutionGroup abstract form block final nillable default fixed {_OCCURRENCE}",
    "complexType": "name abstract mixed block final",
    "simpleType": "name final",
    "attribute": "name type use form default fixed",
    "any": f"namespace processContents {_OCCURRENCE}",
    "sequence": _OCCURRENCE,
    "choice": _OCCURRENCE,
    "extension": "base",
    "restriction": "base",
    **dict.fromkeys(_FACETS, "value fixed"),
}
"""What the reader knows of each element; anything else would be dropped in silence, so it is refused."""


def read_schema_set(name: str, files: Sequence[Path], modules: Mapping[str, str] = MODULES) -> SchemaSet:
    """Read the given XSD files and all that they import; raises SchemaError for
    what the model cannot express.

    ``modules`` names the Python module for the classes of each namespace.
    """
    return _Reader(name, files, modules).read()


def namespaces(file: Path) -> list[str]:
    """Target namespaces of an XSD file and of all that it imports, in the order of their names."""
    reader = _Reader("", [], {})
    reader.load(file)
    return sorted(reader.set.docs)


def _where(node: _Node) -> str:
    return f"{Path(node.getroottree().docinfo.URL or '').name}:{node.sourceline}"


def _tag(node: _Node) -> str:
    tag = etree.QName(node)
    if tag.namespace != XS:
        raise SchemaError(f"{tag.text} is not an XML Schema element", _where(node))
    known = _ATTRIBUTES.get(tag.localname, "").split()
    for name in map(str, node.attrib):
        # Attributes of other namespaces are remarks, as XML Schema has it.
        if tag.localname in _ATTRIBUTES and name != "id" and name not in known and not name.startswith("{"):
            raise SchemaError(f"xs:{tag.localname}: attribute {name} is not supported", _where(node))
    return tag.localname


def _at_its_node(
    method: Callable[Concatenate[_Reader, _Node, _P], _T],
) -> Callable[Concatenate[_Reader, _Node, _P], _T]:
    """Errors of a method that reads a node get the node's place in the file."""

    def wrapper(self: _Reader, node: _Node, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        with located(_where(node)):
            return method(self, node, *args, **kwargs)

    return wrapper


def _children(node: _Node) -> list[_Node]:
    return [child for child in node if isinstance(child.tag, str) and _tag(child) != "annotation"]


def _occurrence(node: _Node) -> tuple[int, int]:
    maximum = node.get("maxOccurs", "1")
    low = _number(node.get("minOccurs", "1"))
    high = UNBOUNDED if maximum == "unbounded" else _number(maximum)
    if low < 0 or (high != UNBOUNDED and high < low):
        raise SchemaError(f"occurrence from {low} to {maximum}")
    return low, high


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SchemaError(f"{text!r} is no number") from None


def _reference(node: _Node, text: str) -> QName:
    prefix, _, local = text.rpartition(":")
    uri = node.nsmap.get(prefix or None)
    return QName(local, uri or "")


def _doc(node: _Node) -> str:
    """The text of xs:documentation, with white space folded."""
    parts = [
        " ".join(str(text.xpath("string()")).split())
        for text in node.findall(f"{{{XS}}}annotation/{{{XS}}}documentation")
    ]
    return " ".join(parts)


class _Reader:
    """Global nodes are indexed first and turned into components on demand, since they
    refer to each other freely."""

    def __init__(self, name: str, files: Sequence[Path], modules: Mapping[str, str]) -> None:
        self.set = SchemaSet(name, modules=modules)
        self.files = list(files)
        self.loaded: set[bytes] = set()
        self.nodes: dict[tuple[str, QName], _Node] = {}
        self.in_progress: set[QName] = set()

    def read(self) -> SchemaSet:
        for path in self.files:
            self.load(path)
        for kind, name in list(self.nodes):
            if kind == "complexType":
                self._complex_named(name)
            elif kind == "simpleType":
                self._simple_named(name)
            else:
                self._element_global(name)
        self._separate_messages()
        return self.set

    def _separate_messages(self) -> None:
        """Give each global element a type of its own, so that the class of a
        message tells which message it is.

        The element that the type is named after keeps it, if there is one; a copy belongs to its element.
        """
        sharing: dict[ComplexType, list[Element]] = {}
        for element in self.set.elements.values():
            if isinstance(element.type, ComplexType) and not self.set.is_abstract(element):
                sharing.setdefault(element.type, []).append(element)
        for type_, elements in sharing.items():
            owners = [one for one in elements if f"{one.name.local}Type" == type_.label.local]
            keeper = min(owners or elements, key=lambda one: one.name)
            for element in elements:
                if element is not keeper:
                    element.type = replace(type_, name=None, element=element.name)

    def load(self, path: Path) -> str:
        """Read a file and what it refers to; returns its target namespace."""
        parser = etree.XMLParser(
            resolve_entities=False, load_dtd=False, no_network=True, dtd_validation=False
        )
        try:
            content = path.read_bytes()
            root = etree.fromstring(content, parser, base_url=str(path))
        except (OSError, etree.XMLSyntaxError) as error:
            raise SchemaError(f"{path.name}: {error}") from None
        target = root.get("targetNamespace", "")
        # The same document may lie beside several others (xmldsig does); it is read once.
        digest = hashlib.sha256(content).digest()
        if digest in self.loaded:
            return target
        self.loaded.add(digest)
        if _tag(root) != "schema":
            raise SchemaError("the root is no xs:schema", _where(root))
        self.set.docs.setdefault(target, _doc(root))
        for node in _children(root):
            with located(_where(node)):
                self._load_node(node, path, target)
        return target

    def _load_node(self, node: _Node, path: Path, target: str) -> None:
        kind = _tag(node)
        if kind in ("import", "include"):
            location = node.get("schemaLocation")
            if location is None:
                raise SchemaError(f"{kind} without schemaLocation")
            expected = target if kind == "include" else node.get("namespace", "")
            if self.load(path.parent / location) != expected:
                raise SchemaError(f"{location} has another target namespace than {expected or 'none'}")
        elif kind in ("element", "complexType", "simpleType"):
            key = (kind, QName(node.get("name", ""), target))
            if key in self.nodes:
                raise SchemaError(
                    f"a second {kind} {key[1].local}; the first is in {_where(self.nodes[key])}"
                )
            self.nodes[key] = node
        else:
            raise SchemaError(f"xs:{kind} is not supported")

    # Elements and attributes

    def _element_global(self, name: QName) -> Element:
        if name in self.set.elements:
            return self.set.elements[name]
        node = self.nodes.get(("element", name))
        if node is None:
            raise SchemaError(f"no global element {name.local} in {name.uri}")
        # Recursion through element references is possible, so the element is
        # entered before its type is known.
        element = Element(name, BUILTIN["string"], is_global=True, doc=_doc(node))
        self.set.elements[name] = element
        self.set.declarations.append(element)
        head = node.get("substitutionGroup")
        if head is not None:
            element.substitutes = _reference(node, head)
        element.abstract = node.get("abstract") == "true"
        element.type = self._type_of(node, name)
        return element

    @_at_its_node
    def _element_local(self, node: _Node) -> Element:
        name = QName(node.get("name", ""), self._uri(node, "elementFormDefault"))
        element = Element(name, self._type_of(node, name), doc=_doc(node))
        self.set.declarations.append(element)
        return element

    def _uri(self, node: _Node, default_key: str) -> str:
        root = node.getroottree().getroot()
        qualified = node.get("form", root.get(default_key, "unqualified")) == "qualified"
        return root.get("targetNamespace", "") if qualified else ""

    @_at_its_node
    def _type_of(self, node: _Node, owner: QName) -> SimpleType | ComplexType:
        for forbidden in ("nillable", "default", "fixed"):
            if node.get(forbidden) is not None and (forbidden, node.get(forbidden)) != ("nillable", "false"):
                raise SchemaError(f"{owner.local}: attribute {forbidden} is not supported")
        named = node.get("type")
        if named is not None:
            return self._type_named(_reference(node, named))
        inner = _children(node)
        if len(inner) != 1:
            raise SchemaError(f"{owner.local}: no type")
        if _tag(inner[0]) == "simpleType":
            return self._simple(inner[0], None)
        return self._complex(inner[0], ComplexType(None, element=owner))

    def _type_named(self, name: QName) -> SimpleType | ComplexType:
        if name.uri == XS or ("simpleType", name) in self.nodes:
            return self._simple_named(name)
        return self._complex_named(name)

    @_at_its_node
    def _attribute(self, node: _Node) -> Attribute:
        if _tag(node) != "attribute" or node.get("name") is None:
            raise SchemaError(f"only named xs:attribute is supported, not xs:{_tag(node)}")
        if node.get("use") == "prohibited":
            raise SchemaError(f"attribute {node.get('name')}: use prohibited is not supported")
        name = QName(node.get("name", ""), self._uri(node, "attributeFormDefault"))
        type_ = self._type_of(node, name)
        if not isinstance(type_, SimpleType):
            raise SchemaError(f"attribute {name.local} has no simple type")
        return Attribute(name, type_, node.get("use") == "required", _doc(node))

    # Simple types

    def _simple_named(self, name: QName) -> SimpleType:
        if name.uri == XS:
            if name.local not in BUILTIN:
                raise SchemaError(f"xs:{name.local} is not supported")
            return BUILTIN[name.local]
        if name not in self.set.simple_types:
            node = self.nodes.get(("simpleType", name))
            if node is None:
                raise SchemaError(f"no type {name.local} in {name.uri}")
            self.set.simple_types[name] = self._simple(node, name)
        return self.set.simple_types[name]

    @_at_its_node
    def _simple(self, node: _Node, name: QName | None) -> SimpleType:
        inner = _children(node)
        if len(inner) != 1 or _tag(inner[0]) != "restriction" or inner[0].get("base") is None:
            raise SchemaError(f"simple type {name.local if name else ''}: only xs:restriction is supported")
        result = replace(
            self._simple_named(_reference(inner[0], inner[0].get("base", ""))), name=name, doc=_doc(node)
        )
        literals: list[str] = []
        for facet in _children(inner[0]):
            kind, value = _tag(facet), facet.get("value", "")
            if kind == "enumeration":
                literals.append(value)
            elif kind == "minInclusive":
                result = replace(result, minimum=_number(value))
            elif kind == "maxInclusive":
                result = replace(result, maximum=_number(value))
            elif kind == "minExclusive":
                result = replace(result, minimum=_number(value) + 1)
            elif kind == "maxExclusive":
                result = replace(result, maximum=_number(value) - 1)
            elif kind == "length":
                result = replace(result, min_length=_number(value), max_length=_number(value))
            elif kind == "minLength":
                result = replace(result, min_length=_number(value))
            elif kind == "maxLength":
                result = replace(result, max_length=_number(value))
            else:
                raise SchemaError(f"facet xs:{kind} is not supported", _where(facet))
        return replace(result, literals=tuple(literals)) if literals else result

    # Complex types

    def _complex_named(self, name: QName) -> ComplexType:
        if name not in self.set.complex_types:
            node = self.nodes.get(("complexType", name))
            if node is None:
                raise SchemaError(f"no type {name.local} in {name.uri}")
            self.set.complex_types[name] = ComplexType(name)
            self.in_progress.add(name)
            self._complex(node, self.set.complex_types[name])
            self.in_progress.discard(name)
        return self.set.complex_types[name]

    @_at_its_node
    def _complex(self, node: _Node, result: ComplexType) -> ComplexType:
        result.abstract = node.get("abstract") == "true"
        result.mixed = node.get("mixed") == "true"
        result.doc = _doc(node)
        result.where = _where(node)
        inner = _children(node)
        if inner and _tag(inner[0]) in ("complexContent", "simpleContent"):
            simple = _tag(inner[0]) == "simpleContent"
            extensions = _children(inner[0])
            if len(extensions) != 1 or _tag(extensions[0]) != "extension":
                raise SchemaError(f"{result.label.local}: only xs:extension is supported")
            self._extend(result, extensions[0], simple=simple)
        else:
            self._fill(result, inner)
        return result

    def _extend(self, result: ComplexType, node: _Node, *, simple: bool) -> None:
        base = self._type_named(_reference(node, node.get("base", "")))
        if isinstance(base, SimpleType):
            if not simple:
                raise SchemaError(f"{result.label.local}: complex content on a simple base")
            result.text = base
        else:
            if base.name in self.in_progress:
                raise SchemaError(f"{result.label.local} extends itself")
            result.text, result.content, result.mixed = base.text, base.content, result.mixed or base.mixed
            result.attributes = base.attributes
        self._fill(result, _children(node))

    def _fill(self, result: ComplexType, nodes: list[_Node]) -> None:
        for node in nodes:
            if _tag(node) in ("sequence", "choice"):
                own = self._particle(node)
                result.content = own if result.content is None else Group(False, (result.content, own))
            else:
                result.attributes += (self._attribute(node),)

    @_at_its_node
    def _particle(self, node: _Node) -> Particle:
        kind = _tag(node)
        minimum, maximum = _occurrence(node)
        if kind not in _PARTICLES:
            raise SchemaError(f"xs:{kind} is not supported in a content model")
        if kind == "any":
            return Wildcard(node.get("namespace", "##any"), minimum, maximum)
        if kind == "element":
            ref = node.get("ref")
            element = self._element_global(_reference(node, ref)) if ref else self._element_local(node)
            return ElementUse(element, minimum, maximum, _doc(node))
        items = tuple(self._particle(child) for child in _children(node))
        return Group(kind == "choice", items, minimum, maximum)
