"""Entries in, the model of their sessions out, in one pass: what is said is judged as it
comes, and not all of it is kept.

Of a long run of equal exchanges the beginning, the end and whatever deviated are kept
whole; the quantities of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from iso15118.trace.entries import (
    SECC,
    Address,
    CaptureFacts,
    Entry,
    MessageEntry,
    SdpEntry,
    SlacEntry,
    StreamFacts,
    TcpEntry,
    TcpEvent,
    TlsEntry,
    V2gtpEntry,
)
from iso15118.trace.telling import name_of

from .cause import decide
from .discovering import Agreed, Discovery
from .editions import LOOPS, Limit, answer_limit, stem_of
from .endings import Ending
from .identities import Known, tls_card
from .judging import Judge
from .model import Latency, Report, Run, Series, Session, Shown, Span, Trust
from .quantities import MEASURED, meter_wh, quantities
from .trust import capture_trust, session_trust

__all__ = ["ReportBuilder"]

KEPT_HEAD, KEPT_TAIL = 12, 8
"""Entries of a run that are kept from its beginning and its end."""
MOST_RUNS: Final = 400
MOST_SESSIONS: Final = 64
_MOST_POINTS: Final = 200_000
_MOST_SPANS: Final = 500
_LONGEST_STEP_S: Final = 60.0
_JUMP_S: Final = 20.0
"""Shorter ones are those of a side that is late."""
EMPTY: Final[Mapping[Address, SdpEntry]] = {}


class _Building:
    """One session in the making. ``announced``: the answers of the discovery before it."""

    def __init__(
        self, number: int, stream: int | None, announced: Mapping[Address, SdpEntry] = EMPTY
    ) -> None:
        self.session = Session(number, stream)
        self.judge = Judge(self.session)
        self.agreed = Agreed(self.judge, announced)
        self.ending = Ending(self.judge)
        self.known = Known(self.session)
        self._before: tuple[float, float] | None = None
        self._first_meter: float | None = None
        self._last_t: float | None = None
        self._jump: tuple[float, int, int] | None = None
        if stream is None:
            self.judge.key = None  # a text may begin anywhere

    def see(self, entry: Entry) -> None:
        """One entry of it."""
        session = self.session
        found = len(session.findings)
        if entry.t is not None:
            session.began = entry.t if session.began is None else session.began
            session.ended = entry.t if session.ended is None else max(session.ended, entry.t)
        shown = Shown(entry)
        self.agreed.see(entry)
        if isinstance(entry, MessageEntry):
            self._message(entry, shown)
        elif isinstance(entry, V2gtpEntry):
            self.judge.frame(entry)
        elif isinstance(entry, TcpEntry):
            if entry.event in (TcpEvent.JOINED, TcpEvent.GAP):
                self.judge.lost()
            self.ending.tcp(entry)
        elif isinstance(entry, TlsEntry):
            self.ending.tls(entry)
            tls_card(session, entry)
        if len(session.findings) > found:
            shown.finding = session.findings[-1]
        self._keep(entry, shown)

    # Messages ----------------------------------------------------------------------------------------------

    def _message(self, entry: MessageEntry, shown: Shown) -> None:
        session = self.session
        session.messages += 1
        self._watch_clock(entry)
        stem = stem_of(entry.message)
        latency = self.judge.message(entry)
        if latency is not None:
            limit = answer_limit(self.judge.edition, stem)
            shown.latency, shown.limit = latency, limit
            self._latency(stem, latency, limit)
        if stem in LOOPS and not entry.request:
            session.loops += 1
        self.known.see(entry)
        if entry.t is not None:
            self._values(entry, entry.t)
            spans = session.states.setdefault(entry.sender, [])
            if (not spans or spans[-1].state != stem) and len(spans) < _MOST_SPANS:
                spans.append(Span(stem, entry.t))

    def _watch_clock(self, entry: MessageEntry) -> None:
        """The longest step between two messages, and how many exchanges went well before it."""
        t, last = entry.t, self._last_t
        self._last_t = t
        if (
            t is not None
            and last is not None
            and t - last > _JUMP_S
            and (self._jump is None or t - last > self._jump[0])
        ):
            self._jump = t - last, entry.number, self.judge.answered

    def _latency(self, stem: str, latency: float, limit: Limit) -> None:
        one = self.session.latencies.get(stem)
        if one is None:
            one = self.session.latencies[stem] = Latency(stem, limit)
        one.count += 1
        one.total += latency
        one.longest = max(one.longest, latency)
        one.over += latency > limit.seconds

    def _values(self, entry: MessageEntry, t: float) -> None:
        volts = amperes = watts = None
        for one in quantities(entry.body):
            kind = f"{one.kind} discharge" if one.discharge else one.kind
            self._point(one.side, one.unit, kind, t, one.value)
            if one.kind == MEASURED and not one.discharge:
                if one.side == SECC and one.unit == "V":
                    volts = one.value
                elif one.side == SECC and one.unit == "A":
                    amperes = one.value
                elif one.unit == "W":
                    watts = one.value
        if volts is not None and amperes is not None:
            watts = volts * amperes
            self._point(SECC, "W", MEASURED, t, watts)
        if watts is not None:
            self._energy(t, watts)
        reading = meter_wh(entry.body)
        if reading is not None:
            if self._first_meter is None:
                self._first_meter = reading
            self.session.metered_wh = reading - self._first_meter

    def _point(self, side: str, unit: str, kind: str, t: float, value: float) -> None:
        key = f"{side} {unit}", kind
        one = self.session.series.get(key)
        if one is None:
            one = self.session.series[key] = Series(side, unit, kind, f"{side} {kind} {unit}")
        if len(one.times) < _MOST_POINTS and (not one.times or t >= one.times[-1]):
            one.add(t, value)

    def _energy(self, t: float, watts: float) -> None:
        before, self._before = self._before, (t, watts)
        session = self.session
        session.charged_wh = session.charged_wh or 0.0
        session.discharged_wh = session.discharged_wh or 0.0
        if before is None or not 0.0 <= t - before[0] <= _LONGEST_STEP_S:
            return
        energy = (watts + before[1]) / 2.0 * (t - before[0]) / 3600.0
        if energy >= 0.0:
            session.charged_wh += energy
        else:
            session.discharged_wh -= energy

    # What is shown -----------------------------------------------------------------------------------------

    def _keep(self, entry: Entry, shown: Shown) -> None:
        name = stem_of(entry.message) if isinstance(entry, MessageEntry) else name_of(entry)
        runs = self.session.runs
        if not runs or runs[-1].name != name:
            if len(runs) >= MOST_RUNS and shown.finding is None:
                self.session.runs_left_out += 1
                return
            runs.append(Run(name))
        run = runs[-1]
        run.count += 1
        run.ended = entry.t
        if len(run.shown) < KEPT_HEAD or shown.finding is not None:
            if shown.finding is not None and run.tail:
                run.shown += run.tail
                run.tail = []
            if len(run.shown) < 20 * KEPT_HEAD:
                run.shown.append(shown)
                return
        run.tail.append(shown)
        if len(run.tail) > KEPT_TAIL:
            run.tail.pop(0)
            run.left_out += 1

    def conclude(self, facts: StreamFacts | None, capture: CaptureFacts) -> Session:
        """Nothing more comes."""
        session = self.session
        session.facts = facts
        if facts is not None:
            session.tls.version = session.tls.version or facts.tls
            session.tls.suite, session.tls.secrets = facts.suite, facts.secrets
            session.tls.records_closed = facts.from_client.records_closed + facts.from_server.records_closed
        session.trust = session_trust(session)
        if not self.judge.sure and not self.judge.stopped and session.messages:
            session.trust.append(
                Trust(
                    "lost-at-the-end",
                    "What came last is not whole in the capture: nobody can say how it ended.",
                    session.number,
                )
            )
        self._jumped()
        weak = not self.judge.sure and session.messages
        if not weak or self.ending.alert is not None:
            self.ending.conclude(capture.last)
        if facts is not None and not self.judge.stopped and self.ending.first is None and session.messages:
            session.trust.append(
                Trust("ends-early", "The capture ends before the connection does.", session.number)
            )
        decide(session, self.judge, cut_short=capture.broken is not None, clock_steps=capture.clock_steps)
        return session

    def _jumped(self) -> None:
        jump = self._jump
        if jump is None:
            return
        step, number, answered = jump
        late = any(
            one.rule in ("late-answer", "late-request") and one.number == number
            for one in self.session.findings
        )
        if late and self.judge.answered - answered > 2:
            self.session.trust.append(
                Trust(
                    "clock-step-forward",
                    f"Time went on by {step:.1f} s before packet {number}, longer than anybody waits, and both went on as"
                    " before: the clock of the capture was set, or it stood still for a while.",
                    self.session.number,
                )
            )


class ReportBuilder:
    """Call ``see`` with the entries of an input in order, then ``finish``."""

    def __init__(self) -> None:
        self._sessions: dict[int | None, _Building] = {}
        self._discovery = Discovery()
        self._found: list[Entry] = []
        self.left_out = 0

    def see(self, entries: Iterable[Entry]) -> None:
        """More of them."""
        for entry in entries:
            if isinstance(entry, SdpEntry | SlacEntry):
                self._discovery.see(entry)
                if len(self._found) < 64:
                    self._found.append(entry)
                continue
            one = self._sessions.get(entry.stream)
            if one is None:
                one = self._new(entry.stream)
                if one is None:
                    self.left_out += 1
                    continue
            one.see(entry)

    def _new(self, stream: int | None) -> _Building | None:
        if len(self._sessions) >= MOST_SESSIONS:
            return None
        one = self._sessions[stream] = _Building(len(self._sessions) + 1, stream, self._discovery.announced)
        for entry in self._found:
            one.see(entry)
        self._found = []
        one.session.station_heard = bool(self._discovery.answers)
        self._discovery.connected()
        return one

    def finish(self, source: str, facts: CaptureFacts, streams: Sequence[StreamFacts]) -> Report:
        """All was seen; ``facts`` and ``streams`` are the ledgers of the reader."""
        if self._found:
            self._undiscovered(facts.last)
        by_number = {one.number: one for one in streams}
        report = Report(source, facts)
        report.trust = capture_trust(facts)
        for stream, one in self._sessions.items():
            ledger = None if stream is None else by_number.get(stream)
            report.sessions.append(one.conclude(ledger, facts))
        for session in report.sessions:
            report.trust += session.trust
        if self.left_out:
            report.trust.append(
                Trust(
                    "too-many",
                    f"Only the first {MOST_SESSIONS} connections are reported; {self.left_out} entries are of others.",
                )
            )
        if not report.sessions:
            report.trust.append(Trust("nothing", "Nothing was found that belongs to charging."))
        return report

    def _undiscovered(self, last: float | None) -> None:
        """A discovery that led to nothing."""
        one = _Building(len(self._sessions) + 1, None)
        for entry in self._found:
            one.see(entry)
        self._discovery.conclude(one.judge, last)
        if (
            one.session.findings or not self._sessions
        ):  # a station that greets nobody behind a session means nothing
            self._sessions[-1] = one
