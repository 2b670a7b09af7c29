"""Interfaces of a played machine: which is found by its name, and of one that cannot be used, which of the
reasons it is and what to type."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from ipaddress import IPv6Address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.net import interface as module
from iso15118.aio.net.interface import Interface, find_interface, interface_index, require_interface, words_of
from iso15118.errors import LinkError
from iso15118.sdp import MULTICAST_GROUP, SDP_PORT

UP, RUNNING, DADFAILED, TENTATIVE = 0x1, 0x40, 0x08, 0x40
OWN = IPv6Address("fe80::1")
READY = UP | RUNNING


class Machine:
    """One interface: from which address the system would send there, and what its tables say."""

    def __init__(self) -> None:
        self.index, self.name = 3, "v2g0"
        self.names = ["lo", "v2g0", "eth0"]
        self.sends_from: str | OSError = "fe80::1%v2g0"
        self.asked: Any = None
        self.flags: int | None = READY
        self.disabled = "0"
        self.addresses: dict[IPv6Address, int] | OSError = {OWN: 0}

    def if_indextoname(self, index: int) -> str:
        if self.name == "":
            raise OSError("gone")
        return self.name

    def socket(self, family: int, kind: int) -> Any:
        assert (family, kind) == (socket.AF_INET6, socket.SOCK_DGRAM)
        machine = self

        class Probe:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *how: object) -> None:
                pass

            def connect(self, address: Any) -> None:
                machine.asked = address
                if isinstance(machine.sends_from, OSError):
                    raise machine.sends_from

            def getsockname(self) -> Any:
                return (machine.sends_from, 0, 0, 3)

        return Probe()

    def link_local(self, name: str) -> dict[IPv6Address, int]:
        if isinstance(self.addresses, OSError):
            raise self.addresses
        return self.addresses


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    played = Machine()
    system = SimpleNamespace(
        socket=played.socket,
        if_indextoname=played.if_indextoname,
        if_nameindex=lambda: list(enumerate(played.names, 1)),
        AF_INET6=socket.AF_INET6,
        SOCK_DGRAM=socket.SOCK_DGRAM,
    )
    monkeypatch.setattr(module, "socket", system)
    monkeypatch.setattr(module, "interface_index", lambda name: played.index)
    monkeypatch.setattr(module, "_flags", lambda name: played.flags)
    monkeypatch.setattr(module, "_sysctl", lambda name, key: played.disabled if key == "disable_ipv6" else "")
    monkeypatch.setattr(module, "_link_local", played.link_local)
    monkeypatch.setattr(module, "sys", SimpleNamespace(platform="linux"))
    return played


def test_the_address_is_the_one_that_the_system_would_send_from(machine: Machine) -> None:
    assert find_interface("v2g0") == Interface("v2g0", 3, OWN)
    assert machine.asked == (str(MULTICAST_GROUP), SDP_PORT, 0, 3)
    assert find_interface("alias").name == "v2g0"
    assert (Interface("v2g0", 3, OWN).scope_id, Interface("lo", 1, OWN, loopback=True).scope_id) == (3, 0)


@pytest.mark.parametrize("name", ["lo", "lo0"])
def test_the_loopback_interface_has_its_own_address(machine: Machine, name: str) -> None:
    machine.name = name
    assert find_interface(name) == Interface(name, 3, IPv6Address("::1"), loopback=True)
    assert machine.asked is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("v2g1", "; did you mean 'v2g0'?"),
        ("eth00", "; did you mean 'eth0'?"),
        ("zzz", ""),
        ("v2g", "; did you mean 'v2g0'?"),
    ],
)
def test_a_name_that_nobody_has_is_answered_with_those_that_there_are(
    machine: Machine, name: str, meant: str
) -> None:
    text = f"there is no network interface {name!r}, only lo, v2g0, eth0{meant}"
    machine.name = ""
    with pytest.raises(LinkError) as gone:
        find_interface(name)
    require_interface(name)
    machine.index = 0
    for asked in (find_interface, require_interface):
        with pytest.raises(LinkError) as missing:
            asked(name)
        assert str(missing.value) == str(gone.value) == text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "cannot be used with IPv6"),
        ({"disabled": "1"}, "IPv6 is switched off on interface v2g0 (net.ipv6.conf.v2g0.disable_ipv6 = 1)"),
        ({"disabled": "1", "name": "v2g.7"}, "type: sysctl -w net/ipv6/conf/v2g.7/disable_ipv6=0"),
        ({"disabled": "1", "flags": 0}, "IPv6 is switched off"),
        ({"flags": 0}, "interface v2g0 is down; type: ip link set v2g0 up"),
        ({"flags": RUNNING}, "interface v2g0 is down"),
        ({"flags": UP}, "interface v2g0 has no carrier"),
        ({"flags": UP, "addresses": {}}, "interface v2g0 has no carrier"),
        ({"flags": UP, "addresses": {OWN: DADFAILED}}, "somebody else on the link of interface v2g0 uses its address fe80::1 ("),
        ({"addresses": {OWN: DADFAILED, IPv6Address("fe80::2"): 0}}, "uses its address fe80::1 (duplicate"),
        ({"addresses": {OWN: DADFAILED | TENTATIVE}}, "somebody else on the link"),
        ({"addresses": {OWN: TENTATIVE}}, "the address of interface v2g0 is not ready"),
        ({"addresses": {OWN: 0}, "flags": None}, "cannot be used with IPv6"),
        ({"addresses": {}}, "interface v2g0 has no IPv6 link-local address; type: ip link set v2g0 addrgenmode eui64"),
        ({"addresses": {}, "flags": None}, "has no IPv6 link-local address"),
        ({"addresses": FileNotFoundError()}, "this system has no IPv6"),
        ({"addresses": PermissionError()}, "cannot be used with IPv6"),
    ],
    ids=str,
)  # fmt: skip
def test_why_an_interface_cannot_be_used_in_the_order_in_which_things_have_to_be(
    machine: Machine, change: dict[str, Any], says: str
) -> None:
    vars(machine).update(change)
    for machine.sends_from in (OSError(errno.EADDRNOTAVAIL, "x"), "2001:db8::1"):
        with pytest.raises(LinkError) as caught:
            find_interface("v2g0")
        assert says in str(caught.value)
        system = f": {os.strerror(errno.EADDRNOTAVAIL)}"
        if "cannot be used with IPv6" in says:
            assert str(caught.value).endswith(system) is isinstance(machine.sends_from, OSError)


def test_another_system_gives_a_shorter_answer(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "sys", SimpleNamespace(platform="darwin"))
    machine.sends_from, machine.flags = "::", 0
    with pytest.raises(LinkError) as caught:
        find_interface("v2g0")
    assert str(caught.value) == (
        "interface v2g0 cannot be used with IPv6 (is it up, and has it a link-local address?)"
    )


def test_an_error_in_words() -> None:
    assert words_of(OSError(errno.ENODEV, "odd")) == os.strerror(errno.ENODEV)
    assert words_of(OSError("odd")) == "odd"


# -- the system's tables


def test_link_local_addresses_and_their_flags_are_read_from_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = "\n".join(
        (
            "fe800000000000000000000000000001 03 40 20 80     v2g0",
            "fe800000000000000000000000000002 03 40 20 c8     v2g0",
            "20010db8000000000000000000000001 03 40 00 80     v2g0",
            "fe800000000000000000000000000003 04 40 20 80     eth0",
        )
    )
    monkeypatch.setattr(
        Path, "read_text", lambda self, **how: table if str(self) == "/proc/net/if_inet6" else ""
    )
    assert module._link_local("v2g0") == {OWN: 0x80, IPv6Address("fe80::2"): 0xC8}


def test_flags_are_asked_for_by_a_short_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def ioctl(where: Any, number: int, request: bytes) -> bytes:
        assert number == 0x8913
        asked.append(request)
        return request[:16] + struct.pack("H", 0x1043) + request[18:]

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    assert module._flags("a-name-of-sixteen") == 0x1043
    assert asked == [b"a-name-of-sixte\0" + bytes(16)]

    def fails(where: Any, number: int, request: bytes) -> bytes:
        raise OSError("gone")

    monkeypatch.setattr(fcntl, "ioctl", fails)
    assert module._flags("v2g0") is None


class Netlink:
    """Answers one question over rtnetlink."""

    def __init__(self, answer: bytes | OSError) -> None:
        self.answer, self.timeout = answer, 0.0
        self.asked: list[Any] = []

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *how: object) -> None:
        pass

    def settimeout(self, seconds: float) -> None:
        self.timeout = seconds

    def sendto(self, data: bytes, to: Any) -> None:
        self.asked.append((data, to))

    def recv(self, most: int) -> bytes:
        assert most == 65536
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


def answer(kind: int, index: int) -> bytes:
    return struct.pack("=IHHII", 32, kind, 0, 1, 0) + struct.pack("=BxHiII", 0, 1, index, 0, 0)


@pytest.mark.parametrize(
    ("said", "index"),
    [(answer(16, 9), 9), (answer(2, 9), 0), (b"short", 0), (OSError("no answer"), 0)],
    ids=["a link", "an error", "too short", "none"],
)
@pytest.mark.parametrize(("length", "padding"), [(16, 3), (19, 0), (20, 3), (126, 1), (127, 0)])
def test_a_long_name_is_asked_about_over_rtnetlink(
    said: Any, index: int, length: int, padding: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    netlink = Netlink(said)
    monkeypatch.setattr(socket, "socket", lambda *how: netlink)
    name = "n" * length
    assert interface_index(name) == index
    ((request, to),) = netlink.asked
    assert to == (0, 0)
    attribute = struct.pack("=HH", 5 + length, 53) + name.encode() + bytes(1 + padding)
    assert request == struct.pack("=IHHII", 16 + 16 + len(attribute), 18, 1, 1, 0) + bytes(16) + attribute
    assert netlink.timeout == 1.0


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("n" * 15, "name"),
        ("n" * 16, "netlink"),
        ("n" * 127, "netlink"),
        ("n" * 128, ""),
        ("", ""),
        ("a\0b", ""),
    ],
)
def test_by_which_way_a_name_is_asked_about(name: str, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def by_name(name: str) -> int:
        asked.append("name")
        return 4

    def by_netlink(name: bytes) -> int:
        asked.append("netlink")
        return 5

    monkeypatch.setattr(socket, "if_nametoindex", by_name)
    monkeypatch.setattr(module, "_index_of_long_name", by_netlink)
    assert interface_index(name) == {"name": 4, "netlink": 5, "": 0}[by]
    assert asked == ([by] if by else [])


def test_a_system_without_netlink_knows_no_long_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """No interface has the index 0."""
    monkeypatch.delattr(socket, "AF_NETLINK")
    assert module._index_of_long_name(b"an-alternative-name") == 0
    assert interface_index("an-alternative-name") == 0
