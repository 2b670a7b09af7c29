"""Runs a connection, from the plug up, on the event loop: one timer, the wire and the basic signalling on one
side, discovery and sessions on the other. Nothing of a protocol is known here.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from iso15118.aio.logs import Log
from iso15118.aio.ports.guard import Callback, Port, class_name, describe, each
from iso15118.aio.ports.loop_thread import LoopThread
from iso15118.aio.ports.outputs import AssertedOutputs, why_not_shown
from iso15118.connector import ConnectorSettings
from iso15118.connector.news import Phase, PhaseEntered, TimerLate
from iso15118.errors import ConfigError, HardwareError
from iso15118.link.ports import BasicSignalling, LinkMedium, ReadsBack
from iso15118.link.primitives import (
    DataLink,
    DLinkReady,
    DLinkTerminate,
    LinkNote,
    LinkReported,
    PowerOn,
    SetPilot,
    ShowState,
)
from iso15118.link.slac.events import SendFrame
from iso15118.link.spe.signalling import (
    CeAndId,
    CeChanged,
    CeState,
    IdChanged,
    IdState,
    SetPhy,
    SetS3,
    as_signal,
)
from iso15118.session import ports
from iso15118.session.events import Event, SignalChanged, SignalState
from iso15118.session.port_checks import Kind, check_ports, not_to_be_told

from .signalled import checked_event, checked_signal

if TYPE_CHECKING:
    from iso15118.connector.machine import Connector
    from iso15118.session.actions import Action

__all__ = ["ADDRESS_RETRY_S", "MEDIUM_CLOSE_S", "ConnectionDriver", "LinkParts", "SessionSignal"]

_log = Log(__name__)

ADDRESS_RETRY_S: Final = 0.25
"""Carrier is not address: duplicate address detection takes about a second, and is asked about so often."""

MEDIUM_CLOSE_S: Final = 5.0
"""Longer than any wire takes to be let go."""

_MISSED = 64
_NEWS = (PhaseEntered, TimerLate, LinkNote, DLinkReady)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinkParts:
    """What is below IP at one end: any ``DataLink`` of its role, the wire, and the basic signalling.

    ``replug``: where nobody moves a plug because the signalling is assumed. It is called when nothing more
    will come of a plug-in, and makes the next one; without it the real plug is waited for.

    Raises ``ConfigError`` that names part, method and remedy for a part that cannot work.
    """

    link: DataLink
    medium: LinkMedium
    signalling: BasicSignalling
    settings: ConnectorSettings | None = None
    replug: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        check_ports(self, _PARTS, _PARTS_MAY, _PROTOCOLS)
        if self.settings is not None and not isinstance(self.settings, ConnectorSettings):
            raise ConfigError(
                "settings", f"it is {class_name(self.settings)}", "ConnectorSettings(...), or None"
            )
        if self.replug is not None and (wrong := not_to_be_told(self.replug)) is not None:
            raise ConfigError("replug", wrong, "a plain function without parameters, or None")


_PARTS: Final = {
    "link": {
        "state": Kind.READ,
        "deadline": Kind.READ,
        "resting": Kind.READ,
        "handle": Kind.TOLD,
        "handle_timeout": Kind.TOLD,
    },
    "medium": {"open": Kind.ASKED, "carry": Kind.TOLD, "close": Kind.ASKED},
    "signalling": {"listen": Kind.TOLD, "show": Kind.TOLD},
}
_PARTS_MAY: Final = {"signalling": {"shown": Kind.TOLD}}
_PROTOCOLS: Final = {
    "link": (DataLink,),
    "medium": (LinkMedium,),
    "signalling": (BasicSignalling, ReadsBack),
}


class ConnectionDriver:
    """Runs ``machine`` from ``open`` to ``close``.

    ``carry_out`` gets what is for discovery and sessions; ``news`` hears of phases, D-LINK_READY,
    lateness and the link's notes. ``first`` hears every change of the basic signalling before the machine
    does: a session has to know why it loses its link; ``settled`` is called after each turn. ``tell`` can be
    called from any thread, and a signalling may push from any; ``open`` and ``close`` belong to the loop in
    which it was made.
    """

    def __init__(
        self,
        machine: Connector,
        medium: LinkMedium,
        signalling: BasicSignalling | None,
        carry_out: Callable[[Action], None],
        *,
        first: Callable[[Event], None] | None = None,
        news: Callable[[Action], None] | None = None,
        settled: Callable[[], None] | None = None,
    ) -> None:
        self.machine = machine
        self.medium = medium
        self._wire = Port(medium, "medium")
        self.outputs = _asserted(signalling)
        if self.outputs is not None:
            self.outputs.told = self._output_noted
        self._carry_out = carry_out
        self._first = first
        self._news = Callback("who hears of the connector", news, lasting=True)
        self._settled = settled
        self._loop = asyncio.get_running_loop()
        self.thread = LoopThread()
        """That of the loop."""
        self.thread.enter(self._loop)
        self._queue: deque[Event | None] = deque()
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._asserting: asyncio.TimerHandle | None = None
        self._open = False
        self._listening = False
        self._missed: deque[Event] = deque(maxlen=_MISSED)
        """What the signalling showed while this was closed: a plug that was out and is in
        again is another plug-in."""

    async def open(self) -> None:
        """Switch on, again after ``close`` too. The outputs are put to rest first, whatever was left there.
        Raises what the medium raises, ``HardwareError`` for a signalling that takes no listener, and
        ``MisuseError`` on another thread than that of its loop."""
        self.thread.need("open")
        self._rest()
        self._open = True
        try:
            await self.medium.open(self.tell)
        except BaseException:
            self._open = False
            raise
        self.tell(PowerOn())
        if self.outputs is None:
            return
        self._assert_again()
        if not self._listening:
            self.outputs.listen(self._signalled)
            self._listening = True
        while self._missed:
            self._signalled(self._missed.popleft())

    async def close(self) -> None:
        """Switch off: the outputs are put to rest, and nothing is told or asked any more.
        Closing twice is harmless."""
        self._open = False
        for timer in (self._timer, self._asserting):
            if timer is not None:
                timer.cancel()
        self._timer = self._asserting = None
        self._rest()
        await self._close_medium()

    async def _close_medium(self) -> None:
        """Whatever it does: who closes the link has more to close."""
        closing = self._loop.create_task(self._medium_closed(), name="link: medium.close")
        try:
            done, _ = await asyncio.wait((closing,), timeout=MEDIUM_CLOSE_S)
        except asyncio.CancelledError:
            closing.cancel()
            raise
        if not done:
            closing.cancel()
            _log.error("medium.close did not return within %g s; it is not waited for", MEDIUM_CLOSE_S)

    async def _medium_closed(self) -> None:
        try:
            await self.medium.close()
        except Exception as error:
            _log.error("medium.close raised %s", describe(error), error=error)

    def leave(self) -> None:
        """Nothing above needs the link any more, and the hardware is safe: leave it now."""
        self.tell(DLinkTerminate())
        if self.machine.phase is Phase.CLOSING:
            self.tell(DLinkTerminate())  # it would wait for a session that has nothing to say any more
        self.tell(LinkReported(False))  # what the wire said last is not what it says when it is opened again

    def _rest(self) -> None:
        if self.outputs is not None:
            self.outputs.put(self.machine.resting)

    def _assert_again(self) -> None:
        every = self.machine.settings.assert_every
        self._asserting = None
        if not self._open or self.outputs is None or every == 0.0:
            return
        self._asserting = self._loop.call_later(every, self._assert_again)
        self.outputs.again()

    def _output_noted(self, text: str) -> None:
        _log.warning("%s", text)
        self._news(LinkNote(text))

    def tell(self, event: Event) -> None:
        """Hand an event to the machine: now, or after what it is dealing with. From any thread. Raises
        ``MisuseError``, in the caller's thread, for what is no event or has a field of another type."""
        self.thread.do(partial(self._push, checked_event(event)))

    def _signalled(self, event: Event) -> None:
        """Raises ``MisuseError`` in the call of the port: session and machine would take a state that is none
        for different things, and neither of them for an end."""
        self.thread.do(partial(self._heard_signal, checked_signal(event)))

    def _heard_signal(self, event: Event) -> None:
        if not self._open:
            if _is_unplugged(event):
                self._missed.clear()  # what came before it is another plug-in
            self._missed.append(event)
            return
        if self._first is not None:
            self._first(event)
        self._push(event)

    def _push(self, event: Event | None) -> None:
        """None: the deadline has come."""
        if not self._open:
            return
        self._queue.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._queue and self._open:
                self._step(self._queue.popleft())
        finally:
            self._busy = False
            self._arm()
        if self._settled is not None:
            self._settled()

    def _step(self, event: Event | None) -> None:
        now = self._loop.time()
        machine = self.machine
        actions = machine.handle_timeout(now) if event is None else machine.handle(event, now)
        # One port that fails must not keep the others from what makes safe, and nobody
        # is told before that was asked.
        done = [
            (action, each(partial(self._do, action))) for action in actions if not isinstance(action, _NEWS)
        ]
        for action, failed in done:
            for error in failed:
                ours = isinstance(error, HardwareError)  # it says all, and its traceback is ours
                why, name = why_not_shown(error), type(action).__name__
                _log.error("%s could not be carried out: %s", name, why, error=None if ours else error)
        for action in actions:
            if isinstance(action, _NEWS):
                self._news(action)
                _log.info("%s", action)

    def _do(self, action: Action) -> None:
        if isinstance(action, SendFrame | SetPhy):
            if complaint := self._wire.tell("carry", action, at_once=True):
                raise HardwareError(complaint)
        elif isinstance(action, SetPilot | ShowState | SetS3):
            if self.outputs is not None:
                self.outputs.show(action)
        else:
            self._carry_out(action)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.machine.deadline
        if deadline is not None and self._open:
            self._timer = self._loop.call_at(deadline, self._due)

    def _due(self) -> None:
        self._timer = None
        self._push(None)


def _asserted(signalling: BasicSignalling | None) -> AssertedOutputs | None:
    if signalling is None or isinstance(signalling, AssertedOutputs):
        return signalling
    return AssertedOutputs(signalling)


def _is_unplugged(event: Event) -> bool:
    if isinstance(event, CeChanged):
        return event.state is CeState.A
    if isinstance(event, IdChanged):
        return event.state in (IdState.NOT_PRESENT, IdState.UNMATED)
    return isinstance(event, SignalChanged) and event.state is SignalState.A


class SessionSignal:
    """The session's view of the basic signalling, as ``session.ports.SignalPort`` has it: states of the
    control pilot, or of CE mapped onto them.

    A vehicle's ``own`` port, if it has one, is told as well when it gets ready for energy; what
    that port pushes is not heard.
    """

    def __init__(self, signalling: BasicSignalling, own: ports.SignalPort | None = None) -> None:
        self._signalling = signalling
        self._own = own
        self._listeners: list[ports.Listener] = []
        self._last: SignalState | None = None
        self._contacts = CeAndId()

    def changed(self, event: Event) -> None:
        """The basic signalling changed."""
        if isinstance(event, CeChanged | IdChanged):
            changed = self._contacts.changed(event)
            if changed is None:
                return
            state = as_signal(changed.state)
        elif isinstance(event, SignalChanged):
            state = event.state
        else:
            return
        if state is not self._last:
            self._last = state
            for listener in self._listeners:
                listener(SignalChanged(state))

    def listen(self, listener: ports.Listener) -> None:
        """Push changes, and what is known now."""
        self._listeners.append(listener)
        if self._last is not None:
            listener(SignalChanged(self._last))

    async def set_ready(self, ready: bool) -> Any:
        """Show state C or B. Raises what the signalling raises, when the port of its own has been told too;
        gives what that one returned."""
        failed = each(partial(self._signalling.show, ShowState(SignalState.C if ready else SignalState.B)))
        answer: Any = None
        if self._own is not None:
            own: Any = self._own
            answer = await own.set_ready(ready)
        for error in failed:
            raise error
        return answer
