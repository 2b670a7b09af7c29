"""Where ports and the application push events to, from any thread, whether a session runs or not.

Ports are given a listener once and have no way to take it back, so it outlives every session, and every
time that a server is opened.
"""

from __future__ import annotations

import math
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from iso15118.energy.offer import begun, check_offers
from iso15118.errors import ConfigError, HardwareError, MisuseError
from iso15118.session import events as ev

from . import readings
from .guard import Port, brief, shown
from .loop_thread import LoopThread

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["ALARMS", "Inbox", "checked"]

_NOT_FROM_HERE: Final = (ev.Connected, ev.MessageReceived, ev.Undecodable)
_KNOWN: Final[frozenset[type[ev.Event]]] = frozenset(
    kind
    for kind in vars(ev).values()
    if isinstance(kind, type)
    and issubclass(kind, ev.Event)
    and kind is not ev.Event
    and kind not in _NOT_FROM_HERE
)
_ABOVE_RANGE: Final = (ev.InsulationMeasured, "resistance_ohm", math.inf)
"""What a monitor shows whose output is insulated better than it can measure."""
ALARMS: Final = (ev.HardwareFault, ev.EmergencyShutdown)
"""Never refused, whatever is in them, and never lost."""


class Inbox:
    """Hands events to ``deliver`` on the loop's thread, from ``open`` to ``close``.

    From that thread they are delivered at once. From another one they are handed over by
    ``call_soon_threadsafe``: an alarm that was refused because of the thread it came from would be lost. The
    last state of the signal, set-point, plan and limits are kept, for a session that begins later; so is the
    first alarm that comes while nobody can be told.
    """

    def __init__(self) -> None:
        self.thread = LoopThread()
        """That of the loop, from ``open`` to ``close``."""
        self._deliver: Callable[[ev.Event], None] | None = None
        self._listening: set[str] = set()
        self.signal: ev.SignalChanged | None = None
        self.set_point: ev.SetPointChanged | None = None
        self.limits: ev.LimitsChanged | None = None
        self.plan: ev.PlanChanged | ev.SchedulesGiven | None = None
        """With the moment from which it counts."""
        self.ac_limits: ev.AcLimitsChanged | None = None
        self.dso: ev.DsoSetPointChanged | None = None
        self.alarm: ev.Event | None = None
        """What was told while nobody listened."""

    def open(self, loop: asyncio.AbstractEventLoop, deliver: Callable[[ev.Event], None]) -> None:
        """Deliver from now on; to be called on the loop's thread."""
        self._deliver = deliver
        self.thread.enter(loop)

    def close(self) -> None:
        """Keep what comes, and deliver nothing."""
        self._deliver = None
        self.thread.leave()

    @property
    def orphaned(self) -> bool:
        """Nobody can be told: it is closed, or its loop is, which is what a program leaves
        behind that closed nothing."""
        loop = self.thread.loop
        return loop is None or loop.is_closed()

    def listen(self, *ports: Port) -> None:
        """Have these ports push here, those that do not yet. Raises ``HardwareError`` naming one that
        does not take a listener."""
        for port in ports:
            if port.name not in self._listening:
                if complaint := port.tell("listen", self.push):
                    raise HardwareError(complaint)
                self._listening.add(port.name)

    def push(self, event: ev.Event) -> None:
        """Something happened. Raises ``MisuseError``, in the caller's thread, for what is no event,
        has a field of another type, carries no finite number, or can only come over the connection;
        nothing of it is kept then."""
        self.thread.do(partial(self._take, checked(event)))

    def on_loop(self, call: Callable[[], object]) -> None:
        """As ``LoopThread.do``."""
        self.thread.do(call)

    def latched(self) -> list[ev.Event]:
        """What a session that begins now has to know. Limits are not among them: it asks for those itself."""
        return [event for event in (self.signal, self.set_point, self.plan, self.dso) if event is not None]

    def _take(self, event: ev.Event) -> None:
        loop = self.thread.loop
        match event:
            case ev.SignalChanged():
                self.signal = event
            case ev.SetPointChanged():
                self.set_point = event
            case ev.LimitsChanged():
                self.limits = event
            case ev.PlanChanged():
                # A session that begins later counts from the same moment.
                if event.begins is None and loop is not None:
                    event = msgspec.structs.replace(event, begins=loop.time())
                self.plan = event
            case ev.SchedulesGiven(number=0):
                # What has no begin begins now, also for a session that begins later.
                if loop is not None:
                    event = msgspec.structs.replace(event, offers=begun(event.offers, loop.time()))
                self.plan = event
            case ev.AcLimitsChanged():
                self.ac_limits = event
            case ev.DsoSetPointChanged():
                self.dso = event
            case _:
                pass
        if self._deliver is not None:
            self._deliver(event)
        elif isinstance(event, ALARMS):
            self.alarm = self.alarm or event


@cache
def _fields(kind: type[ev.Event]) -> tuple[tuple[str, Any], ...]:
    """Names and types; looking them up takes thirty times as long as checking them."""
    return tuple((field.name, field.type) for field in msgspec.structs.fields(kind))


def checked(event: object) -> ev.Event:
    """The event with its fields in their types; raises ``MisuseError`` naming the field that cannot be.
    An alarm always comes through.

    What is of a class of the application's own counts as the event that it is derived from."""
    kind = next((base for base in type(event).__mro__ if base in _KNOWN), None)
    if kind is None:
        name = brief(type(event).__name__)
        raise MisuseError(
            f"{name} cannot be told: it is no event of iso15118.session.events, or one that only a connection has"
        )
    if kind in ALARMS:
        return kind(*(brief(_field(event, name)) for name in kind.__struct_fields__))
    values = {}
    for field, wanted in _fields(kind):
        name, value = f"{kind.__name__}.{field}", _field(event, field)
        if isinstance(value, float):
            value = float.__float__(value)  # of a numeric library: a plain one from now on
            if not math.isfinite(value) and (kind, field, value) != _ABOVE_RANGE:
                raise MisuseError(f"{name} is {value!r}, which is no finite number")
        try:
            value = msgspec.convert(value, wanted, strict=True)
        except Exception as error:
            raise MisuseError(f"{name} is {shown(value)}: {brief(error)}") from error
        values[field] = value
    if kind is ev.SchedulesGiven:
        try:
            check_offers(values["offers"], "SchedulesGiven.offers")
        except ConfigError as error:
            raise MisuseError(str(error)) from error
    if kind is ev.LimitsChanged:
        try:
            readings.station_limits(values["limits"], "LimitsChanged")
        except HardwareError as error:
            raise MisuseError(str(error)) from error
    if kind is ev.AcLimitsChanged:
        try:
            readings.outlet_limits(values["limits"], "AcLimitsChanged")
        except HardwareError as error:
            raise MisuseError(str(error)) from error
    if kind is ev.AcMeasured:
        return readings.without_noise(ev.AcMeasured(**values))
    return kind(**values)


def _field(event: object, name: str) -> Any:
    try:
        return getattr(event, name)
    except Exception as error:
        return error  # what cannot be had has no text either, and is of no type that is wanted
