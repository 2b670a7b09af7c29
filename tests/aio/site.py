"""A charging site on ``::1``: a simulated plant, a server, vehicles that come, and
safety monitors on everything.

Monitors do not raise into the sessions they watch: what they see is kept and fails the test at its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from iso15118.aio import EvccClient, PortLimits, SeccServer, SessionResult, StreamLimits, find_interface
from iso15118.aio.driver import Observer
from iso15118.aio.identity import RenewableTls
from iso15118.aio.net.ending import TlsSource
from iso15118.evcc import EvccConfig
from iso15118.messages.iso20 import dc
from iso15118.secc import SeccConfig
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session import ports
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.services import ControlMode, ServiceID
from iso15118.session.ticket import SeccTicket
from iso15118.simulation import Battery, DcCircuit, SimulatedStation, SimulatedVehicle, preset
from iso15118.simulation.async_ports import StationPorts, VehiclePorts
from iso15118.testing import SafetyMonitor, SafetyViolation
from tests.tls.rig import NOW, car, issued, station

LOOPBACK = find_interface("lo")

QUICK_PORTS = PortLimits(
    power_s=0.2,
    pre_charge_s=1.0,
    contactors_s=0.3,
    signal_s=0.2,
    meter_s=0.1,
    authorization_s=1.0,
    look_s=0.01,
)
QUICK_STREAM = StreamLimits(handshake_s=2.0, linger_s=0.2)


@cache
def secc_tls() -> RenewableTls:
    return RenewableTls(station(issued()), clock=lambda: NOW)


@cache
def evcc_tls() -> RenewableTls:
    return RenewableTls(car(issued()), clock=lambda: NOW)


class Watcher:
    """Safety monitors for one end: a new one for each session, violations kept."""

    def __init__(self, config: SeccConfig, station: StationLimits, vehicle: VehicleLimits) -> None:
        self.paused: Callable[[], Iterable[SeccTicket]] = tuple
        """Sessions that the next one may go on with."""
        self._new: Callable[[], SafetyMonitor] = lambda: SafetyMonitor(
            config, station, vehicle, paused=tuple(self.paused())
        )
        self._monitor = self._new()
        self.violations: list[str] = []
        self.seen = 0

    def secc(self, event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        """Watch a call of the station's session."""
        if type(event) is ev.PowerMeasured:
            self._keep(self._monitor.measured, event)
        self._begin(event)
        self._keep(self._monitor.secc, event, actions, now)
        return actions

    def evcc(self, event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        """Watch a call of the vehicle's session."""
        if type(event) is ev.InletMeasured:
            self._keep(self._monitor.inlet, event)
        self._begin(event)
        self._keep(self._monitor.evcc, event, actions, now)
        return actions

    def _begin(self, event: ev.Event | None) -> None:
        self.seen += 1
        if type(event) is ev.Connected:
            self._monitor = self._new()

    def _keep(self, watch: Callable[..., Any], *call: Any) -> None:
        try:
            watch(*call)
        except SafetyViolation as violation:
            self.violations.append(str(violation))


class Plant:
    """Cable, station and vehicle, in step with the event loop."""

    def __init__(
        self,
        *,
        kind: str = "mcs-max",
        time_scale: float = 300.0,
        battery: Battery | None = None,
        **settings: Any,
    ) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.clock: Callable[[], float] = lambda: loop.time() - began
        self.circuit = DcCircuit(time_scale=time_scale)
        self.station = SimulatedStation(self.circuit, preset(kind), **settings)
        self.vehicle = SimulatedVehicle(
            self.circuit, battery or Battery(capacity_wh=50e6, soc=50.0, target_soc=80.0)
        )
        self._station_ports = StationPorts(self.station, asyncio.sleep, self.clock)
        self._vehicle_ports = VehiclePorts(self.vehicle, asyncio.sleep, self.clock)
        self.secc: ports.Station = self._station_ports.bundle()
        self.evcc: ports.Vehicle = self._vehicle_ports.bundle()

    no_current_a = 5.0

    @property
    def limits_changed(self) -> ev.Event:
        """What an energy manager that changes nothing tells."""
        return ev.LimitsChanged(self.station.limits)

    def closed(self, role: str) -> bool:
        """The contactors of this side."""
        return self.station.outlet.closed if role == "secc" else self.vehicle.inlet.closed

    async def follow(self) -> None:
        """Let things happen that nobody asks for."""
        await asyncio.gather(self._station_ports.follow(), self._vehicle_ports.follow())

    @property
    def station_safe(self) -> bool:
        """Really: the station's contactors are open and nothing flows."""
        self.station.advance(self.clock())
        return not self.station.outlet.closed and self.circuit.current_a == 0.0

    @property
    def vehicle_safe(self) -> bool:
        """Really: the vehicle's contactors are open and nothing flows."""
        self.vehicle.advance(self.clock())
        return not self.vehicle.inlet.closed and self.circuit.current_a == 0.0

    @property
    def current_a(self) -> float:
        self.station.advance(self.clock())
        return self.circuit.current_a


class Site:
    """A plant, a server for its station and clients for its vehicle."""

    def __init__(
        self, plant: Plant, server: SeccServer, watchers: tuple[Watcher, Watcher], **client: Any
    ) -> None:
        self.plant = plant
        self.server = server
        self.watchers = watchers
        self._client = client

    def client(self, **settings: Any) -> EvccClient:
        """The vehicle, ready to run."""
        merged: dict[str, Any] = {
            "sdp_port": self.server.sdp_port,
            "port_limits": QUICK_PORTS,
            "stream_limits": QUICK_STREAM,
            "watch": self.watchers[1].evcc,
        } | self._client
        merged |= settings
        config = merged.pop("config", None) or evcc_config()
        tls = merged.pop("tls", evcc_tls())
        vehicle = merged.pop("vehicle", self.plant.evcc)
        return EvccClient(config, vehicle, LOOPBACK, tls, **merged)

    async def charge(self, loops: int = 8, **settings: Any) -> SessionResult:
        """A whole session, ended by the vehicle after so many loops; the station's result."""
        stopper = Stopper(loops)
        client = self.client(observer=stopper, **settings)
        stopper.client = client
        before = self.server.finished
        mine = await client.run()
        result = await self.server.wait_finished(before + 1)
        assert mine.ended.reason is act.EndReason.STOPPED_BY_EV, mine
        assert mine.charge_loops >= loops
        assert mine.safe
        assert result.ended.reason is act.EndReason.STOPPED_BY_EV, result
        assert result.safe
        return result


class Stopper:
    """An observer that has the vehicle stop after so many charge loops."""

    def __init__(self, loops: int, then: Callable[[EvccClient], None] | None = None) -> None:
        self.left = loops
        self.then = then or (lambda client: client.stop("enough"))
        self.client: EvccClient | None = None

    def __call__(self, now: float, what: Any) -> None:
        if type(getattr(what, "message", None)) is dc.DCChargeLoopRes:
            self.left -= 1
            if self.left == 0 and self.client is not None:
                self.then(self.client)


def secc_config(**settings: Any) -> SeccConfig:
    return SeccConfig(**({"services": (ServiceID.MCS, ServiceID.MCS_BPT)} | settings))


def evcc_config(**settings: Any) -> EvccConfig:
    defaults: dict[str, Any] = {
        "services": (ServiceID.MCS,),
        "control_modes": (ControlMode.SCHEDULED,),
        "loop_interval_s": 0.01,
        "poll_interval_s": 0.01,
        "welding_detection_s": 2.0,
    }
    return EvccConfig(**(defaults | settings))


@asynccontextmanager
async def site(
    plant: Plant | None = None,
    *,
    config: SeccConfig | None = None,
    station: ports.Station | None = None,
    tls: TlsSource | str | None = "",
    client: dict[str, Any] | None = None,
    observer: Observer | None = None,
    safe_at_the_end: bool = True,
    **settings: Any,
) -> AsyncIterator[Site]:
    """A server that is found by unicast on a port of its own. At the end: no violation, everything safe."""
    plant = plant or Plant()
    config = config or secc_config()
    limits = plant.station.kind.limits, plant.vehicle.limits
    watchers = Watcher(config, *limits), Watcher(config, *limits)
    merged: dict[str, Any] = {
        "sdp_port": 0,
        "port_limits": QUICK_PORTS,
        "stream_limits": QUICK_STREAM,
        "watch": watchers[0].secc,
        "observer": observer,
    }
    server = SeccServer(
        config,
        station or plant.secc,
        LOOPBACK,
        secc_tls() if isinstance(tls, str) else tls,
        **(merged | settings),
    )
    watchers[0].paused = lambda: server.tickets
    following = asyncio.create_task(plant.follow())
    try:
        async with server:
            yield Site(plant, server, watchers, **(client or {}))
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert not watchers[0].violations, watchers[0].violations
    assert not watchers[1].violations, watchers[1].violations
    if safe_at_the_end:
        assert plant.station_safe
        assert plant.vehicle_safe


async def gone() -> None:
    """Wait until the vehicles have stopped to listen for a second answer to their discovery."""
    listening = [task for task in asyncio.all_tasks() if "discovery" in task.get_name()]
    if listening:
        await asyncio.wait(listening)
    await asyncio.sleep(0.05)


async def in_turn(cases: Iterable[Any], check: Callable[[Any], Awaitable[None]], at_a_time: int = 6) -> None:
    """Check every case, a few at a time because most of it is waiting; what fails says which case it was."""
    turn = asyncio.Semaphore(at_a_time)

    async def one(case: Any) -> None:
        async with turn:
            try:
                await check(case)
            except BaseException as error:
                error.add_note(f"in the case {case}")
                raise

    async with asyncio.TaskGroup() as group:
        for case in cases:
            group.create_task(one(case))
