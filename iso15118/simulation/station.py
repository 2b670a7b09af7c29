"""A simulated charging station at one end of a circuit, in the form a virtual clock drives: perform an
action, advance, measure.

The same plant behind asynchronous ports is ``station.ports(sleep, clock)``; see ``async_ports.py``.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from iso15118.session import ports
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.actions import (
    ChargingNeeds,
    CloseContactors,
    ConnectDevice,
    DisconnectDevice,
    HardwareAction,
    OpenContactors,
    PreCharge,
    ReadMeter,
    RequestAuthorization,
    RequestContractAuthorization,
    RequestContractCertificate,
    RequestSchedules,
    SetPower,
    StartCableCheck,
    StopPower,
    Urgency,
    UseKey,
)
from iso15118.session.der import GridCode
from iso15118.session.events import (
    CableCheckFinished,
    ContactorsChanged,
    Event,
    HardwareFault,
    LimitsChanged,
    PowerMeasured,
    SignalChanged,
    SignalState,
)
from iso15118.session.limits import StationLimits

from .backend import ContractBackend
from .cable_check import CableCheck, InsulationMonitor
from .circuit import DcCircuit
from .contactors import ContactorFault, Contactors
from .desk import Desk
from .faults import STATION_CALLS, Faults
from .meter import Meter
from .plan import EnergyPlan
from .presets import StationPreset
from .supply import Mode, Supply
from .timetable import Timetable

__all__ = ["SimulatedStation"]

_CALLS: dict[type[HardwareAction], str] = {
    StartCableCheck: "cable_check",
    PreCharge: "pre_charge",
    CloseContactors: "close_contactors",
    OpenContactors: "open_contactors",
    SetPower: "set_power",
    StopPower: "stop_power",
    ReadMeter: "read_meter",
    ConnectDevice: "connect_device",
    DisconnectDevice: "disconnect_device",
    RequestAuthorization: "authorize",
    RequestContractAuthorization: "authorize_contract",
    RequestContractCertificate: "certificate_installation",
    RequestSchedules: "schedules",
    UseKey: "use_key",
}
_SHOWN_S = 0.2
"""How long a cable check lasts at least, on the clock of whoever looks at it."""


class SimulatedStation(Desk):
    """Supply, contactors, cable check, insulation monitor, meter and authorization of one connector.

    ``accept``/``authorization_s``: what the backend decides and after how long; ``cable_check_s`` and
    ``contactor_s`` durations, in plant seconds; ``jitter`` lets these vary by that share, repeatably for one
    ``seed``; ``bidirectional`` False: it takes nothing back. ``contracts``: the backend for Plug and Charge;
    ``timetable``: schedules that the energy manager gives when it is asked.
    ``faults`` makes port calls fail;
    ``outlet.fault`` and ``insulation`` make the hardware fail.
    """

    _WHAT = "a station"
    _CALLS = _CALLS

    def __init__(
        self,
        circuit: DcCircuit,
        kind: StationPreset,
        *,
        accept: bool = True,
        authorization_s: float = 0.0,
        cable_check_s: float = 5.0,
        insulation_ohm: float = 10e6,
        contactor_s: float = 0.05,
        contactor_fault: ContactorFault | None = None,
        meter_id: str = "SIM-METER-1",
        plan: EnergyPlan | None = None,
        bidirectional: bool = True,
        contracts: ContractBackend | None = None,
        timetable: Timetable | None = None,
        seed: int | None = None,
        jitter: float = 0.0,
    ) -> None:
        super().__init__(circuit, accept, authorization_s, contracts, timetable)
        self.circuit = circuit
        self.kind = kind
        self.ac_limits: AcStationLimits | None = None
        """It has no AC outlet."""
        self.ac_capabilities: AcStationLimits | None = None
        self.grid_code: GridCode | None = None
        self.faults = Faults(STATION_CALLS)
        self.plan = plan
        self.supply = Supply(kind)
        self.capabilities = kind.limits if bidirectional else _charge_only(kind.limits)
        """What the supply can give at best, whatever it is held back to."""
        self.supply.derate(self.capabilities)
        self.outlet = Contactors(self._contactors_answer, switching_s=contactor_s, fault=contactor_fault)
        self.meter = Meter(meter_id)
        self.insulation = InsulationMonitor(kind.insulation_threshold_ohm, insulation_ohm)
        self._check_number = 0
        self.cable_check = CableCheck(
            circuit,
            self.supply,
            self._agenda,
            self.insulation,
            self._cable_check_answer,
            duration_s=cable_check_s,
        )
        circuit.attach_station(self.supply, self.outlet, self.meter, self._agenda)
        self._insulation_reported = False
        self._jitter = jitter
        self._random = random.Random(seed)  # noqa: S311 - repeatable durations, no secrets

    # -- driven by a virtual clock -------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """The clock's time at which ``advance`` has something to do; None for never. May lie in the past:
        then at once."""
        circuit = self.circuit
        if self._events or circuit.signal_news or self._insulation_trips():
            return circuit.clock(circuit.time)
        due = _earlier(self.outlet.due, self._agenda.due)
        return None if due is None else circuit.clock(due)

    def advance(self, now: float) -> list[Event]:
        """Let the plant reach ``now``; what came due since the last call, in order."""
        circuit = self.circuit
        circuit.advance(now)
        if self._insulation_trips():
            self._insulation_reported = True
            ohm = self.insulation.resistance_ohm
            self._events.append(
                HardwareFault("insulation monitor", f"insulation fell to {ohm / 1e3:.0f} kOhm")
            )
        if circuit.signal_news:
            self._events += [SignalChanged(state) for state in circuit.signal_news]
            circuit.signal_news.clear()
        events, self._events = self._events, []
        return events

    def measure(self, now: float) -> PowerMeasured:
        """Voltage and current at the output, behind the contactors. Raises what ``faults`` was told for
        "present"."""
        circuit = self.circuit
        circuit.advance(now)
        return self.faults.reading("present", PowerMeasured(circuit.outlet_v, circuit.current_a), now)

    # -- commands of whoever runs the station --------------------------------------------------------------

    @property
    def limits(self) -> StationLimits:
        """What the supply can give now. Raises what ``faults`` was told for "limits"."""
        return self.faults.reading("limits", self.supply.limits, self.circuit.clock(self.circuit.time))

    @property
    def signal_state(self) -> SignalState:
        """Control pilot, or CE of MCS, now."""
        return self.circuit.signal

    def derate(self, limits: StationLimits, now: float) -> None:
        """Other limits from ``now`` on: the supply keeps them at once, ``LimitsChanged`` follows from
        ``advance``."""
        self.circuit.advance(now)
        self.supply.derate(limits)
        self.circuit.settle()
        self._events.append(LimitsChanged(limits))

    def needs(self, needs: ChargingNeeds, now: float) -> None:
        """The vehicle said what it needs: an energy plan begins to follow the meter."""
        self.circuit.advance(now)
        if self.plan is not None:
            self.plan.begin(
                needs.target_wh,
                self.meter.read(),
                self.supply.limits.maximum_discharge_power_w,
                time_scale=self.circuit.pace,
            )
            self._poll_plan()

    def ports(self, sleep: Callable[[float], Awaitable[None]], clock: Callable[[], float]) -> ports.Station:
        """The same plant as ports for an asynchronous driver; ``sleep`` and ``clock`` are those of its loop,
        in seconds."""
        from .async_ports import StationPorts

        return StationPorts(self, sleep, clock).bundle()

    # -- inside --------------------------------------------------------------------------------------------

    def _do(self, action: HardwareAction) -> None:
        circuit = self.circuit
        match action:
            case SetPower(voltage_v, current_a, power_w):
                if not circuit.plugged:
                    return
                self.supply.set_power(voltage_v, current_a, power_w)
                circuit.settle()
            case ReadMeter():
                self._events.append(self.meter.read())
            case StartCableCheck(voltage_v, _, insulation_ohm, number):
                self._check_number = number
                # The service's threshold, or the connector's own if that is the stricter.
                self.insulation.asked_ohm = insulation_ohm
                # However fast the plant is, its output shows the test voltage to whoever looks at it.
                shown_s = _SHOWN_S * circuit.time_scale
                self.cable_check.start(voltage_v, max(self._varied(self.cable_check.duration_s), shown_s))
            case PreCharge(voltage_v):
                self.supply.pre_charge(voltage_v)
            case CloseContactors():
                self.outlet.request_close(circuit.time)
            case OpenContactors(urgency):
                self._agenda.drop("late close_contactors")
                self.outlet.request_open(circuit.time, at_once=urgency is Urgency.EMERGENCY)
            case StopPower(urgency):
                for call in ("set_power", "pre_charge", "cable_check"):
                    self._agenda.drop(f"late {call}")
                self.cable_check.abort("stopped")
                self.supply.stop(at_once=urgency is Urgency.EMERGENCY)
            case _:
                self._ask(action)

    def _contactors_answer(self, closed: bool) -> None:
        self._events.append(ContactorsChanged(closed))

    def _cable_check_answer(self, reason: str | None) -> None:
        self._events.append(CableCheckFinished(reason is None, reason or "", self._check_number))

    def _insulation_trips(self) -> bool:
        return (
            not self._insulation_reported
            and not self.insulation.good
            and self.supply.mode is Mode.POWER
            and self.outlet.closed
        )

    def _poll_plan(self) -> None:
        circuit, plan = self.circuit, self.plan
        if plan is None or not plan.active:
            return
        event = plan.poll(circuit.clock(circuit.time), self.meter.read())
        if event is not None:
            self._events.append(event)
        if plan.active:
            self._agenda.put("plan", circuit.time + circuit.loop_s * circuit.time_scale, self._poll_plan)

    def _varied(self, seconds: float) -> float:
        return seconds * (1.0 + self._jitter * self._random.uniform(-1.0, 1.0)) if self._jitter else seconds


def _earlier(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _charge_only(limits: StationLimits) -> StationLimits:
    return StationLimits(
        maximum_charge_power_w=limits.maximum_charge_power_w,
        maximum_charge_current_a=limits.maximum_charge_current_a,
        maximum_voltage_v=limits.maximum_voltage_v,
        minimum_charge_power_w=limits.minimum_charge_power_w,
        minimum_charge_current_a=limits.minimum_charge_current_a,
        minimum_voltage_v=limits.minimum_voltage_v,
    )
