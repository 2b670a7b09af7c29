"""The ports of one inlet under an arbiter: contactors that close only if it allows that, and a battery
that shows this inlet its share.

The hardware behind them stays the caller's. Opening never waits for anything here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from iso15118.errors import ConfigError, HardwareError
from iso15118.session.events import BatteryChanged, InletMeasured
from iso15118.session.limits import VehicleLimits

if TYPE_CHECKING:
    from iso15118.session.actions import Urgency
    from iso15118.session.ports import BatteryPort, ContactorPort, InletPort, Vehicle

    from .inlets import InletArbiter

__all__ = ["behind_inlet", "contactors_behind", "is_behind_inlet"]

Clock = Callable[[], float]


def behind_inlet(vehicle: Vehicle, arbiter: InletArbiter, name: str, clock: Clock) -> Vehicle:
    """``vehicle``, which has contactors and measurement of this inlet and the one battery, as its sessions
    may use it. ``clock``: that of ``arbiter`` and of the readings' ``at``, in s. Raises ``ConfigError`` for a
    vehicle without contactors, ``MisuseError`` for a name that the arbiter does not know."""
    arbiter.inlet(name)
    if vehicle.contactors is None or vehicle.inlet is None:
        raise ConfigError("contactors", f"inlet {name!r} has none", "an inlet with contactors to the battery")
    battery = _Battery(vehicle.battery, arbiter, name)
    return dataclasses.replace(
        vehicle,
        battery=battery,
        contactors=_Contactors(vehicle.contactors, vehicle.battery, arbiter, name, clock),
        inlet=_Inlet(vehicle.inlet, arbiter, name, clock),
    )


def is_behind_inlet(vehicle: Vehicle, arbiter: InletArbiter, name: str) -> bool:
    """The contactors of this vehicle close for this inlet only if this arbiter allows it."""
    guarded = vehicle.contactors
    return isinstance(guarded, _Contactors) and guarded.guards(arbiter, name)


def contactors_behind(vehicle: Vehicle) -> ContactorPort | None:
    """The contactors themselves, without an arbiter before them."""
    guarded = vehicle.contactors
    return guarded.port if isinstance(guarded, _Contactors) else guarded


class _Contactors:
    def __init__(
        self, port: ContactorPort, battery: BatteryPort, arbiter: InletArbiter, name: str, clock: Clock
    ) -> None:
        self.port, self._battery = port, battery
        self._arbiter, self._name, self._clock = arbiter, name, clock
        self._closing = 0
        """Calls that close, under way: what they do may come after an opening."""
        arbiter.watch(name, lambda: port.closed)

    def guards(self, arbiter: InletArbiter, name: str) -> bool:
        """It is this arbiter that is asked, about this inlet."""
        return self._arbiter is arbiter and self._name == name

    async def close(self) -> bool:
        state = self._battery.state
        battery_a = max(state.maximum_charge_current_a, state.maximum_discharge_current_a)
        if reason := self._arbiter.claim(self._name, self._clock(), battery_a):
            raise HardwareError(reason)
        self._closing += 1
        try:
            return await self.port.close()
        finally:
            self._closing -= 1

    async def open(self, urgency: Urgency, reason: str) -> None:
        await self.port.open(urgency, reason)
        # Seen, and not only asked for: whatever else it says, they may be closed. While they are still being
        # closed that says nothing; whoever contradicts a closing opens once more when it is over.
        if self.port.closed is False and not self._closing:
            self._arbiter.opened(self._name)

    @property
    def closed(self) -> bool:
        closed = self.port.closed
        if closed is True:
            self._arbiter.closed(self._name)
        return closed


class _Battery:
    def __init__(self, port: BatteryPort, arbiter: InletArbiter, name: str) -> None:
        self._port, self._arbiter, self._name = port, arbiter, name

    @property
    def state(self) -> BatteryChanged:
        whole, name = self._port.state, self._name
        most_a, most_w = self._arbiter.most_a, self._arbiter.most_w
        charge_a = most_a(name, whole.maximum_charge_current_a)
        # What the battery wants in all is shared out like what it can take.
        return replace(
            whole,
            target_current_a=min(charge_a, most_a(name, whole.target_current_a)),
            maximum_charge_current_a=charge_a,
            maximum_charge_power_w=most_w(name, whole.maximum_charge_power_w),
            maximum_discharge_current_a=most_a(name, whole.maximum_discharge_current_a),
            maximum_discharge_power_w=most_w(name, whole.maximum_discharge_power_w),
        )

    @property
    def limits(self) -> VehicleLimits:
        """What the inlet carries of what the battery takes; a share may grow in
        mid-session, and a declaration holds."""
        whole, inlet = self._port.limits, self._arbiter.inlet(self._name)
        amperes, watts = inlet.maximum_current_a, inlet.maximum_power_w
        return replace(
            whole,
            maximum_charge_current_a=min(whole.maximum_charge_current_a, amperes),
            minimum_charge_current_a=min(whole.minimum_charge_current_a, amperes),
            maximum_charge_power_w=min(whole.maximum_charge_power_w, watts),
            minimum_charge_power_w=min(whole.minimum_charge_power_w, watts),
            maximum_discharge_current_a=min(whole.maximum_discharge_current_a, amperes),
            minimum_discharge_current_a=min(whole.minimum_discharge_current_a, amperes),
            maximum_discharge_power_w=min(whole.maximum_discharge_power_w, watts),
            minimum_discharge_power_w=min(whole.minimum_discharge_power_w, watts),
        )


class _Inlet:
    def __init__(self, port: InletPort, arbiter: InletArbiter, name: str, clock: Clock) -> None:
        self._port, self._arbiter, self._name, self._clock = port, arbiter, name, clock

    @property
    def present(self) -> InletMeasured:
        measured, now = self._port.present, self._clock()
        taken = measured.at  # a port may tell what it read some time ago
        if taken is None or (isinstance(taken, (int, float)) and taken > now):
            taken = now
        self._arbiter.measured(self._name, measured.current_a, taken)
        return measured
