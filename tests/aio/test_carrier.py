"""Carrier and address of a real virtual cable, seen over rtnetlink."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from ipaddress import IPv6Address
from typing import Any

import pytest

from iso15118.aio.plug.carrier import CarrierWatch, Seen, concerns, seen_in

NEAR, FAR = (f"cw{os.getpid()}{end}" for end in "nf")


def ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@pytest.fixture
def cable() -> Iterator[None]:
    pytest.importorskip("pyroute2")
    if shutil.which("ip") is None:
        pytest.skip("the command ip (iproute2) is not there")
    try:
        ip("link", "add", NEAR, "type", "veth", "peer", "name", FAR)
    except OSError as error:
        pytest.skip(f"this machine does not let us make virtual cables: {error}")
    try:
        yield
    finally:
        if os.path.exists(f"/sys/class/net/{NEAR}"):
            ip("link", "del", NEAR)


async def next_report(reports: asyncio.Queue[bool]) -> bool:
    return await asyncio.wait_for(reports.get(), 50.0)


@pytest.mark.netns
async def test_the_carrier_is_reported_when_it_changes_and_when_the_interface_vanishes(cable: None) -> None:
    reports: asyncio.Queue[bool] = asyncio.Queue()
    watch = CarrierWatch(NEAR, reports.put_nowait, address=False)
    await watch.start()
    try:
        assert reports.get_nowait() is False
        ip("link", "set", NEAR, "up")
        ip("link", "set", FAR, "up")
        assert await next_report(reports) is True
        ip("link", "set", FAR, "down")
        assert await next_report(reports) is False
        ip("link", "set", FAR, "up")
        assert await next_report(reports) is True
        ip("link", "del", NEAR)
        assert await next_report(reports) is False
    finally:
        await watch.close()
        await watch.close()


@pytest.mark.netns
async def test_a_link_is_usable_only_with_an_address_that_is_no_longer_tentative(cable: None) -> None:
    reports: asyncio.Queue[bool] = asyncio.Queue()
    for end in (NEAR, FAR):
        ip("link", "set", end, "addrgenmode", "none")
        ip("link", "set", end, "up")
    watch = CarrierWatch(NEAR, reports.put_nowait)
    await watch.start()
    try:
        assert reports.get_nowait() is False
        try:
            ip("-6", "addr", "add", "fe80::15/64", "dev", NEAR, "nodad")
        except OSError as error:
            pytest.skip(f"no IPv6 here: {error}")
        assert await next_report(reports) is True
        ip("-6", "addr", "del", "fe80::15/64", "dev", NEAR)
        assert await next_report(reports) is False
    finally:
        await watch.close()


async def test_an_interface_that_does_not_exist_yet_is_no_error() -> None:
    pytest.importorskip("pyroute2")
    reports: asyncio.Queue[bool] = asyncio.Queue()
    watch = CarrierWatch("not-yet-here", reports.put_nowait)
    await watch.start()
    assert reports.get_nowait() is False
    await watch.close()


@pytest.mark.netns
async def test_an_interface_that_is_made_anew_or_switched_on_again_has_returned(cable: None) -> None:
    reports: asyncio.Queue[bool] = asyncio.Queue()
    returned: asyncio.Queue[int] = asyncio.Queue()
    ip("link", "set", NEAR, "up")
    watch = CarrierWatch(
        NEAR, reports.put_nowait, address=False, returned=lambda: returned.put_nowait(watch.seen.index)
    )
    await watch.start()
    try:
        first = watch.seen.index
        assert first > 0
        assert returned.empty(), "it has been there from the beginning"
        ip("link", "set", NEAR, "down")
        await until(lambda: not watch.seen.up)
        ip("link", "set", NEAR, "up")
        assert await asyncio.wait_for(returned.get(), 5.0) == first
        ip("link", "del", NEAR)
        ip("link", "add", NEAR, "type", "veth", "peer", "name", FAR)
        ip("link", "set", FAR, "up")
        ip("link", "set", NEAR, "up")
        assert await asyncio.wait_for(returned.get(), 5.0) != first
        assert await next_report(reports) is False
        while not await next_report(reports):
            pass
        assert returned.empty()
    finally:
        await watch.close()


@pytest.mark.netns
async def test_an_interface_that_appears_late_is_found_also_by_an_alternative_name(cable: None) -> None:
    reports: asyncio.Queue[bool] = asyncio.Queue()
    name = f"charging-cable-number-{os.getpid()}"
    watch = CarrierWatch(name, reports.put_nowait, address=False)
    await watch.start()
    try:
        assert reports.get_nowait() is False
        ip("link", "set", FAR, "up")
        ip("link", "property", "add", "dev", NEAR, "altname", name)
        ip("link", "set", NEAR, "up")
        assert await next_report(reports) is True
    finally:
        await watch.close()


@pytest.mark.netns
async def test_news_of_neighbours_and_of_other_interfaces_cost_no_look(
    cable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    see = CarrierWatch._see

    async def counted(watch: CarrierWatch, netlink: Any) -> Any:
        nonlocal looks
        looks += 1
        return await see(watch, netlink)

    monkeypatch.setattr(CarrierWatch, "_see", counted)
    reports: asyncio.Queue[bool] = asyncio.Queue()
    for end in (NEAR, FAR):
        ip("link", "set", end, "up")
    watch = CarrierWatch(NEAR, reports.put_nowait, address=False)
    await watch.start()
    try:
        await asyncio.sleep(0.2)  # what came of switching it on
        before = looks
        for number in range(1, 50):
            lines = ("lladdr", f"02:00:00:00:00:{number:02x}", "dev", NEAR, "nud", "stale")
            ip("neigh", "replace", f"fe80::{number:x}", *lines)
            ip("-6", "addr", "add", f"fe80::{number:x}/64", "dev", FAR, "nodad")
        assert looks == before
        ip("link", "set", FAR, "down")  # it is still awake
        assert await next_report(reports) is True
        assert await next_report(reports) is False
    finally:
        await watch.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


# -- netlink octets, without a kernel -----------------------------------------------------------------------

NEWLINK, DELLINK, NEWADDR = 16, 17, 20
UP, LOWER_UP = 0x1, 0x10000


def attribute(number: int, value: bytes) -> bytes:
    return (struct.pack("=HH", 4 + len(value), number) + value).ljust(4 + (len(value) + 3 & ~3), b"\0")


def news(kind: int, body: bytes) -> Any:
    """A message of the kernel, as the library reads it."""
    from pyroute2.netlink.rtnl.marshal import MarshalRtnl  # type: ignore[import-untyped]

    data = struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body
    (message,) = MarshalRtnl().parse(data)
    return message


def link(kind: int, index: int, flags: int, name: str) -> Any:
    return news(kind, struct.pack("=BxHiII", 0, 1, index, flags, 0) + attribute(3, name.encode() + b"\0"))


def address(index: int, flags: int, scope: int = 253, *, more: int | None = None) -> Any:
    """``more``: IFA_FLAGS, which has what is above the octet of the header as well."""
    body = struct.pack("=BBBBI", 10, 64, flags, scope, index) + attribute(1, IPv6Address("fe80::15").packed)
    if more is not None:
        body += attribute(8, struct.pack("=I", more))
    return news(NEWADDR, body)


@pytest.mark.parametrize(
    ("message", "index", "expected"),
    [
        (lambda: link(NEWLINK, 7, UP, "v2g"), 7, True),
        (lambda: link(NEWLINK, 8, UP, "other"), 7, False),
        (lambda: link(NEWLINK, 8, UP, "v2g"), 7, True),  # another one has the name now
        (lambda: link(NEWLINK, 8, UP, "other"), 0, True),  # it may have the name as an alternative one
        (lambda: link(DELLINK, 7, 0, "renamed"), 7, True),
        (lambda: address(7, 0), 7, True),
        (lambda: address(8, 0), 7, False),
        (lambda: address(8, 0), 0, False),
    ],
)
def test_which_news_are_about_the_interface(message: Any, index: int, expected: bool) -> None:
    pytest.importorskip("pyroute2")
    assert concerns(message(), "v2g", index) is expected


def test_what_the_octets_say_of_an_interface() -> None:
    pytest.importorskip("pyroute2")
    tentative, failed, global_scope = 0x40, 0x08, 0
    links = [link(NEWLINK, 6, UP | LOWER_UP, "other"), link(NEWLINK, 7, UP, "v2g")]
    assert seen_in(7, links, [address(6, 0)]) == Seen(7, up=True, carrier=False, address=False)
    links = [link(NEWLINK, 7, UP | LOWER_UP, "v2g")]
    for unusable in (address(7, tentative), address(7, failed), address(7, 0, global_scope)):
        assert seen_in(7, links, [unusable]) == Seen(7, up=True, carrier=True, address=False)
    assert seen_in(7, links, [address(7, tentative), address(7, 0)]).address
    assert seen_in(8, links, [address(8, 0)]) == Seen()


@pytest.mark.parametrize(
    ("flags", "more", "usable"),
    [(0x80, 0x480, True), (0, 0x40, False), (0, 0x408, False), (0x40, 0, False), (0x08, 0x400, False)],
)
def test_an_address_is_unusable_by_what_either_field_of_its_flags_says(
    flags: int, more: int, usable: bool
) -> None:
    pytest.importorskip("pyroute2")
    links = [link(NEWLINK, 7, UP | LOWER_UP, "v2g")]
    assert seen_in(7, links, [address(7, flags, more=more)]).address is usable
