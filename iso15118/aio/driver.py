"""Drives one session over one connection: messages and timers in, actions out, and the hardware made safe on
every way out.

Both roles use it. It owns no socket and starts nothing by itself; ``secc`` and ``evcc`` give it a stream.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from iso15118.channel import Received, Skipped
from iso15118.errors import HardwareError, MisuseError
from iso15118.messages.iso20 import dc
from iso15118.messages.values import NO_SESSION
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, SessionEnded
from iso15118.session.events import LinkLoss
from iso15118.session.secured import SecuredLink

from .calls import brief
from .link import Ending
from .results import SessionResult, Tally

if TYPE_CHECKING:
    from iso15118.channel import Item
    from iso15118.tls import TlsInfo

    from .hardware import Hardware
    from .link import StreamEnd
    from .stream import MessageStream

__all__ = ["WORTH_WAITING", "Observer", "Session", "SessionDriver", "Watch"]

_log = logging.getLogger(__name__)

Observer = Callable[[float, Any], None]
"""Gets the time and everything that passes, in order: what came in (``channel.Item``), events, actions, and the
``StreamEnd``. What it raises is logged once and otherwise ignored."""

Watch = Callable[[ev.Event | None, list[act.Action], float], list[act.Action]]
"""Sees every call of a session, as ``Playbook`` has it: the event (None: a timer), the actions and the time. For
tests; what it raises ends the session as a fault of this software."""


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


def _secured(info: TlsInfo | None) -> SecuredLink | None:
    if info is None:
        return None
    return SecuredLink(
        version=info.version,
        peer_chain=info.peer_chain,
        anchor=info.anchor,
        staples=info.staples,
    )


class SessionDriver:
    """One session on one stream; the ``StreamOwner`` of it.

    ``take_hardware`` and then ``make_session`` are called when the connection is ready; the second may raise.
    ``first`` are events that the session is told before anything comes in. Wait for ``result``.
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
    ) -> None:
        self.role = role
        self._take_hardware = take_hardware
        self._make_session = make_session
        self._first = first
        self._on_news = news
        self._observer = observer
        self._watch = watch
        self._loop = asyncio.get_running_loop()
        self._queue: deque[ev.Event] = deque()
        self._early: list[ev.Event] = []
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0
        self._tally = Tally()
        self._started = self._finished = self._loop.time()
        self._verdict: SessionEnded | None = None
        """How it ended, where the session itself cannot say: a fault of this software, or a command to drop it."""
        self._error: Exception | None = None
        self._finisher: asyncio.Task[None] | None = None
        self.session: Session | None = None
        self.hardware: Hardware | None = None
        self.stream: MessageStream | None = None
        self.link_end: StreamEnd | None = None
        self.result: asyncio.Future[SessionResult | None] = self._loop.create_future()
        """Done when everything is over; None if there was no session."""

    # -- from outside -------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """The session is not running any more; the hardware may still be on its way to safety."""
        return self._finisher is not None or self.result.done()

    def tell(self, event: ev.Event) -> None:
        """Hand an event to the session: now, or after what it is dealing with at the moment. A wish to end it, or a
        fault, waits for it to begin."""
        if self.result.done():
            return
        if self.hardware is None:
            if type(event) in WORTH_WAITING:
                self._early.append(event)
            return
        self._queue.append(event)
        if not self._busy:
            self._run()

    def abandon(self, reason: EndReason, detail: str) -> None:
        """End it here and now: hardware first, then the session, then the connection."""
        if self.hardware is None:
            if self.stream is not None:
                self.stream.abort()
            self._no_session()
            return
        if self.over:
            return
        self.hardware.make_safe(detail)
        self._verdict = self._verdict or SessionEnded(reason, detail)
        self.tell(ev.LinkLost(LinkLoss.LINK_DOWN))
        if self.stream is not None:
            self.stream.close()
        self._finish_soon()

    def link_lost(self) -> None:
        """The data link is gone: the session ends now, and nobody is waited for to close the connection."""
        self.tell(ev.LinkLost(LinkLoss.LINK_DOWN))
        if self.stream is not None:
            self.stream.abort()

    # -- told by the stream -------------------------------------------------------------------------------

    def stream_ready(self, stream: MessageStream) -> None:
        """The connection is open: the session begins."""
        self.stream = stream
        self._started = self._loop.time()
        self.hardware = self._take_hardware(self.tell)
        try:
            self.session = self._make_session()
            self._queue.append(ev.Connected(stream.secure, _secured(stream.tls_info)))
            self._queue.extend(self.hardware.start())
            self._queue.extend(self._first())
            self._queue.extend(self._early)
        except Exception as error:
            self._break(error)
        self._run()

    def stream_received(self, stream: MessageStream, item: Item) -> None:
        """Something came in."""
        if self._observer is not None:
            self._show(item)
        if type(item) is Received:
            if self.role == "evcc":
                self._count(item.message)
            self._queue.append(ev.MessageReceived(item.message))
        elif type(item) is Skipped:
            _log.debug("from %s: %s", stream.peer, item.reason)
            return
        else:
            self._queue.append(ev.Undecodable(brief(item.error)))  # type: ignore[union-attr]
        if not self._busy:
            self._run()

    def stream_ended(self, stream: MessageStream, end: StreamEnd) -> None:
        """The connection is gone, or going."""
        self.link_end = end
        if self._observer is not None:
            self._show(end)
        if self.hardware is None:
            self._no_session()
        elif self.session is not None and self.session.ended is None and not self.over:
            if end.ending is Ending.BROKEN_FRAME:
                self.tell(ev.Undecodable(brief(end.detail)))
            else:
                self.tell(ev.LinkLost(_LOSSES.get(end.ending, LinkLoss.LINK_DOWN)))

    # -- the session --------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Deal with everything in the queue, and with what that brings along."""
        queue = self._queue
        self._busy = True
        try:
            while queue:
                self._step(queue.popleft())
        except Exception as error:
            self._break(error)
        finally:
            self._busy = False
        self._after()

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
        now = self._loop.time()
        deadline = session.deadline
        if deadline is not None and deadline <= now:
            self._busy = True
            try:
                self._measure(session, now)
                actions = session.handle_timeout(now)
                if self._watch is not None:
                    self._watch(None, actions, now)
                self._carry_out(actions)
            except Exception as error:
                self._break(error)
            finally:
                self._busy = False
            self._run()
        else:
            self._after()

    def _step(self, event: ev.Event) -> None:
        session = self.session
        if session is None or self._error is not None:
            return
        now = self._loop.time()
        if type(event) not in _ACT_FIRST:
            self._measure(session, now)
        actions = session.handle(event, now)
        if self._watch is not None:
            self._watch(event, actions, now)
        if self._observer is not None and type(event) is not ev.MessageReceived:
            self._show(event)
        if actions:
            self._carry_out(actions)

    def _measure(self, session: Session, now: float) -> None:
        if self.hardware is None:
            return
        for event in self.hardware.measure(now):
            kind = type(event)
            if kind is ev.PowerMeasured or kind is ev.InletMeasured:
                self._tally.measured(event, now)  # type: ignore[arg-type]
            actions = session.handle(event, now)
            if self._watch is not None:
                self._watch(event, actions, now)
            if self._observer is not None:
                self._show(event)
            if actions:
                self._carry_out(actions)

    def _carry_out(self, actions: list[act.Action]) -> None:
        stream, hardware = self.stream, self.hardware
        if stream is None or hardware is None:
            return
        for action in actions:
            if self._observer is not None:
                self._show(action)
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
            elif isinstance(action, act.Notify) and self._on_news is not None:
                self._on_news(action)

    def _count(self, answer: object) -> None:
        self._tally.exchanges += 1
        if type(answer) is dc.DCChargeLoopRes:
            self._tally.charge_loops += 1

    def _show(self, what: object) -> None:
        observer = self._observer
        if observer is None:
            return
        try:
            observer(self._loop.time(), what)
        except Exception:
            _log.exception("the observer failed, and is not called any more")
            self._observer = None

    # -- the end ------------------------------------------------------------------------------------------

    def _break(self, error: Exception) -> None:
        """A fault of this software: this session is over, and nobody can say in which state it is."""
        first = self._verdict is None and self._finisher is None
        if first:
            port = isinstance(error, HardwareError)
            reason = EndReason.HARDWARE_FAULT if port else EndReason.INTERNAL_ERROR
            self._verdict = SessionEnded(reason, brief(error if port else f"{type(error).__name__}: {error}"))
        self._error = self._error or error
        if self.hardware is not None:
            self.hardware.make_safe("a fault of this software")
        _log.error("a fault of this software ends the session", exc_info=error)
        self._queue.clear()
        if first:
            self._show(self._verdict)
        if self.stream is not None:
            self.stream.close()

    def _finish_soon(self) -> None:
        if self._finisher is None and not self.result.done():
            self._finished = self._loop.time()
            self._finisher = self._loop.create_task(self._finish())

    def _no_session(self) -> None:
        if not self.result.done():
            self.result.set_result(None)

    async def _finish(self) -> None:
        """The session has ended: see to it that the hardware is safe, and say what it was."""
        safe = False
        hardware, session = self.hardware, self.session
        if hardware is None:
            raise MisuseError("a session that was never begun cannot end")
        try:
            safe = await hardware.settle()
            if not safe:
                _log.critical("the hardware does not confirm that it is safe: %s", hardware.faults[-3:])
            await hardware.wind_up()
        finally:
            hardware.close()
            if self._timer is not None:
                self._timer.cancel()
            if not self.result.done():
                self.result.set_result(self._sum_up(session, hardware, safe))

    def _sum_up(self, session: Session | None, hardware: Hardware, safe: bool) -> SessionResult:
        tally, stream = self._tally, self.stream
        tally.over(self._finished)
        ended = self._verdict or (session.ended if session is not None else None)
        energy = hardware.energy
        paused = safe and ended is not None and ended.reason is EndReason.PAUSED
        return SessionResult(
            role=self.role,
            ended=ended or SessionEnded(EndReason.INTERNAL_ERROR, "it never ended"),
            states=tuple(session.states) if session is not None else (),
            exchanges=tally.exchanges,
            charge_loops=tally.charge_loops,
            tls=stream.tls_info if stream is not None else None,
            link=self.link_end,
            session_id=session.session_id if session is not None else NO_SESSION,
            peer=stream.peer if stream is not None else "",
            started=self._started,
            finished=self._finished,
            energy_from=tally.began,
            transfer_seconds=tally.transfer_s,
            peak_power_kw=tally.peak_power_w / 1000.0,
            peak_current_a=tally.peak_current_a,
            maximum_voltage_v=tally.maximum_voltage_v,
            charged_wh=energy[0] if energy is not None else None,
            discharged_wh=energy[1] if energy is not None else None,
            faults=tuple(hardware.faults),
            safe=safe,
            evccid=getattr(session, "evccid", ""),
            emaid=getattr(session, "emaid", ""),
            contracts_installed=getattr(session, "installed", 0),
            refusals=getattr(session, "refusals", ()),
            error=self._error,
            ticket=getattr(session, "ticket", None) if paused else None,
        )
