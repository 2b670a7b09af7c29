"""A station as a whole program: how many sessions it serves, who is told of them, and how signals end
it; and a station with several connectors likewise."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from iso15118.aio import run as module
from iso15118.aio.asked import Asked, opened
from iso15118.aio.run import run_station
from iso15118.aio.run_site import run_site
from iso15118.errors import LinkError

from .programs import Connector, Server, at

pytestmark = pytest.mark.usefixtures("steady_clock")

FIRST, SECOND = signal.SIGTERM, signal.SIGINT
SWITCHED_OFF = "the station is switched off"


class Program:
    """Runs one of the programs; ``told`` has what its application hears of results, and when."""

    def __init__(self, name: str, connectors: int = 1) -> None:
        self.name, self.connectors = name, connectors
        self.told: list[tuple[Any, float]] = []
        self.listening: list[Any] = []
        self.fails = False
        self.took_s = 0.0

    @property
    def servers(self) -> list[Connector]:
        return Connector.made

    def __call__(self, what: Callable[[Any], Any], sessions: int | None = None, **more: Any) -> int:
        """``what``: gets the servers and gives what happens at which time."""
        began = [0.0]

        def begin() -> None:
            began[0] = asyncio.get_running_loop().time()
            at(*what(*Connector.made))

        def finished(*result: Any) -> None:
            self.took_s = round(asyncio.get_running_loop().time() - began[0], 2)
            self.told.append((result[-1], self.took_s))
            if self.fails:
                self.fails = False
                raise ValueError("not now")

        settings: dict[str, Any] = {"sessions": sessions, "finished": finished} | more
        nothing: Any = None
        if self.name == "connector":

            def listening(server: Any) -> None:
                self.listening.append(server)
                begin()

            return run_station(
                nothing, lambda sleep, clock: nothing, "lo", None, listening=listening, **settings
            )

        def connectors(sleep: Any, clock: Any) -> Any:
            return {f"c{number}": Server() for number in range(self.connectors)}

        def hears(name: str, server: Any) -> None:
            self.listening.append(server)
            if len(self.listening) == self.connectors:
                begin()

        return run_site(connectors, listening=hears, **settings)


@pytest.fixture(autouse=True)
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Connector]]:
    made: list[Connector] = []
    monkeypatch.setattr(Connector, "made", made)
    monkeypatch.setattr(module, "SeccServer", Server)
    yield made
    assert [server.opened for server in made] == [0] * len(made)
    assert all(server.reasons <= {SWITCHED_OFF} for server in made)


@pytest.fixture(params=["connector", "site"])
def program(request: pytest.FixtureRequest) -> Program:
    return Program(request.param)


def test_so_many_sessions_are_served_and_each_is_told_when_it_has_ended(program: Program) -> None:
    ends = [1.0, 2.0, 4.0, 8.0]
    assert program(lambda server: [(when, server.end) for when in ends], sessions=3) == 3
    assert program.told == [("session 1", 1.0), ("session 2", 2.0), ("session 3", 4.0)]
    assert program.listening == program.servers


def test_sessions_that_end_at_the_same_time_are_all_told(program: Program) -> None:
    assert program(lambda server: [(1.0, server.end)] * 3, sessions=2) == 3
    assert [one for one, _ in program.told] == ["session 1", "session 2", "session 3"]


def test_a_signal_ends_a_station_without_a_session_at_once(program: Program) -> None:
    assert program(lambda server: [(1.0, server.end), (3.0, FIRST), (8.0, server.end)]) == 1
    assert program.told == [("session 1", 1.0)]
    (server,) = program.servers
    assert server.asked == []


def test_a_signal_ends_a_session_in_an_orderly_way(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "stops_s", 4.0)
    assert program(lambda server: [(1.0, server.begin), (3.0, FIRST)]) == 1
    assert program.told == [("session 1", 7.0)]
    (server,) = program.servers
    assert server.asked == [("stop", 3.0)]


def test_an_orderly_end_has_a_minute(program: Program) -> None:
    assert program(lambda server: [(1.0, server.begin), (3.0, FIRST)]) == 1
    assert program.told == [("session 1", 63.0)]
    (server,) = program.servers
    assert server.asked == [("stop", 3.0), ("close", 63.0)]


def test_a_second_signal_ends_it_at_once(program: Program) -> None:
    assert program(lambda server: [(1.0, server.begin), (3.0, FIRST), (4.0, SECOND)]) == 1
    assert program.told == [("session 1", 4.0)]
    (server,) = program.servers
    assert server.asked == [("stop", 3.0), ("close", 4.0)]


def test_who_fails_at_one_result_is_told_of_the_next_one_as_well(program: Program) -> None:
    program.fails = True
    assert program(lambda server: [(1.0, server.end), (2.0, server.end)], sessions=2) == 2
    assert program.told == [("session 1", 1.0), ("session 2", 2.0)]


# -- several connectors


def test_sessions_are_counted_at_all_connectors_and_those_that_run_then_end_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Server, "stops_s", 4.0)
    program = Program("site", connectors=3)
    happens: Callable[..., Any] = lambda one, two, three: [  # noqa: E731
        (1.0, one.end),
        (1.5, two.begin),
        (2.0, one.end),
        (2.5, three.end),
        (9.0, one.end),
    ]
    assert program(happens, sessions=3) == 4
    assert [when for _, when in program.told] == [1.0, 2.0, 2.5, 6.5]
    one, two, three = program.servers
    assert two.asked == [("stop", 2.5)]
    assert {server.out_of_service_because for server in (one, two, three)} == {SWITCHED_OFF}


def test_every_session_of_a_site_has_its_orderly_end_and_no_other_one_begins_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Server, "stops_s", 4.0)
    program = Program("site", connectors=3)
    happens: Callable[..., Any] = lambda one, two, three: [  # noqa: E731
        (1.0, one.begin),
        (1.0, two.begin),
        (3.0, FIRST),
        (4.0, one.end),
        (4.5, lambda: program.told.append((three.out_of_service_because, 4.5))),
    ]
    assert program(happens) == 2
    assert program.told == [("session 1", 4.0), (SWITCHED_OFF, 4.5), ("session 1", 7.0)]
    assert [server.asked for server in program.servers] == [[("stop", 3.0)]] * 3


# -- a signal while it is being opened


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_signal_ends_a_program_that_has_not_opened_yet(
    program: Program, monkeypatch: pytest.MonkeyPatch, stubborn: bool
) -> None:
    """A wire that does not return from its open made it immune to signals."""
    took: list[float] = []

    async def never(server: Server) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        at((3.0, FIRST), (9.0, SECOND))
        try:
            await asyncio.sleep(1000.0)
        except asyncio.CancelledError:
            took.append(round(loop.time() - began, 1))
            if stubborn:
                await asyncio.sleep(3.0)  # it makes safe what it had begun
            raise
        finally:
            took.append(round(loop.time() - began, 1))

    monkeypatch.setattr(Server, "open", never)
    monkeypatch.setattr(Server, "close", lambda server: asyncio.sleep(0.0))
    beside: list[str] = []

    async def keeper() -> None:
        beside.append("runs")

    assert program(lambda *servers: [], beside=keeper) == 0
    assert took == [3.0, 6.0 if stubborn else 3.0]
    assert (program.told, program.listening, beside) == ([], [], [])


def test_what_runs_beside_a_station_runs_as_long_as_it_does(program: Program) -> None:
    ran: list[str] = []

    async def keeper() -> None:
        ran.append("begins")
        try:
            await asyncio.sleep(1000.0)
        finally:
            ran.append("ends")

    assert program(lambda *servers: [(1.0, servers[0].end)], sessions=1, beside=keeper) == 1
    assert ran == ["begins", "ends"]


async def test_who_is_cancelled_while_it_opens_opens_no_more() -> None:
    ended: list[str] = []

    class Hangs:
        async def open(self) -> None:
            try:
                await asyncio.sleep(1000.0)
            finally:
                ended.append("open")

        async def close(self) -> None:
            ended.append("close")

    async def opening() -> None:
        async with opened(Hangs(), Asked(asyncio.get_running_loop())):
            ended.append("within")

    task = asyncio.create_task(opening())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["open"]


def test_a_second_signal_waits_no_longer_for_what_is_being_opened() -> None:
    asked_at: list[float] = []

    async def opens() -> None:
        loop = asyncio.get_running_loop()
        asked, began = Asked(loop), loop.time()
        at((1.0, asked.again), (5.0, asked.again))

        class Stubborn(Server):
            async def open(self) -> None:
                for seconds in (1000.0, 7.0):
                    with suppress(asyncio.CancelledError):
                        await asyncio.sleep(seconds)
                raise asyncio.CancelledError

        async with opened(Stubborn(), asked) as is_open:
            asked_at.append(round(loop.time() - began, 1))
            assert not is_open
        await asyncio.sleep(10.0)

    asyncio.run(opens())
    assert asked_at == [5.0]


def test_who_is_cancelled_while_it_opens_leaves_nothing_open() -> None:
    ended: list[str] = []

    async def opens() -> None:
        class Slow(Server):
            async def open(self) -> None:
                try:
                    await asyncio.sleep(1000.0)
                finally:
                    ended.append("undone")

        with suppress(TimeoutError):
            async with asyncio.timeout(1.0), opened(Slow(), Asked(asyncio.get_running_loop())):
                ended.append("open")
        ended.append("over")

    asyncio.run(opens())
    assert ended == ["undone", "over"]


def test_what_an_open_raises_comes_out_of_the_program(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(server: Server) -> None:
        raise LinkError("no such interface")

    monkeypatch.setattr(Server, "open", fails)
    monkeypatch.setattr(Server, "close", lambda server: asyncio.sleep(0.0))
    with pytest.raises(LinkError, match="no such interface"):
        program(lambda *servers: [])
