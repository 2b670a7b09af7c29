"""SLAC over real AF_PACKET sockets: a car and a station on veth pairs, with emulated modems between them."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from iso15118.aio.powerline import EmulatedModems
from iso15118.aio.slac import PacketPort, SlacDriver
from iso15118.errors import LinkError
from iso15118.link.primitives import DLinkReady, LinkState, SetPilot, ShowState
from iso15118.link.slac.ev import EvSlac
from iso15118.link.slac.evse import EvseSlac
from iso15118.session.actions import Action
from iso15118.simulation.modem import PlcModem, PowerLine
from iso15118.simulation.plug import Plug

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
    await asyncio.wait_for(condition.wait(), 5.0)


async def test_a_car_and_a_station_match_on_real_sockets_and_part_when_unplugged(cables: None) -> None:
    car_mac, station_mac = mac_of(CAR), mac_of(STATION)
    modems = {
        CAR_MODEM: PlcModem(car_mac, b"\x06\0\0\0\0\x01"),
        STATION_MODEM: PlcModem(station_mac, b"\x06\0\0\0\0\x02", measures=True),
    }
    line = PowerLine()
    for modem in modems.values():
        line.attach(modem)
    emulated = EmulatedModems(line, modems)
    line.couple(modems[CAR_MODEM], modems[STATION_MODEM], 18.0)
    plug = Plug()
    up = {"car": asyncio.Event(), "station": asyncio.Event()}
    down = {"car": asyncio.Event(), "station": asyncio.Event()}

    def act(who: str, action: Action) -> None:
        if isinstance(action, DLinkReady):
            (up if action.link else down)[who].set()
        elif isinstance(action, SetPilot):
            plug.set_pilot(action.pilot)
        elif isinstance(action, ShowState):
            plug.show(action.state)

    car = SlacDriver(EvSlac(car_mac), CAR, lambda action: act("car", action))
    station = SlacDriver(EvseSlac(station_mac), STATION, lambda action: act("station", action))
    plug.to_vehicle, plug.to_station = car.tell, station.tell
    try:
        await asyncio.sleep(0.05)  # the station's modem takes its key
        plug.plug_in()
        for event in up.values():
            await until(event)
        assert car.machine.state is station.machine.state is LinkState.MATCHED
        assert line.linked(modems[CAR_MODEM], asyncio.get_running_loop().time()) == [modems[STATION_MODEM]]

        arrived = asyncio.Event()
        ears = PacketPort(
            STATION, lambda data: arrived.set() if data[14:] == b"data" else None, ethertype=0x88B5
        )
        mouth = PacketPort(CAR, lambda data: None, ethertype=0x88B5)
        mouth.send(station_mac + car_mac + b"\x88\xb5data")
        await until(arrived)
        ears.close()
        mouth.close()

        plug.unplug(0.0)
        for event in down.values():
            await until(event)
    finally:
        car.close()
        station.close()
        emulated.close()


async def test_an_interface_that_is_missing_is_said() -> None:
    with pytest.raises(LinkError, match="no-such-if"):
        PacketPort("no-such-if", lambda data: None)
