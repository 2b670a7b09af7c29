"""A simulated vehicle at the other end of a circuit, in the form a virtual clock drives: perform an action,
advance, measure.

The same plant behind asynchronous ports is ``vehicle.ports(sleep, clock)``; see ``async_ports.py``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from iso15118.session import ports
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.actions import (
    CloseContactors,
    GuideVehicle,
    HardwareAction,
    Immobilize,
    OpenContactors,
    SignalReady,
    StopPower,
    StoreContract,
    Urgency,
    UseKey,
)
from iso15118.session.der import InverterAbilities
from iso15118.session.events import (
    BatteryChanged,
    ContactorsChanged,
    Event,
    InletMeasured,
    KeyUsed,
    MobilityChanged,
    SignalState,
)
from iso15118.session.limits import VehicleLimits
from iso15118.session.value_added import WantedService
from iso15118.session.wireless import ReceiverLimits

from .battery import Battery
from .circuit import DcCircuit
from .contactors import ContactorFault, Contactors
from .faults import VEHICLE_CALLS, Faults
from .obeying import Obeying

if TYPE_CHECKING:
    from iso15118.pnc.vehicle_contracts import HeldContracts, StoredContracts

__all__ = ["SimulatedVehicle"]

_CALLS: dict[type[HardwareAction], str] = {
    CloseContactors: "close_contactors",
    OpenContactors: "open_contactors",
    SignalReady: "signal",
    StopPower: "stop_power",
    StoreContract: "store_contract",
    Immobilize: "immobilize",
    GuideVehicle: "guide",
    UseKey: "use_key",
}


class SimulatedVehicle(Obeying):
    """Battery, contactors, inlet measurement and control pilot of one vehicle.

    ``asking`` is True from the start, and again when it gets ready for energy; ``StopPower`` ends it: then
    the battery's target current is zero. ``contactor_s`` is in plant seconds. ``contracts``: what it has for
    Plug and Charge. ``faults`` makes port calls fail; ``inlet.fault`` makes the contactors fail.
    """

    receiver_limits: ReceiverLimits | None = None
    """Of its coil; None: it has none."""
    mobility: MobilityChanged | None = None
    """Whether it stands and is held; None: nobody asks, since it charges by a plug."""

    value_added: tuple[WantedService, ...] = ()
    """What it wants beside energy."""
    _WHAT = "a vehicle"
    _CALLS = _CALLS

    def __init__(
        self,
        circuit: DcCircuit,
        battery: Battery | None = None,
        *,
        contactor_s: float = 0.05,
        contactor_fault: ContactorFault | None = None,
        contracts: HeldContracts | StoredContracts | None = None,
    ) -> None:
        self.circuit = circuit
        self.contracts = contracts
        self.battery = Battery() if battery is None else battery
        self.faults = Faults(VEHICLE_CALLS)
        self.asking = True
        self.charger_limits: AcVehicleLimits | None = None
        self.inverter: InverterAbilities | None = None
        """It has no on-board charger."""
        self.inlet = Contactors(self._contactors_answer, switching_s=contactor_s, fault=contactor_fault)
        self._obey(circuit)
        circuit.attach_vehicle(self.battery, self.inlet, self._agenda)

    # -- driven by a virtual clock -------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """The clock's time at which ``advance`` has something to do; None for never. May lie in the past:
        then at once."""
        circuit = self.circuit
        if self._events:
            return circuit.clock(circuit.time)
        dues = [due for due in (self.inlet.due, self._agenda.due) if due is not None]
        return circuit.clock(min(dues)) if dues else None

    def advance(self, now: float) -> list[Event]:
        """Let the plant reach ``now``; what came due since the last call, in order."""
        self.circuit.advance(now)
        events, self._events = self._events, []
        return events

    def measure(self, now: float) -> InletMeasured:
        """Voltage and current at the inlet, before the contactors. Raises what ``faults`` was told for
        "inlet"."""
        circuit = self.circuit
        circuit.advance(now)
        voltage_v = circuit.cable_v if circuit.plugged else 0.0
        counted = circuit.inlet_meter
        present = InletMeasured(
            voltage_v,
            circuit.current_a,
            charged_wh=counted.charged_wh,
            discharged_wh=counted.discharged_wh,
        )
        return self.faults.reading("inlet", present, now)

    def battery_state(self, now: float) -> BatteryChanged:
        """What the battery takes and gives now. Raises what ``faults`` was told for "battery"."""
        circuit = self.circuit
        circuit.advance(now)
        state = self.battery.state(circuit.current_a, asking=self.asking, time_scale=circuit.pace)
        return self.faults.reading("battery", state, now)

    # -- for whoever runs the vehicle ----------------------------------------------------------------------

    @property
    def limits(self) -> VehicleLimits:
        """What the vehicle declares before charging."""
        return self.battery.limits

    def ports(self, sleep: Callable[[float], Awaitable[None]], clock: Callable[[], float]) -> ports.Vehicle:
        """The same plant as ports for an asynchronous driver; ``sleep`` and ``clock`` are those of its loop,
        in seconds."""
        from .async_ports import VehiclePorts

        return VehiclePorts(self, sleep, clock).bundle()

    # -- inside --------------------------------------------------------------------------------------------

    def _do(self, action: HardwareAction) -> None:
        circuit = self.circuit
        match action:
            case CloseContactors():
                self.asking = True
                self.inlet.request_close(circuit.time)
            case OpenContactors(urgency):
                self._agenda.drop("late close_contactors")
                self.inlet.request_open(circuit.time, at_once=urgency is Urgency.EMERGENCY)
            case SignalReady(ready):
                self.asking = self.asking or ready
                circuit.vehicle_shows(SignalState.C if ready else SignalState.B)
            case StopPower():
                self.asking = False
            case UseKey():
                self._events.append(KeyUsed.of(action))
            case StoreContract(contract) if self.contracts is not None:
                self.contracts.keep(contract)

    def _contactors_answer(self, closed: bool) -> None:
        self._events.append(ContactorsChanged(closed))
