"""Discovery without a cable on sockets of ``::1``: a place that is found, that still looks, or is another
one; answers that are none."""

from __future__ import annotations

import asyncio
import socket

import pytest

from iso15118.aio import EvccClient, SeccServer
from iso15118.aio.net.wireless_sdp import WirelessSdpListener, discover_wireless, serve_wireless_sdp
from iso15118.errors import LinkError, MisuseError
from iso15118.evcc import EvccConfig
from iso15118.sdp import Security
from iso15118.sdp.wireless import Coupling, DiagStatus, WirelessSdpRequest, WirelessSdpResponse
from iso15118.secc import SeccConfig
from iso15118.session.services import ServiceID
from iso15118.timing import Timing

from .site import LOOPBACK
from .test_coupling import over_a_pad

QUICK = Timing(sdp_requests=4, sdp_retry=0.05)
ASKS = WirelessSdpRequest(coupling=Coupling.WPT, evid="WMIV1234567890", security=Security.NONE)
PORTS = {Security.NONE: 50_000}


async def place(**settings: object) -> WirelessSdpListener:
    wanted = {"coupling": Coupling.WPT, "evseid": "DE*ICE*E7", "port": 0} | settings
    return await serve_wireless_sdp(LOOPBACK, PORTS, **wanted)  # type: ignore[arg-type]


async def test_a_vehicle_finds_the_pad_that_it_stands_on() -> None:
    asked: list[str] = []

    def knows(evid: str) -> bool | None:
        asked.append(evid)
        return None if len(asked) < 3 else True

    listener = await place(knows=knows)
    try:
        found = await discover_wireless(LOOPBACK, ASKS, port=listener.port, timing=QUICK)
    finally:
        listener.close()
    assert (found.port, found.status, found.evseid) == (50_000, DiagStatus.FINISHED_WITH_EVSEID, "DE*ICE*E7")
    assert asked == ["WMIV1234567890"] * 3, "it asks again while the station still looks"


async def test_a_station_that_cannot_tell_which_vehicle_it_is_ends_the_search_too() -> None:
    listener = await place(knows=lambda evid: False)
    try:
        found = await discover_wireless(LOOPBACK, ASKS, port=listener.port, timing=QUICK)
    finally:
        listener.close()
    assert (found.status, found.evseid) == (DiagStatus.FINISHED_WITHOUT_EVSEID, "ZZ00000")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"coupling": Coupling.PANTOGRAPH_1}, "to UDP port"),
        ({"knows": lambda evid: None}, "ONGOING"),
        ({"knows": lambda evid: 1 / 0}, "ERROR"),
    ],
)
async def test_a_place_that_is_none_for_this_vehicle_is_not_found(
    settings: dict[str, object], why: str
) -> None:
    listener = await place(**settings)
    try:
        with pytest.raises(LinkError, match="no station answered 4 discovery requests") as caught:
            await discover_wireless(LOOPBACK, ASKS, port=listener.port, timing=QUICK)
    finally:
        listener.close()
    assert why in str(caught.value)


def _answer(**settings: object) -> bytes:
    wanted = {
        "address": LOOPBACK.address,
        "port": 50_000,
        "security": Security.NONE,
        "status": DiagStatus.FINISHED_WITH_EVSEID,
        "coupling": Coupling.WPT,
    }
    return WirelessSdpResponse(**(wanted | settings)).to_bytes()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "0 bytes are no discovery message"),
        (b"\x01\xfe\x90\x01\x00\x00\x00\x14" + bytes(20), "where "),
        (_answer()[:-2], "bytes"),
        (_answer(coupling=Coupling.SIDE), "the place has SIDE"),
        (_answer(security=Security.TLS), "the station has TLS"),
        (_answer(status=DiagStatus.ERROR), "ERROR"),
    ],
    ids=["empty", "of a cable", "short", "other coupling", "other security", "error"],
)
async def test_answers_that_are_none_are_not_taken_and_said(answer: bytes, why: str) -> None:
    loop = asyncio.get_running_loop()
    liar = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    liar.setblocking(False)
    liar.bind(("::1", 0))

    async def lie() -> None:
        while True:
            _, origin = await loop.sock_recvfrom(liar, 2048)
            liar.sendto(answer, origin)

    lying = asyncio.create_task(lie())
    try:
        with pytest.raises(LinkError) as caught:
            await discover_wireless(LOOPBACK, ASKS, port=liar.getsockname()[1], timing=QUICK)
    finally:
        lying.cancel()
        await asyncio.gather(lying, return_exceptions=True)
        liar.close()
    assert why in str(caught.value)


async def test_garbage_ends_no_listener_and_closing_twice_is_harmless() -> None:
    heard: list[object] = []
    listener = await place(on_request=lambda origin, outcome: heard.append(outcome))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as stranger:
        for octets in (b"", b"\x01\xfe", bytes(2000), ASKS.to_bytes()[:-1]):
            stranger.sendto(octets, ("::1", listener.port))
        found = await discover_wireless(LOOPBACK, ASKS, port=listener.port, timing=QUICK)
    assert found.status is DiagStatus.FINISHED_WITH_EVSEID
    assert [type(one) for one in heard] == [str] * 4 + [WirelessSdpResponse]
    listener.close()
    listener.close()
    assert listener.port == 0


async def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(MisuseError, match="evseid"):
        await place(evseid="X" * 38)
    with pytest.raises(MisuseError, match="evid"):
        await discover_wireless(LOOPBACK, WirelessSdpRequest(coupling=Coupling.WPT, evid="Ü"), timing=QUICK)


async def test_a_whole_session_over_a_pad_that_was_found_without_a_cable() -> None:
    loop = asyncio.get_running_loop()
    station, vehicle = over_a_pad()
    secc = SeccConfig(services=(ServiceID.WPT,), allow_plaintext=True)
    evcc = EvccConfig(
        services=(ServiceID.WPT,),
        allow_plaintext=True,
        target_soc=42,
        minimum_soc=10,
        loop_interval_s=0.01,
        poll_interval_s=0.01,
    )
    server = SeccServer(secc, station.ports(asyncio.sleep, loop.time), LOOPBACK, sdp=False, sdp_port=0)
    async with server:
        listener = await serve_wireless_sdp(
            server.interface, server.ports, coupling=Coupling.WPT, evseid="DE*ICE*E7", port=0
        )
        found = await discover_wireless(LOOPBACK, ASKS, port=listener.port, timing=QUICK)
        client = EvccClient(evcc, vehicle.ports(asyncio.sleep, loop.time), LOOPBACK)
        result = await client.run((found.address, found.port))
        listener.close()
    assert result.ended.reason.orderly, result.ended
    assert result.safe
    assert vehicle.battery.complete
