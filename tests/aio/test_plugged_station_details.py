"""A station's connector in its details: what is told to whom, what is tried again and how often, and what is
given up."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.identity import RenewableTls
from iso15118.aio.plug.connector import ADDRESS_RETRY_S, LinkParts
from iso15118.aio.plug.media import NoMedium
from iso15118.aio.plug.plugged_secc import PluggedSecc
from iso15118.aio.secc import SeccServer
from iso15118.aio.service import ServiceState
from iso15118.connector import ConnectorSettings, Phase
from iso15118.connector.basic import BasicMode, BasicSettings, Steps
from iso15118.connector.news import PhaseEntered, StartBasic, StartDiscovery, StopDiscovery
from iso15118.errors import ConfigError, LinkError, MisuseError
from iso15118.link.plain import PlainLink
from iso15118.link.primitives import DLinkReady, Pilot, SetPilot
from iso15118.secc import SeccConfig
from iso15118.session.events import HardwareFault
from iso15118.session.services import ServiceID
from iso15118.simulation import AcCircuit, SimulatedAcStation
from iso15118.simulation.cable import PlainCable
from tests.aio.site import LOOPBACK, Plant, secc_config, secc_tls
from tests.aio.test_basic import OUTLET
from tests.aio.test_plugged import free_port
from tests.aio.test_settling import now
from tests.tls.rig import NOW, issued
from tests.tls.rig import station as station_tls


def connector(**settings: Any) -> PluggedSecc:
    plant = Plant()
    cable = PlainCable(plant.clock, plant.circuit)
    parts = LinkParts(link=PlainLink(), medium=NoMedium(), signalling=cable.station)
    merged: dict[str, Any] = {"tls": secc_tls(), "config": secc_config()} | settings
    config, tls = merged.pop("config"), merged.pop("tls")
    return PluggedSecc(config, plant.secc, LOOPBACK, tls, parts, sdp_port=free_port(), **merged)


class Server:
    """In place of the server behind it. ``busy``: how often another session still has the hardware."""

    def __init__(self, busy: int = 0) -> None:
        self.tickets: list[str] = []
        self.told: list[Any] = []
        self.asked: list[float] = []
        self.busy = busy
        self.state = self.session = self.any_session = object()

    def tell(self, event: Any) -> None:
        self.told.append(event)

    def serve_without_messages(self, make: Any, show: Any) -> bool:
        self.asked.append(now())
        return len(self.asked) > self.busy

    def hide(self) -> None: ...

    async def close(self) -> None: ...


def behind(secc: PluggedSecc, **given: Any) -> Server:
    server: Any = Server(**given)
    secc._server = server
    secc._life._open = True
    return server  # type: ignore[no-any-return]


# -- news


@pytest.mark.parametrize("phase", [Phase.LINKING, Phase.SESSION])
async def test_nobody_goes_on_with_what_was_paused_before_the_plug_was_pulled(phase: Phase) -> None:
    secc = connector()
    secc._heard(PhaseEntered(Phase.UNPLUGGED))
    secc._heard(PhaseEntered(Phase.LINKING))
    server = behind(secc)
    server.tickets.append("before")
    secc._heard(PhaseEntered(phase))
    assert server.tickets == ["before"], "it is plugged in"
    secc._heard(PhaseEntered(Phase.UNPLUGGED))
    assert server.tickets == []
    server.tickets.append("the end of the session came after the plug")
    secc._heard(DLinkReady(False))
    assert len(server.tickets) == 1
    secc._heard(PhaseEntered(phase))
    assert server.tickets == []
    server.tickets.append("of this plug-in")
    secc._heard(PhaseEntered(Phase.PAUSED))
    assert len(server.tickets) == 1


async def test_what_was_paused_before_a_restart_of_the_station_can_be_gone_on_with() -> None:
    secc = connector()
    server = behind(secc)
    server.tickets.append("handed over by the program before")
    secc._heard(PhaseEntered(Phase.LINKING))
    secc._heard(PhaseEntered(Phase.DISCOVERY))
    assert len(server.tickets) == 1


async def test_the_address_of_a_vehicle_is_the_one_that_was_matched_in_this_plug_in() -> None:
    secc = connector()
    link: Any = SimpleNamespace(peer=b"\x02PEV\x00\x01")
    secc._link = link
    secc._heard(DLinkReady(False))
    assert secc._mac == "", "whoever was not matched is nobody"
    secc._heard(DLinkReady(True))
    assert secc._mac == "02:50:45:56:00:01"
    secc._heard(PhaseEntered(Phase.SESSION))
    assert secc._mac == "02:50:45:56:00:01"
    secc._heard(PhaseEntered(Phase.UNPLUGGED))
    assert secc._mac == ""
    link.peer = None
    secc._heard(DLinkReady(True))
    assert secc._mac == ""


async def test_who_fails_at_news_of_a_session_is_told_of_the_next_ones_as_well() -> None:
    told: list[Any] = []

    def fails(news: Any) -> None:
        told.append(news)
        raise ValueError("not now")

    secc = connector(session_news=fails)
    first, second = PhaseEntered(Phase.SESSION), PhaseEntered(Phase.FINISHED)
    secc._told(first)
    secc._told(second)
    assert told == [first, second]


async def test_the_sessions_of_a_connector_are_those_of_its_server() -> None:
    secc = connector()
    assert (secc.session, secc.any_session) == (None, None)
    server = behind(secc)
    assert secc.session is server.session
    assert secc.any_session is server.any_session


async def test_a_certificate_is_renewed_whether_a_server_stands_or_not_and_only_where_there_is_tls() -> None:
    first, second = (RenewableTls(station_tls(issued()), clock=lambda: NOW) for _ in range(2))
    secc = connector(tls=first)
    secc.renew(second.source)
    assert first.source is second.source
    plain = connector(tls=None, config=secc_config(allow_plaintext=True))
    with pytest.raises(MisuseError, match="no TLS"):
        plain.renew(second.source)


# -- a pilot that cannot be shown


class Pilots:
    """Outputs that may fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.shown: list[Any] = []

    def show(self, action: Any) -> None:
        if self.error is not None:
            raise self.error
        self.shown.append(action)


async def test_a_pilot_that_cannot_be_shown_in_basic_charging_is_a_fault_of_the_hardware() -> None:
    secc = connector()
    outputs: Any = Pilots(OSError("the driver is gone"))
    secc.driver.outputs = outputs
    secc._show(SetPilot(Pilot.STEADY))  # nobody is there to be told
    server = behind(secc)
    secc._show(SetPilot(Pilot.STEADY))
    assert server.told == [HardwareFault("control pilot", "OSError: the driver is gone")]
    outputs.error = None
    secc._show(SetPilot(Pilot.STATE_F))
    assert (len(server.told), outputs.shown) == (1, [SetPilot(Pilot.STATE_F)])
    secc.driver.outputs = None
    secc._show(SetPilot(Pilot.STEADY))
    assert len(server.told) == 1


# -- what is tried again


async def test_basic_charging_begins_as_soon_as_the_session_before_has_come_to_its_end() -> None:
    secc = connector()
    server = behind(secc, busy=3)
    secc.connection.phase = Phase.BASIC
    began = now()
    secc._carry_out(StartBasic(1))
    await asyncio.sleep(5.0)
    assert server.asked == [pytest.approx(began + 0.05 * number, abs=0.004) for number in range(4)]


@pytest.mark.parametrize("when", ["at once", "while it waits", "while the server is opened"])
async def test_who_is_unplugged_before_basic_charging_begins_is_not_charged(
    when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secc = connector()
    server = behind(secc, busy=3)

    async def serve() -> Any:
        if when == "while the server is opened":
            await asyncio.sleep(1.0)
        return server

    monkeypatch.setattr(secc, "_serve", serve)
    secc.connection.phase = Phase.UNPLUGGED if when == "at once" else Phase.BASIC
    secc._carry_out(StartBasic(1))
    await asyncio.sleep(0.12)
    secc.connection.phase = Phase.UNPLUGGED
    await asyncio.sleep(5.0)
    assert len(server.asked) == (3 if when == "while it waits" else 0)


async def test_basic_charging_that_is_asked_for_anew_takes_the_place_of_what_was_not_begun() -> None:
    secc = connector()
    server = behind(secc, busy=1000)
    begun: list[Steps] = []

    def begin(server: Any, steps: Steps) -> bool:
        if server.busy:
            return False
        begun.append(steps)
        return True

    secc._begin_basic = begin  # type: ignore[method-assign]  # what it is asked for is looked at
    secc.connection.phase = Phase.BASIC
    first, second = list(Steps)[:2]
    secc._carry_out(StartBasic(1, first))
    await asyncio.sleep(0.2)
    secc._carry_out(StartBasic(2, second))
    await asyncio.sleep(0.2)
    server.busy = 0
    await asyncio.sleep(1.0)
    assert begun == [second]


@pytest.mark.parametrize("given_up", [False, True])
async def test_an_interface_without_an_address_is_asked_again_until_nobody_has_to_be_found(
    given_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    secc = connector()
    behind(secc)
    tried: list[float] = []

    async def fails() -> Any:
        tried.append(now())
        raise LinkError("no address yet")

    monkeypatch.setattr(secc, "_serve", fails)
    began = now()
    secc._carry_out(StartDiscovery(1))
    await asyncio.sleep(1.1)
    assert tried == [pytest.approx(began + 0.25 * number, abs=0.01) for number in range(5)]
    assert ADDRESS_RETRY_S == 0.25
    if given_up:
        secc._carry_out(StopDiscovery())
    await asyncio.sleep(1.0)
    assert len(tried) == (5 if given_up else 9)
    secc._hide()


async def test_basic_charging_needs_no_interface() -> None:
    loop = asyncio.get_running_loop()
    outlet = SimulatedAcStation(AcCircuit(), OUTLET).ports(asyncio.sleep, loop.time)
    cable = PlainCable(loop.time)
    parts = LinkParts(
        link=PlainLink(),
        medium=NoMedium(),
        signalling=cable.station,
        settings=ConnectorSettings(basic=BasicSettings(mode=BasicMode.ONLY)),
    )
    config = SeccConfig(services=(ServiceID.AC,), editions=("iso2",), allow_plaintext=True)
    async with PluggedSecc(config, outlet, "no-such-if0", None, parts, sdp_port=free_port()) as secc:
        assert isinstance(secc.server, SeccServer)
        assert "no-such-if0" in secc.unreachable_because
        secc.connection.phase = Phase.BASIC
        secc._carry_out(StartBasic(1))
        await asyncio.sleep(0.1)
        assert secc.any_session is not None


@pytest.mark.parametrize("first", [False, True], ids=["while it serves", "before it has a server"])
async def test_a_station_that_cannot_show_its_pilot_serves_nobody_until_it_can(first: bool) -> None:
    plant = Plant()
    cable = PlainCable(plant.clock, plant.circuit)
    shown, broken = cable.station.show, SimpleNamespace(answer=None)

    def show(action: Any) -> Any:
        shown(action)
        return broken.answer

    cable.station.show = show  # type: ignore[method-assign]
    settings = ConnectorSettings(assert_every=1.0)
    link = PlainLink(pilot=True)
    parts = LinkParts(link=link, medium=NoMedium(), signalling=cable.station, settings=settings)
    secc = PluggedSecc(secc_config(), plant.secc, LOOPBACK, secc_tls(), parts, sdp_port=free_port())
    broken.answer = False if first else None
    async with secc:
        assert secc.out_of_service_because == ("" if not first else NOT_SHOWN)
        broken.answer = False
        await asyncio.sleep(1.1)
        assert (secc.state, secc.out_of_service_because) == (ServiceState.OUT_OF_SERVICE, NOT_SHOWN)
        secc.back_in_service()
        assert secc.state is ServiceState.OUT_OF_SERVICE, "it still cannot"
        broken.answer = None
        await asyncio.sleep(1.1)
        assert (secc.state, secc.out_of_service_because) == (ServiceState.AVAILABLE, "")


NOT_SHOWN = "signalling.show returned False: it was not done (returning None or True says that it was done)"


async def test_outputs_that_failed_before_there_was_a_server_are_known_to_it() -> None:
    """An interface may have no address when the connector is opened."""
    secc = connector()
    secc._outputs._failed[SetPilot] = NOT_SHOWN
    server = await secc._serve()
    assert server.out_of_service_because == NOT_SHOWN
    await secc.close()
    await server.close()


@pytest.mark.parametrize("name", ["news", "session_news", "listening", "on_request"])
async def test_who_cannot_be_called_is_refused_when_the_connector_is_made(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: it cannot be called with"):
        connector(**{name: lambda: None})
