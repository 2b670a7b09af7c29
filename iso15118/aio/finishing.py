"""The end of a session: its hardware is brought to safety and waited for, whoever cancels that,
and what it was is summed up.

``driver`` runs the session; what both need to know of it stands here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from iso15118.aio.ports.guard import come_back, describe, each, insist
from iso15118.errors import HardwareError
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, SessionEnded

from .audience import Audience
from .blocked import Blocked
from .logs import Log
from .results import SessionResult, Tally, last_message, let_go, summed_up
from .story import Story

if TYPE_CHECKING:
    from iso15118.aio.net.ending import StreamEnd
    from iso15118.aio.net.stream import MessageStream
    from iso15118.aio.ports.hardware import Hardware

__all__ = ["Finishing", "Session"]

_log = Log(__name__)

_INSIST_S: Final = 2.0
"""However often everything is cancelled: so long the end insists on a safe hardware beyond what
the ports' limits give it."""
_WIND_UP_S: Final = 12.0
"""For the last reading of the meter, and for contracts that are still being stored; more where the ports'
limits give more, as for a connection device that is still to be retracted."""

_LAST_MESSAGES: Final = 5
_FAULTS_KEPT: Final = 64
_SILENT_ENDS: Final = frozenset((EndReason.TIMEOUT, EndReason.ONGOING_TOO_LONG, EndReason.PEER_VANISHED))
"""Ends by silence: what was dropped before may be why."""


class Session(Protocol):
    """The outer contract of both roles."""

    ended: SessionEnded | None
    states: list[str]

    def handle(self, event: ev.Event, now: float) -> list[act.Action]: ...

    def handle_timeout(self, now: float) -> list[act.Action]: ...

    @property
    def deadline(self) -> float | None: ...

    @property
    def readings_until(self) -> float: ...

    @property
    def state(self) -> str: ...

    @property
    def session_id(self) -> bytes: ...


class Finishing:
    """What is known of one session, and how it comes to its end. Wait for ``result``."""

    def __init__(self, role: str, audience: Audience) -> None:
        self.role = role
        self.audience = audience
        self._story = Story(role)
        self._loop = asyncio.get_running_loop()
        self._tally = Tally()
        self._started = self._finished = self._loop.time()
        self._verdict: SessionEnded | None = None
        """How it ended, where the session itself cannot say: a fault of this
        software, or a command to drop it."""
        self._error: BaseException | None = None
        self.remarks: list[str] = []
        """What looked wrong when the two found each other."""
        self._last: deque[tuple[float, str, object]] = deque(maxlen=_LAST_MESSAGES)
        """The last messages: when, from whom, and what."""
        self._told_faults: deque[ev.HardwareFault] = deque(maxlen=_FAULTS_KEPT)
        self.blocked = Blocked()
        """When the loop did not turn."""
        self._skipped, self._skip_reason = 0, ""
        """Frames that nobody here reads, and why the last one was dropped."""
        self._ending = False
        """The end has begun. Told apart from its task, which may run before anybody has it
        (eager tasks of Python 3.12)."""
        self._finisher: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._sampler: asyncio.TimerHandle | None = None
        self.session: Session | None = None
        self.hardware: Hardware | None = None
        self.stream: MessageStream | None = None
        self.link_end: StreamEnd | None = None
        self._handed_over = False
        """The hardware is the next session's by now: what still comes over the connection neither looks at
        it nor asks for anything."""
        self.unsafe_because = ""
        """Once it is over: why the hardware is not safe; empty if it is."""
        self.result: asyncio.Future[SessionResult | None] = self._loop.create_future()
        """Done when everything is over; None if there was no session."""

    @property
    def over(self) -> bool:
        """The session is not running any more; the hardware may still be on its way to safety."""
        return self._ending or self.result.done()

    @property
    def settles_within_s(self) -> float:
        """How long the end may take from now: its calls by their limits, and what has to be wound up then."""
        settling = 0.0 if self.hardware is None else self.hardware.settles_within_s
        return settling + _INSIST_S + self._winds_up_within_s

    @property
    def _winds_up_within_s(self) -> float:
        winding = 0.0 if self.hardware is None else self.hardware.winds_up_within_s
        return max(_WIND_UP_S, winding + _INSIST_S)

    def _close_stream(self) -> None:
        if self.stream is not None:
            self.stream.close()

    def _say(self, failed: list[BaseException]) -> None:
        for error in failed:
            whose = "the hardware" if isinstance(error, HardwareError) else "this software"
            _log.error("a fault of %s ends the session: %s", whose, describe(error), error=error)

    def _finish_soon(self) -> None:
        if not self._ending and not self.result.done():
            self._ending = True
            self._finished = self._loop.time()
            self._begin_to_finish()

    def _begin_to_finish(self, before: asyncio.Task[None] | None = None) -> None:
        """The end is a task of its own; one that was cancelled before its first turn has done
        nothing, and is made anew."""
        if self.result.done() or self._loop.is_closed():
            return
        self._finisher = self._loop.create_task(self._finish(), name=f"end of a session: {self.role}")
        self._finisher.add_done_callback(self._begin_to_finish)

    def _no_session(self) -> None:
        if not self.result.done():
            self.result.set_result(None)
            self.audience.recorded(None, self._loop.time())

    async def _finish(self) -> None:
        """The session has ended: see to it that the hardware is safe, and say what it was. Whoever cancels
        this, as ``asyncio.run`` does at its end, does not keep it from that."""
        hardware, session = self.hardware, self.session
        safe = False
        result: SessionResult | None = None
        # Until it is known better: an end that fails on its way must not leave a
        # connector that counts as safe.
        self.unsafe_because = "" if hardware is None else "its end failed"
        try:
            if hardware is not None:
                settled, _ = await insist(hardware.settle, hardware.settles_within_s + _INSIST_S)
                safe = settled is True
                self.unsafe_because = "" if safe else hardware.why_unsafe() or "it was not confirmed in time"
                async with asyncio.timeout(self._winds_up_within_s):
                    await insist(hardware.wind_up, 0.0)
        except BaseException as error:
            self._say([error])
            come_back(error)
        finally:
            for timer in (self._timer, self._sampler):
                if timer is not None:
                    timer.cancel()
            self._handed_over = True
            if hardware is not None:
                failed = each(hardware.close)
                try:
                    result = self._sum_up(session, hardware, safe)
                except BaseException as error:
                    failed.append(error)
                    result = self._bare_result(safe)
                self._say(failed)
            if not self.result.done():
                self.result.set_result(None if result is None else let_go(result))
            self.audience.show()
            self.audience.recorded(result, self._loop.time())
            if result is not None:
                self._story.ended(result)
            if hardware is not None and not safe:
                faults = [f"{fault.port}: {fault.reason}" for fault in hardware.faults[-3:]]
                why = "; ".join(dict.fromkeys((self.unsafe_because, *faults)))
                _log.critical("the hardware does not confirm that it is safe: %s", why)

    def _sum_up(self, session: Session | None, hardware: Hardware, safe: bool) -> SessionResult:
        self._tally.over(self._finished)
        ended = self._verdict or (session.ended if session is not None else None)
        if ended is not None and self._skipped and ended.reason in _SILENT_ENDS:
            frames = "a frame was" if self._skipped == 1 else f"{self._skipped} frames were"
            detail = f"{ended.detail}; {frames} dropped, the last one: {self._skip_reason}"
            ended = msgspec.structs.replace(ended, detail=detail.lstrip("; "))
        if ended is not None:
            ended = self.blocked.explains(ended, self._finished)
        return summed_up(
            self._bare_result(safe, ended),
            session,
            hardware,
            self.stream,
            self._tally,
            self.remarks,
            tuple(self._told_faults),
        )

    def _bare_result(self, safe: bool, ended: SessionEnded | None = None) -> SessionResult:
        """What can be said of a session of which nothing can be computed."""
        return SessionResult(
            role=self.role,
            ended=ended or self._verdict or SessionEnded(EndReason.INTERNAL_ERROR, "it never ended"),
            exchanges=self._tally.exchanges,
            charge_loops=self._tally.charge_loops,
            link=self.link_end,
            started=self._started,
            finished=self._finished,
            last_messages=tuple(
                last_message(self._finished - at, sender, message) for at, sender, message in self._last
            ),
            safe=safe,
            error=self._error
            if isinstance(self._error, Exception) and not isinstance(self._error, HardwareError)
            else None,
        )
