"""PLCA over ethtool's netlink family: the bytes against the running kernel's own policy, real interfaces
without it, no permission."""

from __future__ import annotations

import asyncio
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iso15118.aio.plug import plca as p
from iso15118.aio.plug.plca import COORDINATOR, VEHICLE_NODE, Plca, PlcaResult, configure_plca, read_plca
from iso15118.errors import ConfigError

pytest.importorskip("pyroute2")
from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
NEAR, FAR = (f"pl{os.getpid()}{end}" for end in "nf")


def ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@pytest.fixture
def cable() -> Iterator[None]:
    try:
        ip("link", "add", NEAR, "type", "veth", "peer", "name", FAR)
    except OSError as error:
        pytest.skip(f"this machine does not let us make virtual cables: {error}")
    try:
        yield
    finally:
        ip("link", "del", NEAR)


def attributes(data: bytes) -> list[tuple[int, bytes]]:
    """Netlink attributes by their layout: length, type, value, padding to four bytes."""
    found = []
    while data:
        length, kind = struct.unpack_from("=HH", data)
        assert length >= 4
        found.append((kind, data[4:length]))
        data = data[(length + 3) & ~3 :]
    return found


def test_a_request_to_set_has_the_numbers_and_sizes_of_the_kernels_header() -> None:
    message = p.request(40, "v2g0", Plca(node_id=VEHICLE_NODE, node_count=8, burst_count=2))
    message.encode()
    data = bytes(message.data)
    assert data[16:20] == bytes([40, 1, 0, 0])  # ETHTOOL_MSG_PLCA_SET_CFG, ETHTOOL_GENL_VERSION
    header, *rest = attributes(data[20:])
    assert header[0] == 0x8000 | 1, "nested, as the kernel wants it said"
    assert attributes(header[1]) == [(2, b"v2g0\0")]  # ETHTOOL_A_HEADER_DEV_NAME

    def u32(value: int) -> bytes:
        return struct.pack("=I", value)

    assert rest == [(3, b"\x01"), (5, u32(8)), (6, u32(1)), (7, u32(32)), (8, u32(2)), (9, u32(128))]


def test_a_request_to_read_names_the_interface_and_nothing_else() -> None:
    message = p.request(39, "v2g0")
    message.encode()
    assert [kind & ~0x8000 for kind, _ in attributes(bytes(message.data)[20:])] == [1]


def reply(**present: bytes) -> Any:
    """A kernel's reply, byte by byte."""
    numbers = {"version": 2, "enabled": 3, "status": 4, "cnt": 5, "id": 6, "to": 7, "burst": 8, "timer": 9}
    body = b""
    for name, value in present.items():
        body += struct.pack("=HH", 4 + len(value), numbers[name]) + value.ljust(4, b"\0")
    data = struct.pack("=IHHII", 20 + len(body), 21, 0, 1, 0) + bytes([39, 1, 0, 0]) + body
    message = type(p.request(39, "v2g0"))(data)
    message.decode()
    return message


def test_a_reply_is_read() -> None:
    def u32(value: int) -> bytes:
        return struct.pack("=I", value)

    full = reply(
        version=b"\x10\x0a",
        enabled=b"\x01",
        cnt=u32(8),
        id=u32(0),
        to=u32(32),
        burst=u32(0),
        timer=u32(128),
    )
    assert p.configuration_in(full) == Plca(node_id=COORDINATOR)
    assert p.configuration_in(reply(enabled=b"\x00", id=u32(3), cnt=u32(4))) == Plca(
        node_id=3, node_count=4, enabled=False
    )
    assert p.configuration_in(reply(enabled=b"\x01", cnt=u32(8))) is None
    # As PHYs leave the factory.
    assert p.configuration_in(reply(id=u32(255), cnt=u32(8))) is None


async def policy_of_the_running_kernel(command: int) -> dict[int, dict[str, int]]:
    """Attribute number -> type and limits, as the kernel checks them for this command."""
    from pyroute2.netlink.generic import AsyncGenericNetlinkSocket  # type: ignore[import-untyped]

    netlink: Any = AsyncGenericNetlinkSocket()
    try:
        await netlink.bind("ethtool", p._message_type())
        entries = [x async for x in _policy(netlink)]
    finally:
        netlink.close()
        await asyncio.sleep(0)
    which = None
    for entry in entries:
        for name, operation in (entry.get_attr("CTRL_ATTR_OP_POLICY") or {"attrs": []})["attrs"]:
            if name == f"OP({command})":
                which = operation.get_attr("CTRL_ATTR_POLICY_DO")
    found: dict[int, dict[str, int]] = {}
    for entry in entries:
        for name, policy in (entry.get_attr("CTRL_ATTR_POLICY") or {"attrs": []})["attrs"]:
            if name == f"POLICY({which})":
                for number, attribute in policy["attrs"]:
                    found[int(number[5:-1])] = {key: value for key, value, *_ in attribute["attrs"]}
    return found


async def _policy(netlink: Any) -> Any:
    for entry in await netlink.policy("ethtool"):
        yield entry


@pytest.mark.real_time  # the kernel answers
async def test_the_running_kernel_checks_the_attributes_that_we_send() -> None:
    try:
        policy = await policy_of_the_running_kernel(40)
    except (OSError, NetlinkError) as error:
        pytest.skip(f"this kernel does not tell its netlink policies: {error!r}")
    if not policy:
        pytest.skip("this kernel knows no PLCA")
    u8, u32, nested = 2, 4, 13  # NL_ATTR_TYPE_*
    types = {number: attribute["NL_POLICY_TYPE_ATTR_TYPE"] for number, attribute in policy.items()}
    assert types == {1: nested, 3: u8, 5: u32, 6: u32, 7: u32, 8: u32, 9: u32}
    highest = {number: policy[number]["NL_POLICY_TYPE_ATTR_MAX_VALUE_U"] for number in (3, 5, 6, 7, 8, 9)}
    assert highest == {3: 1, 5: 255, 6: 255, 7: 255, 8: 255, 9: 255}


@pytest.mark.parametrize(
    "wrong",
    [{"node_id": 255}, {"node_id": -1}, {"node_id": 0, "node_count": 0}, {"node_id": 0, "to_timer": 256}],
)
def test_what_the_kernel_would_refuse_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"plca\.{list(wrong)[-1]}"):
        Plca(**wrong)


def test_a_node_needs_an_opportunity() -> None:
    with pytest.raises(ConfigError, match=r"plca\.node_id.*among 8"):
        Plca(node_id=8)
    assert Plca(node_id=8, node_count=9).node_id == 8


def test_the_command_that_does_it_by_hand() -> None:
    assert Plca(node_id=COORDINATOR).command("eth1") == (
        "ethtool --set-plca-cfg eth1 enable on node-id 0 node-cnt 8 to-tmr 32 burst-cnt 0 burst-tmr 128"
    )
    assert Plca(node_id=0, enabled=False).command("eth1") == "ethtool --set-plca-cfg eth1 enable off"


@pytest.mark.netns
async def test_a_driver_without_plca_is_said_and_nothing_else_happens(cable: None) -> None:
    outcome = await configure_plca(NEAR, Plca(node_id=COORDINATOR))
    if outcome.result is PlcaResult.NO_KERNEL_SUPPORT:
        pytest.skip(str(outcome))
    assert outcome.result is PlcaResult.NOT_OFFERED
    assert not outcome.ok
    assert str(outcome) == f"{NEAR}: the driver of the interface offers no PLCA configuration"
    assert (await read_plca(NEAR)).result is PlcaResult.NOT_OFFERED


@pytest.mark.real_time  # the kernel answers
@pytest.mark.parametrize("name", ["no-such-if", "a-name-that-no-interface-can-have", ""])
async def test_an_interface_that_is_missing_is_said(name: str) -> None:
    outcome = await read_plca(name)
    assert outcome.result in (PlcaResult.NO_INTERFACE, PlcaResult.NO_KERNEL_SUPPORT)


@pytest.mark.real_time  # another process asks
def test_without_permission_that_is_said() -> None:
    script = """
import asyncio, os
import pyroute2.netlink.generic
from iso15118.aio.plug.plca import Plca, configure_plca, read_plca

if os.geteuid() == 0:  # only now: another user may not read where this Python lives
    os.setresuid(65534, 65534, 65534)
print(asyncio.run(configure_plca("lo", Plca(node_id=0))).result.name)
print(asyncio.run(read_plca("lo")).result.name)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() in (["NOT_PERMITTED", "NOT_OFFERED"], ["NO_KERNEL_SUPPORT"] * 2), done.stderr
