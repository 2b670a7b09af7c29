"""Both ends in one process: at which port the station is found, who is told of what, and a session that is
paused and goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio import run as module
from iso15118.aio.logs import flush
from iso15118.aio.net.stream import MessageStream
from iso15118.aio.run import Both, run_both
from iso15118.errors import LinkError
from iso15118.sdp import SDP_PORT
from tests.aio.test_run_parts import STREAM, Director
from tests.unit.test_ticket import evcc as ticket

from .programs import Connector, Server

pytestmark = pytest.mark.usefixtures("steady_clock")

NOTHING: Any = None
TICKET = ticket()


class Client:
    """A vehicle that looks for a second and charges for another one."""

    made: list[Client] = []  # noqa: RUF012

    def __init__(self, *given: Any, **settings: Any) -> None:
        self.given, self.settings = given, settings
        self.session: object | None = None
        self.any_session: object | None = None
        self.runs: list[tuple[float, Any]] = []
        self.told: list[Any] = []
        Client.made.append(self)

    async def run(self, *, resume: Any = None) -> Any:
        loop = asyncio.get_running_loop()
        self.runs.append((loop.time(), resume))
        await asyncio.sleep(1.0)
        self.session = object()
        await asyncio.sleep(1.0)
        self.session = None
        loop.call_later(0.2, Connector.made[-1].end)  # the station is a little behind
        left = TICKET if len(self.runs) <= Asked.pauses else None
        return SimpleNamespace(ticket=left, number=len(self.runs))

    def tell(self, event: Any) -> None:
        self.told.append(event)


class Asked:
    """What a test wants of the vehicle."""

    pauses = 0


@pytest.fixture(autouse=True)
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Connector]]:
    made: list[Connector] = []
    monkeypatch.setattr(Connector, "made", made)
    monkeypatch.setattr(Client, "made", [])
    monkeypatch.setattr(Asked, "pauses", 0)
    monkeypatch.setattr(module, "SeccServer", Server)
    monkeypatch.setattr("iso15118.aio.evcc.EvccClient", Client)
    yield made
    assert [server.opened for server in made] == [0] * len(made)


def both(**settings: Any) -> Both:
    merged: dict[str, Any] = {"tls": None, "at_most_s": 60.0} | settings
    return run_both(NOTHING, NOTHING, lambda sleep, clock: (NOTHING, NOTHING), **merged)


def test_a_session_is_told_from_both_ends_and_where_the_station_was_found(ends: list[Connector]) -> None:
    seen: Any = both()
    assert (seen.secc, seen.evcc.number) == ("session 1", 1)
    assert (seen.sdp_port, seen.port) == (50_002, 50_001)
    (client,) = Client.made
    assert seen.begun == pytest.approx(client.runs[0][0], abs=0.01)
    assert (seen.earlier, seen.linked) == (None, None)
    assert client.runs[0][1] is None
    assert ends[0].settings["sdp_port"] == SDP_PORT
    assert client.settings["sdp_port"] == 50_002


@pytest.mark.parametrize("tls", [None, ("the station's", "the vehicle's")])
def test_each_end_has_its_own_context(
    tls: Any, ends: list[Connector], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    really = Server.__init__

    def made(self: Server, *arguments: Any, **settings: Any) -> None:
        given.extend(arguments)
        really(self, *arguments, **settings)

    monkeypatch.setattr(Server, "__init__", made)
    both(tls=tls)
    assert given[3] == (None if tls is None else "the station's")
    assert Client.made[0].given[3] == (None if tls is None else "the vehicle's")


def test_where_another_process_has_the_port_a_free_one_is_taken(
    ends: list[Connector], monkeypatch: pytest.MonkeyPatch
) -> None:
    really = Server.open

    async def refused(server: Server) -> None:
        if server.settings["sdp_port"] == SDP_PORT:
            raise LinkError("another station has this port")
        await really(server)

    monkeypatch.setattr(Server, "open", refused)
    both()
    assert [server.settings["sdp_port"] for server in ends] == [SDP_PORT, 0]
    assert [server.finished for server in ends] == [0, 1]


def test_a_station_that_cannot_be_opened_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(server: Server) -> None:
        raise LinkError("no such interface")

    monkeypatch.setattr(Server, "open", refused)
    with pytest.raises(LinkError, match="no such interface"):
        both()
    assert Client.made == []


def test_a_session_that_was_paused_goes_on_after_its_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Asked, "pauses", 1)
    seen: Any = both(rest_s=30.0)
    (client,) = Client.made
    (first, nothing), (again, resumed) = client.runs
    assert (nothing, resumed) == (None, TICKET)
    assert again - first == pytest.approx(2.0 + 0.2 + 30.0, abs=0.02)
    assert (seen.secc, seen.evcc.number) == ("session 2", 2)
    assert seen.earlier is not None
    assert (seen.earlier.secc, seen.earlier.evcc.number, seen.earlier.earlier) == ("session 1", 1, None)
    assert seen.begun == seen.earlier.begun == pytest.approx(first, abs=0.01)


def test_without_a_rest_it_goes_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Asked, "pauses", 1)
    both()
    (first, _), (again, _) = Client.made[0].runs
    assert again - first == pytest.approx(2.2, abs=0.02)


def test_what_takes_too_long_is_no_result() -> None:
    with pytest.raises(TimeoutError):
        both(at_most_s=1.5)


def test_who_asks_for_the_station_is_told_with_its_port_once_it_stands(ends: list[Connector]) -> None:
    heard: list[Any] = []
    came: list[Any] = ["origin", "answer"]

    def tick() -> None:
        if not heard:
            ends[0].settings["on_request"](*came)

    both(tick=tick, on_request=lambda *what: heard.append(what))
    assert heard == [(50_002, "origin", "answer")]
    both(tick=lambda: ends[-1].settings["on_request"](*came))


def test_a_request_before_the_station_stands_is_told_to_nobody(
    ends: list[Connector], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []
    really = Server.open

    async def asked(server: Server) -> None:
        server.settings["on_request"]("origin", "answer")
        await really(server)

    monkeypatch.setattr(Server, "open", asked)
    both(on_request=lambda *what: heard.append(what))
    assert heard == []


def test_a_session_is_meddled_with_while_it_runs_and_a_tick_comes_all_the_time() -> None:
    meddled: list[float] = []
    ticks: list[int] = []

    def meddle(now: float, tell: Any) -> None:
        meddled.append(now)
        tell("stop")

    both(meddle=meddle, tick=lambda: ticks.append(1))
    (client,) = Client.made
    began = client.runs[0][0]
    assert len(meddled) == len(client.told) >= 9
    assert all(began + 1.0 <= now <= began + 2.0 for now in meddled)
    assert len(ticks) >= 20
    both(meddle=meddle)


def test_what_fails_now_and_then_is_said_and_keeps_nobody_from_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    ticks: list[int] = []
    meddled: list[float] = []

    def tick() -> None:
        ticks.append(1)
        raise BrokenPipeError("nobody reads how far it is")

    def meddle(now: float, tell: Any) -> None:
        meddled.append(now)
        if len(meddled) == 1:
            raise ValueError("not yet")

    both(tick=tick, meddle=meddle)
    assert len(ticks) == 1
    assert len(meddled) >= 9
    assert flush(60.0)
    assert "who is told that time passes failed" in caplog.text
    assert "who meddles with the session failed: ValueError: not yet" in caplog.text


def test_a_director_drives_both_ends_and_who_observes_hears_his_own(ends: list[Connector]) -> None:
    director, heard = Director(), list[str]()

    def tick() -> None:
        ends[0].settings["observer"](0.0, "at the station")
        Client.made[0].settings["observer"](0.0, "at the vehicle")

    both(
        director=director,
        tick=tick,
        observer=lambda now, what: heard.append(f"vehicle: {what}"),
        station_observer=lambda now, what: heard.append(f"station: {what}"),
    )
    assert director.ends == {"secc": ends[0], "evcc": Client.made[0]}
    assert set(director.heard) == {("secc", "at the station"), ("evcc", "at the vehicle")}
    assert set(heard) == {"vehicle: at the vehicle", "station: at the station"}
    for settings in (ends[0].settings, Client.made[0].settings):
        assert settings["connection"] is STREAM


def test_without_a_director_the_connections_are_ordinary_ones(ends: list[Connector]) -> None:
    both()
    for settings in (ends[0].settings, Client.made[0].settings):
        assert settings["connection"] is MessageStream
        assert settings["observer"] is None
