"""SLAC over real AF_PACKET sockets: a car and a station on veth pairs, with emulated modems between them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.plug.powerline import EmulatedModems
from iso15118.aio.plug.slac import PacketPort, SlacDriver
from iso15118.errors import LinkError
from iso15118.link.primitives import DLinkReady, LinkState, SetPilot, ShowState
from iso15118.link.slac.ev import EvSlac
from iso15118.link.slac.evse import EvseSlac
from iso15118.session.actions import Action
from iso15118.simulation.ccs_plug import Plug
from iso15118.simulation.modem import PlcModem, PowerLine

pytestmark = pytest.mark.netns

CAR, CAR_MODEM, STATION, STATION_MODEM = (f"sl{os.getpid()}{end}" for end in ("c", "d", "s", "t"))


def ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@pytest.fixture
def cables() -> Iterator[None]:
    """Each host has a cable to its modem."""
    if shutil.which("ip") is None:
        pytest.skip("the command ip (iproute2) is not there")
    made: list[str] = []
    try:
        try:
            for host, modem in ((CAR, CAR_MODEM), (STATION, STATION_MODEM)):
                ip("link", "add", host, "type", "veth", "peer", "name", modem)
                made.append(host)
                for end in (host, modem):
                    ip("link", "set", end, "addrgenmode", "none")
                    ip("link", "set", end, "up")
        except OSError as error:
            pytest.skip(f"this machine does not let us make virtual cables: {error}")
        yield
    finally:
        for host in made:
            ip("link", "del", host)


def mac_of(interface: str) -> bytes:
    port = PacketPort(interface, lambda data: None)
    port.close()
    port.close()
    return port.mac


async def until(condition: asyncio.Event) -> None:
    await asyncio.wait_for(condition.wait(), 50.0)


class Site:
    """A car and a station on their cables, their modems, the plug between them."""

    def __init__(self) -> None:
        self.car_mac, self.station_mac = mac_of(CAR), mac_of(STATION)
        self.modems = {
            CAR_MODEM: PlcModem(self.car_mac, b"\x06\0\0\0\0\x01"),
            STATION_MODEM: PlcModem(self.station_mac, b"\x06\0\0\0\0\x02", measures=True),
        }
        self.line = PowerLine()
        for modem in self.modems.values():
            self.line.attach(modem)
        self.line.couple(self.modems[CAR_MODEM], self.modems[STATION_MODEM], 18.0)
        self.emulated = EmulatedModems(self.line, self.modems)
        self.plug = Plug()
        self.up = {"car": asyncio.Event(), "station": asyncio.Event()}
        self.down = {"car": asyncio.Event(), "station": asyncio.Event()}
        self.car = SlacDriver(EvSlac(self.car_mac), CAR, lambda action: self.act("car", action))
        self.station = SlacDriver(
            EvseSlac(self.station_mac), STATION, lambda action: self.act("station", action)
        )
        self.plug.to_vehicle, self.plug.to_station = self.car.tell, self.station.tell

    def act(self, who: str, action: Action) -> None:
        if isinstance(action, DLinkReady):
            (self.up if action.link else self.down)[who].set()
        elif isinstance(action, SetPilot):
            self.plug.set_pilot(action.pilot)
        elif isinstance(action, ShowState):
            self.plug.show(action.state)

    def close(self) -> None:
        self.car.close()
        self.station.close()
        self.emulated.close()
        self.emulated.close()


async def test_a_car_and_a_station_match_on_real_sockets_and_part_when_unplugged(cables: None) -> None:
    site = Site()
    try:
        await asyncio.sleep(0.05)  # the station's modem takes its key
        site.plug.plug_in()
        for event in site.up.values():
            await until(event)
        assert site.car.machine.state is site.station.machine.state is LinkState.MATCHED
        now = asyncio.get_running_loop().time()
        assert site.line.linked(site.modems[CAR_MODEM], now) == [site.modems[STATION_MODEM]]

        arrived = asyncio.Event()
        ears = PacketPort(
            STATION, lambda data: arrived.set() if data[14:] == b"data" else None, ethertype=0x88B5
        )
        mouth = PacketPort(CAR, lambda data: None, ethertype=0x88B5)
        mouth.send(site.station_mac + site.car_mac + b"\x88\xb5data")
        await until(arrived)
        ears.close()
        mouth.close()

        site.plug.unplug(0.0)
        for event in site.down.values():
            await until(event)
    finally:
        site.close()


async def test_a_matching_is_watched_beside_the_station(cables: None) -> None:
    command = [sys.executable, "-m", "iso15118", "slac", "watch", STATION, "--json"]
    watching = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert watching.stdout is not None
    assert watching.stderr is not None
    assert f"listening on {STATION}".encode() in await asyncio.wait_for(watching.stderr.readline(), 50.0)
    site = Site()
    try:
        await asyncio.sleep(0.05)
        site.plug.plug_in()
        for event in site.up.values():
            await until(event)
        watching.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(watching.communicate(), 50.0)
    finally:
        site.close()
        if watching.returncode is None:
            watching.kill()
            await watching.wait()
    assert (watching.returncode, err) == (0, b"")
    told = [json.loads(line) for line in out.splitlines()]
    car, station = site.car_mac.hex(":"), site.station_mac.hex(":")
    sent = {s["message"] for s in told if s["kind"] == "frame" and s["from"] == station}
    assert {"CM_SET_KEY.REQ", "CM_SLAC_PARM.CNF", "CM_ATTEN_CHAR.IND", "CM_SLAC_MATCH.CNF"} <= sent
    (heard,) = [s for s in told if s["kind"] == "attenuation" and "mean_db" in s]
    assert (heard["vehicle"], heard["station"], heard["profiles"]) == (car, station, 10)
    assert [s["up"] for s in told if s["kind"] == "link"] == [True]
    assert told[-1]["refused"] == 0


async def test_an_interface_that_is_missing_is_said() -> None:
    with pytest.raises(LinkError, match=r"no-such-if|CAP_NET_RAW"):
        PacketPort("no-such-if", lambda data: None)


async def test_a_packet_socket_follows_an_interface_that_is_made_anew(
    cables: None, caplog: pytest.LogCaptureFixture
) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    port = PacketPort(STATION, heard.put_nowait)
    try:
        ip("link", "del", STATION)
        await until_true(lambda: not port.usable)
        port.send(bytes(60))
        assert port.lost == 1
        ip("link", "add", STATION, "type", "veth", "peer", "name", STATION_MODEM)
        for end in (STATION, STATION_MODEM):
            ip("link", "set", end, "up")
        await until_true(lambda: port.usable)
        far = PacketPort(STATION_MODEM, lambda data: None)
        try:
            # To the address of the interface that is gone, by which the machines above are known.
            assert far.mac != port.mac
            frame = port.mac + far.mac + bytes.fromhex("88e1") + bytes(46)
            far.send(frame)
            assert await asyncio.wait_for(heard.get(), 5.0) == frame
        finally:
            far.close()
    finally:
        port.close()
    assert flush(60.0)
    assert "is gone" in caplog.text
    assert "is back" in caplog.text


async def until_true(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10.0):
        while not true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
