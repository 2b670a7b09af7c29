"""Hardware as it is: levels that follow late or bounce, and sensors with an offset. None of that ends
charging or spoils a result.

What lasts for longer does, within the time that is set for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from iso15118.aio import PortLimits, SessionResult
from iso15118.aio.ports.station_hardware import StationHardware
from iso15118.session.actions import EndReason
from iso15118.session.events import EmergencyShutdown, InletMeasured, PowerMeasured
from iso15118.session.supervision import SupervisionLimits

from .parts import Parts
from .site import QUICK_PORTS, Plant, Site, evcc_config, secc_config, site
from .test_settling import Ports

R = EndReason
LIMITS = msgspec.structs.replace(QUICK_PORTS, contactors_s=3.0, look_s=0.05, feedback_s=0.5)


class Shown:
    """A port of which one attribute shows something else than the hardware does."""

    def __init__(self, real: Any, name: str, show: Callable[[Any, float], Any]) -> None:
        self._real, self._name, self._show = real, name, show

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._real, name)
        return self._show(value, asyncio.get_running_loop().time()) if name == self._name else value


class Level:
    """What the feedback makes of a level: ``late`` s after it, and wrong from ``bounces`` s
    after it for ``bounce_s``."""

    def __init__(self, *, late: float = 0.0, bounces: float = 0.0, bounce_s: float = 0.0) -> None:
        self.late, self.bounces, self.bounce_s = late, bounces, bounce_s
        self.level, self.since = False, -100.0

    def __call__(self, closed: bool, now: float) -> bool:
        if closed is not self.level:
            self.level, self.since = closed, now
        age = now - self.since
        wrong = age < self.late or self.bounces < age < self.bounces + self.bounce_s
        return not closed if wrong else closed


def of(plant: Plant, role: str, port: str, show: tuple[str, Callable[[Any, float], Any]]) -> dict[str, Any]:
    """The ports of both sides, one of them replaced."""
    sides: dict[str, Any] = {"secc": plant.secc, "evcc": plant.evcc}
    real = getattr(sides[role], port)
    sides[role] = replace(sides[role], **{port: Shown(real, *show)})
    return sides


async def charge(here: Site, sides: dict[str, Any]) -> SessionResult:
    return await here.charge(60, vehicle=sides["evcc"], port_limits=LIMITS)


@pytest.mark.parametrize("role", ["secc", "evcc"])
@pytest.mark.parametrize(
    "level",
    [
        pytest.param({"late": 0.4}, id="late"),
        pytest.param({"bounces": 0.2, "bounce_s": 0.06}, id="bounces"),
    ],
)
async def test_a_level_that_is_late_or_bounces_ends_no_session(role: str, level: dict[str, float]) -> None:
    plant = Plant(time_scale=1.0)
    sides = of(plant, role, "contactors", ("closed", Level(**level)))
    async with site(plant, station=sides["secc"], port_limits=LIMITS) as here:
        assert (await charge(here, sides)).safe


async def test_contactors_that_stay_closed_are_told_when_their_feedback_has_had_its_time() -> None:
    plant = Plant(time_scale=1.0)
    sides = of(plant, "secc", "contactors", ("closed", Level(late=30.0)))
    # They never show themselves closed: the vehicle is not served.
    async with site(plant, station=sides["secc"], port_limits=LIMITS) as here:
        mine = await here.client(port_limits=LIMITS).run()
        theirs = await here.server.wait_finished(1)
        assert theirs.ended.reason is R.CONTACTOR_FAILED
        assert mine.ended.reason is not R.STOPPED_BY_EV


def offset(amperes: float) -> Callable[[Any, float], Any]:
    def show(value: PowerMeasured | InletMeasured, now: float) -> PowerMeasured | InletMeasured:
        return type(value)(value.voltage_v, value.current_a + amperes)

    return show


@pytest.mark.parametrize("amperes", [4.0, -4.0])
async def test_an_offset_that_a_sensor_of_3000_a_has_ends_no_session(amperes: float) -> None:
    plant = Plant()
    sides = of(plant, "secc", "power", ("present", offset(amperes)))
    async with site(plant, station=sides["secc"]) as here:
        assert (await here.charge(20)).safe


@pytest.mark.parametrize(("role", "port"), [("secc", "power"), ("evcc", "inlet")])
async def test_what_the_supervision_takes_for_no_current_is_none_for_the_result_too(
    role: str, port: str
) -> None:
    plant = Plant()
    sides = of(plant, role, port, ("present", offset(7.0)))
    at = SupervisionLimits(no_current_a=10.0, reverse_current_a=10.0, cable_check_a=10.0)
    async with site(plant, config=secc_config(supervision=at), station=sides["secc"]) as here:
        await here.charge(20, vehicle=sides["evcc"], config=evcc_config(supervision=at))


@pytest.mark.parametrize(("role", "port"), [("secc", "power"), ("evcc", "inlet")])
async def test_a_reading_with_the_time_of_another_clock_is_a_fault_by_name(role: str, port: str) -> None:
    """Seconds since 1970 would never be too old, whatever becomes of the sensor."""

    def show(value: PowerMeasured | InletMeasured, now: float) -> PowerMeasured | InletMeasured:
        if not plant.station.outlet.closed:
            return value  # between sessions it would keep a station out of service
        return type(value)(value.voltage_v, value.current_a, 1.76e9)

    plant = Plant()
    sides = of(plant, role, port, ("present", show))
    async with site(plant, station=sides["secc"]) as here:
        mine = await here.client(vehicle=sides["evcc"]).run()
        theirs = await here.server.wait_finished(1)
        bad = mine if role == "evcc" else theirs
        assert bad.ended.reason is R.HARDWARE_FAULT
        assert f"{port}.present.at" in bad.ended.detail


async def test_the_heartbeat_stops_while_contactors_are_closed_though_they_were_told_to_open_and_that_hangs() -> (
    None
):
    """Whatever time the port is given: ``supervision.contactor_s`` counts."""

    class Hangs(Ports):
        async def open(self, urgency: Any, reason: str) -> None:
            await asyncio.sleep(1e6)

    ports = Hangs()
    ports.closed = True
    supervision = SupervisionLimits(contactor_s=1.0)
    parts: Any = Parts(power=ports, contactors=ports, authorizer=ports)
    limits = PortLimits(contactors_s=60.0)
    hardware = StationHardware(parts, limits, lambda event: None, supervision=supervision)
    clock = asyncio.get_running_loop().time
    hardware.start()
    hardware.make_safe("the button")
    await asyncio.sleep(0.9)
    hardware.measure(clock())
    assert hardware.trouble == ""
    await asyncio.sleep(0.2)
    hardware.measure(clock())
    assert hardware.trouble == "the contactors were told to open 1 s ago, and are closed"
    ports.closed = False
    hardware.measure(clock() + 1.0)
    assert hardware.trouble == ""
    hardware.close()
    off = SupervisionLimits(contactor_s=None)
    ports.closed = True
    hardware = StationHardware(parts, limits, lambda event: None, supervision=off)
    hardware.start()
    await asyncio.sleep(10.0)
    assert hardware.trouble == ""
    hardware.close()
    await asyncio.sleep(0)


async def test_the_heartbeat_stops_while_contactors_that_were_opened_are_closed() -> None:
    plant = Plant(time_scale=1.0)
    welded = False
    sides = of(plant, "secc", "contactors", ("closed", lambda closed, now: closed or welded))
    async with site(plant, station=sides["secc"], port_limits=LIMITS) as here:
        running = asyncio.create_task(here.client(port_limits=LIMITS).run())
        while not plant.station.outlet.closed:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)
        await asyncio.sleep(1.0)
        assert not here.server.heartbeat.reason
        welded = True
        here.server.tell(EmergencyShutdown("the button"))
        await asyncio.sleep(1.0)
        assert "contactors" in here.server.heartbeat.reason
        welded = False
        await running
        await here.server.wait_finished(1)
