"""What came before a connection, SLAC and SDP: what it says where no connection came of it, and whether the
connection then begins as the discovery agreed.

Addresses and securities are compared as they stand on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from iso15118.trace.entries import (
    EVCC,
    SECC,
    Address,
    MessageEntry,
    SdpEntry,
    SlacEntry,
    TcpEntry,
    TcpEvent,
    TlsEntry,
    V2gtpEntry,
)
from iso15118.trace.reading.frames import begins_frame
from iso15118.trace.reading.tls import is_record

from .editions import Limit
from .endings import SETUP
from .model import Confidence

if TYPE_CHECKING:
    from .judging import Judge

__all__ = ["Agreed", "Discovery"]

_SPOKEN: Final = {"tls": "TLS", "none": "no TLS"}
_MOST_SLAC: Final = 64
_MOST_SDP: Final = 1024
_ASKS_AGAIN: Final = 3
"""Requests behind an answer that show that the vehicle does not take it; two may be on their way."""


class Agreed:
    """What the discovery agreed on for one connection, against what is spoken first over it. ``announced``:
    the answers of the discovery before it, by endpoint."""

    def __init__(self, judge: Judge, announced: Mapping[Address, SdpEntry]) -> None:
        self._judge = judge
        self._announced = announced
        self._answer: SdpEntry | None = None
        self._spoken: str | None = None
        """By the vehicle, once it has said something."""
        self._answered = False
        """The station has sent TLS."""

    def see(self, entry: Any) -> None:
        """An entry of the connection, in order."""
        if isinstance(entry, TcpEntry):
            if entry.event is TcpEvent.OPENED:
                self._answer = self._announced.get(entry.destination)
        elif self._answer is None or not isinstance(entry, TlsEntry | MessageEntry | V2gtpEntry):
            return
        elif entry.sender == EVCC:
            if self._spoken is None:
                self._spoken = "tls" if isinstance(entry, TlsEntry) else "none"
                self._compare(EVCC, entry, self._spoken)
        elif isinstance(entry, TlsEntry):
            self._answered = True
        elif isinstance(entry, V2gtpEntry):
            # A frame that is no frame: TLS in the clear, or a frame in the clear where there should be TLS.
            if self._spoken == "none" and is_record(entry.payload):
                self._compare(SECC, entry, "tls")
            elif self._spoken == "tls" and not self._answered and begins_frame(entry.payload):
                self._compare(SECC, entry, "none")

    def _compare(self, side: str, entry: TlsEntry | MessageEntry | V2gtpEntry, spoken: str) -> None:
        answer = self._answer
        if answer is None or answer.security not in _SPOKEN or answer.security == spoken:
            return
        if side == SECC:
            self._answer = None  # said once
        what = getattr(entry, "message", "") or ("a TLS record" if spoken == "tls" else "a frame of V2GTP")
        self._judge.find(
            "security-mismatch",
            side,
            entry,
            f"{_SPOKEN[answer.security]} at {answer.offered}, as the SDPResponse (packet {answer.number}) says",
            f"{_SPOKEN[spoken]}: {what}",
        )


class Discovery:
    """SDP, and the SLAC before it, up to the next connection."""

    def __init__(self) -> None:
        self.requests: list[SdpEntry] = []
        self.answers: list[SdpEntry] = []
        self.slac: list[SlacEntry] = []
        self.matches: list[SlacEntry] = []
        """CM_SLAC_MATCH.REQ."""
        self.misnamed: list[SlacEntry] = []
        """What stations ignore, as it names another sender."""
        self.matched = False
        self.again = 0
        """Requests behind the first answer."""

    def see(self, entry: SdpEntry | SlacEntry) -> None:
        """A datagram or a management message."""
        if isinstance(entry, SlacEntry):
            self._slac(entry)
        elif entry.message == "SDPRequest":
            self.again += bool(self.answers)
            if len(self.requests) < _MOST_SDP:
                self.requests.append(entry)
        elif len(self.answers) < _MOST_SDP:
            self.answers.append(entry)

    def _slac(self, entry: SlacEntry) -> None:
        if entry.message.startswith("CM_SLAC_PARM") and len(self.slac) < _MOST_SLAC:
            self.slac.append(entry)
        elif entry.message == "CM_SLAC_MATCH.REQ" and len(self.matches) < _MOST_SLAC:
            self.matches.append(entry)
        if any("stations ignore it" in note for note in entry.notes) and len(self.misnamed) < _MOST_SLAC:
            self.misnamed.append(entry)
        self.matched = self.matched or entry.message == "CM_SLAC_MATCH.CNF"

    @property
    def announced(self) -> dict[Address, SdpEntry]:
        """The answers by endpoint, the last one of each."""
        return {one.offered: one for one in self.answers if one.offered is not None}

    def connected(self) -> None:
        """What is discovered next is for another connection."""
        self.requests, self.answers, self.slac, self.matches, self.misnamed = [], [], [], [], []
        self.matched, self.again = False, 0

    def conclude(self, judge: Judge, last: float | None) -> None:
        """No connection came of it."""
        if self.requests and not self.answers:
            waited = _since(self.requests[0], last)
            count = len(self.requests)
            if waited is not None and (waited >= 1.0 or count >= 4):
                sure = Confidence.HIGH if self.matched else Confidence.MEDIUM
                judge.find(
                    "sdp-unanswered", SECC, self.requests[0], "SDPResponse within 0.25 s", f"{count} requests in {waited:.1f} s, no answer",
                    timer=Limit("SDP response time", 0.25), waited=waited, confidence=sure, needs_all=True,
                )  # fmt: skip
        elif self.answers:
            self._not_connected(judge, last)
        elif not self.matched:
            self._not_matched(judge, last)

    def _not_matched(self, judge: Judge, last: float | None) -> None:
        if self.misnamed:
            one = self.misnamed[0]
            judge.find(
                "slac-names", EVCC, one, "the address that the frame comes from", next(iter(one.notes)),
                confidence=Confidence.MEDIUM, needs_all=True,
            )  # fmt: skip
            return
        if self.matches:
            asked, wanted, rule = self.matches, "CM_SLAC_MATCH.CNF", "slac-unmatched"
        elif self.slac and not any(one.message.endswith(".CNF") for one in self.slac):
            asked, wanted, rule = self.slac, "CM_SLAC_PARM.CNF", "slac-unanswered"
        else:
            return
        waited = _since(asked[0], last)
        if waited is not None and waited >= 1.0:
            judge.find(
                rule, SECC, asked[0], wanted, f"{len(asked)} requests in {waited:.1f} s, no answer",
                confidence=Confidence.MEDIUM, needs_all=True,
            )  # fmt: skip

    def _not_connected(self, judge: Judge, last: float | None) -> None:
        answer = self.answers[-1]
        if answer.offered is None:
            note = answer.notes[0] if answer.notes else "malformed"
            judge.find("malformed-message", SECC, answer, "an address and a port", note)
            return
        waited = _since(answer, last)
        over = waited is not None and waited >= 0.9 * SETUP.seconds
        if (over or self.again >= _ASKS_AGAIN) and self._no_security(judge):
            return
        if waited is not None and over:
            judge.find(
                "no-connection", EVCC, answer, f"a TCP connection to {answer.offered}", f"none for {waited:.1f} s",
                timer=SETUP, waited=waited, confidence=Confidence.MEDIUM, needs_all=True,
            )  # fmt: skip

    def _no_security(self, judge: Judge) -> bool:
        """Every answer has another security than every request."""
        asked = {one.security for one in self.requests}
        told = {one.security for one in self.answers}
        if not asked or asked & told or not (asked | told) <= _SPOKEN.keys():
            return False
        first = self.answers[0]
        # A station of ISO 15118-20 answers TLS with TLS [V2G20-1238]; one that has TLS alone may say so.
        side = SECC if "tls" in asked else EVCC
        entry = first if side == SECC else self.requests[0]
        judge.find(
            "sdp-security", side, entry,
            f"an SDPResponse with {_SPOKEN[asked.pop() or '']}" if side == SECC else "an SDPRequest for TLS",
            f"{_SPOKEN[told.pop() or '']} is offered" if side == SECC else "a request for no TLS, where the station has TLS alone",
            confidence=Confidence.MEDIUM, needs_all=True,
        )  # fmt: skip
        return True


def _since(entry: SdpEntry | SlacEntry, last: float | None) -> float | None:
    return None if entry.t is None or last is None or last < entry.t else last - entry.t
