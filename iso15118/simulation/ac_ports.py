"""The simulated AC plant behind the asynchronous ports of ``session.ports``; see ``async_ports.py``, which it
shares all with that has to do with time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iso15118.energy.grid_functions import DsoSetPoint
from iso15118.errors import HardwareError
from iso15118.session import ports
from iso15118.session.ac_limits import AcBounds, AcStationLimits, AcVehicleLimits, ChargerBounds
from iso15118.session.actions import (
    ChargingNeeds,
    FollowGrid,
    SetAcPower,
    SetCharger,
    StopPower,
    Urgency,
)
from iso15118.session.der import GridCode, GridCondition, InverterAbilities
from iso15118.session.events import (
    AcLimitsChanged,
    AcMeasured,
    BatteryChanged,
    DsoSetPointChanged,
    GridCodeChanged,
    HardwareFault,
    SetPointChanged,
    SignalChanged,
)
from iso15118.session.limits import NO_DC_SIDE, VehicleLimits

from .ac_station import SimulatedAcStation
from .ac_vehicle import SimulatedAcVehicle
from .async_ports import (
    Authorizer,
    Clock,
    ContactorsPort,
    ContractAuthorizer,
    ContractCertificates,
    Contracts,
    MeterReader,
    Plant,
    Schedules,
    Sleep,
    VehicleSignal,
)
from .beside import offers, wishes

if TYPE_CHECKING:
    pass

__all__ = ["AcStationPorts", "AcVehiclePorts"]


class AcStationPorts(Plant):
    """All ports of a simulated AC outlet."""

    def __init__(self, station: SimulatedAcStation, sleep: Sleep, clock: Clock) -> None:
        super().__init__(station, sleep, clock)
        self.station = station
        station.circuit.watch_signal(self.look)

    def bundle(self) -> ports.Station:
        """The ports, as a driver wants them."""
        backend = self.station.contracts
        installs = backend is not None and backend.service is not None
        return ports.Station(
            contract_authorizer=None if backend is None else ContractAuthorizer(self, backend),
            contract_certificates=ContractCertificates(self, backend) if backend and installs else None,
            ac=_Outlet(self),
            contactors=ContactorsPort(self, self.station.outlet),
            authorizer=Authorizer(self),
            meter=MeterReader(self),
            energy=self._energy(),
            signal=_Signal(self),
            value_added=offers(self.station.value_added),
        )

    def _energy(self) -> _Energy:
        """What the energy manager is asked for, and what it knows."""
        if self.station.grid_code is None:
            return _Energy(self) if self.station.timetable is None else _Scheduling(self)
        return _GridEnergy(self) if self.station.timetable is None else _GridScheduling(self)


class _Outlet:
    def __init__(self, plant: AcStationPorts) -> None:
        self._plant = plant

    async def set_power(self, bounds: AcBounds) -> None:
        await self._plant.tell("set_power", SetAcPower(bounds))

    async def stop(self, urgency: Urgency) -> None:
        await self._plant.tell("stop_power", StopPower(urgency))

    @property
    def limits(self) -> AcStationLimits:
        self._plant.look()
        return self._plant.station.ac_limits

    @property
    def capabilities(self) -> AcStationLimits:
        """What the outlet could give at best."""
        return self._plant.station.ac_capabilities

    @property
    def present(self) -> AcMeasured:
        return self._plant.station.measure(self._plant.look())


class _Energy:
    """Pushes limits and set-points, and the faults of the hardware, which have no port of their own."""

    def __init__(self, plant: AcStationPorts) -> None:
        self._plant = plant

    def needs(self, needs: ChargingNeeds) -> None:
        self._plant.station.needs(needs, self._plant.look())
        self._plant.look()

    def listen(self, listener: ports.Listener) -> None:
        self._plant.look()
        self._plant.listen(
            listener, AcLimitsChanged, SetPointChanged, HardwareFault, GridCodeChanged, DsoSetPointChanged
        )


class _GridEnergy(_Energy):
    """It knows the grid code of the site, too."""

    @property
    def grid_code(self) -> GridCode | None:
        return self._plant.station.grid_code


class _Scheduling(Schedules, _Energy):
    """The same, asked for schedules."""


class _GridScheduling(_GridEnergy, _Scheduling):
    """It knows both."""


class _Signal:
    def __init__(self, plant: AcStationPorts) -> None:
        self._plant = plant

    def listen(self, listener: ports.Listener) -> None:
        """The present state is told at once: level and edge."""
        self._plant.look()
        self._plant.listen(listener, SignalChanged)
        listener(SignalChanged(self._plant.station.signal_state))

    async def set_ready(self, ready: bool) -> None:
        """A station shows nothing."""


class AcVehiclePorts(Plant):
    """All ports of a simulated vehicle with an on-board charger."""

    def __init__(self, vehicle: SimulatedAcVehicle, sleep: Sleep, clock: Clock) -> None:
        super().__init__(vehicle, sleep, clock)
        self.vehicle = vehicle

    def bundle(self) -> ports.Vehicle:
        """The ports, as a driver wants them."""
        return ports.Vehicle(
            battery=_Battery(self),
            charger=_Charger(self),
            inverter=None if self.vehicle.inverter is None else _Inverter(self),
            signal=VehicleSignal(self, self.vehicle.circuit),
            value_added=wishes(self.vehicle.value_added),
            contracts=None if self.vehicle.contracts is None else Contracts(self, self.vehicle.contracts),
        )


class _Battery:
    def __init__(self, plant: AcVehiclePorts) -> None:
        self._plant = plant

    @property
    def state(self) -> BatteryChanged:
        return self._plant.vehicle.battery_state(self._plant.look())

    @property
    def limits(self) -> VehicleLimits:
        """It has no DC side that anybody could ask about."""
        return NO_DC_SIDE


class _Charger:
    def __init__(self, plant: AcVehiclePorts) -> None:
        self._plant = plant

    async def set_power(self, bounds: ChargerBounds) -> None:
        await self._plant.tell("set_charger", SetCharger(bounds))

    async def stop(self, urgency: Urgency) -> None:
        await self._plant.tell("stop_power", StopPower(urgency))

    @property
    def limits(self) -> AcVehicleLimits:
        self._plant.look()
        return self._plant.vehicle.charger.limits

    @property
    def present(self) -> AcMeasured:
        return self._plant.vehicle.measure(self._plant.look())


class _Inverter:
    def __init__(self, plant: AcVehiclePorts) -> None:
        self._plant = plant

    @property
    def abilities(self) -> InverterAbilities:
        inverter = self._plant.vehicle.inverter
        if inverter is None:
            raise HardwareError("the charger is no inverter")
        return inverter

    @property
    def condition(self) -> GridCondition:
        self._plant.look()
        return self._plant.vehicle.condition

    async def follow(self, code: GridCode | None, set_point: DsoSetPoint) -> None:
        await self._plant.tell("follow_grid", FollowGrid(code, set_point))
