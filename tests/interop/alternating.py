"""Simulated AC hardware of one end where the other end is another stack: what is assumed there
takes its place on the circuit.

A station presumes a vehicle that shows C and takes what it is told; a vehicle presumes an outlet that closes
when the vehicle shows C and opens when it no longer does.
"""

from __future__ import annotations

from typing import Any

from iso15118.session.ac_limits import AcVehicleLimits, ChargerBounds
from iso15118.session.actions import (
    CloseContactors,
    HardwareAction,
    OpenContactors,
    SetAcPower,
    SetCharger,
    SignalReady,
    StopPower,
    Urgency,
)
from iso15118.session.events import SignalState
from iso15118.simulation import (
    AC_PRESETS,
    AcCircuit,
    Battery,
    OnBoardCharger,
    SimulatedAcStation,
    SimulatedAcVehicle,
)

__all__ = ["LoneAcStation", "LoneAcVehicle"]

_AT_ONCE = 1e6  # W/s
_CLOSES_S = 3.0
_OUTLET = AC_PRESETS["ac-22"]


def _circuit() -> AcCircuit:
    limits = _OUTLET.limits
    return AcCircuit(
        phases=limits.phases, voltage_v=limits.nominal_voltage_v, frequency_hz=limits.nominal_frequency_hz
    )


def _charger() -> OnBoardCharger:
    return OnBoardCharger(AcVehicleLimits.of(current_a=_OUTLET.charger_a, phases=3))


class LoneAcStation(SimulatedAcStation):
    """22 kW; the vehicle that is assumed takes 11 kW of it."""

    def __init__(self, **settings: Any) -> None:
        circuit = _circuit()
        super().__init__(circuit, _OUTLET.limits, **settings)
        # A vehicle is at zero before it says Stop, or answers for it itself: the assumed one follows at once.
        charger = OnBoardCharger(_charger().limits, ramp_w_per_s=_AT_ONCE)
        self._far = SimulatedAcVehicle(circuit, charger, Battery())
        circuit.show_signal(SignalState.C)  # nothing shows the real one; hardware would

    def _do(self, action: HardwareAction) -> None:
        super()._do(action)
        now = self.circuit.clock(self.circuit.time)
        if isinstance(action, SetAcPower):
            told = action.bounds
            self._far.carry_out(
                SetCharger(ChargerBounds(phases=told.phases, power_w=told.charge_w, current_a=told.charge_a)),
                now,
            )
        elif isinstance(action, StopPower | OpenContactors):
            self._far.carry_out(StopPower(Urgency.ORDERLY), now)


class LoneAcVehicle(SimulatedAcVehicle):
    """``battery``: at its on-board charger of 11 kW."""

    def __init__(self, battery: Battery) -> None:
        circuit = _circuit()
        super().__init__(circuit, _charger(), battery)
        self._far = SimulatedAcStation(circuit, _OUTLET.limits)

    def _do(self, action: HardwareAction) -> None:
        super()._do(action)
        if isinstance(action, SignalReady):
            now = self.circuit.clock(self.circuit.time)
            follows = (
                CloseContactors(now + _CLOSES_S)
                if action.ready
                else OpenContactors(Urgency.ORDERLY, "the vehicle leaves")
            )
            self._far.carry_out(follows, now)
