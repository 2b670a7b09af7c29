"""The few bits of DER that libraries hide: elements cut out of their sequence and put back changed.

For reading what parsers normalise (string types in names) and for writing what builders refuse to (negative
cases). Readers raise ValueError for anything that is not DER.
"""

from __future__ import annotations

__all__ = ["children", "element", "head", "integer", "sequence"]

SEQUENCE, INTEGER, BIT_STRING, OCTET_STRING = 0x30, 0x02, 0x03, 0x04


def element(tag: int, content: bytes) -> bytes:
    """One element with a definite length."""
    count = len(content)
    if count < 0x80:
        return bytes([tag, count]) + content
    octets = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def sequence(*elements: bytes) -> bytes:
    """A SEQUENCE of elements that are encoded already."""
    return element(SEQUENCE, b"".join(elements))


def integer(value: int) -> bytes:
    """An INTEGER, of either sign."""
    return element(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def head(data: bytes, at: int = 0) -> tuple[int, int, int]:
    """Tag, start of the content and end of the element that starts at ``at``."""
    if len(data) < at + 2:
        raise ValueError("an element without head")
    tag, count, start = data[at], data[at + 1], at + 2
    if tag & 0x1F == 0x1F:
        raise ValueError("a tag of several octets")
    if count & 0x80:
        octets = count & 0x7F
        if not 1 <= octets <= 4 or len(data) < start + octets:
            raise ValueError("a length that is none")
        count = int.from_bytes(data[start : start + octets], "big")
        start += octets
    if len(data) < start + count:
        raise ValueError("an element longer than its surroundings")
    return tag, start, start + count


def children(data: bytes) -> list[bytes]:
    """The elements inside of the constructed element that ``data`` is, each with its head."""
    _, at, end = head(data)
    if end != len(data):
        raise ValueError("octets after the element")
    found = []
    while at < end:
        _, _, after = head(data, at)
        if after > end:
            raise ValueError("an element longer than its surroundings")
        found.append(data[at:after])
        at = after
    return found
