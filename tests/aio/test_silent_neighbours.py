"""Whoever connects in the clear and says nothing, or nothing whole, keeps no vehicle waiting."""

from __future__ import annotations

import asyncio
from functools import partial
from ipaddress import IPv6Address
from typing import Any

import pytest

from iso15118.aio.net.online import CheckedStream
from iso15118.sdp import Security
from iso15118.session.actions import EndReason
from iso15118.v2gtp import PayloadType, encode_frame

from .rig import Raw
from .site import evcc_config, secc_config, site

HERE = IPv6Address("::1")
SAP = encode_frame(PayloadType.SAP, bytes(40))


@pytest.mark.parametrize(
    "says",
    [b"", b"\x00", SAP[:1], SAP[:7], SAP[:-1]],
    ids=["nothing", "a wrong octet", "an octet", "most of a header", "all but one"],
)
@pytest.mark.parametrize("both", [False, True], ids=["plain only", "beside TLS"])
async def test_a_vehicle_is_served_beside_one_who_says_nothing_whole(says: bytes, both: bool) -> None:
    settings: dict[str, Any] = {} if both else {"tls": None}
    async with site(config=secc_config(allow_plaintext=True), **settings) as here:
        port = here.server.ports[Security.NONE]
        silent = [await Raw.to(port) for _ in range(3)]
        for one in silent:
            if says:
                await one.send(says)
        await asyncio.sleep(0.05)
        assert here.server.session is None, "nobody has said anything yet"
        result = await here.charge(
            station=(HERE, port), tls=None, config=evcc_config(allow_plaintext=True), loops=3
        )
        assert result.ended.reason is EndReason.STOPPED_BY_EV
        for one in silent:
            one.close()


async def test_a_drip_of_octets_becomes_a_session_when_it_is_a_message() -> None:
    async with site(config=secc_config(allow_plaintext=True), tls=None) as here:
        raw = await Raw.to(here.server.ports[Security.NONE])
        for octet in SAP:
            assert here.server.finished == 0
            await raw.send(bytes([octet]))
            await asyncio.sleep(0)
        result = await here.server.wait_finished(1)
        assert result.ended.reason is EndReason.UNDECODABLE
        raw.close()


@pytest.mark.parametrize("octets", [b"GET / HTTP/1.1\r\n\r\n", b"\x01\xfe\x80\x01\xff\xff\xff\xff", bytes(8)])
async def test_what_is_no_message_is_not_waited_for(octets: bytes) -> None:
    async with site(config=secc_config(allow_plaintext=True), tls=None) as here:
        raw = await Raw.to(here.server.ports[Security.NONE])
        await raw.send(octets)
        result = await here.server.wait_finished(1)
        assert result.ended.reason is EndReason.UNDECODABLE
        raw.close()


async def test_a_station_that_asks_responders_serves_the_clear_beside_tls_too() -> None:
    """The check of certificates after the handshake is of no concern to who has none."""

    async def check(info: Any) -> None:
        return None

    config = secc_config(allow_plaintext=True)
    async with site(config=config, connection=partial(CheckedStream, check=check)) as here:
        assert (await here.charge(loops=3)).tls is not None
        plain = (HERE, here.server.ports[Security.NONE])
        clear = await here.charge(station=plain, tls=None, config=evcc_config(allow_plaintext=True), loops=3)
        assert clear.tls is None
