"""A simulated vehicle with an on-board charger at the other end of an AC circuit, in the
form a virtual clock drives.

The same plant behind asynchronous ports is ``vehicle.ports(sleep, clock)``; see ``ac_ports.py``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from iso15118.session import ports
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.actions import (
    CloseContactors,
    FollowGrid,
    HardwareAction,
    OpenContactors,
    SetCharger,
    SignalReady,
    StopPower,
    StoreContract,
    Urgency,
    UseKey,
)
from iso15118.session.der import GridCondition, InverterAbilities
from iso15118.session.events import (
    AcMeasured,
    BatteryChanged,
    ChargerChanged,
    ContactorsChanged,
    Event,
    GridConditionChanged,
    KeyUsed,
    MobilityChanged,
    SignalState,
)
from iso15118.session.value_added import WantedService
from iso15118.session.wireless import ReceiverLimits

from .ac_circuit import AcCircuit
from .battery import Battery
from .charger import OnBoardCharger
from .faults import AC_VEHICLE_CALLS, Faults
from .inverter import SimulatedInverter
from .obeying import Obeying

if TYPE_CHECKING:
    from iso15118.pnc.vehicle_contracts import HeldContracts, StoredContracts

__all__ = ["SimulatedAcVehicle"]

_CALLS: dict[type[HardwareAction], str] = {
    CloseContactors: "close_contactors",
    FollowGrid: "follow_grid",
    OpenContactors: "open_contactors",
    SetCharger: "set_charger",
    SignalReady: "signal",
    StopPower: "stop_power",
    StoreContract: "store_contract",
    UseKey: "use_key",
}


class SimulatedAcVehicle(Obeying):
    """Battery, on-board charger and control pilot of one vehicle. It has no contactors
    that the session could close.

    ``faults`` makes port calls fail; ``charger.ignores`` and ``charger.stuck`` make the charger fail.
    """

    limits = None
    """It has no DC side."""

    receiver_limits: ReceiverLimits | None = None
    """Of its coil; None: it has none."""
    mobility: MobilityChanged | None = None
    """See ``SimulatedVehicle``."""

    value_added: tuple[WantedService, ...] = ()
    """What it wants beside energy."""
    _WHAT = "a vehicle"
    _CALLS = _CALLS

    def __init__(
        self,
        circuit: AcCircuit,
        charger: OnBoardCharger,
        battery: Battery | None = None,
        *,
        contracts: HeldContracts | StoredContracts | None = None,
    ) -> None:
        self.circuit = circuit
        self.charger = charger
        self.contracts = contracts
        self.battery = Battery() if battery is None else battery
        self.faults = Faults(AC_VEHICLE_CALLS)
        self.declared = charger.limits
        self._obey(circuit)
        self._condition = GridCondition()
        circuit.attach_vehicle(self.battery, charger, self._agenda)

    @property
    def asking(self) -> bool:
        """The battery wants energy."""
        return self.circuit.asking

    @property
    def deadline(self) -> float | None:
        """The clock's time at which ``advance`` has something to do; None for never."""
        circuit = self.circuit
        if self._events:
            return circuit.clock(circuit.time)
        return None if self._agenda.due is None else circuit.clock(self._agenda.due)

    def advance(self, now: float) -> list[Event]:
        """Let the plant reach ``now``; what came due since the last call, in order."""
        self.circuit.advance(now)
        self._look_at_grid()
        events, self._events = self._events, []
        return events

    def measure(self, now: float) -> AcMeasured:
        """Values of every phase at the charger's input. Raises what ``faults`` was told for "charger"."""
        self.circuit.advance(now)
        self._look_at_grid()
        return self.faults.reading("charger", self.circuit.measured(inlet=True), now)

    def battery_state(self, now: float) -> BatteryChanged:
        """What the battery takes and gives now. Raises what ``faults`` was told for "battery"."""
        circuit = self.circuit
        circuit.advance(now)
        state = self.battery.state(0.0, asking=circuit.asking)
        return self.faults.reading("battery", state, now)

    @property
    def inverter(self) -> InverterAbilities | None:
        """What the charger can do for the grid; None: nothing."""
        return self.charger.abilities if isinstance(self.charger, SimulatedInverter) else None

    @property
    def condition(self) -> GridCondition:
        """What the inverter sees of the grid."""
        return self.charger.condition if isinstance(self.charger, SimulatedInverter) else GridCondition()

    @property
    def charger_limits(self) -> AcVehicleLimits:
        """What the charger declares before charging."""
        return self.declared

    def derate(self, limits: AcVehicleLimits, now: float) -> None:
        """Other limits of the charger from ``now`` on, as when it gets hot."""
        self.circuit.advance(now)
        self.charger.limits = limits
        self._events.append(ChargerChanged(limits))

    def ports(self, sleep: Callable[[float], Awaitable[None]], clock: Callable[[], float]) -> ports.Vehicle:
        """The same plant as ports for an asynchronous driver."""
        from .ac_ports import AcVehiclePorts

        return AcVehiclePorts(self, sleep, clock).bundle()

    def _look_at_grid(self) -> None:
        """What the inverter sees of the grid is told when it changes."""
        if isinstance(self.charger, SimulatedInverter) and self.charger.condition != self._condition:
            self._condition = self.charger.condition
            self._events.append(GridConditionChanged(self._condition))

    def _do(self, action: HardwareAction) -> None:
        circuit = self.circuit
        match action:
            case FollowGrid(code=code, set_point=set_point):
                if isinstance(self.charger, SimulatedInverter):
                    self.charger.follow(code, set_point)
            case SetCharger(bounds):
                circuit.asking = True
                self.charger.set_power(bounds)
            case CloseContactors() | OpenContactors():
                self._events.append(ContactorsChanged(False))
            case SignalReady(ready):
                circuit.asking = circuit.asking or ready
                circuit.vehicle_shows(SignalState.C if ready else SignalState.B)
            case StopPower(urgency):
                self._agenda.drop("late set_charger")
                circuit.asking = False
                self.charger.stop(at_once=urgency is Urgency.EMERGENCY)
            case UseKey():
                self._events.append(KeyUsed.of(action))
            case StoreContract(contract) if self.contracts is not None:
                self.contracts.keep(contract)
