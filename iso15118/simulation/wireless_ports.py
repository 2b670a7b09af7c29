"""The simulated pad and the coil over it behind the asynchronous ports of ``session.ports``; see
``async_ports.py``, which they share all with that has to do with time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iso15118.session import ports
from iso15118.session.actions import ChargingNeeds, SetPad, SetReceiver, StopPower, Urgency
from iso15118.session.events import (
    BatteryChanged,
    HardwareFault,
    PadLimitsChanged,
    PadMeasured,
    ReceiverMeasured,
)
from iso15118.session.limits import NO_DC_SIDE, VehicleLimits
from iso15118.session.wireless import PadLimits, ReceiverLimits

from .async_ports import (
    Authorizer,
    Clock,
    ContractAuthorizer,
    ContractCertificates,
    Contracts,
    MeterReader,
    Plant,
    Schedules,
    Sleep,
)
from .beside import offers, wishes

if TYPE_CHECKING:
    from .wireless import WirelessStation, WirelessVehicle

__all__ = ["WirelessPorts", "WirelessVehiclePorts"]


class WirelessPorts(Plant):
    """All ports of a station with a pad."""

    def __init__(self, station: WirelessStation, sleep: Sleep, clock: Clock) -> None:
        super().__init__(station, sleep, clock)
        self.station = station

    def bundle(self) -> ports.Station:
        """The ports, as a driver wants them."""
        backend = self.station.contracts
        installs = backend is not None and backend.service is not None
        return ports.Station(
            contract_authorizer=None if backend is None else ContractAuthorizer(self, backend),
            contract_certificates=ContractCertificates(self, backend) if backend and installs else None,
            pad=_Pad(self),
            authorizer=Authorizer(self),
            meter=MeterReader(self),
            energy=_Energy(self) if self.station.timetable is None else _Scheduling(self),
            value_added=offers(self.station.value_added),
        )


class _Pad:
    def __init__(self, plant: WirelessPorts) -> None:
        self._plant = plant

    async def set_power(self, power_w: float) -> None:
        await self._plant.tell("set_pad", SetPad(power_w))

    async def stop(self, urgency: Urgency) -> None:
        await self._plant.tell("stop_power", StopPower(urgency))

    @property
    def limits(self) -> PadLimits:
        self._plant.look()
        return self._plant.station.pad_limits

    @property
    def id_code(self) -> int:
        return self._plant.station.id_code

    @property
    def present(self) -> PadMeasured:
        return self._plant.station.measure(self._plant.look())


class _Energy:
    """Pushes limits of the pad."""

    def __init__(self, plant: WirelessPorts) -> None:
        self._plant = plant

    def needs(self, needs: ChargingNeeds) -> None:
        self._plant.station.needs(needs, self._plant.look())

    def listen(self, listener: ports.Listener) -> None:
        self._plant.look()
        self._plant.listen(listener, PadLimitsChanged, HardwareFault)


class _Scheduling(Schedules, _Energy):
    """The same, asked for schedules."""


class WirelessVehiclePorts(Plant):
    """All ports of a vehicle with a coil."""

    def __init__(self, vehicle: WirelessVehicle, sleep: Sleep, clock: Clock) -> None:
        super().__init__(vehicle, sleep, clock)
        self.vehicle = vehicle

    def bundle(self) -> ports.Vehicle:
        """The ports, as a driver wants them."""
        return ports.Vehicle(
            battery=_Battery(self),
            receiver=_Receiver(self),
            value_added=wishes(self.vehicle.value_added),
            contracts=None if self.vehicle.contracts is None else Contracts(self, self.vehicle.contracts),
        )


class _Battery:
    def __init__(self, plant: WirelessVehiclePorts) -> None:
        self._plant = plant

    @property
    def state(self) -> BatteryChanged:
        return self._plant.vehicle.battery_state(self._plant.look())

    @property
    def limits(self) -> VehicleLimits:
        """It has no DC side that anybody could ask about."""
        return NO_DC_SIDE


class _Receiver:
    def __init__(self, plant: WirelessVehiclePorts) -> None:
        self._plant = plant

    async def set_power(self, power_w: float) -> None:
        await self._plant.tell("set_receiver", SetReceiver(power_w))

    async def stop(self, urgency: Urgency) -> None:
        await self._plant.tell("stop_power", StopPower(urgency))

    @property
    def limits(self) -> ReceiverLimits:
        return self._plant.vehicle.receiver_limits

    @property
    def present(self) -> ReceiverMeasured:
        return self._plant.vehicle.measure(self._plant.look())
