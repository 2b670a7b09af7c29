"""Which schema set reads a message: by its payload type, by what supportedAppProtocol
agreed, or the one that fits best.

What was chosen or tolerated on the way is said in a note, so that nobody takes it for part of the message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from iso15118 import exi
from iso15118.errors import ExiError
from iso15118.v2gtp import HEADER_LENGTH, PayloadType, payload_type_name

if TYPE_CHECKING:
    from iso15118.exi import Message
else:
    Message = Any  # who asks for help at run time is told of it without loading it

__all__ = ["AUTO", "SCHEMAS_OF", "V2GTP", "Decoded", "best_fit", "decode_any", "edition_of", "message_octets"]

AUTO: Final = "auto"
V2GTP: Final = b"\x01\xfe"
"""First octets of every frame; no text begins with them."""

SCHEMAS_OF: Final[dict[int, tuple[str, ...]]] = {
    PayloadType.SAP: ("app", "din", "iso2"),
    PayloadType.ISO20_MAIN: ("iso20-common",),
    PayloadType.ISO20_AC: ("iso20-ac",),
    PayloadType.ISO20_DC: ("iso20-dc",),
    PayloadType.ISO20_ACDP: ("iso20-acdp",),
    PayloadType.ISO20_WPT: ("iso20-wpt",),
    PayloadType.ISO20_AC_DER_IEC: ("iso20-ac-der-iec",),
    PayloadType.ISO20_AC_DER_SAE: ("iso20-ac-der-sae",),
    PayloadType.SCHEDULE_RENEGOTIATION: ("iso20-common",),
    PayloadType.METERING_CONFIRMATION: ("iso20-common",),
    PayloadType.ACDP_SYSTEM_STATUS: ("iso20-acdp",),
    PayloadType.PARKING_STATUS: ("iso20-common",),
}
"""Payload types that carry messages, and the schema sets that may read them."""


class Octets(Struct, frozen=True):
    """EXI octets of one message, the schema sets that may read them, and what was taken off."""

    data: bytes
    schemas: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Decoded(Struct, frozen=True):
    """A message, the schema set that read it, and notes for people. ``equals``: sets that fit as well."""

    message: Message
    schema: str
    notes: list[str]
    equals: tuple[str, ...] = ()


def edition_of(schema: str) -> str:
    """``app``, ``din``, ``iso2``, ``iso20``; of a set that was added, its own name."""
    return "iso20" if schema.startswith("iso20-") else schema


def message_octets(data: bytes) -> Octets:
    """Without the V2GTP header, where there is one. Raises ``ExiError`` for a frame that carries no
    message, or not all of it."""
    if not data.startswith(V2GTP):
        return Octets(data, exi.SCHEMAS)
    if len(data) < HEADER_LENGTH:
        raise ExiError(f"{len(data)} octets of a V2GTP header, which has {HEADER_LENGTH}")
    payload_type, length = int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:8], "big")
    name = payload_type_name(payload_type)
    payload, behind = data[HEADER_LENGTH : HEADER_LENGTH + length], data[HEADER_LENGTH + length :]
    if len(payload) < length:
        raise ExiError(f"the V2GTP header announces {length} octets of {name}, {len(payload)} are there")
    if payload_type not in SCHEMAS_OF:
        raise ExiError(f"a frame of {name} carries no EXI message")
    notes = [f"V2GTP header taken off: {name}, {length} octets"]
    if behind:
        notes.append(f"{len(behind)} octets behind the first frame are left out")
    return Octets(payload, SCHEMAS_OF[payload_type], tuple(notes))


def decode_any(data: bytes, schema: str = AUTO, *, fragment: bool = False) -> Decoded:
    """Decode with ``schema``, or with the one that fits best. Raises ``ExiError`` if none does."""
    octets = message_octets(data)
    if schema != AUTO:
        message, notes = exi.decode_with_notes(schema, octets.data, fragment=fragment)
        return Decoded(message, schema, [*octets.notes, *notes])
    try:
        best = best_fit(octets.data, octets.schemas, fragment=fragment)
    except ExiError as error:
        if fragment or not _begins_as_fragment(octets.data, octets.schemas, error):
            raise
        hint = "one of its messages; these octets begin as a fragment does: --fragment"
        raise ExiError(
            error.reason, schema=error.schema, bit_offset=error.bit_offset, expected=hint
        ) from None
    notes = list(octets.notes)
    if len(octets.schemas) > 1:
        also = f"; it may as well be of {', '.join(best.equals)}: give --schema" if best.equals else ""
        notes.append(f"read as a message of {best.schema}, which fits best{also}")
    return Decoded(best.message, best.schema, [*notes, *best.notes], best.equals)


def best_fit(data: bytes, schemas: Sequence[str], *, fragment: bool = False) -> Decoded:
    """The message by the schema set of these that fits best. Raises ``ExiError`` if none does."""
    fitting: list[tuple[tuple[int, bool, bool], Decoded]] = []
    errors: list[ExiError] = []
    for name in schemas:
        try:
            message, notes = exi.decode_with_notes(name, data, fragment=fragment)
        except ExiError as error:
            errors.append(error)
            continue
        # Nothing tolerated, a request or response, and the same octets when it is written again: so
        # is a message of that schema.
        kind = type(message).__name__
        is_message = kind == "V2GMessage" if name in ("din", "iso2") else kind.endswith(("Req", "Res"))
        rank = (len(notes), not (is_message or fragment), not _comes_back(name, message, data, fragment))
        fitting.append((rank, Decoded(message, name, notes)))
    if not fitting:
        # The one that came furthest says most.
        raise max(errors, key=lambda error: error.bit_offset or 0)
    fitting.sort(key=lambda candidate: candidate[0])
    rank, best = fitting[0]
    equals = tuple(other.schema for other_rank, other in fitting[1:] if other_rank == rank)
    return Decoded(best.message, best.schema, best.notes, equals)


def _begins_as_fragment(data: bytes, schemas: Sequence[str], error: ExiError) -> bool:
    """No message has such a root element, and some fragment has it."""
    if error.path or error.bit_offset is None:
        return False
    try:
        best_fit(data, schemas, fragment=True)
    except ExiError as other:
        return (other.bit_offset or 0) > error.bit_offset
    return True


def _comes_back(schema: str, message: Message, data: bytes, fragment: bool) -> bool:
    try:
        return exi.encode(schema, message, fragment=fragment) == data
    except ExiError:
        return False
