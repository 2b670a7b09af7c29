"""V2GTP frames out of one direction of a connection, as a listener reads them: it goes on behind a gap,
and behind what is no frame.

The reader of a session (``iso15118.v2gtp.FrameReader``) gives up there, because
nobody can answer what was lost.
"""

from __future__ import annotations

from struct import Struct as Layout
from typing import Final

from msgspec import Struct

from iso15118.v2gtp import HEADER_LENGTH, PayloadType, payload_type_name

__all__ = ["FrameStream", "Lost", "Whole", "begins_frame"]

_header = Layout(">HHI")
_VERSION: Final = 0x01FE
_MARK: Final = b"\x01\xfe"
_KNOWN: Final = frozenset(int(one) for one in PayloadType)
_LONGEST: Final = 1 << 18
"""Octets of a payload that is waited for: those of the longest message (``iso15118.v2gtp.PAYLOAD_CAPS``)."""


class Whole(Struct, frozen=True, gc=False):
    """One frame; ``first_number``: the packet that it began in."""

    payload_type: int
    payload: bytes
    first_number: int


class Lost(Struct, frozen=True, gc=False):
    """Octets that are no frame, or a part of one."""

    octets: bytes
    reason: str


def begins_frame(data: bytes) -> bool:
    """Whether these may be the first octets of a frame, or of the first part of its head."""
    return data[:2] == _MARK[: len(data[:2])]


class FrameStream:
    """Feed it the octets of one direction in order."""

    __slots__ = ("_buffer", "_first", "_lost")

    def __init__(self, *, joined: bool = False) -> None:
        self._buffer = b""
        self._first = 0
        self._lost = joined
        """Where the next frame begins is to be found."""

    def feed(self, data: bytes, number: int) -> list[Whole | Lost]:
        """What ``data``, of packet ``number``, completes."""
        if not self._buffer and not self._lost and len(data) >= HEADER_LENGTH:
            version, payload_type, length = _header.unpack_from(data)
            if version == _VERSION and length == len(data) - HEADER_LENGTH:
                return [Whole(payload_type, data[HEADER_LENGTH:], number)]
        return self._feed_any(data, number)

    def gap(self) -> Lost | None:
        """Octets are missing: what was incomplete is lost."""
        waiting, self._buffer, self._lost = self._buffer, b"", True
        if not waiting:
            return None
        if len(waiting) < HEADER_LENGTH or not begins_frame(waiting):
            return Lost(waiting, f"{len(waiting)} octets of a frame, the rest of which is missing")
        _, payload_type, length = _header.unpack_from(waiting)
        return Lost(
            waiting,
            f"a frame of {payload_type_name(payload_type)} with {length} octets, of which {len(waiting) - HEADER_LENGTH} were seen",
        )

    def _feed_any(self, data: bytes, number: int) -> list[Whole | Lost]:
        if not self._buffer:
            self._first = number
        buffer = self._buffer + data
        found: list[Whole | Lost] = []
        at, end = 0, len(buffer)
        while True:
            if self._lost:
                start = _next_frame(buffer, at)
                if start is None:
                    keep = min(HEADER_LENGTH - 1, end - at)
                    if end - at > keep:
                        found.append(Lost(buffer[at : end - keep], "no frame begins in there"))
                    at = end - keep
                    break
                if start > at:
                    found.append(Lost(buffer[at:start], "no frame begins in there"))
                at, self._lost, self._first = start, False, number
            if end - at < HEADER_LENGTH:
                break
            version, payload_type, length = _header.unpack_from(buffer, at)
            if version != _VERSION or length > _LONGEST:
                self._lost = True
                reason = (
                    f"0x{version:04X} is no V2GTP version 1 header (0x01FE)"
                    if version != _VERSION
                    else f"a frame of {payload_type_name(payload_type)} announces {length} octets, which nobody sends"
                )
                found.append(Lost(buffer[at : at + 1], reason))
                at += 1
                continue
            stop = at + HEADER_LENGTH + length
            if stop > end:
                break
            found.append(Whole(payload_type, buffer[at + HEADER_LENGTH : stop], self._first))
            at, self._first = stop, number
        self._buffer = buffer[at:]
        return _joined(found)


def _next_frame(buffer: bytes, at: int) -> int | None:
    """A head of a frame that may be one: a payload type that there is, of a length that one has."""
    while (at := buffer.find(_MARK, at)) >= 0:
        if at + HEADER_LENGTH > len(buffer):
            return None
        _, payload_type, length = _header.unpack_from(buffer, at)
        if payload_type in _KNOWN and length <= _LONGEST:
            return at
        at += 1
    return None


def _joined(found: list[Whole | Lost]) -> list[Whole | Lost]:
    """Neighbouring octets that are lost are told once, with the first reason."""
    result: list[Whole | Lost] = []
    for one in found:
        last = result[-1] if result else None
        if isinstance(one, Lost) and isinstance(last, Lost):
            result[-1] = Lost(last.octets + one.octets, last.reason)
        else:
            result.append(one)
    return result
