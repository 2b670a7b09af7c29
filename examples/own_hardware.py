"""A station with hardware of your own, on real sockets: implement a few small ports, and the rest is done.

The classes below stand for drivers of real devices: a supply that follows with a ramp, contactors that take
their time. Methods that take time are coroutines with a deadline; one that raises or is late ends the session
safely. Interlocks of the hardware never depend on them. The vehicle is a simulated one on the same machine
that believes what the station reports, without TLS, which is for laboratories only.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from iso15118 import EvccClient, EvccConfig, SeccConfig, SeccServer, Station, StationLimits
from iso15118.channel import Received
from iso15118.messages.iso20 import dc
from iso15118.messages.values import si
from iso15118.session.actions import Urgency
from iso15118.session.events import PowerMeasured
from iso15118.simulation import Battery, DcCircuit, VehicleWithRemoteStation

LIMITS = StationLimits(
    maximum_charge_power_w=150_000.0,
    maximum_charge_current_a=350.0,
    maximum_voltage_v=950.0,
    minimum_voltage_v=150.0,
)


class MyPower:
    """Your DC supply. What is asked for is taken at once; the output follows by
    ``V_PER_S`` and ``A_PER_S``."""

    V_PER_S, A_PER_S = 1_000.0, 500.0

    def __init__(self) -> None:
        self.limits = LIMITS
        self._volts = self._amperes = 0.0
        self._wanted_v = self._wanted_a = 0.0
        self._at = time.monotonic()

    @property
    def present(self) -> PowerMeasured:
        """What your meter at the output shows now."""
        now = time.monotonic()
        passed, self._at = now - self._at, now
        self._volts = towards(self._volts, self._wanted_v, self.V_PER_S * passed)
        self._amperes = towards(self._amperes, self._wanted_a, self.A_PER_S * passed)
        return PowerMeasured(self._volts, self._amperes)

    async def reach(self, voltage_v: float) -> None:
        """For the cable check below: wait until the output has this voltage."""
        self._wanted_v = voltage_v
        while abs(self.present.voltage_v - voltage_v) > 1.0:  # noqa: ASYNC110 - nothing tells when it is reached
            await asyncio.sleep(0.01)

    async def pre_charge(self, voltage_v: float, current_a: float) -> None:
        self._wanted_v = voltage_v

    async def set_power(self, voltage_v: float, current_a: float, power_w: float) -> None:
        # Three bounds; the tightest counts.
        self._wanted_a = min(current_a, power_w / max(self.present.voltage_v, 1.0))

    async def stop(self, urgency: Urgency) -> None:
        self._wanted_a = self._wanted_v = 0.0
        if urgency is Urgency.EMERGENCY:
            self._amperes = 0.0  # switched off, not ramped down


class MyContactors:
    """Your main contactors; ``closed`` is what their feedback says. Opening comes first, and talking
    about it afterwards, guarded."""

    closed = False

    async def close(self) -> bool:
        await asyncio.sleep(0.05)  # they are mechanical
        self.closed = True
        return self.closed

    async def open(self, urgency: Urgency, reason: str) -> None:
        was, self.closed = self.closed, False
        if was:
            said.append(f"station: contactors open ({urgency.value}): {reason}")


class MyCableCheck:
    """Your insulation monitor, which needs the supply for its test voltage."""

    def __init__(self, power: MyPower) -> None:
        self._power = power

    async def run(self, voltage_v: float, insulation_ohm: float) -> bool | str:
        said.append(f"station: cable check at {voltage_v:.0f} V")
        await self._power.reach(voltage_v)
        measured_ohm = 5e6
        await self._power.reach(0.0)
        return True if measured_ohm >= insulation_ohm else f"{measured_ohm:.0f} ohm"


class MyAuthorizer:
    """Your terminal or backend."""

    async def authorize(self, evccid: str) -> bool:
        said.append(f"station: {evccid} may charge")
        return True


said: list[str] = []
"""What the ports have to say is printed by somebody who may wait for a terminal: nothing that
guards contactors should."""


def towards(value: float, wanted: float, step: float) -> float:
    return value + max(min(wanted - value, step), -step)


async def main() -> None:
    power = MyPower()
    station = Station(
        power=power,
        contactors=MyContactors(),
        cable_check=MyCableCheck(power),
        authorizer=MyAuthorizer(),
    )
    loop = asyncio.get_running_loop()
    battery = Battery(capacity_wh=60_000.0, soc=50.0, target_soc=55.0, empty_v=620.0, full_v=800.0)
    vehicle = VehicleWithRemoteStation(DcCircuit(time_scale=60.0, loop_s=0.02), battery, reports=True)

    def believe(now: float, what: Any) -> None:
        """The simulated vehicle has what the station reports at its inlet."""
        if isinstance(what, Received) and isinstance(what.message, dc.DCPreChargeRes):
            vehicle.station_shows(si(what.message.evse_present_voltage), now)
        elif isinstance(what, Received) and isinstance(what.message, dc.DCChargeLoopRes):
            vehicle.station_gives(si(what.message.evse_present_current), now)

    async with SeccServer(SeccConfig(allow_plaintext=True), station, "lo", sdp_port=0) as server:
        client = EvccClient(
            EvccConfig(target_soc=55, allow_plaintext=True, loop_interval_s=0.02),
            vehicle.ports(asyncio.sleep, loop.time),
            "lo",
            sdp_port=server.sdp_port,
            observer=believe,
        )
        result = await client.run()
        seen_by_station = await server.wait_finished(1)
    print(*said, sep="\n")
    print(f"vehicle: {result.ended.reason.value}, {battery.soc:.1f} %, {result.charge_loops} charge loops")
    print(f"station: {seen_by_station.ended.reason.value}, hardware safe: {seen_by_station.safe}")


if __name__ == "__main__":
    asyncio.run(main())
