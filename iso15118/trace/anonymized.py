"""A capture written anew without identities: every message decoded, its ids replaced, and encoded
again into packets of its own.

Nothing of the original's octets is copied. TLS is not written: the messages in it are, in the
clear, if its secrets are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import IPv6Address
from typing import Final

from msgspec.structs import replace

from iso15118 import __version__, exi
from iso15118.errors import ExiError, MisuseError
from iso15118.sdp import SdpRequest, SdpResponse, Security
from iso15118.v2gtp import PayloadType, encode_frame

from . import pcapng
from .anonymize import Pseudonyms
from .entries import (
    EVCC,
    Address,
    Entry,
    MessageEntry,
    SdpEntry,
    SlacEntry,
    TcpEntry,
    TcpEvent,
    TlsEntry,
    V2gtpEntry,
)
from .packets import Endpoint, TcpConversation, udp_packet

__all__ = ["Anonymizer"]

_MOST_CONVERSATIONS: Final = 4096
_LARGEST_GAP: Final = 1 << 20
_HIGH: Final = 1 << 20
"""Numbers of hosts stay below this."""


class _Talk:
    """One connection: its ends, by the first entry that names them."""

    def __init__(self, conversation: TcpConversation) -> None:
        self.conversation = conversation
        self.begun = False


class Anonymizer:
    """Call ``take`` with entries in order; it gives blocks of a pcapng file. ``header``
    is the beginning of the file.

    ``left_out`` counts, by kind, what was not written because nobody can tell what is in it.
    """

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self.pseudonyms = pseudonyms
        self.left_out: dict[str, int] = {}
        self.messages = 0
        self._talks: dict[int | None, _Talk] = {}
        self._last = 0.0

    @property
    def header(self) -> bytes:
        """The first blocks."""
        comment = "Anonymized: ids, addresses, certificates and signatures are pseudonyms, TLS was taken off, packets were made anew."
        return pcapng.section(f"iso15118-stack {__version__}", comment) + pcapng.interface("anonymized")

    def take(self, entries: Iterable[Entry]) -> bytes:
        """The packets of these entries."""
        return b"".join(
            pcapng.packet(frame, self._last) for entry in entries for frame in self._frames(entry)
        )

    def message(self, entry: MessageEntry) -> MessageEntry | None:
        """The same message without identities; None if it cannot be encoded."""
        value = self.pseudonyms.message(entry.value)
        try:
            data = exi.encode(entry.schema, value)
        except (ExiError, MisuseError):
            return None
        session_id = None if entry.session_id is None else self.pseudonyms.octets(entry.session_id)
        # What was noted may quote what stood there; whoever reads it anew notes it again.
        return replace(entry, value=value, exi=data, session_id=session_id, notes=())

    def _frames(self, entry: Entry) -> Iterator[bytes]:
        if entry.t is not None:
            self._last = entry.t
        if isinstance(entry, MessageEntry):
            yield from self._said(entry)
        elif isinstance(entry, V2gtpEntry):
            yield from self._unreadable(entry)
        elif isinstance(entry, TcpEntry):
            yield from self._tcp(entry)
        elif isinstance(entry, SdpEntry):
            yield from self._sdp(entry)
        elif isinstance(entry, SlacEntry):
            yield from self._slac(entry)
        elif isinstance(entry, TlsEntry):
            self._skip("TLS messages")

    def _skip(self, kind: str) -> None:
        self.left_out[kind] = self.left_out.get(kind, 0) + 1

    # Connections -------------------------------------------------------------------------------------------

    def _said(self, entry: MessageEntry) -> Iterator[bytes]:
        other = self.message(entry)
        if other is None:
            self._skip("messages that cannot be encoded")
            return
        self.messages += 1
        kind = entry.payload_type
        if kind is None:
            kind = _PAYLOAD_TYPES.get(entry.schema, PayloadType.SAP)
        yield from self._data(entry, entry.request, encode_frame(kind, other.exi))

    def _unreadable(self, entry: V2gtpEntry) -> Iterator[bytes]:
        """A frame as long, with nothing in it: what was in it, nobody knows."""
        if entry.payload_type is None:
            self._skip("octets that are no frame")
            return
        self._skip("frames whose content was blanked")
        yield from self._data(
            entry, entry.sender == EVCC, encode_frame(entry.payload_type, bytes(len(entry.payload)))
        )

    def _data(self, entry: MessageEntry | V2gtpEntry, request: bool, data: bytes) -> Iterator[bytes]:
        talk = self._talk(entry.stream)
        if not talk.begun:
            talk.begun = True
            if entry.stream is None:  # text: there was no connection to be seen
                yield from talk.conversation.open()
        from_vehicle = entry.sender == EVCC if entry.sender in (EVCC, "secc") else request
        yield from talk.conversation.data(from_vehicle, data)

    def _talk(self, stream: int | None, entry: TcpEntry | None = None) -> _Talk:
        known = self._talks.get(stream)
        if known is None or (entry is not None and not known.begun):
            if len(self._talks) >= _MOST_CONVERSATIONS:
                self._talks.pop(next(iter(self._talks)))
            vehicle, station = Address("vehicle", 50_000), Address("station", 61_000)
            if entry is not None:
                mine, theirs = entry.source, entry.destination
                vehicle, station = (mine, theirs) if entry.sender == EVCC else (theirs, mine)
            ends = self._end(vehicle, station=False), self._end(station, station=True)
            known = self._talks[stream] = _Talk(TcpConversation(*ends))
        return known

    def _end(self, address: Address, *, station: bool) -> Endpoint:
        number = self.pseudonyms.host(address.host) % _HIGH
        return Endpoint(IPv6Address(f"fe80::{number:x}"), address.port, station)

    def _tcp(self, entry: TcpEntry) -> Iterator[bytes]:
        talk = self._talk(entry.stream, entry)
        from_vehicle = entry.sender == EVCC
        if entry.event is TcpEvent.OPENED:
            talk.begun = True
            yield from talk.conversation.open()
        elif entry.event is TcpEvent.JOINED:
            talk.begun = True
        elif entry.event is TcpEvent.GAP:
            talk.conversation.skip(from_vehicle, max(1, min(entry.missing, _LARGEST_GAP)))
        elif entry.event is TcpEvent.CLOSED:
            yield from talk.conversation.finish(from_vehicle)
        elif entry.event is TcpEvent.RESET:
            yield from talk.conversation.reset(from_vehicle)

    # Before a connection -----------------------------------------------------------------------------------

    def _sdp(self, entry: SdpEntry) -> Iterator[bytes]:
        security = Security.TLS if entry.security == "tls" else Security.NONE
        source = self._end(entry.source, station=entry.message == "SDPResponse")
        target = self._end(entry.destination, station=entry.message != "SDPResponse")
        data = b""
        if entry.message == "SDPRequest" and entry.security is not None:
            data = SdpRequest(security).to_bytes()
        elif entry.offered is not None:
            offered = self._end(entry.offered, station=True)
            with suppress(MisuseError):  # port 0 in the original
                data = SdpResponse(offered.address, offered.port, security).to_bytes()
        if data:
            yield udp_packet(source, target, data)
        else:
            self._skip("datagrams that cannot be read")

    def _slac(self, entry: SlacEntry) -> Iterator[bytes]:
        frame = entry.frame
        if frame is None:
            self._skip("SLAC frames that cannot be read")
            return
        mac, message = self.pseudonyms.mac, self.pseudonyms.slac(frame.message)
        other = replace(
            frame, source=mac(frame.source), destination=mac(frame.destination), message=message, trailer=None
        )
        try:
            yield other.to_bytes()
        except MisuseError:
            self._skip("SLAC frames that cannot be read")


_PAYLOAD_TYPES: Final = {
    "iso20-common": PayloadType.ISO20_MAIN,
    "iso20-ac": PayloadType.ISO20_AC,
    "iso20-dc": PayloadType.ISO20_DC,
    "iso20-acdp": PayloadType.ISO20_ACDP,
    "iso20-wpt": PayloadType.ISO20_WPT,
    "iso20-ac-der-iec": PayloadType.ISO20_AC_DER_IEC,
    "iso20-ac-der-sae": PayloadType.ISO20_AC_DER_SAE,
}
"""Of a message that came without a frame."""
