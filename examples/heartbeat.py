"""A port that blocks the event loop for three seconds in mid-charge, and a thread that
drops the contactors meanwhile.

While the loop hangs nothing of this library can act. Its heartbeat stops, and whoever watches it takes the
power away: here a thread of the same process, in a product better the firmware that holds the contactors
(``Station(heartbeat=...)`` toggles a line for it).
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import Any

from iso15118 import EvccClient, EvccConfig, SeccConfig, SeccServer, Station
from iso15118.aio import LoopLate, WatchdogThread
from iso15118.session.actions import Urgency
from iso15118.simulation import Battery, DcCircuit, SimulatedStation, SimulatedVehicle, preset
from iso15118.simulation.async_ports import StationPorts, VehiclePorts

BLOCKS_S = 3.0


class MyRelay:
    """The coil of the contactors. ``drop`` may be called from any thread; then they open,
    whoever else wants them closed."""

    def __init__(self, contactors: Any) -> None:
        self._contactors = contactors
        self.enabled = True
        self.dropped_at: float | None = None

    def drop(self, reason: str) -> None:
        self.enabled, self.dropped_at = False, time.monotonic()

    async def close(self) -> bool:
        return self.enabled and await self._contactors.close()

    async def open(self, urgency: Urgency, reason: str) -> None:
        await self._contactors.open(urgency, reason)

    @property
    def closed(self) -> bool:
        return self.enabled and self._contactors.closed


class BlockingPower:
    """A driver that somebody wrote with a blocking call: it hangs in the charge loop, once."""

    def __init__(self, power: Any) -> None:
        self._power = power
        self.blocked_at: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._power, name)

    async def set_power(self, voltage_v: float, current_a: float, power_w: float) -> None:
        await self._power.set_power(voltage_v, current_a, power_w)
        if self.blocked_at is None and current_a > 0.0:
            self.blocked_at = time.monotonic()
            time.sleep(BLOCKS_S)  # noqa: ASYNC251 - this is the fault that is shown


async def main() -> None:
    loop = asyncio.get_running_loop()
    circuit = DcCircuit(time_scale=60.0)
    plant = StationPorts(SimulatedStation(circuit, preset("ccs2")), asyncio.sleep, loop.time).bundle()
    car = SimulatedVehicle(circuit, Battery(capacity_wh=60_000.0, soc=50.0, target_soc=80.0))
    vehicle = VehiclePorts(car, asyncio.sleep, loop.time).bundle()
    relay, power = MyRelay(plant.contactors), BlockingPower(plant.power)
    station: Station = replace(plant, contactors=relay, power=power)
    late: list[LoopLate] = []

    def news(what: object) -> None:
        if isinstance(what, LoopLate):
            late.append(what)

    config = SeccConfig(allow_plaintext=True)
    async with SeccServer(config, station, "lo", sdp_port=0, news=news) as server:
        watchdog = WatchdogThread(server.heartbeat, relay.drop, limit_s=0.5)
        watchdog.start()
        client = EvccClient(EvccConfig(allow_plaintext=True), vehicle, "lo", sdp_port=server.sdp_port)
        await client.run()
        result = await server.wait_finished(1)
        watchdog.close()
    dropped_s = (relay.dropped_at or 0.0) - (power.blocked_at or 0.0)
    print(f"the loop hung for {BLOCKS_S:.0f} s; the contactors were dropped after {dropped_s:.2f} s")
    print(f"the loop was {late[0].seconds:.1f} s late because of {late[0].call}")
    print(f"then the session ended: {result.ended.reason.value}, hardware safe: {result.safe}")


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)  # that the loop was late, and the end, are said below
    asyncio.run(main())
