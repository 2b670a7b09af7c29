"""The ports of a vehicle: carries out what a session asks of its contactors, its side of the control
pilot and its contract store.

Nothing here knows a protocol, and nothing makes the session wait: answers, readings and
failures come back as events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from iso15118.aio.logs import Log
from iso15118.errors import HardwareError
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Urgency

from . import readings
from .ac_side import charger
from .calls import Call
from .coil_side import coil
from .contract_calls import StoreCalls
from .coupling_calls import MobilityCalls
from .guard import Port, each
from .hardware import PortLimits, SideHardware
from .inverter import InverterCalls
from .key_calls import KeyCalls
from .port_calls import SignalCalls
from .present import Present
from .safe_calls import SafeCalls

if TYPE_CHECKING:
    from iso15118.session import ports
    from iso15118.session.supervision import SupervisionLimits

__all__ = ["VehicleHardware"]

_log = Log(__name__)


class VehicleHardware(SideHardware):
    """One session's hold on the ports of a vehicle. ``tell`` gets the events."""

    measures = "inlet"

    def __init__(
        self,
        vehicle: ports.Vehicle,
        limits: PortLimits,
        tell: Callable[[ev.Event], None],
        supervision: SupervisionLimits | None = None,
    ) -> None:
        others = (vehicle.inlet, vehicle.charger, vehicle.receiver, vehicle.signal)
        super().__init__(vehicle.contactors, limits, tell, supervision, others)
        self._inlet = None if vehicle.inlet is None else Port(vehicle.inlet, "inlet")
        self._charger = (
            None
            if vehicle.charger is None
            else charger(self._loop, vehicle.charger, self._report, limits.power_s)
        )
        self._coil = (
            None
            if vehicle.receiver is None
            else coil(self._loop, vehicle.receiver, self._report, limits.power_s)
        )
        self._battery = Port(vehicle.battery, "battery")
        self._signal = (
            SignalCalls(self._loop, Port(vehicle.signal, "signal"), self._report, limits.signal_s)
            if vehicle.signal is not None
            else None
        )
        self._inverter = (
            None
            if vehicle.inverter is None
            else InverterCalls(self._loop, vehicle.inverter, self._report, limits.power_s)
        )
        self._mobility = (
            None
            if vehicle.mobility is None
            else MobilityCalls(self._loop, vehicle.mobility, self._report, limits.immobilize_s)
        )
        self._store = StoreCalls(self._loop, vehicle.contracts, limits.store_s)
        self._keys = KeyCalls(self._loop, self._news)

    def start(self) -> Sequence[ev.Event]:
        """What another session has left behind, and the level of the contactors, if it is not
        open as it should be."""
        left, changed = self._left_now(), self._contactors.changed(begins=True)
        return left if changed is None else (*left, changed)

    def do(self, action: act.HardwareAction) -> None:
        """Carry this out. With DC current to zero is the station's work, and a vehicle opens;
        with AC it is the charger's."""
        match action:
            case act.CloseContactors():
                self._energise()
                self._contactors.close()
            case act.OpenContactors(urgency, reason):
                self._told_safe = True
                self._contactors.open(urgency, reason)
            case act.FollowGrid():
                if self._inverter is not None:
                    self._inverter.follow(action)
            case act.SetCharger():
                self._energise()
                if self._charger is not None:
                    self._charger.calls.want(action)
            case act.SetReceiver():
                self._energise()
                if self._coil is not None:
                    self._coil.calls.want(action)
            case act.StopPower(urgency):
                self._stop(urgency)
            case act.SignalReady(ready):
                if self._signal is not None:
                    self._signal.set_ready(ready)
            case act.StoreContract(contract):
                self._store.keep(contract)
            case act.GuideVehicle(position) if self._mobility is not None:
                self._mobility.guide(position)
            case act.Immobilize(immobile) if self._mobility is not None:
                self._mobility.immobilize(immobile)
            case act.UseKey():
                self._keys.use(action)
            case _:
                pass

    def measure(self, now: float) -> Sequence[ev.Event]:
        """The inlet, the on-board charger and the battery."""
        found: list[ev.Event] = []
        try:
            if self._inlet is not None:
                inlet = self._inlet.read("present", readings.inlet)
                self._measured_now("inlet.present.at", inlet.at, now)
                found.append(inlet)
        except HardwareError as error:
            return self._report.unreadable("inlet", str(error))
        try:
            if self._charger is not None:
                values = self._charger.present()
                self._measured_now("charger.present.at", values.at, now)
                found.append(values)
        except HardwareError as error:
            return (*found, *self._report.unreadable("charger", str(error)))
        try:
            if self._coil is not None:
                present = self._coil.present()
                self._measured_now("receiver.present.at", present.at, now)
                found.append(present)
        except HardwareError as error:
            return (*found, *self._report.unreadable("receiver", str(error)))
        try:
            state = self._battery.read("state", readings.battery)
            self._not_ahead("battery.state.at", state.at, now)
            found.append(state)
        except HardwareError as error:
            return (*found, *self._report.unreadable("battery", str(error)))
        if now < self._look_at:
            return found
        self._look_at = now + self._limits.look_s
        changed = self._contactors.changed()
        return [
            *found,
            *self._charger_changed(),
            *(() if self._inverter is None else self._inverter.look()),
            *self._mobility_changed(),
            *(() if changed is None else (changed,)),
        ]

    def _charger_changed(self) -> Sequence[ev.Event]:
        """Other limits of the charger than at the last look."""
        side = self._charger
        if side is None:
            return ()
        before = side.known
        try:
            limits = side.limits()
        except HardwareError as error:
            return self._report.unreadable("charger", str(error))
        return () if before is None or limits == before else (ev.ChargerChanged(limits),)

    def _mobility_changed(self) -> Sequence[ev.Event]:
        """The vehicle stands, moves, or its lock is another."""
        if self._mobility is None:
            return ()
        try:
            return self._mobility.changed()
        except HardwareError as error:
            return self._report.unreadable("mobility", str(error))

    def make_safe(self, reason: str, *, anew: bool = False) -> None:
        """No current through the charger, contactors open and not ready, at once."""
        self._told_safe = True
        failed = each(
            partial(self._stop, Urgency.EMERGENCY, anew=anew),
            partial(self._contactors.open, Urgency.EMERGENCY, reason, anew=anew),
            partial(self._withdraw, anew=anew),
        )
        for error in failed:
            _log.error("a step on the way to safety failed", error=error)

    async def wind_up(self) -> None:
        """Wait until the inverter has left the station's grid code and the drive is locked or let go as it
        was asked last, and for contracts that are still being kept; each no longer than its limit."""
        until = self._loop.time() + self._winds_down_s()
        await self._while(lambda: self._winds_down_s() > 0.0, until)
        await self._store.settled()

    @property
    def winds_up_within_s(self) -> float:
        """See ``Hardware``."""
        return self._winds_down_s() + self._store.may_take_s

    def _winds_down_s(self) -> float:
        return max(
            (part.may_take_s for part in (self._inverter, self._mobility) if part is not None), default=0.0
        )

    @property
    def energy(self) -> tuple[float, float] | None:
        """A vehicle has no meter of the station's kind."""
        return None

    def _close(self) -> None:
        self._contactors.shut_down()
        if self._charger is not None:
            self._charger.calls.close()
        if self._coil is not None:
            self._coil.calls.close()
        if self._mobility is not None:
            self._mobility.close()
        self._store.close()
        if self._inverter is not None:
            self._inverter.close()
        self._keys.close()
        if self._signal is not None:
            self._signal.close()

    # -- safe ---------------------------------------------------------------------------------------------

    def _withdraw(self, *, anew: bool) -> None:
        if self._signal is not None:
            self._signal.set_ready(False, anew=anew)

    def _stop(self, urgency: Urgency, *, anew: bool = False) -> None:
        for side in (self._charger, self._coil):
            if side is not None:
                side.calls.stop(urgency, anew=anew)

    def _energising(self) -> list[Call]:
        calls = [side.calls.under_way for side in (self._charger, self._coil) if side is not None]
        calls += [self._contactors.under_way, None if self._signal is None else self._signal.under_way]
        return [call for call in calls if call is not None]

    def _safe_calls(self) -> list[SafeCalls]:
        calls = [self._contactors.opens]
        if self._signal is not None:
            calls.append(self._signal.withdrawals)
        if self._charger is not None:
            calls.append(self._charger.calls.stops)
        if self._coil is not None:
            calls.append(self._coil.calls.stops)
        return calls

    def _safe_calls_running(self) -> bool:
        return any(calls.running for calls in self._safe_calls())

    def _safe_calls_failed(self) -> bool:
        return any(calls.failed for calls in self._safe_calls())

    def _open_calls(self) -> list[float]:
        ready = None if self._signal is None else self._signal.open_s
        draws = None if self._charger is None else self._charger.calls.open_s
        takes = None if self._coil is None else self._coil.calls.open_s
        return [left for left in (self._contactors.open_s, ready, draws, takes) if left is not None]

    def _measured(self) -> Present | None:
        return self._shown("inlet", self._inlet, readings.inlet, self._charger, self._coil)
