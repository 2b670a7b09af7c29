"""Drives one session over one connection: messages and timers in, actions out, and the hardware made safe on
every way out.

Both roles use it. It owns no socket and starts nothing by itself; ``secc`` and ``evcc`` give it a stream.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from iso15118.channel import Received, Skipped
from iso15118.errors import HardwareError
from iso15118.messages.iso20 import dc
from iso15118.sdp import RateLimit
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, SessionEnded
from iso15118.session.events import LinkLoss
from iso15118.session.secured import SecuredLink

from .audience import Audience
from .guard import brief, come_back, describe, each, insist, next_tick, running
from .link import Ending
from .logs import Log
from .results import SessionResult, Tally, let_go, summed_up

if TYPE_CHECKING:
    from iso15118.channel import Item
    from iso15118.tls import TlsInfo

    from .hardware import Hardware
    from .link import StreamEnd
    from .stream import MessageStream

__all__ = ["WORTH_WAITING", "Observer", "Session", "SessionDriver", "Watch"]

_log = Log(__name__)

_QUIET_LOOK_S: Final = 1.0
"""How often the hardware is looked at while nothing has been asked of it yet."""
_INSIST_S: Final = 2.0
"""However often everything is cancelled: so long the end insists on a safe hardware beyond what the ports' limits give it."""
_WIND_UP_S: Final = 12.0
"""For the last reading of the meter, and for contracts that are still being stored."""

Observer = Callable[[float, Any], None]
"""Gets the time and everything that passes, in order: what came in (``channel.Item``), events, actions, and the
``StreamEnd``. It is called when all that follows from an event has been done, never before. What it raises is logged once, and it is
not called again."""

Watch = Callable[[ev.Event | None, list[act.Action], float], list[act.Action]]
"""Sees every call of a session, as ``Playbook`` has it: the event (None: a timer), the actions and the time, after they were carried
out. For tests; what it raises ends the session as a fault of this software."""


class Session(Protocol):
    """The outer contract of both roles."""

    ended: SessionEnded | None
    states: list[str]

    def handle(self, event: ev.Event, now: float) -> list[act.Action]: ...

    def handle_timeout(self, now: float) -> list[act.Action]: ...

    @property
    def deadline(self) -> float | None: ...

    @property
    def state(self) -> str: ...

    @property
    def session_id(self) -> bytes: ...


_LOSSES = {
    Ending.CLOSED_BY_PEER: LinkLoss.CLOSED,
    Ending.TRUNCATED: LinkLoss.CLOSED,
    Ending.RESET: LinkLoss.RESET,
    Ending.TLS_ALERT: LinkLoss.TLS_ALERT,
    Ending.TLS_REFUSED: LinkLoss.TLS_ALERT,
}
_ACT_FIRST = frozenset(
    (ev.LinkLost, ev.HardwareFault, ev.EmergencyShutdown, ev.Undecodable, ev.SignalChanged)
)
"""Nothing is measured before these are dealt with."""
WORTH_WAITING = frozenset((ev.StopRequested, ev.PauseRequested, ev.EmergencyShutdown, ev.HardwareFault))


def _makes_safe(action: act.Action) -> bool:
    if isinstance(action, act.SignalReady):
        return not action.ready
    return isinstance(action, act.StopPower | act.OpenContactors)


def _secured(info: TlsInfo | None) -> SecuredLink | None:
    if info is None:
        return None
    return SecuredLink(
        version=info.version,
        peer_chain=info.peer_chain,
        anchor=info.anchor,
        staples=info.staples,
    )


_SILENT_ENDS: Final = frozenset((EndReason.TIMEOUT, EndReason.ONGOING_TOO_LONG, EndReason.PEER_VANISHED))
"""Ends by silence: what was dropped before may be why."""


class SessionDriver:
    """One session on one stream; the ``StreamOwner`` of it.

    ``take_hardware`` and then ``make_session`` are called when the connection is ready; either may raise.
    ``first`` are events that the session is told before anything comes in. Wait for ``result``.

    Rule of this class: what makes the hardware safe comes first. Log, observer, news and stream have their turn when that was asked.
    """

    def __init__(
        self,
        role: str,
        take_hardware: Callable[[Callable[[ev.Event], None]], Hardware],
        make_session: Callable[[], Session],
        *,
        first: Callable[[], Sequence[ev.Event]] = tuple,
        news: Callable[[act.Notify], None] | None = None,
        observer: Observer | None = None,
        watch: Watch | None = None,
        look_s: float = 0.05,
    ) -> None:
        self.role = role
        self._take_hardware = take_hardware
        self._make_session = make_session
        self._first = first
        self.audience = Audience(observer, news)
        self._watch = watch
        self._look_s = look_s
        self._loop = asyncio.get_running_loop()
        self._queue: deque[ev.Event] = deque()
        self._aside: deque[ev.Event] = deque()
        """Told by the hardware while it was being measured: nothing is measured for these."""
        self._measuring = False
        self._early: list[ev.Event] = []
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0
        self._sampler: asyncio.TimerHandle | None = None
        self._tally = Tally()
        self._started = self._finished = self._loop.time()
        self._verdict: SessionEnded | None = None
        """How it ended, where the session itself cannot say: a fault of this software, or a command to drop it."""
        self._error: BaseException | None = None
        self._skipped, self._skip_reason = 0, ""
        """Frames that nobody here reads, and why the last one was dropped."""
        self._skip_rate = RateLimit(per_second=1.0, burst=5.0)
        self._finisher: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.session: Session | None = None
        self.hardware: Hardware | None = None
        self.stream: MessageStream | None = None
        self.link_end: StreamEnd | None = None
        self.unsafe_because = ""
        """Once it is over: why the hardware is not safe; empty if it is."""
        self.result: asyncio.Future[SessionResult | None] = self._loop.create_future()
        """Done when everything is over; None if there was no session."""

    # -- from outside -------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """The session is not running any more; the hardware may still be on its way to safety."""
        return self._finisher is not None or self.result.done()

    @property
    def settles_within_s(self) -> float:
        """How long the end may take from now: its calls by their limits, and what has to be wound up then."""
        settling = 0.0 if self.hardware is None else self.hardware.settles_within_s
        return settling + _INSIST_S + _WIND_UP_S

    def tell(self, event: ev.Event) -> None:
        """Hand an event to the session: now, or after what it is dealing with at the moment. A wish to end it, or a
        fault, waits for it to begin."""
        if self.result.done():
            return
        if self.hardware is None:
            if type(event) in WORTH_WAITING:
                self._early.append(event)
            return
        # A port that tells something whenever it is read would otherwise be read because of that, without end.
        (self._aside if self._measuring else self._queue).append(event)
        if not self._busy:
            self._run()

    def abandon(self, reason: EndReason, detail: str) -> None:
        """End it here and now: hardware first, then the session, then the connection."""
        hardware = self.hardware
        if hardware is None:
            self._no_session()
            if self.stream is not None:
                self.stream.abort()
            return
        if self.over:
            return
        failed = each(partial(hardware.make_safe, detail))
        self._verdict = self._verdict or SessionEnded(reason, detail)
        failed += each(
            partial(self.tell, ev.LinkLost(LinkLoss.LINK_DOWN)), self._finish_soon, self._close_stream
        )
        self._say(failed)

    def link_lost(self, how: LinkLoss = LinkLoss.LINK_DOWN) -> None:
        """The data link is gone, or the peer is at its other end no more: the session ends now, and nobody is waited for to close the
        connection."""
        self.tell(ev.LinkLost(how))
        if self.stream is not None:
            self.stream.abort()

    # -- told by the stream -------------------------------------------------------------------------------

    def stream_ready(self, stream: MessageStream) -> None:
        """The connection is open: the session begins."""
        self.stream = stream
        self._started = self._loop.time()
        self._busy = True  # what is told meanwhile waits for the session
        try:
            self.hardware = self._take_hardware(self.tell)
            self.session = self._make_session()
            begin = [ev.Connected(stream.secure, _secured(stream.tls_info)), *self.hardware.start()]
            self._queue.extendleft(reversed([*begin, *self._first(), *self._early]))
        except BaseException as error:
            self._break(error)
        finally:
            self._busy = False
        if self.hardware is None:
            self._no_session()
            stream.abort()
            return
        self._keeper = self._loop.create_task(self._keep_the_loop(), name=f"session: {self.role}")
        self._run()
        self._sample_later()

    def stream_received(self, stream: MessageStream, item: Item) -> None:
        """Something came in."""
        if self.audience.there:
            self.audience.note(self._loop.time(), item)
        if type(item) is Received:
            if self.role == "evcc":
                self._count(item.message)
            self._queue.append(ev.MessageReceived(item.message))
        elif type(item) is Skipped:
            self._skipped += 1
            self._skip_reason = item.reason
            if self._skip_rate.admit(self._loop.time()):
                _log.info("from %s: %s", stream.peer, item.reason)
        else:
            self._queue.append(ev.Undecodable(brief(item.error)))  # type: ignore[union-attr]
        if not self._busy:
            self._run()

    def stream_ended(self, stream: MessageStream, end: StreamEnd) -> None:
        """The connection is gone, or going."""
        self.link_end = end
        self.audience.note(self._loop.time(), end)
        if self.hardware is None:
            self._no_session()
        elif self.session is not None and self.session.ended is None and not self.over:
            if end.ending is Ending.BROKEN_FRAME:
                self.tell(ev.Undecodable(brief(end.detail)))
            else:
                self.tell(ev.LinkLost(_LOSSES.get(end.ending, LinkLoss.LINK_DOWN)))
        if not self._busy:
            self.audience.show()

    # -- the session --------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Deal with everything in the queue, and with what that brings along."""
        queue, aside = self._queue, self._aside
        self._busy = True
        try:
            while queue or aside:
                if aside:
                    self._step(aside.popleft(), measure=False)
                else:
                    self._step(queue.popleft())
        except BaseException as error:
            self._break(error)
        finally:
            self._busy = False
        self._after()
        if self.audience.there:
            self.audience.show()

    def _after(self) -> None:
        session = self.session
        if self._finisher is not None:
            return
        if session is None or session.ended is not None or self._verdict is not None:
            self._finish_soon()
            return
        deadline = session.deadline
        if deadline is not None and (self._timer is None or deadline < self._due_at):
            if self._timer is not None:
                self._timer.cancel()
            self._due_at = deadline
            self._timer = self._loop.call_at(deadline, self._due)

    def _due(self) -> None:
        """The timer fired. It is not moved back with every message: it looks whether it still matters."""
        self._timer = None
        session = self.session
        if session is None or self._error is not None:
            return
        deadline = session.deadline
        if deadline is not None and deadline <= self._loop.time() and not self._busy:
            self._by_the_clock(session, timeout=True)
        else:
            self._after()

    def _sample_later(self) -> None:
        """Look at the hardware by the clock too: a vehicle that says nothing is no reason to measure nothing."""
        if self.hardware is None or self.result.done():
            return
        every_s = self._look_s if self.hardware.live else _QUIET_LOOK_S
        self._sampler = self._loop.call_at(next_tick(self._loop.time(), every_s), self._sample)

    def _sample(self) -> None:
        self._sampler = None
        session = self.session
        fresh = (
            self.hardware is not None and self._loop.time() - self.hardware.measured_at < 0.5 * self._look_s
        )
        if session is not None and self._error is None and not self._busy and not fresh:
            self._by_the_clock(session, timeout=False)
        self._sample_later()

    def _by_the_clock(self, session: Session, *, timeout: bool) -> None:
        """Nobody said anything: measure, and let the session's timers fire if one is due."""
        self._busy = True
        try:
            now = self._loop.time()
            self._measure(session, now)
            running.took("measuring", self._loop.time() - now)
            if timeout:
                self._carry_out(None, session.handle_timeout(now), now)
        except BaseException as error:
            self._break(error)
        finally:
            self._busy = False
        self._run()

    def _step(self, event: ev.Event, *, measure: bool = True) -> None:
        session = self.session
        if session is None or self._error is not None:
            return
        now = self._loop.time()
        if measure and type(event) not in _ACT_FIRST:
            self._measure(session, now)
        self._carry_out(event, session.handle(event, now), now)

    def _measure(self, session: Session, now: float) -> None:
        if self.hardware is None:
            return
        self._measuring = True
        try:
            measured = self.hardware.measure(now)
        finally:
            self._measuring = False
        for event in measured:
            actions = session.handle(event, now)
            if actions or self._watch is not None or self.audience.sees_all:
                self._carry_out(event, actions, now)
            if type(event) is ev.PowerMeasured or type(event) is ev.InletMeasured:
                self._tally.measured(event, now)

    def _carry_out(self, event: ev.Event | None, actions: list[act.Action], now: float) -> None:
        """Do what the session answered to ``event``, then say so. A step that fails keeps no later one from being taken that makes safe;
        the others are dropped then."""
        failed: BaseException | None = None
        for action in actions:  # nothing but acting in here
            if failed is not None and not _makes_safe(action):
                continue
            try:
                self._do(action)
            except BaseException as error:
                failed = failed or error
        if self.audience.sees_all or (actions and self.audience.there):
            self.audience.note_turn(now, event, actions)
        if failed is not None:
            raise failed
        if self._watch is not None:
            self._watch(event, actions, now)

    def _do(self, action: act.Action) -> None:
        stream, hardware = self.stream, self.hardware
        if stream is None or hardware is None:
            return
        if type(action) is act.Send:
            if self.role == "secc":
                self._count(action.message)
            stream.send(action.message)
        elif isinstance(action, act.HardwareAction):
            hardware.do(action)
        elif type(action) is act.UseSchema:
            stream.select(action.edition)
        elif type(action) is act.CloseLink:
            stream.close(action.grace_s)

    def _count(self, answer: object) -> None:
        self._tally.exchanges += 1
        if type(answer) is dc.DCChargeLoopRes:
            self._tally.charge_loops += 1

    # -- the end ------------------------------------------------------------------------------------------

    def _break(self, error: BaseException) -> None:
        """A fault of this software, or a wish to end the program that came out of it: this session is over, and nobody can say in which
        state it is."""
        failed: list[BaseException] = []
        if self.hardware is not None:
            failed = each(partial(self.hardware.make_safe, "a fault of this software"))
        first = self._verdict is None and self._finisher is None
        if first:
            port = isinstance(error, HardwareError)
            reason = EndReason.HARDWARE_FAULT if port else EndReason.INTERNAL_ERROR
            self._verdict = SessionEnded(reason, brief(error) if port else describe(error))
            self.audience.note(self._loop.time(), self._verdict)
        self._error = self._error or error
        self._queue.clear()
        self._aside.clear()
        failed += each(self._close_stream)
        self._say([error, *failed])
        come_back(error)

    def _close_stream(self) -> None:
        if self.stream is not None:
            self.stream.close()

    def _say(self, failed: list[BaseException]) -> None:
        for error in failed:
            _log.error("a fault of this software ends the session: %s", describe(error), error=error)

    def _finish_soon(self) -> None:
        if self._finisher is None and not self.result.done():
            self._finished = self._loop.time()
            self._begin_to_finish()

    def _begin_to_finish(self, before: asyncio.Task[None] | None = None) -> None:
        """The end is a task of its own; one that was cancelled before its first turn has done nothing, and is made anew."""
        if self.result.done() or self._loop.is_closed():
            return
        self._finisher = self._loop.create_task(self._finish(), name=f"end of a session: {self.role}")
        self._finisher.add_done_callback(self._begin_to_finish)

    async def _keep_the_loop(self) -> None:
        """Nothing to do until the session is over. Whoever ends all tasks, as ``asyncio.run`` does when its program has ended and closed
        nothing, ends this one too, and waits for it: so long there is a loop on which hardware can be made safe."""
        try:
            await asyncio.wait((self.result,))
        except asyncio.CancelledError:
            self.abandon(EndReason.EMERGENCY, "all tasks of the program were ended")
            limit_s = self.settles_within_s
            await insist(lambda: asyncio.wait((self.result,), timeout=limit_s), limit_s)
            raise

    def _no_session(self) -> None:
        if not self.result.done():
            self.result.set_result(None)

    async def _finish(self) -> None:
        """The session has ended: see to it that the hardware is safe, and say what it was. Whoever cancels this, as ``asyncio.run`` does
        at its end, does not keep it from that."""
        hardware, session = self.hardware, self.session
        safe = False
        result: SessionResult | None = None
        try:
            if hardware is not None:
                settled, _ = await insist(hardware.settle, hardware.settles_within_s + _INSIST_S)
                safe = settled is True
                self.unsafe_because = "" if safe else hardware.why_unsafe()
                async with asyncio.timeout(_WIND_UP_S):
                    await insist(hardware.wind_up, 0.0)
        except BaseException as error:
            self._say([error])
            come_back(error)
        finally:
            for timer in (self._timer, self._sampler):
                if timer is not None:
                    timer.cancel()
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
            if hardware is not None and not safe:
                _log.critical("the hardware does not confirm that it is safe: %s", hardware.faults[-3:])

    def _sum_up(self, session: Session | None, hardware: Hardware, safe: bool) -> SessionResult:
        self._tally.over(self._finished)
        ended = self._verdict or (session.ended if session is not None else None)
        if ended is not None and self._skipped and ended.reason in _SILENT_ENDS:
            frames = "a frame was" if self._skipped == 1 else f"{self._skipped} frames were"
            detail = f"{ended.detail}; {frames} dropped, the last one: {self._skip_reason}"
            ended = msgspec.structs.replace(ended, detail=detail.lstrip("; "))
        return summed_up(self._bare_result(safe, ended), session, hardware, self.stream, self._tally)

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
            safe=safe,
            error=self._error
            if isinstance(self._error, Exception) and not isinstance(self._error, HardwareError)
            else None,
        )
