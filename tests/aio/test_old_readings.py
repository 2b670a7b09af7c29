"""Between sessions, and at the end of one: a reading that was measured too long ago shows nothing, whatever
it says; and a voltage is one with either sign."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from iso15118.aio.idle import IdleLook
from iso15118.aio.ports.hardware import SideHardware
from iso15118.aio.ports.present import NothingBelow, Present
from iso15118.aio.ports.station_hardware import StationHardware
from iso15118.aio.ports.vehicle_hardware import VehicleHardware
from iso15118.aio.service import ServiceState
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.supervision import IdleSupervisor, Rule, SupervisionLimits
from tests.aio.parts import Parts
from tests.aio.site import QUICK_PORTS, Plant, site
from tests.aio.test_service import until
from tests.aio.test_settling import Ports, now
from tests.evcc.station import battery

NONE = SupervisionLimits(off=(Rule.STALE_READINGS,))


class Sensor(Ports):
    """Everything in one, and what it shows is so old."""

    age_s: float | None = None

    def __init__(self, kind: type, **values: Any) -> None:
        super().__init__()
        self._kind, self._values = kind, values

    @property
    def present(self) -> Any:
        return self._kind(**self._values, at=None if self.age_s is None else now() - self.age_s)

    @present.setter
    def present(self, value: Any) -> None:
        pass


def output(sensor: Sensor, limits: SupervisionLimits) -> SideHardware:
    return _station(sensor, limits, power=sensor)


def outlet(sensor: Sensor, limits: SupervisionLimits) -> SideHardware:
    return _station(sensor, limits, ac=sensor)


def pad(sensor: Sensor, limits: SupervisionLimits) -> SideHardware:
    return _station(sensor, limits, pad=sensor)


def _station(sensor: Sensor, limits: SupervisionLimits, **more: Any) -> SideHardware:
    parts: Any = Parts(contactors=sensor, cable_check=sensor, authorizer=sensor, **more)
    return StationHardware(parts, QUICK_PORTS, lambda event: None, supervision=limits)


def inlet(sensor: Sensor, limits: SupervisionLimits) -> SideHardware:
    return _vehicle(sensor, limits, inlet=sensor)


def charger(sensor: Sensor, limits: SupervisionLimits) -> SideHardware:
    return _vehicle(sensor, limits, charger=sensor)


def receiver(sensor: Sensor, limits: SupervisionLimits) -> SideHardware:
    return _vehicle(sensor, limits, receiver=sensor)


def _vehicle(sensor: Sensor, limits: SupervisionLimits, **more: Any) -> SideHardware:
    parts: Any = Parts(contactors=sensor, battery=sensor, **more)
    return VehicleHardware(parts, QUICK_PORTS, lambda event: None, limits)


DIRECT = {"voltage_v": 0.0, "current_a": 0.0}
ALL = [
    pytest.param(output, "power", ev.PowerMeasured, DIRECT, id="output"),
    pytest.param(outlet, "ac", ev.AcMeasured, {}, id="outlet"),
    pytest.param(pad, "pad", ev.PadMeasured, {}, id="pad"),
    pytest.param(inlet, "inlet", ev.InletMeasured, DIRECT, id="inlet"),
    pytest.param(charger, "charger", ev.AcMeasured, {}, id="charger"),
    pytest.param(receiver, "receiver", ev.ReceiverMeasured, {}, id="coil"),
]


@pytest.mark.parametrize(("make", "port", "kind", "values"), ALL)
async def test_hardware_is_not_safe_by_an_old_reading(make: Any, port: str, kind: type, values: Any) -> None:
    for age_s, limits, words in (
        (None, SupervisionLimits(), ""),
        (0.9, SupervisionLimits(), ""),
        (1.1, SupervisionLimits(), f"{port}.present was 1.1 s old, more than supervision.stale_s (1 s)"),
        (60.0, SupervisionLimits(), f"{port}.present was 60.0 s old, more than supervision.stale_s (1 s)"),
        (
            7200.0,
            SupervisionLimits(),
            f"{port}.present was 7200.0 s old, more than supervision.stale_s (1 s); "
            "if its sensor works, the time is of another clock than loop.time()",
        ),
        (60.0, SupervisionLimits(stale_s=None), ""),
        (60.0, NONE, ""),
        (-0.4, SupervisionLimits(), ""),
        (-100.0, SupervisionLimits(), f"{port}.present.at is 100.0 s ahead of the event loop's clock"),
    ):
        sensor = Sensor(kind, **values)
        hardware = make(sensor, limits)
        sensor.age_s = age_s
        hardware.make_safe("test")
        await asyncio.sleep(0.1)
        assert words in hardware.why_unsafe()
        assert hardware.safe is (words == "")
        assert (hardware.present()[0] is None) is (words != "")
        hardware.close()


@pytest.mark.parametrize(("age_s", "another"), [(600.0, False), (600.5, True)])
async def test_of_a_clock_is_spoken_beyond_ten_minutes_only(age_s: float, another: bool) -> None:
    """Of the age, and not of the time."""
    sensor = Sensor(ev.PowerMeasured, **DIRECT)
    hardware = output(sensor, SupervisionLimits())
    loop = asyncio.get_running_loop()
    loop.time = lambda: 2048.0  # type: ignore[method-assign]
    try:
        sensor.age_s = age_s
        assert hardware.present()[0] is None
    finally:
        del loop.time
    assert ("of another clock" in hardware.unreadable) is another
    hardware.close()


def test_where_nothing_is_there_nothing_flows() -> None:
    nothing = NothingBelow(direct_a=0.5, alternating_a=0.5, coil_w=0.5)
    assert Present().flows(nothing) == ""
    assert Present(alternating_a=0.5).flows(nothing) == "0 A flow"


async def test_the_age_is_told_once_and_anew_when_it_was_young_again() -> None:
    sensor = Sensor(ev.PowerMeasured, **DIRECT)
    hardware = output(sensor, SupervisionLimits())
    for age_s, words in ((2.0, "2.0 s"), (3.0, "2.0 s"), (0.0, ""), (4.0, "4.0 s")):
        sensor.age_s = age_s
        assert (hardware.present()[0] is None) is (words != "")
        assert words == "" or words in hardware.unreadable
    hardware.close()


async def test_between_sessions_it_is_trouble_until_there_is_a_young_one() -> None:
    sensor = Sensor(ev.PowerMeasured, **DIRECT)
    found: list[str] = []
    look = IdleLook(
        lambda tell: output(sensor, SupervisionLimits()), IdleSupervisor(SupervisionLimits()), found.append
    )
    sensor.age_s = 60.0
    look.start()
    await asyncio.sleep(1.5)
    sensor.age_s = 70.0
    await asyncio.sleep(1.5)
    assert len(found) == 1
    assert "stale-readings: power.present was 60.0 s old" in look.trouble
    assert "stop EMERGENCY" in sensor.made
    sensor.age_s = None
    await asyncio.sleep(1.0)
    assert found[1:] == [""]
    look.stop()
    await asyncio.sleep(0)


async def test_a_station_whose_sensor_hangs_is_out_of_service() -> None:
    plant = Plant()
    async with site(plant) as here:
        await here.charge()
        measured: Any = plant.station
        measure, hung_at = measured.measure, now() - 60.0
        measured.measure = lambda time: ev.PowerMeasured(0.0, 0.0, at=hung_at)
        await until(lambda: here.server.state is ServiceState.OUT_OF_SERVICE)
        assert "stale-readings" in here.server.out_of_service_because
        await until(lambda: "stale-readings" in here.server.heartbeat.reason)
        measured.measure = measure
        await until(lambda: here.server.state is ServiceState.AVAILABLE)
        await here.charge()


async def test_the_time_of_a_battery_is_of_the_clock_of_the_loop() -> None:
    sensor = Sensor(ev.InletMeasured, **DIRECT)
    hardware: Any = inlet(sensor, SupervisionLimits())
    sensor.state = battery(at=now() + 0.4)
    assert not any(isinstance(one, ev.HardwareFault) for one in hardware.measure(now()))
    sensor.state = battery(at=now() + 100.0)
    faults = [one for one in hardware.measure(now()) if isinstance(one, ev.HardwareFault)]
    assert [one.port for one in faults] == ["battery"]
    assert "battery.state.at is 100.0 s ahead" in faults[0].reason
    hardware.close()


@pytest.mark.parametrize(
    ("volts", "found"), [(60.0, False), (-60.0, False), (60.1, True), (-60.1, True), (-800.0, True)]
)
def test_a_voltage_between_sessions_is_one_with_either_sign(volts: float, found: bool) -> None:
    supervisor = IdleSupervisor(SupervisionLimits())
    seen = [supervisor.look(ev.PowerMeasured(volts, 0.0), False, 0.5 * turn) for turn in range(12)][-1]
    assert (seen is not None) is found
    if seen is not None:
        assert (seen.rule, seen.value) == (Rule.VOLTAGE_AFTER_END, abs(volts))


async def test_of_several_sides_the_oldest_reading_says_how_old_they_are() -> None:
    """It is what the heartbeat goes by: one sensor that hangs is not made up for by another one."""
    direct, alternating = Sensor(ev.PowerMeasured, voltage_v=0.0, current_a=0.0), Sensor(ev.AcMeasured)
    parts: Any = Parts(contactors=direct, cable_check=direct, authorizer=direct, power=direct, ac=alternating)
    hardware = StationHardware(parts, QUICK_PORTS, lambda event: None)
    for old, other in ((direct, alternating), (alternating, direct)):
        old.age_s, other.age_s = 0.75, None
        began = now()
        hardware.measure(began)
        assert hardware.measured_at == pytest.approx(began - 0.75, abs=0.05)
        await asyncio.sleep(0.01)
    direct.age_s = alternating.age_s = None
    began = now()
    hardware.measure(began)
    assert hardware.measured_at == began
    hardware.close()


@pytest.mark.parametrize(
    ("direct_a", "outlet_a", "limits", "why", "between"),
    [
        (0.0, 0.0, {}, False, False),
        (4.9, 0.9, {}, False, False),
        (-4.9, 0.0, {}, False, False),
        (0.0, 1.1, {}, True, True),
        (5.1, 0.0, {}, True, True),
        (200.0, 0.0, {"ac_no_current_a": None}, True, True),
        (-15.0, 0.0, {"ac_no_current_a": 16.0}, True, True),
        (0.0, 15.0, {"ac_no_current_a": 16.0}, False, False),
        (0.0, 15.0, {"ac_no_current_a": None}, True, False),
        (15.0, 0.5, {"no_current_a": None}, True, False),
        (15.0, 0.5, {"no_current_a": 16.0}, False, False),
        (3.0, 0.0, {"no_current_a": 2.0}, False, True),
    ],
)
async def test_of_several_sides_each_has_its_own_none(
    direct_a: float, outlet_a: float, limits: dict[str, Any], why: bool, between: bool
) -> None:
    """A sensor of thousands of amperes shows some where none flow; at an outlet that is a load. So no figure
    of one side says anything of the other. Between sessions a figure of None switches its side off."""
    direct = Sensor(ev.PowerMeasured, voltage_v=0.0, current_a=direct_a)
    alternating = Sensor(ev.AcMeasured, current_a=(outlet_a, 0.0, 0.0))
    alternating.limits = AcStationLimits.of(current_a=16.0)
    parts: Any = Parts(contactors=direct, cable_check=direct, authorizer=direct, power=direct, ac=alternating)
    supervision = SupervisionLimits(**limits)
    hardware = StationHardware(parts, QUICK_PORTS, lambda event: None, supervision=supervision)
    hardware.make_safe("test")
    await asyncio.sleep(0.1)
    assert hardware.safe is not why
    hardware.close()
    found: list[str] = []
    look = IdleLook(
        lambda tell: StationHardware(parts, QUICK_PORTS, tell, supervision=supervision),
        IdleSupervisor(supervision),
        found.append,
    )
    look.start()
    await asyncio.sleep(2.5)
    assert bool(found) is between
    look.stop()
    await asyncio.sleep(0)
