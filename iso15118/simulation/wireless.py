"""Simulated wireless power: a pad on the ground, the coil of a vehicle over it, and what passes between them.

The pad holds the power that it was told, the vehicle takes what its battery wants of it; ``coupling`` is what
arrives of it, and the rest is lost and booked as such.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from iso15118.errors import ConfigError
from iso15118.session import ports
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.actions import (
    ChargingNeeds,
    HardwareAction,
    OpenContactors,
    ReadMeter,
    RequestAuthorization,
    RequestContractAuthorization,
    RequestContractCertificate,
    RequestSchedules,
    SetPad,
    SetReceiver,
    SignalReady,
    StopPower,
    StoreContract,
    Urgency,
    UseKey,
)
from iso15118.session.events import (
    BatteryChanged,
    ContactorsChanged,
    Event,
    KeyUsed,
    MobilityChanged,
    PadLimitsChanged,
    PadMeasured,
    ReceiverMeasured,
)
from iso15118.session.value_added import WantedService
from iso15118.session.wireless import CoilDiagnosis, PadLimits, ReceiverLimits

from .backend import ContractBackend
from .battery import Battery, charge_current_for
from .circuit import LOOP_S, Chore
from .desk import Desk
from .faults import PAD_STATION_CALLS, PAD_VEHICLE_CALLS, Faults
from .meter import Meter
from .obeying import Obeying
from .pantograph import Bay
from .record import Record
from .timetable import Timetable

if TYPE_CHECKING:
    from iso15118.pnc.vehicle_contracts import HeldContracts, StoredContracts

__all__ = ["PAD_PRESETS", "NoOutlet", "WirelessCircuit", "WirelessStation", "WirelessVehicle"]

_STEP_S = 0.25
_LONGEST_STEP_S = 60.0
_SLACK_S = 1e-6
_RAMP_W_PER_S = 10_000.0
_COIL_V = 400.0
"""By which powers are shown as currents."""
_HERTZ = 85_000.0


PAD_PRESETS: dict[str, PadLimits] = {
    "wpt-3.7": PadLimits(maximum_power_w=3_700.0),
    "wpt-7.7": PadLimits(maximum_power_w=7_700.0),
    "wpt-11": PadLimits(maximum_power_w=11_100.0),
    "wpt-22": PadLimits(maximum_power_w=22_000.0),
}
"""Pads of the four power classes of SAE J2954."""


class NoOutlet:
    """There is nothing that could close."""

    closed = False


class WirelessCircuit:
    """The gap between pad and coil. ``coupling``: the share that arrives where the vehicle is in its place;
    ``beside``: of a vehicle that is not. ``time_scale`` and ``loop_s`` as in ``DcCircuit``. Raises
    ``ConfigError`` for settings that are not possible."""

    def __init__(
        self,
        *,
        coupling: float = 1.0,
        beside: float = 0.1,
        time_scale: float = 1.0,
        loop_s: float = LOOP_S,
        bay: dict[str, Any] | None = None,
    ) -> None:
        for key, value in (("time_scale", time_scale), ("loop_s", loop_s), ("coupling", coupling)):
            if not (math.isfinite(value) and value > 0.0):
                raise ConfigError(key, f"{value!r} is not possible", "a finite number above 0")
        self.coupling, self.beside = coupling, beside
        self.time_scale, self.loop_s = time_scale, loop_s
        self.pace = time_scale * loop_s / LOOP_S
        self.record = Record()
        self.time = 0.0
        """Plant time reached, in s."""
        self.lost_wh = 0.0
        """What was sent and did not arrive."""
        self.bay = Bay(self, **({"start_cm": (2.0, 200.0), "window_cm": (7.5, 10.0)} | (bay or {})))
        self.meter = Meter()
        self.battery: Battery | None = None
        self.told_w: float | None = None
        """What the pad was told to send; None: nothing."""
        self.taken_w: float | None = None
        """What the coil was told to take at most; None: nothing."""
        self.pad_issue = self.coil_issue = CoilDiagnosis.NO_ISSUE
        self.limit_w = math.inf
        self.sends_w = 0.0
        """What the pad sends now."""
        self._chores: list[Chore] = []

    def attach(self, *chores: Chore) -> None:
        """Things of one end that happen at times of their own."""
        self._chores += chores

    @property
    def share(self) -> float:
        """What arrives now of what is sent."""
        return self.coupling if self.bay.position.in_position else self.beside

    @property
    def arrives_w(self) -> float:
        """What the coil gives to the battery now."""
        return self.sends_w * self.share

    @property
    def current_a(self) -> float:
        """The power as a current, for whoever wants to know whether something flows."""
        return self.sends_w / _COIL_V

    def clock(self, time: float) -> float:
        """The clock's time at this plant time."""
        return time / self.time_scale

    def cut(self) -> None:
        """Nothing is sent from this instant."""
        self.told_w, self.sends_w = None, 0.0

    def advance(self, now: float) -> None:
        """Take the plant to the clock's time ``now``; time that is past changes nothing."""
        time = max(now * self.time_scale, self.time)
        while True:
            first: Chore | None = None
            at = time + _SLACK_S
            for chore in self._chores:
                if chore.due is not None and chore.due <= at:
                    first, at = chore, chore.due
            if first is None:
                break
            self._integrate(at)
            first.act(self.time, self.current_a)
        self._integrate(time)

    def _goal_w(self) -> float:
        """What is sent once the ramp is over: no more than is told, taken and wanted."""
        battery = self.battery
        if self.told_w is None or battery is None or self.pad_issue is not CoilDiagnosis.NO_ISSUE:
            return 0.0
        if self.taken_w is None:
            return 0.0
        state = battery.state(0.0)
        wanted = min(state.maximum_charge_power_w, state.target_current_a * state.voltage_v, self.taken_w)
        return min(self.told_w, self.limit_w, wanted / max(self.share, 1e-6))

    def _integrate(self, time: float) -> None:
        seconds = time - self.time
        self.time = max(time, self.time)
        if self.pad_issue is not CoilDiagnosis.NO_ISSUE:
            self.sends_w = 0.0  # its own detection does not wait for anybody
        while seconds > 1e-12:
            goal, before = self._goal_w(), self.sends_w
            if goal == before == 0.0:
                return
            step_s = min(seconds, self._steady_s(before) if goal == before else _STEP_S)
            change = _RAMP_W_PER_S * step_s
            after = min(goal, before + change) if goal > before else max(goal, before - change)
            self._book(before, after, step_s)
            self.sends_w = after
            seconds -= step_s

    def _steady_s(self, power_w: float) -> float:
        """How long this power may be taken to stay, in s: half of what is left
        until the battery has enough."""
        left_wh = 0.0 if self.battery is None else self.battery.energy_to_target_wh
        return max(_STEP_S, min(_LONGEST_STEP_S, 0.5 * left_wh * 3600.0 / max(power_w, 1.0)))

    def _book(self, from_w: float, to_w: float, seconds: float) -> None:
        battery, hours = self.battery, seconds / 3600.0
        if battery is None:
            return
        sent_w = (from_w + to_w) / 2.0
        arrived_w = sent_w * self.share
        amperes = charge_current_for(arrived_w, battery.open_circuit_v, battery.resistance_ohm)
        battery.add(battery.open_circuit_v * amperes * hours, arrived_w * hours)
        self.meter.add(sent_w * hours)
        self.lost_wh += (sent_w - arrived_w) * hours
        record = self.record
        record.steps += 1
        record.transfer_s += seconds
        record.peak_power_w = max(record.peak_power_w, from_w, to_w)
        record.peak_current_a = max(record.peak_current_a, amperes)
        record.maximum_voltage_v = max(record.maximum_voltage_v, battery.open_circuit_v)


_STATION_CALLS: dict[type[HardwareAction], str] = {
    SetPad: "set_pad",
    StopPower: "stop_power",
    ReadMeter: "read_meter",
    RequestAuthorization: "authorize",
    RequestContractAuthorization: "authorize_contract",
    RequestContractCertificate: "certificate_installation",
    RequestSchedules: "schedules",
}
_VEHICLE_CALLS: dict[type[HardwareAction], str] = {
    SetReceiver: "set_receiver",
    StopPower: "stop_power",
    StoreContract: "store_contract",
    UseKey: "use_key",
}


class WirelessStation(Desk):
    """Pad, meter and authorization of one place. ``faults`` makes port calls fail; ``circuit.pad_issue`` and
    ``derate`` make the pad fail. ``id_code``: by which vehicles know it."""

    limits = None
    """It has no DC output."""
    capabilities = None
    ac_limits: AcStationLimits | None = None
    ac_capabilities: AcStationLimits | None = None
    grid_code = None

    _WHAT = "a pad"
    _CALLS = _STATION_CALLS
    _FAULTLESS = frozenset({OpenContactors})

    def __init__(
        self,
        circuit: WirelessCircuit,
        pad: PadLimits,
        *,
        id_code: int = 17,
        accept: bool = True,
        authorization_s: float = 0.0,
        meter_id: str = "SIM-METER-1",
        contracts: ContractBackend | None = None,
        timetable: Timetable | None = None,
    ) -> None:
        super().__init__(circuit, accept, authorization_s, contracts, timetable)
        self.circuit = circuit
        self.faults = Faults(PAD_STATION_CALLS)
        self.id_code = id_code
        self.meter = circuit.meter = Meter(meter_id)
        self.outlet = NoOutlet()
        self._pad = pad
        circuit.attach(self._agenda)

    @property
    def pad_limits(self) -> PadLimits:  # type: ignore[override]  # it is not set from outside
        """What the pad can send now. Raises what ``faults`` was told for "limits"."""
        return self.faults.reading("limits", self._pad, self.circuit.clock(self.circuit.time))

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
        events, self._events = self._events, []
        return events

    def measure(self, now: float) -> PadMeasured:
        """Values of the pad. Raises what ``faults`` was told for "pad"."""
        circuit = self.circuit
        circuit.advance(now)
        present = PadMeasured(
            power_w=circuit.sends_w,
            coil_a=circuit.current_a,
            frequency_hz=_HERTZ,
            diagnosis=circuit.pad_issue,
            vehicle_here=circuit.bay.position.in_position,
        )
        return self.faults.reading("pad", present, now)

    def derate(self, limits: PadLimits, now: float) -> None:
        """Other limits from ``now`` on; ``PadLimitsChanged`` follows from ``advance``."""
        self.circuit.advance(now)
        self._pad, self.circuit.limit_w = limits, limits.maximum_power_w
        self._events.append(PadLimitsChanged(limits))

    def needs(self, needs: ChargingNeeds, now: float) -> None:
        """The vehicle said what it needs: nobody manages energy here."""

    def ports(self, sleep: Callable[[float], Awaitable[None]], clock: Callable[[], float]) -> ports.Station:
        """The same plant as ports for an asynchronous driver."""
        from .wireless_ports import WirelessPorts

        return WirelessPorts(self, sleep, clock).bundle()

    def _do(self, action: HardwareAction) -> None:
        circuit = self.circuit
        match action:
            case SetPad(power_w):
                circuit.told_w = power_w
            case ReadMeter():
                self._events.append(self.meter.read())
            case StopPower(urgency):
                self._agenda.drop("late set_pad")
                circuit.told_w = None
                if urgency is Urgency.EMERGENCY:
                    circuit.cut()
            case OpenContactors():
                self._events.append(ContactorsChanged(False))
            case _:
                self._ask(action)


class WirelessVehicle(Obeying):
    """Battery and coil of one vehicle, which drives over the pad by itself. ``reads``: the code
    that it reads there, None for the pad's. ``faults`` makes port calls fail;
    ``circuit.coil_issue`` makes the coil fail."""

    limits = None
    """It has no DC side."""
    charger_limits: AcVehicleLimits | None = None
    inverter = None
    mobility: MobilityChanged | None = None
    value_added: tuple[WantedService, ...] = ()
    """What it wants beside energy."""
    _WHAT = "a vehicle with a coil"
    _CALLS = _VEHICLE_CALLS
    _FAULTLESS = frozenset({OpenContactors, SignalReady})

    def __init__(
        self,
        circuit: WirelessCircuit,
        receiver: ReceiverLimits,
        battery: Battery | None = None,
        *,
        reads: Callable[[], int | None] = lambda: None,
        contracts: HeldContracts | StoredContracts | None = None,
    ) -> None:
        self.circuit = circuit
        self.receiver_limits = receiver
        self.contracts = contracts
        self.battery = circuit.battery = Battery() if battery is None else battery
        self.faults = Faults(PAD_VEHICLE_CALLS)
        self.reads = reads
        self.asking = True
        self._obey(circuit)
        self._agenda.put("arrive", circuit.bay.arrives_at, circuit.bay.brake)
        circuit.attach(self._agenda)

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
        events, self._events = self._events, []
        return events

    def measure(self, now: float) -> ReceiverMeasured:
        """Values of the coil. Raises what ``faults`` was told for "receiver"."""
        circuit, battery = self.circuit, self.battery
        circuit.advance(now)
        in_place = circuit.bay.position.in_position and self._stands
        present = ReceiverMeasured(
            power_w=circuit.arrives_w,
            coil_a=circuit.current_a,
            voltage_v=battery.open_circuit_v,
            current_a=circuit.arrives_w / battery.open_circuit_v,
            frequency_hz=_HERTZ,
            diagnosis=circuit.coil_issue,
            in_place=in_place,
            pad_code=self.reads() if in_place else None,
        )
        return self.faults.reading("receiver", present, now)

    @property
    def _stands(self) -> bool:
        return self.circuit.time >= self.circuit.bay.arrives_at

    def battery_state(self, now: float) -> BatteryChanged:
        """What the battery takes now. Raises what ``faults`` was told for "battery"."""
        circuit = self.circuit
        circuit.advance(now)
        return self.faults.reading("battery", self.battery.state(0.0, asking=self.asking), now)

    def ports(self, sleep: Callable[[float], Awaitable[None]], clock: Callable[[], float]) -> ports.Vehicle:
        """The same plant as ports for an asynchronous driver."""
        from .wireless_ports import WirelessVehiclePorts

        return WirelessVehiclePorts(self, sleep, clock).bundle()

    def _do(self, action: HardwareAction) -> None:
        circuit = self.circuit
        match action:
            case SetReceiver(power_w):
                self.asking = True
                circuit.taken_w = power_w
            case StopPower():
                self._agenda.drop("late set_receiver")
                self.asking = False
                circuit.taken_w = None
                circuit.sends_w = 0.0  # a coil that takes nothing is one that nothing is sent to
            case OpenContactors():
                self._events.append(ContactorsChanged(False))
            case SignalReady():
                pass
            case UseKey():
                self._events.append(KeyUsed.of(action))
            case StoreContract(contract) if self.contracts is not None:
                self.contracts.keep(contract)
