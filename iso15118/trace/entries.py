"""What a capture, a recording or a pasted text says, as values: SLAC frames, discovery, TCP, TLS, V2GTP
frames and messages, each with its time, its sender, where it was found, and notes on what was wrong with it.

``iso15118.trace.reading`` makes them in the order in which they became complete; ``decode`` prints
them, and a report collects them. Two ledgers go beside them: ``CaptureFacts`` and ``StreamFacts`` say
how far the capture can be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from iso15118.exi import Message as ExiMessage
    from iso15118.link.slac import Frame as SlacMessageFrame
else:
    ExiMessage = SlacMessageFrame = Any  # who asks for help at run time is told of it without loading it

__all__ = [
    "EVCC",
    "SECC",
    "Address",
    "CaptureFacts",
    "Direction",
    "Entry",
    "Layer",
    "MessageEntry",
    "Packet",
    "SdpEntry",
    "SlacEntry",
    "StreamFacts",
    "TcpEntry",
    "TcpEvent",
    "TlsEntry",
    "V2gtpEntry",
]

EVCC, SECC = "evcc", "secc"
"""Senders, where it is known who is who; otherwise a sender is an address."""


class Layer(StrEnum):
    """What an entry is about."""

    SLAC = "slac"
    SDP = "sdp"
    TCP = "tcp"
    TLS = "tls"
    V2GTP = "v2gtp"
    MESSAGE = "message"


class Packet(Struct, frozen=True, gc=False):
    """One packet of a capture: ``number`` counts from 1 over all interfaces, as Wireshark does. ``t`` is Unix
    time in s, None where the file gives the packet none. ``link`` is the LINKTYPE number of its interface,
    ``length`` how long it was on the wire; ``data`` is shorter where the capture cut it off."""

    number: int
    t: float | None
    link: int
    data: bytes
    length: int
    interface: int = 0

    @property
    def cut_off(self) -> int:
        """Octets that the capture did not keep."""
        return max(0, self.length - len(self.data))


class Address(Struct, frozen=True, gc=False):
    """One end of a connection or of a datagram; ``host`` as text, without an interface."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


# Entries
# -----------------------------------------------------------------------------------------------------


class _Found(Struct, frozen=True, kw_only=True, gc=False):
    """What every entry says."""

    layer: ClassVar[Layer]

    t: float | None
    """Unix time in s of the packet that completed it, or of the line of text; None where neither has one."""
    sender: str
    """``EVCC``, ``SECC``, or an address (of IP with the port, or a MAC); empty for
    a text that does not say."""
    number: int = 0
    """The packet that completed it, from 1; in a text the line."""
    stream: int | None = None
    """The TCP connection, a place in ``streams`` of the reader; None outside of TCP."""
    notes: tuple[str, ...] = ()
    """What was tolerated, guessed or found wrong, a sentence each."""


class SlacEntry(_Found, frozen=True, kw_only=True, gc=False):
    """A HomePlug management message. ``frame`` is None where it is malformed; the notes say why. Keys are in
    no field but ``frame``, whose representation hides them."""

    layer = Layer.SLAC

    message: str
    """As the standard calls it: ``CM_SLAC_PARM.REQ``."""
    source: str
    destination: str
    """MAC addresses."""
    content: dict[str, object]
    """Its fields as JSON values, without keys and nonces."""
    frame: SlacMessageFrame | None


class SdpEntry(_Found, frozen=True, kw_only=True, gc=False):
    """A datagram of the discovery. Fields are None where it is malformed or has none of them."""

    layer = Layer.SDP

    message: str
    """``SDPRequest`` or ``SDPResponse``."""
    payload_type: int
    security: str | None = None
    """``tls`` or ``none``."""
    transport: str | None = None
    """``tcp`` or ``udp``."""
    offered: Address | None = None
    """Where the station listens."""
    source: Address
    destination: Address
    payload: bytes


class TcpEvent(StrEnum):
    """What happened to a connection."""

    OPENED = "opened"
    """The first packet of the connection was seen (SYN)."""
    JOINED = "joined"
    """The connection was there before the capture."""
    GAP = "gap"
    """Octets of one direction are missing from the capture."""
    CLOSED = "closed"
    """One side sends nothing more (FIN)."""
    RESET = "reset"
    """One side dropped the connection (RST)."""


class TcpEntry(_Found, frozen=True, kw_only=True, gc=False):
    """Something that happened to a connection. ``missing``: octets of a gap. ``tls``:
    the connection carries TLS."""

    layer = Layer.TCP

    event: TcpEvent
    source: Address
    destination: Address
    missing: int = 0
    tls: bool = False


class TlsEntry(_Found, frozen=True, kw_only=True, gc=False):
    """A TLS handshake message, alert, or the first protected record of a side whose secrets are missing."""

    layer = Layer.TLS

    message: str
    """As RFC 8446 and RFC 5246 call it: ``ClientHello``, ``Certificate``, ``Alert``;
    ``ApplicationData`` for what stays closed."""
    version: str | None = None
    """``TLSv1.2``, ``TLSv1.3``; None before it is agreed."""
    content: dict[str, object] = {}
    """What it says, as JSON values: offers, groups, names of certificates, alert."""
    certificates: tuple[bytes, ...] = ()
    """The certificates in it (DER), leaf first."""
    staples: tuple[bytes, ...] = ()
    """The OCSP responses in it (DER)."""
    decrypted: bool = False
    """It was read with secrets."""


class V2gtpEntry(_Found, frozen=True, kw_only=True, gc=False):
    """A V2GTP frame that carries no message that can be read; the notes say why. ``payload_type`` is None
    where it is not even a frame."""

    layer = Layer.V2GTP

    payload_type: int | None
    length: int
    """As its header says."""
    payload: bytes


class MessageEntry(_Found, frozen=True, kw_only=True, gc=False):
    """A message. ``edition``: ``app`` (supportedAppProtocol), ``din``, ``iso2`` or ``iso20``; ``schema``:
    the schema set that read it."""

    layer = Layer.MESSAGE

    edition: str
    schema: str
    message: str
    """The schema's name: ``DC_ChargeLoopReq``, ``SessionSetupRes``, ``supportedAppProtocolReq``."""
    payload_type: int | None
    """None for octets that came without a V2GTP header."""
    session_id: bytes | None
    response_code: str | None
    exi: bytes
    value: ExiMessage
    """The message itself, an instance of a class of ``iso15118.messages``; of DIN and ISO
    15118-2 the whole V2GMessage."""
    first_number: int = 0
    """The packet that it began in."""
    guessed: bool = False
    """No supportedAppProtocol said which schema to read it with: it is the one that fits best."""

    @property
    def body(self) -> ExiMessage:
        """What is said, without the envelope of DIN and ISO 15118-2."""
        body = getattr(self.value, "body", None)
        if body is None or self.schema not in ("din", "iso2"):
            return self.value
        for name in body.__struct_fields__:
            if (value := getattr(body, name)) is not None:
                return value  # type: ignore[no-any-return]
        return self.value

    @property
    def request(self) -> bool:
        """From the vehicle to the station."""
        return self.message.endswith("Req")


Entry: TypeAlias = SlacEntry | SdpEntry | TcpEntry | TlsEntry | V2gtpEntry | MessageEntry
"""What a capture or a recording says, on one layer."""


# Ledgers: how far a capture can be trusted
# -------------------------------------------------------------------


@dataclass(slots=True)
class Direction:
    """One direction of a connection, as far as the capture shows it."""

    packets: int = 0
    """Of any kind."""
    segments: int = 0
    """With data."""
    octets: int = 0
    """Of the stream, each counted once."""
    missing: int = 0
    """Octets that the other side acknowledged or that are followed by later ones, and
    that are not in the capture."""
    gaps: int = 0
    retransmitted: int = 0
    """Segments whose octets had all been seen: sent again, or captured twice."""
    out_of_order: int = 0
    longest_segment: int = 0
    """Beyond an MTU of 1500 it is the work of segmentation offloading: packets of the capture
    are not those of the wire."""
    finished: bool = False
    """FIN was seen."""
    reset: bool = False
    """RST was seen."""
    records_closed: int = 0
    """TLS records that stayed closed."""
    messages: int = 0
    """V2GTP frames that came out whole."""


@dataclass(slots=True)
class StreamFacts:
    """One TCP connection. ``client`` is whoever opened it, or the vehicle where that was not seen; see
    ``roles_known``. Times are in s since 1970, as the capture has them."""

    number: int
    client: Address
    server: Address
    began: float | None
    """Time of the first packet seen."""
    ended: float | None
    """Time of the last one."""
    from_client: Direction = field(default_factory=Direction)
    from_server: Direction = field(default_factory=Direction)
    opened: bool = False
    """The opening (SYN) is in the capture."""
    roles_known: bool = False
    """It is known which end is the vehicle: by the opening, the discovery, or what was said."""
    announced: bool = False
    """A station announced this endpoint in the discovery."""
    tls: str | None = None
    """``TLSv1.2``, ``TLSv1.3``, another version; "?" for TLS whose hellos are not in the
    capture; None for plain V2GTP."""
    suite: str | None = None
    secrets: str | None = None
    """Where the secrets that opened it came from: ``capture``, ``keylog``; None if it
    stayed closed, or is plain."""
    edition: str | None = None
    """Schema set that supportedAppProtocol chose, or that fits best."""
    edition_agreed: bool = False
    """supportedAppProtocol said so in this capture."""
    v2g: bool = False
    """It carries V2GTP, as far as can be seen."""


@dataclass(slots=True)
class CaptureFacts:
    """The whole input. ``first`` and ``last``: times of its packets, in s since 1970."""

    kind: str = ""
    """``pcap``, ``pcapng``, ``text``, ``octets``."""
    packets: int = 0
    octets: int = 0
    first: float | None = None
    last: float | None = None
    cut_off: int = 0
    """Packets that the capture cut off (snapshot length)."""
    clock_steps: int = 0
    """Packets whose time is more than a second before that of the packet before them."""
    greatest_step_back_s: float = 0.0
    duplicates: int = 0
    """Packets that repeat the one before them octet by octet within a millisecond, as
    a mirror port gives them."""
    interfaces: list[str] = field(default_factory=list)
    unread_links: dict[int, int] = field(default_factory=dict)
    """Link types that are not read, and how many packets had them."""
    unread_packets: int = 0
    """Malformed, fragmented, or neither IP nor HomePlug."""
    broken: str | None = None
    """Why the file could not be read to its end; None if it was."""
    secrets: dict[str, int] = field(default_factory=dict)
    """Lines of TLS secrets by where they came from: ``dsb``, ``datagram``, ``keylog``."""
    other_streams: int = 0
    """Connections that carry something else."""
    text_lines: int = 0
