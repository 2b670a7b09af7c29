"""What one connection, and the session on it, tell a recorder: each thing is handed on at once, to be
written by the recorder's thread.

A station's connection is kept back until it has a session; a vehicle's is recorded from its first octet on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from iso15118.channel import Skipped
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.trace.recording import SessionRecord, new_folder
from iso15118.trace.recording.record import endpoint

from .logs import Log

if TYPE_CHECKING:
    from .recording import Recorder
    from .results import SessionResult

__all__ = ["HANDSHAKE_S", "ITEM", "SessionTap", "Slot"]

_log = Log(__name__)

ITEM: Final = 300
"""What an item that waits costs in memory beside its octets, about."""
_MOST_EARLY: Final = 256 * 1024
"""Octets of a connection that has no session yet; a handshake has some 20,000."""
HANDSHAKE_S: Final = 10.0
"""So long the packets of a handshake wait for their secrets, which have to stand before them."""
_HELLO: Final = 43
"""Octets of a ClientHello up to the end of its random."""
_TOLD: Final = frozenset(
    {
        act.StopPower,
        act.OpenContactors,
        act.CloseContactors,
        act.RequestAuthorization,
        ev.AuthorizationDecided,
        ev.CableCheckFinished,
        ev.ContactorsChanged,
        ev.EmergencyShutdown,
        ev.HardwareFault,
        ev.PauseRequested,
        ev.SignalChanged,
        ev.StopRequested,
        ev.TransportLost,
        ev.Undecodable,
    }
)
"""Events and actions that are written beside all news: what explains a session, and holds no key."""


class Slot:
    """One session folder in the making; used by the writing thread only, but for ``failed``."""

    def __init__(self, recorder: Recorder, role: str) -> None:
        self.recorder, self.role = recorder, role
        self.record: SessionRecord | None = None
        self.failed = False
        self.held_until = 0.0
        """Packets are not written before: their secrets are still to come."""
        self.now = 0.0

    def start(self, epoch: float, now: float) -> None:
        self.now, self.held_until = now, now + HANDSHAKE_S
        if self.record is not None:
            return
        try:
            folder = new_folder(self.recorder.directory, self.role)
            self.record = SessionRecord(folder, role=self.role, epoch=epoch, given_up=self.fail)
        except OSError as error:
            self.fail(error.strerror or type(error).__name__)
            _log.error("a session is not recorded in %s: %s", self.recorder.directory, error)
            return
        self.recorder.folders.append(folder)

    def fail(self, why: str) -> None:
        self.failed = True
        self.recorder.failed = why

    def do(self, what: Callable[[SessionRecord], object], now: float | None) -> None:
        """Do this to the record, if there is one."""
        if now is not None:
            self.now = max(self.now, now)
        if self.record is not None:
            what(self.record)

    def flush(self) -> bool:
        """Write what waits. False if that has to wait itself."""
        if self.record is None:
            return True
        if self.now < self.held_until:
            return False
        self.record.flush(self.now)
        return True


class SessionTap:
    """What one connection, and the session on it, tell the recorder; an ``aio.net.tap.FrameTap``. No method
    waits for anything. ``alone``: the session has no connection."""

    def __init__(self, recorder: Recorder, role: str, *, alone: bool = False) -> None:
        self.role = role
        self._recorder = recorder
        self._slot = recorder.slot(role)
        self._early: list[tuple[Callable[[SessionRecord], object], float | None, int]] | None = []
        """What came before the session began; None: it has begun."""
        self._early_octets = 0
        self._hello = bytearray()
        self._random = ""
        self._peer: tuple[str, int] | None = None
        self._has_session = self._done = False
        self._is_over = alone

    # -- the connection
    # ---------------------------------------------------------------------------------------

    def opened(self, local: tuple[str, int], peer: tuple[str, int], now: float) -> None:
        """The connection stands. A vehicle's is recorded from here on, since a station that refuses its
        certificates gives no session."""
        station = self.role == "secc"
        here, there = endpoint(*local, station=station), endpoint(*peer, station=not station)
        vehicle, secc = (there, here) if station else (here, there)
        self._peer = str(there.address), there.port
        if not station:
            self.begin(now)
        self._put(lambda record: record.opened(vehicle, secc, now), now)

    def passed(self, sent: bool, data: bytes, now: float) -> None:
        """Octets on the wire."""
        from_vehicle = sent is (self.role == "evcc")
        if from_vehicle and not self._random and len(self._hello) < _HELLO:
            self._hello += data[:_HELLO]
            if len(self._hello) >= _HELLO and self._hello[0] == 0x16:
                self._random = self._hello[11:_HELLO].hex()
                self._recorder.knows(self._random, self)
        self._put(lambda record: record.passed(from_vehicle, data, now), now, len(data))

    def octets(self, sent: bool, data: bytes, now: float) -> None:
        """V2GTP in the clear."""
        sender = "evcc" if sent is (self.role == "evcc") else "secc"
        slot = self._slot

        def write(record: SessionRecord) -> None:
            slot.held_until = 0.0  # the secrets are there
            record.octets(sender, data, now)

        self._put(write, now, len(data))

    def ended(self, sent: bool, reset: bool, now: float) -> None:
        """One direction is closed."""
        from_vehicle = sent is (self.role == "evcc")
        self._put(lambda record: record.closed(from_vehicle, reset, now), now)

    def over(self, now: float) -> None:
        """The socket is closed."""
        self._is_over = True
        self._finish()

    def secret(self, line: str) -> None:
        """A line of the key log that belongs to this connection."""
        self._put(lambda record: record.secret(line), None, len(line))

    # -- the session
    # ------------------------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        """A session, or its first attempt, begins: from now on there is a folder."""
        early, self._early = self._early, None
        if early is None:
            return
        slot, recorder = self._slot, self._recorder
        epoch = time.time() - now
        recorder.put(slot, lambda: slot.start(epoch, now), 0)
        asked = recorder.asked_by(self._peer[0]) if self._peer is not None and self.role == "secc" else None
        if asked is not None:
            vehicle, station, request, answer, heard = asked
            recorder.put(
                slot,
                lambda: slot.do(lambda r: r.discovery(vehicle, station, request, answer, heard), heard),
                len(request) + len(answer),
            )
        for what, at, octets in early:
            self._put(what, at, octets)

    def session_began(self, now: float) -> None:
        """There is a session on this connection."""
        self._has_session = True
        self.begin(now)

    def heard(self, now: float, what: Any) -> None:
        """Something of the session, as its observer hears it."""
        kind, role = type(what), self.role
        if kind is act.StateEntered:
            self._put(lambda record: record.state(role, what.state, now), now)
        elif isinstance(what, act.Notify) or kind in _TOLD:
            self._put(lambda record: record.told(role, kind.__name__, what, now), now)
        elif kind is Skipped:
            told = {"payload_type": what.payload_type, "length": what.length, "reason": what.reason}
            self._put(lambda record: record.told(role, "FrameDropped", told, now), now)

    def finished(self, result: SessionResult | None, now: float) -> None:
        """The session is over, and its hardware safe or given up. None: there was none."""
        if result is not None:
            summary = result.summary()
            self._put(lambda record: record.ended(self.role, summary, now), now)
        self._has_session = False
        self._finish()

    def _finish(self) -> None:
        if self._has_session or not self._is_over or self._done:
            return
        self._done = True
        self._recorder.forget(self._random, self)
        if self._early is None:
            slot = self._slot
            self._recorder.put(slot, lambda: self._recorder.end(slot), 0)
        self._early = None

    def _put(self, what: Callable[[SessionRecord], object], now: float | None, octets: int = 0) -> None:
        if self._done:
            return
        if self._early is not None:
            self._early_octets += octets + ITEM
            if self._early_octets <= _MOST_EARLY:
                self._early.append((what, now, octets))
            return
        slot = self._slot
        if not slot.failed:
            self._recorder.put(slot, lambda: slot.do(what, now), octets)
