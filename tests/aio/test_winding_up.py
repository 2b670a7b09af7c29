"""What is left to do when a session is over and its hardware safe: the connection device is retracted, and
waited for as long as it moves; one that cannot be retracted keeps nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.aio.logs import flush
from iso15118.aio.ports.station_hardware import StationHardware
from iso15118.aio.ports.vehicle_hardware import VehicleHardware
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.coupling import DevicePosition, VehiclePosition
from iso15118.simulation.grid_codes import european
from tests.aio.bench import OVER, Bench, Plant
from tests.aio.parts import Parts
from tests.aio.site import QUICK_PORTS
from tests.aio.test_settling import Ports, now, vehicle

HOME, DOWN = DevicePosition.HOME, DevicePosition.END_POSITION
SOON = 0.03


class Device:
    """Comes home so long after it was told to, and answers so long after that."""

    def __init__(self, *, home_s: float = 0.0, answers_s: float = 0.0) -> None:
        self.position: Any = DOWN
        self.present = VehiclePosition(in_position=True)
        self.home_s, self.answers_s = home_s, answers_s
        self.made: list[str] = []
        self.answer: Any = True

    async def connect(self) -> bool:
        self.made.append("connect")
        await asyncio.sleep(1000.0)
        return True

    async def disconnect(self) -> Any:
        self.made.append("disconnect")
        await asyncio.sleep(self.home_s)
        if self.answer is True:
            self.position = HOME
        await asyncio.sleep(self.answers_s)
        return self.answer


def station(
    device: Device | None, told: list[ev.Event] | None = None, meter: object = None
) -> tuple[StationHardware, Ports]:
    ports = Ports()
    parts: Any = Parts(
        meter=meter, power=ports, contactors=ports, cable_check=ports, authorizer=ports,
        connection_device=device, vehicle_position=device,
    )  # fmt: skip
    return StationHardware(parts, QUICK_PORTS, (told if told is not None else []).append), ports


async def wind_up(hardware: StationHardware) -> float:
    """How long it took."""
    hardware.make_safe("test")
    await hardware.settle()
    began = now()
    await hardware.wind_up()
    return now() - began


@pytest.mark.parametrize(
    ("home_s", "answers_s", "waits_s"), [(0.0, 0.0, 0.0), (2.0, 0.0, 2.0), (2.0, 5.0, 2.0)]
)
async def test_a_device_is_waited_for_until_it_is_home(
    home_s: float, answers_s: float, waits_s: float
) -> None:
    device = Device(home_s=home_s, answers_s=answers_s)
    hardware, _ = station(device)
    assert await wind_up(hardware) == pytest.approx(waits_s, abs=SOON)
    assert device.made == ["disconnect"]
    hardware.close()
    await asyncio.sleep(0)


async def test_a_device_that_is_home_is_left_alone() -> None:
    device = Device()
    device.position = HOME
    hardware, _ = station(device)
    assert await wind_up(hardware) < SOON
    assert device.made == []
    hardware.close()


@pytest.mark.parametrize("answer", [False, None])
async def test_a_device_that_does_not_come_home_is_not_waited_for_when_it_says_so(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    device, told = Device(home_s=1.0), list[ev.Event]()
    device.answer = answer
    hardware, _ = station(device, told)
    assert await wind_up(hardware) == pytest.approx(1.0, abs=SOON)
    assert told[1:] == [
        ev.HardwareFault("connection_device", f"connection_device.disconnect returned {answer}, not True")
    ]
    assert flush(60.0)
    assert "the connection device is not home" in caplog.text
    hardware.close()


async def test_a_device_that_never_answers_has_its_limit(caplog: pytest.LogCaptureFixture) -> None:
    device = Device(home_s=1000.0)
    hardware, _ = station(device)
    assert await wind_up(hardware) == pytest.approx(QUICK_PORTS.device_s, abs=SOON)
    assert flush(60.0)
    assert "the connection device is not home" in caplog.text
    hardware.close()
    await asyncio.sleep(0)


async def test_a_device_stays_where_it_is_while_the_output_is_not_safe(
    caplog: pytest.LogCaptureFixture,
) -> None:
    device = Device()
    hardware, ports = station(device)
    ports.closed = True
    await wind_up(hardware)
    assert device.made == []
    assert flush(60.0)
    assert "the connection device stays where it is: the contactors are closed" in caplog.text
    hardware.close()


async def test_a_connection_that_was_under_way_is_cut_short_and_waited_for() -> None:
    device = Device()
    hardware, _ = station(device)
    hardware.do(act.ConnectDevice(now() + 4.0))
    await asyncio.sleep(1.0)
    assert hardware.winds_up_within_s == pytest.approx(3.0 + QUICK_PORTS.device_s, abs=SOON)
    assert await wind_up(hardware) == pytest.approx(3.0, abs=SOON), "a thread of it may still move it"
    assert device.made == ["connect", "disconnect", "disconnect"]
    hardware.close()
    await asyncio.sleep(10.0)
    assert device.made == ["connect", "disconnect", "disconnect"], "nobody is asked after the end"


class Blocking(Device):
    """What brings it down is a thread: it goes on, whoever cancels the call."""

    def __init__(self, comes_s: float, **times: float) -> None:
        super().__init__(**times)
        self.position, self.comes_s = HOME, comes_s

    async def connect(self) -> bool:
        self.made.append("connect")
        asyncio.get_running_loop().call_later(self.comes_s, setattr, self, "position", DOWN)
        await asyncio.sleep(self.comes_s)
        return True


@pytest.mark.parametrize("ended_by", ["session", "end"])
@pytest.mark.parametrize("answers_s", [0.0, 0.15])
async def test_a_device_that_is_home_and_still_comes_down_is_retracted(
    ended_by: str, answers_s: float
) -> None:
    """The connection is cut short in its first moment: it came down on the vehicle when all was over."""
    device = Blocking(0.8, answers_s=answers_s)
    hardware, _ = station(device)
    hardware.do(act.ConnectDevice(now() + 1.0))
    await asyncio.sleep(0.1)
    if ended_by == "session":
        hardware.do(act.DisconnectDevice(now() + 1.0))
    within_s = hardware.winds_up_within_s
    assert within_s == pytest.approx(0.9 + QUICK_PORTS.device_s, abs=SOON)
    assert await wind_up(hardware) < within_s
    assert device.position is HOME
    assert hardware.winds_up_within_s == 0.0
    hardware.close()
    await asyncio.sleep(2.0)
    assert (device.position, device.made) == (HOME, ["connect", "disconnect", "disconnect"])


async def test_a_retraction_that_is_under_way_when_a_connection_has_had_its_time_is_followed_by_another() -> (
    None
):
    device = Blocking(0.8, answers_s=0.3)
    hardware, _ = station(device)
    hardware.do(act.ConnectDevice(now() + 1.0))
    await asyncio.sleep(0.1)
    hardware.do(act.DisconnectDevice(now() + 1.0))
    await asyncio.sleep(0.8)
    hardware.do(act.DisconnectDevice(now() + 1.0))
    assert device.made == ["connect", "disconnect", "disconnect"]
    await wind_up(hardware)
    await asyncio.sleep(1.0)
    assert device.made == ["connect", "disconnect", "disconnect", "disconnect"]
    assert device.position is HOME
    hardware.close()


async def test_where_the_device_is_is_told_as_a_session_looks() -> None:
    device, told = Device(), list[ev.Event]()
    hardware, _ = station(device, told)
    assert hardware.device_position() is DOWN
    place = ev.VehiclePositionMeasured(device.present)
    seen = hardware.measure(10.0)
    assert ev.ConnectionDeviceChanged(DOWN) in seen
    assert place in seen
    hardware.do(act.DisconnectDevice(now() + 1.0))
    await asyncio.sleep(SOON)
    assert told == [ev.ConnectionDeviceChanged(HOME)]
    device.position = None
    assert [one.port for one in hardware.measure(20.0) if isinstance(one, ev.HardwareFault)] == [
        "connection_device"
    ]
    assert [one for one in hardware.measure(30.0) if isinstance(one, ev.HardwareFault)] == []
    hardware.close()


# -- how long that may take


async def test_winding_up_may_take_what_the_ports_limits_give_it() -> None:
    device, meter = Device(), object()
    limits = QUICK_PORTS
    for given, read, within_s in (
        (None, None, 0.0), (None, meter, limits.meter_s),
        (device, None, limits.device_s), (device, meter, limits.device_s + limits.meter_s),
    ):  # fmt: skip
        hardware, _ = station(given, meter=read)
        assert hardware.winds_up_within_s == pytest.approx(within_s)
        hardware.close()
    device.position = HOME
    assert station(device)[0].winds_up_within_s == 0.0
    assert vehicle(Ports()).winds_up_within_s == 0.0


class Store:
    """Keeps contracts, each of them so slowly."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    async def store(self, contract: str) -> None:
        await asyncio.sleep(8.0)
        self.kept.append(contract)


async def test_a_vehicle_keeps_every_contract_that_it_was_given() -> None:
    store = Store()
    parts: Any = Parts(battery=Ports(), contracts=store)
    hardware = VehicleHardware(parts, replace(QUICK_PORTS, store_s=10.0), lambda event: None)
    for number, name in enumerate(("one", "two", "three"), 1):
        credential: Any = name
        hardware.do(act.StoreContract(credential))
        assert hardware.winds_up_within_s == 10.0 * number
    began = now()
    await hardware.wind_up()
    assert now() - began == pytest.approx(24.0, abs=SOON)
    assert (store.kept, hardware.winds_up_within_s) == (["one", "two", "three"], 0.0)
    hardware.close()


class Drive:
    """An inverter and a drive's lock in one; each call takes so long."""

    def __init__(self, **takes: float) -> None:
        self.takes, self.done = takes, list[Any]()

    async def follow(self, code: Any, set_point: Any) -> None:
        await asyncio.sleep(self.takes.get("follow", 0.0))
        self.done.append("code" if code is not None else "no code")

    async def immobilize(self, immobile: bool) -> bool:
        await asyncio.sleep(self.takes.get("immobilize", 0.0))
        self.done.append("locked" if immobile else "let go")
        return True


CODE, OVER_NOW = act.FollowGrid(european()), act.FollowGrid(None)
LOCK, LET_GO = act.Immobilize(True), act.Immobilize(False)


@pytest.mark.parametrize(
    ("actions", "takes", "within_s", "ends_s", "done"),
    [
        ([OVER_NOW], {"follow": 0.15}, 0.2, 0.15, ["no code"]),
        ([CODE, OVER_NOW], {"follow": 0.15}, 0.4, 0.3, ["code", "no code"]),
        ([LET_GO], {"immobilize": 4.0}, 5.0, 4.0, ["let go"]),
        ([LOCK, LET_GO], {"immobilize": 4.0}, 10.0, 8.0, ["locked", "let go"]),
        ([LET_GO, OVER_NOW], {"immobilize": 1.0, "follow": 0.1}, 5.0, 1.0, ["no code", "let go"]),
        ([LET_GO], {"immobilize": 100.0}, 5.0, 5.0, []),
        ([OVER_NOW], {"follow": 100.0}, 0.2, 0.2, []),
    ],
)
async def test_what_an_inverter_and_a_drive_are_told_at_the_end_is_waited_for(
    actions: list[act.HardwareAction],
    takes: dict[str, float],
    within_s: float,
    ends_s: float,
    done: list[str],
) -> None:
    """They were cut off: the inverter kept the station's grid code, and the drive its lock."""
    drive = Drive(**takes)
    parts: Any = Parts(battery=Ports(), charger=Ports(), inverter=drive, mobility=drive)
    hardware = VehicleHardware(parts, QUICK_PORTS, lambda event: None)
    for action in actions:
        hardware.do(action)
    assert hardware.winds_up_within_s == pytest.approx(within_s)
    began = now()
    await hardware.wind_up()
    assert now() - began == pytest.approx(ends_s, abs=0.06), "looked at as often as the hardware"
    assert hardware.winds_up_within_s == 0.0
    hardware.close()
    await asyncio.sleep(0)
    assert drive.done == done


@pytest.mark.parametrize(
    ("within_s", "takes_s", "ends_s"),
    [(0.0, 11.9, 11.9), (0.0, 100.0, 12.0), (10.0, 100.0, 12.0), (55.0, 50.0, 50.0), (55.0, 100.0, 57.0)],
)
async def test_the_end_of_a_session_waits_so_long_for_it_and_no_longer(
    within_s: float, takes_s: float, ends_s: float
) -> None:
    bench = Bench(plant=Plant(winding_s=takes_s, winds_up_within_s=within_s)).begin()
    bench.on(ev.StopRequested, ends=OVER)
    assert bench.driver.settles_within_s == 3.0 + 2.0 + max(12.0, within_s + 2.0)
    began = now()
    bench.driver.tell(ev.StopRequested("x"))
    result = await bench.result()
    assert now() - began == pytest.approx(ends_s, abs=SOON)
    assert result.safe
    assert bench.plant.done[-2:] == ["wind up", "close"]
