"""A truck with an MCS and a CCS2 inlet on one battery: at a megawatt hub, at a depot, where there are
both, and where there is nothing.

What contactors and currents of both inlets really are is watched at every step, beside the
safety monitor of each session.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from iso15118.aio import EvccClient, SeccServer
from iso15118.aio.inlets import Attempt, SeveralInlets
from iso15118.connector.inlet_ports import behind_inlet
from iso15118.connector.inlets import ArbiterSettings, Inlet, InletArbiter
from iso15118.errors import ConfigError, HardwareError, MisuseError
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.ports import Vehicle
from iso15118.session.services import ServiceID
from iso15118.simulation import Battery, DcCircuit, SimulatedStation, SimulatedVehicle, preset
from iso15118.simulation.async_ports import StationPorts, VehiclePorts
from iso15118.testing.monitor.inlets import InletWatch
from iso15118.timing import Timing

from .site import LOOPBACK, QUICK_PORTS, QUICK_STREAM, Watcher, evcc_config, evcc_tls, secc_config, secc_tls

KINDS = {"mcs": ("mcs-gen1", (ServiceID.MCS,)), "ccs2": ("ccs2", (ServiceID.DC,))}
INLETS = (
    Inlet(name="mcs", maximum_current_a=1500.0, maximum_power_w=1_250_000.0),
    Inlet(name="ccs2", maximum_current_a=500.0, maximum_power_w=400_000.0),
)
BATTERY_A = 1600.0
SILENCE = 1
"""A discovery port at which nobody answers."""


class Truck:
    """The vehicle, and the station of each inlet where the site has one."""

    def __init__(self, site: tuple[str, ...], *, several: bool = False, soc: float = 78.0) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.clock: Callable[[], float] = lambda: loop.time() - began
        self.battery = Battery(
            soc=soc, target_soc=80.0, maximum_charge_current_a=BATTERY_A, taper_from_soc=100.0
        )
        self.arbiter = InletArbiter(INLETS, ArbiterSettings(several=several))
        self.watch = InletWatch(several=several, battery_a=BATTERY_A)
        self.site = site
        self.servers: dict[str, SeccServer] = {}
        self.stations: dict[str, SimulatedStation] = {}
        self.vehicles: dict[str, SimulatedVehicle] = {}
        self.ports: dict[str, VehiclePorts] = {}
        self.following: list[Callable[[], Awaitable[None]]] = []
        self.watchers: list[Watcher] = []
        self.clients: dict[str, EvccClient] = {}
        for name, (kind, services) in KINDS.items():
            circuit = DcCircuit(time_scale=60.0)
            self.stations[name] = station = SimulatedStation(circuit, preset(kind))
            self.vehicles[name] = SimulatedVehicle(circuit, self.battery)
            station_ports = StationPorts(station, asyncio.sleep, self.clock)
            self.ports[name] = VehiclePorts(self.vehicles[name], asyncio.sleep, self.clock)
            self.following += [station_ports.follow, self.ports[name].follow]
            config = secc_config(services=services)
            limits = preset(kind).limits, self.battery.limits
            watchers = Watcher(config, *limits), Watcher(config, *limits)
            self.watchers += watchers
            self.servers[name] = SeccServer(
                config,
                station_ports.bundle(),
                LOOPBACK,
                secc_tls(),
                sdp_port=0,
                port_limits=QUICK_PORTS,
                stream_limits=QUICK_STREAM,
                watch=watchers[0].secc,
            )

    def drive(self) -> SeveralInlets:
        """The clients, once the stations that there are can be found."""
        for number, (name, (_, services)) in enumerate(KINDS.items()):
            guarded = behind_inlet(self.ports[name].bundle(), self.arbiter, name, self.clock)
            self.clients[name] = EvccClient(
                evcc_config(services=services, timing=Timing(sdp_requests=3)),
                guarded,
                LOOPBACK,
                evcc_tls(),
                sdp_port=self.servers[name].sdp_port if name in self.site else SILENCE,
                port_limits=QUICK_PORTS,
                stream_limits=QUICK_STREAM,
                watch=self.watchers[2 * number + 1].evcc,
            )
        return SeveralInlets(self.arbiter, self.clients)

    def look(self) -> None:
        now = (
            self.clock()
        )  # the plants are advanced by their ports; whoever did it here would take their events away
        self.watch.look(
            {name: (one.inlet.closed, one.circuit.current_a) for name, one in self.vehicles.items()},
            now,
        )

    async def joined(self, name: str) -> None:
        """Until the contactors of this inlet are closed."""
        while not self.vehicles[name].inlet.closed:  # noqa: ASYNC110 - a plant has no events
            await asyncio.sleep(0.01)

    async def keep_looking(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(0.01)


@asynccontextmanager
async def parked(truck: Truck) -> AsyncIterator[SeveralInlets]:
    following = [asyncio.ensure_future(one()) for one in truck.following]
    looking = asyncio.create_task(truck.keep_looking())
    servers = [truck.servers[name] for name in truck.site]
    for one in servers:
        await one.open()
    try:
        yield truck.drive()
    finally:
        for one in servers:
            await one.close()
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        if looking.done():
            await looking
        looking.cancel()
    truck.look()
    assert truck.watch.seen > 10
    assert not [violation for one in truck.watchers for violation in one.violations]
    assert not any(one.inlet.closed for one in truck.vehicles.values())
    assert truck.arbiter.joined == ()


@pytest.mark.parametrize(
    ("site", "served", "tried"),
    [
        (("mcs",), "mcs", ["mcs"]),
        (("ccs2",), "ccs2", ["mcs", "ccs2"]),
        (("mcs", "ccs2"), "mcs", ["mcs"]),
        ((), None, ["mcs", "ccs2"]),
    ],
    ids=["MCS hub", "CCS2 depot", "both", "neither"],
)
async def test_the_megawatt_inlet_comes_first_and_ccs_where_it_finds_nobody(
    site: tuple[str, ...], served: str | None, tried: list[str]
) -> None:
    truck = Truck(site)
    async with parked(truck) as inlets:
        attempts = await inlets.run()
    assert [one.inlet for one in attempts] == tried
    assert [one.inlet for one in attempts if one.served] == ([served] if served else [])
    for one in attempts:
        if one.served:
            assert one.result is not None
            assert one.result.ended.reason is EndReason.STOPPED_BY_EV
            assert truck.battery.complete
            assert one.result.peak_current_a <= truck.arbiter.inlet(one.inlet).maximum_current_a * 1.001
        else:
            assert "no station" in str(one.error)
    assert truck.watch.together == 0


async def test_a_session_that_fails_at_the_first_inlet_is_followed_by_one_at_the_second() -> None:
    truck = Truck(("mcs", "ccs2"))
    truck.stations["mcs"].insulation.resistance_ohm = 10_000.0
    async with parked(truck) as inlets:
        failed, served = await inlets.run()
    assert (failed.inlet, failed.served, served.inlet, served.served) == ("mcs", False, "ccs2", True)
    assert failed.result is not None
    assert truck.battery.complete


async def test_two_sessions_at_once_never_get_to_the_battery_both() -> None:
    """Whoever starts the sessions himself, and not in turn, runs into the arbiter."""
    truck = Truck(("mcs", "ccs2"), soc=20.0)
    async with parked(truck) as inlets:
        del inlets
        both = {name: asyncio.create_task(one.run()) for name, one in truck.clients.items()}
        done, waiting = await asyncio.wait(both.values(), return_when=asyncio.FIRST_COMPLETED)
        (refused,) = done
        result = refused.result()
        assert result.ended.reason is EndReason.HARDWARE_FAULT
        assert "only one may be" in result.ended.detail
        assert len(waiting) == 1
        assert len(truck.arbiter.joined) == 1
        name = truck.arbiter.joined[0]
        truck.clients[name].stop("enough")
        assert (await both[name]).ended.reason is EndReason.STOPPED_BY_EV
    assert truck.watch.together == 0


async def test_both_charge_and_share_the_battery_where_that_is_allowed() -> None:
    truck = Truck(("mcs", "ccs2"), several=True, soc=75.0)
    async with parked(truck) as inlets:
        mcs, ccs = await inlets.run()
    assert mcs.served, mcs
    assert ccs.served, ccs
    assert truck.battery.complete
    assert truck.watch.together > 10
    charged = [one.meter.charged_wh for one in truck.stations.values()]
    assert min(charged) > 2_000.0
    assert sum(charged) == pytest.approx(0.05 * 540_000.0, rel=0.05)


async def test_welded_contactors_of_one_inlet_keep_the_other_from_the_battery() -> None:
    truck = Truck(("ccs2",))
    arbiter = truck.arbiter
    arbiter.closed("mcs")  # as its feedback says
    async with parked(truck) as inlets:
        attempts = await inlets.run()
        assert not any(one.served for one in attempts)
        assert attempts[1].result is not None
        assert truck.battery.soc == 78.0
        arbiter.opened("mcs")
        assert (await inlets.run())[-1].served


async def test_contactors_that_are_asked_to_open_and_stay_closed_keep_the_battery() -> None:
    class Welded:
        closed = True

        async def close(self) -> bool:
            return True

        async def open(self, urgency: Urgency, reason: str) -> None:
            pass

    truck = Truck(())
    bundle = truck.ports["mcs"].bundle()
    welded = Vehicle(battery=bundle.battery, contactors=Welded(), inlet=bundle.inlet)
    guarded = behind_inlet(welded, truck.arbiter, "mcs", truck.clock)
    assert guarded.contactors is not None
    assert await guarded.contactors.close()
    await guarded.contactors.open(Urgency.EMERGENCY, "now")
    assert truck.arbiter.joined == ("mcs",)
    other = behind_inlet(truck.ports["ccs2"].bundle(), truck.arbiter, "ccs2", truck.clock)
    assert other.contactors is not None
    with pytest.raises(HardwareError, match="mcs is joined"):
        await other.contactors.close()
    assert other.battery.state.maximum_charge_current_a == 0.0
    assert other.battery.state.target_current_a == 0.0


async def test_a_current_counts_from_when_it_was_taken_and_not_from_when_it_was_told() -> None:
    class Kept:
        def __init__(self) -> None:
            self.present = ev.InletMeasured(800.0, 0.0)

    truck = Truck((), several=True)
    bundle, meter = truck.ports["mcs"].bundle(), Kept()
    first = behind_inlet(dataclasses.replace(bundle, inlet=meter), truck.arbiter, "mcs", truck.clock)
    assert first.inlet is not None
    truck.arbiter.claim("mcs", truck.clock(), 1000.0)
    for taken, joined in (
        (truck.clock() - 5.0, False),
        (math.nan, False),
        (truck.clock(), True),
        (None, True),
    ):
        meter.present = ev.InletMeasured(800.0, 0.0, at=taken)
        assert first.inlet.present is meter.present
        reason = truck.arbiter.claim("ccs2", truck.clock(), 1000.0)
        assert (reason == "") is joined, reason
        truck.arbiter.opened("ccs2")


async def test_a_closing_that_comes_after_the_opening_keeps_the_battery() -> None:
    """Open while they are still being closed says nothing."""

    class Slow:
        closed = False

        def __init__(self) -> None:
            self.done = asyncio.Event()

        async def close(self) -> bool:
            await self.done.wait()
            self.closed = True
            return True

        async def open(self, urgency: Urgency, reason: str) -> None:
            self.closed = False

    truck = Truck(())
    bundle, slow = truck.ports["mcs"].bundle(), Slow()
    vehicle = Vehicle(battery=bundle.battery, contactors=slow, inlet=bundle.inlet)
    first = behind_inlet(vehicle, truck.arbiter, "mcs", truck.clock).contactors
    other = behind_inlet(truck.ports["ccs2"].bundle(), truck.arbiter, "ccs2", truck.clock).contactors
    assert first is not None
    assert other is not None
    closing = asyncio.create_task(first.close())
    await asyncio.sleep(0)
    await first.open(Urgency.EMERGENCY, "contradicted")
    with pytest.raises(HardwareError, match="mcs is joined"):
        await other.close()
    slow.done.set()
    await closing
    with pytest.raises(HardwareError, match="mcs is joined"):
        await other.close()
    await first.open(Urgency.EMERGENCY, "closed too late")
    assert truck.arbiter.joined == ()


class Visit:
    """What stands for a client: a session that ends as it is told, and takes a moment to make safe."""

    def __init__(self, vehicle: Vehicle, error: Exception | None = None) -> None:
        self.vehicle, self.error = vehicle, error
        self.begun, self.leave, self.safe = asyncio.Event(), asyncio.Event(), False

    async def run(self) -> None:
        self.begun.set()
        try:
            await self.leave.wait()
        finally:
            for _ in range(3 if self.error is None else 0):
                await asyncio.sleep(0)
            self.safe = True
        raise self.error or HardwareError("nobody there")


def visits(error: Exception | None = None) -> tuple[SeveralInlets, list[Visit]]:
    truck = Truck((), several=True)
    clients = {
        name: Visit(
            behind_inlet(truck.ports[name].bundle(), truck.arbiter, name, truck.clock),
            error if name == "mcs" else None,
        )
        for name in KINDS
    }
    return SeveralInlets(truck.arbiter, clients), list(clients.values())  # type: ignore[arg-type]


async def test_none_of_several_inlets_is_left_behind_by_a_cancellation() -> None:
    both, sessions = visits(ValueError("the first to end"))
    running = asyncio.create_task(both.run())
    for one in sessions:
        await one.begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [one.safe for one in sessions] == [True, True]


async def test_nor_by_what_another_one_raises() -> None:
    both, sessions = visits(ValueError("a fault of this software"))
    running = asyncio.create_task(both.run())
    for one in sessions:
        await one.begun.wait()
    sessions[0].leave.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not running.done()
    sessions[1].leave.set()
    with pytest.raises(ValueError, match="a fault of this software"):
        await running
    assert [one.safe for one in sessions] == [True, True]


async def test_clients_that_no_arbiter_guards_are_refused() -> None:
    truck = Truck(())
    unguarded = {
        name: EvccClient(evcc_config(services=services), truck.ports[name].bundle(), LOOPBACK, evcc_tls())
        for name, (_, services) in KINDS.items()
    }
    with pytest.raises(ConfigError, match="not guarded"):
        SeveralInlets(truck.arbiter, unguarded)
    with pytest.raises(ConfigError, match="one for each of mcs, ccs2"):
        SeveralInlets(truck.arbiter, {})


async def test_two_inlets_behind_one_pair_of_contactors_are_refused() -> None:
    truck = Truck(())
    bundle = truck.ports["mcs"].bundle()
    clients = {
        name: EvccClient(
            evcc_config(services=services),
            behind_inlet(bundle, truck.arbiter, name, truck.clock),
            LOOPBACK,
            evcc_tls(),
        )
        for name, (_, services) in KINDS.items()
    }
    with pytest.raises(ConfigError, match="the same contactors"):
        SeveralInlets(truck.arbiter, clients)


def test_an_attempt_without_a_session_is_not_served() -> None:
    assert not Attempt("mcs", error=HardwareError("x")).served


def test_the_event_of_a_battery_says_the_share_of_all_that_it_can_take() -> None:
    """What is not shared out is as the battery says it."""
    shared = {
        "target_current_a",
        "maximum_charge_current_a",
        "maximum_charge_power_w",
        "maximum_discharge_current_a",
        "maximum_discharge_power_w",
    }
    names = set(ev.BatteryChanged.__struct_fields__)
    assert shared < names
    assert not {name for name in names - shared if name.endswith(("_current_a", "_power_w"))}


async def test_a_visit_that_is_stopped_in_the_charge_ends_in_order_and_tries_no_other_inlet() -> None:
    truck = Truck(("mcs", "ccs2"), soc=20.0)
    async with parked(truck) as inlets:
        visit = asyncio.create_task(inlets.run())
        await truck.joined("mcs")
        with pytest.raises(MisuseError, match="under way"):
            await inlets.run()
        inlets.stop("the driver goes")
        (attempt,) = await visit
    assert attempt.result is not None
    assert attempt.result.ended.reason is EndReason.STOPPED_BY_EV
    assert attempt.served


async def test_a_visit_that_is_stopped_while_it_looks_for_a_station_is_over() -> None:
    truck = Truck(())
    async with parked(truck) as inlets:
        visit = asyncio.create_task(inlets.run())
        await asyncio.sleep(0.02)
        inlets.stop("the driver goes")
        (attempt,) = await visit
        assert (attempt.inlet, str(attempt.error)) == ("mcs", "the driver goes")
        assert [one.inlet for one in await inlets.run()] == ["mcs", "ccs2"]  # and the next one is a new visit


async def test_of_two_inlets_one_that_looks_and_one_that_charges_are_both_stopped() -> None:
    truck = Truck(("mcs",), several=True, soc=20.0)
    heard: list[Attempt] = []
    async with parked(truck) as inlets:
        inlets = SeveralInlets(truck.arbiter, truck.clients, told=heard.append)
        visit = asyncio.create_task(inlets.run())
        await truck.joined("mcs")
        inlets.emergency_shutdown("the driver pulls")
        mcs, ccs2 = await visit
    assert mcs.result is not None
    assert mcs.result.ended.reason is EndReason.EMERGENCY
    assert ccs2.error is not None
    assert {one.inlet for one in heard} == {"mcs", "ccs2"}


async def test_what_a_client_must_not_raise_comes_out_when_the_other_session_is_over() -> None:
    truck = Truck(("mcs",), several=True, soc=78.0)
    async with parked(truck) as inlets:

        async def broken() -> None:
            raise ZeroDivisionError("of ours")

        truck.clients["ccs2"].run = broken  # type: ignore[method-assign, assignment]
        with pytest.raises(ZeroDivisionError):
            await inlets.run()
        assert truck.clients["mcs"].any_session is None
        assert truck.battery.complete


@pytest.mark.parametrize("command", ["stop", "emergency_shutdown"])
async def test_an_inlet_that_cannot_be_asked_keeps_no_other_one_from_it(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    truck = Truck(())
    asked: list[str] = []

    def ask(reason: str) -> None:
        asked.append(reason)
        raise RuntimeError(reason)

    inlets = truck.drive()
    monkeypatch.setattr(SeveralInlets, "in_session", property(lambda _: tuple(truck.clients)))
    for client in truck.clients.values():
        monkeypatch.setattr(client, command, ask)
    getattr(inlets, command)("the driver goes")
    assert asked == ["the driver goes"] * 2
    assert inlets.stopped_because == "the driver goes"
