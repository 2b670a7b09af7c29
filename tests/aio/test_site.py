"""Several connectors in one event loop: what happens at one of them is not felt at the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from iso15118.aio import EvccClient, SeccServer, ServiceState, SessionResult, Site
from iso15118.aio.logs import flush
from iso15118.aio.ports.guard import insist
from iso15118.aio.ports.hardware import PortLimits
from iso15118.errors import ConfigError, HardwareError, LinkError, MisuseError
from iso15118.sdp import Security
from iso15118.session import ports
from iso15118.session.actions import EndReason

from .rig import Raw
from .site import (
    LOOPBACK,
    QUICK_PORTS,
    QUICK_STREAM,
    Plant,
    Stopper,
    Watcher,
    evcc_config,
    evcc_tls,
    secc_config,
    secc_tls,
)


class Bay:
    """One connector with its plant and its vehicle, under safety monitors."""

    def __init__(self, station: ports.Station | None = None, **server: Any) -> None:
        self.plant = Plant()
        config = secc_config()
        limits = self.plant.station.kind.limits, self.plant.vehicle.limits
        self.watchers = Watcher(config, *limits), Watcher(config, *limits)
        merged: dict[str, Any] = {
            "sdp_port": 0,
            "port_limits": QUICK_PORTS,
            "stream_limits": QUICK_STREAM,
            "watch": self.watchers[0].secc,
        }
        self.server = SeccServer(
            config, station or self.plant.secc, LOOPBACK, secc_tls(), **(merged | server)
        )
        self.watchers[0].paused = lambda: self.server.tickets
        self.loops = 0
        self.under_power = asyncio.Event()
        self.client: EvccClient | None = None

    async def charge(self, loops: int = 8) -> SessionResult:
        """A whole session of the vehicle; its result."""

        def reached(client: EvccClient) -> None:
            self.under_power.set()
            client.stop("enough")

        stopper = Stopper(loops, reached)
        self.client = stopper.client = EvccClient(
            evcc_config(),
            self.plant.evcc,
            LOOPBACK,
            evcc_tls(),
            sdp_port=self.server.sdp_port,
            port_limits=QUICK_PORTS,
            stream_limits=QUICK_STREAM,
            watch=self.watchers[1].evcc,
            observer=stopper,
        )
        return await self.client.run()

    def in_the_loop(self) -> bool:
        """The vehicle charges."""
        session = None if self.client is None else self.client.session
        return session is not None and session.state == "DC_ChargeLoop"


async def until(reached: Callable[[], bool]) -> None:
    while not reached():  # noqa: ASYNC110 - a state of others, which tells nobody
        await asyncio.sleep(0.01)


@asynccontextmanager
async def served(site: Site, **bays: Bay) -> AsyncIterator[Site]:
    following = [asyncio.create_task(bay.plant.follow()) for bay in bays.values()]
    try:
        async with site:
            yield site
    finally:
        for one in following:
            one.cancel()
        await asyncio.gather(*following, return_exceptions=True)
    for bay in bays.values():
        assert not bay.watchers[0].violations + bay.watchers[1].violations
        assert bay.plant.station_safe
        assert bay.plant.vehicle_safe


async def test_two_connectors_serve_at_the_same_time_each_with_its_results() -> None:
    left, right = Bay(), Bay()
    told: list[tuple[str, SessionResult]] = []
    site = Site(
        {"left": left.server, "right": right.server}, finished=lambda name, one: told.append((name, one))
    )
    async with served(site, left=left, right=right):
        assert site.connectors == ("left", "right")
        results = await asyncio.gather(left.charge(), right.charge(loops=30))
        await site.wait_finished(2)
        assert [one.ended.reason for one in results] == [EndReason.STOPPED_BY_EV] * 2
        await left.charge()
        await site.wait_finished(3)
    assert sorted(name for name, _ in told) == ["left", "left", "right"]
    assert [one for name, one in told if name == "left"] == list(left.server.results)
    assert all(one.safe and one.ended.reason is EndReason.STOPPED_BY_EV for _, one in told)


async def test_strangers_at_one_connector_do_not_keep_the_other_from_charging() -> None:
    left, right = Bay(), Bay()
    async with served(Site({"left": left.server, "right": right.server}), left=left, right=right):
        raws = [await Raw.to(left.server.ports[Security.TLS]) for _ in range(40)]
        for number, raw in enumerate(raws):
            await raw.send(b"\x16\x03\x01\x02\x00" if number % 2 else bytes(200))
        result = await right.charge(loops=30)
        assert result.ended.reason is EndReason.STOPPED_BY_EV
        assert result.charge_loops >= 30
        for raw in raws:
            raw.reset()
        assert (await left.charge()).safe


async def test_an_emergency_at_one_connector_is_not_felt_at_the_other() -> None:
    left, right = Bay(), Bay()
    async with served(Site({"left": left.server, "right": right.server}), left=left, right=right) as site:
        charging = asyncio.create_task(right.charge(loops=400))
        await until(right.in_the_loop)
        ends = asyncio.create_task(left.charge(loops=400))
        await until(left.in_the_loop)
        site["left"].emergency_shutdown("somebody pressed the button of this connector")
        gone = await ends
        assert gone.ended.reason is not EndReason.STOPPED_BY_EV
        assert site.in_session == ("right",)
        site["left"].out_of_service("the cable is damaged")
        await asyncio.sleep(0.05)
        assert site["left"].state is ServiceState.OUT_OF_SERVICE
        assert site["right"].state is ServiceState.IN_SESSION
        result = await charging
        assert (result.ended.reason, result.charge_loops >= 400) == (EndReason.STOPPED_BY_EV, True)


async def test_one_that_cannot_be_opened_is_tried_again_while_the_other_serves() -> None:
    left, right = Bay(), Bay()
    refuses = True

    class Meanwhile(SeccServer):
        async def open(self) -> None:
            if refuses:
                raise LinkError("there is no such interface yet")
            await super().open()

    left.server.__class__ = Meanwhile
    opened: list[str] = []
    site = Site(
        {"left": left.server, "right": right.server},
        listening=lambda name, server: opened.append(name),
        retry_s=0.05,
    )
    async with served(site, left=left, right=right):
        assert opened == ["right"]
        assert "no such interface yet" in site.problems["left"]
        assert (await right.charge()).safe
        refuses = False
        await until(lambda: not site.problems)
        assert opened == ["right", "left"]
        assert (await left.charge()).safe
        await site.wait_finished(2)


@pytest.mark.parametrize("error", [LinkError("none there"), HardwareError("no listener")])
async def test_where_none_can_be_opened_the_first_says_why(error: Exception) -> None:
    class Never(SeccServer):
        async def open(self) -> None:
            raise error

    left, right = Bay(), Bay()
    for one in (left, right):
        one.server.__class__ = Never
    with pytest.raises(type(error), match=str(error)):
        await Site({"left": left.server, "right": right.server}).open()


async def test_one_supply_under_two_names_is_refused_with_the_connector() -> None:
    left = Bay()
    right = Bay(station=left.plant.secc)
    with pytest.raises(ConfigError, match="at connector 'right'") as caught:
        await Site({"left": left.server, "right": right.server}).open()
    assert caught.value.key in ("power", "contactors")
    assert left.server.state is ServiceState.CLOSED  # nothing is left half open
    async with served(Site({"left": left.server}), left=left):
        assert (await left.charge()).safe


async def test_the_end_of_the_site_ends_every_session_and_tells_it() -> None:
    left, right = Bay(), Bay()
    told: list[str] = []
    site = Site({"left": left.server, "right": right.server}, finished=lambda name, one: told.append(name))
    async with served(site, left=left, right=right):
        both = [asyncio.create_task(one.charge(loops=10_000)) for one in (left, right)]
        await until(lambda: min(left.plant.current_a, right.plant.current_a) > 10.0)
    assert sorted(told) == ["left", "right"]
    await asyncio.gather(*both)


async def test_the_end_is_given_what_the_ports_of_a_session_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty seconds cut off a device that retracts for fifty-five."""
    waited: list[float] = []

    async def insisted(what: Callable[[], Any], limit_s: float) -> Any:
        waited.append(limit_s)
        return await insist(what, limit_s)

    left, right = Bay(), Bay()
    async with served(Site({"left": left.server, "right": right.server}), left=left, right=right):
        charging = asyncio.create_task(left.charge(loops=10_000))
        await until(lambda: left.plant.current_a > 10.0)
        assert (took := left.server.sessions.ends_within_s) > 0.0
        assert right.server.sessions.ends_within_s == 2.0 * (QUICK_PORTS.contactors_s + QUICK_PORTS.power_s)
        monkeypatch.setattr("iso15118.aio.site.insist", insisted)
    assert waited == [30.0 + took]
    await charging


async def test_lines_of_the_log_say_which_connector(caplog: pytest.LogCaptureFixture) -> None:
    left, right = Bay(), Bay()
    with caplog.at_level(logging.INFO, logger="iso15118"):
        async with served(Site({"left": left.server, "right": right.server}), left=left, right=right):
            await right.charge()
        assert flush(60.0)
    lines = [
        one
        for one in caplog.records
        if "secc with" in one.getMessage() and "the session ended" in one.getMessage()
    ]
    assert lines
    for one in lines:
        assert one.getMessage().startswith("right: secc with")
        assert getattr(one, "connector", None) == "right"


async def test_what_is_no_site_is_refused() -> None:
    with pytest.raises(ConfigError, match="there are none"):
        Site({})
    left = Bay()
    with pytest.raises(ConfigError, match="two names"):
        Site({"a": left.server, "b": left.server})
    site = Site({"left": left.server})
    with pytest.raises(MisuseError, match="no connector 'right': left"):
        site["right"]
    with pytest.raises(MisuseError, match="not open"):
        await site.wait_finished(1)
    async with site:
        with pytest.raises(MisuseError, match="open already"):
            await site.open()


@pytest.mark.parametrize("command", ["stop", "emergency_shutdown"])
def test_one_that_cannot_be_asked_keeps_nobody_else_from_it(command: str) -> None:
    asked: list[str] = []

    class Asked:
        def __init__(self, name: str, *, broken: bool) -> None:
            self.name, self.broken = name, broken

        def stop(self, reason: str) -> None:
            asked.append(self.name)
            if self.broken:
                raise KeyboardInterrupt(reason)

        emergency_shutdown = stop

    site = Site({"left": Asked("left", broken=True), "right": Asked("right", broken=False)})  # type: ignore[dict-item]
    with pytest.raises(KeyboardInterrupt):
        getattr(site, command)("enough")
    assert asked == ["left", "right"]


class Sluggish:
    """Contactors that take longer to open than everything else may."""

    opens_s = 35.0

    def __init__(self) -> None:
        self.closed, self.done = False, list[str]()

    async def close(self) -> bool:
        return True

    async def open(self, urgency: Any, reason: str) -> None:
        self.done.append("begun")
        await asyncio.sleep(self.opens_s)
        self.closed = False
        self.done.append("open")


async def test_the_end_is_given_what_hardware_may_take_that_nobody_charges_with() -> None:
    """Thirty seconds cut off contactors that open within their own limit."""
    contactors = Sluggish()
    bay = Bay(
        replace(Plant().secc, contactors=contactors), port_limits=PortLimits(contactors_s=40.0)
    )  # fmt: skip
    site = Site({"left": bay.server})
    await site.open()
    await asyncio.sleep(0.1)
    contactors.closed = True
    await site.close()
    assert (contactors.closed, contactors.done) == (False, ["begun", "open"])
    assert bay.server.sessions.ends_within_s == 0.0
