"""The cable check and the insulation monitor behind it: below 60 V, test voltage, insulation, below 60 V
again.

After IEC 61851-23 CC.4.1.2, as far as public implementations show it; durations are settings, real hardware
takes tens of seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .pending import Agenda

if TYPE_CHECKING:
    from .circuit import DcCircuit
    from .supply import Supply

__all__ = ["SAFE_V", "CableCheck", "InsulationMonitor", "shortest_check_s"]

SAFE_V = 60.0
"""Below this the output counts as discharged."""

TOLERANCE_V = 10.0
"""The test voltage has to be met this closely."""

_FALL_S = 1.0  # the last part of the check: the output is given this long to discharge


def shortest_check_s(voltage_v: float, slope_v_per_s: float) -> float:
    """How long a check lasts at least, in seconds of the plant: the output has to reach the test
    voltage, and to fall again."""
    return voltage_v / slope_v_per_s + _FALL_S


class InsulationMonitor:
    """Measures the insulation of the circuit against earth. ``threshold_ohm``: 100 kOhm for CCS, 125 kOhm for
    MCS."""

    def __init__(
        self, threshold_ohm: float, resistance_ohm: float = 10e6, *, self_test_ok: bool = True
    ) -> None:
        self.threshold_ohm = threshold_ohm
        self.asked_ohm = 0.0
        """What a cable check asks for."""
        self.resistance_ohm = resistance_ohm
        self.self_test_ok = self_test_ok

    @property
    def good(self) -> bool:
        """The insulation is at or above the threshold."""
        return self.resistance_ohm >= self.least_ohm

    @property
    def least_ohm(self) -> float:
        """The stricter of what the connector has and what was asked for."""
        return max(self.threshold_ohm, self.asked_ohm)


class CableCheck:
    """One cable check after the other; ``answer`` is told the outcome, None or the reason why the cable is
    not good."""

    def __init__(
        self,
        circuit: DcCircuit,
        supply: Supply,
        agenda: Agenda,
        insulation: InsulationMonitor,
        answer: Callable[[str | None], None],
        *,
        duration_s: float = 5.0,
    ) -> None:
        self.duration_s = duration_s
        self.running = False
        self._circuit = circuit
        self._supply = supply
        self._agenda = agenda
        self._insulation = insulation
        self._answer = answer
        self._found: str | None = None

    def start(self, voltage_v: float, duration_s: float | None = None) -> None:
        """Start at ``voltage_v``; one that runs already is replaced. ``duration_s`` overrides the usual
        duration, in plant seconds."""
        circuit = self._circuit
        self.running = True
        if circuit.outlet_v >= SAFE_V:
            self._finish(f"{circuit.outlet_v:.0f} V at the output before the check")
            return
        self._supply.pre_charge(voltage_v)
        lasts = self.duration_s if duration_s is None else duration_s
        self._agenda.put(
            "cable_check", circuit.time + max(0.0, lasts - _FALL_S), lambda: self._measure(voltage_v)
        )

    def abort(self, reason: str) -> None:
        """Whatever runs is over, and not good."""
        if self.running:
            self._agenda.drop("cable_check")
            self._finish(reason)

    def _measure(self, voltage_v: float) -> None:
        insulation = self._insulation
        self._found = None
        if abs(self._supply.output_v - voltage_v) > TOLERANCE_V:
            self._found = f"test voltage {voltage_v:.0f} V not reached, {self._supply.output_v:.0f} V"
        elif not insulation.self_test_ok:
            self._found = "the self test of the insulation monitor failed"
        elif not insulation.good:
            ohm, least_ohm = insulation.resistance_ohm, insulation.least_ohm
            self._found = f"insulation {ohm / 1e3:.0f} kOhm is below {least_ohm / 1e3:.0f} kOhm"
        self._supply.stop(at_once=True)
        self._agenda.put("cable_check", self._circuit.time + _FALL_S, self._discharged)

    def _discharged(self) -> None:
        left_v = self._circuit.outlet_v
        if self._found is None and left_v >= SAFE_V:
            self._found = f"{left_v:.0f} V at the output after the check"
        self._finish(self._found)

    def _finish(self, outcome: str | None) -> None:
        self.running = False
        self._answer(outcome)
