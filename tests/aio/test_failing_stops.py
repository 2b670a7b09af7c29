"""A stop that does not do its work, of a port behind which no contactor of its side stands: the port is told
to take nothing as well."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from iso15118.aio.ports.hardware import PortLimits
from iso15118.aio.ports.vehicle_hardware import VehicleHardware
from iso15118.energy.ac import NOTHING, each
from iso15118.session import actions as act
from iso15118.session.ac_limits import ChargerBounds
from tests.pair.ac_rig import ac_pair
from tests.pair.wpt_rig import pad_pair


class Broken:
    """A port whose ``stop`` raises; what it is told besides."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.told: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def stop(self, urgency: Any) -> None:
        raise OSError("bus off")

    async def set_power(self, bounds: Any) -> None:
        self.told.append(bounds)


CHARGING = ChargerBounds(phases=3, power_w=each(3_000.0, 3), current_a=each(13.0, 3))


@pytest.mark.parametrize("port", ["charger", "receiver"])
async def test_who_cannot_be_stopped_is_told_to_take_nothing(port: str) -> None:
    loop = asyncio.get_running_loop()
    rig: Any = ac_pair() if port == "charger" else pad_pair()
    vehicle = rig.vehicle.ports(asyncio.sleep, loop.time)
    broken = Broken(getattr(vehicle, port))
    hardware = VehicleHardware(replace(vehicle, **{port: broken}), PortLimits(), lambda event: None)
    hardware.do(act.SetCharger(CHARGING) if port == "charger" else act.SetReceiver(3_000.0))
    await asyncio.sleep(0.05)
    hardware.make_safe("the button")
    await asyncio.sleep(0.05)
    first, *then = broken.told
    if port == "charger":
        assert first is CHARGING
        assert then
        nothing = ChargerBounds(phases=1, power_w=NOTHING, current_a=NOTHING)  # any charger has one phase
        assert all(one == nothing for one in then)
    else:
        assert first == 3_000.0
        assert set(then) == {0.0}
    hardware.close()
