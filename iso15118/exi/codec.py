"""The codec of each schema set: the engine (rust/exi) with the tables of ``iso15118/exi/tables``.

It reads by the specification first and, where that fails, once more with the deviation that one code
generator in the field has; it writes by the specification only, but for keys whose length is left to who
uses them (``key_lengths``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import msgspec

from iso15118._native import Codec
from iso15118.errors import ExiError

Message: TypeAlias = msgspec.Struct
"""Any generated message class of ``iso15118.messages``."""

SCHEMAS: tuple[str, ...] = (
    "app", "din", "iso2", "iso20-common", "iso20-ac", "iso20-dc", "iso20-wpt", "iso20-acdp", "iso20-ac-der-iec",
    "iso20-ac-der-sae", "xmldsig-fragment",
)  # fmt: skip
"""The schema sets there are, by the names that all functions here take."""

TABLES = Path(__file__).parent / "tables"
_codecs: dict[str, Codec] = {}
_registered: dict[str, Path] = {}


def register(tables: Path) -> str:
    """Add a schema set by its grammar tables, as ``iso15118 codegen`` writes them; returns its name.

    All functions here take the name from then on. The classes that the tables name are imported
    at the first message. Raises ExiError for a file that holds no sound tables, and for the name
    of a set that there is already.
    """
    try:
        added = Codec(tables.read_bytes())
    except OSError as error:
        raise ExiError(f"{tables}: {error.strerror}") from None
    if added.schema in SCHEMAS or _registered.get(added.schema, tables) != tables:
        raise ExiError("there is such a schema set already", schema=added.schema)
    _registered[added.schema] = tables
    _codecs[added.schema] = added
    return added.schema


def tables_of(schema: str) -> Path:
    """The file with the tables of a schema set; ExiError for a name that is neither in
    ``SCHEMAS`` nor registered."""
    if schema in SCHEMAS:
        return TABLES / f"{schema}.exig"
    if schema not in _registered:
        expected = ", ".join((*SCHEMAS, *_registered))
        raise ExiError("there is no such schema set", schema=str(schema), expected=expected)
    return _registered[schema]


def codec(schema: str) -> Codec:
    """The engine of one schema set, loaded at the first call; ExiError for a name that there is not."""
    known = _codecs.get(schema)
    if known is None:
        known = _codecs[schema] = Codec(tables_of(schema).read_bytes())
    return known


def known_schemas() -> tuple[str, ...]:
    """The names of all schema sets: ``SCHEMAS`` and those that were registered."""
    return (*SCHEMAS, *_registered)


def decode(
    schema: str, data: bytes | bytearray | memoryview, *, fragment: bool = False, strict: bool = False
) -> Message:
    """The message in an EXI stream of a schema set.

    ``fragment`` reads a fragment: any element of the set alone, as signatures use it. Trailing octets and the
    known deviations of peers are tolerated, and named by `decode_with_notes`; ``strict`` refuses them. Raises
    ExiError for anything that is no message of the schema, whatever the bytes are.
    """
    if strict:
        return _strictly(schema, data, fragment)
    engine = _codecs.get(schema) or codec(schema)
    try:
        return engine.decode(data, fragment)
    except ExiError as error:
        return _leniently(engine, data, fragment, error)[0]


def decode_with_notes(
    schema: str, data: bytes | bytearray | memoryview, *, fragment: bool = False
) -> tuple[Message, list[str]]:
    """As `decode`, with the deviations from the specification that were tolerated, as "name: detail".

    The names: trailing-octets, padding, empty-by-end, empty-abstract,
    untyped-characters, open-array, short, long.
    """
    engine = _codecs.get(schema) or codec(schema)
    try:
        return engine.decode_with_notes(data, fragment)
    except ExiError as error:
        return _leniently(engine, data, fragment, error)


def _strictly(schema: str, data: bytes | bytearray | memoryview, fragment: bool) -> Message:
    message, notes = codec(schema).decode_with_notes(data, fragment, strict=True)
    if notes:
        raise ExiError(notes[0], schema=schema, expected="a stream without deviations")
    return message


def _leniently(
    engine: Codec, data: bytes | bytearray | memoryview, fragment: bool, error: ExiError
) -> tuple[Message, list[str]]:
    """More attempts: some peers write values of a length that their type does not allow, and some a full list
    as if it could go on, which shifts the codes behind it.

    If all fail, the first error is the one worth knowing.
    """
    for open_arrays, any_length in ((False, True), (True, False), (True, True)):
        try:
            return engine.decode_with_notes(data, fragment, open_arrays=open_arrays, any_length=any_length)
        except ExiError:
            continue
    raise error from None


def encode(schema: str, message: Message, *, fragment: bool = False, root: str | None = None) -> bytes:
    """The EXI stream of a message, by the specification.

    ``fragment`` writes a fragment, e.g. for a digest. ``root`` names the root element where several hold the
    same class, as "local name" or "{namespace}local name"; without it the first in the schema's order is
    taken. Raises ExiError if the schema does not allow the message: a wrong class, a value out of its range,
    too many or too few of a list. Some keys may be of another length than the schema's, see ``key_lengths``.
    """
    engine = _codecs.get(schema) or codec(schema)
    try:
        return engine.encode(message, fragment, root)
    except ExiError:
        from .key_lengths import at_schema_lengths  # here: it is rare, and brings the message classes

        whole = at_schema_lengths(schema, message)
        if whole is None:
            raise
        engine.encode(whole, fragment, root)  # nothing else is excused
        return engine.encode(message, fragment, root, any_length=True)
