"""Messages in text as people have it: digits or base64 in a forum post, lines of a stack's log, a dump
with offsets, a pasted packet.

Lines in, entries out. What only looks like a message is left alone; what is one and cannot be read is told.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from iso15118.trace.entries import Address, CaptureFacts, Entry, MessageEntry, Packet, V2gtpEntry
from iso15118.v2gtp import HEADER_LENGTH, PayloadType

from .datagrams import sdp_entry
from .fitting import AUTO, V2GTP
from .frames import FrameStream, Lost
from .messages import Dialogue, schema_of_namespace
from .network import Datagram
from .reader import CaptureReader
from .recorded import recorded_line
from .secrets import Secrets, lines_in

__all__ = ["LONGEST_LINE", "TextReader"]

LONGEST_LINE: Final = 1 << 20
"""Characters of a line that are looked at."""
_EXI: Final = 0x80
_SHORTEST: Final = 4
_SDP: Final = range(PayloadType.SDP_REQUEST, PayloadType.SDP_RESPONSE_EMSP + 1)

_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\s?(Z|UTC|[+-]\d\d:?\d\d)?(?![0-9])"
)
_SECONDS: Final = re.compile(r"(?<![0-9.a-zA-Z])(1\d{9}\.\d{1,9})(?![0-9])")
"""Seconds since 1970, as capture tools and JSON lines have them: 2001 to 2033."""
_CLOCK: Final = re.compile(r"(?<![0-9:])\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?![0-9:])")
_HEX: Final = re.compile(
    r"(?<![0-9A-Za-z+/=])(?:0[xX]|\\x)?[0-9A-Fa-f]{2}(?:[ \t:;,\-]{0,3}(?:0[xX]|\\x)?[0-9A-Fa-f]{2}){3,}(?![0-9A-Za-z+/=])"
)
_PREFIX: Final = re.compile(r"0[xX]|\\x|[^0-9A-Fa-f]")
_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/_=-])(?:g[A-P]|Af[4-7])[A-Za-z0-9+/_-]{4,}={0,2}")
"""What begins with 0x80 or 0x01FE, in either alphabet."""
_DUMP: Final = re.compile(
    r"\s*([0-9A-Fa-f]{4,8}):?[ \t]+((?:[0-9A-Fa-f]{2}){1,2}(?:[ \t]{1,2}(?:[0-9A-Fa-f]{2}){1,2})*)(?=\s|\||$)"
)
_NAMESPACE: Final = re.compile(r"urn:(?:din|iso):[A-Za-z0-9:\-]{6,40}")


class _Candidate(Struct):
    data: bytes
    alone: bool
    """The line has nothing else."""
    digits: bool


class TextReader:
    """Call ``line`` with line after line, then ``finish``. ``sure``: the whole text is said to be messages,
    so that what cannot be read is told, whatever it looks like."""

    def __init__(self, *, secrets: Secrets | None = None, schema: str = AUTO, sure: bool = False) -> None:
        self._secrets = Secrets() if secrets is None else secrets
        self.capture = CaptureReader(secrets=self._secrets, schema=schema)
        """Whole packets that stand in the text go here; its ledgers are those of the text."""
        self.capture.facts.kind = "text"
        self._dialogue = Dialogue(schema)
        self._sure = sure
        self._number = 0
        self._dump = bytearray()
        self._dump_began: tuple[int, float | None] = (0, None)

    @property
    def facts(self) -> CaptureFacts:
        """The ledger of the input."""
        return self.capture.facts

    def line(self, text: str) -> list[Entry]:
        """What a line says."""
        self._number += 1
        self.facts.text_lines += 1
        text = text[:LONGEST_LINE]
        found: list[Entry] = []
        dump = _DUMP.match(text)
        if dump is not None and int(dump[1], 16) == len(self._dump) and self._takes(dump):
            return found
        found += self._end_of_dump()
        if dump is not None and int(dump[1], 16) == 0 and self._takes(dump):
            return found
        if text.startswith('{"'):
            recorded = self._recorded(text)
            if recorded is not None:
                return found + recorded
        t, rest = _time_of(text)
        if any(lines_in(text.encode("utf-8", "replace"))):
            self._secrets.add(text.encode("utf-8", "replace"), "capture")
            return found
        hint = _hint(text)
        seen: set[bytes] = set()
        for one in _candidates(rest):
            if one.data not in seen:
                seen.add(one.data)
                found += self._octets(one, t, hint)
        return found

    def octets(self, data: bytes) -> list[Entry]:
        """Octets that came as they are: a message, or frames one behind the other."""
        return list(self._octets(_Candidate(data, alone=True, digits=True), None, None))

    def finish(self) -> list[Entry]:
        """The text is over."""
        found = self._end_of_dump()
        self.capture.facts.kind = "text"
        return found + self.capture.packets(()) + self.capture.close()

    def _recorded(self, text: str) -> list[Entry] | None:
        """A line of ``session.jsonl``, or of our own ``--json``; None for one that is neither."""
        line = recorded_line(text)
        if line is None:
            return None
        if line.exi is None:
            return []
        return [
            self._dialogue.entry(
                line.payload_type, line.exi, t=line.t, number=self._number, sender=line.sender or None
            )
        ]

    # Dumps with offsets ------------------------------------------------------------------------------------

    def _takes(self, dump: re.Match[str]) -> bool:
        octets = bytes.fromhex("".join(dump[2].split()))[:16]
        if not self._dump:
            if len(octets) < _SHORTEST:
                return False
            self._dump_began = self._number, None
        self._dump += octets
        return True

    def _end_of_dump(self) -> list[Entry]:
        if not self._dump:
            return []
        data = bytes(self._dump)
        self._dump.clear()
        return list(self._octets(_Candidate(data, alone=True, digits=True), self._dump_began[1], None))

    # Octets ------------------------------------------------------------------------------------------------

    def _octets(self, one: _Candidate, t: float | None, hint: str | None) -> Iterator[Entry]:
        data = one.data
        if _is_packet(data):
            yield from self.capture.packets((Packet(self._number, t, 1, data, len(data)),))
            return
        if data[:2] == V2GTP and len(data) >= HEADER_LENGTH:
            yield from self._frames(data, t)
            return
        if data[:1] == bytes((_EXI,)):
            yield from self._message(one, t, hint)
            return
        at = data.find(V2GTP + b"\x80")
        if at > 0:
            yield from self._frames(data[at:], t, f"{at} octets before the first frame are left out")
        elif self._sure or (one.alone and data[:2] == V2GTP):
            yield self._unreadable(data, t, "neither an EXI message (80...) nor a V2GTP frame (01fe...)")

    def _frames(self, data: bytes, t: float | None, note: str = "") -> Iterator[Entry]:
        stream = FrameStream()
        notes = (note,) if note else ()
        found = stream.feed(data, self._number)
        left = stream.gap()
        for whole in [*found, *([left] if left is not None else [])]:
            if isinstance(whole, Lost):
                yield self._unreadable(whole.octets, t, whole.reason, *notes)
            elif whole.payload_type in _SDP:
                nowhere = Address("", 0)
                head = V2GTP + whole.payload_type.to_bytes(2, "big") + len(whole.payload).to_bytes(4, "big")
                yield sdp_entry(Datagram(nowhere, nowhere, head + whole.payload, 0), t, self._number)
            else:
                yield self._dialogue.entry(
                    whole.payload_type, whole.payload, t=t, number=self._number, notes=notes
                )
            notes = ()

    def _message(self, one: _Candidate, t: float | None, hint: str | None) -> Iterator[Entry]:
        entry = self._dialogue.entry(None, one.data, t=t, number=self._number, hint=hint)
        sure = self._sure or (one.alone and one.digits)
        if isinstance(entry, MessageEntry):
            # In a line of something else, only what is a message to the last octet is one.
            whole = entry.message.endswith(("Req", "Res")) and not any(
                note.startswith("trailing-octets") for note in entry.notes
            )
            if sure or whole:
                yield entry
        elif sure:
            yield entry

    def _unreadable(self, data: bytes, t: float | None, *notes: str) -> V2gtpEntry:
        known = data[:2] == V2GTP and len(data) >= 4
        payload_type = int.from_bytes(data[2:4], "big") if known else None
        return V2gtpEntry(
            t=t,
            sender="",
            number=self._number,
            notes=notes,
            payload_type=payload_type,
            length=len(data),
            payload=data,
        )


def _is_packet(data: bytes) -> bool:
    """An Ethernet frame as people copy it: with HomePlug, IPv6 or IPv4 inside."""
    kind = data[12:14]
    if kind == b"\x88\xe1":
        return len(data) >= 60
    return (kind == b"\x86\xdd" and data[14:15] == b"\x60") or (
        kind == b"\x08\x00" and data[14:15] == b"\x45"
    )


def _time_of(text: str) -> tuple[float | None, str]:
    """The time that a line names, in s since 1970, and the line without it; a time
    without zone is taken for UTC."""
    match = _TIME.search(text)
    if match is not None:
        rest = text[: match.start()] + "|" + text[match.end() :]
        year, month, day, hour, minute, second, fraction, zone = match.groups()
        try:
            t = datetime(
                int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC
            ).timestamp()
        except ValueError:
            return None, rest
        t += float(f"0.{fraction}") if fraction else 0.0
        if zone and zone[0] in "+-":
            offset = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
            t -= offset if zone[0] == "+" else -offset
        return t, rest
    match = _SECONDS.search(text)
    if match is not None:
        return float(match[1]), text[: match.start()] + "|" + text[match.end() :]
    return None, _CLOCK.sub("|", text)


def _hint(text: str) -> str | None:
    match = _NAMESPACE.search(text)
    return schema_of_namespace(match[0].rstrip(":")) if match is not None else None


def _candidates(text: str) -> Iterator[_Candidate]:
    bare = text.strip(" \t\r\n\"'`[](){}<>;,|")
    for match in _HEX.finditer(text):
        digits = _PREFIX.sub("", match[0])
        alone = len(match[0]) + 2 >= len(bare)
        yield _Candidate(bytes.fromhex(digits[: len(digits) // 2 * 2]), alone, digits=True)
    for match in _BASE64.finditer(text):
        packed = match[0].translate(str.maketrans("-_", "+/")).rstrip("=")
        try:
            data = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
        except (binascii.Error, ValueError):
            continue
        if data[:1] == bytes((_EXI,)) or data[:2] == V2GTP:
            yield _Candidate(data, len(match[0]) >= len(bare), digits=False)
