"""The values of a report: sessions with their messages, quantities over time,
what deviated, and why it ended.

Times are Unix seconds as the capture has them, None where it has none; quantities are in V, A, W, Wh and %.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from iso15118.trace.entries import CaptureFacts, Entry, StreamFacts

from .editions import Limit

__all__ = [
    "Confidence", "Finding", "Identity", "Latency", "Line", "Report", "Run", "Series", "Session", "Shown", "Span", "TlsCard",
    "Trust", "Verdict",
]  # fmt: skip


class Verdict(StrEnum):
    """What a session came to."""

    OK = "ok"
    FAILED = "failed"
    UNDECIDABLE = "undecidable"


class Confidence(StrEnum):
    """How sure a finding is of its side."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(slots=True)
class Line:
    """A message in one line: where it stands in the capture, who sent it, what it is, and what it says."""

    t: float | None
    number: int
    side: str
    message: str
    said: str


@dataclass(slots=True)
class Finding:
    """A deviation. ``side``: ``evcc``, ``secc``, or empty where the capture does not say who."""

    rule: str
    side: str
    message: str
    expected: str
    seen: str
    t: float | None
    number: int
    place: int
    """How many exchanges had been answered by then."""
    confidence: Confidence = Confidence.HIGH
    timer: Limit | None = None
    waited: float | None = None
    """In s, for ``timer``."""
    needs_all: bool = False
    """It holds only if nothing is missing from the capture around it."""
    soft: bool = False
    """A deviation that does not end a session by itself."""
    tolerated: bool = False
    """The other side took it."""
    detail: str = ""
    """A response code, alert or state that the advice depends on."""
    last_place: int = 0
    repeats: int = 1
    before: list[Line] = field(default_factory=list)


class Series:
    """One quantity of one side over time."""

    __slots__ = ("kind", "name", "side", "times", "unit", "values")

    def __init__(self, side: str, unit: str, kind: str, name: str) -> None:
        self.side, self.unit, self.kind, self.name = side, unit, kind, name
        self.times: array[float] = array("d")
        self.values: array[float] = array("d")

    def add(self, t: float, value: float) -> None:
        """One more point."""
        self.times.append(t)
        self.values.append(value)


@dataclass(slots=True)
class Span:
    """A side was at this exchange from then on."""

    state: str
    began: float


@dataclass(slots=True)
class Latency:
    """Answers of one exchange: how long they took, in s, and how long they might."""

    stem: str
    limit: Limit
    count: int = 0
    total: float = 0.0
    longest: float = 0.0
    over: int = 0
    """Answers beyond the limit."""


@dataclass(slots=True)
class Shown:
    """An entry that the report shows whole. ``latency``: from the request to this answer, in s."""

    entry: Entry
    latency: float | None = None
    limit: Limit | None = None
    finding: Finding | None = None


@dataclass(slots=True)
class Run:
    """Entries of one kind in a row; ``left_out`` of them in the middle are counted only."""

    name: str
    shown: list[Shown] = field(default_factory=list)
    tail: list[Shown] = field(default_factory=list)
    left_out: int = 0
    count: int = 0
    ended: float | None = None


@dataclass(slots=True)
class Identity:
    """Who somebody says he is."""

    side: str
    name: str
    value: str


@dataclass(slots=True)
class TlsCard:
    """TLS of a connection, as far as it is open."""

    version: str | None = None
    suite: str | None = None
    secrets: str | None = None
    facts: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    certificates: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Side, and what ``Judge.describe`` says of a certificate."""
    records_closed: int = 0


@dataclass(slots=True)
class Trust:
    """Something that the capture cannot prove. ``session``: its number, None for all."""

    code: str
    text: str
    session: int | None = None


@dataclass(slots=True)
class Session:
    """One connection, with the discovery that led to it."""

    number: int
    stream: int | None
    facts: StreamFacts | None = None
    edition: str | None = None
    began: float | None = None
    ended: float | None = None
    service: str = ""
    control: str = ""
    authorization: str = ""
    session_ids: list[str] = field(default_factory=list)
    messages: int = 0
    exchanges: int = 0
    loops: int = 0
    runs: list[Run] = field(default_factory=list)
    runs_left_out: int = 0
    series: dict[tuple[str, str], Series] = field(default_factory=dict)
    states: dict[str, list[Span]] = field(default_factory=dict)
    identities: list[Identity] = field(default_factory=list)
    latencies: dict[str, Latency] = field(default_factory=dict)
    tls: TlsCard = field(default_factory=TlsCard)
    charged_wh: float | None = None
    """Voltage times current over time, as the station reports them; None without both."""
    discharged_wh: float | None = None
    metered_wh: float | None = None
    """By the meter in the messages, from its first to its last reading."""
    findings: list[Finding] = field(default_factory=list)
    verdict: Verdict = Verdict.UNDECIDABLE
    reason: str = ""
    """Why it is undecidable, or how it ended."""
    cause: Finding | None = None
    trust: list[Trust] = field(default_factory=list)
    station_heard: bool = False
    """A station answered in the discovery before it: its packets reach the capture."""


@dataclass(slots=True)
class Report:
    """All of an input. ``source``: its name. ``summary``: what whoever recorded it says of the run."""

    source: str
    facts: CaptureFacts
    sessions: list[Session] = field(default_factory=list)
    trust: list[Trust] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    failure: str = ""

    @property
    def decisive(self) -> Session | None:
        """The session whose verdict is that of the report: the first that failed, else the first that cannot
        be judged, else the last."""
        for verdict in (Verdict.FAILED, Verdict.UNDECIDABLE):
            for one in self.sessions:
                if one.verdict is verdict:
                    return one
        return self.sessions[-1] if self.sessions else None

    @property
    def verdict(self) -> Verdict:
        """Of all of it."""
        one = self.decisive
        return Verdict.UNDECIDABLE if one is None else one.verdict
