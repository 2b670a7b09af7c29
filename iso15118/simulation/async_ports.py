"""The simulated plant behind the asynchronous ports of ``session.ports``, for drivers that run on an event
loop.

Nothing here knows which loop: ``sleep`` and ``clock`` come from it. Answers are returned by the coroutines;
what happens unasked (signal, limits, set-points, hardware faults) is pushed to listeners whenever the plant
is looked at, which a charge loop does often, and by ``follow``, which a driver may run beside the session so
that nothing has to wait for the next look.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from iso15118.errors import HardwareError
from iso15118.pnc.contracts import ContractClaim, Refusal
from iso15118.session import ports
from iso15118.session.actions import (
    ChargingNeeds,
    CloseContactors,
    HardwareAction,
    OpenContactors,
    PreCharge,
    ReadMeter,
    RequestAuthorization,
    RequestContractAuthorization,
    RequestSchedules,
    SetPower,
    SignalReady,
    StartCableCheck,
    StopPower,
    StoreContract,
    Urgency,
)
from iso15118.session.events import (
    AuthorizationDecided,
    BatteryChanged,
    CableCheckFinished,
    ContactorsChanged,
    ContractDecided,
    Event,
    HardwareFault,
    InletMeasured,
    LimitsChanged,
    MeterRead,
    PowerMeasured,
    SchedulesGiven,
    SetPointChanged,
    SignalChanged,
    SignalState,
)
from iso15118.session.limits import StationLimits, VehicleLimits

from .backend import ContractBackend
from .beside import offers, wishes
from .contactors import Contactors
from .faults import Faults
from .station import SimulatedStation
from .vehicle import SimulatedVehicle

if TYPE_CHECKING:
    from iso15118.energy.offer import ScheduleOffer
    from iso15118.pki import Credential
    from iso15118.pki.keys.signer import Signer
    from iso15118.pnc.authorization import ContractTrust
    from iso15118.pnc.vehicle_contracts import HeldContracts, StoredContracts, VehicleContracts

    from .timetable import Timetable

__all__ = ["StationPorts", "VehiclePorts"]

Sleep = Callable[[float], Awaitable[None]]
Clock = Callable[[], float]

Answer = TypeVar("Answer", bound=Event)

_SHORT_S = 0.001  # the shortest sleep while something is due
_LOOK_S = 0.25  # ``follow`` looks at the plant at least this often
_FOREVER_S = 3600.0  # a call that never answers sleeps in pieces of this


class Side(Protocol):
    """A simulated station or vehicle, whatever flows in it."""

    faults: Faults

    @property
    def deadline(self) -> float | None: ...
    def advance(self, now: float) -> list[Event]: ...
    def carry_out(self, action: HardwareAction, now: float) -> list[Event]: ...


class Shows(Protocol):
    """A circuit with a control pilot."""

    signal: SignalState


class Plant:
    """What both sides share: time, answers that are awaited, and listeners."""

    def __init__(self, side: Side, sleep: Sleep, clock: Clock) -> None:
        self._side = side
        self._sleep = sleep
        self._clock = clock
        self._answers: list[Event] = []
        self._waiting = 0
        self._listeners: list[tuple[ports.Listener, tuple[type[Event], ...]]] = []

    def look(self) -> float:
        """Bring the plant to the present, hand out what happened, and return the time."""
        now = self._clock()
        self._hand_out(self._side.advance(now))
        return now

    async def follow(self) -> None:
        """Keep the plant in step with the clock for as long as this runs; cancel it
        when the session is over."""
        while True:
            now = self.look()
            deadline = self._side.deadline
            await self._sleep(_LOOK_S if deadline is None else min(_LOOK_S, max(_SHORT_S, deadline - now)))

    def listen(self, listener: ports.Listener, *kinds: type[Event]) -> None:
        """Push events of these kinds to ``listener`` from now on."""
        self._listeners.append((listener, kinds))

    def _hand_out(self, events: list[Event]) -> None:
        for event in events:
            if self._waiting:
                self._answers.append(event)
            for listener, kinds in self._listeners:
                if isinstance(event, kinds):
                    listener(event)

    async def tell(self, call: str, action: HardwareAction) -> None:
        """Carry out ``action``, which has no answer; ``call`` is its name among the faults."""
        await self._misbehave(call)
        self._hand_out(self._side.carry_out(action, self.look()))

    async def ask(self, call: str, action: HardwareAction, kind: type[Answer]) -> Answer:
        """Carry out ``action`` and wait for the next event of ``kind``, its answer."""
        await self._misbehave(call)
        now = self.look()
        seen = len(self._answers)
        self._waiting += 1
        try:
            self._hand_out(self._side.carry_out(action, now))
            while True:
                for event in self._answers[seen:]:
                    if isinstance(event, kind):
                        return event
                seen = len(self._answers)
                deadline = self._side.deadline
                if deadline is None:
                    raise HardwareError(f"{call} was not answered")
                await self._sleep(max(_SHORT_S, deadline - self._clock()))
                self.look()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._answers.clear()

    def tell_now(self, action: HardwareAction) -> None:
        """Carry out ``action``, which takes no time."""
        self._hand_out(self._side.carry_out(action, self.look()))

    async def rest(self) -> None:
        """Wait for the next thing that the plant does."""
        deadline = self._side.deadline
        left = _LOOK_S if deadline is None else deadline - self._clock()
        await self._sleep(min(_LOOK_S, max(_SHORT_S, left)))
        self.look()

    async def pause(self, call: str, seconds: float) -> None:
        """Take the time that ``call`` takes, in s of the clock, without an action of the plant."""
        await self._misbehave(call)
        if seconds > 0.0:
            await self._sleep(seconds)

    async def _misbehave(self, call: str) -> None:
        fault = self._side.faults.take(call)
        if fault is None:
            return
        if fault.error is not None:
            raise fault.error
        while fault.never:
            await self._sleep(_FOREVER_S)
        await self._sleep(fault.delay_s)


# -- station --------------------------------------------------------------------------------------------


class StationPorts(Plant):
    """All ports of a simulated station."""

    def __init__(self, station: SimulatedStation, sleep: Sleep, clock: Clock) -> None:
        super().__init__(station, sleep, clock)
        self.station = station
        # A vehicle of the same process is heard at once, not at the next look.
        station.circuit.watch_signal(self.look)

    def bundle(self) -> ports.Station:
        """The ports, as a driver wants them."""
        backend = self.station.contracts
        installs = backend is not None and backend.service is not None
        return ports.Station(
            contract_authorizer=None if backend is None else ContractAuthorizer(self, backend),
            contract_certificates=ContractCertificates(self, backend) if backend and installs else None,
            power=_Power(self),
            contactors=ContactorsPort(self, self.station.outlet),
            cable_check=_CableCheck(self),
            authorizer=Authorizer(self),
            meter=MeterReader(self),
            energy=_Energy(self) if self.station.timetable is None else _Scheduling(self),
            signal=_StationSignal(self),
            value_added=offers(self.station.value_added),
        )


class _Power:
    def __init__(self, plant: StationPorts) -> None:
        self._plant = plant

    async def pre_charge(self, voltage_v: float, current_a: float) -> None:
        await self._plant.tell("pre_charge", PreCharge(voltage_v, current_a))

    async def set_power(self, voltage_v: float, current_a: float, power_w: float) -> None:
        await self._plant.tell("set_power", SetPower(voltage_v, current_a, power_w))

    async def stop(self, urgency: Urgency) -> None:
        await self._plant.tell("stop_power", StopPower(urgency))

    @property
    def limits(self) -> StationLimits:
        self._plant.look()
        return self._plant.station.limits

    @property
    def capabilities(self) -> StationLimits:
        """What the supply could give at best."""
        return self._plant.station.capabilities

    @property
    def present(self) -> PowerMeasured:
        return self._plant.station.measure(self._plant.look())


class ContactorsPort:
    def __init__(self, plant: Plant, contactors: Contactors) -> None:
        self._plant = plant
        self._contactors = contactors

    async def close(self) -> bool:
        # The session that asks watches the time; this deadline binds nothing in the plant.
        action = CloseContactors(self._plant.look())
        answer = await self._plant.ask("close_contactors", action, ContactorsChanged)
        return answer.closed

    async def open(self, urgency: Urgency, reason: str) -> None:
        await self._plant.ask("open_contactors", OpenContactors(urgency, reason), ContactorsChanged)

    @property
    def closed(self) -> bool:
        self._plant.look()
        return self._contactors.closed


class _CableCheck:
    def __init__(self, plant: StationPorts) -> None:
        self._plant = plant

    async def run(self, voltage_v: float, insulation_ohm: float) -> bool | str:
        action = StartCableCheck(voltage_v, self._plant.look(), insulation_ohm)
        answer = await self._plant.ask("cable_check", action, CableCheckFinished)
        return True if answer.ok else answer.reason


class Authorizer:
    def __init__(self, plant: Plant) -> None:
        self._plant = plant

    async def authorize(self, evccid: str) -> bool:
        answer = await self._plant.ask("authorize", RequestAuthorization(evccid), AuthorizationDecided)
        return answer.accepted


class ContractAuthorizer:
    def __init__(self, plant: Plant, backend: ContractBackend) -> None:
        self._plant = plant
        self._backend = backend

    @property
    def trust(self) -> ContractTrust:
        """Read when a session begins: roots may have been changed since the last one."""
        return self._backend.trust

    async def authorize_contract(self, claim: ContractClaim) -> bool | Refusal:
        action = RequestContractAuthorization(claim)
        answer = await self._plant.ask("authorize_contract", action, ContractDecided)
        return True if answer.refusal is None else answer.refusal


class ContractCertificates:
    """Passes octets on: what a backend reads of them is its own business."""

    def __init__(self, plant: Plant, backend: ContractBackend) -> None:
        self._plant = plant
        self._backend = backend

    async def certificate_installation(self, request: bytes, schema: str) -> bytes | Refusal:
        await self._plant.pause("certificate_installation", self._backend.installation_s)
        service = self._backend.service_of(schema)
        return Refusal.NOT_AVAILABLE if service is None else service.answer_exi(request)


class MeterReader:
    def __init__(self, plant: Plant) -> None:
        self._plant = plant

    async def read(self) -> MeterRead:
        return await self._plant.ask("read_meter", ReadMeter(), MeterRead)


class _Energy:
    """Pushes limits and set-points, and the faults of the hardware, which have no port of their own."""

    def __init__(self, plant: StationPorts) -> None:
        self._plant = plant

    def needs(self, needs: ChargingNeeds) -> None:
        self._plant.station.needs(needs, self._plant.look())
        self._plant.look()

    def listen(self, listener: ports.Listener) -> None:
        self._plant.look()
        self._plant.listen(listener, LimitsChanged, SetPointChanged, HardwareFault)


class Schedules:
    """An energy port that is asked for schedules, too."""

    _plant: Any  # of a station, whatever flows in it

    @property
    def price_signers(self) -> tuple[Signer, ...]:
        """Keys that prices are signed with."""
        table: Timetable | None = self._plant.station.timetable
        return () if table is None else table.price_signers

    async def schedules(self, needs: ChargingNeeds) -> tuple[ScheduleOffer, ...]:
        """The timetable's."""
        action = RequestSchedules(needs, 0, self._plant.look())
        answer: SchedulesGiven = await self._plant.ask("schedules", action, SchedulesGiven)
        return answer.offers


class _Scheduling(Schedules, _Energy):
    """Both."""


class _StationSignal:
    def __init__(self, plant: StationPorts) -> None:
        self._plant = plant

    def listen(self, listener: ports.Listener) -> None:
        """The present state is told at once: level and edge."""
        self._plant.look()
        self._plant.listen(listener, SignalChanged)
        listener(SignalChanged(self._plant.station.signal_state))

    async def set_ready(self, ready: bool) -> None:
        """A station shows nothing."""


# -- vehicle --------------------------------------------------------------------------------------------


class VehiclePorts(Plant):
    """All ports of a simulated vehicle."""

    def __init__(self, vehicle: SimulatedVehicle, sleep: Sleep, clock: Clock) -> None:
        super().__init__(vehicle, sleep, clock)
        self.vehicle = vehicle

    def bundle(self) -> ports.Vehicle:
        """The ports, as a driver wants them."""
        return ports.Vehicle(
            battery=_Battery(self),
            contactors=ContactorsPort(self, self.vehicle.inlet),
            inlet=_Inlet(self),
            signal=VehicleSignal(self, self.vehicle.circuit),
            value_added=wishes(self.vehicle.value_added),
            contracts=None if self.vehicle.contracts is None else Contracts(self, self.vehicle.contracts),
        )


class _Battery:
    def __init__(self, plant: VehiclePorts) -> None:
        self._plant = plant

    @property
    def state(self) -> BatteryChanged:
        return self._plant.vehicle.battery_state(self._plant.look())

    @property
    def limits(self) -> VehicleLimits:
        return self._plant.vehicle.limits


class _Inlet:
    def __init__(self, plant: VehiclePorts) -> None:
        self._plant = plant

    @property
    def present(self) -> InletMeasured:
        return self._plant.vehicle.measure(self._plant.look())


class Contracts:
    def __init__(self, plant: Plant, store: HeldContracts | StoredContracts) -> None:
        self._plant = plant
        self._store = store

    @property
    def present(self) -> VehicleContracts:
        return self._store.present

    async def store(self, contract: Credential) -> None:
        await self._plant.tell("store_contract", StoreContract(contract))


class VehicleSignal:
    """The vehicle's side of the control pilot of ``circuit``."""

    def __init__(self, plant: Plant, circuit: Shows) -> None:
        self._plant = plant
        self._circuit = circuit

    def listen(self, listener: ports.Listener) -> None:
        """The present state is told at once; a vehicle's own signal changes only by ``set_ready``."""
        self._plant.look()
        listener(SignalChanged(self._circuit.signal))

    async def set_ready(self, ready: bool) -> None:
        await self._plant.tell("signal", SignalReady(ready))
