"""How a connection ended where nothing that was said explains it: silence, FIN, RST, alerts, a handshake that
is broken off.

Every end is measured against the timer of the side that had to speak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from iso15118.trace.entries import EVCC, SECC, TcpEntry, TcpEvent, TlsEntry

from .editions import Limit, answer_limit, request_limit, stem_of
from .model import Confidence, Finding

if TYPE_CHECKING:
    from .judging import Judge

__all__ = ["SETUP", "Closing", "Ending"]

_SHARE: Final = 0.95
"""Of a timer: what is over by then counts as over."""
SETUP: Final = Limit("V2G_EVCC_CommunicationSetup_Timeout", 20.0)
_ABOUT_ITS_CERTIFICATE: Final = frozenset(
    ("bad_certificate", "unsupported_certificate", "certificate_revoked", "certificate_expired", "certificate_unknown", "unknown_ca",
     "certificate_required", "bad_certificate_status_response", "decrypt_error", "bad_record_mac", "unexpected_message",
     "illegal_parameter", "decode_error", "missing_extension", "unsupported_extension", "protocol_version",
     "insufficient_security", "record_overflow", "decryption_failed", "no_application_protocol")
)  # fmt: skip
"""Alerts that say something of what the other side sent."""
_ABOUT_A_RECORD: Final = frozenset(
    ("bad_record_mac", "decrypt_error", "decryption_failed", "record_overflow", "unexpected_message")
)


class Closing(Struct, frozen=True):
    """The first thing by which a side ended the connection."""

    side: str
    how: str
    """``closed``, ``reset`` or ``alert``."""
    entry: TcpEntry | TlsEntry


class Ending:
    """Sees the TCP and TLS of a connection."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.first: Closing | None = None
        self.opened: TcpEntry | None = None
        self.joined = False
        self.hellos: dict[str, TlsEntry] = {}
        self.alert: TlsEntry | None = None
        self.closed_records = False
        self._handshake: TlsEntry | None = None
        self.finished = 0

    def tcp(self, entry: TcpEntry) -> None:
        """Something happened to the connection."""
        if entry.event is TcpEvent.OPENED:
            self.opened = entry
        elif entry.event is TcpEvent.JOINED:
            self.joined = True
        elif entry.event in (TcpEvent.CLOSED, TcpEvent.RESET) and self.first is None:
            how = "reset" if entry.event is TcpEvent.RESET else "closed"
            self.first = Closing(entry.sender, how, entry)

    def tls(self, entry: TlsEntry) -> None:
        """A handshake message or an alert."""
        if entry.message == "Alert":
            about = entry.content.get("description")
            if about == "close_notify":
                if self.first is None:
                    self.first = Closing(entry.sender, "closed", entry)
            elif entry.content.get("level") == "fatal" or entry.version == "TLSv1.3":
                if self.alert is None:
                    self.alert = entry
                if self.first is None:
                    self.first = Closing(entry.sender, "alert", entry)
        elif entry.message == "ApplicationData":
            self.closed_records = True
        else:
            self._handshake = entry
            self.hellos.setdefault(entry.message, entry)
            if entry.message == "Finished":
                self.finished += 1

    def conclude(self, last: float | None) -> None:
        """The connection, or the capture, is over; ``last``: when the capture ended."""
        judge = self._judge
        if self.alert is not None and not judge.stopped:
            self._alerted(self.alert)
            return
        if judge.stopped or (self.first is not None and judge.polls.stuck(self.first.entry.t)):
            return
        if judge.last is None:
            self._nothing_said(last)
        elif judge.pending is not None:
            self._unanswered(last)
        elif judge.last_answer is not None:
            self._no_request(last)

    def _alerted(self, alert: TlsEntry) -> None:
        about = str(alert.content.get("description"))
        sender = alert.sender
        other = SECC if sender == EVCC else EVCC
        in_session = self._judge.last is not None
        theirs = about in _ABOUT_ITS_CERTIFICATE
        if about == "handshake_failure":
            hello = self.hellos.get("ClientHello")
            theirs = sender == SECC and hello is not None and bool(hello.notes)
        if in_session and about in _ABOUT_A_RECORD:
            # A record that its keys open here was good.
            facts = self._judge.session.facts
            sent = None if facts is None else facts.from_client if other == EVCC else facts.from_server
            theirs = sent is not None and sent.records_closed > 0
        sure = Confidence.HIGH if not theirs else Confidence.MEDIUM
        if about == "unknown_ca":
            sure = Confidence.LOW
        where = "in mid-session" if in_session else "in the handshake"
        self._judge.find(
            "tls-alert",
            other if theirs else sender,
            alert,
            "no alert",
            f"alert {about} from the {sender}, {where}",
            confidence=sure,
            detail=about,
        )

    # Silence and closing -----------------------------------------------------------------------------------

    def _end(self, since: float | None, last: float | None) -> float | None:
        """How long the side that had to speak was waited for."""
        until = self.first.entry.t if self.first is not None else last
        return None if since is None or until is None or until < since else until - since

    def _unanswered(self, last: float | None) -> None:
        judge = self._judge
        waiting = judge.pending
        if waiting is None:
            return
        limit = answer_limit(judge.edition, waiting.stem)
        waited, first = self._end(waiting.entry.t, last), self.first
        over = waited is not None and waited >= _SHARE * limit.seconds
        if first is not None and first.side == SECC and not (over and first.how == "closed"):
            self._closed(first, f"{waiting.stem}Res")
        elif over:
            self._silent(
                "no-answer",
                SECC,
                waiting.entry,
                f"{waiting.stem}Res within {limit.seconds:g} s",
                limit,
                waited,
                first,
            )
        elif first is not None:
            self._closed(first, f"to wait {limit.seconds:g} s for {waiting.stem}Res")

    def _no_request(self, last: float | None) -> None:
        judge = self._judge
        answer = judge.last_answer
        if answer is None:
            return
        limit = request_limit(judge.edition, stem_of(answer.message))
        waited, first = self._end(answer.t, last), self.first
        over = waited is not None and waited >= _SHARE * limit.seconds
        if first is not None and first.side != SECC:
            self._closed(first, "the next request, or SessionStopReq")
        elif over:
            self._silent(
                "no-request",
                EVCC,
                answer,
                f"the next request within {limit.seconds:g} s",
                limit,
                waited,
                first,
            )
        elif first is not None:
            self._closed(first, f"to wait {limit.seconds:g} s for the next request")

    def _silent(
        self,
        rule: str,
        side: str,
        entry: Any,
        expected: str,
        limit: Limit,
        waited: float | None,
        first: Closing | None,
    ) -> Finding:
        after = (
            "the end of the capture"
            if first is None
            else f"the other side {'reset' if first.how == 'reset' else 'closed'} the connection"
        )
        return self._judge.find(
            rule, side, entry, expected, f"nothing for {waited or 0.0:.2f} s, up to {after}",
            timer=limit, waited=waited, needs_all=True, confidence=Confidence.HIGH if first is not None else Confidence.MEDIUM,
        )  # fmt: skip

    def _closed(self, first: Closing, expected: str) -> None:
        rule = "connection-reset" if first.how == "reset" else "connection-closed"
        what = (
            "RST"
            if first.how == "reset"
            else "TLS close_notify"
            if isinstance(first.entry, TlsEntry)
            else "FIN"
        )
        finding = self._judge.find(
            rule, first.side, first.entry, expected, f"{what} from the {first.side}", needs_all=True
        )
        if isinstance(first.entry, TcpEntry):
            finding.message = f"TCP {what}"

    # Before anything was said ------------------------------------------------------------------------------

    def _nothing_said(self, last: float | None) -> None:
        judge, first = self._judge, self.first
        facts = judge.session.facts
        if self.joined or self.opened is None:
            return
        if facts is not None and facts.from_client.octets == 0 and facts.from_server.octets == 0:
            if first is not None and first.side == SECC:
                finding = judge.find(
                    "tcp-refused",
                    SECC,
                    first.entry,
                    "the connection to be taken",
                    "RST" if first.how == "reset" else "FIN",
                )
                finding.message = "TCP"
                return
            waited = self._end(self.opened.t, last)
            if facts.from_server.packets == 0 and waited is not None and waited >= 1.0:
                finding = judge.find(
                    "tcp-refused",
                    SECC,
                    self.opened,
                    "SYN, ACK",
                    f"no packet for {waited:.1f} s",
                    confidence=Confidence.MEDIUM,
                    needs_all=True,
                )
                finding.message = "TCP"
                return
        if self.hellos and not self.closed_records and self.finished < 2:
            self._handshake_left(last)
            return
        if facts is not None and facts.tls is None and facts.from_client.octets == 0:
            waited = self._end(self.opened.t, last)
            if first is not None and first.side == EVCC:
                self._closed(first, "supportedAppProtocolReq")
            elif waited is not None and waited >= 0.8 * SETUP.seconds:
                self._silent("no-request", EVCC, self.opened, "supportedAppProtocolReq", SETUP, waited, first)

    def _handshake_left(self, last: float | None) -> None:
        judge, first, at = self._judge, self.first, self._handshake
        if at is None:
            return
        waited = self._end(at.t, last)
        if first is not None:
            judge.find(
                "tls-not-finished",
                first.side,
                at,
                "the handshake to be finished",
                f"{first.how} by the {first.side} after {at.message}",
                needs_all=True,
            )
        elif waited is not None and waited >= SETUP.seconds:
            side = SECC if at.sender == EVCC else EVCC
            judge.find(
                "tls-not-finished",
                side,
                at,
                "the next message of the handshake",
                f"nothing for {waited:.1f} s after {at.message}",
                needs_all=True,
                timer=SETUP,
                waited=waited,
                confidence=Confidence.MEDIUM,
            )
