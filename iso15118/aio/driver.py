"""Drives one session over one connection: messages and timers in, actions out, and the hardware made safe on
every way out.

Both roles use it. It owns no socket and starts nothing by itself; ``secc`` and ``evcc`` give it a stream.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from iso15118.aio.net.ending import Ending
from iso15118.aio.ports.guard import brief, come_back, describe, each, insist, next_tick, running
from iso15118.aio.ports.inbox import ALARMS
from iso15118.channel import Received, Skipped
from iso15118.errors import HardwareError
from iso15118.link.primitives import SetPilot
from iso15118.sdp import RateLimit
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, SessionEnded
from iso15118.session.checks import PILOT_GONE
from iso15118.session.events import TransportLoss
from iso15118.session.secured import TlsPeer

from .audience import Audience
from .finishing import Finishing, Session
from .logs import Log
from .results import is_loop_answer

if TYPE_CHECKING:
    from iso15118.aio.net.ending import StreamEnd
    from iso15118.aio.net.stream import MessageStream
    from iso15118.aio.ports.hardware import Hardware
    from iso15118.channel import Item
    from iso15118.tls import TlsInfo

__all__ = ["WORTH_WAITING", "ActionFilter", "Observer", "Session", "SessionDriver"]

_log = Log(__name__)

_QUIET_LOOK_S: Final = 1.0
"""How often the hardware is looked at while nothing has been asked of it yet."""
Observer = Callable[[float, Any], None]
"""Gets the time and everything that passes, in order: what came in (``channel.Item``), events, actions, and
the ``StreamEnd``. It is called when all that follows from an event has been done, never before. What it
raises is logged once, and it is not called again."""

ActionFilter = Callable[[ev.Event | None, list[act.Action], float], list[act.Action]]
"""Sees every call of a session, as ``Playbook`` has it: the event (None: a timer), the actions and the time,
after they were carried out. For tests; what it raises ends the session as a fault of this software."""


_LOSSES = {
    Ending.CLOSED_BY_PEER: TransportLoss.CLOSED,
    Ending.TRUNCATED: TransportLoss.CLOSED,
    Ending.RESET: TransportLoss.RESET,
    Ending.TLS_ALERT: TransportLoss.TLS_ALERT,
    Ending.TLS_REFUSED: TransportLoss.TLS_ALERT,
}
_ACT_FIRST = frozenset(
    (ev.TransportLost, ev.HardwareFault, ev.EmergencyShutdown, ev.Undecodable, ev.SignalChanged)
)
"""Nothing is measured before these are dealt with."""
_LATE_ALARM: Final = "an alarm when the session was over"
_IN_ONE_TURN: Final = 100
"""So many events are dealt with in one turn of the loop: a port that answers each call with a new one must
not keep everybody else from having theirs."""
_ALARMS_KEPT: Final = 64
_READINGS = frozenset(
    (
        ev.PowerMeasured,
        ev.InletMeasured,
        ev.AcMeasured,
        ev.PadMeasured,
        ev.ReceiverMeasured,
        ev.BatteryChanged,
    )
)
"""They come with every look, and nobody but an observer wants to know of one upon which nothing is done."""
WORTH_WAITING = frozenset((ev.StopRequested, ev.PauseRequested, ev.EmergencyShutdown, ev.HardwareFault))


def _makes_safe(action: act.Action) -> bool:
    if isinstance(action, act.SignalReady):
        return not action.ready
    return isinstance(action, act.StopPower | act.OpenContactors)


def _secured(info: TlsInfo | None) -> TlsPeer | None:
    if info is None:
        return None
    return TlsPeer(
        version=info.version,
        peer_chain=info.peer_chain,
        anchor=info.anchor,
        staples=info.staples,
    )


class SessionDriver(Finishing):
    """One session on one stream; the ``StreamOwner`` of it.

    ``take_hardware`` and then ``make_session`` are called when the connection is ready; either may raise.
    ``show`` puts a station's pilot where a session without messages wants it.
    ``first`` are events that the session is told before anything comes in. Wait for ``result``.

    Rule of this class: what makes the hardware safe comes first. Log, observer, news and stream have
    their turn when that was asked.
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
        watch: ActionFilter | None = None,
        look_s: float = 0.05,
        show: Callable[[SetPilot], None] | None = None,
    ) -> None:
        super().__init__(role, Audience(observer, news))
        self._take_hardware = take_hardware
        self._make_session = make_session
        self._first = first
        self._watch = watch
        self._look_s = look_s
        self._show = show
        self._queue: deque[ev.Event] = deque()
        self._aside: deque[ev.Event] = deque()
        """Told by the hardware while it was being measured: nothing is measured for these."""
        self._measuring = False
        self._early: list[ev.Event] = []
        self._alarms: list[ev.Event] = []
        """Told from outside, and not yet heard by a session that could end because of them."""
        self._busy = self._tells_later = self._runs_later = self._makes_safe = False
        self._due_at = self._sample_at = 0.0
        self._skip_rate = RateLimit(per_second=1.0, burst=5.0)
        self._keeper: asyncio.Task[None] | None = None

    # -- from outside -------------------------------------------------------------------------------------

    @property
    def unheard(self) -> list[ev.Event]:
        """Alarms that were told and that no session has heard of, because none began, or it had ended:
        they hold beyond this driver."""
        return list(self._alarms)

    def tell(self, event: ev.Event) -> None:
        """Hand an event to the session: now, or after what it is dealing with at the moment. A wish to end
        it, or a fault, waits for it to begin."""
        self.heed(event)
        unknown = event not in self._alarms and len(self._alarms) < _ALARMS_KEPT
        if unknown and isinstance(event, ALARMS) and not self.result.done():
            self._alarms.append(event)
        self._take(event)

    def heed(self, event: ev.Event) -> None:
        """An alarm, or a pilot that is gone, when the session is over: hardware that is still on its way to
        safety, in an orderly way perhaps, is made safe at once."""
        hardware = self.hardware
        if hardware is None or not self.over or self._handed_over or self._makes_safe:
            return  # the last one: told by a port that is being asked for that
        alarm = isinstance(event, ALARMS)
        gone = isinstance(event, ev.SignalChanged) and event.state in PILOT_GONE
        if alarm or (gone and not hardware.safe):
            self._makes_safe = True
            failed = each(partial(hardware.make_safe, _LATE_ALARM))
            self._makes_safe = False
            self._say(failed)

    def _take(self, event: ev.Event) -> None:
        """The same for what this session's own hardware tells, which is of no interest beyond it."""
        if self.result.done():
            return
        if isinstance(event, ev.HardwareFault) and event not in self._told_faults:
            self._told_faults.append(event)
        if self.hardware is None:
            if type(event) in WORTH_WAITING:
                self._early.append(event)
            return
        if isinstance(event, ALARMS) and (event in self._queue or event in self._aside):
            return  # it will be heard
        # A port that tells something whenever it is read would otherwise be read
        # because of that, without end.
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
        cause = "program-ended" if reason is EndReason.EMERGENCY else ""
        self._verdict = self._verdict or SessionEnded(reason, detail, cause=cause)
        failed += each(
            partial(self.tell, ev.TransportLost(TransportLoss.LINK_DOWN)),
            self._finish_soon,
            self._close_stream,
        )
        self._say(failed)

    def link_lost(self, how: TransportLoss = TransportLoss.LINK_DOWN) -> None:
        """The data link is gone, or the peer is at its other end no more: the session ends now, and nobody is
        waited for to close the connection."""
        self.tell(ev.TransportLost(how))
        if self.stream is not None:
            self.stream.abort()

    # -- told by the stream -------------------------------------------------------------------------------

    def stream_ready(self, stream: MessageStream) -> None:
        """The connection is open: the session begins."""
        self.stream = stream
        self._story.began(stream)
        self._started = self._loop.time()
        if stream.ear is not None and stream.ear.session is not None:
            self.audience.record(stream.ear.session, self._started)
        self._busy = True  # what is told meanwhile waits for the session
        try:
            self.hardware = self._take_hardware(self._take)
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
            self._last.append((self._loop.time(), "secc" if self.role == "evcc" else "evcc", item.message))
            self._story.message(sent=False, message=item.message)
            if self.role == "evcc":
                self._count(item.message)
            self._queue.append(ev.MessageReceived(item.message, item.beside))
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
                self.tell(ev.TransportLost(_LOSSES.get(end.ending, TransportLoss.LINK_DOWN)))
        if not self._busy:
            self._tell_audience()

    # -- the session --------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Deal with everything in the queue, and with what that brings along; what is too much of
        it for one turn of the loop, in the next."""
        queue, aside = self._queue, self._aside
        self._busy = True
        try:
            for _ in range(_IN_ONE_TURN):
                if aside:
                    self._step(aside.popleft(), measure=False)
                elif queue:
                    self._step(queue.popleft())
                else:
                    break
        except BaseException as error:
            self._break(error)
        finally:
            self._busy = False
        if (queue or aside) and not self._runs_later:
            self._runs_later = True
            self._loop.call_soon(self._run_rest)
        self._after()
        if self.audience.waiting:
            self._tell_audience()

    def _run_rest(self) -> None:
        self._runs_later = False
        if not self._busy:
            self._run()

    def _tell_audience(self) -> None:
        """Tell the audience. Who answers everything with something new is told the rest in another turn of
        the loop: everybody else has theirs, too."""
        audience = self.audience
        if audience.show() and not self._tells_later:
            self._tells_later = True
            self._loop.call_soon(self._tell_rest)

    def _tell_rest(self) -> None:
        self._tells_later = False
        self._tell_audience()

    def _after(self) -> None:
        session = self.session
        if self._ending:
            return
        if session is None or session.ended is not None or self._verdict is not None:
            self._finish_soon()
            return
        if self._sampler is not None and self._sample_at > self._loop.time() + self._look_s:
            self._sampler.cancel()  # looked at seldom, until now
            self._sample_later()
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
        self._notice_delay(self._due_at)
        deadline = session.deadline
        if deadline is not None and deadline <= self._loop.time() and not self._busy:
            self._by_the_clock(session, timeout=True)
        else:
            self._after()

    def _sample_later(self) -> None:
        """Look at the hardware by the clock, too: who says nothing is no reason to measure nothing."""
        if self.hardware is None or self.result.done():
            return
        every_s = self._look_s if self.hardware.live else _QUIET_LOOK_S
        self._sample_at = next_tick(self._loop.time(), every_s)
        self._sampler = self._loop.call_at(self._sample_at, self._sample)

    def _notice_delay(self, due_at: float) -> None:
        now = self._loop.time()
        self.blocked.late(now - due_at, now)

    def _sample(self) -> None:
        self._sampler = None
        self._notice_delay(self._sample_at)
        session = self.session
        age = 0.0 if self.hardware is None else self._loop.time() - self.hardware.measured_at
        if session is not None and self._error is None and not self._busy and age >= 0.5 * self._look_s:
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
        if self._alarms and session.ended is None:
            self._alarms = [alarm for alarm in self._alarms if alarm != event]
        now = self._loop.time()
        if measure and type(event) not in _ACT_FIRST:
            self._measure(session, now)
        self._carry_out(event, session.handle(event, now), now)

    def _measure(self, session: Session, now: float) -> None:
        if self.hardware is None or self._handed_over:
            return
        self._measuring = True
        try:
            measured = self.hardware.measure(now)
        finally:
            self._measuring = False
        sees_all = self._watch is not None or self.audience.sees_all
        for event in measured:
            actions = session.handle(event, now)
            if actions or sees_all or type(event) not in _READINGS:
                self._carry_out(event, actions, now)
            if type(event) is ev.PowerMeasured or type(event) is ev.InletMeasured:
                self._tally.measured(event, now)
            elif type(event) is ev.AcMeasured:
                self._tally.alternating(event, now)
            elif type(event) is ev.PadMeasured or type(event) is ev.ReceiverMeasured:
                self._tally.wireless(event, now)

    def _carry_out(self, event: ev.Event | None, actions: list[act.Action], now: float) -> None:
        """Do what the session answered to ``event``, then say so. A step that fails keeps no later one from
        being taken that makes safe; the others are dropped then."""
        failed: BaseException | None = None
        for action in actions:  # nothing but acting in here
            if failed is not None and not _makes_safe(action):
                continue
            try:
                self._do(action)
            except BaseException as error:
                failed = error if failed is None else failed
        self._story.turn(event, actions)
        audience = self.audience
        if audience.sees_all or (audience.there and (actions or audience.records)):
            audience.note_turn(now, event, actions)
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
            stream.send(action.message, beside=action.beside)
            self._last.append((self._loop.time(), self.role, action.message))
            self._story.message(sent=True, message=action.message)
        elif isinstance(action, act.HardwareAction) and not self._handed_over:
            hardware.do(action)
        elif type(action) is SetPilot:
            if self._show is not None:
                self._show(action)
        elif type(action) is act.UseSchema:
            stream.select(action.edition)
        elif type(action) is act.CloseTransport:
            stream.close(action.grace_s)

    def _count(self, answer: object) -> None:
        self._tally.exchanges += 1
        if is_loop_answer(answer):
            self._tally.charge_loops += 1

    # -- the end ------------------------------------------------------------------------------------------

    def _break(self, error: BaseException) -> None:
        """A fault of this software, or a wish to end the program that came out of it: this session is over,
        and nobody can say in which state it is."""
        failed: list[BaseException] = []
        if self.hardware is not None and not self._handed_over:
            failed = each(partial(self.hardware.make_safe, "a fault of this software"))
        first = self._verdict is None and not self._ending
        if first:
            port = isinstance(error, HardwareError)
            reason = EndReason.HARDWARE_FAULT if port else EndReason.INTERNAL_ERROR
            self._verdict = SessionEnded(reason, brief(error) if port else describe(error))
            self.audience.note(self._loop.time(), self._verdict)
        self._error = error if self._error is None else self._error
        self._queue.clear()
        self._aside.clear()
        failed += each(self._close_stream)
        self._say([error, *failed])
        come_back(error)

    async def _keep_the_loop(self) -> None:
        """Nothing to do until the session is over. Whoever ends all tasks, as ``asyncio.run`` does when its
        program has ended and closed nothing, ends this one too, and waits for it: so long there is a loop on
        which hardware can be made safe."""
        try:
            await asyncio.wait((self.result,))
        except asyncio.CancelledError:
            self.abandon(EndReason.EMERGENCY, "all tasks of the program were ended")
            limit_s = self.settles_within_s
            await insist(lambda: asyncio.wait((self.result,), timeout=limit_s), limit_s)
            raise
