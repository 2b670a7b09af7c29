"""The two messages of discovery where no cable joins the two: over WLAN, for
connection devices and wireless power.

The request says by what the vehicle wants to be joined and which aids for finding each other it
has; the answer says whether the station knows which vehicle it is. ``wireless_ends`` has who asks and who
answers. Sources: docs/sources.md, "Discovery without a cable".
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from ipaddress import IPv6Address
from struct import Struct as Layout
from typing import Final, TypeVar

from msgspec import Struct

from iso15118.errors import MisuseError, SdpError
from iso15118.v2gtp import HEADER_LENGTH, PayloadType, encode_frame, payload_type_name

from .messages import Security, Transport, wrong_address

__all__ = [
    "NOBODY",
    "Coupling",
    "DiagStatus",
    "PairingAids",
    "WirelessSdpRequest",
    "WirelessSdpResponse",
    "check_evseid",
]

NOBODY: Final = "ZZ00000"
"""EVID and EVSEID of who has none, or does not say."""

_EVID, _EVSEID = 20, 37
_SHORT_EVSEID = 36
"""One public protocol analyser reads EVSEID as a character shorter: a datagram
that ends there is read, too."""
_header = Layout(">BBHI")
_request = Layout(f">BBHB{_EVID}s")
_response = Layout(">16sHBBBB")


class Coupling(IntEnum):
    """By what vehicle and station are to be joined."""

    PANTOGRAPH_0 = 0x00
    PANTOGRAPH_1 = 0x01
    PANTOGRAPH_2 = 0x02
    PANTOGRAPH_3 = 0x03
    PANTOGRAPH_4 = 0x04
    PANTOGRAPH_5 = 0x05
    """Classes of devices on or over the roof, 0x00 to 0x05; which is which no public source says."""
    WPT = 0x10
    UNDERBODY_INFRASTRUCTURE = 0x20
    """A device under the vehicle that the station moves."""
    UNDERBODY_EV = 0x21
    """One that the vehicle moves."""
    SIDE = 0x30
    MANUAL = 0x40
    """A plug, with WLAN in place of the cable's own link."""
    NOT_APPLICABLE = 0xFF


class PairingAids(IntFlag):
    """What the two have for finding each other (point-to-point signalling and pairing devices)."""

    NONE = 0x0000
    PPD_INFRASTRUCTURE = 0x0100
    PPD_EV = 0x0200
    LF_INFRASTRUCTURE = 0x0400
    LF_EV = 0x0800
    CAMERA_EV = 0x1000
    INFRARED_UNDERBODY = 0x2000
    DIRECTED_WLAN = 0x4000


class DiagStatus(IntEnum):
    """Whether the station knows which vehicle at which of its places asks."""

    ONGOING = 0x00
    FINISHED_WITH_EVSEID = 0x01
    FINISHED_WITHOUT_EVSEID = 0x02
    ERROR = 0x10


class WirelessSdpRequest(Struct, frozen=True, kw_only=True):
    """The vehicle asks who is there. ``evid`` has at most 20 and ``evseid`` at most 37 ASCII characters."""

    security: Security = Security.TLS
    transport: Transport = Transport.TCP
    aids: PairingAids = PairingAids.NONE
    """Bits that nobody has a name for are kept."""
    coupling: Coupling
    evid: str = NOBODY
    evseid: str = NOBODY
    """Of the place that it wants, if it knows."""

    def to_bytes(self) -> bytes:
        """The whole datagram. Raises ``MisuseError`` for an id that does not fit."""
        fixed = _request.pack(
            self.security,
            self.transport,
            self.aids & 0xFFFF,
            self.coupling,
            _written(self.evid, "evid", _EVID),
        )
        return encode_frame(
            PayloadType.SDP_REQUEST_WIRELESS, fixed + _written(self.evseid, "evseid", _EVSEID)
        )

    @classmethod
    def parse(cls, data: bytes) -> WirelessSdpRequest:
        """Read a datagram that came to a station. Raises ``SdpError`` for anything
        but such a request over TCP."""
        payload = _payload(data, PayloadType.SDP_REQUEST_WIRELESS, _request.size)
        security, transport, aids, coupling, evid = _request.unpack_from(payload)
        return cls(
            security=_known(Security, security, "security"),
            transport=_tcp(transport),
            aids=PairingAids(aids),
            coupling=_known(Coupling, coupling, "coupling type"),
            evid=_read(evid, "EVID"),
            evseid=_read(payload[_request.size :], "EVSEID"),
        )


class WirelessSdpResponse(Struct, frozen=True, kw_only=True):
    """The station says where it listens, and whether it knows which vehicle asks."""

    address: IPv6Address
    port: int
    security: Security = Security.TLS
    transport: Transport = Transport.TCP
    status: DiagStatus
    coupling: Coupling
    evseid: str = NOBODY

    def to_bytes(self) -> bytes:
        """The whole datagram. Raises ``MisuseError`` for a port that is none and an id that does not fit."""
        if not 0 < self.port <= 0xFFFF:
            raise MisuseError(f"{self.port} is no TCP port")
        fixed = _response.pack(
            self.address.packed, self.port, self.security, self.transport, self.status, self.coupling
        )
        return encode_frame(
            PayloadType.SDP_RESPONSE_WIRELESS, fixed + _written(self.evseid, "evseid", _EVSEID)
        )

    @classmethod
    def parse(cls, data: bytes, *, loopback: bool = False) -> WirelessSdpResponse:
        """Read a datagram that came to a vehicle. Raises ``SdpError`` for anything but a usable response;
        addresses as with a cable."""
        payload = _payload(data, PayloadType.SDP_RESPONSE_WIRELESS, _response.size)
        packed, port, security, transport, status, coupling = _response.unpack_from(payload)
        address = IPv6Address(packed)
        if (wrong := wrong_address(address, loopback)) is not None:
            raise SdpError(f"the station announces {address}, {wrong}")
        if port == 0:
            raise SdpError("the station announces port 0")
        return cls(
            address=address,
            port=port,
            security=_known(Security, security, "security"),
            transport=_tcp(transport),
            status=_known(DiagStatus, status, "diagnosis status"),
            coupling=_known(Coupling, coupling, "coupling type"),
            evseid=_read(payload[_response.size :], "EVSEID"),
        )


# -- octets ------------------------------------------------------------------------------------------------


def _payload(data: bytes, wanted: PayloadType, fixed: int) -> bytes:
    if len(data) < HEADER_LENGTH:
        raise SdpError(f"{len(data)} bytes are no discovery message")
    version, inverse, payload_type, length = _header.unpack_from(data)
    if (version, inverse) != (0x01, 0xFE):
        raise SdpError(f"0x{version:02X}{inverse:02X} is no V2GTP version 1 header (0x01FE)")
    if payload_type != wanted:
        raise SdpError(f"{payload_type_name(payload_type)} where {payload_type_name(wanted)} belongs")
    found = len(data) - HEADER_LENGTH
    if length != found or length not in (fixed + _EVSEID, fixed + _SHORT_EVSEID):
        raise SdpError(
            f"{wanted.name} has {fixed + _EVSEID} bytes; {length} are announced and {found} are there"
        )
    return data[HEADER_LENGTH:]


def check_evseid(text: str) -> None:
    """Raises ``MisuseError`` for an EVSEID that no message can carry."""
    _written(text, "evseid", _EVSEID)


def _written(text: str, field: str, size: int) -> bytes:
    if not (text.isascii() and text.isprintable() and len(text) <= size):
        raise MisuseError(f"{field} {text!r:.60} has to be at most {size} printable ASCII characters")
    return text.encode("ascii").ljust(size, b"\0")


def _read(octets: bytes, field: str) -> str:
    text = octets.rstrip(b"\0 ")
    if not all(0x20 <= octet <= 0x7E for octet in text):
        raise SdpError(f"{field} is no ASCII text")
    return text.decode("ascii") or NOBODY


def _tcp(value: int) -> Transport:
    if value != Transport.TCP:
        raise SdpError(f"transport 0x{value:02X} is not TCP")
    return Transport.TCP


Member = TypeVar("Member", bound=IntEnum)


def _known(kind: type[Member], value: int, what: str) -> Member:
    try:
        return kind(value)
    except ValueError:
        raise SdpError(f"0x{value:02X} is no {what}") from None
