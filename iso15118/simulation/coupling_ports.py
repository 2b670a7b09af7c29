"""The simulated pantograph and the bus under it behind the asynchronous ports of ``session.ports``; see
``async_ports.py``, which they share all with that has to do with time."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from iso15118.session import ports
from iso15118.session.actions import ConnectDevice, DisconnectDevice, GuideVehicle, Immobilize
from iso15118.session.coupling import DevicePosition, VehiclePosition
from iso15118.session.events import ConnectionDeviceChanged, MobilityChanged, SignalChanged

from .async_ports import Clock, Plant, Sleep, StationPorts, VehiclePorts, VehicleSignal

if TYPE_CHECKING:
    from .pantograph import PantographStation, PantographVehicle

__all__ = ["PantographPorts", "PantographVehiclePorts"]


class PantographPorts(StationPorts):
    """All ports of a station with a pantograph."""

    station: PantographStation

    def __init__(self, station: PantographStation, sleep: Sleep, clock: Clock) -> None:
        super().__init__(station, sleep, clock)

    def bundle(self) -> ports.Station:
        """The ports, as a driver wants them."""
        return dataclasses.replace(
            super().bundle(), connection_device=_Device(self), vehicle_position=_Position(self)
        )


class _Device:
    def __init__(self, plant: PantographPorts) -> None:
        self._plant = plant

    async def connect(self) -> bool:
        return await self._move("connect_device", DevicePosition.END_POSITION)

    async def disconnect(self) -> bool:
        return await self._move("disconnect_device", DevicePosition.HOME)

    async def _move(self, call: str, goal: DevicePosition) -> bool:
        plant, down = self._plant, goal is DevicePosition.END_POSITION
        now = plant.look()
        action = ConnectDevice(now) if down else DisconnectDevice(now)
        if plant.station.device is not goal:
            await plant.ask(call, action, ConnectionDeviceChanged)  # it begins to move
            while plant.station.device is DevicePosition.MOVING:
                await plant.rest()
        return plant.station.device is goal

    @property
    def position(self) -> DevicePosition:
        self._plant.look()
        return self._plant.station.device


class _Position:
    def __init__(self, plant: PantographPorts) -> None:
        self._plant = plant

    @property
    def present(self) -> VehiclePosition:
        (measured,) = self._plant.station.look(self._plant.look())
        return measured.position


class PantographVehiclePorts(VehiclePorts):
    """All ports of a bus that is charged under a pantograph."""

    vehicle: PantographVehicle

    def __init__(self, vehicle: PantographVehicle, sleep: Sleep, clock: Clock) -> None:
        super().__init__(vehicle, sleep, clock)

    def bundle(self) -> ports.Vehicle:
        """The ports, as a driver wants them."""
        return dataclasses.replace(
            super().bundle(), mobility=_Mobility(self), signal=_Signal(self, self.vehicle.circuit)
        )


class _Mobility:
    def __init__(self, plant: PantographVehiclePorts) -> None:
        self._plant = plant

    def guide(self, position: VehiclePosition) -> None:
        self._plant.tell_now(GuideVehicle(position))

    async def immobilize(self, immobile: bool) -> None:
        await self._plant.tell("immobilize", Immobilize(immobile))

    @property
    def present(self) -> MobilityChanged:
        self._plant.look()
        return self._plant.vehicle.mobility


class _Signal(VehicleSignal):
    """The pilot comes and goes with the contact."""

    def listen(self, listener: ports.Listener) -> None:
        """Level and edges."""
        plant: Plant = self._plant
        plant.listen(listener, SignalChanged)
        super().listen(listener)
