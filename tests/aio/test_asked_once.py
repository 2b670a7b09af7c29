"""A safe call that is under way is not made a second time for the same wish: a slow bus would be filled with
them. Only what happened since asks anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.aio.ports.guard import Port
from iso15118.aio.ports.hardware import SideHardware
from iso15118.aio.ports.station_hardware import StationHardware
from iso15118.aio.ports.vehicle_hardware import VehicleHardware
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.actions import Urgency
from tests.aio.parts import Parts
from tests.aio.site import QUICK_PORTS
from tests.aio.test_settling import Ports

EMERGENCY = Urgency.EMERGENCY


class Slow(Ports):
    """Every safe call takes until the test is over."""

    def __init__(self) -> None:
        super().__init__()
        self.stopping_s = 1.0
        self.on_open = lambda: 1.0

    async def set_ready(self, ready: bool) -> None:
        self.made.append(f"ready {ready}")
        await asyncio.sleep(1.0)


def station(ports: Slow) -> SideHardware:
    parts: Any = Parts(power=ports, contactors=ports, cable_check=ports, authorizer=ports)
    return StationHardware(parts, QUICK_PORTS, lambda event: None)


def vehicle(ports: Slow) -> SideHardware:
    ports.present = ev.AcMeasured()
    ports.limits = AcVehicleLimits.of(current_a=16.0)
    parts: Any = Parts(contactors=ports, charger=ports, battery=ports, signal=ports)
    return VehicleHardware(parts, QUICK_PORTS, lambda event: None)


CASES: list[tuple[Callable[[Slow], SideHardware], Callable[[Any], None], list[str]]] = [
    (station, lambda one: one.make_safe("button"), ["stop EMERGENCY", "open EMERGENCY: button"]),
    (station, lambda one: one.do(act.StopPower(EMERGENCY)), ["stop EMERGENCY"]),
    (station, lambda one: one.do(act.OpenContactors(EMERGENCY, "x")), ["open EMERGENCY: x"]),
    (
        vehicle,
        lambda one: one.make_safe("button"),
        ["stop EMERGENCY", "open EMERGENCY: button", "ready False"],
    ),
    (vehicle, lambda one: one.do(act.StopPower(EMERGENCY)), ["stop EMERGENCY"]),
    (vehicle, lambda one: one.do(act.OpenContactors(EMERGENCY, "x")), ["open EMERGENCY: x"]),
    (vehicle, lambda one: one.do(act.SignalReady(False)), ["ready False"]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].__name__} {'/'.join(case[2])}")
async def test_what_is_under_way_is_not_asked_for_again(case: Any) -> None:
    make, ask, made = case
    ports = Slow()
    hardware = make(ports)
    for _ in range(3):
        ask(hardware)
        await asyncio.sleep(0.02)
    assert ports.made == made
    hardware.close()


@pytest.mark.parametrize(("make", "made"), [(make, made) for make, _, made in CASES if len(made) > 1])
async def test_what_asks_anew_is_asked(make: Callable[[Slow], SideHardware], made: list[str]) -> None:
    ports = Slow()
    hardware = make(ports)
    hardware.make_safe("button")
    await asyncio.sleep(0.02)
    hardware.make_safe("button", anew=True)
    await asyncio.sleep(0.02)
    assert ports.made == made * 2
    hardware.close()


class Teller:
    """Answers with a future, of which nobody hears how it ends."""

    def tell(self) -> Any:
        return asyncio.get_running_loop().create_future()


async def test_a_future_is_an_answer_unless_it_has_to_be_done_at_once() -> None:
    port = Port(Teller(), "port")
    assert port.tell("tell") == ""
    assert "returned Future, for which nobody waits" in port.tell("tell", at_once=True)
