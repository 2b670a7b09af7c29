"""Stand-ins for the far end of the cable, where the two ends are separate processes or machines.

A station without the vehicle's plant presumes a battery at the voltage it pre-charged to; a vehicle without
the station's plant presumes one that gives what the vehicle asks for, and takes nothing back. What the far
end reports in its messages takes the place of what is assumed. Each side keeps its own energy balance; that
the two agree is then the protocol's doing, not the plant's.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from iso15118.session.actions import (
    CloseContactors,
    HardwareAction,
    OpenContactors,
    PreCharge,
    SetPower,
    SignalReady,
    StopPower,
    Urgency,
)
from iso15118.session.events import BatteryChanged, SignalState

from .battery import Battery
from .circuit import DcCircuit
from .presets import StationPreset, preset
from .station import SimulatedStation
from .vehicle import SimulatedVehicle

__all__ = ["StationWithRemoteVehicle", "VehicleWithRemoteStation"]


_NO_RAMP = 1e9  # A/s


class _AssumedBattery(Battery):
    """Holds the voltage it is met with; its charge is unknown and does not change the voltage."""

    held_v = 0.0

    @property
    def open_circuit_v(self) -> float:
        """The voltage it was met with."""
        return self.held_v


class StationWithRemoteVehicle(SimulatedStation):
    """A station whose vehicle is somewhere else: the contactors over there are assumed to follow its own.

    ``settings`` are those of ``SimulatedStation``.
    """

    def __init__(self, circuit: DcCircuit, kind: StationPreset, **settings: Any) -> None:
        super().__init__(circuit, kind, **settings)
        self._assumed = _AssumedBattery(
            maximum_voltage_v=kind.limits.maximum_voltage_v, minimum_voltage_v=kind.limits.minimum_voltage_v
        )
        self._far = SimulatedVehicle(circuit, self._assumed)
        circuit.signal = SignalState.C  # nothing shows the real one; hardware would

    def vehicle_shows(self, voltage_v: float, now: float) -> None:
        """The vehicle reports this voltage at its inlet: the assumed battery has it from ``now`` on."""
        self.circuit.advance(now)
        if not self.outlet.closed:
            return
        voltage_v = min(max(voltage_v, 0.0), self.kind.limits.maximum_voltage_v)
        self._assumed.held_v = voltage_v - self._assumed.resistance_ohm * self.circuit.current_a
        self.circuit.settle()

    def _do(self, action: HardwareAction) -> None:
        if isinstance(action, CloseContactors):
            if not self.outlet.closed:
                self._assumed.held_v = self.supply.output_v
            self._far.carry_out(action, self.circuit.clock(self.circuit.time))
        super()._do(action)
        if isinstance(action, StopPower | OpenContactors):
            # The vehicle opens too as soon as the current allows, and looks for welded contactors.
            leave = OpenContactors(Urgency.ORDERLY, "the station stops")
            self._far.carry_out(leave, self.circuit.clock(self.circuit.time))


class VehicleWithRemoteStation(SimulatedVehicle):
    """A vehicle whose station is somewhere else: pre-charge is assumed once it is
    ready, and power as it asks.

    ``kind`` is the station that is assumed; ``settings`` are those of ``SimulatedVehicle``. ``reports``:
    nothing is assumed, since ``station_shows`` and ``station_gives`` pass on what the real one reports.
    """

    def __init__(
        self,
        circuit: DcCircuit,
        battery: Battery | None = None,
        *,
        kind: StationPreset | None = None,
        reports: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(circuit, battery, **settings)
        self._far = SimulatedStation(circuit, kind or preset("mcs-max"))
        self._given_a: float | None = None
        if reports:
            # What is reported has been through the ramps of the real supply, and through its lowest voltage.
            supply = self._far.supply
            supply.kind = replace(supply.kind, ramp_a_per_s=_NO_RAMP, pre_charge_v_per_s=_NO_RAMP)
            supply.derate(replace(supply.limits, minimum_voltage_v=0.0))
            self._given_a = 0.0

    def station_shows(self, voltage_v: float, now: float) -> None:
        """The station reports this voltage in pre-charge: the inlet has it from ``now`` on."""
        self._far.carry_out(PreCharge(max(voltage_v, 0.0), 0.0), now)

    def station_gives(self, current_a: float, now: float) -> None:
        """The station reports this current (negative: it takes): from ``now`` on it
        flows, whatever is asked for."""
        self.circuit.advance(now)
        self._given_a = current_a
        self.battery_state(now)

    def battery_state(self, now: float) -> BatteryChanged:
        """What the battery takes and gives now; what it asks for flows from now on."""
        state = super().battery_state(now)
        if self.inlet.closed and self._far.outlet.closed:
            wish = SetPower(state.target_voltage_v, state.target_current_a, state.maximum_charge_power_w)
            if self._given_a is not None:
                charging = self._given_a >= 0.0
                bound_v = state.maximum_voltage_v if charging else state.minimum_voltage_v
                wish = SetPower(bound_v, self._given_a, self._far.kind.limits.maximum_charge_power_w)
            self._far.carry_out(wish, now)
        return state

    def _do(self, action: HardwareAction) -> None:
        now = self.circuit.clock(self.circuit.time)
        match action:
            case SignalReady(ready=True) if self._given_a is None:
                self._far.carry_out(PreCharge(self.battery.open_circuit_v, 2.0), now)
            case CloseContactors():
                self._far.carry_out(action, now)
            case StopPower():
                self._far.carry_out(action, now)
            case OpenContactors(urgency):
                self._given_a = 0.0 if self._given_a is not None else None
                self._far.carry_out(StopPower(urgency), now)
                self._far.carry_out(OpenContactors(Urgency.ORDERLY, "the vehicle opens"), now)
        super()._do(action)
