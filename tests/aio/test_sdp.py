"""Discovery on real sockets of the loopback interface, where it goes by unicast to ``::1``."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv6Address

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.net.network import Interface, find_interface, sdp_server_socket
from iso15118.aio.net.sdp import SdpListener, discover, serve_sdp
from iso15118.errors import LinkError, MisuseError
from iso15118.sdp import (
    Answer,
    Conflict,
    Found,
    Ignored,
    Origin,
    RateLimit,
    Refused,
    SdpAction,
    Security,
    SendRequest,
)
from iso15118.timing import Timing

LOOPBACK = find_interface("lo")
HERE = IPv6Address("::1")
QUICK = Timing(sdp_retry=0.02, sdp_requests=3)
REQUEST = bytes.fromhex("01fe9000000000020000")


@asynccontextmanager
async def station(
    ports: dict[Security, int] | None = None,
    *,
    rate: RateLimit | None = None,
    heard: list[Answer | Ignored] | None = None,
) -> AsyncIterator[SdpListener]:
    def on_request(origin: Origin, outcome: Answer | Ignored) -> None:
        if heard is not None:
            heard.append(outcome)

    listener = await serve_sdp(
        LOOPBACK, ports or {Security.TLS: 61341}, port=0, rate=rate, on_request=on_request
    )
    try:
        yield listener
    finally:
        listener.close()


class Car:
    """A socket that sends what it likes to a station."""

    def __init__(self, port: int) -> None:
        self.sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind(("::1", 0))
        self.sock.connect(("::1", port))

    async def ask(self, data: bytes) -> bytes | None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self.sock, data)
        try:
            async with asyncio.timeout(0.05):
                return await loop.sock_recv(self.sock, 100)
        except TimeoutError:
            return None


async def test_a_car_finds_the_station() -> None:
    async with station() as listener:
        found = await discover(LOOPBACK, port=listener.port)
    assert (found.response.address, found.response.port, found.response.security) == (
        HERE,
        61341,
        Security.TLS,
    )
    assert found.origin == Origin(HERE, listener.port or found.origin.port)


async def test_a_car_asks_until_the_station_is_there() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("::1", 0))
        port = sock.getsockname()[1]
    actions: list[SdpAction] = []
    search = asyncio.create_task(
        discover(LOOPBACK, port=port, timing=Timing(sdp_retry=0.02), on_action=actions.append)
    )
    await asyncio.sleep(0.1)
    listener = await serve_sdp(LOOPBACK, {Security.TLS: 50000}, port=port)
    assert (await search).response.port == 50000
    listener.close()
    assert sum(isinstance(action, SendRequest) for action in actions) >= 3
    assert isinstance(actions[-1], Found)


async def test_who_watches_a_search_is_told_of_all_of_it_also_after_a_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A recording of the search misses nothing of it because one entry could not be made."""
    told: list[SdpAction] = []

    def watches(action: SdpAction) -> None:
        told.append(action)
        if len(told) == 1:
            raise ValueError("the disk is full")

    async with station() as listener:
        found = await discover(LOOPBACK, port=listener.port, on_action=watches)
    assert isinstance(told[0], SendRequest)
    assert told[-1] == found
    assert flush(60.0)
    assert "the callback on_action of discovery failed: " in caplog.text


async def test_nobody_there_is_a_link_error_after_all_tries() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as silent:
        silent.bind(("::1", 0))
        with pytest.raises(LinkError, match=r"no station answered 3 discovery requests"):
            await discover(LOOPBACK, port=silent.getsockname()[1], timing=QUICK)


async def test_a_station_without_tls_is_refused_by_name() -> None:
    actions: list[SdpAction] = []
    async with station({Security.NONE: 61342}) as listener:
        with pytest.raises(LinkError, match="asked for TLS, the station offers NONE"):
            await discover(LOOPBACK, port=listener.port, timing=QUICK, on_action=actions.append)
        found = await discover(LOOPBACK, port=listener.port, accept=[Security.TLS, Security.NONE])
    assert sum(isinstance(action, Refused) for action in actions) == 3
    assert found.response.security is Security.NONE


async def test_a_plain_car_is_told_of_the_plain_port() -> None:
    async with station({Security.TLS: 61341, Security.NONE: 61342}) as listener:
        found = await discover(LOOPBACK, port=listener.port, security=Security.NONE)
    assert (found.response.port, found.response.security) == (61342, Security.NONE)


async def test_garbage_is_ignored_and_the_next_car_answered() -> None:
    heard: list[Answer | Ignored] = []
    async with station(heard=heard) as listener:
        car = Car(listener.port)
        for garbage in (b"", b"\x01", REQUEST[:9], REQUEST + b"\0", bytes(10), bytes(60_000)):
            assert await car.ask(garbage) is None
        answer = await car.ask(REQUEST)
        car.sock.close()
    assert answer is not None
    assert answer[:8] == bytes.fromhex("01fe900100000014")
    assert [type(outcome) for outcome in heard] == [Ignored] * 6 + [Answer]


async def test_a_flood_is_answered_at_the_rate_limit() -> None:
    heard: list[Answer | Ignored] = []
    async with station(rate=RateLimit(per_second=1, burst=5), heard=heard) as listener:
        car = Car(listener.port)
        for _ in range(100):
            car.sock.send(REQUEST)
        while len(heard) < 100:  # noqa: ASYNC110 - the list is the event
            await asyncio.sleep(0.005)
        car.sock.close()
    assert 5 <= sum(isinstance(outcome, Answer) for outcome in heard) <= 7


async def test_a_callback_that_raises_does_not_make_the_station_deaf(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(origin: Origin, outcome: Answer | Ignored) -> None:
        raise ValueError("no")

    listener = await serve_sdp(LOOPBACK, {Security.TLS: 50000}, port=0, on_request=fail)
    car = Car(listener.port)
    assert [await car.ask(REQUEST) is not None for _ in range(3)] == [True] * 3
    listener.close()
    car.sock.close()
    assert flush(60.0)
    assert len([record for record in caplog.records if "callback" in record.getMessage()]) == 3


async def test_a_search_can_be_cancelled() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as silent:
        silent.bind(("::1", 0))
        search = asyncio.create_task(discover(LOOPBACK, port=silent.getsockname()[1]))
        await asyncio.sleep(0.02)
        search.cancel()
        with pytest.raises(asyncio.CancelledError):
            await search


async def test_a_closed_station_is_found_no_more() -> None:
    async with station() as listener:
        port = listener.port
        car = Car(port)
        assert await car.ask(REQUEST) is not None
        listener.close()
        await asyncio.sleep(0)
        assert listener.port == 0
        with pytest.raises(LinkError):
            await discover(LOOPBACK, port=port, timing=QUICK)
        car.sock.close()


async def test_the_second_station_on_the_loopback_interface_is_refused() -> None:
    async with station() as listener:
        port = listener.port
        with pytest.raises(LinkError, match=f"UDP port {port} of lo: Address already in use"):
            sdp_server_socket(LOOPBACK, port)


async def test_ports_that_nobody_could_connect_to_are_refused() -> None:
    with pytest.raises(MisuseError, match="at least one port"):
        await serve_sdp(LOOPBACK, {}, port=0)


def test_an_interface_that_there_is_not_is_named_with_those_that_there_are() -> None:
    with pytest.raises(LinkError, match=r"no network interface 'nosuch0', only .*lo"):
        find_interface("nosuch0")


def test_the_loopback_interface_is_reached_without_a_scope() -> None:
    assert Interface("lo", LOOPBACK.index, HERE, loopback=True) == LOOPBACK
    assert LOOPBACK.scope_id == 0
    assert Interface("eth7", 7, IPv6Address("fe80::1")).scope_id == 7


async def test_nobody_is_answered_while_the_server_may_not_and_at_once_when_it_may() -> None:
    free = False
    listener = await serve_sdp(LOOPBACK, {Security.TLS: 50000}, port=0, may_answer=lambda _: free)
    car = Car(listener.port)
    assert await car.ask(REQUEST) is None
    free = True
    assert await car.ask(REQUEST) is not None
    car.sock.close()
    listener.close()


async def test_the_answer_of_a_second_station_is_news_and_delays_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    actions: list[SdpAction] = []
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as both:
        both.setblocking(False)
        both.bind(("::1", 0))
        search = asyncio.create_task(discover(LOOPBACK, port=both.getsockname()[1], on_action=actions.append))
        _, vehicle = await loop.sock_recvfrom(both, 100)
        for port in (50001, 50002, 50001):
            payload = HERE.packed + port.to_bytes(2, "big") + bytes(2)
            await loop.sock_sendto(both, bytes.fromhex("01fe900100000014") + payload, vehicle)
        assert (await search).response.port == 50001
        async with asyncio.timeout(5.0):
            while not any(isinstance(action, Conflict) for action in actions):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)
    assert sum(isinstance(action, Conflict) for action in actions) == 1
    assert flush(60.0)
    assert "50002" in caplog.text


async def test_an_offer_without_tls_is_reported_as_less_security(caplog: pytest.LogCaptureFixture) -> None:
    actions: list[SdpAction] = []
    async with station({Security.NONE: 61342}) as listener:
        with pytest.raises(LinkError):
            await discover(LOOPBACK, port=listener.port, timing=QUICK, on_action=actions.append)
    assert {action.downgrade for action in actions if isinstance(action, Refused)} == {True}
    assert flush(60.0)
    assert "less security" in caplog.text
