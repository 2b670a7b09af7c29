"""A vehicle that vanished without a word and comes back is served at once: it ends its own old
session, and nobody else can."""

from __future__ import annotations

import asyncio
from ipaddress import IPv6Address
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.net.vehicles import is_same_vehicle
from iso15118.sdp import Origin, Security
from iso15118.session.actions import EndReason
from tests.tls.rig import car, issued

from .rig import Owner, Raw, calling
from .site import Plant, site
from .test_sessions_dropped import Charging


async def test_a_vehicle_that_fell_silent_in_its_set_up_and_connects_anew_is_served_within_ten_seconds() -> (
    None
):
    plant = Plant()
    async with site(plant) as here:
        owner = Owner()
        silent = await calling(owner, here.server.ports[Security.TLS], car(issued()).connect)
        await owner.until(1)  # its handshake is over, and it says nothing: the station waits for a minute
        async with asyncio.timeout(5.0):
            while here.server.session is None:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)
        began = asyncio.get_running_loop().time()
        where = here.server.interface.address, here.server.ports[Security.TLS]
        charging = Charging(here, station=where)
        await charging.under_power(plant)
        assert asyncio.get_running_loop().time() - began < 10.0
        first = await here.server.wait_finished(1)
        assert first.ended.reason is EndReason.PEER_VANISHED
        assert "anew" in first.ended.detail
        assert first.safe
        charging.client.stop("enough")
        await charging.task
        assert (await here.server.wait_finished(2)).ended.reason is EndReason.STOPPED_BY_EV
        silent.abort()
        await silent.wait_closed()


async def test_a_stranger_ends_nothing() -> None:
    plant = Plant()
    async with site(plant) as here:
        charging = Charging(here)
        await charging.under_power(plant)
        raw = await Raw.to(here.server.ports[Security.TLS])
        await raw.send(car(issued()).connect().data_to_send())
        plain = await Raw.to(here.server.ports[Security.TLS])
        await plain.send(b"\x01\xfe\x80\x01")
        await asyncio.sleep(0.3)
        assert here.server.finished == 0
        assert plant.current_a > 0.0
        charging.client.stop("enough")
        await charging.task
        assert (await here.server.wait_finished(1)).ended.reason is EndReason.STOPPED_BY_EV
        for one in (raw, plain):
            one.close()


def stream(*, secure: bool, leaf: bytes | None = None, address: str | None = None) -> Any:
    info = None if leaf is None else SimpleNamespace(peer_chain=(leaf, b"issuer") if leaf else ())
    return SimpleNamespace(
        secure=secure, tls_info=info, peer_address=None if address is None else IPv6Address(address)
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (stream(secure=True, leaf=b"car"), stream(secure=True, leaf=b"car"), True),
        (stream(secure=True, leaf=b"car"), stream(secure=True, leaf=b"other"), False),
        (
            stream(secure=True, leaf=b"", address="fe80::1"),
            stream(secure=True, leaf=b"", address="fe80::1"),
            False,
        ),
        (stream(secure=True, address="fe80::1"), stream(secure=True, address="fe80::1"), False),
        (stream(secure=False, address="fe80::1"), stream(secure=False, address="fe80::1"), True),
        (stream(secure=False, address="fe80::1"), stream(secure=False, address="fe80::2"), False),
        (stream(secure=False, address="::1"), stream(secure=False, address="::1"), False),
        (stream(secure=False), stream(secure=False), False),
        (stream(secure=False, address="fe80::1"), stream(secure=True, leaf=b"car", address="fe80::1"), False),
    ],
)
def test_who_is_the_same_vehicle(one: Any, other: Any, same: bool) -> None:
    assert is_same_vehicle(one, other) is same


async def test_discovery_invites_nobody_during_a_session_but_its_own_vehicle() -> None:
    plant = Plant()
    async with site(plant) as here:
        own, stranger = (Origin(IPv6Address(address), 50000) for address in ("fe80::1", "fe80::2"))
        assert here.server._may_answer(own)
        charging = Charging(here)
        await charging.under_power(plant)
        assert not here.server._may_answer(own)
        running: Any = SimpleNamespace(peer_address=own.address)
        here.server._running_stream = lambda: running  # type: ignore[method-assign]
        assert here.server._may_answer(own)
        assert not here.server._may_answer(stranger)
        del here.server._running_stream
        charging.client.stop("enough")
        await charging.task
