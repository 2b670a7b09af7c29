"""Connections that wait for a session, played: who is in which place, who makes room and after how long,
and what is done when the reception is closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from iso15118.aio.net import handshakes as module
from iso15118.aio.net.ending import Ending, StreamEnd
from iso15118.aio.net.handshakes import BUSY_OPENINGS, BUSY_RATE, BUSY_WAITING, HandshakePool
from tests.aio.test_settling import now

SILENT_S, ANSWERED_S = module._SILENT_S, module._ANSWERED_S


class Stream:
    """A connection of this vehicle; what is done to it is noted."""

    def __init__(self, owner: Any, vehicle: str = "") -> None:
        self.owner, self.vehicle = owner, vehicle
        self.done: list[str] = []
        self.answered = False

    def hold(self) -> None:
        self.done.append("hold")

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")

    def connection_lost(self, error: Any) -> None:
        self.done.append(f"lost: {error}")

    def ready(self) -> None:
        self.owner.stream_ready(self)

    def ended(self) -> None:
        self.owner.stream_ended(self, StreamEnd(Ending.RESET))


class Socket:
    closed = False

    def close(self) -> None:
        self.closed = True


class Desk:
    """A reception whose connections come as the test has it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, most: int = 4) -> None:
        self.loop = asyncio.get_running_loop()
        self.incoming: asyncio.Queue[Any] = asyncio.Queue()
        self.vehicles: list[str] = []
        self.streams: list[Any] = []
        self.came: list[float] = []
        self.served: list[Any] = []
        self.refused: list[StreamEnd] = []
        self.returning: str | None = None
        self.sockets: list[Socket] = []
        self.fails: dict[str, Exception] = {}
        monkeypatch.setattr(self.loop, "sock_accept", self._accept)
        monkeypatch.setattr(self.loop, "connect_accepted_socket", self._connect)
        self.pool = HandshakePool(
            self._make,
            taken_in=self._taken_in,
            serve=self._serve,
            refused=self.refused.append,
            returns=lambda stream: stream.vehicle == self.returning,  # type: ignore[attr-defined]
            same=lambda one, other: bool(one.vehicle) and one.vehicle == other.vehicle,  # type: ignore[attr-defined]
            most=most,
        )
        listener: Any = object()
        self.task = asyncio.create_task(self.pool.listen(listener, None))

    def _make(self, owner: Any, tls: Any) -> Any:
        return Stream(owner, self.vehicles.pop(0))

    async def _accept(self, listener: Any) -> Any:
        come = await self.incoming.get()
        if isinstance(come, Exception):
            raise come
        return come, None

    async def _connect(self, make: Any, sock: Any) -> None:
        make()
        if "connect" in self.fails:
            raise self.fails.pop("connect")

    def _taken_in(self, stream: Any) -> None:
        self.streams.append(stream)
        self.came.append(now())

    def _serve(self, stream: Any) -> None:
        if "serve" in self.fails:
            raise self.fails.pop("serve")
        self.served.append(stream)

    def come(self, *vehicles: str) -> None:
        for vehicle in vehicles:
            self.vehicles.append(vehicle)
            self.sockets.append(Socket())
            self.incoming.put_nowait(self.sockets[-1])

    async def arrive(self, *vehicles: str) -> list[Any]:
        """These connections, taken in."""
        before = len(self.streams)
        self.come(*vehicles)
        while len(self.streams) < before + len(vehicles):  # noqa: ASYNC110 - it is the time that is waited for
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        return self.streams[before:]

    async def over(self) -> None:
        self.task.cancel()
        await asyncio.wait((self.task,))


async def test_a_connection_that_is_ready_has_its_session_at_once_and_the_next_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk(monkeypatch)
    first, second, third = await desk.arrive("a", "b", "c")
    assert desk.pool.openings == 3
    second.ready()
    assert desk.served == [second]
    assert desk.pool.openings == 2
    first.ready()
    third.ready()
    assert desk.served == [second]
    assert (first.done, second.done, third.done) == (["hold"], [], ["hold"])
    first.ended()
    assert len(desk.refused) == 1
    desk.pool.free()
    assert desk.served == [second, third]
    desk.pool.free()
    desk.pool.free()
    assert len(desk.served) == 2
    await desk.over()


@pytest.mark.parametrize("answered", [False, True])
async def test_the_oldest_makes_room_when_it_had_its_time_and_one_that_answered_has_more(
    answered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(monkeypatch, most=2)
    began = now()
    one, two = await desk.arrive("a", "b")
    one.answered = two.answered = answered
    if not answered:
        two.answered = True  # who answered makes room last
    await desk.arrive("c")
    patience_s = ANSWERED_S if answered else SILENT_S
    assert desk.came[-1] - began == pytest.approx(patience_s, abs=0.05)
    assert (one.done, two.done) == (["abort"], [])
    assert desk.pool.openings == 2
    await desk.over()


async def test_room_is_there_as_soon_as_a_handshake_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch, most=2)
    one, two = await desk.arrive("a", "b")
    two.ended()
    began = now()
    await desk.arrive("c")
    assert now() - began < 0.1
    assert one.done == []
    await desk.over()


async def test_while_a_session_runs_they_are_taken_in_slowly_and_few(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch, most=64)
    (first,) = await desk.arrive("a")
    first.ready()
    per_second, burst = BUSY_RATE
    count = int(burst) + 3
    for _ in range(count):
        (stream,) = await desk.arrive("")
        stream.ended()
    gaps = [later - earlier for earlier, later in zip(desk.came[1:], desk.came[2:], strict=False)]
    assert all(gap < 0.1 for gap in gaps[: int(burst) - 1])
    assert all(gap == pytest.approx(1.0 / per_second, abs=0.05) for gap in gaps[int(burst) :])
    desk.come(*[""] * (BUSY_OPENINGS + 1))
    await asyncio.sleep(BUSY_OPENINGS / per_second + 2.0)
    assert desk.pool.openings <= BUSY_OPENINGS
    await desk.over()


async def test_of_those_that_wait_the_newest_few_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch)
    (first,) = await desk.arrive("a")
    first.ready()
    waiting = []
    for _ in range(BUSY_WAITING + 1):
        (stream,) = await desk.arrive("")
        stream.ready()
        waiting.append(stream)
    assert waiting[0].done == ["hold", "close"]
    assert all(one.done == ["hold"] for one in waiting[1:])
    await desk.over()


async def test_of_one_vehicles_connections_the_latest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch)
    first, early, late, other = await desk.arrive("a", "b", "b", "c")
    first.ready()
    late.ready()
    early.ready()
    assert early.done == ["hold", "close"], "it has connected anew since"
    (again,) = await desk.arrive("b")
    other.ready()
    again.ready()
    assert late.done == ["hold", "close"]
    desk.pool.free()
    assert desk.served == [first, other]
    desk.pool.free()
    assert desk.served == [first, other, again]
    await desk.over()


async def test_the_vehicle_whose_session_runs_is_next_when_it_connects_anew_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk(monkeypatch)
    before, first, stranger = await desk.arrive("a", "a", "x")
    desk.returning = "a"
    first.ready()
    stranger.ready()
    before.ready()
    desk.pool.free()
    assert desk.served == [first, stranger], "it connected before the session began"
    desk.pool.free()
    assert desk.served[2:] == [before]
    (other,) = await desk.arrive("y")
    other.ready()
    (back,) = await desk.arrive("a")
    back.ready()
    desk.returning = None  # that session is over by now, and it connects once more
    (again,) = await desk.arrive("a")
    again.ready()
    assert back.done == ["hold", "close"]
    desk.pool.free()
    assert desk.served[3:] == [again], "it keeps its place"
    await desk.over()


async def test_what_is_closed_hands_out_nothing_and_drops_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(monkeypatch)
    first, waits, opening = await desk.arrive("a", "b", "c")
    first.ready()
    waits.ready()
    desk.pool.drop()
    assert (first.done, waits.done, opening.done) == ([], ["hold", "abort"], ["abort"])
    desk.pool.close()
    assert opening.done == ["abort", "abort"]
    desk.pool.free()
    opening.ready()
    assert desk.served == [first]
    assert opening.done[2:] == ["abort"]
    await desk.over()


async def test_what_fails_costs_its_connection_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(monkeypatch)
    desk.fails["connect"] = OSError("gone")
    (stream,) = await desk.arrive("a")
    await asyncio.sleep(0.01)
    assert stream.done == ["lost: gone"]
    assert desk.sockets[0].closed
    desk.incoming.put_nowait(ConnectionAbortedError())
    desk.incoming.put_nowait(OSError("too many files"))
    began = now()
    (next_one,) = await desk.arrive("b")
    assert now() - began == pytest.approx(module._ACCEPT_RETRY_S, abs=0.05)
    desk.fails["serve"] = ValueError("odd")
    with pytest.raises(ValueError, match="odd"):
        next_one.ready()
    (third,) = await desk.arrive("c")
    third.ready()
    assert desk.served == [third], "the place is free"
    await desk.over()
