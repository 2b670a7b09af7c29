"""Discovery that looks wrong, on real sockets: an answer without TLS, a second station,
a vehicle without its TLS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Any

import pytest

from iso15118.aio.discovery import StationSearch
from iso15118.aio.net.sdp import discover
from iso15118.aio.net.vehicles import Asked
from iso15118.errors import LinkError
from iso15118.evcc import EvccConfig
from iso15118.sdp import Answer, Ignored, Origin, SdpRequest, SdpResponse, Security
from iso15118.session import actions as act
from iso15118.session.discovery import Downgrade, SecondAnswer
from iso15118.timing import Timing

from .site import LOOPBACK, evcc_config, secc_config, site

HERE = IPv6Address("::1")
QUICK = Timing(sdp_retry=0.02, sdp_requests=3)
TLS, NONE = Security.TLS, Security.NONE


class Liar(asyncio.DatagramProtocol):
    """Answers every request with all of ``answers``, a (port, security) each; those in
    ``later`` after so many s."""

    def __init__(
        self, *answers: tuple[int, Security], later: dict[tuple[int, Security], float] | None = None
    ) -> None:
        self.answers, self.later = answers, later or {}
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        for port, security in self.answers:
            self._send(port, security, addr)
        for (port, security), seconds in self.later.items():
            asyncio.get_running_loop().call_later(seconds, self._send, port, security, addr)

    def _send(self, port: int, security: Security, addr: Any) -> None:
        if not self.transport.is_closing():
            self.transport.sendto(SdpResponse(HERE, port, security).to_bytes(), addr)


@asynccontextmanager
async def lying(liar: Liar) -> AsyncIterator[int]:
    """The UDP port of one who answers."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.bind(("::1", 0))
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: liar, sock=sock)
    try:
        yield sock.getsockname()[1]
    finally:
        transport.close()


@dataclass
class Told:
    """What a search told."""

    news: list[tuple[str, str]] = field(default_factory=list)
    leave: list[str] = field(default_factory=list)

    def search(self, port: int, *, secured: bool = True, **settings: Any) -> StationSearch:
        fields: dict[str, Any] = {"editions": ("iso20", "iso2"), "timing": QUICK} | settings
        config = EvccConfig(**fields)

        def heard(news: act.Notify) -> None:
            assert isinstance(news, act.PeerDeviates)
            self.news.append((news.name, news.detail))

        return StationSearch(config, secured=secured, sdp_port=port, news=heard, leave=self.leave.append)


async def comes(condition: Any) -> None:
    async with asyncio.timeout(20.0):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


# -- the vehicle: less security than asked for


async def test_a_station_without_tls_is_taken_and_told_where_something_may_be_said_in_the_clear() -> None:
    told = Told()
    async with lying(Liar((50001, NONE))) as port:
        search = told.search(port)
        assert await search.find(LOOPBACK) == (HERE, 50001)
    assert search.security_of(HERE, 50001) is NONE
    assert [name for name, _ in told.news] == ["sdp-no-tls"]
    assert search.remarks == [detail for _, detail in told.news]


@pytest.mark.parametrize(
    "settings",
    [{"sdp_downgrade": Downgrade.REFUSE}, {"forbid_plaintext": True}],
    ids=["policy", "no plaintext"],
)
async def test_a_station_without_tls_is_refused_and_told_where_the_policy_says_so(
    settings: dict[str, Any],
) -> None:
    told = Told()
    async with lying(Liar((50001, NONE))) as port:
        search = told.search(port, **settings)
        with pytest.raises(LinkError, match="asked for TLS, the station offers NONE"):
            await search.find(LOOPBACK)
    assert {name for name, _ in told.news} == {"sdp-downgrade"}
    assert len(search.remarks) == 1


async def test_one_who_talks_tls_away_before_the_station_answers_is_passed_over() -> None:
    told = Told()
    async with lying(Liar((50001, NONE), (50002, TLS))) as port:
        search = told.search(port, sdp_downgrade=Downgrade.REFUSE)
        assert await search.find(LOOPBACK) == (HERE, 50002)
    assert search.security_of(HERE, 50002) is TLS
    assert [name for name, _ in told.news] == ["sdp-downgrade"]


async def test_a_vehicle_that_asks_for_none_is_not_talked_out_of_anything() -> None:
    told = Told()
    async with lying(Liar((50001, NONE))) as port:
        search = told.search(port, secured=False, sdp_downgrade=Downgrade.REFUSE)
        assert await search.find(LOOPBACK) == (HERE, 50001)
    assert told.news == []


# -- the vehicle: a second answer


async def test_a_second_answer_is_told_and_the_first_one_stands() -> None:
    told = Told()
    async with lying(Liar((50001, TLS), (50002, TLS), (50002, TLS))) as port:
        search = told.search(port)
        assert await search.find(LOOPBACK) == (HERE, 50001)
        await comes(lambda: told.news)
    ((name, detail),) = told.news
    assert name == "sdp-second-answer"
    assert "50002" in detail
    assert told.leave == []


async def test_a_second_answer_ends_the_search_where_the_policy_says_so() -> None:
    told = Told()
    async with lying(Liar((50001, TLS), later={(50002, TLS): 0.05})) as port:
        search = told.search(port, sdp_second_answer=SecondAnswer.LEAVE, sdp_second_answer_s=10.0)
        with pytest.raises(LinkError, match=r"50002.*sdp_second_answer"):
            await search.find(LOOPBACK)
    assert [name for name, _ in told.news] == ["sdp-second-answer"]
    assert told.leave == []


async def test_one_that_comes_later_ends_the_session() -> None:
    told = Told()
    async with lying(Liar((50001, TLS), later={(50002, TLS): 0.2})) as port:
        search = told.search(port, sdp_second_answer=SecondAnswer.LEAVE, sdp_second_answer_s=0.01)
        assert await search.find(LOOPBACK) == (HERE, 50001)
        await comes(lambda: told.leave)
    assert "50002" in told.leave[0]


async def test_a_station_that_is_alone_is_found_after_the_wait() -> None:
    async with lying(Liar((50001, TLS), (50001, TLS))) as port:
        found = await discover(LOOPBACK, port=port, timing=QUICK, alone_s=0.05)
    assert found.response.port == 50001


# -- the station: a vehicle that comes without the TLS it asked for


class Peer:
    """A connection as far as it matters here."""

    def __init__(self, address: str = "fe80::1", *, secure: bool = False) -> None:
        self.peer_address, self.secure, self.peer = IPv6Address(address), secure, f"[{address}]:1"


def asked(security: Security = TLS, answered: Security = TLS) -> Answer:
    response = SdpResponse(IPv6Address("fe80::2"), 50000, answered)
    request = SdpRequest(security)
    return Answer(request, response, response.to_bytes(), request.to_bytes())


def origin(address: str = "fe80::1") -> Origin:
    return Origin(IPv6Address(address), 1234, 1)


@pytest.mark.parametrize(
    ("outcome", "peer", "after_s", "wrong"),
    [
        (asked(), Peer(), 1.0, True),
        (asked(), Peer(secure=True), 1.0, False),
        (asked(), Peer("fe80::9"), 1.0, False),
        (asked(), Peer(), 61.0, False),
        (asked(NONE, NONE), Peer(), 1.0, False),
        (asked(TLS, NONE), Peer(), 1.0, False),
        (Ignored("busy", busy=True), Peer(), 1.0, False),
    ],
)
def test_who_should_have_come_with_tls(outcome: Any, peer: Any, after_s: float, wrong: bool) -> None:
    remembered = Asked()
    remembered.heard(origin(), outcome, 100.0)
    assert bool(remembered.remark(peer, 100.0 + after_s)) is wrong
    assert not remembered.remark(peer, 100.0 + after_s), "each promise is looked at once"


def test_what_is_remembered_is_bounded_and_the_last_word_counts() -> None:
    remembered = Asked()
    for number in range(1000):
        remembered.heard(origin(f"fe80::{number:x}"), asked(), 1.0)
    assert len(remembered._promised) == 64
    remembered.heard(origin("fe80::3e7"), asked(NONE, NONE), 2.0)
    assert not remembered.remark(Peer("fe80::3e7"), 3.0)  # type: ignore[arg-type]


async def ask_for_tls(port: int) -> None:
    """From the address from which the vehicle will connect."""
    await discover(LOOPBACK, security=TLS, port=port, timing=QUICK)


async def test_a_vehicle_that_comes_without_its_tls_is_served_and_told() -> None:
    news: list[act.Notify] = []
    async with site(config=secc_config(allow_plaintext=True), news=news.append) as here:
        await ask_for_tls(here.server.sdp_port)
        plain = (HERE, here.server.ports[NONE])
        result = await here.charge(station=plain, tls=None, config=evcc_config(allow_plaintext=True))
        (remark,) = result.discovery
        assert "asked for TLS in discovery" in remark
        assert act.PeerDeviates("sdp-downgrade", remark) in news
        again = await here.charge(station=plain, tls=None, config=evcc_config(allow_plaintext=True))
        assert again.discovery == ()


async def test_it_is_refused_where_the_policy_says_so_and_the_next_one_is_served() -> None:
    news: list[act.Notify] = []
    config = secc_config(allow_plaintext=True, sdp_downgrade=Downgrade.REFUSE)
    async with site(config=config, news=news.append) as here:
        await ask_for_tls(here.server.sdp_port)
        plain = (HERE, here.server.ports[NONE])
        lone = here.client(station=plain, tls=None, config=evcc_config(allow_plaintext=True))
        result: Any = None
        with suppress(LinkError):
            result = await lone.run()
        assert result is None or result.exchanges == 0
        assert here.server.finished == 0
        assert [one.name for one in news if isinstance(one, act.PeerDeviates)] == ["sdp-downgrade"]
        assert (await here.charge()).tls is not None


async def test_a_whole_session_with_a_liar_beside_the_station() -> None:
    """He answers without TLS: the vehicle that may speak in the clear does, and its result says
    so; another one does not."""
    async with (
        site(config=secc_config(allow_plaintext=True)) as here,
        lying(Liar((here.server.ports[NONE], NONE))) as port,
    ):
        client = here.client(sdp_port=port, config=evcc_config(allow_plaintext=True))
        task = asyncio.create_task(client.run())
        await comes(lambda: client.session is not None and client.session.state == "DC_ChargeLoop")
        client.stop("enough")
        result = await task
        assert result.tls is None
        assert result.discovery == (
            "asked for TLS, the station has none: what may be said in the clear is offered",
        )
        careful = evcc_config(allow_plaintext=True, sdp_downgrade=Downgrade.REFUSE, timing=QUICK)
        with pytest.raises(LinkError, match="asked for TLS"):
            await here.client(sdp_port=port, config=careful).run()


def test_of_many_that_were_promised_the_oldest_is_forgotten_and_a_promise_lasts_a_minute() -> None:
    remembered = Asked()
    for number in range(65):
        remembered.heard(origin(f"fe80::{number + 1:x}"), asked(), 1.0)
    peers: list[Any] = [Peer(f"fe80::{number:x}") for number in (1, 2, 65)]
    assert [bool(remembered.remark(peer, 61.0)) for peer in peers] == [False, True, True]


def test_remarks_about_the_search_are_few_and_said_once() -> None:
    told: list[Any] = []
    search = object.__new__(StationSearch)
    search.remarks, search._news = [], told.append
    for number in (0, 0, 1, *range(30)):
        search._remark("sdp-downgrade", f"remark {number}")
    assert search.remarks == [f"remark {number}" for number in range(16)]
    assert [(one.name, one.detail) for one in told] == [("sdp-downgrade", text) for text in search.remarks]
