"""The calls of a connection device and of a drive's lock: what goes first, which wish counts in the end,
and what is said of a port that fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.ports.coupling_calls import DeviceCalls, MobilityCalls, coupled
from iso15118.aio.ports.inverter import InverterCalls
from iso15118.aio.ports.port_calls import Report
from iso15118.errors import HardwareError
from iso15118.session import events as ev
from iso15118.session.coupling import DevicePosition, VehiclePosition
from iso15118.session.der import GridCondition
from iso15118.session.wireless import ReceiverLimits
from tests.aio.parts import Parts
from tests.aio.test_settling import now

HOME, MOVING, DOWN = DevicePosition.HOME, DevicePosition.MOVING, DevicePosition.END_POSITION
SOON, LIMIT_S = 0.02, 0.5


class Played:
    """A port whose calls take so long, and then answer or raise."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.takes: dict[str, float] = {}
        self.answers: dict[str, Any] = {}
        self.position: Any = HOME
        self.present: Any = VehiclePosition()
        self.condition: Any = GridCondition()
        self.guided: list[Any] = []

    async def _call(self, name: str, said: Any) -> Any:
        self.made.append(said)
        answer = self.answers.get(name, True)
        await asyncio.sleep(self.takes.get(name, 0.0))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def connect(self) -> Any:
        return await self._call("connect", "connect")

    async def disconnect(self) -> Any:
        return await self._call("disconnect", "disconnect")

    async def immobilize(self, immobile: bool) -> Any:
        return await self._call("immobilize", immobile)

    async def follow(self, code: Any, set_point: Any) -> Any:
        return await self._call("follow", None if code is None else "code")

    def guide(self, position: VehiclePosition) -> None:
        self.guided.append(position)
        if isinstance(self.answers.get("guide"), Exception):
            raise self.answers["guide"]


class Bench:
    def __init__(self) -> None:
        self.port = Played()
        self.told: list[ev.Event] = []
        self.overs: list[float] = []
        self.report = Report(self.told.append, lambda: self.overs.append(now()), lambda call: False)
        self.loop = asyncio.get_running_loop()

    def device(self) -> DeviceCalls:
        return DeviceCalls(self.loop, self.port, self.port, self.report, LIMIT_S)

    def mobility(self) -> MobilityCalls:
        return MobilityCalls(self.loop, self.port, self.report, LIMIT_S)

    def inverter(self) -> InverterCalls:
        return InverterCalls(self.loop, self.port, self.report, LIMIT_S)  # type: ignore[arg-type]

    @property
    def faults(self) -> list[tuple[str, str]]:
        return [(one.port, one.reason) for one in self.told if isinstance(one, ev.HardwareFault)]


def busy(device: DeviceCalls) -> bool:
    """Asked each time anew, which a type checker would not."""
    return device.busy


# -- a connection device -------------------------------------------------------------------------------------


async def test_a_device_has_until_the_deadline_to_connect() -> None:
    bench = Bench()
    bench.port.takes["connect"] = 100.0
    device = bench.device()
    device.connect(now() + 3.0)
    await asyncio.sleep(3.0 - SOON)
    assert bench.faults == []
    await asyncio.sleep(2 * SOON)
    assert bench.faults == [("connection_device", "connection_device.connect did not answer within 3 s")]
    device.close()
    bench = Bench()
    bench.port.takes["connect"] = 100.0
    device = bench.device()
    device.connect(now() - 3.0)
    await asyncio.sleep(SOON)
    assert bench.faults == [("connection_device", "connection_device.connect did not answer within 0.001 s")]
    device.close()
    await asyncio.sleep(0)


@pytest.mark.parametrize("call", ["connect", "disconnect"])
@pytest.mark.parametrize("answer", [False, None, 1, OSError("bus")], ids=repr)
async def test_only_true_says_that_the_device_is_there(call: str, answer: Any) -> None:
    for said in (answer, True):
        bench = Bench()
        bench.port.answers[call] = said
        bench.port.position = DOWN
        device = bench.device()
        device.connect(now() + 1.0) if call == "connect" else device.disconnect()
        await asyncio.sleep(SOON)
        name = f"connection_device.{call}"
        if said is True:
            assert bench.told == [ev.ConnectionDeviceChanged(DOWN)], "where it is, is told at once"
            assert len(bench.overs) == 1
        elif isinstance(said, OSError):
            assert bench.faults == [("connection_device", f"{name} raised OSError: bus")]
        else:
            assert bench.faults == [("connection_device", f"{name} returned {said!r}, not True")]
        device.close()


async def test_retracting_cuts_a_connection_short_and_is_said_again_when_that_has_had_its_time() -> None:
    bench = Bench()
    bench.port.takes = {"connect": 100.0, "disconnect": 0.1}
    device = bench.device()
    device.connect(now() + 2.0)
    await asyncio.sleep(0.5)
    assert not busy(device)
    device.disconnect()
    device.disconnect()  # one is under way
    await asyncio.sleep(SOON)
    assert bench.port.made == ["connect", "disconnect"]
    assert busy(device)
    await asyncio.sleep(0.5)
    assert busy(device), "a thread of the connection may still move it"
    await asyncio.sleep(1.0)
    assert bench.port.made == ["connect", "disconnect", "disconnect"]
    await asyncio.sleep(0.2)
    assert not busy(device)
    assert bench.faults == []
    device.close()


async def test_a_device_that_was_asked_to_connect_anew_is_not_retracted_by_what_is_over() -> None:
    bench = Bench()
    bench.port.takes = {"connect": 100.0}
    device = bench.device()
    device.connect(now() + 2.0)
    await asyncio.sleep(0.5)
    device.disconnect()
    await asyncio.sleep(0.5)
    device.connect(now() + 60.0)
    await asyncio.sleep(10.0)
    assert bench.port.made == ["connect", "disconnect", "connect"]
    assert not busy(device)
    device.disconnect()
    await asyncio.sleep(SOON)
    assert bench.port.made[3:] == ["disconnect"]
    device.close()
    await asyncio.sleep(0)


async def test_connecting_drops_a_retraction_whose_answer_nobody_wants_any_more() -> None:
    bench = Bench()
    bench.port.takes["disconnect"] = 0.2
    bench.port.answers["disconnect"] = OSError("bus")
    device = bench.device()
    device.disconnect()
    assert busy(device)
    device.connect(now() + 1.0)
    assert not busy(device)
    await asyncio.sleep(1.0)
    assert bench.faults == []
    device.close()


async def test_a_retraction_has_its_limit_and_nobody_is_asked_after_the_end() -> None:
    bench = Bench()
    bench.port.takes["disconnect"] = 100.0
    device = bench.device()
    device.disconnect()
    await asyncio.sleep(LIMIT_S + SOON)
    assert bench.faults == [
        ("connection_device", f"connection_device.disconnect did not answer within {LIMIT_S:g} s")
    ]
    assert not busy(device)
    bench.port.takes["connect"] = 100.0
    device.connect(now() + 2.0)
    await asyncio.sleep(SOON)
    device.disconnect()
    made = len(bench.port.made)
    device.close()
    await asyncio.sleep(10.0)
    assert len(bench.port.made) == made


async def test_where_a_device_is_is_told_when_it_changes() -> None:
    bench = Bench()
    device = bench.device()
    seen = []
    for position in (HOME, HOME, MOVING, DOWN, DOWN):
        bench.port.position = position
        seen.append([one for one in device.look() if isinstance(one, ev.ConnectionDeviceChanged)])
        assert device.is_home is (position is HOME)
    change = ev.ConnectionDeviceChanged
    assert seen == [[change(HOME)], [], [change(MOVING)], [change(DOWN)], []]
    bench.port.position = "HOME"
    assert not device.is_home
    with pytest.raises(HardwareError, match=r"connection_device\.position is str, not DevicePosition"):
        device.look()
    device.close()


async def test_a_sensor_of_the_place_that_fails_is_a_fault_while_the_device_is_not_at_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = VehiclePosition(x_cm=1.0, in_position=True)
    for position, connects, fault in (
        (HOME, False, False), (HOME, True, True), (MOVING, False, True), (DOWN, False, True)
    ):  # fmt: skip
        bench = Bench()
        bench.port.takes["connect"] = 100.0
        bench.port.position, bench.port.present = position, place
        device = bench.device()
        assert ev.VehiclePositionMeasured(place) in device.look()
        if connects:
            device.connect(now() + 1.0)
        for broken in (None, VehiclePosition(x_cm=float("nan"))):
            bench.port.present = broken
            if fault:
                with pytest.raises(HardwareError, match=r"vehicle_position\.present"):
                    device.look()
            else:
                assert device.look() == []
                assert flush(60.0)
                assert "the place of the vehicle is not known: vehicle_position.present" in caplog.text
        device.close()
    await asyncio.sleep(0)


# -- a drive's lock ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fails", [False, True])
async def test_of_several_wishes_for_the_lock_the_newest_counts_though_the_one_before_fails(
    fails: bool,
) -> None:
    bench = Bench()
    bench.port.takes["immobilize"] = 0.1
    if fails:
        bench.port.answers["immobilize"] = OSError("bus")
    mobility = bench.mobility()
    for immobile in (False, False, True):
        mobility.immobilize(immobile)
    assert bench.port.made == [False], "one at a time"
    await asyncio.sleep(0.15)
    bench.port.answers.clear()
    await asyncio.sleep(0.3)
    assert bench.port.made == [False, True]
    assert bench.faults == [("mobility", "mobility.immobilize raised OSError: bus")] * (2 if fails else 0)
    mobility.close()


async def test_a_lock_that_does_not_answer_is_a_fault_and_a_newer_wish_is_tried() -> None:
    bench = Bench()
    bench.port.takes["immobilize"] = 100.0
    mobility = bench.mobility()
    mobility.immobilize(False)
    await asyncio.sleep(SOON)
    mobility.immobilize(True)
    mobility.immobilize(False)
    mobility.immobilize(True)
    bench.port.takes.clear()
    await asyncio.sleep(LIMIT_S + SOON)
    assert bench.faults == [("mobility", f"mobility.immobilize did not answer within {LIMIT_S:g} s")]
    assert bench.port.made == [False, True]
    assert len(bench.overs) == 1
    mobility.close()


async def test_what_a_drive_shows_is_told_when_it_changes() -> None:
    bench = Bench()
    mobility = bench.mobility()
    stands, held = ev.MobilityChanged(True, False), ev.MobilityChanged(True, True)
    seen = []
    for present in (stands, stands, held):
        bench.port.present = present
        seen.append(mobility.changed())
    assert seen == [[stands], [], [held]]
    for wrong in (None, ev.MobilityChanged(1, True)):  # type: ignore[arg-type]
        bench.port.present = wrong
        with pytest.raises(HardwareError, match=r"mobility\.present"):
            mobility.changed()
    mobility.close()


async def test_whoever_guides_the_vehicle_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    mobility, place = bench.mobility(), VehiclePosition(x_cm=3.0)
    mobility.guide(place)
    assert flush(60.0)
    assert (bench.port.guided, caplog.text) == ([place], "")
    bench.port.answers["guide"] = OSError("screen")
    mobility.guide(place)
    assert flush(60.0)
    assert "nobody is guided: mobility.guide raised OSError: screen" in caplog.text
    assert bench.told == []
    mobility.close()


def test_a_session_begins_with_what_the_drive_and_the_coil_show() -> None:
    port, limits = Played(), ReceiverLimits(maximum_power_w=3_000.0)
    port.present = ev.MobilityChanged(True, False)
    coil: Any = Parts(limits=limits)
    cases: list[tuple[Any, Any]] = [
        (Parts(), (None, None)),
        (Parts(mobility=port), (port.present, None)),
        (Parts(receiver=coil), (None, limits)),
        (Parts(mobility=port, receiver=coil), (port.present, limits)),
    ]
    for vehicle, expected in cases:
        assert coupled(vehicle) == expected
    coil.limits = None
    broken: Any = Parts(receiver=coil)
    with pytest.raises(HardwareError, match=r"receiver\.limits is NoneType, not ReceiverLimits"):
        coupled(broken)
