"""Discovery as on a cable: IPv6 multicast over veth pairs between network namespaces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.netns

ROOT = Path(__file__).resolve().parents[2]
STATION, CAR, OTHER_CAR = (f"v2g{os.getpid()}{role}" for role in "sco")
PEER = [sys.executable, "-m", "tests.aio.discovery_peer"]


def ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


@pytest.fixture(scope="module")
def cables() -> Iterator[None]:
    """A station with two connectors, ``s0`` and ``s1``, and a car at each; a car's
    end of the cable is ``car``."""
    if shutil.which("ip") is None:
        pytest.skip("the command ip (iproute2) is not there")
    made: list[str] = []
    try:
        try:
            for name in (STATION, CAR, OTHER_CAR):
                ip("netns", "add", name)
                made.append(name)
            for n, name in enumerate((CAR, OTHER_CAR)):
                ip(
                    "-n",
                    STATION,
                    "link",
                    "add",
                    f"s{n}",
                    "type",
                    "veth",
                    "peer",
                    "name",
                    "car",
                    "netns",
                    name,
                )
        except OSError as error:
            pytest.skip(f"this machine does not let us make network namespaces: {error}")
        for name, interface in ((STATION, "s0"), (STATION, "s1"), (CAR, "car"), (OTHER_CAR, "car")):
            ip("-n", name, "link", "set", interface, "up")
        deadline = time.monotonic() + 60
        while any("tentative" in ip("-n", name, "-6", "addr") for name in made):
            assert time.monotonic() < deadline, "duplicate address detection does not end"
            time.sleep(0.1)
        yield
    finally:
        for name in made:
            ip("netns", "del", name)


def run(namespace: str, *arguments: str) -> dict[str, Any]:
    command = ["ip", "netns", "exec", namespace, *PEER, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


class Station:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        said = self.process.stdout.readline()
        assert said, f"the station has ended: {self.process.stderr.read()}"
        result: dict[str, Any] = json.loads(said)
        return result


@contextmanager
def station(interface: str, port: int) -> Iterator[Station]:
    command = ["ip", "netns", "exec", STATION, *PEER, "serve", interface, str(port)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    with process:
        try:
            started = Station(process)
            assert started.line() == {"listening": 15118}
            yield started
        finally:
            process.terminate()


def link_local(namespace: str, interface: str) -> str:
    (entry,) = json.loads(ip("-n", namespace, "-j", "-6", "addr", "show", "dev", interface))
    return str(entry["addr_info"][0]["local"])


def test_a_car_finds_the_station_at_its_cable(cables: None) -> None:
    with station("s0", 50001) as server:
        found = run(CAR, "find", "car")
        assert found == {
            "address": link_local(STATION, "s0"),
            "port": 50001,
            "scope": found["index"],
            "index": found["index"],
        }
        heard = server.line()
    assert heard["answered"]
    assert heard["origin"].startswith(f"[{link_local(CAR, 'car')}%")


def test_two_connectors_of_one_station_share_the_port_and_each_answers_its_own_cable(cables: None) -> None:
    with station("s0", 50001), station("s1", 50002):
        assert [run(name, "find", "car")["port"] for name in (CAR, OTHER_CAR)] == [50001, 50002]


def test_nobody_answers_on_another_cable(cables: None) -> None:
    with station("s0", 50001) as server:
        assert run(OTHER_CAR, "find", "car") == {
            "error": "no station answered 10 discovery requests to UDP port 15118"
        }
        assert run(CAR, "find", "car")["port"] == 50001
        heard = server.line()
    assert heard["origin"].startswith(f"[{link_local(CAR, 'car')}%"), (
        "the requests of the other cable never came up"
    )


def test_an_interface_that_is_down_is_refused_by_name(cables: None) -> None:
    ip("-n", STATION, "link", "add", "down0", "type", "veth", "peer", "name", "down1")
    done = subprocess.run(
        ["ip", "netns", "exec", STATION, *PEER, "serve", "down0", "50001"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "LinkError: interface down0 " in done.stderr
