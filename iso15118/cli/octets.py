"""The octets of a message as people have them: digits with any separators, base64, a file, a whole frame; and the schema set that fits.

What is taken off or chosen on the way is said in a note, so that nobody takes it for part of the message.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from iso15118 import exi
from iso15118.errors import ConfigError, ExiError
from iso15118.v2gtp import HEADER_LENGTH, PayloadType, payload_type_name

if TYPE_CHECKING:
    from iso15118.exi import Message

__all__ = ["AUTO", "Decoded", "decode_any", "message_octets", "octets_of", "read_source"]

AUTO: Final = "auto"
MAX_INPUT: Final = 16 * 1024 * 1024

_EXI, _V2GTP = b"\x80", b"\x01\xfe"
"""First octets of every EXI stream of charging, and of every frame; no text begins with them."""
_SEPARATORS: Final = re.compile(rb"[\s:;,\-]+|\\?0?[xX](?=[0-9a-fA-F]{2})")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}")

_SCHEMAS_OF: Final[dict[int, tuple[str, ...]]] = {
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


class Octets(Struct, frozen=True):
    """EXI octets of one message, the schema sets that may read them, and what was taken off."""

    data: bytes
    schemas: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Decoded(Struct, frozen=True):
    """A message, the schema set that read it, and notes for people."""

    message: Message
    schema: str
    notes: list[str]


def read_source(source: str) -> bytes:
    """The content of a file, or of stdin for ``-``. Raises ``ConfigError``."""
    try:
        if source == "-":
            content = sys.stdin.buffer.read(MAX_INPUT + 1)
        else:
            with Path(source).open("rb") as file:
                content = file.read(MAX_INPUT + 1)
    except OSError as error:
        raise ConfigError("FILE", f"{source}: {error.strerror}") from None
    if len(content) > MAX_INPUT:
        raise ConfigError("FILE", f"{source} is too long", f"at most {MAX_INPUT} octets")
    return content


def octets_of(source: str) -> bytes:
    """The octets that an argument stands for: digits or base64, or a file with the octets themselves or such text. Raises
    ``ConfigError``."""
    if source != "-" and not os.path.exists(source.replace("\0", "")):  # Path.exists raises on long digits
        return _text(source.encode(errors="replace"), "HEX")
    content = read_source(source)
    return content if content.startswith((_EXI, _V2GTP)) else _text(content, source)


def _text(text: bytes, name: str) -> bytes:
    digits = _SEPARATORS.sub(b"", text)
    if digits and len(digits) % 2 == 0 and not digits.strip(b"0123456789abcdefABCDEF"):
        return bytes.fromhex(digits.decode())
    packed = b"".join(text.split())
    if _BASE64.fullmatch(packed):
        standard = packed.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
        try:
            found = base64.b64decode(standard + b"=" * (-len(standard) % 4), validate=True)
        except binascii.Error:
            found = b""
        if found.startswith((_EXI, _V2GTP)):
            return found
    raise ConfigError(
        name,
        "neither a file, nor an even number of hexadecimal digits, nor base64 of a message",
        "separators between octets may be spaces, ':' ',' '-' and 0x; a message begins with 80, a frame with 01fe",
    )


def message_octets(data: bytes) -> Octets:
    """Without the V2GTP header, where there is one. Raises ``ExiError`` for a frame that carries no message, or not all of it."""
    if not data.startswith(_V2GTP):
        return Octets(data, exi.SCHEMAS)
    if len(data) < HEADER_LENGTH:
        raise ExiError(f"{len(data)} octets of a V2GTP header, which has {HEADER_LENGTH}")
    payload_type, length = int.from_bytes(data[2:4]), int.from_bytes(data[4:8])
    name = payload_type_name(payload_type)
    payload, behind = data[HEADER_LENGTH : HEADER_LENGTH + length], data[HEADER_LENGTH + length :]
    if len(payload) < length:
        raise ExiError(f"the V2GTP header announces {length} octets of {name}, {len(payload)} are there")
    if payload_type not in _SCHEMAS_OF:
        raise ExiError(f"a frame of {name} carries no EXI message")
    notes = [f"V2GTP header taken off: {name}, {length} octets"]
    if behind:
        notes.append(f"{len(behind)} octets behind the first frame are left out")
    return Octets(payload, _SCHEMAS_OF[payload_type], tuple(notes))


def decode_any(data: bytes, schema: str = AUTO, *, fragment: bool = False) -> Decoded:
    """Decode with ``schema``, or with the one that fits best. Raises ``ExiError`` if none does."""
    octets = message_octets(data)
    if schema != AUTO:
        message, notes = exi.decode_with_notes(schema, octets.data, fragment=fragment)
        return Decoded(message, schema, [*octets.notes, *notes])
    fitting: list[tuple[tuple[int, bool, bool], Decoded]] = []
    errors: list[ExiError] = []
    for name in octets.schemas:
        try:
            message, notes = exi.decode_with_notes(name, octets.data, fragment=fragment)
        except ExiError as error:
            errors.append(error)
            continue
        # Nothing tolerated, a request or response, and the same octets when it is written again: so is a message of that schema.
        kind = type(message).__name__
        is_message = kind.endswith(("Req", "Res")) or kind == "V2GMessage"
        rank = (
            len(notes),
            not (is_message or fragment),
            not _comes_back(name, message, octets.data, fragment),
        )
        fitting.append((rank, Decoded(message, name, notes)))
    if not fitting:
        # The one that came furthest says most.
        raise max(errors, key=lambda error: error.bit_offset or 0)
    fitting.sort(key=lambda candidate: candidate[0])
    rank, best = fitting[0]
    notes = list(octets.notes)
    if len(octets.schemas) > 1:
        equals = [other.schema for other_rank, other in fitting[1:] if other_rank == rank]
        also = f"; it may as well be of {', '.join(equals)}: give --schema" if equals else ""
        notes.append(f"read as a message of {best.schema}, which fits best{also}")
    return Decoded(best.message, best.schema, [*notes, *best.notes])


def _comes_back(schema: str, message: Message, data: bytes, fragment: bool) -> bool:
    try:
        return exi.encode(schema, message, fragment=fragment) == data
    except ExiError:
        return False
