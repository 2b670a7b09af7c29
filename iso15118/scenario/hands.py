"""What a scenario can do to one end: its session is told something, its simulated hardware
changes, its wire goes wrong.

The same for a pair in memory and for drivers over sockets, which differ in who hands an event to the
session and who cuts a connection.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final, cast

from msgspec import Struct
from msgspec.structs import replace

from iso15118.errors import ConfigError, HardwareError
from iso15118.scenario.model import Step
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.events import (
    EmergencyShutdown,
    Event,
    HardwareFault,
    MobilityNeedsChanged,
    NeedsChanged,
    PauseRequested,
    PlanChanged,
    ScheduleRenegotiationRequested,
    ServiceRenegotiationRequested,
    SetPointChanged,
    SignalChanged,
    SignalState,
    StandbyRequested,
    StopRequested,
)
from iso15118.session.limits import StationLimits
from iso15118.session.services import SERVICES, ServiceID
from iso15118.session.wireless import PadLimits
from iso15118.settings import choose
from iso15118.simulation import (
    SimulatedAcStation,
    SimulatedAcVehicle,
    SimulatedStation,
    SimulatedVehicle,
    WirelessStation,
    WirelessVehicle,
)
from iso15118.simulation.faults import ReadingFault
from iso15118.testing.wire import Cut, WireFault, WireFaultKind, WireFaults

__all__ = ["Hands", "Hardware", "plan_of"]

Hardware = (
    SimulatedStation
    | SimulatedAcStation
    | WirelessStation
    | SimulatedVehicle
    | SimulatedAcVehicle
    | WirelessVehicle
)

_PIECE: Final = re.compile(r"\s*([0-9.]+)\s*s\s+(-?[0-9.]+)\s*kW\s*", re.ASCII)
_AS_TOLD: Final = "the scenario says so"


class Hands(Struct):
    """One end, as far as a scenario reaches it.

    ``hardware``: its simulated hardware; None: it has other hardware, whose limits and faults are its own.
    ``tell`` hands an event to its session. ``wire``: the faults of what it sends, ``cut`` makes it go away.
    ``now``: the clock of the session, in s.
    """

    role: str
    hardware: Hardware | None
    tell: Callable[[Event], object]
    wire: WireFaults | None
    cut: Callable[[Cut], object]
    now: Callable[[], float]

    def do(self, step: Step) -> None:
        """Carry out ``step``. Raises ``ConfigError`` for what this end cannot do, with the key."""
        why = step.reason or _AS_TOLD
        match step.do:
            case "stop":
                self.tell(StopRequested(why))
            case "pause":
                self.tell(PauseRequested(why))
            case "emergency":
                self.tell(EmergencyShutdown(why))
            case "renegotiate":
                self.tell(ScheduleRenegotiationRequested(why))
            case "renegotiate-service":
                self.tell(ServiceRenegotiationRequested(why, _services(step.services or ())))
            case "standby" | "standby-over":
                self.tell(StandbyRequested(why, step.do == "standby"))
            case "needs":
                kind = NeedsChanged if self.role == "evcc" else MobilityNeedsChanged
                self.tell(kind(step.departure_s, step.minimum_soc, step.target_soc))
            case "fault":
                self.tell(HardwareFault(step.port or "", why))
            case "signal":
                self._show(SignalState[step.signal or ""])
            case "set-point":
                self.tell(SetPointChanged(None if step.power_kw is None else 1000.0 * step.power_kw))
            case "schedule":
                self.tell(PlanChanged((plan_of(step.plan or ()),), self.now()))
            case "limits" | "limits-restored":
                self._limit(step)
            case "call" | "reading" | "hardware-restored":
                self._misbehave(step)
            case "wire":
                self._wire(step.do).add(fault_of(step))
            case "wire-restored":
                self._wire(step.do).clear()
            case "cut":
                self.cut(cast("Cut", WireFaultKind(step.cut).cut))

    def _own(self, do: str) -> Hardware:
        if self.hardware is None:
            raise ConfigError("do", f"{do!r} needs simulated hardware behind the {self.role}", "leave it out")
        return self.hardware

    def _wire(self, do: str) -> WireFaults:
        if self.wire is None:
            raise ConfigError("do", f"{do!r} needs a wire that can be disturbed", "leave it out")
        return self.wire

    def _show(self, state: SignalState) -> None:
        """At the plug, where it is simulated, so that both ends see it."""
        if self.hardware is None or isinstance(self.hardware, WirelessStation | WirelessVehicle):
            self.tell(SignalChanged(state))
        else:
            self.hardware.circuit.show_signal(state)

    def _limit(self, step: Step) -> None:
        hardware, now = self._own(step.do), self.now()
        match hardware:
            case SimulatedStation():
                hardware.derate(_dc_limits(hardware.capabilities, step), now)
            case WirelessStation():
                watts = (
                    hardware.pad_limits.maximum_power_w if step.power_kw is None else 1000.0 * step.power_kw
                )
                hardware.derate(PadLimits(maximum_power_w=watts), now)
            case SimulatedAcStation():
                hardware.derate(_ac_limits(hardware.ac_capabilities, step), now)
            case SimulatedAcVehicle():
                hardware.derate(_ac_limits(hardware.declared, step), now)
            case _:
                hardware.battery.derate(
                    current_a=step.current_a,
                    power_w=None if step.power_kw is None else 1000.0 * step.power_kw,
                )

    def _misbehave(self, step: Step) -> None:
        faults, call = self._own(step.do).faults, step.call
        if call is not None and call not in faults.calls:
            faults.raises(call, times=0)  # says which calls there are
        if step.do == "hardware-restored":
            faults.clear(call)
            return
        call = call or ""
        if step.do == "reading":
            faults.shows(call, ReadingFault[(step.how or "").upper().replace("-", "_")], step.by or 0.0)
            return
        times = math.inf if step.times is None else float(step.times)
        match step.how:
            case "raises":
                faults.raises(call, HardwareError(f"{call}: {step.reason or _AS_TOLD}"), times=times)
            case "late":
                faults.late(call, step.seconds or 0.0, times=times)
            case _:
                faults.never(call, times=times)


def fault_of(step: Step) -> WireFault:
    """The fault that a ``wire`` step is about. Raises ``ConfigError`` for values that are none."""
    kind = WireFaultKind(step.wire)
    lasting = kind in (WireFaultKind.STUCK_ONGOING, WireFaultKind.LIMITS_IGNORED)
    return WireFault(
        kind=kind,
        message=step.message,
        nth=step.nth or 1,
        times=step.times or (None if lasting else 1),
        delay_s=step.seconds or 0.0,
        factor=step.factor or 2.0,
    )


def plan_of(texts: tuple[str, ...]) -> tuple[tuple[float, float], ...]:
    """Durations in s and powers in W of texts such as "600 s 50 kW". Raises ``ConfigError``."""
    pieces = []
    for number, text in enumerate(texts):
        found = _PIECE.fullmatch(text)
        try:
            seconds, kilowatts = (float(found[1]), float(found[2])) if found else (math.nan, math.nan)
        except ValueError:
            seconds = kilowatts = math.nan
        if not (0.0 < seconds <= 86_400.0 and abs(kilowatts) <= 10_000.0):
            raise ConfigError(f"plan[{number}]", f"{text!r} is no piece of a plan", 'such as "600 s 50 kW"')
        pieces.append((seconds, 1000.0 * kilowatts))
    return tuple(pieces)


def _services(names: tuple[str, ...]) -> tuple[ServiceID, ...]:
    known = {entry.name: entry.id for entry in SERVICES.values()}
    return tuple(known[choose("services", name, known)] for name in names)


def _dc_limits(full: StationLimits, step: Step) -> StationLimits:
    """``full``, and no more than the step says; without anything said, all of it."""
    changed: dict[str, float] = {}

    def at_most(name: str, value: float | None) -> None:
        if value is None:
            return
        changed[f"maximum_{name}"] = most = min(getattr(full, f"maximum_{name}"), value)
        least = f"minimum_{name}"
        if getattr(full, least, 0.0) > most:
            changed[least] = most

    watts = None if step.power_kw is None else max(0.0, 1000.0 * step.power_kw)
    for direction in ("charge", "discharge"):
        at_most(f"{direction}_power_w", watts)
        at_most(f"{direction}_current_a", step.current_a)
    at_most("voltage_v", step.voltage_v)
    return replace(full, **changed)


_Ac = AcStationLimits | AcVehicleLimits


def _ac_limits(full: Any, step: Step) -> Any:
    """The same per phase: powers are shared evenly by the phases that there are."""
    if step.voltage_v is not None:
        raise ConfigError("voltage_v", "is the grid's with AC", "power_kw or current_a")
    there = sum(1 for amperes in full.maximum_current_a if amperes > 0.0) or 1
    volts = getattr(full, "nominal_voltage_v", 230.0)
    most_w = math.inf if step.power_kw is None else max(0.0, 1000.0 * step.power_kw) / there
    if step.current_a is not None:
        most_w = min(most_w, step.current_a * volts)

    def at_most(values: tuple[float, ...], most: float) -> tuple[float, ...]:
        return tuple(min(value, most) for value in values)

    changed: dict[str, Any] = {
        name: at_most(getattr(full, name), most_w)
        for name in (
            "maximum_charge_power_w",
            "minimum_charge_power_w",
            "maximum_discharge_power_w",
            "minimum_discharge_power_w",
        )
    }
    if math.isfinite(most_w):
        changed["maximum_current_a"] = at_most(full.maximum_current_a, most_w / volts)
        if isinstance(full, AcVehicleLimits):
            changed["minimum_current_a"] = min(full.minimum_current_a, most_w / volts)
    return replace(full, **changed)
