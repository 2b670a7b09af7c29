"""Alternating current over a real connection on ``::1``: a server with an AC outlet, a client with an
on-board charger, and the safety monitor of both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from iso15118.aio import EvccClient, PortLimits, SeccServer, SessionResult, StreamLimits, find_interface
from iso15118.errors import ConfigError, HardwareError
from iso15118.evcc import EvccConfig
from iso15118.secc import SeccConfig
from iso15118.session import events as ev
from iso15118.session import ports
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.services import ControlMode, ServiceID
from iso15118.simulation import AcCircuit, Battery, OnBoardCharger, SimulatedAcStation, SimulatedAcVehicle
from iso15118.simulation.ac_ports import AcStationPorts, AcVehiclePorts
from iso15118.testing import SafetyMonitor
from tests.aio.test_slow_feedback import Shown
from tests.pair.ac_rig import PACK

LOOPBACK = find_interface("lo")
QUICK = PortLimits(power_s=0.3, contactors_s=0.5, signal_s=0.3, meter_s=0.3, authorization_s=1.0, look_s=0.02)


class AcSite:
    """A plant in step with the event loop, and what its two ends came to. ``spoil`` may make
    something fail before it begins."""

    def __init__(
        self,
        service: ServiceID = ServiceID.AC,
        mode: ControlMode = ControlMode.DYNAMIC,
        *,
        phases: int = 3,
        time_scale: float = 60.0,
        **evcc: Any,
    ) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        back = 32.0 if service is ServiceID.AC_BPT else 0.0
        outlet = AcStationLimits.of(current_a=32.0, phases=phases, discharge_a=back)
        car = AcVehicleLimits.of(current_a=16.0, phases=phases, discharge_a=min(back, 16.0))
        circuit = AcCircuit(phases=phases, time_scale=time_scale)
        self.station = SimulatedAcStation(circuit, outlet)
        self.vehicle = SimulatedAcVehicle(circuit, OnBoardCharger(car), Battery(**PACK))
        self.secc = SeccConfig(services=(ServiceID.AC, ServiceID.AC_BPT), allow_plaintext=True)
        self.evcc = EvccConfig(
            services=(service,),
            control_modes=(mode,),
            allow_plaintext=True,
            target_soc=42,
            minimum_soc=10,
            **evcc,
        )
        self.monitor = SafetyMonitor(self.secc, None, outlet=outlet, charger=car)
        self.clock: Callable[[], float] = lambda: loop.time() - began
        self._station = AcStationPorts(self.station, asyncio.sleep, self.clock)
        self._vehicle = AcVehiclePorts(self.vehicle, asyncio.sleep, self.clock)
        self.results: list[SessionResult] = []

    async def run(self, during: Callable[[AcSite, SeccServer, EvccClient], Any] | None = None) -> None:
        """One session to its end; ``during`` is awaited beside it."""
        streams = StreamLimits(handshake_s=2.0, linger_s=0.2)
        following = asyncio.gather(self._station.follow(), self._vehicle.follow())
        server = SeccServer(
            self.secc,
            self._station.bundle(),
            LOOPBACK,
            sdp_port=0,
            port_limits=QUICK,
            stream_limits=streams,
            watch=self.monitor.secc,
        )
        try:
            async with server:
                client = EvccClient(
                    self.evcc,
                    self._vehicle.bundle(),
                    LOOPBACK,
                    sdp_port=server.sdp_port,
                    port_limits=QUICK,
                    stream_limits=streams,
                    watch=self.monitor.evcc,
                )
                beside = None if during is None else asyncio.create_task(during(self, server, client))
                mine = await client.run()
                theirs = await server.wait_finished(1)
                self.results = [theirs, mine]
                if beside is not None:
                    await beside
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
        assert not self.station.outlet.closed or self.station.outlet.fault
        assert self.monitor.seen > 50


@pytest.mark.parametrize("phases", [1, 3])
@pytest.mark.parametrize("mode", list(ControlMode))
@pytest.mark.parametrize("service", [ServiceID.AC, ServiceID.AC_BPT])
async def test_a_whole_session(service: ServiceID, mode: ControlMode, phases: int) -> None:
    site = AcSite(service, mode, phases=phases, time_scale=240.0 if phases == 1 else 120.0)
    await site.run()
    for result in site.results:
        assert result.ended.reason is EndReason.STOPPED_BY_EV, result
        assert result.safe, result.faults
        assert result.charge_loops > 5
    theirs = site.results[0]
    assert theirs.charged_wh == pytest.approx(site.vehicle.battery.charged_wh, rel=1e-3)
    assert theirs.peak_power_kw == pytest.approx(3.68 * phases, rel=0.02)
    assert site.station.outlet.closings == 1
    assert site.station.outlet.opened_under_load == 0


async def charging(site: AcSite) -> None:
    """Wait until all of it flows."""
    await until(lambda: sum(site.station.circuit.power_w) > 10_000.0)


async def until(happened: Callable[[], bool]) -> None:
    """Wait for something that the plant shows; the test's own timeout ends it."""
    while not happened():  # noqa: ASYNC110 - the plant has no event for it
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("role", ["secc", "evcc"])
@pytest.mark.parametrize("what", ["present", "stop", "set_power", "limits"])
async def test_a_port_that_fails_under_power_ends_the_session_safely(role: str, what: str) -> None:
    site = AcSite(time_scale=1.0)

    async def spoil(site: AcSite, server: SeccServer, client: EvccClient) -> None:
        await charging(site)
        port: Any = server.station.ac if role == "secc" else client.vehicle.charger

        def fails(*_: object) -> Any:
            raise HardwareError("broken")

        async def does_not(*_: object) -> None:
            raise HardwareError("broken")

        broken: Any = property(fails) if what in ("present", "limits") else does_not
        port.__class__ = type("Broken", (type(port),), {what: broken})
        if what == "set_power" and role == "secc":
            site.station.derate(AcStationLimits.of(current_a=10.0), site.clock())
        elif what == "set_power":
            server.tell(ev.SetPointChanged(5_000.0))
        elif what == "stop":
            client.stop("enough")

    await site.run(spoil)
    failing, other = site.results if role == "secc" else site.results[::-1]
    assert failing.faults, failing
    assert failing.ended.reason is EndReason.HARDWARE_FAULT
    assert failing.safe is (what in ("set_power", "limits"))
    assert not site.station.outlet.closed
    assert not any(site.station.circuit.power_w)
    assert other.safe


async def test_the_connection_is_cut_under_power() -> None:
    site = AcSite(time_scale=1.0)

    async def cut(site: AcSite, server: SeccServer, client: EvccClient) -> None:
        await charging(site)
        server.tell(ev.EmergencyShutdown("button"))

    await site.run(cut)
    theirs, mine = site.results
    assert theirs.ended.reason is EndReason.EMERGENCY
    assert theirs.safe
    assert mine.safe
    assert site.station.outlet.closings == site.station.outlet.openings == 1


async def test_lower_limits_reach_the_vehicle_at_once() -> None:
    site = AcSite(time_scale=1.0)

    async def lower(site: AcSite, server: SeccServer, client: EvccClient) -> None:
        await charging(site)
        site.station.derate(AcStationLimits.of(current_a=8.0), site.clock())
        await until(lambda: sum(site.station.circuit.power_w) < 8.0 * 690.0 + 1.0)
        assert site.station.told is not None
        assert sum(site.station.told.charge_w) == pytest.approx(5_520.0, abs=1.0)
        server.tell(ev.AcLimitsChanged(AcStationLimits.of(current_a=7.0)))
        await until(lambda: sum(site.station.circuit.power_w) < 7.0 * 690.0 + 1.0)
        server.stop("enough")

    await site.run(lower)
    theirs, mine = site.results
    assert theirs.ended.reason is EndReason.STOPPED_BY_STATION
    assert theirs.safe
    assert mine.safe


async def test_between_sessions_an_ampere_and_more_at_an_outlet_or_a_charger_is_said() -> None:
    for amperes, quiet in ((0.9, True), (1.1, False)):
        site = AcSite()
        shows = "present", lambda value, at, amperes=amperes: ev.AcMeasured(current_a=(amperes, 0.0, 0.0))
        station, vehicle = site._station.bundle(), site._vehicle.bundle()
        station = replace(station, ac=Shown(station.ac, *shows))
        vehicle = replace(vehicle, charger=Shown(vehicle.charger, *shows))
        server = SeccServer(site.secc, station, LOOPBACK, sdp_port=0, port_limits=QUICK)
        client = EvccClient(site.evcc, vehicle, LOOPBACK, port_limits=QUICK)
        async with server, client:
            await asyncio.sleep(3.0)
            for why in (server.out_of_service_because, client.out_of_service_because):
                assert ("current-without-permission" in why) is not quiet


def _bundle(*given: str) -> Any:
    class Everything:
        closed = False
        limits = present = state = None

        async def close(self) -> bool:
            return True

        async def open(self, urgency: Urgency, reason: str) -> None: ...

        async def set_power(self, *_: object) -> None: ...

        async def pre_charge(self, *_: object) -> None: ...

        async def stop(self, urgency: Urgency) -> None: ...

        async def run(self, *_: object) -> bool:
            return True

        async def authorize(self, evccid: str) -> bool:
            return True

    kind: Any = ports.Vehicle if "battery" in given else ports.Station
    return kind(**{name: Everything() for name in given})


@pytest.mark.parametrize(
    ("role", "has", "wants", "named"),
    [
        ("secc", ("power", "cable_check"), ServiceID.AC, r"Station\(ac=...\)"),
        ("secc", ("ac",), ServiceID.DC, r"Station\(power=..., cable_check=...\)"),
        ("evcc", ("inlet", "contactors"), ServiceID.AC_BPT, r"Vehicle\(charger=...\)"),
        ("evcc", ("charger",), ServiceID.DC, r"Vehicle\(inlet=..., contactors=...\)"),
    ],
)
def test_a_service_without_its_port_is_refused_by_name(
    role: str, has: tuple[str, ...], wants: ServiceID, named: str
) -> None:
    bundle = _bundle(*has, *(("contactors", "authorizer") if role == "secc" else ("battery",)))

    def make() -> object:
        if role == "secc":
            return SeccServer(SeccConfig(services=(wants,), allow_plaintext=True), bundle, LOOPBACK)
        return EvccClient(EvccConfig(services=(wants,), allow_plaintext=True), bundle, LOOPBACK)

    with pytest.raises(ConfigError, match=rf"^services: {wants.name} has no port .*{named}"):
        make()
