"""IP, UDP and TCP headers: where a datagram or a segment comes from, and what is in it.

A packet in, a ``Datagram`` or ``Segment`` out; lengths are those of the IP header, so that an
Ethernet frame's padding is no data.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from struct import Struct as Layout
from typing import Final

from msgspec import Struct

from iso15118.trace.entries import Address

from .links import IPV4, IPV6

__all__ = ["ACK", "FIN", "RST", "SYN", "Datagram", "Segment", "inside", "key_address"]

_TCP, _UDP = 6, 17
_NO_NEXT, _HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _OPTIONS = 59, 0, 43, 44, 51, 60
_EXTENSIONS: Final = (_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _OPTIONS)
_MOST_EXTENSIONS: Final = 8
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

_tcp = Layout(">HHIIBB")
_ports = Layout(">HHH")


class Datagram(Struct, frozen=True, gc=False):
    """UDP. ``cut_off``: octets that the capture did not keep."""

    source: Address
    destination: Address
    payload: bytes
    cut_off: int


class Segment(Struct, frozen=True, gc=False):
    """TCP. ``key``: addresses and ports as they stand in the packet, the source's
    first; see ``key_address``."""

    key: tuple[bytes, bytes]
    sequence: int
    acknowledged: int
    flags: int
    payload: bytes
    cut_off: int


def inside(ethertype: int, data: bytes, at: int) -> Datagram | Segment | None:
    """What the IP packet at ``at`` carries; None for anything else, fragments, and what is
    cut short in the headers."""
    if ethertype == IPV6:
        if len(data) < at + 40 or data[at] >> 4 != 6:
            return None
        protocol = data[at + 6]
        length = data[at + 4] << 8 | data[at + 5]
        start = at + 40
        # A length of 0 is a jumbogram, or a packet that was longer than any length when the capture took it.
        end = start + length if length else len(data)
        source, destination = data[at + 8 : at + 24], data[at + 24 : at + 40]
        if protocol != _TCP and protocol != _UDP:
            protocol, start = _behind_extensions(protocol, data, start)
    elif ethertype == IPV4:
        if len(data) < at + 20 or data[at] >> 4 != 4:
            return None
        protocol = data[at + 9]
        length = data[at + 2] << 8 | data[at + 3]
        start = at + (data[at] & 15) * 4
        end = at + length if length else len(data)
        source, destination = data[at + 12 : at + 16], data[at + 16 : at + 20]
        if start < at + 20 or (data[at + 6] << 8 | data[at + 7]) & 0x3FFF:  # a fragment
            return None
    else:
        return None
    if protocol == _TCP:
        return _segment(source, destination, data, start, end)
    return _datagram(source, destination, data, start, end) if protocol == _UDP else None


def _segment(source: bytes, destination: bytes, data: bytes, start: int, end: int) -> Segment | None:
    if len(data) < start + 20 or end < start + 20:
        return None
    _, _, sequence, acknowledged, words, flags = _tcp.unpack_from(data, start)
    body = start + (words >> 4) * 4
    if body < start + 20 or body > end:
        return None
    key = source + data[start : start + 2], destination + data[start + 2 : start + 4]
    cut_off = end - len(data)
    return Segment(key, sequence, acknowledged, flags, data[body:end], cut_off if cut_off > 0 else 0)


def _datagram(source: bytes, destination: bytes, data: bytes, start: int, end: int) -> Datagram | None:
    if len(data) < start + 8 or end < start + 8:
        return None
    from_port, to_port, length = _ports.unpack_from(data, start)
    if 8 <= length <= end - start:
        end = start + length
    return Datagram(
        Address(_host(source), from_port),
        Address(_host(destination), to_port),
        data[start + 8 : end],
        max(0, end - len(data)),
    )


def _behind_extensions(protocol: int, data: bytes, at: int) -> tuple[int, int]:
    for _ in range(_MOST_EXTENSIONS):
        if protocol not in _EXTENSIONS or len(data) < at + 8:
            return protocol, at
        if protocol == _FRAGMENT:
            if (data[at + 2] << 8 | data[at + 3]) & 0xFFF9:
                return _NO_NEXT, at
            length = 8
        elif protocol == _AUTHENTICATION:
            length = (data[at + 1] + 2) * 4
        else:
            length = (data[at + 1] + 1) * 8
        protocol, at = data[at], at + length
    return _NO_NEXT, at


def _host(packed: bytes) -> str:
    return str(IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed))


def key_address(half: bytes) -> Address:
    """Half of a segment's key."""
    return Address(_host(half[:-2]), int.from_bytes(half[-2:], "big"))
