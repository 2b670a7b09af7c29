"""The plants of the trials, which are driven and judged alike: one for each family of
ports that can misbehave."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from iso15118.energy.offer import PowerOffer, ScheduleOffer
from iso15118.evcc import EvccConfig
from iso15118.secc import SeccConfig
from iso15118.session import ports
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.coupling import DevicePosition
from iso15118.session.events import AcLimitsChanged, Event, LimitsChanged, PadLimitsChanged
from iso15118.session.services import ControlMode, ServiceID
from iso15118.session.wireless import PadLimits, ReceiverLimits
from iso15118.simulation import (
    AcCircuit,
    Battery,
    Bay,
    DcCircuit,
    OnBoardCharger,
    PantographStation,
    PantographVehicle,
    SimulatedAcStation,
    SimulatedAcVehicle,
    SimulatedInverter,
    Timetable,
    WirelessCircuit,
    WirelessStation,
    WirelessVehicle,
    european,
    preset,
)
from iso15118.simulation.ac_ports import AcStationPorts, AcVehiclePorts
from iso15118.simulation.async_ports import Plant as PortsOfPlant
from iso15118.simulation.coupling_ports import PantographPorts, PantographVehiclePorts
from iso15118.simulation.wireless_ports import WirelessPorts, WirelessVehiclePorts
from iso15118.timing import Timing
from tests.aio.site import Plant, evcc_config, secc_config
from tests.pair.ac_rig import PACK
from tests.pair.wpt_rig import CAR

from .families import ISO20, Family

__all__ = ["TrialPlant", "configs", "plant_of"]

_LARGE_WH = 50e6
"""No session makes it full."""


class TrialPlant(Protocol):
    """What a trial needs of a plant."""

    clock: Callable[[], float]
    no_current_a: float
    station: Any
    vehicle: Any
    secc: ports.Station
    evcc: ports.Vehicle
    _station_ports: Any
    _vehicle_ports: Any

    @property
    def limits_changed(self) -> Event:
        """What an energy manager that changes nothing tells."""

    @property
    def current_a(self) -> float:
        """What flows now."""

    def closed(self, role: str) -> bool:
        """The contactors of this side."""

    async def follow(self) -> None:
        """Let things happen that nobody asks for."""


class _InStep:
    """Station and vehicle, in step with the event loop."""

    no_current_a = 1.0
    station: Any
    vehicle: Any
    _station_ports: PortsOfPlant
    _vehicle_ports: PortsOfPlant

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.clock: Callable[[], float] = lambda: loop.time() - began

    async def follow(self) -> None:
        await asyncio.gather(self._station_ports.follow(), self._vehicle_ports.follow())

    @property
    def current_a(self) -> float:
        self.station.advance(self.clock())
        current: float = self.station.circuit.current_a
        return current


class AcPlant(_InStep):
    """Outlet, cable and a vehicle with an on-board charger, or with an inverter that supports the grid."""

    def __init__(self, *, inverter: bool) -> None:
        super().__init__()
        circuit = AcCircuit(time_scale=60.0)
        back = 16.0 if inverter else 0.0
        limits = AcVehicleLimits.of(current_a=16.0, discharge_a=back)
        self.station = SimulatedAcStation(
            circuit,
            AcStationLimits.of(current_a=32.0, discharge_a=2.0 * back),
            grid_code=european() if inverter else None,
        )
        charger = SimulatedInverter(limits) if inverter else OnBoardCharger(limits)
        battery = Battery(**(PACK | {"capacity_wh": _LARGE_WH, "target_soc": 80.0}))
        self.vehicle = SimulatedAcVehicle(circuit, charger, battery)
        station = AcStationPorts(self.station, asyncio.sleep, self.clock)
        vehicle = AcVehiclePorts(self.vehicle, asyncio.sleep, self.clock)
        self._station_ports, self._vehicle_ports = station, vehicle
        self.secc: ports.Station = station.bundle()
        self.evcc: ports.Vehicle = vehicle.bundle()

    @property
    def limits_changed(self) -> Event:
        return AcLimitsChanged(self.station.ac_limits)

    def closed(self, role: str) -> bool:
        """A vehicle with AC has none that a session could close."""
        return role == "secc" and self.station.outlet.closed


class _WatchedBus(PantographVehicle):
    """It counts how often its drive was let go while the device was not home."""

    let_go_joined = 0
    device: Callable[[], DevicePosition]

    def _is(self, *, stands: bool, immobilized: bool) -> None:
        if self.mobility.immobilized and not immobilized and self.device() is not DevicePosition.HOME:
            self.let_go_joined += 1
        super()._is(stands=stands, immobilized=immobilized)


class PantographPlant(_InStep):
    """A pantograph, and a bus that drives under it."""

    no_current_a = 5.0

    def __init__(self) -> None:
        super().__init__()
        circuit = DcCircuit(time_scale=60.0)
        bay = Bay(circuit)
        self.station = PantographStation(circuit, preset("pantograph"), bay)
        self.vehicle = _WatchedBus(circuit, bay, Battery(capacity_wh=_LARGE_WH, soc=50.0, target_soc=80.0))
        self.vehicle.device = lambda: self.station.device
        station = PantographPorts(self.station, asyncio.sleep, self.clock)
        vehicle = PantographVehiclePorts(self.vehicle, asyncio.sleep, self.clock)
        self._station_ports, self._vehicle_ports = station, vehicle
        self.secc: ports.Station = station.bundle()
        self.evcc: ports.Vehicle = vehicle.bundle()

    @property
    def limits_changed(self) -> Event:
        return LimitsChanged(self.station.limits)

    def closed(self, role: str) -> bool:
        closed: bool = self.station.outlet.closed if role == "secc" else self.vehicle.inlet.closed
        return closed


class PadPlant(_InStep):
    """A pad, and a vehicle with a coil over it: neither has contactors."""

    no_current_a = 0.15
    """60 W."""

    def __init__(self) -> None:
        super().__init__()
        circuit = WirelessCircuit(time_scale=60.0)
        self.station = WirelessStation(circuit, PadLimits(maximum_power_w=11_000.0))
        battery = Battery(**({"soc": 40.0, "target_soc": 80.0} | CAR | {"capacity_wh": _LARGE_WH}))
        self.vehicle = WirelessVehicle(
            circuit, ReceiverLimits(maximum_power_w=11_000.0), battery, reads=lambda: self.station.id_code
        )
        station = WirelessPorts(self.station, asyncio.sleep, self.clock)
        vehicle = WirelessVehiclePorts(self.vehicle, asyncio.sleep, self.clock)
        self._station_ports, self._vehicle_ports = station, vehicle
        self.secc: ports.Station = station.bundle()
        self.evcc: ports.Vehicle = vehicle.bundle()

    @property
    def limits_changed(self) -> Event:
        return PadLimitsChanged(self.station.pad_limits)

    def closed(self, role: str) -> bool:
        """There is nothing that could be."""
        return False


class _Manager:
    """An energy manager that hears what a vehicle shows, too."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def display(self, display: Any) -> None:
        """Nobody looks."""


def _scheduling() -> Plant:
    """DC, and an energy manager that gives schedules."""
    offer = ScheduleOffer(charging=PowerOffer(entries=((86_400.0, 3_750_000.0),)))
    plant = Plant(timetable=Timetable([offer], delay_s=0.02))
    plant.secc = dataclasses.replace(plant.secc, energy=_Manager(plant.secc.energy))
    return plant


def plant_of(family: Family) -> TrialPlant:
    """A new one."""
    match family:
        case Family.AC | Family.DER:
            return AcPlant(inverter=family is Family.DER)
        case Family.ACDP:
            return PantographPlant()
        case Family.WPT:
            return PadPlant()
        case Family.SCHEDULES:
            return _scheduling()
    return Plant()


def configs(family: Family, edition: str = ISO20) -> tuple[SeccConfig, EvccConfig]:
    """Of the station and of the vehicle."""
    if edition != ISO20:
        older: dict[str, Any] = {
            "allow_plaintext": True,
            "editions": (edition,),
            "services": (ServiceID.AC if family.alternating else ServiceID.DC,),
        }
        return secc_config(**older), evcc_config(**older)
    if family in (Family.DC, Family.SCHEDULES):
        return secc_config(allow_plaintext=True), evcc_config(allow_plaintext=True)
    services: Iterable[ServiceID] = (family.value.service,)
    # A device that does not come, or a pad that sends nothing, is waited for no longer than this.
    quick = Timing(
        ongoing_performance=4.0, ongoing_timeout=5.0, positioning_performance=4.0, positioning_timeout=5.0
    )
    mode = ControlMode.DYNAMIC if family.alternating else ControlMode.SCHEDULED
    return (
        secc_config(allow_plaintext=True, services=tuple(services), timing=quick),
        evcc_config(allow_plaintext=True, services=tuple(services), control_modes=(mode,), timing=quick),
    )
