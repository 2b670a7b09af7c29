"""A vehicle's inlet on its way out, and the attempts of one plug-in: everything is switched off, however
often somebody gives up waiting, and what went wrong is said where it was a fault of this software."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.plug.connector import LinkParts
from iso15118.aio.plug.media import NoMedium
from iso15118.aio.plug.plugged_evcc import PluggedEvcc
from iso15118.connector import Phase
from iso15118.connector.news import ConnectionFailed, StartBasic, StartDiscovery, StopDiscovery
from iso15118.errors import ConfigError, LinkError, MisuseError, TlsError
from iso15118.link.plain import PlainLink
from iso15118.simulation.cable import PlainCable
from tests.aio.site import LOOPBACK, Plant, evcc_config
from tests.aio.test_plugged import connector, until
from tests.aio.test_settling import now

LAST_WORD_S = 5.0


class Client:
    """In place of the client: what it is asked for takes until ``over``."""

    def __init__(self, *, begun: bool = True) -> None:
        self.begun = begun
        self.over = asyncio.Event()
        self.calls: list[str] = []
        self.stubborn = False
        self.config = self.vehicle = self.session = self.any_session = None

    async def open(self) -> None:
        self.calls.append("open")

    async def close(self) -> None:
        self.calls.append("close")

    async def find(self) -> Any:
        self.calls.append("find")
        await self._work()
        return "there"

    async def run_without_messages(self, make: Any, *, number: int) -> Any:
        self.calls.append("basic")
        await self._work()

    async def _work(self) -> None:
        """Until it is over; ``stubborn``: also when it is cancelled."""
        while not self.over.is_set():
            try:
                await self.over.wait()
            except asyncio.CancelledError:
                self.calls.append("cancelled")
                if not self.stubborn:
                    raise


def behind(evcc: PluggedEvcc, **given: Any) -> Client:
    client: Any = Client(**given)
    evcc._client = client
    return client  # type: ignore[no-any-return]


@pytest.mark.parametrize("times", [1, 2, 5])
async def test_however_often_a_run_is_cancelled_the_link_is_left_when_the_hardware_is_safe(
    times: int,
) -> None:
    async with connector() as here:
        here.cable.plug_in()
        running = asyncio.create_task(here.evcc.run())
        await until(lambda: here.evcc.session is not None and here.evcc.session.state == "DC_ChargeLoop")
        for _ in range(times):
            running.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await running
        assert here.plant.vehicle_safe
        assert here.evcc._attempt is not None
        assert here.evcc._attempt.done()
        assert here.evcc.driver._open is False, "the wire and the outputs are not left as they were"
        assert here.evcc.driver._timer is None
        here.cable.unplug()
        await here.charge()


async def test_an_inlet_is_in_use_until_it_has_been_left() -> None:
    async with connector() as here:
        evcc, client = here.evcc, behind(here.evcc)
        first = asyncio.create_task(evcc.run())
        await asyncio.sleep(0.1)
        with pytest.raises(MisuseError, match="in use"):
            await evcc.run()
        client.stubborn = True
        evcc._carry_out(StartDiscovery(1))
        await asyncio.sleep(0.1)
        first.cancel()
        await asyncio.sleep(0.1)
        with pytest.raises(MisuseError, match="in use"):
            await evcc.run()
        assert client.calls == ["open", "find", "cancelled"]
        client.over.set()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert client.calls[-1] == "close"
        evcc._client = None
        await here.charge()


async def test_what_does_not_come_to_its_end_is_waited_for_as_long_as_the_last_word_takes() -> None:
    async with connector() as here:
        evcc, client = here.evcc, behind(here.evcc)
        client.stubborn = True
        evcc._carry_out(StartDiscovery(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        letting_go = asyncio.create_task(evcc._let_go())
        began = now()
        for _ in range(4):
            await asyncio.sleep(1.2)
            letting_go.cancel()
        await asyncio.sleep(0.15)
        assert not letting_go.done()
        await asyncio.sleep(0.1)
        letting_go.cancel()
        with pytest.raises(asyncio.CancelledError):
            await letting_go
        assert now() - began == pytest.approx(LAST_WORD_S, abs=0.1)
        client.over.set()
        evcc._client = None


@pytest.mark.parametrize(
    ("attempt", "client", "begun", "waited_s"),
    [
        (True, True, True, LAST_WORD_S),
        (True, True, False, 0.0),
        (True, False, False, 0.0),
        (False, True, True, 0.0),
    ],
)
async def test_a_session_without_a_plug_has_some_seconds_for_its_last_word(
    attempt: bool, client: bool, begun: bool, waited_s: float
) -> None:
    async with connector() as here:
        evcc = here.evcc
        if client:
            behind(evcc, begun=begun)
        evcc._attempt = asyncio.create_task(asyncio.sleep(60.0)) if attempt else None
        began = now()
        await evcc._last_result()
        assert now() - began == pytest.approx(waited_s, abs=0.01)
        if evcc._attempt is not None:
            evcc._attempt.cancel()
        evcc._client = None


async def test_the_hardware_of_a_second_plug_in_is_looked_after_as_in_the_first() -> None:
    async with connector() as here:
        client = behind(here.evcc)
        running = asyncio.create_task(here.evcc.run())
        await asyncio.sleep(0.1)
        assert client.calls == ["open"]
        running.cancel()
        await asyncio.wait((running,))
        assert client.calls == ["open", "close"]
        here.evcc._client = None


async def test_a_search_that_nobody_needs_any_more_is_given_up() -> None:
    async with connector() as here:
        evcc, client = here.evcc, behind(here.evcc)
        evcc._carry_out(StartDiscovery(1))
        await asyncio.sleep(0.1)
        evcc._carry_out(StopDiscovery())
        await asyncio.sleep(0.1)
        assert client.calls == ["find", "cancelled"]
        evcc._client = None


@pytest.mark.parametrize("searched", [False, True])
async def test_basic_charging_is_no_search_that_could_be_given_up(searched: bool) -> None:
    async with connector() as here:
        evcc, client = here.evcc, behind(here.evcc)
        if searched:
            client.over.set()
            evcc._carry_out(StartDiscovery(1))
            await asyncio.sleep(0.1)
            client.over.clear()
        config: Any = here.secc  # whoever has a supervision
        client.config = type("Config", (), {"supervision": config._supervision})  # type: ignore[assignment]
        evcc._carry_out(StartBasic(2))
        await asyncio.sleep(0.1)
        evcc._carry_out(StopDiscovery())
        await asyncio.sleep(0.1)
        assert client.calls == (["find"] if searched else []) + ["basic"]
        assert evcc._attempt is not None
        evcc._attempt.cancel()
        await asyncio.wait((evcc._attempt,))
        evcc._client = None


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (LinkError("no station answered"), False),
        (TlsError("a stranger"), False),
        (ZeroDivisionError("nobody thought of this"), True),
    ],
    ids=["link", "tls", "ours"],
)
async def test_what_ended_an_attempt_is_said_as_a_fault_only_where_it_is_one(
    error: Exception, fault: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    async with connector() as here:
        told: list[Any] = []

        async def fails() -> None:
            raise error

        here.evcc._happened = told.append  # type: ignore[assignment,method-assign]
        here.evcc._begin(3, fails)
        await asyncio.sleep(0.1)
        del here.evcc._happened
        assert len(told) == 1
        assert isinstance(told[0], ConnectionFailed)
        assert told[0].number == 3
        if fault:
            assert isinstance(here.evcc._error, LinkError)
            assert "nobody thought of this" in str(here.evcc._error)
        else:
            assert here.evcc._error is error
    assert flush(60.0)
    assert ("a fault of this software" in caplog.text) is fault
    assert here.evcc.connection.phase is Phase.UNPLUGGED


@pytest.mark.parametrize("name", ["news", "session_news"])
async def test_who_cannot_be_called_is_refused_when_the_inlet_is_made(name: str) -> None:
    plant = Plant()
    cable = PlainCable(plant.clock, plant.circuit)
    parts = LinkParts(link=PlainLink(), medium=NoMedium(), signalling=cable.vehicle)
    wrong: Any = {name: lambda: None}
    with pytest.raises(ConfigError, match=f"^{name}: it cannot be called with"):
        PluggedEvcc(evcc_config(), plant.evcc, LOOPBACK, None, parts, **wrong)
