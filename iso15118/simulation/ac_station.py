"""A simulated AC outlet at one end of a circuit, in the form a virtual clock drives: perform
an action, advance, measure.

The same plant behind asynchronous ports is ``station.ports(sleep, clock)``; see ``ac_ports.py``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from iso15118.energy.ac import Phases
from iso15118.energy.grid_functions import DsoSetPoint
from iso15118.session import ports
from iso15118.session.ac_limits import AcBounds, AcStationLimits
from iso15118.session.actions import (
    ChargingNeeds,
    CloseContactors,
    HardwareAction,
    OpenContactors,
    ReadMeter,
    RequestAuthorization,
    RequestContractAuthorization,
    RequestContractCertificate,
    RequestSchedules,
    SetAcPower,
    StopPower,
    Urgency,
    UseKey,
)
from iso15118.session.der import GridCode
from iso15118.session.events import (
    AcLimitsChanged,
    AcMeasured,
    ContactorsChanged,
    DsoSetPointChanged,
    Event,
    GridCodeChanged,
    SignalChanged,
    SignalState,
)

from .ac_circuit import AcCircuit
from .backend import ContractBackend
from .contactors import ContactorFault, Contactors
from .desk import Desk
from .faults import STATION_CALLS, Faults
from .meter import Meter
from .plan import EnergyPlan
from .timetable import Timetable

__all__ = ["SimulatedAcStation"]

_CALLS: dict[type[HardwareAction], str] = {
    CloseContactors: "close_contactors",
    OpenContactors: "open_contactors",
    SetAcPower: "set_power",
    StopPower: "stop_power",
    ReadMeter: "read_meter",
    RequestAuthorization: "authorize",
    RequestContractAuthorization: "authorize_contract",
    RequestContractCertificate: "certificate_installation",
    RequestSchedules: "schedules",
    UseKey: "use_key",
}


class SimulatedAcStation(Desk):
    """Contactor, meter and authorization of one AC outlet.

    ``faults`` makes port calls fail; ``outlet.fault`` and ``lose_phase`` make the hardware fail. The
    rest as in ``SimulatedStation``.
    """

    limits = None
    """It has no DC output."""
    capabilities = None
    _WHAT = "an AC outlet"
    _CALLS = _CALLS

    def __init__(
        self,
        circuit: AcCircuit,
        limits: AcStationLimits,
        *,
        accept: bool = True,
        authorization_s: float = 0.0,
        contactor_s: float = 0.05,
        contactor_fault: ContactorFault | None = None,
        meter_id: str = "SIM-METER-1",
        plan: EnergyPlan | None = None,
        contracts: ContractBackend | None = None,
        grid_code: GridCode | None = None,
        timetable: Timetable | None = None,
    ) -> None:
        super().__init__(circuit, accept, authorization_s, contracts, timetable)
        self.circuit = circuit
        self.ac_capabilities = limits
        """What the outlet can give at best."""
        self.grid_code = grid_code
        """What the site asks of a vehicle that is an energy resource."""
        self.faults = Faults(STATION_CALLS)
        self.plan = plan
        self.meter = Meter(meter_id)
        self.outlet = Contactors(self._contactors_answer, switching_s=contactor_s, fault=contactor_fault)
        self.told: AcBounds | None = None
        """What the vehicle was last told, as this outlet heard it; None: to stop."""
        self._limits = limits
        circuit.attach_station(self.outlet, self.meter, self._agenda)
        circuit.signal_news.append(circuit.signal)  # level and edge: a session is told where the pilot is

    # -- driven by a virtual clock -------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """The clock's time at which ``advance`` has something to do; None for never."""
        circuit = self.circuit
        if self._events or circuit.signal_news:
            return circuit.clock(circuit.time)
        dues = [due for due in (self.outlet.due, self._agenda.due) if due is not None]
        return circuit.clock(min(dues)) if dues else None

    def advance(self, now: float) -> list[Event]:
        """Let the plant reach ``now``; what came due since the last call, in order."""
        circuit = self.circuit
        circuit.advance(now)
        self._events += [SignalChanged(state) for state in circuit.signal_news]
        circuit.signal_news.clear()
        events, self._events = self._events, []
        return events

    def measure(self, now: float) -> AcMeasured:
        """Values of every phase at the outlet. Raises what ``faults`` was told for "present"."""
        self.circuit.advance(now)
        return self.faults.reading("present", self.circuit.measured(), now)

    # -- commands of whoever runs the station --------------------------------------------------------------

    @property
    def ac_limits(self) -> AcStationLimits:
        """What the outlet can give now. Raises what ``faults`` was told for "limits"."""
        return self.faults.reading("limits", self._limits, self.circuit.clock(self.circuit.time))

    @property
    def signal_state(self) -> SignalState:
        """The control pilot now."""
        return self.circuit.signal

    def derate(self, limits: AcStationLimits, now: float) -> None:
        """Other limits from ``now`` on; ``AcLimitsChanged`` follows from ``advance``."""
        self.circuit.advance(now)
        self._limits = limits
        self._events.append(AcLimitsChanged(limits))

    def lose_phase(self, index: int, now: float) -> None:
        """A phase (0 to 2) of the grid is gone, and with it what the outlet can give there."""
        self.circuit.advance(now)

        def without(values: Phases) -> Phases:
            left = [0.0 if at == index else value for at, value in enumerate(values)]
            return left[0], left[1], left[2]

        self.circuit.grid_v = without(self.circuit.grid_v)
        limits = self._limits
        self.derate(
            AcStationLimits(
                phases=limits.phases,
                nominal_voltage_v=limits.nominal_voltage_v,
                nominal_frequency_hz=limits.nominal_frequency_hz,
                maximum_current_a=without(limits.maximum_current_a),
                maximum_charge_power_w=without(limits.maximum_charge_power_w),
                maximum_discharge_power_w=without(limits.maximum_discharge_power_w),
            ),
            now,
        )

    def ask(self, code: GridCode | None, now: float) -> None:
        """Another grid code from ``now`` on."""
        self.circuit.advance(now)
        self.grid_code = code
        self._events.append(GridCodeChanged(code))

    def operate(self, set_point: DsoSetPoint, now: float) -> None:
        """The operator of the grid wants this from ``now`` on."""
        self.circuit.advance(now)
        self._events.append(DsoSetPointChanged(set_point))

    def needs(self, needs: ChargingNeeds, now: float) -> None:
        """The vehicle said what it needs: an energy plan begins to follow the meter."""
        self.circuit.advance(now)
        if self.plan is not None:
            most = sum(self._limits.maximum_discharge_power_w)
            self.plan.begin(needs.target_wh, self.meter.read(), most, time_scale=self.circuit.pace)
            self._poll_plan()

    def ports(self, sleep: Callable[[float], Awaitable[None]], clock: Callable[[], float]) -> ports.Station:
        """The same plant as ports for an asynchronous driver."""
        from .ac_ports import AcStationPorts

        return AcStationPorts(self, sleep, clock).bundle()

    # -- inside --------------------------------------------------------------------------------------------

    def _do(self, action: HardwareAction) -> None:
        circuit = self.circuit
        match action:
            case SetAcPower(bounds):
                self.told = bounds
                if not self.outlet.closed:
                    circuit.connected = bounds.phases
            case ReadMeter():
                self._events.append(self.meter.read())
            case CloseContactors():
                self.outlet.request_close(circuit.time)
            case OpenContactors(urgency):
                self._agenda.drop("late close_contactors")
                self.outlet.request_open(circuit.time, at_once=urgency is Urgency.EMERGENCY)
            case StopPower():
                self._agenda.drop("late set_power")
                self.told = None
            case _:
                self._ask(action)

    def _contactors_answer(self, closed: bool) -> None:
        self._events.append(ContactorsChanged(closed))

    def _poll_plan(self) -> None:
        circuit, plan = self.circuit, self.plan
        if plan is None or not plan.active:
            return
        event = plan.poll(circuit.clock(circuit.time), self.meter.read())
        if event is not None:
            self._events.append(event)
        if plan.active:
            self._agenda.put("plan", circuit.time + circuit.loop_s * circuit.time_scale, self._poll_plan)
