"""What the whole programs have in common: who drives their ends, what systemd is told, and what runs beside
them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.aio import run as module
from iso15118.aio.logs import flush
from iso15118.aio.net.stream import MessageStream
from iso15118.aio.run import run_station, run_vehicle, running, side_by_side, ticking
from iso15118.aio.service import ServiceState
from tests.aio.test_settling import now

from .programs import Connector, Plugged, Server, Session, at

NOTHING: Any = None
STREAM: Any = object()


class Director:
    """Notes what he is given to drive, and hears; he may fail after so many looks."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.ends: dict[str, Any] | None = None
        self.roles: list[str] = []
        self.heard: list[tuple[str, Any]] = []
        self.looks, self.fails_at = 0, fails_at

    def stream(self, role: str) -> Any:
        self.roles.append(role)
        return STREAM

    def begin(self, ends: dict[str, Any], clock: Callable[[], float]) -> None:
        self.ends = ends

    def observe(self, role: str, at: float, what: Any) -> None:
        self.heard.append((role, what))

    def look(self, at: float) -> None:
        self.looks += 1
        if self.looks == self.fails_at:
            raise ValueError("a step failed")


class Ends:
    """A station and a vehicle of whole programs, with a plug or without one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.given: dict[str, Any] = {}
        self.made: list[Any] = []
        self.heard: list[Any] = []
        monkeypatch.setattr(Connector, "made", self.made)
        monkeypatch.setattr(module, "SeccServer", Server)
        monkeypatch.setattr("iso15118.aio.plug.plugged_secc.PluggedSecc", Plugged)
        for name in ("iso15118.aio.evcc.EvccClient", "iso15118.aio.plug.plugged_evcc.PluggedEvcc"):
            monkeypatch.setattr(name, self._client)

    def _client(self, *_: Any, **given: Any) -> Session:
        self.given = given
        self.made.append(Session(lasts_s=1.0))
        return self.made[-1]  # type: ignore[no-any-return]

    def end(self) -> None:
        """A session of the station."""
        self.made[0].end()

    def run(self, role: str, **settings: Any) -> None:
        """Until it ends by itself; its observer is told of something meanwhile."""
        observe: Callable[[float, Any], None] = lambda when, what: self.heard.append(what)  # noqa: E731

        def hears() -> None:
            given = self.given or self.made[0].settings
            given["observer"](now(), "news")

        if role == "evcc":

            def vehicle(sleep: Any, clock: Any) -> Any:
                at((0.5, hears))
                return NOTHING

            run_vehicle(NOTHING, vehicle, "lo", None, observer=observe, **settings)
            return

        def station(sleep: Any, clock: Any) -> Any:
            at((0.5, hears), (1.0, self.end))
            return NOTHING

        run_station(NOTHING, station, "lo", None, observer=observe, sessions=1, **settings)


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Ends:
    return Ends(monkeypatch)


@pytest.mark.usefixtures("steady_clock")
@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_a_director_drives_the_end_of_a_program_that_has_no_plug(role: str, ends: Ends) -> None:
    director = Director()
    ends.run(role, director=director)
    assert director.ends == {role: ends.made[0]}
    assert director.roles == [role]
    assert (ends.given or ends.made[0].settings)["connection"] is STREAM
    assert director.looks > 10
    assert director.heard == [(role, "news")]
    assert ends.heard == ["news"], "its own observer hears as well"


@pytest.mark.usefixtures("steady_clock")
@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_what_a_director_raises_ends_the_program(role: str, ends: Ends) -> None:
    with pytest.raises(ValueError, match="a step failed"):
        ends.run(role, director=Director(fails_at=5))


@pytest.mark.usefixtures("steady_clock")
@pytest.mark.parametrize("role", ["secc", "evcc"])
@pytest.mark.parametrize(("directed", "plug"), [(False, False), (False, True), (True, True)])
def test_where_there_is_a_plug_or_no_director_nobody_drives(
    role: str, directed: bool, plug: bool, ends: Ends
) -> None:
    director = Director() if directed else None
    ends.run(role, director=director, link=(lambda: NOTHING) if plug else None)
    if director is not None:
        assert (director.ends, director.looks, director.heard) == (None, 0, [])
    given = ends.given or ends.made[0].settings
    assert given.get("connection", MessageStream) is MessageStream
    assert given.get("wait_for_interface", False) is False, "unless that is wanted"
    assert ends.heard == ["news"]
    assert isinstance(ends.made[0], Session if role == "evcc" else (Plugged if plug else Server))


class Notifier:
    """In place of what speaks to systemd."""

    made: list[Notifier] = []  # noqa: RUF012

    def __init__(self, heartbeat: Callable[[], Any], status: Callable[[], str]) -> None:
        self.heartbeat, self.status = heartbeat, status
        self.told: list[tuple[str, float]] = []
        Notifier.made.append(self)

    def ready(self) -> None:
        self.told.append(("ready", Connector.made[0].opened))

    def stopping(self) -> None:
        self.told.append(("stopping", Connector.made[0].opened))

    def close(self) -> None:
        self.told.append(("closed", Connector.made[0].opened))


@pytest.mark.usefixtures("steady_clock")
@pytest.mark.parametrize("plug", [False, True])
def test_systemd_is_told_why_nobody_is_served_or_what_is_done(
    plug: bool, ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    made: list[Notifier] = []
    monkeypatch.setattr(Notifier, "made", made)
    monkeypatch.setattr(module, "SystemdNotifier", Notifier)

    def look() -> None:
        (server,), (notifier,) = ends.made, made
        assert notifier.heartbeat() is server.heartbeat
        for broken, unreachable, state in (
            ("", "", ServiceState.AVAILABLE),
            ("", "", ServiceState.IN_SESSION),
            ("", "interface eth7 is gone", ServiceState.AVAILABLE),
            ("the cable is damaged", "interface eth7 is gone", ServiceState.OUT_OF_SERVICE),
        ):
            server.out_of_service_because, server.unreachable_because = broken, unreachable
            server.state = state
            said.append(notifier.status())

    def link() -> Any:
        return NOTHING

    def station(sleep: Any, clock: Any) -> Any:
        at((0.5, look), (1.0, ends.end))
        return NOTHING

    run_station(NOTHING, station, "lo", None, sessions=1, link=link if plug else None)
    assert said == ["available", "in session", "interface eth7 is gone", "the cable is damaged"]
    assert made[0].told == [("ready", 1), ("stopping", 1), ("closed", 0)]


@pytest.mark.usefixtures("steady_clock")
@pytest.mark.parametrize("role", ["secc", "evcc"])
@pytest.mark.parametrize("plug", [False, True])
def test_news_of_sessions_are_heard_with_a_plug_and_without_one(role: str, plug: bool, ends: Ends) -> None:
    """A program latches the end of a session in them."""
    news: Callable[[Any], None] = lambda what: None  # noqa: E731
    ends.run(role, news=news, link=(lambda: NOTHING) if plug else None)
    given = ends.given or ends.made[0].settings
    assert given["news"] is news
    assert given.get("session_news") is (news if plug else None)


# -- beside the station


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def test_what_runs_beside_a_station_ends_with_it() -> None:
    ended: list[float] = []

    async def works() -> None:
        try:
            await _for_ever()
        finally:
            ended.append(now())

    async with running(works):
        await asyncio.sleep(5.0)
        assert ended == []
        began = now()
    assert ended == [pytest.approx(began, abs=0.01)]
    assert now() - began < 0.01
    async with running(None):
        pass


@pytest.mark.parametrize("several", [False, True])
async def test_what_does_not_give_way_is_waited_for_two_seconds(several: bool) -> None:
    goes_on = asyncio.Event()

    async def stays() -> None:
        while not goes_on.is_set():
            try:
                await goes_on.wait()
            except asyncio.CancelledError:
                continue

    began = now()
    if several:
        task = asyncio.create_task(side_by_side(stays, _for_ever))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()
    else:
        async with running(stays):
            await asyncio.sleep(0.01)
    assert now() - began == pytest.approx(2.01, abs=0.05)
    goes_on.set()
    await asyncio.sleep(0.01)


async def test_what_fails_beside_a_station_is_said_and_ends_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    ended: list[str] = []

    async def fails() -> None:
        raise ValueError("no evidence can be kept")

    async def works() -> None:
        await asyncio.sleep(5.0)
        ended.append("works")

    async with running(fails):
        await asyncio.sleep(1.0)
    await side_by_side(fails, works)
    await side_by_side()
    assert ended == ["works"]
    assert flush(60.0)
    assert caplog.text.count("what runs beside the station failed: no evidence can be kept") == 2


async def test_a_tick_comes_ten_times_a_second_within_the_block_only() -> None:
    ticks: list[float] = []
    began = now()
    async with ticking(lambda: ticks.append(now())):
        await asyncio.sleep(1.05)
    assert ticks == [pytest.approx(began + 0.1 * number, abs=0.01) for number in range(1, 11)]
    await asyncio.sleep(1.0)
    assert len(ticks) == 10
    async with ticking(None):
        await asyncio.sleep(1.0)
