"""One TCP connection from its segments to its messages: what it carries, which end is the
vehicle, and every layer in between.

Segments in, entries out; what turns out to be something else than charging is dropped without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from iso15118.trace.entries import (
    EVCC,
    SECC,
    Entry,
    StreamFacts,
    TcpEntry,
    TcpEvent,
    TlsEntry,
    V2gtpEntry,
)
from iso15118.v2gtp import HEADER_LENGTH, payload_type_name

from .frames import FrameStream, Lost, begins_frame
from .handshakes import Told
from .messages import Dialogue
from .network import ACK, FIN, RST, SYN, Segment
from .suites import suite_name
from .tcp import Half, Piece
from .tls import Moment, TlsTalk, is_record

if TYPE_CHECKING:
    from .reader import Shared

__all__ = ["Conversation"]

_UNKNOWN, _PLAIN, _TLS, _OTHER = 0, 1, 2, 3
_MOST_PENDING: Final = 256
_IN_THE_CLEAR: Final = "a frame in the clear, where the other side speaks TLS"
_LONGEST_LOOK: Final = 1 << 16
"""Octets of a connection without a beginning that are searched for the first frame or record."""


class Conversation:
    """``facts`` is kept up to date. ``out``: where entries go, in order."""

    def __init__(self, shared: Shared, facts: StreamFacts, out: list[Entry]) -> None:
        self._shared, self.facts, self._out = shared, facts, out
        self._ends = (facts.client, facts.server)
        self._directions = (facts.from_client, facts.from_server)
        self._halves = (Half(self._directions[0], shared.room), Half(self._directions[1], shared.room))
        self._vehicle: int | None = None
        self._kind = _UNKNOWN
        self._look = [b"", b""]
        self._talk: TlsTalk | None = None
        self._silent = [True, True]
        """Nothing of this direction was read as TLS."""
        self._frames: tuple[FrameStream, FrameStream] | None = None
        self._dialogue = Dialogue(shared.schema)
        self._pending: list[Entry] | None = []
        self.moment: Moment = (None, 0)
        if shared.announced(facts.server):
            self._announced(0)
        elif shared.announced(facts.client):
            self._announced(1)

    @property
    def foreign(self) -> bool:
        """It carries something else."""
        return self._kind == _OTHER

    @property
    def waits(self) -> bool:
        """Records wait for secrets."""
        return self._talk is not None and self._talk.waits()

    def is_opening(self, direction: int, sequence: int) -> bool:
        """A segment that opens a connection belongs to this one."""
        return self._halves[direction].is_opening(sequence)

    # From the network --------------------------------------------------------------------------------------

    def segment(self, direction: int, one: Segment, t: float | None, number: int) -> None:
        """A segment from ``direction``: 0 for the end whose packet was seen first."""
        if self._kind == _OTHER:
            return
        self.moment = t, number
        facts, flags = self.facts, one.flags
        facts.ended = t
        self._directions[direction].packets += 1
        if flags & SYN:
            self._opening(direction, one, flags)
        half = self._halves[direction]
        payload = one.payload
        if payload or one.cut_off:
            if (
                not half.begun
                and not facts.opened
                and facts.from_client.segments + facts.from_server.segments == 0
            ):
                self._tcp(direction, TcpEvent.JOINED, "the capture began in the middle of this connection")
            for piece in half.take(one.sequence, payload, one.cut_off):
                self._piece(direction, piece)
        if flags & ACK:
            other = self._halves[1 - direction]
            if other.waiting:
                for piece in other.acknowledged(one.acknowledged):
                    self._piece(1 - direction, piece)
            else:
                other.seen_by_peer = one.acknowledged
        if flags & (FIN | RST):
            self._ending(direction, flags)

    def finish(self) -> None:
        """Nothing more will come."""
        for direction in (0, 1):
            for piece in self._halves[direction].finish():
                self._piece(direction, piece)
        for direction in (0, 1):
            if self._frames is not None and (lost := self._frames[direction].gap()) is not None:
                self._lost(direction, lost)
            if self._talk is not None:
                self._directions[direction].records_closed = self._talk.closed(direction)
        if self._talk is not None:
            self._talk.drop()
        if self._kind == _UNKNOWN and not self.facts.announced:
            self._kind = _OTHER
        self._flush(final=True)

    def new_secrets(self) -> None:
        """Records that waited may be opened now."""
        if self._talk is not None:
            self._talk.retry()

    def announced(self) -> None:
        """A station said in the discovery that it listens at one of these ends."""
        if not self.facts.announced:
            self._announced(0 if self._shared.announced(self._ends[1]) else 1)

    def _announced(self, vehicle: int) -> None:
        self.facts.announced = True
        self._is_vehicle(vehicle)
        self._flush()

    def _opening(self, direction: int, one: Segment, flags: int) -> None:
        self._halves[direction].begin(one.sequence)
        if not self.facts.opened:
            self.facts.opened = True
            self._is_vehicle(1 - direction if flags & ACK else direction)
            self._tcp(direction, TcpEvent.OPENED)

    def _ending(self, direction: int, flags: int) -> None:
        facts = self._directions[direction]
        if flags & RST and not facts.reset:
            facts.reset = True
            for side in (0, 1):
                for piece in self._halves[side].finish():
                    self._piece(side, piece)
            self._tcp(direction, TcpEvent.RESET)
        elif flags & FIN and not facts.finished and not facts.reset:
            facts.finished = True
            self._tcp(direction, TcpEvent.CLOSED)
        if self._kind == _UNKNOWN:
            self._flush(final=True)  # whoever is refused where a station listens wants to see it

    def _piece(self, direction: int, piece: Piece) -> None:
        if isinstance(piece, int):
            self._gap(direction, piece)
        elif self._kind == _PLAIN:
            self._v2gtp(direction, piece)
        elif self._talk is not None:
            if self._silent[direction]:
                self._silent[direction] = False
                if self.facts.opened and len(piece) >= HEADER_LENGTH and begins_frame(piece):
                    self._lost(direction, Lost(piece, _IN_THE_CLEAR))
            self._talk.feed(direction, piece)
        else:
            self._recognise(direction, piece)

    def _gap(self, direction: int, missing: int) -> None:
        notes = [f"{missing} octets are missing from the capture"]
        if self._kind == _PLAIN and self._frames is not None:
            lost = self._frames[direction].gap()
            if lost is not None:
                notes.append(lost.reason)
        self._look[direction] = b""
        if self._kind != _UNKNOWN:
            self._tcp(direction, TcpEvent.GAP, *notes, missing=missing)
        if self._talk is not None:
            self._talk.gap(direction, missing)

    # What it carries ---------------------------------------------------------------------------------------

    def _recognise(self, direction: int, piece: bytes) -> None:
        data = self._look[direction] + piece
        whole = self.facts.opened
        if len(data) < 3 and whole:
            self._look[direction] = data
            return
        if is_record(data):
            self._is_tls()
        elif begins_frame(data):
            self._is_plain(joined=False)
        elif (
            not whole
            and (at := data.find(b"\x01\xfe")) >= 0
            and len(data) >= at + 8
            and data[at + 2] in (0x80, 0x81)
        ):
            self._is_plain(joined=True)
        elif whole or len(data) > _LONGEST_LOOK:
            self._kind = _OTHER
            self._look = [b"", b""]
            return
        else:
            self._look[direction] = data
            return
        other, self._look = self._look[1 - direction], [b"", b""]
        if other:
            self._piece(1 - direction, other)
        self._piece(direction, data)

    def _is_plain(self, *, joined: bool) -> None:
        self._kind = _PLAIN
        self.facts.v2g = True
        self._frames = FrameStream(joined=joined), FrameStream(joined=joined)
        self._flush()

    def _is_tls(self) -> None:
        self._kind = _TLS
        self.facts.tls = "?"
        shared = self._shared
        self._talk = TlsTalk(self, shared.secrets, shared.budget, shared.hold, shared.room)
        # TLS of IPv4 may be anything, until it is open; a vehicle and a station talk over IPv6.
        host = self._ends[0].host
        if self.facts.announced or ":" in host or host.startswith("127."):
            self._flush()

    def _is_vehicle(self, direction: int) -> None:
        if self._vehicle is not None:
            return
        self._vehicle = direction
        facts = self.facts
        facts.roles_known = True
        if direction == 1:
            facts.client, facts.server = facts.server, facts.client
            facts.from_client, facts.from_server = facts.from_server, facts.from_client

    def _sender(self, direction: int) -> str:
        if self._vehicle is None:
            return str(self._ends[direction])
        return EVCC if direction == self._vehicle else SECC

    # V2GTP and messages ------------------------------------------------------------------------------------

    def _v2gtp(self, direction: int, data: bytes) -> None:
        frames = self._frames
        if frames is None:
            return
        for found in frames[direction].feed(data, self.moment[1]):
            if isinstance(found, Lost):
                self._lost(direction, found)
                continue
            self._directions[direction].messages += 1
            vehicle = self._vehicle
            t, number = self.moment
            entry = self._dialogue.entry(
                found.payload_type,
                found.payload,
                t=t,
                number=number,
                first_number=found.first_number,
                stream=self.facts.number,
                sender=None if vehicle is None else EVCC if direction == vehicle else SECC,
            )
            if vehicle is None:
                if entry.sender in (EVCC, SECC):
                    self._is_vehicle(direction if entry.sender == EVCC else 1 - direction)
                elif isinstance(entry, V2gtpEntry):
                    entry = _from(entry, self._sender(direction))
            self._edition()
            self._emit(entry)

    def _edition(self) -> None:
        dialogue, facts = self._dialogue, self.facts
        if dialogue.agreed is not None:
            facts.edition, facts.edition_agreed = dialogue.agreed, True
        elif dialogue.fits is not None and not facts.edition_agreed:
            facts.edition = dialogue.fits

    def _lost(self, direction: int, lost: Lost) -> None:
        data = lost.octets
        payload_type = int.from_bytes(data[2:4], "big") if begins_frame(data) and len(data) >= 4 else None
        if payload_type is not None and payload_type_name(payload_type).endswith("(reserved)"):
            payload_type = None
        t, number = self.moment
        self._emit(
            V2gtpEntry(
                t=t,
                sender=self._sender(direction),
                number=number,
                stream=self.facts.number,
                notes=(lost.reason,),
                payload_type=payload_type,
                length=len(data),
                payload=data,
            )
        )

    # TLS ---------------------------------------------------------------------------------------------------

    def tls_client(self, direction: int) -> None:
        """See ``tls.Above``."""
        self._is_vehicle(direction)

    def tls_data(self, direction: int, data: bytes) -> None:
        """See ``tls.Above``."""
        if self._frames is None:
            joined = not self.facts.opened and not begins_frame(data)
            if not joined and not begins_frame(data):
                self._kind, self._pending = _OTHER, None
                return
            self._frames = FrameStream(joined=joined), FrameStream(joined=joined)
            self.facts.v2g = True
            self._told_session()
            self._flush()
        self._v2gtp(direction, data)

    def _told_session(self) -> None:
        talk = self._talk
        if talk is not None:
            if talk.version is not None:
                self.facts.tls = talk.version
            if talk.suite is not None:
                self.facts.suite = suite_name(talk.suite)
            if talk.session is not None:
                self.facts.secrets = talk.session.source

    def tls_told(self, direction: int, told: Told, version: str | None, decrypted: bool) -> None:
        """See ``tls.Above``."""
        self._told_session()
        t, number = self.moment
        content, notes = told.content, list(told.notes)
        if told.certificates:
            content = content | {"certificates": self._shared.judge.describe(told.certificates)}
            role = "vehicle" if direction == self._vehicle else "secc"
            edition = "iso20" if version == "TLSv1.3" else "iso2"
            if role == "secc" or edition == "iso20":
                notes += self._shared.judge.judge(told.certificates, role, edition, t)
        elif told.name == "Certificate":
            notes.append("without a certificate")
        if told.staples:
            content = content | {"ocsp_responses": len(told.staples)}
        self._emit(
            TlsEntry(
                t=t,
                sender=self._sender(direction),
                number=number,
                stream=self.facts.number,
                notes=tuple(notes),
                message=told.name,
                version=version,
                content=content,
                certificates=told.certificates,
                staples=told.staples,
                decrypted=decrypted,
            )
        )

    # Out ---------------------------------------------------------------------------------------------------

    def _tcp(self, direction: int, event: TcpEvent, *notes: str, missing: int = 0) -> None:
        t, number = self.moment
        self._emit(
            TcpEntry(
                t=t,
                sender=self._sender(direction),
                number=number,
                stream=self.facts.number,
                notes=notes,
                event=event,
                source=self._ends[direction],
                destination=self._ends[1 - direction],
                missing=missing,
                tls=self._kind == _TLS,
            )
        )

    def _emit(self, entry: Entry) -> None:
        pending = self._pending
        if pending is None:
            self._out.append(entry)
        elif len(pending) < _MOST_PENDING:
            pending.append(entry)

    def _flush(self, *, final: bool = False) -> None:
        """It is charging, or may be: from now on it is told."""
        pending = self._pending
        if pending is None or (self._kind == _UNKNOWN and not final) or (final and not self.facts.announced):
            return
        if self._kind == _TLS:
            pending = [replace(one, tls=True) if isinstance(one, TcpEntry) else one for one in pending]
        self._out += pending
        self._pending = None


def _from(entry: V2gtpEntry, sender: str) -> V2gtpEntry:
    return V2gtpEntry(
        t=entry.t,
        sender=sender,
        number=entry.number,
        stream=entry.stream,
        notes=entry.notes,
        payload_type=entry.payload_type,
        length=entry.length,
        payload=entry.payload,
    )
