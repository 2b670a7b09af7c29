"""Datagrams of the discovery and HomePlug management messages as entries; what is
malformed is told with the reason."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Final

from iso15118.errors import SdpError, SlacError
from iso15118.link.slac.frames import Frame, mac_text, parse_frame
from iso15118.link.slac.messages import MmType
from iso15118.link.slac.watch.labels import fields_of, message_name
from iso15118.sdp import SdpRequest, SdpResponse
from iso15118.sdp.wireless import WirelessSdpRequest, WirelessSdpResponse
from iso15118.trace.entries import EVCC, SECC, Address, SdpEntry, SlacEntry
from iso15118.v2gtp import HEADER_LENGTH, PayloadType, payload_type_name

from .network import Datagram

__all__ = ["SDP_PORT", "Stations", "is_discovery", "sdp_entry"]

SDP_PORT: Final = 15118
_REQUESTS: Final = (PayloadType.SDP_REQUEST, PayloadType.SDP_REQUEST_WIRELESS, PayloadType.SDP_REQUEST_EMSP)
_RESPONSES: Final = (
    PayloadType.SDP_RESPONSE,
    PayloadType.SDP_RESPONSE_WIRELESS,
    PayloadType.SDP_RESPONSE_EMSP,
)
_SECURITY: Final = {0x00: "tls", 0x10: "none"}
_TRANSPORT: Final = {0x00: "tcp", 0x10: "udp"}
_MOST_MACS: Final = 4096

_OF_VEHICLE: Final = frozenset(
    (
        MmType.SLAC_PARM_REQ,
        MmType.START_ATTEN_CHAR_IND,
        MmType.MNBC_SOUND_IND,
        MmType.ATTEN_CHAR_RSP,
        MmType.VALIDATE_REQ,
        MmType.SLAC_MATCH_REQ,
    )
)
_OF_STATION: Final = frozenset(
    (MmType.SLAC_PARM_CNF, MmType.ATTEN_CHAR_IND, MmType.VALIDATE_CNF, MmType.SLAC_MATCH_CNF)
)


def is_discovery(datagram: Datagram) -> bool:
    """By its port or by what it begins with."""
    if SDP_PORT in (datagram.source.port, datagram.destination.port):
        return True
    return datagram.payload[:3] == b"\x01\xfe\x90"


def sdp_entry(datagram: Datagram, t: float | None, number: int) -> SdpEntry:
    """A datagram of the discovery."""
    data = datagram.payload
    payload_type = int.from_bytes(data[2:4], "big") if data[:2] == b"\x01\xfe" and len(data) >= 4 else 0
    request = payload_type in _REQUESTS or (
        payload_type not in _RESPONSES and datagram.destination.port == SDP_PORT
    )
    payload = data[HEADER_LENGTH:]
    security = transport = offered = None
    # Both forms of each begin alike; what follows with wireless links is in the payload.
    if payload_type in (PayloadType.SDP_REQUEST, PayloadType.SDP_REQUEST_WIRELESS) and len(payload) >= 2:
        security, transport = _named(_SECURITY, payload[0]), _named(_TRANSPORT, payload[1])
    elif payload_type in (PayloadType.SDP_RESPONSE, PayloadType.SDP_RESPONSE_WIRELESS) and len(payload) >= 20:
        offered = Address(str(IPv6Address(payload[:16])), int.from_bytes(payload[16:18], "big"))
        security, transport = _named(_SECURITY, payload[18]), _named(_TRANSPORT, payload[19])
    notes: list[str] = []
    try:
        _judge(data, payload_type, request, loopback=offered is not None and offered.host == "::1")
    except SdpError as error:
        notes.append(str(error))
    if datagram.cut_off:
        notes.append(f"the capture cut off {datagram.cut_off} octets")
    if payload_type not in (*_REQUESTS, *_RESPONSES, 0):
        notes.append(f"{payload_type_name(payload_type)} on the port of the discovery")
    return SdpEntry(
        t=t,
        sender=EVCC if request else SECC,
        number=number,
        notes=tuple(notes),
        message="SDPRequest" if request else "SDPResponse",
        payload_type=payload_type,
        security=security,
        transport=transport,
        offered=offered,
        source=datagram.source,
        destination=datagram.destination,
        payload=payload,
    )


def _judge(data: bytes, payload_type: int, request: bool, *, loopback: bool) -> None:
    """Raises ``SdpError`` for what our own ends would not take."""
    if payload_type == PayloadType.SDP_REQUEST_WIRELESS:
        WirelessSdpRequest.parse(data)
    elif payload_type == PayloadType.SDP_RESPONSE_WIRELESS:
        WirelessSdpResponse.parse(data, loopback=loopback)
    elif request:
        SdpRequest.parse(data)
    else:
        SdpResponse.parse(data, loopback=loopback)


def _named(table: dict[int, str], value: int) -> str:
    return table.get(value, f"0x{value:02x}")


class Stations:
    """HomePlug frames as entries; it remembers which MAC addresses are vehicles and stations."""

    def __init__(self) -> None:
        self._roles: dict[bytes, str] = {}

    def entry(self, data: bytes, note: str, t: float | None, number: int) -> SlacEntry:
        """One frame, with an Ethernet header. ``note``: what was made up for it."""
        notes = [note] if note else []
        source, destination = data[6:12], data[:6]
        frame: Frame | None = None
        content: dict[str, object] = {}
        at = 18 if data[12:14] == b"\x81\x00" else 14
        mmtype = int.from_bytes(data[at + 1 : at + 3], "little")
        try:
            frame = parse_frame(data)
            mmtype, content = frame.mmtype, fields_of(frame.message)
        except SlacError as error:
            notes.append(str(error))
        if mmtype in _OF_VEHICLE:
            role: str | None = EVCC
        elif mmtype in _OF_STATION:
            role = SECC
        else:
            role = None
        if role is not None and len(self._roles) < _MOST_MACS:
            self._roles[source] = role
        elif role is None:
            role = self._roles.get(source)
        notes += _named_elsewhere(frame)
        return SlacEntry(
            t=t,
            sender=role or mac_text(source),
            number=number,
            notes=tuple(notes),
            message=message_name(mmtype),
            source=mac_text(source),
            destination=mac_text(destination),
            content=content,
            frame=frame,
        )


def _named_elsewhere(frame: Frame | None) -> list[str]:
    """Addresses in a message that are not those of who sends it."""
    if frame is None:
        return []
    wrong = []
    if frame.mmtype == MmType.SLAC_MATCH_REQ:
        named = getattr(frame.message, "pev_mac", frame.source)
        if named != frame.source:
            wrong.append(f"PEV MAC is {mac_text(named)}, the frame comes from {mac_text(frame.source)}")
    elif frame.mmtype == MmType.ATTEN_CHAR_RSP:
        named = getattr(frame.message, "source_address", frame.source)
        if named != frame.source:
            wrong.append(
                f"SOURCE_ADDRESS is {mac_text(named)}, the frame comes from {mac_text(frame.source)}"
            )
    return [f"{one}: stations ignore it" for one in wrong]
