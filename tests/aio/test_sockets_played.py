"""Sockets of the interface to the peer on a played system: to what they are bound, what is shared between
stations, and what an error comes to."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from ipaddress import IPv6Address
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.net import network as module
from iso15118.aio.net.interface import Interface
from iso15118.aio.net.network import (
    DYNAMIC_PORTS,
    connect,
    listen_tcp,
    sdp_client_socket,
    sdp_server_socket,
)
from iso15118.errors import LinkError, LinkTimeoutError
from iso15118.sdp import MULTICAST_GROUP, SDP_PORT
from tests.aio.test_settling import now

CABLE = Interface("v2g0", 3, IPv6Address("fe80::1"))
LOOPBACK = Interface("lo", 1, IPv6Address("::1"), loopback=True)
V6ONLY = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
REUSE = (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
REUSE_PORT = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def to_device(name: str) -> tuple[int, int, bytes]:
    return socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode() + b"\0"


class Made:
    """A socket that notes what is done to it."""

    def __init__(self, system: System, kind: int) -> None:
        self.system, self.kind = system, kind
        self.options: list[Any] = []
        self.bound: Any = None
        self.backlog = 0
        self.blocking, self.closed = True, False

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        if option == socket.SO_BINDTODEVICE and self.system.no_device is not None:
            raise self.system.no_device
        self.options.append((level, option, value))

    def setblocking(self, blocking: bool) -> None:
        self.blocking = blocking

    def bind(self, address: Any) -> None:
        if self.system.refuses:
            raise self.system.refuses.pop(0)
        self.bound = address

    def listen(self, backlog: int) -> None:
        self.backlog = backlog

    def close(self) -> None:
        self.closed = True


class System:
    def __init__(self) -> None:
        self.made: list[Made] = []
        self.refuses: list[OSError] = []
        self.no_device: OSError | None = None

    def socket(self, family: int, kind: int) -> Made:
        assert family == socket.AF_INET6
        self.made.append(Made(self, kind))
        return self.made[-1]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    played = System()
    names = {name: getattr(socket, name) for name in dir(socket) if name.isupper()}
    monkeypatch.setattr(module, "socket", SimpleNamespace(**names | {"socket": played.socket}))
    monkeypatch.setattr(module, "sys", SimpleNamespace(platform="linux"))
    return played


@pytest.mark.parametrize(("where", "scope"), [(CABLE, 3), (LOOPBACK, 0)])
def test_a_station_listens_on_its_own_address(system: System, where: Interface, scope: int) -> None:
    made: Any = listen_tcp(where, 50_000)
    assert made.kind == socket.SOCK_STREAM
    assert made.bound == (str(where.address), 50_000, 0, scope)
    assert made.options == [REUSE], "a station that is started again has its port at once"
    assert (made.backlog, made.blocking, made.closed) == (16, False, False)
    free: Any = listen_tcp(where)
    assert free.bound[1] in DYNAMIC_PORTS
    assert (DYNAMIC_PORTS[0], DYNAMIC_PORTS[-1]) == (49152, 65535)


def test_a_port_that_is_taken_is_another_one_unless_it_was_asked_for(system: System) -> None:
    taken = OSError(errno.EADDRINUSE, "taken")
    system.refuses = [taken] * 63
    assert listen_tcp(CABLE)
    assert [one.closed for one in system.made] == [True] * 63 + [False]
    system.refuses = [taken] * 64
    with pytest.raises(LinkError, match="no free TCP port on v2g0 between 49152 and 65535"):
        listen_tcp(CABLE)
    system.refuses = [taken]
    with pytest.raises(
        LinkError, match=f"cannot listen on TCP port 5 of v2g0: {os.strerror(errno.EADDRINUSE)}"
    ):
        listen_tcp(CABLE, 5)
    system.refuses = [OSError(errno.EADDRNOTAVAIL, "gone")]
    with pytest.raises(LinkError, match=r"cannot listen on TCP port \d+ of v2g0"):
        listen_tcp(CABLE)
    assert system.made[-1].closed


def test_stations_of_one_machine_share_the_discovery_port_each_on_its_cable(system: System) -> None:
    made: Any = sdp_server_socket(CABLE)
    assert made.kind == socket.SOCK_DGRAM
    assert made.bound == ("::", SDP_PORT)
    group = MULTICAST_GROUP.packed + struct.pack("@I", 3)
    joined = (socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    assert made.options == [V6ONLY, to_device("v2g0"), REUSE, joined]
    assert not made.blocking


def test_on_the_loopback_interface_there_is_nothing_to_share(system: System) -> None:
    made: Any = sdp_server_socket(LOOPBACK, 5)
    assert made.bound == ("::1", 5)
    assert made.options == [V6ONLY, to_device("lo")]


@pytest.mark.parametrize(("platform", "shares"), [("linux", [REUSE]), ("freebsd14", [REUSE, REUSE_PORT])])
def test_how_a_port_is_shared_is_the_systems_way(
    system: System, platform: str, shares: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "sys", SimpleNamespace(platform=platform))
    made: Any = sdp_server_socket(CABLE)
    assert [one for one in made.options if one[0] == socket.SOL_SOCKET][1:] == shares
    monkeypatch.delattr("iso15118.aio.net.network.socket.SO_REUSEPORT")
    made = sdp_server_socket(CABLE)
    assert REUSE_PORT not in made.options


def test_a_socket_that_may_not_be_bound_to_its_device_does_without(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.no_device = PermissionError()
    made: Any = sdp_server_socket(CABLE)
    assert made.bound == ("::", SDP_PORT)
    system.no_device = OSError(errno.ENODEV, "gone")
    with pytest.raises(LinkError, match="cannot listen on UDP port 5 of v2g0"):
        sdp_server_socket(CABLE, 5)
    assert system.made[-1].closed
    monkeypatch.delattr("iso15118.aio.net.network.socket.SO_BINDTODEVICE")
    assert sdp_server_socket(CABLE)


def test_a_vehicle_asks_on_its_cable_and_no_further(system: System) -> None:
    made: Any = sdp_client_socket(CABLE)
    outgoing = (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, 3)
    assert made.options == [V6ONLY, outgoing, (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)]
    assert made.bound == ("fe80::1", 0, 0, 3)
    assert (made.kind, made.blocking) == (socket.SOCK_DGRAM, False)
    made = sdp_client_socket(LOOPBACK)
    assert (made.options, made.bound) == ([V6ONLY], ("::1", 0, 0, 0))
    system.refuses = [OSError(errno.EADDRNOTAVAIL, "gone")]
    with pytest.raises(LinkError, match="cannot send discovery requests on v2g0"):
        sdp_client_socket(CABLE)
    assert system.made[-1].closed


@pytest.mark.parametrize("where", [CABLE, LOOPBACK])
async def test_a_station_is_called_at_its_address_on_this_interface(
    system: System, where: Interface, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    called: list[Any] = []

    async def sock_connect(sock: Any, address: Any) -> None:
        called.append(address)

    async def create_connection(make: Any, sock: Any) -> None:
        called.append(make())

    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    monkeypatch.setattr(loop, "create_connection", create_connection)
    stream: Any = object()
    await connect(stream, where, IPv6Address("fe80::2"), 50_000, timeout_s=1.0)
    assert called == [("fe80::2", 50_000, 0, where.scope_id), stream]


async def test_a_station_that_does_not_answer_is_waited_for_so_long(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(sock: Any, address: Any) -> None:
        await asyncio.sleep(1000.0)

    async def refuses(sock: Any, address: Any) -> None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "x")

    stream: Any = object()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "sock_connect", never)
    began = now()
    with pytest.raises(LinkTimeoutError):
        await connect(stream, CABLE, IPv6Address("fe80::2"), 50_000, timeout_s=7.0)
    assert now() - began == pytest.approx(7.0, abs=0.1)
    monkeypatch.setattr(loop, "sock_connect", refuses)
    with pytest.raises(LinkError, match=os.strerror(errno.ECONNREFUSED)):
        await connect(stream, CABLE, IPv6Address("fe80::2"), 50_000, timeout_s=7.0)
    assert [one.closed for one in system.made] == [True, True]
