"""A station with hardware of your own, on real sockets: implement a few small ports, and the rest is done.

The classes below stand for drivers of real devices. Methods that take time are coroutines with a deadline; one that raises or is late
ends the session safely. Interlocks of the hardware never depend on them. The vehicle is a simulated one on the same machine, without
TLS, which is for laboratories only.
"""

from __future__ import annotations

import asyncio

from iso15118 import EvccClient, EvccConfig, SeccConfig, SeccServer, Station, StationLimits
from iso15118.session.actions import Urgency
from iso15118.session.events import PowerMeasured
from iso15118.simulation import Battery, DcCircuit, LoneVehicle

LIMITS = StationLimits(
    maximum_charge_power_w=150_000.0,
    maximum_charge_current_a=350.0,
    maximum_voltage_v=950.0,
    minimum_voltage_v=150.0,
)


class MyPower:
    """Your DC supply."""

    def __init__(self) -> None:
        self.present = PowerMeasured(0.0, 0.0)
        self.limits = LIMITS

    async def pre_charge(self, voltage_v: float, current_a: float) -> None:
        self.present = PowerMeasured(voltage_v, 0.0)

    async def set_power(self, voltage_v: float, current_a: float, power_w: float) -> None:
        # Three bounds; the tightest counts. A real supply follows with a ramp and reports what it measures.
        volts = self.present.voltage_v
        self.present = PowerMeasured(volts, min(current_a, power_w / max(volts, 1.0)))

    async def stop(self, urgency: Urgency) -> None:
        self.present = PowerMeasured(0.0, 0.0)


class MyContactors:
    """Your main contactors; ``closed`` is what their feedback says."""

    closed = False

    async def close(self) -> bool:
        self.closed = True
        return True

    async def open(self, urgency: Urgency, reason: str) -> None:
        if self.closed:
            print(f"station: contactors open ({urgency.value}): {reason}")
        self.closed = False


class MyCableCheck:
    """Your insulation monitor."""

    async def run(self, voltage_v: float) -> str | None:
        print(f"station: cable check at {voltage_v:.0f} V")
        return None  # or the reason why the cable is not good


class MyAuthorizer:
    """Your terminal or backend."""

    async def authorize(self, evccid: str) -> bool:
        print(f"station: {evccid} may charge")
        return True


async def main() -> None:
    station = Station(
        power=MyPower(), contactors=MyContactors(), cable_check=MyCableCheck(), authorizer=MyAuthorizer()
    )
    loop = asyncio.get_running_loop()
    battery = Battery(capacity_wh=60_000.0, soc=50.0, target_soc=60.0, empty_v=620.0, full_v=800.0)
    vehicle = LoneVehicle(DcCircuit(time_scale=100.0, loop_s=0.02), battery)
    async with SeccServer(SeccConfig(allow_plaintext=True), station, "lo", sdp_port=0) as server:
        client = EvccClient(
            EvccConfig(target_soc=60, allow_plaintext=True, loop_interval_s=0.02),
            vehicle.ports(asyncio.sleep, loop.time),
            "lo",
            sdp_port=server.sdp_port,
        )
        result = await client.run()
        seen_by_station = await server.wait_finished(1)
    print(f"vehicle: {result.ended.reason.value}, {battery.soc:.1f} %, {result.charge_loops} charge loops")
    print(f"station: {seen_by_station.ended.reason.value}, hardware safe: {seen_by_station.safe}")


if __name__ == "__main__":
    asyncio.run(main())
