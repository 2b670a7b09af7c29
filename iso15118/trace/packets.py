"""Bytes that were exchanged, put back into the packets that Wireshark wants: Ethernet, IPv6, UDP and TCP.

The payloads are real, the headers around them are not: sequence numbers begin at a constant, and segments are
as long as an Ethernet frame allows. What the network made of them was not looked at.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from struct import Struct as Layout
from typing import Final

from msgspec import Struct

__all__ = ["MAXIMUM_SEGMENT", "Endpoint", "TcpConversation", "udp_packet"]

MAXIMUM_SEGMENT: Final = 1440
"""Bytes of a TCP segment: an Ethernet frame of 1500 without the headers of IPv6 and TCP."""

_UDP: Final = 17
_TCP: Final = 6
_HOP_LIMIT: Final = 64
_WINDOW: Final = 0xFFFF
_WRAP: Final = 1 << 32

_ethernet = Layout(">6s6sH")
_ipv6 = Layout(">IHBB16s16s")
_udp = Layout(">HHHH")
_tcp = Layout(">HHIIBBHHH")
_pseudo = Layout(">16s16sII")

_FIN, _SYN, _RST, _PSH, _ACK = 0x01, 0x02, 0x04, 0x08, 0x10
# Maximum segment size, one octet of nothing, and a window scale: without it a reader takes a
# long answer for a full window.
_SYN_OPTIONS = Layout(">BBHBBBB").pack(2, 4, MAXIMUM_SEGMENT, 1, 3, 3, 7)


class Endpoint(Struct, frozen=True):
    """An end of a conversation. ``station`` only decides which of two made-up Ethernet addresses it has."""

    address: IPv6Address
    port: int
    station: bool

    @property
    def mac(self) -> bytes:
        """A locally administered address."""
        return bytes((0x02, 0, 0, 0, 0, 2 if self.station else 1))


def udp_packet(source: Endpoint, destination: Endpoint, payload: bytes) -> bytes:
    """An Ethernet frame with one datagram; ``payload`` has at most 65,527 bytes."""
    length = _udp.size + len(payload)
    bare = _udp.pack(source.port, destination.port, length, 0) + payload
    # A checksum of zero means "none" and is not allowed here: its other form is sent [RFC 8200, 8.1].
    checksum = _checksum(source, destination, _UDP, bare) or 0xFFFF
    packet = _udp.pack(source.port, destination.port, length, checksum) + payload
    return _framed(source, destination, _UDP, packet)


class TcpConversation:
    """One connection from its first packet to its last; every method returns the Ethernet frames to add."""

    def __init__(self, client: Endpoint, server: Endpoint) -> None:
        self.client, self.server = client, server
        self._sent = [0, 0]  # next sequence number of the client and of the server

    def open(self) -> list[bytes]:
        """The three packets that open it."""
        return [
            self._segment(True, _SYN, options=_SYN_OPTIONS),
            self._segment(False, _SYN | _ACK, options=_SYN_OPTIONS),
            self._segment(True, _ACK),
        ]

    def data(self, from_client: bool, data: bytes) -> list[bytes]:
        """Bytes of the stream, in as many segments as they need."""
        pieces = [data[at : at + MAXIMUM_SEGMENT] for at in range(0, len(data), MAXIMUM_SEGMENT)]
        last = len(pieces) - 1
        return [
            self._segment(from_client, _ACK | (_PSH if number == last else 0), piece)
            for number, piece in enumerate(pieces)
        ]

    def skip(self, from_client: bool, octets: int) -> None:
        """Octets of one direction that are in no packet: whoever reads the packets
        sees that they are missing."""
        own = 0 if from_client else 1
        self._sent[own] = (self._sent[own] + octets) % _WRAP

    def finish(self, from_client: bool) -> list[bytes]:
        """One side sends nothing more."""
        return [self._segment(from_client, _FIN | _ACK), self._segment(not from_client, _ACK)]

    def reset(self, from_client: bool) -> list[bytes]:
        """One side drops the connection."""
        return [self._segment(from_client, _RST | _ACK)]

    def _segment(self, from_client: bool, flags: int, payload: bytes = b"", options: bytes = b"") -> bytes:
        source, destination = (self.client, self.server) if from_client else (self.server, self.client)
        own, other = (0, 1) if from_client else (1, 0)
        acknowledged = self._sent[other] if flags & _ACK else 0
        words = (_tcp.size + len(options)) // 4 << 4
        fields = (source.port, destination.port, self._sent[own], acknowledged, words, flags, _WINDOW)
        rest = options + payload
        checksum = _checksum(source, destination, _TCP, _tcp.pack(*fields, 0, 0) + rest)
        taken = len(payload) + (1 if flags & (_SYN | _FIN) else 0)
        self._sent[own] = (self._sent[own] + taken) % _WRAP
        return _framed(source, destination, _TCP, _tcp.pack(*fields, checksum, 0) + rest)


def _framed(source: Endpoint, destination: Endpoint, protocol: int, packet: bytes) -> bytes:
    header = _ipv6.pack(
        6 << 28, len(packet), protocol, _HOP_LIMIT, source.address.packed, destination.address.packed
    )
    return _ethernet.pack(destination.mac, source.mac, 0x86DD) + header + packet


def _checksum(source: Endpoint, destination: Endpoint, protocol: int, packet: bytes) -> int:
    """The Internet checksum over the packet and what IPv6 adds in front of it [RFC 8200, 8.1]."""
    data = _pseudo.pack(source.address.packed, destination.address.packed, len(packet), protocol) + packet
    if len(data) % 2:
        data += b"\0"
    # The sum of 16-bit words with the carries added back is the remainder by
    # 0xFFFF; the data is never all zero.
    remainder = int.from_bytes(data) % 0xFFFF
    return 0xFFFF - (remainder or 0xFFFF)
