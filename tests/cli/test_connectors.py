"""``iso15118 secc`` with two connectors in one file: each on a cable of its own where this machine lets us
lay some, and over loopback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from iso15118.aio.net.network import find_interface, sdp_server_socket
from tests.cli.rig import iso15118
from tests.cli.test_two_processes import PATIENCE_S, Program, command, finish, process

PORTS = tuple(33_000 + 2 * (os.getpid() % 3_000) + one for one in (0, 1))
"""Discovery ports over loopback; the first one on cables too: another test may have 15118 at that moment."""
DISCOVERY = f"sdp_port = {PORTS[0]}\n"
PLAIN = '[tls]\nmode = "plaintext"\n'
FAST = "time_scale = 50\n"


@contextlib.contextmanager
def station(path: Path, listening: int, *options: str) -> Iterator[Program]:
    """A station so many of whose connectors listen."""
    with process("secc", path, *options) as running:
        assert running.stderr is not None
        while running.heard.count(": listening at") < listening or not running.heard.endswith("\n"):
            octet = os.read(running.stderr.fileno(), 1)
            if not octet:
                pytest.fail(f"the station did not start: {running.heard}")
            running.heard += octet.decode("latin-1")
        yield running


def vehicle(folder: Path, name: str, text: str, service: str, hardware: str = FAST) -> Path:
    path = folder / f"{name}_evcc.toml"
    hardware += "" if service == "mcs" else "maximum_current_a = 500\nmaximum_power_kw = 400\n"
    path.write_text(
        f'{text}{PLAIN}[session]\nservices = ["{service}"]\nloop_interval_s = 0.02\n[vehicle]\nsoc = 77\n{hardware}'
    )
    return path


def site(folder: Path, left: str, right: str) -> Path:
    path = folder / "secc.toml"
    path.write_text(
        f'{PLAIN}[station]\npreset = "mcs-gen1"\n{FAST}'
        f'[[connector]]\nname = "left"\n{left}'
        f'[[connector]]\nname = "right"\n{right}[connector.station]\npreset = "ccs2"\nmeter_id = "RIGHT"\n'
    )
    return path


def test_two_vehicles_charge_at_two_connectors_of_one_process(tmp_path: Path) -> None:
    path = site(tmp_path, f"sdp_port = {PORTS[0]}\n", f"sdp_port = {PORTS[1]}\n")
    cars = [
        vehicle(tmp_path, name, f"sdp_port = {port}\n", service)
        for name, port, service in zip(("left", "right"), PORTS, ("mcs", "dc"), strict=True)
    ]
    with (
        station(path, 2, "--sessions", "2") as running,
        process("evcc", cars[0]) as one,
        process("evcc", cars[1]) as other,
    ):
        driven = [finish(one), finish(other)]
        status, seen, said = finish(running)
    assert status == 0, said
    assert [(code, result["result"]) for code, [result], _ in driven] == [(0, "ok")] * 2
    by_name = {result["connector"]: result for result in seen}
    assert set(by_name) == {"left", "right"}
    for result in by_name.values():
        assert (result["result"], result["safe"]) == ("ok", True)
        assert 10.0 < result["energy_charged_kwh"] < 40.0
    assert by_name["left"]["peak_power_kw"] > 401.0
    assert by_name["right"]["peak_power_kw"] < 401.0
    assert "iso15118: left: in the charge loop" in said
    assert "iso15118: right: in the charge loop" in said


def test_a_signal_ends_the_sessions_of_all_connectors(tmp_path: Path) -> None:
    path = site(tmp_path, f"sdp_port = {PORTS[0]}\n", f"sdp_port = {PORTS[1]}\n")
    path.write_text(path.read_text().replace(FAST, "time_scale = 1\n"))
    cars = [
        vehicle(tmp_path, name, f"sdp_port = {port}\n", service, "time_scale = 1\n")
        for name, port, service in zip(("left", "right"), PORTS, ("mcs", "dc"), strict=True)
    ]
    with station(path, 2) as running, process("evcc", cars[0]) as one, process("evcc", cars[1]) as other:
        for car in (one, other):
            assert car.stderr is not None
            assert any("in the charge loop" in line for line in car.stderr)
        running.send_signal(signal.SIGTERM)
        status, seen, _ = finish(running)
    assert status == 0
    assert {one["connector"]: (one["end_reason"], one["safe"]) for one in seen} == {
        "left": ("STOPPED_BY_STATION", True),
        "right": ("STOPPED_BY_STATION", True),
    }


def test_an_interface_that_is_missing_keeps_only_its_own_connector_from_serving(tmp_path: Path) -> None:
    path = site(tmp_path, 'interface = "nowhere7"\n', f"sdp_port = {PORTS[1]}\n")
    car = vehicle(tmp_path, "right", f"sdp_port = {PORTS[1]}\n", "dc")
    with station(path, 1, "--sessions", "1") as running, process("evcc", car) as driving:
        assert finish(driving)[0] == 0
        status, [seen], said = finish(running)
    assert (status, seen["connector"]) == (0, "right")
    assert "iso15118: left: there is no network interface 'nowhere7'" in said
    assert "iso15118: left: waiting:" in said


def test_where_no_interface_is_there_that_is_a_mistake(tmp_path: Path) -> None:
    path = site(tmp_path, 'interface = "nowhere7"\n', 'interface = "nowhere8"\n')
    printed = iso15118("secc", "-c", str(path))
    assert printed.status == 3
    assert "right: there is no network interface 'nowhere8'" in printed.err


# -- on cables
# ------------------------------------------------------------------------------------------------


def ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@pytest.fixture
def cables() -> Iterator[list[tuple[str, str, str]]]:
    """Two cables: the station's interface, the namespace of the vehicle, and its interface there."""
    if shutil.which("ip") is None:
        pytest.skip("the command ip (iproute2) is not there")
    laid = [(f"cn{os.getpid()}{side}", f"cnt{os.getpid()}{side}", "v2g") for side in "lr"]
    try:
        for near, namespace, far in laid:
            ip("netns", "add", namespace)
            ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", namespace)
            ip("link", "set", near, "addrgenmode", "none")
            ip("link", "set", near, "up")
            ip("-n", namespace, "link", "set", far, "addrgenmode", "none")
            ip("-n", namespace, "link", "set", far, "up")
            # The same addresses on both cables, as link-local ones may be.
            ip("-6", "addr", "add", "fe80::15/64", "dev", near, "nodad")
            ip("-n", namespace, "-6", "addr", "add", "fe80::ca/64", "dev", far, "nodad")
    except OSError as error:
        for _, namespace, _ in laid:
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)
        pytest.skip(f"this machine does not let us make virtual cables: {error}")
    yield laid
    for _, namespace, _ in laid:
        subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)


@pytest.mark.netns
def test_each_connector_answers_on_its_own_cable_alone(
    tmp_path: Path, cables: list[tuple[str, str, str]]
) -> None:
    (left, left_space, far), (right, right_space, _) = cables
    path = site(tmp_path, f'interface = "{left}"\n{DISCOVERY}', f'interface = "{right}"\n{DISCOVERY}')
    cars = [
        vehicle(tmp_path, side, f'interface = "{far}"\n{DISCOVERY}', kind)
        for side, kind in (("left", "mcs"), ("right", "dc"))
    ]
    # A station on the loopback interface does not take the port from those on the cables.
    beside = sdp_server_socket(find_interface("lo"), PORTS[0])
    with contextlib.closing(beside), station(path, 2, "--sessions", "2") as running:
        driving = [
            subprocess.Popen(
                ["ip", "netns", "exec", space, *command("evcc", car)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for space, car in zip((left_space, right_space), cars, strict=True)
        ]
        try:
            outs = [one.communicate(timeout=PATIENCE_S) for one in driving]
        finally:
            for one in driving:
                one.kill()
        status, seen, said = finish(running)
    assert [one.returncode for one in driving] == [0, 0], outs
    assert status == 0, said
    # A service that the other connector does not have was agreed at each: nobody was answered across.
    assert {one["connector"]: one["peak_power_kw"] > 401.0 for one in seen} == {"left": True, "right": False}


@pytest.mark.netns
def test_a_flood_on_one_cable_does_not_end_the_session_on_the_other(
    tmp_path: Path, cables: list[tuple[str, str, str]]
) -> None:
    (left, left_space, far), (right, right_space, _) = cables
    path = site(tmp_path, f'interface = "{left}"\n{DISCOVERY}', f'interface = "{right}"\n{DISCOVERY}')
    car = vehicle(tmp_path, "right", f'interface = "{far}"\n{DISCOVERY}', "dc")
    flood = (
        "import socket, time\n"
        "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
        f"index = socket.if_nametoindex('{far}')\n"
        "until = time.monotonic() + 60\n"
        "while time.monotonic() < until:\n"
        "    for _ in range(20):\n"
        f"        s.sendto(bytes.fromhex('01fe900000000002' + '0000'), ('ff02::1', {PORTS[0]}, 0, index))\n"
        "    time.sleep(0.005)\n"
    )
    with station(path, 2, "--sessions", "1") as running:
        hostile = subprocess.Popen(["ip", "netns", "exec", left_space, sys.executable, "-c", flood])
        try:
            driven = subprocess.run(
                ["ip", "netns", "exec", right_space, *command("evcc", car)],
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            )
        finally:
            hostile.kill()
            hostile.wait()
        status, [seen], said = finish(running)
    assert driven.returncode == 0, driven.stderr
    assert json.loads(driven.stdout)["result"] == "ok"
    assert (status, seen["connector"], seen["result"]) == (0, "right", "ok"), said
