"""Single steps of a station's server: who is invited, refused or waited for, and the order in which it ends.
Its listeners, its discovery and its sessions are stand-ins."""

from __future__ import annotations

import asyncio
from ipaddress import IPv6Address
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio import SeccServer, secc
from iso15118.aio.logs import flush
from iso15118.sdp import Ignored, Origin
from iso15118.session import actions as act
from iso15118.session.discovery import Downgrade
from iso15118.session.events import TransportLoss

from .site import LOOPBACK, QUICK_PORTS, Plant, secc_config, secc_tls

CAR = IPv6Address("fe80::2")


class Pool:
    """In place of the pool of handshakes."""

    def __init__(self, openings: int = 0) -> None:
        self.openings, self.done = openings, list[str]()

    def close(self) -> None:
        self.done.append("close")

    def drop(self) -> None:
        self.done.append("drop")

    def free(self) -> None:
        self.done.append("free")


class Presence:
    """In place of listeners and discovery."""

    def __init__(self, *accepting: Any, interface: Any = None) -> None:
        self.tasks, self.interface, self.closed, self.looks = set(accepting), interface, 0, 0
        self.sdp_port = 15118
        self.looked: Any = lambda: None

    @property
    def accepting(self) -> set[Any]:
        self.looks += 1
        self.looked()
        return self.tasks

    def close(self) -> None:
        self.closed += 1


class Stream:
    """A plain connection from a vehicle; notes how it ends."""

    secure, tls_info, peer = False, None, "[fe80::2]:5"

    def __init__(self, address: IPv6Address | None = CAR) -> None:
        self.peer_address, self.done, self.closed = address, list[str](), asyncio.Event()

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")

    async def wait_closed(self) -> None:
        await self.closed.wait()


class Driver:
    """Of a session that runs, or is ``over`` and whose hardware settles."""

    def __init__(self, stream: Any = None, *, over: bool = False) -> None:
        self.stream, self.over, self.lost = stream, over, list[Any]()

    def link_lost(self, *why: Any) -> None:
        self.lost.append(why)


def server_of(
    *, tls: Any = None, open_: bool = True, driver: Any = None, pool: Any = None, **more: Any
) -> Any:
    settings = {name: more.pop(name) for name in ("sdp_downgrade",) if name in more}
    server: Any = SeccServer(
        secc_config(allow_plaintext=True, **settings),
        Plant().secc,
        LOOPBACK,
        tls,
        sdp=False,
        sdp_port=0,
        port_limits=QUICK_PORTS,
        **more,
    )
    server.sessions.driver, server._reception = driver, pool
    server._life._open, server._life._loop = open_, asyncio.get_running_loop()
    return server


async def test_what_is_told_between_sessions_waits_for_one_only_while_a_connection_is_opening() -> None:
    """Not before the server listens, nor without a connection in its handshake."""
    for pool, opening in ((None, False), (Pool(0), False), (Pool(1), True), (Pool(2), True)):
        assert server_of(pool=pool).sessions._opening() is opening


async def test_serving_ends_when_the_server_is_closed_and_tells_why_a_listener_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A listener that was ended is no failure: there may be another one by then. It looks ten times a
    second, and not all the time."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    calls = SimpleNamespace(sleep=sleep, wait=asyncio.wait, FIRST_COMPLETED=asyncio.FIRST_COMPLETED)
    monkeypatch.setattr(secc, "asyncio", calls)
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ended.cancel()
    server = server_of()
    presence = server._presence = Presence(ended)

    def third() -> None:
        server._life._open = presence.looks < 3

    presence.looked = third
    await asyncio.wait_for(server.serve_forever(), 5.0)
    assert presence.looks == 3
    assert slept == [0.1] * 3
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    failed.set_exception(OSError("no descriptors"))
    presence.tasks, server._life._open, presence.looked = {failed}, True, lambda: None
    with pytest.raises(OSError, match="no descriptors"):
        await server.serve_forever()
    server._presence = None
    await server.serve_forever()


@pytest.mark.parametrize("tls", [False, True])
async def test_the_session_that_runs_has_a_connection_until_it_is_over(tls: bool) -> None:
    """Its vehicle alone is answered meanwhile, and not by its loopback address, which others have as well."""
    server, stream = server_of(tls=secc_tls() if tls else None), Stream()
    assert server._running_stream() is None
    assert server._may_answer(Origin(CAR, 5))
    for over in (False, True):
        server.sessions.driver = Driver(stream, over=over)
        assert (server._running_stream() is stream) is not over
        assert server._may_answer(Origin(CAR, 5)) is not over
        assert not server._may_answer(Origin(IPv6Address("fe80::3"), 5))
    server.sessions.driver = Driver(Stream(IPv6Address("::1")))
    assert not server._may_answer(Origin(IPv6Address("::1"), 5))


async def test_a_vehicle_that_connects_anew_ends_its_session_once_and_others_end_none() -> None:
    """While the hardware of its session settles it is still the same vehicle, and nothing is ended twice."""
    server = server_of()
    assert not server._returns(Stream())
    server.sessions.driver = Driver(None)
    assert not server._returns(Stream())
    driver = server.sessions.driver = Driver(Stream())
    assert not server._returns(Stream(IPv6Address("fe80::3")))
    assert driver.lost == []
    assert server._returns(Stream())
    assert driver.lost == [(TransportLoss.CONNECTED_ANEW,)]
    driver.over = True
    assert server._returns(Stream())
    assert len(driver.lost) == 1


async def test_a_connection_is_not_served_beside_a_session_without_messages() -> None:
    """It is dropped at once, and the next one is heard in its turn."""
    pool, stream = Pool(), Stream()
    server = server_of(pool=pool, driver=Driver(None))
    server._serve(stream)
    assert (stream.done, pool.done) == (["abort"], [])
    await asyncio.sleep(0)
    assert pool.done == ["free"]
    server._reception = None
    server._free()


@pytest.mark.parametrize("asked_for_tls", [False, True])
@pytest.mark.parametrize("refuse", [False, True])
async def test_who_comes_without_the_tls_that_it_asked_for_is_told_and_refused_if_so_set(
    asked_for_tls: bool, refuse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others are served, with nothing to remark."""
    pool, stream, news, served = Pool(), Stream(), list[Any](), list[Any]()
    more: dict[str, Any] = {"sdp_downgrade": Downgrade.REFUSE} if refuse else {}
    server = server_of(pool=pool, news=news.append, **more)
    monkeypatch.setattr(server._asked, "remark", lambda *_: "without TLS" if asked_for_tls else "")
    monkeypatch.setattr(server.sessions, "serve", lambda *what, **how: served.append((*what, how)))
    server._serve(stream)
    await asyncio.sleep(0)
    dropped = asked_for_tls and refuse
    assert news == ([act.PeerDeviates("sdp-downgrade", "without TLS")] if asked_for_tls else [])
    assert (stream.done, pool.done) == ((["abort"], ["free"]) if dropped else ([], []))
    remark = "without TLS" if asked_for_tls else ""
    assert served == ([] if dropped else [(stream, server._free, {"remark": remark})])


async def test_what_waited_for_a_session_is_forgotten_when_no_connection_opens_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another connection that is opening may still become one."""
    for pool, kept in ((Pool(1), True), (Pool(0), False), (None, False)):
        server = server_of(pool=pool)
        server.sessions.early.append("event")
        server._refused(None)
        assert bool(server.sessions.early) is kept


async def test_a_lost_link_drops_what_opens_and_ends_the_session_that_runs() -> None:
    """Also before it listens, and between sessions."""
    pool, driver = Pool(1), Driver(Stream())
    server = server_of(pool=pool, driver=driver)
    server.link_lost()
    assert (pool.done, driver.lost) == (["drop"], [()])
    server = server_of()
    server.link_lost()


async def test_out_of_service_drops_what_is_opening_and_back_in_service_does_not() -> None:
    """So that whoever connects next is refused by name."""
    pool = Pool(1)
    server = server_of(pool=pool)
    server._service_changed("")
    assert pool.done == []
    server._service_changed("painted")
    assert pool.done == ["drop"]
    server._reception = None
    server._service_changed("painted")


async def test_a_session_without_messages_begins_where_no_other_has_the_hardware(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Connections that open are dropped for it."""
    pool, served = Pool(1), list[Any]()
    server = server_of(pool=pool, driver=Driver(None))
    monkeypatch.setattr(server.sessions, "serve", lambda stream, *_, **how: served.append(how))
    assert server.serve_without_messages("make", "show") is False
    assert (pool.done, served) == ([], [])
    server.sessions.driver = None
    assert server.serve_without_messages("make", "show") is True
    assert (pool.done, served) == (["drop"], [{"make": "make", "show": "show"}])
    server._reception = None
    assert server.serve_without_messages("make", "show") is True
    server.sessions._leaving = Driver(None)  # its hardware is still being made safe
    assert server.serve_without_messages("make", "show") is False
    server.sessions._leaving, server._life._open = None, False
    assert server.serve_without_messages("make", "show") is False


async def test_where_it_listens_is_asked_of_the_system_until_it_listens() -> None:
    """By name or not."""
    server = server_of()
    assert server.interface is LOOPBACK
    server._where = "lo"
    assert server.interface == LOOPBACK
    server._presence = Presence()
    assert server.interface == LOOPBACK
    there: Any = object()
    server._presence = Presence(interface=there)
    assert server.interface is there


async def test_requests_of_the_discovery_are_heard_with_and_without_a_recorder() -> None:
    """The recorder has them with the port at which they came in."""
    heard, noted = list[Any](), list[Any]()
    server = server_of(on_request=lambda *what: heard.append(what))
    server._presence = Presence()
    asked = Origin(CAR, 5), Ignored("busy")
    server._heard_asking(*asked)
    server._recorder = SimpleNamespace(heard_asking=lambda *what: noted.append(what))
    server._heard_asking(*asked)
    assert (heard, noted) == ([asked, asked], [(*asked, 15118)])


@pytest.mark.parametrize("waits_for", ["listener", "connection", "nothing"])
async def test_the_end_waits_for_connections_to_close_in_order_and_then_drops_them(
    waits_for: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a time; listeners and the watch over certificates end first. A cancellation comes out at the
    end, also one that comes in while the hardware is being made safe."""
    loop, pool, order = asyncio.get_running_loop(), Pool(), list[Any]()
    server, stream = server_of(pool=pool), Stream()
    listener: asyncio.Future[None] = loop.create_future()
    presence = server._presence = Presence(*([listener] if waits_for == "listener" else []))
    server._streams.add(stream)
    if waits_for == "connection":
        server._taken_in(stream)

    def end() -> None:
        order.append("ended")
        listener.set_result(None)
        stream.closed.set()

    if waits_for != "nothing":
        loop.call_later(0.01, end)
    watch = server._expiry = loop.create_future()
    monkeypatch.setattr(server.sessions, "close", lambda: order.append(list(stream.done)))
    await server.close()
    assert (pool.done, server._reception, presence.closed, watch.cancelled()) == (["close"], None, 1, True)
    assert order == ([["close"]] if waits_for == "nothing" else ["ended", ["close"]])
    assert stream.done == (["close"] if waits_for == "connection" else ["close", "abort"])
    assert not server._closing


async def test_a_cancellation_while_the_hardware_is_made_safe_comes_out_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When everything has been closed."""
    server, closed = server_of(), list[str]()
    asked = [asyncio.CancelledError, None]

    async def settle() -> bool:
        if (error := asked.pop(0)) is not None:
            raise error
        return True

    monkeypatch.setattr(server.sessions, "settle_idle", settle)
    monkeypatch.setattr(server.sessions, "close", lambda: closed.append("closed"))
    with pytest.raises(asyncio.CancelledError):
        await server.close()
    assert (asked, closed) == ([], ["closed"])


@pytest.mark.parametrize("session", [False, True])
async def test_an_interface_that_is_gone_is_an_error_for_a_session_only(
    session: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The link is lost all the same: what opens is dropped."""
    pool = Pool(1)
    server = server_of(pool=pool, driver=Driver(Stream()) if session else None)
    server._interface_lost("v2g0 is gone")
    assert flush(60.0)
    assert ("the session that runs cannot go on: v2g0 is gone" in caplog.text) is session
    assert pool.done == ["drop"]


@pytest.mark.parametrize("plaintext", [False, True])
async def test_a_port_with_tls_serves_the_clear_as_well_where_that_is_allowed(plaintext: bool) -> None:
    """The first octets tell; whoever speaks in the clear has to say something before it has a session."""
    made = list[Any]()
    connection: Any = lambda owner, **how: made.append(how)  # noqa: E731 - it is a class otherwise
    server: Any = SeccServer(
        secc_config(allow_plaintext=plaintext),
        Plant().secc,
        LOOPBACK,
        secc_tls(),
        sdp=False,
        sdp_port=0,
        connection=connection,
    )
    tls = SimpleNamespace(connect=lambda: "a peer")
    server._make_stream(None, tls)
    server._make_stream(None, None)
    both = {"plain_too": True, "speaks_first": True} if plaintext else {}
    assert made == [
        {"tls": "a peer", "limits": None, **both},
        {"tls": None, "limits": None, "speaks_first": True},
    ]


async def test_the_end_gives_hardware_and_connections_two_seconds_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Connections have them to close in order, and again when they were dropped."""
    given: list[Any] = []

    async def wait(tasks: Any, *, timeout: float) -> None:  # noqa: ASYNC109 - as asyncio has it
        given.append(timeout)

    async def insist(step: Any, limit_s: float) -> tuple[Any, bool]:
        given.append(("hardware", limit_s))
        return None, False

    server = server_of()
    server._taken_in(Stream())
    (closing,) = server._closing
    calls = SimpleNamespace(wait=wait, CancelledError=asyncio.CancelledError)
    monkeypatch.setattr(secc, "asyncio", calls)
    monkeypatch.setattr(secc, "insist", insist)
    await server.close()
    assert given == [("hardware", 2.0), 2.0, 2.0]
    closing.cancel()
