"""Carrier and address of a real virtual cable, seen over rtnetlink."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from iso15118.aio.carrier import CarrierWatch

pytestmark = pytest.mark.netns

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
