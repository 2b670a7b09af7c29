"""Blocks of a pcapng file, read: sections in either byte order, interfaces with their own
clocks, packets, and TLS secrets.

The format is the IETF's draft-ietf-opsawg-pcapng. Blocks that say nothing of
packets or secrets are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct as Layout
from typing import Final

from msgspec import Struct

from iso15118.trace.entries import CaptureFacts, Packet

__all__ = ["BLOCK_PCAPNG", "PcapNg", "SecretLines"]

BLOCK_PCAPNG: Final = b"\x0a\x0d\x0d\x0a"
_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE, _PACKET, _SECRETS = 0x0A0D0D0A, 1, 2, 3, 6, 0x0A
_TLS_KEY_LOG: Final = 0x544C534B
_NAME, _RESOLUTION, _OFFSET = 2, 9, 14
_LONGEST: Final = 1 << 26
"""Octets of a block; dumps of key logs have a few MB."""
_MOST_INTERFACES: Final = 4096


class SecretLines(Struct, frozen=True):
    """A block with lines of a TLS key log."""

    lines: bytes

    def __repr__(self) -> str:
        return f"SecretLines(<{len(self.lines)} octets>)"


class _Interface(Struct, frozen=True):
    link: int
    snapshot: int
    ticks: float
    """In a second."""
    offset: int
    """Seconds that are added to every time."""


class PcapNg:
    """Feed it the file from its first octet."""

    def __init__(self, facts: CaptureFacts) -> None:
        self._facts = facts
        self._buffer = b""
        self._order = "<"
        self._set_order("<")
        self._interfaces: list[_Interface] = []
        self._number = 0

    @property
    def waiting(self) -> int:
        """Octets of a block that is not complete."""
        return len(self._buffer)

    def _set_order(self, order: str) -> None:
        self._order = order
        self._head = Layout(f"{order}II")
        self._epb = Layout(f"{order}IIIII")
        self._short = Layout(f"{order}HH")
        self._word = Layout(f"{order}I")

    def feed(self, data: bytes) -> list[Packet | SecretLines]:
        """What ``data`` completes."""
        buffer = self._buffer + data if self._buffer else data
        found: list[Packet | SecretLines] = []
        at, end = 0, len(buffer)
        while at + 12 <= end and self._facts.broken is None:
            if buffer[at : at + 4] == BLOCK_PCAPNG:
                self._section(buffer[at + 8 : at + 12])
            kind, length = self._head.unpack_from(buffer, at)
            if length < 12 or length % 4 or length > _LONGEST:
                self._break(
                    f"a block of {length} octets behind packet {self._number}: the file is damaged from there"
                )
                break
            if at + length > end:
                break
            if kind == _PACKET and length >= 32:
                # The common case, spelled out: captures consist of little else.
                interface, high, low, kept, original = self._epb.unpack_from(buffer, at + 8)
                self._number += 1
                if interface >= len(self._interfaces) or kept > length - 32:
                    self._break(
                        f"packet {self._number} names what is not there: the file is damaged from there"
                    )
                    break
                one = self._interfaces[interface]
                t = (high << 32 | low) / one.ticks + one.offset
                start = at + 28
                found.append(
                    Packet(self._number, t, one.link, buffer[start : start + kept], original, interface)
                )
            else:
                found += self._block(kind, buffer[at + 8 : at + length - 4])
            at += length
        self._buffer = buffer[at:] if self._facts.broken is None else b""
        return found

    def _break(self, reason: str) -> None:
        self._facts.broken = reason

    def _section(self, order: bytes) -> None:
        if order == b"\x4d\x3c\x2b\x1a":
            self._set_order("<")
        elif order == b"\x1a\x2b\x3c\x4d":
            self._set_order(">")
        else:
            self._break("a section in neither byte order: the file is damaged from there")

    def _block(self, kind: int, body: bytes) -> Iterator[Packet | SecretLines]:
        if kind == _SECTION:
            self._interfaces.clear()
        elif kind == _INTERFACE and len(body) >= 8:
            self._interface(body)
        elif kind == _SECRETS and len(body) >= 8:
            label, length = self._head.unpack_from(body)
            if label == _TLS_KEY_LOG:
                yield SecretLines(body[8 : 8 + length])
        elif kind == _SIMPLE and len(body) >= 4:
            self._number += 1
            original = self._word.unpack_from(body)[0]
            one = self._interfaces[0] if self._interfaces else None
            if one is not None:
                kept = min(original, one.snapshot or original, len(body) - 4)
                yield Packet(self._number, None, one.link, body[4 : 4 + kept], original)
        elif kind == _OLD_PACKET and len(body) >= 20:
            self._number += 1
            interface = self._short.unpack_from(body)[0]
            high, low, kept, original = Layout(f"{self._order}IIII").unpack_from(body, 4)
            if interface < len(self._interfaces):
                one = self._interfaces[interface]
                t = (high << 32 | low) / one.ticks + one.offset
                yield Packet(self._number, t, one.link, body[20 : 20 + kept], original, interface)

    def _interface(self, body: bytes) -> None:
        if len(self._interfaces) >= _MOST_INTERFACES:
            self._break(f"more than {_MOST_INTERFACES} interfaces")
            return
        link, _ = self._short.unpack_from(body)
        snapshot = self._word.unpack_from(body, 4)[0]
        ticks, offset, name = 1e6, 0, ""
        for code, value in self._options(body, 8):
            if code == _RESOLUTION and value:
                exponent = value[0] & 0x7F
                ticks = 2.0**exponent if value[0] & 0x80 else 10.0**exponent
            elif code == _OFFSET and len(value) == 8:
                offset = int.from_bytes(value, "little" if self._order == "<" else "big", signed=True)
            elif code == _NAME:
                name = value.decode("utf-8", "replace").strip("\0")[:100]
        self._interfaces.append(_Interface(link, snapshot, ticks, offset))
        if len(self._facts.interfaces) < _MOST_INTERFACES:
            self._facts.interfaces.append(name or f"link type {link}")

    def _options(self, body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
        while at + 4 <= len(body):
            code, length = self._short.unpack_from(body, at)
            if code == 0:
                return
            yield code, body[at + 4 : at + 4 + length]
            at += 4 + length + -length % 4
