"""Interfaces by name: which one it is, and for each reason that one cannot be used the words that help,
from real virtual cables."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from ipaddress import IPv6Address

import pytest

from iso15118.aio.net.interface import find_interface, interface_index
from iso15118.errors import LinkError

NEAR, FAR = (f"if{os.getpid()}{end}" for end in "nf")
LONG = f"the-cable-of-stall-number-four-{os.getpid()}"


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


def ip(*arguments: str) -> None:
    run("ip", *arguments)


@pytest.fixture
def cable() -> Iterator[None]:
    if shutil.which("ip") is None:
        pytest.skip("the command ip (iproute2) is not there")
    try:
        ip("link", "add", NEAR, "type", "veth", "peer", "name", FAR)
    except OSError as error:
        pytest.skip(f"this machine does not let us make virtual cables: {error}")
    try:
        yield
    finally:
        ip("link", "del", NEAR)


def refusal(name: str = NEAR) -> str:
    with pytest.raises(LinkError) as caught:
        find_interface(name)
    return str(caught.value)


def test_the_loopback_interface_is_found() -> None:
    found = find_interface("lo")
    assert (found.loopback, found.address, found.scope_id) == (True, IPv6Address("::1"), 0)


@pytest.mark.parametrize("name", ["nowhere0", "", "a\0b", "x" * 200, "ü" * 20, "../lo"])
def test_a_name_that_nobody_has_is_refused_with_the_names_that_there_are(name: str) -> None:
    assert interface_index(name) == 0
    said = refusal(name)
    assert "no network interface" in said
    assert "lo" in said


@pytest.mark.netns
def test_a_misspelt_name_is_answered_with_the_nearest(cable: None) -> None:
    said = refusal(NEAR + "x")
    assert "did you mean" in said
    assert NEAR in said


@pytest.mark.netns
def test_switched_off_down_no_carrier_and_no_address_are_told_apart_with_what_to_type(cable: None) -> None:
    said = [refusal()]
    assert "is down" in said[0]
    assert f"ip link set {NEAR} up" in said[0]

    try:
        run("sysctl", "-qw", f"net.ipv6.conf.{NEAR}.disable_ipv6=1")
    except OSError as error:
        pytest.skip(f"sysctl is not allowed here: {error}")
    said.append(refusal())
    assert "IPv6 is switched off" in said[1]
    assert f"sysctl -w net.ipv6.conf.{NEAR}.disable_ipv6=0" in said[1]
    run("sysctl", "-qw", f"net.ipv6.conf.{NEAR}.disable_ipv6=0")

    ip("link", "set", NEAR, "addrgenmode", "none")
    ip("link", "set", NEAR, "up")
    said.append(refusal())
    assert "no carrier" in said[2]

    ip("link", "set", FAR, "up")
    until = time.monotonic() + 60.0
    while "no carrier" in refusal() and time.monotonic() < until:  # the kernel tells it a moment later
        time.sleep(0.05)
    said.append(refusal())
    assert "no IPv6 link-local address" in said[3]
    assert "addrgenmode" in said[3]
    assert f"dev {NEAR}" in said[3]
    assert len(set(said)) == 4

    ip("-6", "addr", "add", "fe80::15/64", "dev", NEAR, "nodad")
    assert find_interface(NEAR).address == IPv6Address("fe80::15")


@pytest.mark.netns
async def test_an_address_that_is_still_being_checked_or_is_taken_is_said(cable: None) -> None:
    for end in (NEAR, FAR):
        ip("link", "set", end, "addrgenmode", "none")
        ip("link", "set", end, "up")
    ip("-6", "addr", "add", "fe80::15/64", "dev", FAR, "nodad")
    ip("-6", "addr", "add", "fe80::15/64", "dev", NEAR)
    assert "duplicate address detection takes" in refusal()
    async with asyncio.timeout(10.0):
        while "takes" in (said := refusal()):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    assert "somebody else" in said
    assert "fe80::15" in said


@pytest.mark.netns
def test_alternative_names_short_and_long_are_the_same_interface(cable: None) -> None:
    for end in (NEAR, FAR):
        ip("link", "set", end, "up")
    ip("link", "set", NEAR, "addrgenmode", "none")
    ip("-6", "addr", "add", "fe80::15/64", "dev", NEAR, "nodad")
    short = f"s{os.getpid()}"
    for name in (short, LONG):
        try:
            ip("link", "property", "add", "dev", NEAR, "altname", name)
        except OSError as error:
            pytest.skip(f"no alternative names here: {error}")
    assert {find_interface(name).index for name in (NEAR, short, LONG)} == {interface_index(NEAR)}
    assert find_interface(LONG).name == NEAR
