"""A connector on real sockets whose plug stays in: run again, restarted by either side, and outputs that
are asserted and read back."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.plug.connector import ConnectionDriver, LinkParts
from iso15118.aio.plug.media import NoMedium, PacketMedium
from iso15118.aio.plug.plugged_secc import PluggedSecc
from iso15118.connector import ConnectorSettings, EvccInlet, Phase, SeccConnector
from iso15118.errors import LinkError, MisuseError
from iso15118.link.ports import BasicSignalling, Listener, ReadsBack
from iso15118.link.primitives import (
    DLinkError,
    DLinkReady,
    LinkNote,
    LinkReported,
    Pilot,
    SetPilot,
    ShowState,
)
from iso15118.link.slac.evse import EvseSlac
from iso15118.link.spe.ev import EvSpe
from iso15118.link.spe.evse import EvseSpe
from iso15118.link.spe.signalling import CeChanged, CeState, SetS3
from iso15118.session.actions import Action, EndReason
from iso15118.session.events import SignalChanged, SignalState
from iso15118.simulation.cable import McsCable, PlainCable
from tests.aio.site import LOOPBACK, Plant, secc_config, secc_tls
from tests.aio.test_plugged import connector, free_port, until

EVSE = b"\x02EVSE1"


@pytest.mark.parametrize("kind", ["plain", "spe"])
async def test_run_again_while_the_plug_is_in_charges_again(kind: str) -> None:
    async with connector(kind) as here:
        here.cable.plug_in()
        for number in (1, 2, 3):
            here.stop_after(4)
            async with asyncio.timeout(15.0):
                mine = await here.evcc.run()
                theirs = await here.secc.wait_finished(number)
            assert mine.ended.reason is theirs.ended.reason is EndReason.STOPPED_BY_EV
            await until(lambda: here.secc.connection.phase is Phase.FINISHED)
            if kind == "plain":
                here.secc.restart("nothing shows on a wire without signalling that the vehicle wants more")
        here.cable.unplug()


async def test_run_again_a_vehicle_is_not_linked_before_there_is_a_carrier() -> None:
    """The station switches its transceiver off at the end, when the vehicle may listen no more."""
    seen: list[bool] = []
    cables: list[PlainCable | McsCable] = []

    def heard(action: Action) -> None:
        if action == DLinkReady(True):
            seen.append(cables[0].carries())

    async with connector("spe", news=heard) as here:
        cables.append(here.cable)
        here.cable.plug_in()
        for _ in range(2):
            here.stop_after(4)
            async with asyncio.timeout(15.0):
                await here.evcc.run()
                await until(lambda: here.secc.connection.phase is Phase.FINISHED)
        here.cable.unplug()
    assert seen == [True, True]


@pytest.mark.parametrize("kind", ["plain", "spe"])
@pytest.mark.parametrize("asks", ["secc", "evcc"])
async def test_a_restart_ends_the_session_safely_and_another_one_follows(kind: str, asks: str) -> None:
    async with connector(kind) as here:
        asked = here.secc if asks == "secc" else here.evcc
        here.do_after(4, lambda: asked.restart("the user"))
        here.cable.plug_in()
        running = asyncio.create_task(here.evcc.run())
        async with asyncio.timeout(15.0):
            await until(lambda: len(here.evcc.results) == 1)
            if kind == "plain" and asks == "evcc":
                await until(lambda: here.secc.connection.phase is not Phase.SESSION)
                here.secc.restart("nothing shows on a wire without signalling")
            here.stop_after(4)
            mine = await running
        assert mine.ended.reason is EndReason.STOPPED_BY_EV
        assert len(here.evcc.results) == 2


async def test_a_vehicle_that_stays_follows_the_station_until_it_is_unplugged() -> None:
    async with connector("spe") as here:
        here.cable.plug_in()
        running = asyncio.create_task(here.evcc.run(stay=True))
        for number in (1, 2):
            here.stop_after(4)
            async with asyncio.timeout(15.0):
                await here.secc.wait_finished(number)
                await until(lambda: here.secc.connection.phase is Phase.FINISHED)
                await until(lambda: here.evcc.connection.phase is Phase.FINISHED)
            assert not running.done()
            if number == 1:
                here.secc.restart("a tariff")
        here.cable.unplug()
        mine = await asyncio.wait_for(running, 5.0)
        assert mine.ended.reason is EndReason.STOPPED_BY_EV
        assert len(here.evcc.results) == 2


async def test_a_restart_of_a_vehicle_that_does_not_run_is_misuse() -> None:
    async with connector() as here:
        with pytest.raises(MisuseError):
            here.evcc.restart("too early")


class Wire(NoMedium):
    """A transceiver whose carrier a test moves; it says how it is when it is opened."""

    def __init__(self) -> None:
        self.up = True
        self.tell: Listener | None = None

    async def open(self, tell: Listener) -> None:
        self.tell = tell
        tell(LinkReported(self.up))

    async def close(self) -> None:
        self.tell = None


async def test_a_carrier_that_went_while_it_was_closed_is_no_link_when_it_is_opened_again() -> None:
    port, wire, news = Pilots(ShowState(SignalState.B)), Wire(), list[Action]()
    here = ConnectionDriver(EvccInlet(EvSpe(), 20.0), wire, port, news.append, news=news.append)
    await here.open()
    assert port.listener is not None
    port.listener(CeChanged(CeState.B0))
    port.listener(CeChanged(CeState.B))
    assert DLinkReady(True) in news
    here.leave()
    assert DLinkReady(False) in news
    await here.close()
    wire.up = False
    news.clear()
    port.listener(CeChanged(CeState.A))
    port.listener(CeChanged(CeState.B0))
    port.listener(CeChanged(CeState.B))
    await here.open()
    assert DLinkReady(True) not in news
    assert wire.tell is not None
    wire.tell(LinkReported(True))
    assert DLinkReady(True) in news
    here.leave()
    await here.close()


# -- outputs


class Pilots(BasicSignalling):
    """A pilot that somebody may disturb: it shows the last one asked for, or what it was reset to."""

    def __init__(self, left: Action) -> None:
        self.now: Action | None = left
        self.asked: list[Action] = []
        self.listener: Listener | None = None

    def listen(self, listener: Listener) -> None:
        self.listener = listener

    def show(self, action: Action) -> None:
        self.now = action
        self.asked.append(action)

    def shown(self) -> Action | None:
        return self.now


class Stuck(Pilots):
    """It shows what it was left with whatever it is asked."""

    def show(self, action: Action) -> None:
        self.asked.append(action)


QUICK = ConnectorSettings(assert_every=0.02)
LEFT_IN_F, LEFT_CLOSED = SetPilot(Pilot.STATE_F), SetS3(True)


def driver(port: BasicSignalling, news: list[Action], *, mcs: bool = False) -> ConnectionDriver:
    machine = SeccConnector(EvseSpe() if mcs else EvseSlac(EVSE), 18.0, QUICK)
    return ConnectionDriver(machine, NoMedium(), port, news.append, news=news.append)


def test_the_ports_of_a_test_read_back() -> None:
    assert isinstance(Pilots(LEFT_IN_F), ReadsBack)


@pytest.mark.parametrize("mcs", [False, True])
async def test_what_a_process_before_this_one_left_is_put_right_at_the_start(mcs: bool) -> None:
    port = Pilots(LEFT_CLOSED if mcs else LEFT_IN_F)
    here = driver(port, [], mcs=mcs)
    await here.open()
    assert port.now == (SetS3(False) if mcs else SetPilot(Pilot.STEADY))
    await here.close()


async def test_a_wire_that_cannot_be_opened_leaves_the_outputs_at_rest() -> None:
    plant, port = Plant(), Pilots(LEFT_IN_F)
    parts = LinkParts(link=EvseSlac(EVSE), medium=PacketMedium("no-such-if"), signalling=port)
    secc = PluggedSecc(secc_config(), plant.secc, LOOPBACK, secc_tls(), parts, sdp_port=free_port())
    with pytest.raises(LinkError):
        await secc.open()
    assert port.now == SetPilot(Pilot.STEADY)


async def test_closed_while_the_pilot_shows_f_it_is_steady() -> None:
    plant, port = Plant(), Pilots(LEFT_IN_F)
    parts = LinkParts(link=EvseSlac(EVSE), medium=NoMedium(), signalling=port, settings=QUICK)
    async with PluggedSecc(
        secc_config(), plant.secc, LOOPBACK, secc_tls(), parts, sdp_port=free_port()
    ) as secc:
        assert port.listener is not None
        port.listener(SignalChanged(SignalState.B))
        secc.restart("now")
        await until(lambda: port.now == SetPilot(Pilot.STATE_F), 8.0)
    assert port.now == SetPilot(Pilot.STEADY)
    asked = len(port.asked)
    await asyncio.sleep(0.1)
    assert len(port.asked) == asked, "nothing is shown after the end"


async def test_an_output_that_was_reset_is_put_right_and_said() -> None:
    port, news = Pilots(LEFT_IN_F), list[Action]()
    here = driver(port, news)
    await here.open()
    await asyncio.sleep(0.05)
    port.now = LEFT_IN_F  # the port's own controller started anew
    await until(lambda: port.now == SetPilot(Pilot.STEADY))
    said = [n.text for n in news if isinstance(n, LinkNote) and "instead of" in n.text]
    assert len(said) == 1
    assert "STATE_F" in said[0]
    await here.close()


async def test_an_output_that_does_not_do_what_it_is_asked_is_said_once() -> None:
    port, news = Stuck(LEFT_IN_F), list[Action]()
    here = driver(port, news)
    await here.open()
    await asyncio.sleep(0.2)
    assert len([n for n in news if isinstance(n, LinkNote) and "instead of" in n.text]) == 1
    await here.close()


async def test_a_port_that_fails_again_and_again_is_said_once_and_shown_when_it_works(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    port, news = Pilots(LEFT_IN_F), list[Action]()
    here = driver(port, news)
    await here.open()
    show, port.show = port.show, lambda action: (_ for _ in ()).throw(OSError("gone"))  # type: ignore[method-assign]
    await asyncio.sleep(0.1)
    assert len([n for n in news if isinstance(n, LinkNote) and "cannot be shown" in n.text]) == 1
    port.now, port.show = LEFT_IN_F, show  # type: ignore[method-assign]
    await until(lambda: port.now == SetPilot(Pilot.STEADY))
    await here.close()


async def test_without_a_period_outputs_are_shown_when_they_change() -> None:
    port = Pilots(LEFT_IN_F)
    machine = SeccConnector(EvseSlac(EVSE), 18.0, ConnectorSettings(assert_every=0.0))
    here = ConnectionDriver(machine, NoMedium(), port, lambda action: None)
    await here.open()
    asked = len(port.asked)
    await asyncio.sleep(0.05)
    assert len(port.asked) == asked
    here.tell(DLinkError())
    await here.close()
    assert port.now == SetPilot(Pilot.STEADY)


async def test_a_fault_that_keeps_a_station_from_being_found_is_said_once_and_not_at_each_attempt(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with connector() as here:
        tried = 0

        async def fails() -> Any:
            nonlocal tried
            tried += 1
            raise ZeroDivisionError("nobody thought of this")

        monkeypatch.setattr(here.secc, "_serve", fails)
        for attempt, phase in ((here.secc._be_found(), Phase.DISCOVERY), (_basic(here.secc), Phase.BASIC)):
            here.secc.connection.phase = phase
            trying = asyncio.create_task(attempt)
            await asyncio.sleep(2.0)
            trying.cancel()
            await asyncio.wait((trying,))
        here.secc.connection.phase = Phase.UNPLUGGED
        assert tried > 40
    assert flush(60.0)
    for what in ("not to be found", "no basic charging"):
        assert caplog.text.count(f"{what}: ZeroDivisionError: nobody thought of this") == 1


async def _basic(secc: PluggedSecc) -> None:
    await secc._charge_basic(())  # type: ignore[arg-type]  # nobody gets so far
