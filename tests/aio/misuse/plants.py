"""The plants of the trials, which are driven and judged alike: one with a DC output, one with an AC outlet and an on-board charger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from iso15118.evcc import EvccConfig
from iso15118.secc import SeccConfig
from iso15118.session import ports
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.events import AcLimitsChanged, Event
from iso15118.session.services import ControlMode, ServiceID
from iso15118.simulation import AcCircuit, Battery, OnBoardCharger, SimulatedAcStation, SimulatedAcVehicle
from iso15118.simulation.ac_ports import AcStationPorts, AcVehiclePorts
from tests.aio.site import evcc_config, secc_config
from tests.pair.ac_rig import PACK

__all__ = ["AcPlant", "configs"]


class AcPlant:
    """Outlet, cable and vehicle, in step with the event loop."""

    no_current_a = 1.0

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.clock: Callable[[], float] = lambda: loop.time() - began
        self.circuit = AcCircuit(time_scale=60.0)
        self.station = SimulatedAcStation(self.circuit, AcStationLimits.of(current_a=32.0))
        charger = OnBoardCharger(AcVehicleLimits.of(current_a=16.0))
        battery = Battery(**(PACK | {"capacity_wh": 50e6, "target_soc": 80.0}))
        self.vehicle = SimulatedAcVehicle(self.circuit, charger, battery)
        self._station_ports = AcStationPorts(self.station, asyncio.sleep, self.clock)
        self._vehicle_ports = AcVehiclePorts(self.vehicle, asyncio.sleep, self.clock)
        self.secc: ports.Station = self._station_ports.bundle()
        self.evcc: ports.Vehicle = self._vehicle_ports.bundle()

    @property
    def limits_changed(self) -> Event:
        """What an energy manager that changes nothing tells."""
        return AcLimitsChanged(self.station.ac_limits)

    def closed(self, role: str) -> bool:
        """The contactors of this side: a vehicle with AC has none that a session could close."""
        return role == "secc" and self.station.outlet.closed

    async def follow(self) -> None:
        """Let things happen that nobody asks for."""
        await asyncio.gather(self._station_ports.follow(), self._vehicle_ports.follow())

    @property
    def current_a(self) -> float:
        self.station.advance(self.clock())
        return self.circuit.current_a


def configs(*, alternating: bool) -> tuple[SeccConfig, EvccConfig]:
    """Of the station and of the vehicle."""
    if not alternating:
        return secc_config(allow_plaintext=True), evcc_config(allow_plaintext=True)
    return (
        secc_config(allow_plaintext=True, services=(ServiceID.AC,)),
        evcc_config(allow_plaintext=True, services=(ServiceID.AC,), control_modes=(ControlMode.DYNAMIC,)),
    )
