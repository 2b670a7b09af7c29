"""Capture files as a stream of octets: pcap (microseconds, nanoseconds, both byte orders)
and pcapng, plain or gzipped.

Octets in, packets and lines of TLS secrets out; nothing is held but the block that is not complete yet.
"""

from __future__ import annotations

import zlib
from struct import Struct as Layout
from typing import Final, TypeAlias

from iso15118.trace.entries import CaptureFacts, Packet

from .pcapng import BLOCK_PCAPNG, PcapNg, SecretLines

__all__ = ["CaptureFile", "Found", "SecretLines", "is_capture"]

Found: TypeAlias = Packet | SecretLines

_GZIP: Final = b"\x1f\x8b"
_PCAP: Final[dict[bytes, tuple[str, float]]] = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e6),
    b"\xa1\xb2\xc3\xd4": (">", 1e6),
    b"\x4d\x3c\xb2\xa1": ("<", 1e9),
    b"\xa1\xb2\x3c\x4d": (">", 1e9),
}
"""First four octets -> byte order, and the parts of a second."""
_HEADER: Final = 24
_LONGEST: Final = 1 << 24
"""Octets of a packet; no interface has more than 64 KiB, and loopback with offloading a few times that."""
_AT_ONCE: Final = 1 << 20
"""Octets that are unpacked at once: a small file may unpack to a very large one."""


def is_capture(beginning: bytes) -> bool:
    """Whether these are the first octets of a capture file, or of something gzipped."""
    return beginning[:4] in _PCAP or beginning[:4] == BLOCK_PCAPNG or beginning[:2] == _GZIP


class CaptureFile:
    """Feed it the file as it comes. What cannot be read is said in ``facts.broken``; all that came
    before it has been given out.

    After that, ``feed`` gives nothing more.
    """

    def __init__(self, facts: CaptureFacts) -> None:
        self._facts = facts
        self._waiting = b""
        self._unpack: zlib._Decompress | None = None
        self._inner: _Pcap | PcapNg | None = None
        self._begun = False

    @property
    def known(self) -> bool:
        """It is a capture: the format was recognised."""
        return self._inner is not None

    def feed(self, data: bytes) -> list[Found]:
        """What ``data`` completes."""
        if self._facts.broken is not None:
            return []
        if not self._begun:
            data = self._waiting + data
            if len(data) < 4:
                self._waiting = data
                return []
            self._begun, self._waiting = True, b""
            if data[:2] == _GZIP:
                self._unpack = zlib.decompressobj(wbits=31)
        if self._unpack is None:
            return self._read(data)
        return self._unpacked(data)

    def finish(self) -> None:
        """The file is over."""
        facts = self._facts
        if facts.broken is None:
            if self._inner is None:
                facts.broken = "it is no capture: neither pcap nor pcapng"
            elif self._inner.waiting:
                facts.broken = f"it ends within a packet or block: {self._inner.waiting} octets are left over"
            elif self._unpack is not None and not self._unpack.eof:
                facts.broken = "the gzip stream is cut short"

    def _unpacked(self, data: bytes) -> list[Found]:
        found: list[Found] = []
        unpack = self._unpack
        while data and unpack is not None and self._facts.broken is None:
            try:
                found += self._read(unpack.decompress(data, _AT_ONCE))
            except zlib.error as error:
                self._facts.broken = f"the gzip stream is damaged: {error}"
                break
            data = unpack.unconsumed_tail
            if unpack.eof:  # files may be several, one behind the other
                data = unpack.unused_data
                if data[:2] != _GZIP[: len(data[:2])] or not data:
                    break
                unpack = self._unpack = zlib.decompressobj(wbits=31)
        return found

    def _read(self, data: bytes) -> list[Found]:
        if self._inner is None:
            data = self._waiting + data
            magic = data[:4]
            if len(magic) < 4:
                self._waiting = data
                return []
            if magic == BLOCK_PCAPNG:
                self._inner, self._facts.kind = PcapNg(self._facts), "pcapng"
            elif magic in _PCAP:
                if len(data) < _HEADER:
                    self._waiting = data
                    return []
                self._inner, self._facts.kind = _Pcap(data[:_HEADER], self._facts), "pcap"
                data = data[_HEADER:]
            else:
                self._facts.broken = "it is no capture: neither pcap nor pcapng"
                return []
            self._waiting = b""
        return self._inner.feed(data)


class _Pcap:
    """The packets behind the header of a pcap file."""

    def __init__(self, header: bytes, facts: CaptureFacts) -> None:
        order, self._parts = _PCAP[header[:4]]
        self._record = Layout(f"{order}IIII")
        # The upper bits say whether frames carry their checksum.
        self._link = Layout(f"{order}I").unpack_from(header, 20)[0] & 0x0FFFFFFF
        self._facts = facts
        self._buffer = b""
        self._number = 0
        facts.interfaces.append(f"link type {self._link}")

    @property
    def waiting(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Found]:
        buffer = self._buffer + data if self._buffer else data
        found: list[Found] = []
        at, end = 0, len(buffer)
        number, link, parts, unpack = self._number, self._link, self._parts, self._record.unpack_from
        while at + 16 <= end:
            seconds, part, kept, length = unpack(buffer, at)
            if kept > _LONGEST:
                self._facts.broken = f"packet {number + 1} has {kept} octets: the file is damaged from there"
                at = end
                break
            if at + 16 + kept > end:
                break
            number += 1
            t = seconds + part / parts
            found.append(Packet(number, t, link, buffer[at + 16 : at + 16 + kept], length))
            at += 16 + kept
        self._number = number
        self._buffer = buffer[at:]
        return found
