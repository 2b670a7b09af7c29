"""Stand-ins for the far end of an AC cable, where the two ends are separate processes or
machines; see ``remote_peer``.

A station presumes a vehicle that takes what it is allowed, or what it reports; a vehicle presumes an outlet
that closes when the vehicle is ready and opens when it is not.
"""

from __future__ import annotations

import math
from typing import Any

from iso15118.energy.ac import Phases, each, read
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits, ChargerBounds
from iso15118.session.actions import (
    CloseContactors,
    HardwareAction,
    OpenContactors,
    SetAcPower,
    SignalReady,
    StopPower,
    Urgency,
)
from iso15118.session.events import SignalState

from .ac_circuit import AcCircuit
from .ac_station import SimulatedAcStation
from .ac_vehicle import SimulatedAcVehicle
from .battery import Battery
from .charger import OnBoardCharger

__all__ = ["AcStationWithRemoteVehicle", "AcVehicleWithRemoteStation"]

_NO_RAMP = 1e9  # W/s
_ENDLESS_WH = 1e9
_ANY_A = 63.0
"""What the assumed outlet could give per phase: what is offered stands in its messages."""


class AcStationWithRemoteVehicle(SimulatedAcStation):
    """An outlet whose vehicle is somewhere else. ``settings`` are those of ``SimulatedAcStation``."""

    def __init__(self, circuit: AcCircuit, limits: AcStationLimits, **settings: Any) -> None:
        super().__init__(circuit, limits, **settings)
        most_a = max(limits.maximum_current_a)
        charger = AcVehicleLimits.of(
            current_a=most_a,
            phases=limits.phases,
            minimum_a=0.0,
            discharge_a=most_a if limits.bidirectional else 0.0,
            nominal_voltage_v=limits.nominal_voltage_v,
        )
        # What is reported has been through the ramps of the real charger.
        self._far = SimulatedAcVehicle(
            circuit,
            OnBoardCharger(charger, ramp_w_per_s=_NO_RAMP),
            Battery(capacity_wh=_ENDLESS_WH, soc=50.0, target_soc=100.0, minimum_soc=0.0, resistance_ohm=0.0),
        )
        self._most_a = math.inf
        self._takes_w: Phases | None = None
        circuit.show_signal(SignalState.C)  # nothing shows the real one; hardware would

    def vehicle_declares(self, current_a: float) -> None:
        """The vehicle takes at most so much per phase, which is all that ISO 15118-2 says of its current."""
        self._most_a = max(current_a, 0.0)

    def vehicle_takes(self, base_w: float, l2_w: float | None, l3_w: float | None, now: float) -> None:
        """The vehicle reports this power (negative: it gives), as ISO 15118-20 says it:
        it flows from ``now`` on."""
        self.circuit.advance(now)
        phases = self.circuit.connected if self.told is None else self.told.phases
        self._takes_w = read(base_w, l2_w, l3_w, phases).per_phase
        self._flow()

    def _flow(self) -> None:
        told, charger = self.told, self._far.charger
        if told is None:
            charger.stop(at_once=True)
            return
        amperes = max(told.charge_a) if self._takes_w is None else max(charger.limits.maximum_current_a)
        current = each(min(amperes, self._most_a), told.phases)
        volts = self.ac_capabilities.nominal_voltage_v
        power = each(current[0] * volts, told.phases) if self._takes_w is None else self._takes_w
        charger.set_power(ChargerBounds(phases=told.phases, power_w=power, current_a=current))
        self.circuit.asking = True

    def _do(self, action: HardwareAction) -> None:
        super()._do(action)
        match action:
            case SetAcPower():
                self._flow()
            case StopPower() | OpenContactors():
                self._takes_w = None
                self._flow()
            case _:
                pass


class AcVehicleWithRemoteStation(SimulatedAcVehicle):
    """A vehicle with an on-board charger whose station is somewhere else. ``settings`` are those
    of ``SimulatedAcVehicle``."""

    def __init__(
        self, circuit: AcCircuit, charger: OnBoardCharger, battery: Battery | None = None, **settings: Any
    ) -> None:
        super().__init__(circuit, charger, battery, **settings)
        limits = AcStationLimits.of(
            current_a=_ANY_A,
            phases=charger.limits.phases,
            discharge_a=_ANY_A,
            nominal_voltage_v=max(circuit.grid_v),
            nominal_frequency_hz=circuit.frequency_hz,
        )
        self._far = SimulatedAcStation(circuit, limits)

    def _do(self, action: HardwareAction) -> None:
        now = self.circuit.clock(self.circuit.time)
        super()._do(action)
        match action:
            case SignalReady(ready=True):
                self._far.carry_out(CloseContactors(math.inf), now)
            case SignalReady(ready=False):
                self._far.carry_out(OpenContactors(Urgency.ORDERLY, "the vehicle is not ready"), now)
            case _:
                pass
