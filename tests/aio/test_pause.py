"""Pause and resume over real TCP and TLS: by hand with server and client, and from the plug on, with a
link that sleeps in between."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from iso15118.aio import SessionResult
from iso15118.aio.plug.plugged_evcc import PluggedEvcc
from iso15118.connector import Phase
from iso15118.link.primitives import WakeUp
from iso15118.session import actions as act
from iso15118.session.actions import EndReason
from iso15118.session.ticket import EvccTicket, SeccTicket
from tests.aio.site import Site, Stopper, secc_config, site
from tests.aio.test_plugged import Connector, connector, until

RESUMED = "AuthorizationSetup"


async def pause(at: Site, resume: EvccTicket | None = None) -> EvccTicket:
    """A session, paused by the vehicle after a few charge loops."""
    stopper = Stopper(4, lambda client: client.pause("a better price"))
    stopper.client = client = at.client(observer=stopper)
    before = at.server.finished
    mine = await client.run(resume=resume)
    theirs = await at.server.wait_finished(before + 1)
    for result in (mine, theirs):
        assert (result.ended.reason, result.safe) == (EndReason.PAUSED, True), result
        assert result.ticket is not None
        assert result.ticket.session_id == result.session_id
    assert theirs.ticket in at.server.tickets
    assert isinstance(mine.ticket, EvccTicket)
    return mine.ticket


async def charge(at: Site, resume: EvccTicket) -> tuple[SessionResult, SessionResult]:
    stopper = Stopper(4)
    stopper.client = client = at.client(observer=stopper)
    before = at.server.finished
    mine = await client.run(resume=resume)
    theirs = await at.server.wait_finished(before + 1)
    assert (mine.ended.reason, theirs.ended.reason) == (EndReason.STOPPED_BY_EV,) * 2
    assert (mine.ticket, theirs.ticket) == (None, None)
    return mine, theirs


async def test_a_paused_session_goes_on_over_a_new_connection_and_only_once() -> None:
    news: list[act.Notify] = []
    async with site(news=news.append) as at:
        first = await pause(at)
        second = await pause(at, EvccTicket.from_bytes(first.to_bytes()))
        assert second.session_id == first.session_id
        assert len(at.server.tickets) == 1
        mine, theirs = await charge(at, second)
        for result in (mine, theirs):
            assert result.session_id == first.session_id
            assert RESUMED not in result.states
        resumed = [one for one in news if isinstance(one, act.SessionResumed)]
        assert [one.session_id for one in resumed] == [first.session_id] * 2
        assert not at.server.tickets
        mine, _ = await charge(at, second)
        assert mine.session_id != first.session_id
        assert RESUMED in mine.states


async def test_a_server_that_was_started_anew_is_given_its_tickets() -> None:
    async with site() as at:
        mine = await pause(at)
        stored = [ticket.to_bytes() for ticket in at.server.tickets]
    async with site(tickets=[SeccTicket.from_bytes(data) for data in stored]) as at:
        result, _ = await charge(at, mine)
        assert result.session_id == mine.session_id


@pytest.mark.parametrize("what", ["forgotten", "another certificate", "expired"])
async def test_a_station_that_does_not_know_the_session_begins_anew(what: str) -> None:
    async with site() as at:
        mine = await pause(at)
        (ticket,) = at.server.tickets
        at.server.tickets.clear()
        if what == "another certificate":
            at.server.tickets.append(msgspec.structs.replace(ticket, binding=bytes(64)))
        elif what == "expired":
            at.server.tickets.append(msgspec.structs.replace(ticket, paused_at=ticket.paused_at - 90_000.0))
        result, _ = await charge(at, mine)
        assert result.session_id != mine.session_id
        assert RESUMED in result.states
        assert len(at.server.tickets) == (1 if what == "another certificate" else 0)


async def test_tickets_are_kept_in_bounds() -> None:
    async with site() as at:
        await pause(at)
        (ticket,) = at.server.tickets
        for number in range(1, 100):
            at.server.tickets.append(
                msgspec.structs.replace(ticket, session_id=number.to_bytes(8, "big"), evccid=f"WVWV{number}")
            )
        assert len(at.server.tickets) == 16


async def test_a_pause_that_is_not_allowed_is_refused_and_safe() -> None:
    async with site(config=secc_config(allow_pause=False)) as at:
        stopper = Stopper(4, lambda client: client.pause("a better price"))
        stopper.client = client = at.client(observer=stopper)
        mine = await client.run()
        theirs = await at.server.wait_finished(1)
        for result in (mine, theirs):
            assert (result.ended.reason, result.safe, result.ticket) == (EndReason.REFUSED, True, None)
        assert not at.server.tickets


def pause_after(here: Connector, loops: int) -> None:
    vehicle: PluggedEvcc = here.evcc
    here.do_after(loops, lambda: vehicle.pause("a better price"))


async def asleep(here: Connector, sessions: int) -> None:
    await until(
        lambda: here.secc.connection.phase is Phase.PAUSED and here.evcc.connection.phase is Phase.PAUSED,
        10.0,
    )
    assert len(here.evcc.results) == here.secc.finished == sessions
    assert here.evcc.results[-1].ended.reason is EndReason.PAUSED
    assert here.safe


async def test_plug_in_charge_pause_wake_charge_unplug() -> None:
    async with connector("spe") as here:
        pause_after(here, 4)
        here.cable.plug_in()
        running = asyncio.create_task(here.evcc.run())
        await asleep(here, 1)
        assert here.secc.sdp_port == 0, "nobody is found in his sleep"
        pause_after(here, 4)
        here.evcc.tell(WakeUp())
        await until(lambda: len(here.evcc.results) == 2, 10.0)
        await asleep(here, 2)
        here.stop_after(4)
        here.secc.tell(WakeUp())  # the other side may do it, too
        mine = await running
        assert mine.ended.reason is EndReason.STOPPED_BY_EV
        assert len({result.session_id for result in here.evcc.results}) == 1
        assert [RESUMED in result.states for result in here.evcc.results] == [True, False, False]
        assert here.evcc.ticket is None
        await here.secc.wait_finished(3)
        here.cable.unplug()
        await here.charge()
        assert RESUMED in here.evcc.results[0].states


async def test_unplugged_in_a_pause_what_comes_next_is_a_new_session() -> None:
    async with connector("spe") as here:
        pause_after(here, 4)
        here.cable.plug_in()
        running = asyncio.create_task(here.evcc.run())
        await asleep(here, 1)
        server = here.secc.server
        assert server is not None
        assert len(server.tickets) == 1
        here.cable.unplug()
        mine = await running
        assert mine.ended.reason is EndReason.PAUSED
        assert not server.tickets
        ticket = here.evcc.ticket
        assert ticket is not None
        here.stop_after(4)
        here.cable.plug_in()
        mine = await here.evcc.run(ticket)
        assert mine.ended.reason is EndReason.STOPPED_BY_EV
        assert mine.session_id != ticket.session_id
        await here.secc.wait_finished(2)
