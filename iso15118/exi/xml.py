"""Messages as XML and back. lxml is imported at the first use only.

Input is read without entities, document types and network, up to a size; what it says is then checked by the
engine, so that a message from XML can be encoded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from iso15118.errors import ExiError
from iso15118.printable import escaped

from .codec import Message, encode
from .lexical import Simple, from_text, to_text
from .structure import (
    Event,
    Production,
    Root,
    Struct,
    Structure,
    Walk,
    is_message,
    locate,
    productions,
    structure,
)

if TYPE_CHECKING:
    from lxml import etree

MAX_XML = 16 * 1024 * 1024
"""Characters that ``from_xml`` takes; the longest message that a schema allows is shorter."""

_PREFIXES = {
    "urn:iso:15118:2:2010:AppProtocol": "app",
    "urn:din:70121:2012:MsgDef": "d",
    "urn:din:70121:2012:MsgHeader": "h",
    "urn:din:70121:2012:MsgBody": "b",
    "urn:din:70121:2012:MsgDataTypes": "t",
    "urn:iso:15118:2:2013:MsgDef": "d",
    "urn:iso:15118:2:2013:MsgHeader": "h",
    "urn:iso:15118:2:2013:MsgBody": "b",
    "urn:iso:15118:2:2013:MsgDataTypes": "t",
    "urn:iso:std:iso:15118:-20:CommonTypes": "ct",
    "urn:iso:std:iso:15118:-20:CommonMessages": "cm",
    "urn:iso:std:iso:15118:-20:AC": "ac",
    "urn:iso:std:iso:15118:-20:DC": "dc",
    "urn:iso:std:iso:15118:-20:WPT": "wpt",
    "urn:iso:std:iso:15118:-20:ACDP": "acdp",
    "urn:iso:std:iso:15118:-20:AC-DER-IEC": "iec",
    "urn:iso:std:iso:15118:-20:AC-DER-SAE": "sae",
    "http://www.w3.org/2000/09/xmldsig#": "ds",
}


def to_xml(
    message: Message, *, schema: str | None = None, pretty: bool = False, for_people: bool = False
) -> str:
    r"""The message as an XML document, without declaration; ``pretty`` indents it.

    ``schema`` says of which set the element is to be; without it, the first set that has one for this class.
    ``for_people``: characters that XML does not have are written as ``\x01`` and the like, and what is
    missing by the schema is left out; such a document need not come back as the same message. Raises ExiError
    for a message that its class does not allow, and without ``for_people`` for one that lacks something or
    has characters that XML does not have.
    """
    from lxml import etree

    table, root = locate(message, schema)
    try:
        element = etree.Element(_tag(root.local, root.uri), nsmap=_prefixes(table))
        _write(table, message, element, root.local, for_people)
    except (ValueError, TypeError, AttributeError) as error:
        raise ExiError(str(error), schema=table.schema, path=root.local) from None
    etree.cleanup_namespaces(element)
    return etree.tostring(element, encoding="unicode", pretty_print=pretty)


def from_xml(schema: str, text: str, *, fragment: bool = False) -> Message:
    """The message of an XML document; ``fragment`` takes any element of the set as the root.

    Raises ExiError for anything that is no XML, or no message of the schema set.
    """
    from lxml import etree

    table = structure(schema)
    if not isinstance(text, str) or len(text) > MAX_XML:
        raise ExiError("no text, or too long", schema=schema, expected=f"at most {MAX_XML} characters")
    if "<!DOCTYPE" in text:
        # Refused before parsing: entities would be expanded in attribute values
        # whatever the parser's options say.
        raise ExiError("a document type is not allowed", schema=schema)
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        element = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ExiError(f"no well-formed XML: {error}", schema=schema) from None
    root = _find_root(table, element, fragment)
    for number in root.structs:
        try:
            message = _Read(table).struct(table.structs[number], element, root.local)
        except ExiError:
            # The last one's error stands.
            if number == root.structs[-1]:
                raise
            continue
        break
    encode(schema, message, fragment=fragment, root=root.local)
    return message


def _tag(local: str, uri: str) -> str:
    return f"{{{uri}}}{local}" if uri else local


def _prefixes(table: Structure) -> dict[str, str]:
    uris = {root.uri for root in table.fragment if root.uri}
    return {_PREFIXES.get(uri, f"n{index}"): uri for index, uri in enumerate(sorted(uris))}


# Writing


_BEYOND_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _escaped(text: str) -> str:
    return _BEYOND_XML.sub(lambda found: escaped(found[0]), text)


def _write(table: Structure, message: Message, element: etree._Element, path: str, for_people: bool) -> None:
    index = table.by_class.get(type(message))
    if index is None:
        raise ExiError(f"{type(message).__name__} is not of this schema set", schema=table.schema, path=path)
    struct = table.structs[index]
    pending = [_values(getattr(message, field.name)) for field in struct.fields]
    walk = Walk(table, struct)
    while True:
        production = next((one for one in walk.choices if _fits(table, one, pending)), None)
        if production is None:
            break
        _put(table, production, pending[production.field].pop(0), element, path, for_people)
        walk.take(production)
    if for_people:
        for production in _feeding(table, struct):
            while _fits(table, production, pending):
                _put(table, production, pending[production.field].pop(0), element, path, for_people)
    left = next((field.name for field, values in zip(struct.fields, pending, strict=True) if values), None)
    if left is not None:
        raise ExiError(f"{left} does not fit", schema=table.schema, path=path, expected=walk.expectation)
    if not walk.may_end and not for_people:
        raise ExiError("too little", schema=table.schema, path=path, expected=walk.expectation)


def _put(
    table: Structure, production: Production, value: Any, element: etree._Element, path: str, for_people: bool
) -> None:
    from lxml import etree

    if production.event is Event.STRUCT:
        child = etree.SubElement(element, _tag(production.local, production.uri))
        _write(table, value, child, f"{path}/{production.local}", for_people)
        return
    written = to_text(value, table.datatypes[production.target])
    if for_people:
        written = _escaped(written)
    if production.event is Event.ATTRIBUTE:
        element.set(_tag(production.local, production.uri), written)
    elif production.event is Event.CHARACTERS:
        element.text = written
    else:
        etree.SubElement(element, _tag(production.local, production.uri)).text = written


def _feeding(table: Structure, struct: Struct) -> list[Production]:
    """Everything that feeds a field of a struct, in the order of the fields: what the grammar would have
    allowed only behind something that is missing."""
    feeds = productions(table.schema, table.by_class[struct.cls])
    return [one for number in range(len(struct.fields)) for one in feeds.get(number, {}).values()]


def _values(value: object) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, tuple) else [value]


def _fits(table: Structure, production: Production, pending: list[list[Any]]) -> bool:
    if production.event not in (Event.ATTRIBUTE, Event.CHARACTERS, Event.SIMPLE, Event.STRUCT):
        return False
    values = pending[production.field]
    if not values:
        return False
    if production.event is Event.STRUCT:
        return type(values[0]) is table.structs[production.target].cls
    return not is_message(values[0])


# Reading


def _find_root(table: Structure, element: etree._Element, fragment: bool) -> Root:
    for root in table.roots(fragment):
        if element.tag == _tag(root.local, root.uri) and root.structs:
            return root
    raise ExiError(f"{str(element.tag)[:200]} is no root element", schema=table.schema)


class _Read:
    def __init__(self, table: Structure) -> None:
        self.table = table

    def struct(self, struct: Struct, element: etree._Element, path: str) -> Message:
        walk = Walk(self.table, struct)
        found: list[list[Any]] = [[] for _ in struct.fields]
        attributes: dict[Any, Any] = dict(element.attrib)
        while production := self._attribute(walk, attributes):
            text = str(attributes.pop(_tag(production.local, production.uri)))
            found[production.field].append(self._simple(production, text, f"{path}/@{production.local}"))
            walk.take(production)
        if attributes:
            raise self._error(f"attribute {str(next(iter(attributes)))[:200]}", path, walk)
        characters = next((one for one in walk.choices if one.event is Event.CHARACTERS), None)
        if characters is not None:
            found[characters.field].append(self._simple(characters, self._text(element, path), path))
            walk.take(characters)
        else:
            self._children(walk, element, path, found)
        if not walk.may_end:
            raise self._error("too little", path, walk)
        values = {
            field.name: tuple(items) if field.repeated else items[0]
            for field, items in zip(struct.fields, found, strict=True)
            if items
        }
        try:
            return struct.cls(**values)
        except TypeError as error:
            raise self._error(str(error), path, walk) from None

    def _children(self, walk: Walk, element: etree._Element, path: str, found: list[list[Any]]) -> None:
        for text in (element.text, *(child.tail for child in element)):
            if text is not None and text.strip():
                raise self._error("text between elements", path, walk)
        for child in element:
            production = next(
                (one for one in walk.choices if one.local and child.tag == _tag(one.local, one.uri)), None
            )
            if production is None or production.event not in (Event.SIMPLE, Event.STRUCT):
                raise self._error(f"element {str(child.tag)[:200]}", path, walk)
            below = f"{path}/{production.local}"
            if production.event is Event.STRUCT:
                found[production.field].append(
                    self.struct(self.table.structs[production.target], child, below)
                )
            else:
                if child.attrib:
                    raise self._error("an attribute on a simple value", below, walk)
                found[production.field].append(self._simple(production, self._text(child, below), below))
            walk.take(production)

    def _attribute(self, walk: Walk, attributes: dict[Any, Any]) -> Production | None:
        for one in walk.choices:
            if one.event is Event.ATTRIBUTE and _tag(one.local, one.uri) in attributes:
                return one
        return None

    def _text(self, element: etree._Element, path: str) -> str:
        if len(element):
            raise ExiError("an element in a simple value", schema=self.table.schema, path=path)
        return element.text or ""

    def _simple(self, production: Production, text: str, path: str) -> Simple:
        try:
            return from_text(text, self.table.datatypes[production.target])
        except ValueError as error:
            raise ExiError(str(error), schema=self.table.schema, path=path) from None

    def _error(self, reason: str, path: str, walk: Walk) -> ExiError:
        return ExiError(reason, schema=self.table.schema, path=path, expected=walk.expectation)
