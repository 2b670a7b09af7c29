"""A station on an interface that changes under it: new address, made anew, late, lost; and two
stations that want the same one."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from ipaddress import IPv6Address

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.net import presence as module
from iso15118.aio.net.interface import find_interface
from iso15118.aio.net.presence import InterfaceLost, InterfaceReady, Presence, StationLock
from iso15118.errors import LinkError
from iso15118.sdp import SdpRequest, SdpResponse, Security
from iso15118.session.actions import Notify

NEAR, FAR = (f"pr{os.getpid()}{end}" for end in "nf")
SDP_PORT = 20_000 + os.getpid() % 20_000


def ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def lay(near: str = "fe80::15") -> None:
    ip("link", "add", NEAR, "type", "veth", "peer", "name", FAR)
    for end in (NEAR, FAR):
        ip("link", "set", end, "addrgenmode", "none")
        ip("link", "set", end, "up")
    for end, address in ((NEAR, near), (FAR, "fe80::ca")):
        ip("-6", "addr", "add", f"{address}/64", "dev", end, "nodad")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "LOOK_S", 0.02)
    monkeypatch.setattr(module, "GRACE_S", 0.3)
    if shutil.which("ip") is None:
        pytest.skip("the command ip (iproute2) is not there")
    try:
        lay()
    except OSError as error:
        pytest.skip(f"this machine does not let us make virtual cables: {error}")
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "del", NEAR], capture_output=True, check=False)


class Station:
    """A presence, and all that it told."""

    def __init__(self, name: str = NEAR, *, wait: bool = False) -> None:
        self.news: list[Notify] = []
        self.lost: list[str] = []
        self.presence = Presence(
            name,
            {Security.NONE: None},
            self._accept,
            sdp_port=SDP_PORT,
            lost=self.lost.append,
            news=self.news.append,
            wait=wait,
        )

    async def _accept(self, listener: socket.socket, security: Security) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(listener)
            sock.close()

    async def __aenter__(self) -> Station:
        await self.presence.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.presence.close()
        if accepting := self.presence.accepting:
            await asyncio.wait(accepting)

    async def is_found(self, within_s: float = 20.0) -> SdpResponse | None:
        """What a vehicle at the far end of the cable is told, and that there is somebody there."""
        loop = asyncio.get_running_loop()
        index = socket.if_nametoindex(FAR)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asking:
            asking.setblocking(False)
            asking.bind(("fe80::ca", 0, 0, index))
            asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            asking.sendto(SdpRequest(Security.NONE).to_bytes(), ("ff02::1", SDP_PORT, 0, index))
            try:
                async with asyncio.timeout(within_s):
                    found = SdpResponse.parse(await loop.sock_recv(asking, 100))
            except TimeoutError:
                return None
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as calling:
            calling.setblocking(False)
            async with asyncio.timeout(20.0):
                await loop.sock_connect(calling, (str(found.address), found.port, 0, index))
        return found


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10.0):
        while not true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


def address_of(found: SdpResponse | None) -> str:
    assert found is not None
    return str(found.address)


@pytest.mark.netns
async def test_a_new_address_is_announced_and_listened_on(
    machine: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with Station() as station:
        assert address_of(await station.is_found()) == "fe80::15"
        ip("-6", "addr", "add", "fe80::16/64", "dev", NEAR, "nodad")
        ip("-6", "addr", "del", "fe80::15/64", "dev", NEAR)
        await until(lambda: InterfaceReady(NEAR, "fe80::16") in station.news)
        assert address_of(await station.is_found()) == "fe80::16"
        assert len(station.lost) == 1, "connections of the old address cannot go on"
        assert "fe80::15" in station.lost[0]
    assert flush(60.0)
    assert "fe80::16" in caplog.text


@pytest.mark.netns
async def test_an_interface_that_is_made_anew_is_listened_on(machine: None) -> None:
    async with Station() as station:
        before = station.presence.interface
        ip("link", "del", NEAR)
        await until(lambda: bool(station.presence.problem))
        assert "no network interface" in station.presence.problem
        await until(lambda: bool(station.lost))
        lay()
        await until(lambda: not station.presence.problem)
        assert before is not None
        assert station.presence.interface is not None
        assert station.presence.interface.index != before.index
        assert address_of(await station.is_found()) == "fe80::15"
        assert [type(news) for news in station.news] == [InterfaceLost, InterfaceReady]


@pytest.mark.netns
async def test_an_address_that_is_given_back_at_once_ends_nothing(machine: None) -> None:
    async with Station() as station:
        ports = station.presence.ports
        ip("-6", "addr", "del", "fe80::15/64", "dev", NEAR)
        await until(lambda: bool(station.presence.problem))
        ip("-6", "addr", "add", "fe80::15/64", "dev", NEAR, "nodad")
        await until(lambda: not station.presence.problem)
        assert station.lost == []
        assert station.presence.ports == ports
        assert address_of(await station.is_found()) == "fe80::15"


@pytest.mark.netns
async def test_an_address_that_stays_away_is_told_once_to_the_session(machine: None) -> None:
    async with Station() as station:
        ip("-6", "addr", "del", "fe80::15/64", "dev", NEAR)
        await until(lambda: bool(station.lost))
        await asyncio.sleep(0.2)
        assert len(station.lost) == 1
        assert "link-local" in station.lost[0]


@pytest.mark.netns
async def test_a_second_address_changes_nothing(machine: None) -> None:
    async with Station() as station:
        ip("-6", "addr", "add", "fe80::1/64", "dev", NEAR, "nodad")
        await asyncio.sleep(0.2)
        assert (station.news, station.lost) == ([], [])
        assert address_of(await station.is_found()) == "fe80::15"


@pytest.mark.netns
async def test_a_late_interface_is_waited_for_where_that_is_asked_for(machine: None) -> None:
    ip("link", "del", NEAR)
    with pytest.raises(LinkError, match="no network interface"):
        async with Station():
            pass
    async with Station(wait=True) as station:
        assert station.presence.ports == {}
        assert isinstance(station.news[0], InterfaceLost)
        lay("fe80::17")
        await until(lambda: not station.presence.problem)
        assert address_of(await station.is_found()) == "fe80::17"


@pytest.mark.netns
async def test_hidden_is_not_found_and_shown_again_is(machine: None) -> None:
    async with Station() as station:
        station.presence.hide()
        assert await station.is_found(within_s=0.5) is None
        await station.presence.show()
        assert await station.is_found() is not None


def test_two_stations_on_one_interface_are_told_apart() -> None:
    here = find_interface("lo")
    first = StationLock(here, SDP_PORT)
    try:
        if first._socket is None:
            pytest.skip("this system has no abstract sockets")
        with pytest.raises(LinkError, match=r"this process is a station on interface lo") as caught:
            StationLock(here, SDP_PORT)
        assert str(SDP_PORT) in str(caught.value)
        StationLock(here, SDP_PORT + 1).release()
        script = f"""
from iso15118.aio.net.interface import find_interface
from iso15118.aio.net.presence import StationLock
from iso15118.errors import LinkError
try:
    StationLock(find_interface("lo"), {SDP_PORT})
except LinkError as error:
    print(error)
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert f"process {os.getpid()} is a station" in done.stdout
    finally:
        first.release()
        first.release()
    StationLock(here, SDP_PORT).release()


async def test_an_interface_that_the_caller_made_is_not_watched() -> None:
    station = Station()
    station.presence = Presence(
        find_interface("lo"),
        {Security.NONE: None},
        station._accept,
        sdp_port=0,
        lost=station.lost.append,
        news=station.news.append,
    )
    async with station:
        assert station.presence.interface is not None
        assert station.presence.interface.address == IPv6Address("::1")
        assert station.presence.sdp_port > 0
        assert len(asyncio.all_tasks()) == 2
