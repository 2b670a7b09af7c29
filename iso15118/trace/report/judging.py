"""The conversation of one connection judged message by message: turn, sequence,
session, time, answers that fail.

What is missing from the capture makes it forget where the conversation was: nothing is held against
anybody until it is known again.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from msgspec import Struct

from iso15118.trace.entries import EVCC, SECC, MessageEntry, V2gtpEntry
from iso15118.trace.reading.fitting import SCHEMAS_OF
from iso15118.trace.telling import said
from iso15118.v2gtp import SIDE_STREAMS, PayloadType, payload_type_name

from .content import Contents
from .editions import (
    BEGINNING,
    OFF_KEYS,
    answer_limit,
    follows,
    key_of,
    request_limit,
    stem_of,
)
from .model import Confidence, Finding, Line, Session
from .placing import right_type, wrong_type
from .polling import SLACK_S, Polls, since
from .rules import OBJECTIONS

__all__ = ["Judge", "Pending"]

_THE_SAME: Final = 20
"""Exchanges within which the same deviation again is one, repeated."""
_MOST_FOUND: Final = 200
_SHOWS_LATE: Final = 3
"""Exchanges that may pass before a gap shows."""
_LIVE: Final = frozenset(
    (
        "PowerDelivery:Start",
        "CurrentDemand",
        "ChargingStatus",
        "MeteringReceipt",
        "DC_ChargeLoop",
        "AC_ChargeLoop",
    )
)
_IN_DOUBT: Final = 2
"""Exchanges behind a gap in which the two directions may be told in the wrong order."""
_UNTIL_FINISHED: Final = frozenset(
    (
        "Authorization",
        "ContractAuthentication",
        "ChargeParameterDiscovery",
        "CableCheck",
        "DC_CableCheck",
        "ScheduleExchange",
    )
)
"""Exchanges that are repeated while an answer says Ongoing, and not any more."""


class Pending(Struct):
    """A request that waits for its answer."""

    entry: MessageEntry
    key: str
    stem: str


class Judge:
    """Fed with the messages of a connection; finds go to ``session.findings``."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.content = Contents(self)
        self.pending: Pending | None = None
        self.beside: dict[int, Pending] = {}
        self.key: str | None = BEGINNING
        """The last request that was answered; None where it is not known."""
        self.edition = "app"
        self.agreed = False
        """supportedAppProtocol said which edition it is."""
        self.session_id: bytes | None = None
        self.answered = 0
        """Exchanges that went well, those of ending a session left out."""
        self.last: MessageEntry | None = None
        self.last_answer: MessageEntry | None = None
        self.stopped = False
        """SessionStop was answered."""
        self.refused = False
        self.ongoing = False
        """The last answer said Ongoing."""
        self.finished = False
        """It said Finished."""
        self.polls = Polls(self)
        self.sure = True
        """Nothing is missing since the conversation was last known."""
        self._doubt = 0
        """Exchanges that have to go well before it is known again who is where."""
        self._latest: dict[tuple[str, str, str], Finding] = {}
        self._recent: deque[MessageEntry] = deque(maxlen=4)
        self._from_evcc: list[Finding] = []

    # Findings ----------------------------------------------------------------------------------------------

    def find(self, rule: str, side: str, entry: Any, expected: str, seen: str, **more: Any) -> Finding:
        """A deviation at ``entry``; the same one again is counted."""
        message = getattr(entry, "message", "") or "V2GTP frame"
        known = self._latest.get((rule, side, message))
        if known is not None and known.last_place >= self.answered - _THE_SAME:
            known.last_place = self.answered
            known.repeats += 1
            return known
        finding = Finding(
            rule,
            side,
            message,
            expected,
            seen,
            entry.t,
            entry.number,
            self.answered,
            last_place=self.answered,
            **more,
        )
        finding.tolerated = bool(self._doubt) and finding.needs_all
        finding.before = [
            Line(one.t, one.number, one.sender, one.message, said(one))
            for one in self._recent
            if one is not entry
        ][-3:]
        found = self.session.findings
        if len(found) >= _MOST_FOUND:  # the first and the last of them tell most
            del found[_MOST_FOUND // 2]
        found.append(finding)
        self._latest[rule, side, message] = finding
        return finding

    # What comes --------------------------------------------------------------------------------------------

    def lost(self) -> None:
        """Something is missing from the capture here. That shows only when somebody goes on behind it: what
        looked like a deviation just before is excused."""
        for one in self.session.findings:
            if (one.needs_all or one.rule == "limit-ignored") and one.place >= self.answered - _SHOWS_LATE:
                one.tolerated = True
        self.pending = None
        self.beside.clear()
        self.key = self.last_answer = None
        self.polls.lost()
        self.ongoing = self.finished = self.sure = False
        self._doubt = _IN_DOUBT
        self.content.lost()

    def frame(self, entry: V2gtpEntry) -> None:
        """A frame without a readable message."""
        side = entry.sender if entry.sender in (EVCC, SECC) else ""
        note = entry.notes[0] if entry.notes else ""
        if not self.sure and self.key is None:
            return  # the rest of something that is not whole in the capture
        kind = entry.payload_type
        if kind is None:
            self.find("malformed-message", side, entry, "a V2GTP frame", note, confidence=Confidence.HIGH)
        elif wrong_type(self.edition, kind, entry, self.key in (BEGINNING, "supportedAppProtocol")):
            self.find(
                "wrong-payload-type",
                side,
                entry,
                right_type(self.edition),
                f"a frame of type {payload_type_name(kind)}: {note}",
            )
        else:
            self.find("malformed-message", side, entry, "a message of the agreed schema", note)
        self.pending = None if side == EVCC else self.pending
        if side == SECC:
            self._taken_back()

    def _taken_back(self) -> None:
        """The station said something that nobody can read: that may have been the answer."""
        if self.pending is not None:
            self.key, self.pending = None, None
            self.last_answer = None

    def message(self, entry: MessageEntry) -> float | None:
        """A message. Returns how long an answer took, in s, where that is known."""
        self._recent.append(entry)
        latency = None
        if entry.edition != "app":
            if entry.edition != self.edition and (
                self.agreed or not (self.edition == "app" or entry.guessed)
            ):
                self._foreign(entry)
                self.last = entry
                return None
            self.edition = self.session.edition = entry.edition
            self.agreed = self.agreed or not entry.guessed
        if entry.payload_type is not None and self.edition == "iso20" and self._misplaced(entry):
            pass
        elif entry.request != (entry.sender == EVCC) and entry.sender in (EVCC, SECC):
            other = "station" if entry.sender == EVCC else "vehicle"
            self.find(
                "wrong-direction",
                entry.sender,
                entry,
                "a message of its own",
                f"{entry.message}, which a {other} sends",
            )
        elif entry.payload_type in SIDE_STREAMS:
            latency = self._beside(entry)
        elif entry.request:
            self._request(entry)
        else:
            latency = self._answer(entry)
        self.last = entry
        return latency

    def _foreign(self, entry: MessageEntry) -> None:
        kind = payload_type_name(entry.payload_type or 0)
        misplaced = self.edition == "iso20" and entry.payload_type == PayloadType.SAP
        if not misplaced and not entry.message.endswith(("Req", "Res")):  # what fits, fits by chance
            expected, note = f"a message of {self.edition}", entry.notes[0] if entry.notes else entry.message
            self.find("malformed-message", entry.sender, entry, expected, note).message = "V2GTP frame"
        else:
            seen = f"a message of {entry.schema} in payload type {kind}"
            self.find("wrong-payload-type", entry.sender, entry, right_type(self.edition), seen)
        if entry.sender == SECC:
            self._taken_back()

    def _misplaced(self, entry: MessageEntry) -> bool:
        kind = entry.payload_type or 0
        if entry.schema in SCHEMAS_OF.get(kind, ()) and not (
            entry.schema == "app" and self.key not in (BEGINNING, "supportedAppProtocol")
        ):
            return False
        self.find(
            "wrong-payload-type",
            entry.sender,
            entry,
            right_type(self.edition, entry.schema),
            f"payload type {payload_type_name(kind)}",
        )
        return True

    # Requests ----------------------------------------------------------------------------------------------

    def _request(self, entry: MessageEntry) -> None:
        stem = stem_of(entry.message)
        key = key_of(self.edition, entry.message, entry.body)
        waiting = self.pending
        if waiting is not None:
            self._unanswered(waiting, entry)
        elif self.key is not None and not self.stopped:
            self._in_sequence(entry, stem, key)
        if stem == "supportedAppProtocol":
            self.stopped = self.refused = False
            self.session_id = None
        elif stem != "SessionSetup":
            self._same_session(entry)
        self._in_time(entry)
        self.polls.request(entry, stem, key)
        self.content.request(entry, stem)
        self.pending = Pending(entry, key, stem)

    def _unanswered(self, waiting: Pending, entry: MessageEntry) -> None:
        limit = answer_limit(self.edition, waiting.stem)
        waited = _between(waiting.entry, entry)
        if waited is not None and waited >= limit.seconds - SLACK_S:
            self.find(
                "no-answer", SECC, waiting.entry, f"{waiting.stem}Res within {limit.seconds:g} s",
                f"nothing for {waited:.2f} s, then {entry.message}",
                timer=limit, waited=waited, needs_all=True,
            )  # fmt: skip
        else:
            self.find(
                "unexpected-message", EVCC, entry, f"{waiting.stem}Res first", f"{entry.message} before its answer",
                needs_all=True,
            )  # fmt: skip

    def _in_sequence(self, entry: MessageEntry, stem: str, key: str) -> None:
        allowed = follows(self.edition if self.edition != "app" else "iso20", self.key or BEGINNING)
        if stem == "supportedAppProtocol" and self.key in (BEGINNING, "supportedAppProtocol"):
            return
        if allowed is None:
            return
        after = self.last_answer
        if key not in allowed:
            may = ", ".join(sorted(allowed)) or "nothing"
            seen = f"{key} after {self.key or 'the connection was opened'}"
            finding = self.find("out-of-sequence", EVCC, entry, may, seen, needs_all=True)
        elif (
            self.ongoing
            and after is not None
            and stem != stem_of(after.message)
            and key not in OFF_KEYS
            and stem != "CertificateInstallation"
        ):
            finding = self.find(
                "out-of-sequence",
                EVCC,
                entry,
                f"{stem_of(after.message)}Req again, until the answer says Finished",
                f"{key}",
                needs_all=True,
            )
        elif (
            stem in _UNTIL_FINISHED and self.finished and after is not None and stem == stem_of(after.message)
        ):
            finding = self.find(
                "out-of-sequence",
                EVCC,
                entry,
                "what follows a finished exchange",
                f"{key} after Finished",
                needs_all=True,
            )
        else:
            return
        self._from_evcc.append(finding)

    def _same_session(self, entry: MessageEntry) -> None:
        if entry.session_id is None:
            return
        if self.session_id is None:
            self.session_id = entry.session_id
        elif entry.session_id != self.session_id:
            finding = self.find(
                "wrong-session-id",
                entry.sender,
                entry,
                f"SessionID {self.session_id.hex()}",
                f"SessionID {entry.session_id.hex()}",
            )
            if entry.request:
                self._from_evcc.append(finding)

    def _in_time(self, entry: MessageEntry) -> None:
        after = self.last_answer
        waited = None if after is None else _between(after, entry)
        if after is None or waited is None:
            return
        limit = request_limit(self.edition, stem_of(after.message))
        if waited > limit.seconds + SLACK_S:
            finding = self.find(
                "late-request", EVCC, entry, f"the next request within {limit.seconds:g} s of {after.message}", f"after {waited:.2f} s",
                timer=limit, waited=waited, needs_all=True, soft=True,
            )  # fmt: skip
            self._from_evcc.append(finding)

    # Answers -----------------------------------------------------------------------------------------------

    def _answer(self, entry: MessageEntry) -> float | None:
        waiting, self.pending = self.pending, None
        stem = stem_of(entry.message)
        if waiting is None:
            if self.key is not None:
                self.find(
                    "unexpected-message",
                    SECC,
                    entry,
                    "an answer to a request, once",
                    f"{entry.message} without a request",
                    needs_all=True,
                )
            if stem == "SessionSetup":
                self.session_id = entry.session_id
            self.last_answer = entry
            return None
        if stem != waiting.stem:
            self.find("wrong-answer", SECC, entry, f"{waiting.stem}Res", entry.message, needs_all=True)
            self.key, self.last_answer = None, entry
            return None
        latency = self._latency(waiting, entry)
        if stem == "SessionSetup":
            self.session_id = entry.session_id
            if entry.session_id is not None and entry.session_id.hex() not in self.session.session_ids[:8]:
                self.session.session_ids.append(entry.session_id.hex())
        elif stem != "supportedAppProtocol":
            self._same_session(entry)
        good = self._good(waiting, entry, stem)
        self.content.answer(entry, stem)
        self.polls.answer(waiting.stem, entry)
        if good:
            self._went_well(waiting)
        self.last_answer = entry
        return latency

    def _went_well(self, waiting: Pending) -> None:
        self.key = waiting.key
        self._doubt = max(self._doubt - 1, 0)
        self.sure = self.sure or not self._doubt
        for finding in self._from_evcc:
            finding.tolerated = True  # the station took it
        self._from_evcc.clear()
        if waiting.key not in OFF_KEYS:
            self.answered += 1
        self.session.exchanges += 1
        if waiting.stem == "SessionStop" and waiting.key != "SessionStop:ServiceRenegotiation":
            self.stopped = True

    def _latency(self, waiting: Pending, entry: MessageEntry) -> float | None:
        latency = _between(waiting.entry, entry)
        if latency is None:
            return None
        limit = answer_limit(self.edition, waiting.stem)
        if latency > limit.seconds + SLACK_S:
            self.find(
                "late-answer", SECC, entry, f"{entry.message} within {limit.seconds:g} s", f"after {latency:.2f} s",
                timer=limit, waited=latency, needs_all=True, soft=True,
            )  # fmt: skip
        return latency

    def _good(self, waiting: Pending, entry: MessageEntry, stem: str) -> bool:
        code = entry.response_code or ""
        if not code.lower().startswith("failed"):
            if stem == "supportedAppProtocol":
                self._chosen(entry)
            return True
        self.refused = True
        if stem == "supportedAppProtocol":
            known = (
                any("chooses" in note or "not known" not in note for note in waiting.entry.notes)
                or not waiting.entry.notes
            )
            self.find(
                "sap-refused",
                SECC if known else EVCC,
                entry,
                "one of the offered protocols",
                code,
                confidence=Confidence.LOW,
                detail=code,
            )
            return False
        if self.polls.refused(entry, stem, code):
            return False
        if code == "FAILED_SequenceError" and stem == "SessionStop" and self.key in _LIVE:
            # Stations of today answer it, and may refuse it: power is to be ended first.
            self.find(
                "out-of-sequence", EVCC, waiting.entry, "PowerDeliveryReq that ends the power first", f"SessionStopReq after {self.key}",
                confidence=Confidence.LOW, needs_all=True,
            )  # fmt: skip
            return False
        side = EVCC if code in OBJECTIONS else SECC
        sure = Confidence.MEDIUM if code in OBJECTIONS or code == "FAILED" else Confidence.HIGH
        self.find(
            "refused", side, entry, f"OK to {waiting.entry.message}", code, confidence=sure, detail=code
        )
        return False

    def _chosen(self, entry: MessageEntry) -> None:
        for note in entry.notes:
            if "was not offered" in note or "nothing is chosen" in note:
                self.find("sap-schema-id", SECC, entry, "the SchemaID of an offered protocol", note)

    # Beside the loop ---------------------------------------------------------------------------------------

    def _beside(self, entry: MessageEntry) -> float | None:
        stream = entry.payload_type or 0
        if entry.request:
            self.beside[stream] = Pending(entry, stem_of(entry.message), stem_of(entry.message))
            self._same_session(entry)
            return None
        waiting = self.beside.pop(stream, None)
        code = entry.response_code or ""
        if code.startswith("FAILED"):
            self.find(
                "refused",
                SECC,
                entry,
                f"OK to {stem_of(entry.message)}Req",
                code,
                confidence=Confidence.LOW,
                detail=code,
                soft=True,
            )
        return (
            None
            if waiting is None or waiting.stem != stem_of(entry.message)
            else self._latency(waiting, entry)
        )


def _between(first: MessageEntry, second: MessageEntry) -> float | None:
    return since(first.t, second.t)
