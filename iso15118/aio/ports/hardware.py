"""What both sides have in common: the limits of their ports, contactors, and the
wait for everything to be safe.

``station_hardware`` and ``vehicle_hardware`` carry out what a session asks, on the ports of a ``Station`` or
a ``Vehicle``, without ever making the session wait. Answers, readings and failures come back as events.
Nothing here knows a protocol; which call gives way to which is settled in ``port_calls``.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol, TypeVar

from msgspec import Meta, Struct

from iso15118.aio.logs import Log
from iso15118.errors import ConfigError, HardwareError
from iso15118.ranges import Duration, check_fields
from iso15118.session import events as ev
from iso15118.session.actions import Urgency
from iso15118.session.supervision import Rule

from .ac_side import no_alternating
from .calls import Call
from .coil_side import NONE_W
from .contactor_calls import ContactorCalls
from .guard import Port, each
from .holds import Hold
from .port_calls import Report
from .present import NothingBelow, Present

if TYPE_CHECKING:
    from iso15118.session import actions as act
    from iso15118.session.supervision import SupervisionLimits
    from iso15118.timing import Timing

    from .ac_side import AcSide
    from .coil_side import CoilSide

__all__ = [
    "AHEAD_S",
    "BEING_MADE_SAFE",
    "NO_CONTACTORS",
    "NO_CURRENT_A",
    "Hardware",
    "PortLimits",
    "SideHardware",
]

_log = Log(__name__)

_MORE_ATTEMPTS: Final = 2
BEING_MADE_SAFE: Final = "it is being made safe"
"""What ``why_unsafe`` says while a call that makes safe is under way: nothing of why it is made safe."""
AHEAD_S: Final = 0.5
"""A reading may be so far ahead of the clock: no clock of a sensor is exact."""

_ANOTHER_CLOCK_S: Final = 600.0
"""A reading that is older than this may as well have the time of a clock which began with the program."""

NO_CURRENT_A: Final = 5.0
"""Below this direct current, contactors open without harm and a side counts as safe (IEC 61851-23 names the
same figure for an emergency)."""


_ACTS_S: Final = 60.0
_DECIDES_S: Final = 600.0
"""What a port that does something may take at most, and one behind which somebody decides."""


class PortLimits(Struct, frozen=True, kw_only=True):
    """How long a port may take to answer, in s. Later is a fault and ends the session safely; of the meter
    and the authorizer it is a warning. The greatest values are far from what hardware needs: beyond them a
    value is in ms by mistake, and a safe call that hangs would not be found for minutes. Raises
    ``ConfigError`` for a value that is no such duration, with the field, its range and the unit.
    """

    power_s: Annotated[float, Meta(ge=0.001, le=10.0)] = 0.5
    """Set-points and stops: to take the order, not to reach what it says. One charge loop lasts no longer
    [V2G20-1500]."""
    pre_charge_s: Annotated[float, Meta(ge=0.001, le=_ACTS_S)] = 8.0
    """Pre-charge may wait for its voltage."""
    contactors_s: Annotated[float, Meta(ge=0.001, le=_ACTS_S)] = 3.0
    """Closing and opening [V2G20-860] [V2G20-862]; an orderly opening waits for the current to fall."""
    feedback_s: Annotated[float, Meta(ge=0.001, le=3.0)] = 0.5
    """How much later than ``contactors.open`` returns their level may follow. Proposal: auxiliary contacts,
    and a bus that is polled. The answer to the vehicle waits for the level: opening and this together have
    to stay below ``contactor_answer`` of the timing (1.4 s, with ISO 15118-2 3 s) and
    ``supervision.contactor_s`` (3.3 s), or an orderly stop ends as "contactors did not open in time"."""
    bounce_s: Annotated[float, Meta(ge=0.001, le=5.0)] = 0.1
    """A level of the contactors that nobody asked for has to last so long: auxiliary contacts bounce when a
    coil goes over to its holding current. Proposal."""
    device_s: Annotated[float, Meta(ge=0.001, le=_DECIDES_S)] = 55.0
    """Bringing a connection device to the vehicle, and retracting it."""
    immobilize_s: Annotated[float, Meta(ge=0.001, le=_ACTS_S)] = 5.0
    """Locking the vehicle's drive, or letting it go."""
    signal_s: Annotated[float, Meta(ge=0.001, le=10.0)] = 0.5
    """Showing another state on the control pilot."""
    meter_s: Annotated[float, Meta(ge=0.001, le=_ACTS_S)] = 1.0
    authorization_s: Duration = 180.0
    contract_s: Annotated[float, Meta(ge=0.001, le=_DECIDES_S)] = 55.0
    """Decisions about contracts, and answers of the contract-certificate service [V2G20-1582]."""
    store_s: Annotated[float, Meta(ge=0.001, le=_DECIDES_S)] = 10.0
    """Keeping a contract that was installed."""
    look_s: Annotated[float, Meta(ge=0.001, le=1.0)] = 0.05
    """How often the hardware is measured and looked at while anything is asked of it,
    whatever the vehicle does."""

    def __post_init__(self) -> None:
        try:
            check_fields(self, "ports")
        except ConfigError as error:
            raise ConfigError(error.key, error.reason, error.hint + ", in s") from None

    @classmethod
    def of(cls, timing: Timing) -> PortLimits:
        """What fits these timings of a session; those that a laboratory has stretched beyond what a port may
        take at most count as that."""
        return cls(
            pre_charge_s=min(timing.pre_charge_performance, _ACTS_S),
            contactors_s=min(timing.contactor_close, _ACTS_S),
            authorization_s=timing.authorization_ongoing_timeout,
            contract_s=min(timing.ongoing_performance, _DECIDES_S),
            device_s=min(timing.ongoing_performance, _DECIDES_S),
        )


class Hardware(Protocol):
    """The hardware of one session. Everything but ``settle`` returns at once and raises nothing."""

    faults: list[ev.HardwareFault]
    """What failed so far."""

    def start(self) -> Sequence[ev.Event]:
        """What the session has to know first."""

    def do(self, action: act.HardwareAction) -> None:
        """Carry this out."""

    def measure(self, now: float) -> Sequence[ev.Event]:
        """Present values, and whatever else a look at the hardware shows."""

    def make_safe(self, reason: str) -> None:
        """Current to zero and contactors open, at once, whatever the session thinks."""

    async def settle(self) -> bool:
        """Wait until the hardware is safe, trying again if need be, but never for long. True if it is."""

    async def wind_up(self) -> None:
        """What is left to be done then, which may take a moment."""

    @property
    def live(self) -> bool:
        """Something was asked of the hardware in this session, or its contactors are
        closed: it is to be watched."""

    @property
    def safe(self) -> bool:
        """Told so, done so, and the hardware shows it."""

    def why_unsafe(self) -> str:
        """What is missing to be safe, in words; empty if nothing is."""

    @property
    def trouble(self) -> str:
        """Why nobody can rely on this hardware being made safe now; empty if that works."""

    @property
    def measured_at(self) -> float:
        """When present values were last read, on the loop's clock."""

    @property
    def settles_within_s(self) -> float:
        """How long ``settle`` may take from now."""

    @property
    def winds_up_within_s(self) -> float:
        """How long ``wind_up`` may take from now."""

    @property
    def energy(self) -> tuple[float, float] | None:
        """What flowed by the meter, to and from the vehicle, in Wh; None without a meter."""

    def close(self) -> None:
        """No more calls; what is still under way is cancelled."""


class NoContactors:
    """A vehicle that charges by its on-board charger or without a wire has none that could
    close, and neither has a pad."""

    closed = False

    async def close(self) -> bool:
        """There are none."""
        return False

    async def open(self, urgency: Urgency, reason: str) -> None:
        """They are never closed."""


NO_CONTACTORS: Final = NoContactors()


Reading = TypeVar(
    "Reading", ev.PowerMeasured, ev.InletMeasured, ev.AcMeasured, ev.PadMeasured, ev.ReceiverMeasured
)
Direct = TypeVar("Direct", ev.PowerMeasured, ev.InletMeasured)


class SideHardware:
    """What the hardware of both sides shares. ``tell`` gets the events. ``others``: the ports beside the
    contactors that belong to this connector or inlet alone."""

    measures = "output"
    """Where present values are measured, in a word."""

    def __init__(
        self,
        contactors: object | None,
        limits: PortLimits,
        tell: Callable[[ev.Event], None],
        supervision: SupervisionLimits | None = None,
        others: Sequence[object] = (),
    ) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._limits = limits
        self._report = Report(self._news, self._wake, self._call_ended_late)
        self._tell = tell
        self.faults = self._report.faults
        self._contactors = ContactorCalls(
            loop,
            Port(NO_CONTACTORS if contactors is None else contactors, "contactors"),
            self._report,
            limits.contactors_s,
            limits.feedback_s,
            limits.bounce_s,
        )
        known = None if supervision is None else supervision.no_current_a
        direct_a = NO_CURRENT_A if known is None else max(NO_CURRENT_A, known)
        self._nothing = NothingBelow(direct_a, no_alternating(supervision), NONE_W)
        """A sensor of which the supervision knows that it is off by more at zero is believed here, too."""
        self._stale_s = math.inf
        """How old a reading may be that shows the hardware as it is."""
        if supervision is not None:
            self._stale_s = supervision.beyond(Rule.STALE_READINGS, supervision.stale_s)
        self._opens_s = math.inf
        """How long contactors may be closed after they were told to open, whatever time ``open`` has."""
        if supervision is not None:
            self._opens_s = supervision.beyond(Rule.CONTACTOR_LEVEL, supervision.contactor_s)
        self._refused: dict[str, str] = {}
        """Ports whose readings have the wrong time, and the words for it."""
        self._changed: asyncio.Future[None] | None = None
        self._look_at = -math.inf
        self._told_safe = False
        self._touched = False
        """Something that energises was asked for in this session."""
        self.measured_at = loop.time()
        self._looked_at = -math.inf
        self.unreadable = ""
        """Why present values could not be read the last time that they could not."""
        self._hold = Hold(loop, (contactors, *others), self._left_call_ended)

    # -- for the sides ------------------------------------------------------------------------------------

    def close(self) -> None:
        """No more calls; what is still under way is cancelled."""
        self._hold.close(self._energising())
        self._close()

    def _close(self) -> None:
        """The same of each port."""
        raise NotImplementedError

    def make_safe(self, reason: str, *, anew: bool = False) -> None:
        """Current to zero and contactors open, at once; ``anew``: even where that is under way, since
        something was done after it began."""
        raise NotImplementedError

    def _energising(self) -> list[Call]:
        """Calls that energise and have not ended."""
        raise NotImplementedError

    def _safe_calls_running(self) -> bool:
        """A call that makes safe is under way."""
        raise NotImplementedError

    def _safe_calls_failed(self) -> bool:
        """The last of them did not work."""
        raise NotImplementedError

    def _open_calls(self) -> list[float]:
        """For each port on which a call that energises may still have an effect: how long, in s."""
        raise NotImplementedError

    def _measured(self) -> Present | None:
        """Present values; None if they cannot be read, or are too old to show anything."""
        raise NotImplementedError

    # -- for the driver -----------------------------------------------------------------------------------

    @property
    def live(self) -> bool:
        """See ``Hardware``."""
        return self._touched or self._contactors.level

    @property
    def trouble(self) -> str:
        """See ``Hardware``."""
        if self._safe_calls_failed():
            return self.faults[-1].reason if self.faults else "a call that makes safe failed"
        if self._contactors.stuck:
            return "the contactors were opened, and are closed"
        told_s = self._contactors.told_to_open_s
        if told_s > self._opens_s:
            return f"the contactors were told to open {told_s:.0f} s ago, and are closed"
        return ""

    @property
    def safe(self) -> bool:
        """See ``Hardware``."""
        return not self.why_unsafe()

    @property
    def left_behind(self) -> str:
        """Which call that energises has not ended though the session that made it is over, in words;
        empty if there is none."""
        left = self._hold.left_behind
        return f"{left[0]} of an earlier session has not ended, and may still have an effect" if left else ""

    @property
    def told_safe(self) -> bool:
        """The last word was to be safe."""
        return self._told_safe

    def why_unsafe(self) -> str:
        """What is missing to be safe, in words; empty if nothing is."""
        if not self._told_safe:
            return "it was not told to be safe"
        if self._safe_calls_running():
            return BEING_MADE_SAFE
        if self._safe_calls_failed():
            return self.trouble
        if left := self.left_behind:
            return left
        if self._open_calls():
            return "a call that energises may still have an effect"
        closed = self._contactors.read()
        if closed is not False:
            return "the contactors are closed" if closed else self.level_unknown
        measured = self._measured()
        if measured is None:
            return f"the current cannot be measured: {self.unreadable}"
        return self.flows(measured)

    def flows(self, present: Present) -> str:
        """What of it is more than counts as none, in words; empty if nothing is."""
        return present.flows(self._nothing)

    def limits_unknown(self) -> str:
        """Why a session could not be told now what the hardware can do, so that none would begin; empty if it
        could."""
        return ""

    def present(self) -> tuple[Present | None, bool | None]:
        """Present values and the level of the contactors, as read now; None for what cannot be read, or was
        measured too long ago."""
        return self._measured(), self._contactors.read()

    @property
    def level_unknown(self) -> str:
        """Why the level of the contactors could not be read the last time that it could not, in words."""
        return f"the level of the contactors cannot be read: {self._contactors.unreadable}"

    @property
    def settles_within_s(self) -> float:
        """See ``Hardware``."""
        return 2.0 * (self._limits.contactors_s + self._limits.power_s) + max(self._open_calls(), default=0.0)

    async def settle(self) -> bool:
        """Wait until the hardware is safe; see ``Hardware``."""
        if not self._told_safe:
            self.make_safe("the session is over")
        # Each call has its own limit; this one only keeps a chain of them from being endless.
        until = self._loop.time() + self.settles_within_s
        for attempt in range(1 + _MORE_ATTEMPTS):
            if attempt:
                self.make_safe("it is not safe yet")
            await self._while(self._is_busy, until)
            if not self._safe_calls_failed():
                # What was asked was done: contactors and current may need a moment to show it.
                a_moment = self._loop.time() + self._limits.contactors_s
                await self._while(
                    lambda: not self.safe and not self._safe_calls_running(), min(until, a_moment)
                )
            if self.safe:
                return True
        return self.safe

    # -- inside -------------------------------------------------------------------------------------------

    def _is_busy(self) -> bool:
        return self._safe_calls_running() or bool(self._open_calls()) or bool(self.left_behind)

    def _left_now(self) -> tuple[ev.HardwareFault, ...]:
        """For a session that begins: it must not, while somebody else's call may still energise."""
        left = self._hold.left_behind
        if not left:
            return ()
        fault = ev.HardwareFault(left[0].partition(".")[0], self.left_behind)
        self.faults.append(fault)
        return (fault,)

    def _call_ended_late(self, call: Call) -> bool:
        self._hold.ended(call)
        return True

    def _left_call_ended(self, name: str) -> None:
        """It may have done its work after all that was asked of the hardware since."""
        reason = f"{name} of an earlier session ended only now"
        session = self._touched and not self._told_safe
        failed = each(lambda: self.make_safe(reason, anew=True))
        for error in failed:
            _log.error("a step on the way to safety failed", error=error)
        if session:
            self._report.fault(name.partition(".")[0], reason)

    def _measured_now(self, port: str, at: float | None, now: float) -> None:
        """Readings of ``port`` came now, measured at ``at`` on the loop's clock; of several ports the oldest
        counts. Raises ``HardwareError`` for another clock's time."""
        self._not_ahead(port, at, now)
        taken = now if at is None else min(at, now)
        self.measured_at = min(taken, self.measured_at) if self._looked_at == now else taken
        self._looked_at = now

    def _not_ahead(self, port: str, at: float | None, now: float) -> None:
        """Raises ``HardwareError`` for another clock's time: what lies ahead would never be too old."""
        if at is not None and at > now + AHEAD_S:
            raise HardwareError(f"{port} is {at - now:.1f} s ahead of the event loop's clock, loop.time()")

    def _shown(
        self,
        name: str,
        port: Port | None,
        read: Callable[[Any, str], Direct],
        ac: AcSide[Any] | None,
        coil: CoilSide[Any, Any] | None,
    ) -> Present | None:
        """What ``_measured`` gives, of a port of direct current and of other sides, where there are any."""
        try:
            return Present(
                None if port is None else self._young(name, port.read("present", read)),
                0.0 if ac is None else max(self._young(ac.name, ac.present()).current_a),
                0.0 if coil is None else self._young(coil.name, coil.present()).power_w,
            )
        except HardwareError as error:
            self.unreadable = str(error)
            return None

    def _young(self, port: str, reading: Reading) -> Reading:
        """A reading of ``port`` that shows the hardware as it is now. Raises ``HardwareError`` for one that
        is too old, and for another clock's time, in the words in which that was first found: the age grows,
        and each change of the words would be news."""
        at, now, known = reading.at, self._loop.time(), self._refused.get(port)
        try:
            self._not_ahead(f"{port}.present.at", at, now)
            if at is not None and now - at > self._stale_s:
                most = f"more than supervision.stale_s ({self._stale_s:g} s)"
                if now - at > _ANOTHER_CLOCK_S:
                    most += "; if its sensor works, the time is of another clock than loop.time()"
                raise HardwareError(
                    f"{Rule.STALE_READINGS.value}: {port}.present was {now - at:.1f} s old, {most}"
                )
        except HardwareError as error:
            words = self._refused.setdefault(port, str(error))
            raise HardwareError(words) from error
        if known is not None:
            del self._refused[port]
        return reading

    def _energise(self) -> None:
        self._told_safe, self._touched = False, True

    async def _while(self, condition: Callable[[], bool], until: float) -> None:
        """Wait as long as this holds, asked whenever something ended, and now and then."""
        while condition() and (left := until - self._loop.time()) > 0.0:
            self._changed = self._loop.create_future()
            await asyncio.wait((self._changed,), timeout=min(left, self._limits.look_s))

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    def _news(self, event: ev.Event) -> None:
        self._wake()
        self._tell(event)
        if type(event) is ev.HardwareFault:
            _log.error("hardware fault: %s: %s", event.port, event.reason)
