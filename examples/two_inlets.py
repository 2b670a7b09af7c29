"""A truck with an MCS and a CCS2 inlet on one battery, at four sites: a megawatt hub, a depot with CCS2, one
with both, and an empty one.

The MCS inlet is tried first and CCS2 where it finds nobody. The arbiter is asked before contactors of an
inlet close, and never lets two inlets take energy. Stations and truck are simulated, on real sockets of this
machine, without TLS, which is for laboratories only.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from iso15118 import EvccClient, EvccConfig, SeccConfig, SeccServer, ServiceID
from iso15118.aio.inlets import SeveralInlets
from iso15118.connector.inlet_ports import behind_inlet
from iso15118.connector.inlets import Inlet, InletArbiter
from iso15118.simulation import Battery, DcCircuit, SimulatedStation, SimulatedVehicle, preset
from iso15118.timing import Timing

SITES = {"MCS hub": ("mcs",), "CCS2 depot": ("ccs2",), "both": ("mcs", "ccs2"), "neither": ()}
STATIONS = {"mcs": ("mcs-gen1", ServiceID.MCS), "ccs2": ("ccs2", ServiceID.DC)}
NOBODY = 9  # a UDP port at which no station answers; on a real truck each inlet has an interface of its own
PACE = 600.0  # seconds of the hardware in one of the clock


async def visit(site: tuple[str, ...]) -> str:
    """One visit to a site; which inlet charged, and how much."""
    loop = asyncio.get_running_loop()
    battery = Battery(capacity_wh=540_000.0, soc=70.0, target_soc=80.0)
    arbiter = InletArbiter(
        (
            Inlet(name="mcs", maximum_current_a=1500.0, maximum_power_w=1_250_000.0),
            Inlet(name="ccs2", maximum_current_a=500.0, maximum_power_w=400_000.0),
        )
    )
    clients = {}
    async with AsyncExitStack() as stack:
        for name in arbiter.order:
            kind, service = STATIONS[name]
            circuit = DcCircuit(time_scale=PACE)
            station = SimulatedStation(circuit, preset(kind))
            truck = SimulatedVehicle(circuit, battery).ports(asyncio.sleep, loop.time)
            port = NOBODY
            if name in site:
                server = SeccServer(
                    SeccConfig(services=(service,), allow_plaintext=True),
                    station.ports(asyncio.sleep, loop.time),
                    "lo",
                    sdp_port=0,
                )
                await stack.enter_async_context(server)
                port = server.sdp_port
            clients[name] = EvccClient(
                EvccConfig(
                    services=(service,),
                    allow_plaintext=True,
                    loop_interval_s=0.02,
                    timing=Timing(sdp_requests=4),
                ),
                behind_inlet(truck, arbiter, name, loop.time),
                "lo",
                sdp_port=port,
            )
        inlets = await stack.enter_async_context(SeveralInlets(arbiter, clients))
        attempts = await inlets.run()
    served = [one.inlet for one in attempts if one.served]
    return f"tried {', '.join(one.inlet for one in attempts)}; charged at {served[0] if served else 'none'}: {battery.soc:.0f} %"


async def main() -> None:
    for name, site in SITES.items():
        print(f"{name}: {await visit(site)}")


if __name__ == "__main__":
    asyncio.run(main())
