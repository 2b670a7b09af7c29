"""Carries out what a session asks of the hardware, on the ports of a ``Station`` or a ``Vehicle``, without ever
making the session wait.

Answers, readings and failures come back as events. Nothing here knows a protocol; which call gives way to which
is settled in ``port_calls``.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct

from iso15118.errors import ConfigError, HardwareError
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Urgency
from iso15118.session.limits import StationLimits

from .calls import brief, expect
from .contract_calls import ContractCalls, StoreCalls
from .port_calls import ContactorCalls, PowerCalls, Question, Report, SignalCalls

if TYPE_CHECKING:
    from iso15118.session import ports
    from iso15118.timing import Timing

__all__ = ["Hardware", "PortLimits", "StationHardware", "VehicleHardware"]

_log = logging.getLogger(__name__)

_MORE_ATTEMPTS: Final = 2


class PortLimits(Struct, frozen=True, kw_only=True):
    """How long a port may take to answer, in s. Later is a fault and ends the session safely; of the meter and the
    authorizer it is a warning. Raises ``ConfigError`` for a value that is no duration.
    """

    power_s: float = 0.5
    """Set-points and stops: to take the order, not to reach what it says. One charge loop lasts no longer
    [V2G20-1500]."""
    pre_charge_s: float = 8.0
    """Pre-charge may wait for its voltage."""
    contactors_s: float = 3.0
    """Closing and opening [V2G20-860] [V2G20-862]; an orderly opening waits for the current to fall."""
    signal_s: float = 0.5
    """Showing another state on the control pilot."""
    meter_s: float = 1.0
    authorization_s: float = 180.0
    contract_s: float = 55.0
    """Decisions about contracts, and answers of the contract-certificate service [V2G20-1582]."""
    store_s: float = 10.0
    """Keeping a contract that was installed."""
    look_s: float = 0.05
    """Contactors and limits are looked at in every charge loop, but not more often than this."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise ConfigError(f"ports.{name}", f"{value!r} is no duration", "a finite number above 0")

    @classmethod
    def of(cls, timing: Timing) -> PortLimits:
        """What fits these timings of a session."""
        return cls(
            pre_charge_s=timing.pre_charge_performance,
            contactors_s=timing.contactor_close,
            authorization_s=timing.authorization_ongoing_timeout,
            contract_s=timing.ongoing_performance,
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
    def energy(self) -> tuple[float, float] | None:
        """What flowed by the meter, to and from the vehicle, in Wh; None without a meter."""

    def close(self) -> None:
        """No more calls; what is still under way is cancelled."""


class _Settling:
    """What both sides share: contactors, and the wait for everything to be safe."""

    def __init__(
        self,
        contactors: ports.ContactorPort,
        limits: PortLimits,
        tell: Callable[[ev.Event], None],
    ) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._limits = limits
        self._report = Report(self._news, self._wake)
        self._tell = tell
        self.faults = self._report.faults
        self._contactors = ContactorCalls(loop, contactors, self._report, limits.contactors_s)
        self._changed: asyncio.Future[None] | None = None
        self._look_at = -math.inf
        self._told_safe = False

    def make_safe(self, reason: str) -> None:
        """Current to zero and contactors open, at once."""
        raise NotImplementedError

    def _pending(self) -> bool:
        """A call that makes safe is under way."""
        raise NotImplementedError

    def _failed(self) -> bool:
        """The last of them did not work."""
        raise NotImplementedError

    async def settle(self) -> bool:
        """Wait until the hardware is safe; see ``Hardware``."""
        if not self._told_safe:
            self.make_safe("the session is over")
        # Each call has its own limit; this one only keeps a chain of them from being endless.
        until = self._loop.time() + 2.0 * (self._limits.contactors_s + self._limits.power_s)
        await self._while(self._pending, until)
        for _ in range(_MORE_ATTEMPTS):
            if self.safe:
                return True
            self.make_safe("it is not safe yet")
            await self._while(self._pending, until)
        return self.safe

    @property
    def safe(self) -> bool:
        """Told so, done so, and the contactors show it."""
        return self._told_safe and not self._failed() and self._contactors.read() is False

    async def _while(self, condition: Callable[[], bool], until: float) -> None:
        """Wait as long as this holds, asked whenever something ended."""
        while condition() and (left := until - self._loop.time()) > 0.0:
            self._changed = self._loop.create_future()
            await asyncio.wait((self._changed,), timeout=left)

    def _wake(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    def _news(self, event: ev.Event) -> None:
        if type(event) is ev.HardwareFault:
            _log.error("hardware fault: %s: %s", event.port, event.reason)
        self._wake()
        self._tell(event)


class StationHardware(_Settling):
    """One session's hold on the ports of a station. ``tell`` gets the events."""

    def __init__(
        self,
        station: ports.Station,
        limits: PortLimits,
        tell: Callable[[ev.Event], None],
        managed: StationLimits | None = None,
    ) -> None:
        super().__init__(station.contactors, limits, tell)
        self._station = station
        self._supply: StationLimits | None = None
        self._managed = managed
        loop = self._loop
        self._power = PowerCalls(loop, station.power, self._report, limits.power_s, limits.pre_charge_s)
        self._check = Question(loop, "cable_check.run", self._checked, self._check_failed)
        self._authorizer = Question(loop, "authorizer.authorize", self._authorized, self._not_authorized)
        self._meter = Question(loop, "meter.read", self._read, self._not_read)
        self._contracts = ContractCalls(loop, station, self._news, limits.contract_s)
        self._first_reading: ev.MeterRead | None = None
        self._last_reading: ev.MeterRead | None = None
        self._meter_complained = False
        self._do: dict[type, Callable[[Any], None]] = {
            act.SetPower: self._set_power,
            act.PreCharge: self._set_power,
            act.StopPower: self._stop_power,
            act.CloseContactors: self._close_contactors,
            act.OpenContactors: self._open_contactors,
            act.StartCableCheck: self._start_cable_check,
            act.RequestAuthorization: self._request_authorization,
            act.ReadMeter: self._read_meter,
            act.RequestContractAuthorization: self._contracts.authorize,
            act.RequestContractCertificate: self._contracts.install,
        }

    def start(self) -> Sequence[ev.Event]:
        """The level of the contactors, if it is not open as it should be; the meter is asked for its first reading."""
        self._read_meter(None)
        changed = self._contactors.changed()
        return () if changed is None else (changed,)

    def do(self, action: act.HardwareAction) -> None:
        """Carry this out."""
        self._do[type(action)](action)

    def measure(self, now: float) -> Sequence[ev.Event]:
        """Voltage and current at the output."""
        try:
            present = self._station.power.present
            total = present.voltage_v + present.current_a
        except Exception as error:
            return self._report.unreadable("power", brief(f"power.present: {error!r}"))
        if not math.isfinite(total):
            return self._report.unreadable("power", f"power.present is no measurement: {present}")
        if now < self._look_at:
            return (present,)
        self._look_at = now + self._limits.look_s
        return (present, *self._look())

    def _look(self) -> list[ev.Event]:
        """What the hardware shows and nobody pushes."""
        found: list[ev.Event] = []
        changed = self._contactors.changed()
        if changed is not None:
            found.append(changed)
        try:
            supply = self._station.power.limits
            if supply is not self._supply and supply != self._supply:
                found.append(ev.LimitsChanged(self._in_force(supply)))
        except Exception as error:
            found += self._report.unreadable("power", brief(f"power.limits: {error!r}"))
        return found

    def limits(self) -> StationLimits:
        """What the station can give now: what its supply can, within what its energy manager allows. Raises
        ``HardwareError`` if the supply does not say."""
        try:
            return self._in_force(self._station.power.limits)
        except Exception as error:
            raise HardwareError(brief(f"power.limits: {error!r}")) from error

    def managed(self, limits: StationLimits) -> StationLimits:
        """The energy manager allows this from now on; what holds then. Raises as ``limits`` does."""
        self._managed = limits
        return self.limits()

    def _in_force(self, supply: StationLimits) -> StationLimits:
        expect(StationLimits, supply, "power.limits")
        self._supply = supply
        return supply if self._managed is None else supply.within(self._managed)

    def make_safe(self, reason: str) -> None:
        """Current to zero and contactors open, at once."""
        self._stop_power(act.StopPower(Urgency.EMERGENCY))
        self._open_contactors(act.OpenContactors(Urgency.EMERGENCY, reason))
        self._authorizer.drop()
        self._contracts.drop()

    async def wind_up(self) -> None:
        """Ask the meter for a last reading and wait for it, no longer than it may take."""
        if self._station.meter is None:
            return
        until = self._loop.time() + self._limits.meter_s
        for _ in range(2):  # an answer that is on its way may be older than the end
            awaited = self._meter.asked
            self._read_meter(None)
            await self._while(lambda: self._meter.asked, until)
            if not awaited:
                return

    @property
    def energy(self) -> tuple[float, float] | None:
        """Between the first reading of the session and the last."""
        first, last = self._first_reading, self._last_reading
        if first is None or last is None:
            return None
        return last.charged_wh - first.charged_wh, last.discharged_wh - first.discharged_wh

    def close(self) -> None:
        """No more calls."""
        for part in (self._power, self._check, self._authorizer, self._contracts, self._meter):
            part.close()
        self._contactors.shut_down()

    # -- actions ------------------------------------------------------------------------------------------

    def _set_power(self, action: act.SetPower | act.PreCharge) -> None:
        self._told_safe = False
        self._power.want(action)

    def _stop_power(self, action: act.StopPower) -> None:
        self._power.stop(action.urgency)
        self._check.drop()  # work for a session dies with it

    def _close_contactors(self, action: act.CloseContactors) -> None:
        self._told_safe = False
        self._contactors.close()

    def _open_contactors(self, action: act.OpenContactors) -> None:
        self._told_safe = True
        self._contactors.open(action.urgency, action.reason)

    def _start_cable_check(self, action: act.StartCableCheck) -> None:
        self._told_safe = False
        limit_s = max(action.deadline - self._loop.time(), 0.001)
        self._check.ask(lambda: self._station.cable_check.run(action.voltage_v), limit_s)

    def _request_authorization(self, action: act.RequestAuthorization) -> None:
        self._authorizer.ask(
            lambda: self._station.authorizer.authorize(action.evccid), self._limits.authorization_s
        )

    def _read_meter(self, action: act.ReadMeter | None) -> None:
        if self._station.meter is not None:
            self._meter.ask(self._station.meter.read, self._limits.meter_s)

    # -- answers ------------------------------------------------------------------------------------------

    def _checked(self, result: object) -> None:
        reason = "" if result is None else brief(result) or "no reason given"
        self._news(ev.CableCheckFinished(not reason, reason))

    def _check_failed(self, complaint: str) -> None:
        self._report.fault("cable check", complaint)

    def _authorized(self, result: object) -> None:
        expect(bool, result, "authorizer.authorize")
        self._news(ev.AuthorizationDecided(result is True))

    def _not_authorized(self, complaint: str) -> None:
        _log.warning("nobody is let in: %s", complaint)
        self._news(ev.AuthorizationDecided(False))

    def _read(self, result: object) -> None:
        expect(ev.MeterRead, result, "meter.read")
        reading: Any = result
        if not math.isfinite(reading.charged_wh + reading.discharged_wh):
            raise HardwareError(f"meter.read is no reading: {reading}")
        if self._first_reading is None:
            self._first_reading = reading
        self._last_reading = reading
        self._news(reading)

    def _not_read(self, complaint: str) -> None:
        if not self._meter_complained:
            self._meter_complained = True
            _log.warning("no reading of the energy meter: %s", complaint)
        self._wake()

    def _pending(self) -> bool:
        return self._power.stops.running or self._contactors.opens.running

    def _failed(self) -> bool:
        return self._power.stops.failed or self._contactors.opens.failed


class VehicleHardware(_Settling):
    """One session's hold on the ports of a vehicle. ``tell`` gets the events."""

    def __init__(self, vehicle: ports.Vehicle, limits: PortLimits, tell: Callable[[ev.Event], None]) -> None:
        super().__init__(vehicle.contactors, limits, tell)
        self._vehicle = vehicle
        self._signal = (
            SignalCalls(self._loop, vehicle.signal, self._report, limits.signal_s)
            if vehicle.signal is not None
            else None
        )
        self._store = StoreCalls(self._loop, vehicle.contracts, limits.store_s)

    def start(self) -> Sequence[ev.Event]:
        """The level of the contactors, if it is not open as it should be."""
        changed = self._contactors.changed()
        return () if changed is None else (changed,)

    def do(self, action: act.HardwareAction) -> None:
        """Carry this out. Current to zero is the station's work: a vehicle opens."""
        match action:
            case act.CloseContactors():
                self._told_safe = False
                self._contactors.close()
            case act.OpenContactors(urgency, reason):
                self._told_safe = True
                self._contactors.open(urgency, reason)
            case act.SignalReady(ready):
                if self._signal is not None:
                    self._signal.set_ready(ready)
            case act.StoreContract(contract):
                self._store.keep(contract)
            case _:
                pass

    def measure(self, now: float) -> Sequence[ev.Event]:
        """The inlet and the battery."""
        try:
            inlet = self._vehicle.inlet.present
            total = inlet.voltage_v + inlet.current_a
        except Exception as error:
            return self._report.unreadable("inlet", brief(f"inlet.present: {error!r}"))
        if not math.isfinite(total):
            return self._report.unreadable("inlet", f"inlet.present is no measurement: {inlet}")
        try:
            battery = self._vehicle.battery.state
            total = _sum(battery)
        except Exception as error:
            return (inlet, *self._report.unreadable("battery", brief(f"battery.state: {error!r}")))
        if not math.isfinite(total):
            wrong = brief(f"battery.state is no state: {battery}")
            return (inlet, *self._report.unreadable("battery", wrong))
        if now < self._look_at:
            return (inlet, battery)
        self._look_at = now + self._limits.look_s
        changed = self._contactors.changed()
        return (inlet, battery) if changed is None else (inlet, battery, changed)

    def make_safe(self, reason: str) -> None:
        """Contactors open and not ready, at once."""
        self._told_safe = True
        self._contactors.open(Urgency.EMERGENCY, reason)
        if self._signal is not None:
            self._signal.set_ready(False)

    async def wind_up(self) -> None:
        """Wait for contracts that are still being kept."""
        await self._store.settled()

    @property
    def energy(self) -> tuple[float, float] | None:
        """A vehicle has no meter of the station's kind."""
        return None

    def close(self) -> None:
        """No more calls."""
        self._contactors.shut_down()
        self._store.close()
        if self._signal is not None:
            self._signal.close()

    def _pending(self) -> bool:
        return self._contactors.opens.running or (
            self._signal is not None and self._signal.withdrawals.running
        )

    def _failed(self) -> bool:
        return self._contactors.opens.failed


def _sum(battery: ev.BatteryChanged) -> float:
    """Of every quantity: no number, or an infinite one, among them makes it one too."""
    return (
        battery.soc
        + battery.voltage_v
        + battery.target_voltage_v
        + battery.target_current_a
        + battery.maximum_charge_power_w
        + battery.maximum_charge_current_a
        + battery.maximum_voltage_v
        + battery.minimum_voltage_v
        + battery.energy_to_target_wh
        + battery.energy_to_maximum_wh
        + battery.energy_to_minimum_wh
        + battery.capacity_wh
        + battery.maximum_discharge_power_w
        + battery.maximum_discharge_current_a
    )
