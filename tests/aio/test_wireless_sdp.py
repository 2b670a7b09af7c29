"""Discovery without a cable on sockets of ``::1``: a place that is found, that still looks, or is another
one; answers that are none; a whole session over a pad."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.aio import EvccClient, SeccServer
from iso15118.aio.net.sdp import SdpListener, discover, serve_sdp
from iso15118.errors import ConfigError, LinkError, MisuseError
from iso15118.evcc import EvccConfig
from iso15118.sdp import Answer, Found, Ignored, Origin, Security
from iso15118.sdp.wireless import Coupling, DiagStatus, WirelessSdpRequest, WirelessSdpResponse
from iso15118.sdp.wireless_ends import WirelessPlace
from iso15118.secc import SeccConfig
from iso15118.session.services import ServiceID
from iso15118.timing import Timing

from .site import LOOPBACK
from .test_coupling import over_a_pad

QUICK = Timing(sdp_requests=4, sdp_retry=0.05)
ASKS = WirelessSdpRequest(coupling=Coupling.WPT, evid="WMIV1234567890")
PORTS = {Security.NONE: 50_000}
PLACE = WirelessPlace(coupling=Coupling.WPT, evseid="DE*ICE*E7", knows=lambda evid: True)


async def place(here: WirelessPlace = PLACE, **settings: Any) -> SdpListener:
    return await serve_sdp(LOOPBACK, PORTS, port=0, place=here, **settings)


async def look(port: int) -> Found:
    return await discover(LOOPBACK, security=Security.NONE, port=port, timing=QUICK, wireless=ASKS)


async def test_a_vehicle_finds_the_pad_that_it_stands_on() -> None:
    asked: list[str] = []

    def knows(evid: str) -> bool | None:
        asked.append(evid)
        return None if len(asked) < 3 else True

    listener = await place(replace(PLACE, knows=knows))
    try:
        found = (await look(listener.port)).response
    finally:
        listener.close()
    assert isinstance(found, WirelessSdpResponse)
    assert (found.port, found.status, found.evseid) == (50_000, DiagStatus.FINISHED_WITH_EVSEID, "DE*ICE*E7")
    assert asked == ["WMIV1234567890"] * 3, "it asks again while the station still looks"


async def test_a_station_that_cannot_tell_which_vehicle_it_is_ends_the_search_too() -> None:
    listener = await place(WirelessPlace(coupling=Coupling.WPT, evseid="DE*ICE*E7"))
    try:
        found = (await look(listener.port)).response
    finally:
        listener.close()
    assert isinstance(found, WirelessSdpResponse)
    assert (found.status, found.evseid) == (DiagStatus.FINISHED_WITHOUT_EVSEID, "ZZ00000")


@pytest.mark.parametrize(
    ("here", "why"),
    [
        (replace(PLACE, coupling=Coupling.PANTOGRAPH_1), "to UDP port"),
        (replace(PLACE, knows=lambda evid: None), "ONGOING"),
        (replace(PLACE, knows=lambda evid: 1 / 0), "ERROR"),
    ],
)
async def test_a_place_that_is_none_for_this_vehicle_is_not_found(here: WirelessPlace, why: str) -> None:
    listener = await place(here)
    try:
        with pytest.raises(LinkError, match="no station answered 4 discovery requests") as caught:
            await look(listener.port)
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
        (_answer(coupling=Coupling.SIDE), "the place has SIDE"),
        (_answer(security=Security.TLS), "the station offers TLS"),
    ],
    ids=["empty", "of a cable", "other coupling", "other security"],
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
            await look(liar.getsockname()[1])
    finally:
        lying.cancel()
        await asyncio.gather(lying, return_exceptions=True)
        liar.close()
    assert why in str(caught.value)


async def test_garbage_ends_no_listener_and_closing_twice_is_harmless() -> None:
    heard: list[Answer | Ignored] = []
    listener = await place(on_request=lambda origin, outcome: heard.append(outcome))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as stranger:
        for octets in (b"", b"\x01\xfe", bytes(2000), ASKS.to_bytes()[:-2]):
            stranger.sendto(octets, ("::1", listener.port))
        await look(listener.port)
    assert [type(one) for one in heard] == [Ignored] * 4 + [Answer]
    listener.close()
    listener.close()
    assert listener.port == 0


async def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(MisuseError, match="evseid"):
        await place(replace(PLACE, evseid="X" * 38))
    with pytest.raises(MisuseError, match="evid"):
        await discover(LOOPBACK, timing=QUICK, wireless=WirelessSdpRequest(coupling=Coupling.WPT, evid="Ü"))


SECC = SeccConfig(services=(ServiceID.WPT,), allow_plaintext=True, evse_id="DE*ICE*E7")
EVCC = EvccConfig(
    services=(ServiceID.WPT,),
    allow_plaintext=True,
    target_soc=42,
    minimum_soc=10,
    loop_interval_s=0.01,
    poll_interval_s=0.01,
    timing=QUICK,
)


async def test_ends_with_ids_that_do_not_fit_are_refused_before_anything_runs() -> None:
    loop = asyncio.get_running_loop()
    station, vehicle = over_a_pad()
    long = replace(SECC, evse_id="D" * 38)
    with pytest.raises(ConfigError, match="evse_id"):
        SeccServer(
            long,
            station.ports(asyncio.sleep, loop.time),
            LOOPBACK,
            place=WirelessPlace(coupling=Coupling.WPT),
        )
    with pytest.raises(ConfigError, match="wireless"):
        EvccClient(
            EVCC,
            vehicle.ports(asyncio.sleep, loop.time),
            LOOPBACK,
            wireless=WirelessSdpRequest(coupling=Coupling.WPT, evid="X" * 21),
        )


async def test_a_whole_session_over_a_pad_that_is_found_without_a_cable() -> None:
    loop = asyncio.get_running_loop()
    station, vehicle = over_a_pad()
    heard: list[Answer | Ignored] = []

    def on_request(origin: Origin, outcome: Answer | Ignored) -> None:
        heard.append(outcome)

    server = SeccServer(
        SECC,
        station.ports(asyncio.sleep, loop.time),
        LOOPBACK,
        sdp_port=0,
        on_request=on_request,
        place=WirelessPlace(coupling=Coupling.WPT, knows=lambda evid: evid == "BUS1"),
    )
    async with server:
        on_a_cable = EvccClient(
            replace(EVCC, timing=replace(QUICK, sdp_requests=1)),
            vehicle.ports(asyncio.sleep, loop.time),
            LOOPBACK,
            sdp_port=server.sdp_port,
        )
        with pytest.raises(LinkError, match="no station answered"):
            await on_a_cable.run()
        client = EvccClient(
            EVCC,
            vehicle.ports(asyncio.sleep, loop.time),
            LOOPBACK,
            sdp_port=server.sdp_port,
            wireless=WirelessSdpRequest(coupling=Coupling.WPT, evid="BUS1"),
        )
        result = await client.run()
        theirs = await server.wait_finished(1)
    assert result.ended.reason.orderly, result.ended
    assert result.safe
    assert theirs.safe
    assert vehicle.battery.complete
    answers = [one.response for one in heard if isinstance(one, Answer)]
    assert [type(one) for one in heard] == [Ignored, Answer]
    assert isinstance(answers[0], WirelessSdpResponse)
    assert answers[0].evseid == "DE*ICE*E7"
    assert answers[0].security is Security.NONE
