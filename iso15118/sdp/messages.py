"""The two messages of discovery on a wired link, and where a datagram may have come from.

Everything but a wired request or response over TCP is refused with the reason.
"""

from __future__ import annotations

from enum import IntEnum
from ipaddress import AddressValueError, IPv6Address
from struct import Struct as Layout
from typing import Final

from msgspec import Struct

from iso15118.errors import MisuseError, SdpError
from iso15118.v2gtp import HEADER_LENGTH, PayloadType, encode_frame, payload_type_name

__all__ = [
    "MULTICAST_GROUP",
    "SDP_PORT",
    "Origin",
    "SdpRequest",
    "SdpResponse",
    "Security",
    "Transport",
    "wrong_address",
    "wrong_origin",
]

SDP_PORT: Final = 15118
"""UDP port of the station."""

MULTICAST_GROUP: Final = IPv6Address("ff02::1")
"""All nodes of the link: where requests go."""

_header = Layout(">BBHI")
_request = Layout(">BB")
_response = Layout(">16sHBB")

_WIRELESS: Final = (
    PayloadType.SDP_REQUEST_WIRELESS,
    PayloadType.SDP_RESPONSE_WIRELESS,
    PayloadType.SDP_REQUEST_EMSP,
    PayloadType.SDP_RESPONSE_EMSP,
)


class Security(IntEnum):
    """The security byte."""

    TLS = 0x00
    NONE = 0x10


class Transport(IntEnum):
    """The transport byte."""

    TCP = 0x00
    UDP = 0x10
    """Reserved: never asked for, never answered."""


class SdpRequest(Struct, frozen=True):
    """The car asks who is there, and with which security it wants to talk."""

    security: Security
    transport: Transport = Transport.TCP

    def to_bytes(self) -> bytes:
        """The whole datagram."""
        return encode_frame(PayloadType.SDP_REQUEST, _request.pack(self.security, self.transport))

    @classmethod
    def parse(cls, data: bytes) -> SdpRequest:
        """Read a datagram that came to a station. Raises ``SdpError`` for anything but a wired request over
        TCP."""
        payload = _payload(data, PayloadType.SDP_REQUEST, _request.size)
        security, transport = _request.unpack(payload)
        return cls(_security(security), _transport(transport))


class SdpResponse(Struct, frozen=True):
    """The station says where it listens, and whether with TLS."""

    address: IPv6Address
    port: int
    security: Security
    transport: Transport = Transport.TCP

    def to_bytes(self) -> bytes:
        """The whole datagram. Raises ``MisuseError`` for a port that is none."""
        if not 0 < self.port <= 0xFFFF:
            raise MisuseError(f"{self.port} is no TCP port")
        payload = _response.pack(self.address.packed, self.port, self.security, self.transport)
        return encode_frame(PayloadType.SDP_RESPONSE, payload)

    @classmethod
    def parse(cls, data: bytes, *, loopback: bool = False) -> SdpResponse:
        """Read a datagram that came to a car. Raises ``SdpError`` for anything but a usable wired response.

        The address has to be link-local, or ``::1`` and nothing else where ``loopback`` says that this is the
        loopback interface. Ports below the dynamic range are let pass: stations in the field use them.
        """
        payload = _payload(data, PayloadType.SDP_RESPONSE, _response.size)
        packed, port, security, transport = _response.unpack(payload)
        address = IPv6Address(packed)
        if (wrong := wrong_address(address, loopback)) is not None:
            raise SdpError(f"the station announces {address}, {wrong}")
        if port == 0:
            raise SdpError("the station announces port 0")
        return cls(address, port, _security(security), _transport(transport))


def _payload(data: bytes, wanted: PayloadType, size: int) -> bytes:
    if len(data) < HEADER_LENGTH:
        raise SdpError(f"{len(data)} bytes are no discovery message")
    version, inverse, payload_type, length = _header.unpack_from(data)
    if (version, inverse) != (0x01, 0xFE):
        raise SdpError(f"0x{version:02X}{inverse:02X} is no V2GTP version 1 header (0x01FE)")
    if payload_type in _WIRELESS:
        raise SdpError(f"{payload_type_name(payload_type)} is for other links than a charging cable")
    if payload_type != wanted:
        raise SdpError(f"{payload_type_name(payload_type)} where {payload_type_name(wanted)} belongs")
    if length != size or len(data) != HEADER_LENGTH + size:
        found = len(data) - HEADER_LENGTH
        raise SdpError(f"{wanted.name} has {size} bytes; {length} are announced and {found} are there")
    return data[HEADER_LENGTH:]


def _security(value: int) -> Security:
    try:
        return Security(value)
    except ValueError:
        raise SdpError(f"security byte 0x{value:02X} is reserved") from None


def _transport(value: int) -> Transport:
    if value != Transport.TCP:
        raise SdpError(f"transport byte 0x{value:02X} is not TCP")
    return Transport.TCP


def wrong_address(address: IPv6Address, loopback: bool) -> str | None:
    """Why nobody on this link can have this address, None if somebody can."""
    if address.is_unspecified:
        return "the unspecified address"
    if address.is_multicast:
        return "a multicast address"
    if address.ipv4_mapped is not None:
        return "an IPv4 address"
    if loopback:
        return None if address.is_loopback else "which is not on the loopback interface"
    if address.is_loopback:
        return "the loopback address"
    return None if address.is_link_local else "which is not link-local"


class Origin(Struct, frozen=True):
    """Where a datagram came from; ``scope_id`` is the index of the interface, 0 where the address has no
    scope."""

    address: IPv6Address
    port: int
    scope_id: int = 0

    @classmethod
    def of_socket(cls, address: tuple[str, int] | tuple[str, int, int, int]) -> Origin:
        """From what ``recvfrom`` of an IPv6 socket gives. Raises ``SdpError`` for an address of another
        family."""
        try:
            host = IPv6Address(address[0].partition("%")[0])
        except AddressValueError:
            raise SdpError(f"{address[0]!r} is no IPv6 address") from None
        return cls(host, address[1], address[3] if len(address) == 4 else 0)

    def __str__(self) -> str:
        scope = f"%{self.scope_id}" if self.scope_id else ""
        return f"[{self.address}{scope}]:{self.port}"


def wrong_origin(origin: Origin, interface_index: int, loopback: bool) -> str | None:
    """Why a datagram from there is none of ours, None if it is."""
    if (wrong := wrong_address(origin.address, loopback)) is not None:
        return f"it came from {origin.address}, {wrong}"
    if not loopback and origin.scope_id != interface_index:
        return f"it came over interface {origin.scope_id}, this is interface {interface_index}"
    if origin.port == 0:
        return "it came from port 0"
    return None
