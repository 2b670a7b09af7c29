"""A station's connector that is closed and opened again, or could not be opened at first: it serves as
before, and nothing begins from its end on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from iso15118.aio.plug.connector import LinkParts
from iso15118.aio.plug.media import NoMedium
from iso15118.aio.plug.plugged_secc import PluggedSecc
from iso15118.aio.secc import SeccServer
from iso15118.aio.service import ServiceState
from iso15118.connector import SeccConnector
from iso15118.connector.basic import BasicMode
from iso15118.connector.news import StartBasic, StartDiscovery
from iso15118.errors import LinkError, MisuseError
from iso15118.link.plain import PlainLink
from iso15118.link.ports import Listener
from iso15118.simulation.cable import PlainCable
from tests.aio.site import LOOPBACK, Plant, secc_config, secc_tls
from tests.aio.test_basic import Bench
from tests.aio.test_plugged import connector, free_port
from tests.aio.test_settling import now


class Wire(NoMedium):
    """It cannot be had at first."""

    def __init__(self) -> None:
        self.refused = 1

    async def open(self, tell: Listener) -> None:
        if self.refused:
            self.refused -= 1
            raise LinkError("the transceiver does not answer")


def station(medium: NoMedium, replug: Callable[[], None] | None = None) -> PluggedSecc:
    plant = Plant()
    cable = PlainCable(plant.clock, plant.circuit)
    parts = LinkParts(link=PlainLink(), medium=medium, signalling=cable.station, replug=replug)
    return PluggedSecc(secc_config(), plant.secc, LOOPBACK, secc_tls(), parts, sdp_port=free_port())


def state(secc: PluggedSecc) -> ServiceState:
    return secc.state


class AtRest(SeccConnector):
    """Nothing more comes of this plug-in."""

    rests = True

    @property
    def at_rest(self) -> bool:
        return self.rests


def at_rest(secc: PluggedSecc) -> AtRest:
    machine = AtRest(PlainLink(), 20.0)
    secc.driver.machine = machine
    return machine


async def test_how_long_its_end_may_take_is_what_its_server_says() -> None:
    assert station(NoMedium()).ends_within_s == 0.0
    async with connector() as here:
        said: list[tuple[float, float]] = []

        def look() -> None:
            server = here.secc.server
            assert server is not None
            said.append((here.secc.ends_within_s, server.ends_within_s))
            here.evcc.stop("enough")

        here.do_after(2, look)
        here.cable.plug_in()
        await here.evcc.run()
        ((told_s, is_s),) = said
        assert told_s == is_s > 0.0


async def test_a_connector_that_was_closed_charges_when_it_is_opened_again() -> None:
    async with connector() as here:
        await here.charge()
        await here.secc.close()
        assert state(here.secc) is ServiceState.CLOSED
        await here.secc.open()
        assert state(here.secc) is ServiceState.AVAILABLE
        await here.charge()
        assert here.secc.finished == 2, "what has ended before still counts"


async def test_a_connector_whose_wire_could_not_be_had_serves_when_it_can() -> None:
    wire = Wire()
    secc = station(wire)
    with pytest.raises(LinkError, match="does not answer"):
        await secc.open()
    assert state(secc) is ServiceState.CLOSED
    async with secc:
        assert state(secc) is ServiceState.AVAILABLE
        assert secc.server is not None
        assert len(secc.server.ports) == 1
        assert secc.unreachable_because == ""


async def test_a_connector_is_opened_once_at_a_time() -> None:
    async with station(NoMedium()) as secc:
        with pytest.raises(MisuseError, match="open already"):
            await secc.open()
        assert state(secc) is ServiceState.AVAILABLE


async def test_who_could_not_be_opened_for_another_reason_may_be_opened_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fails(server: SeccServer) -> None:
        raise ZeroDivisionError("nobody thought of this")

    secc = station(NoMedium())
    with monkeypatch.context() as patched:
        patched.setattr(SeccServer, "open", fails)
        with pytest.raises(ZeroDivisionError):
            await secc.open()
    async with secc:
        assert state(secc) is ServiceState.AVAILABLE


async def test_what_is_wrong_with_its_server_keeps_vehicles_from_finding_a_connector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with station(NoMedium()) as secc:
        assert secc.unreachable_because == ""
        monkeypatch.setattr(SeccServer, "unreachable_because", property(lambda server: "eth7 is gone"))
        assert secc.unreachable_because == "eth7 is gone"


async def test_two_who_want_the_server_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[SeccServer] = []
    really = SeccServer.open

    async def slowly(server: SeccServer) -> None:
        opened.append(server)
        await asyncio.sleep(0.5)
        await really(server)

    secc = station(NoMedium())
    secc._life._open = True
    monkeypatch.setattr(SeccServer, "open", slowly)
    first, second = await asyncio.gather(secc._serve(), secc._serve())
    assert opened == [first]
    assert first is second is secc.server
    await secc.close()


async def test_a_server_that_is_being_opened_at_the_end_is_closed_when_the_end_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[SeccServer] = []
    really = SeccServer.open

    async def late(server: SeccServer) -> None:
        made.append(server)
        if len(made) == 1:
            raise LinkError("no address yet")
        await really(server)
        await asyncio.sleep(5.0)

    monkeypatch.setattr(SeccServer, "open", late)
    secc = station(NoMedium())
    async with secc:
        secc._carry_out(StartDiscovery(1))
        await asyncio.sleep(1.0)
        assert len(made) == 2
    assert secc.server is None
    monkeypatch.undo()
    await made[1].close()


async def test_nothing_begins_from_the_end_on() -> None:
    secc = station(NoMedium())
    async with secc:
        pass
    secc._carry_out(StartDiscovery(1))
    secc._carry_out(StartBasic(1))
    assert (secc._discovery, secc._basic) == (None, None)


async def test_who_plugs_in_while_a_station_is_switched_off_is_not_charged() -> None:
    bench = Bench(BasicMode.ONLY, target_soc=80.0)
    async with bench.plugged_in():
        await bench.until_charging()
        closing = asyncio.create_task(bench.secc.close())
        await asyncio.sleep(0)
        bench.cable.unplug()
        bench.cable.plug_in()
        await closing
        assert bench.secc.any_session is None
        assert not bench.station.outlet.closed
        closings = bench.station.outlet.closings
        await asyncio.sleep(5.0)
        assert bench.station.outlet.closings == closings


# -- where the signalling is assumed, the next plug-in is made


async def test_the_next_plug_in_is_made_a_second_after_nothing_more_comes_of_one() -> None:
    made: list[float] = []
    async with station(NoMedium(), lambda: made.append(now())) as secc:
        machine = at_rest(secc)
        began = now()
        secc._look()
        await asyncio.sleep(0.5)
        secc._look()
        await asyncio.sleep(2.0)
        assert made == [pytest.approx(began + 1.0, abs=0.01)]
        machine.rests = False
        secc._look()
        await asyncio.sleep(2.0)
        assert len(made) == 1, "something may still come of it"
        machine.rests = True
        secc._look()
        await asyncio.sleep(0.5)
        machine.rests = False
        await asyncio.sleep(2.0)
        assert len(made) == 1, "something comes of it after all"
        machine.rests = True
        secc._look()
        await asyncio.sleep(2.0)
        assert len(made) == 2


async def test_no_plug_in_is_made_after_the_end_but_when_it_is_opened_again() -> None:
    made: list[str] = []
    wire = Wire()
    secc = station(wire, lambda: made.append("replug"))
    at_rest(secc)
    with pytest.raises(LinkError):
        await secc.open()
    secc._look()
    await asyncio.sleep(2.0)
    assert made == []
    async with secc:
        at_rest(secc)
        secc._look()
        await asyncio.sleep(2.0)
        assert made == ["replug"]
        secc._look()
    await asyncio.sleep(2.0)
    assert made == ["replug"], "it was on its way when the connector was closed"


async def test_who_waits_for_a_plug_makes_none() -> None:
    async with station(NoMedium()) as secc:
        at_rest(secc)
        secc._look()
        await asyncio.sleep(2.0)
        assert secc._replugging is None
        secc._plug_in_again()


async def test_a_server_that_has_opened_while_its_connector_was_closed_is_closed_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It did not notice that whoever opened it was cancelled."""
    secc, really = station(NoMedium()), SeccServer.open
    opening, closed = asyncio.Event(), asyncio.Event()

    async def unmoved(server: SeccServer) -> None:
        opening.set()
        try:
            await closed.wait()
        except asyncio.CancelledError:
            await really(server)

    monkeypatch.setattr(SeccServer, "open", unmoved)
    secc._life._open = True
    secc._carry_out(StartDiscovery(1))
    await opening.wait()
    await secc.close()
    assert secc.server is not None
    assert state(secc) is ServiceState.CLOSED
