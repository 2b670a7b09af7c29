"""What discovery says in the log and how often, and a search whose answers are played: one timer, and nothing
of it left when somebody gives it up."""

from __future__ import annotations

import asyncio
import logging
from ipaddress import IPv6Address
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.net import sdp as module
from iso15118.aio.net.interface import Interface
from iso15118.aio.net.sdp import SdpListener, discover
from iso15118.errors import LinkError
from iso15118.sdp import MULTICAST_GROUP, SDP_PORT, GaveUp, Ignored, SendRequest
from tests.aio.test_settling import now

CABLE = Interface("v2g0", 3, IPv6Address("fe80::1"))
PEER = ("fe80::9", 5000, 0, 3)


@pytest.mark.parametrize("busy", [False, True])
async def test_a_vehicle_that_is_not_invited_is_worth_a_word_now_and_then_and_garbage_is_not(
    busy: bool, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Any] = []
    outcome = Ignored("a session runs", busy=busy)
    server: Any = SimpleNamespace(answer=lambda data, origin, at: outcome)
    listener = SdpListener(server, CABLE, lambda origin, what: heard.append(what))
    listener.datagram_received(b"early", PEER)
    assert heard == [], "there is no socket yet"
    transport: Any = SimpleNamespace()
    listener.connection_made(transport)
    with caplog.at_level("DEBUG"):
        for _ in range(6):
            listener.datagram_received(b"?", PEER)
        await asyncio.sleep(10.5)
        for _ in range(2):
            listener.datagram_received(b"?", PEER)
        assert flush(60.0)
    levels = [one.levelno for one in caplog.records if "no answer to" in one.getMessage()]
    some = [logging.INFO] * 3 + [logging.DEBUG] * 3 + [logging.INFO, logging.DEBUG]
    assert levels == (some if busy else [logging.DEBUG] * 8)
    assert heard == [outcome] * 8


class Client:
    """A search that asks twice, and gives up then."""

    def __init__(self) -> None:
        self.began = now()
        self.deadline: float | None = None
        self.fired: list[float] = []
        self.handled = 0

    def start(self, at: float) -> list[Any]:
        self.deadline = self.began + 1.0
        return [SendRequest(b"ask")]

    def handle(self, data: bytes, origin: Any, at: float) -> list[Any]:
        self.handled += 1
        self.deadline = self.began + 3.0
        return []

    def handle_timeout(self, at: float) -> list[Any]:
        self.fired.append(at - self.began)
        if len(self.fired) == 1:
            self.deadline = self.began + 5.0
            return [SendRequest(b"again")]
        self.deadline = None
        return [GaveUp("no answer")]


class Transport:
    """The socket of the search."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Any]] = []
        self.closed = 0

    def sendto(self, data: bytes, to: Any) -> None:
        self.sent.append((data, to))

    def close(self) -> None:
        self.closed += 1


class Cable:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.client, self.transport = Client(), Transport()
        self.search: Any = None
        loop = asyncio.get_running_loop()

        async def endpoint(make: Any, sock: Any) -> Any:
            self.search = make()
            self.search.connection_made(self.transport)
            return self.transport, self.search

        monkeypatch.setattr(module, "SdpClient", lambda **how: self.client)
        monkeypatch.setattr(module, "sdp_client_socket", lambda interface: object())
        monkeypatch.setattr(loop, "create_datagram_endpoint", endpoint)


async def test_a_search_asks_the_group_on_its_cable_and_has_one_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cable = Cable(monkeypatch)
    searching = asyncio.create_task(discover(CABLE))
    await asyncio.sleep(0.5)
    cable.search.datagram_received(b"?", PEER)
    cable.search.datagram_received(b"?", ("not an address", 5))
    cable.search.error_received(OSError("unreachable"))
    with pytest.raises(LinkError, match=f"no answer to UDP port {SDP_PORT}; the network said: unreachable"):
        await searching
    assert cable.client.fired == [pytest.approx(3.0, abs=0.01), pytest.approx(5.0, abs=0.01)]
    assert cable.client.handled == 1
    to = (str(MULTICAST_GROUP), SDP_PORT, 0, 3)
    assert cable.transport.sent == [(b"ask", to), (b"again", to)]
    assert cable.transport.closed == 1


async def test_a_search_that_is_given_up_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cable = Cable(monkeypatch)
    searching = asyncio.create_task(discover(CABLE))
    await asyncio.sleep(0.5)
    searching.cancel()
    await asyncio.wait((searching,))
    assert searching.cancelled()
    await asyncio.sleep(10.0)
    assert cable.client.fired == []
    assert cable.search.outcome.cancelled()
    assert cable.transport.closed == 1
    cable.search.connection_lost(None)


async def test_a_socket_that_is_closed_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    cable = Cable(monkeypatch)
    searching = asyncio.create_task(discover(CABLE))
    await asyncio.sleep(0.5)
    cable.search.connection_lost(OSError("gone"))
    cable.search.connection_lost(None)
    with pytest.raises(LinkError, match="the discovery socket was closed: gone"):
        await searching
