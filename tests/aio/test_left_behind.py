"""Calls that energise and do not end with their session: while one hangs nobody begins on that hardware, and
what makes it safe when it has ended is asked by whoever has the hardware then, current first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.aio.idle import IdleLook
from iso15118.aio.ports.hardware import SideHardware
from iso15118.aio.ports.station_hardware import StationHardware
from iso15118.aio.ports.vehicle_hardware import VehicleHardware
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Urgency
from iso15118.session.supervision import IdleSupervisor, SupervisionLimits
from tests.aio.parts import Parts
from tests.aio.site import QUICK_PORTS
from tests.aio.test_settling import Ports, now

POWER = act.SetPower(400.0, 10.0, 4e3)
MAY = "of an earlier session has not ended, and may still have an effect"


class Stubborn(Ports):
    """One method ends when the test says so, whoever cancels it."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self.method = method
        self.over = asyncio.Event()

    async def _maybe(self, method: str) -> None:
        until = now() + 30.0
        while method == self.method and not self.over.is_set() and now() < until:
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                continue

    async def close(self) -> bool:
        await self._maybe("close")
        return False

    async def set_power(self, *values: Any) -> None:
        if values != (0.0,):
            await self._maybe("set_power")

    async def pre_charge(self, voltage_v: float, current_a: float) -> None:
        await self._maybe("pre_charge")

    async def run(self, voltage_v: float, insulation_ohm: float) -> bool:
        await self._maybe("run")
        return True

    async def set_ready(self, ready: bool) -> None:
        self.made.append(f"ready {ready}")
        if ready:
            await self._maybe("set_ready")


Make = Callable[[list[ev.Event]], SideHardware]


def station(ports: Ports) -> Make:
    parts: Any = Parts(power=ports, contactors=ports, cable_check=ports, authorizer=ports)
    return lambda told: StationHardware(parts, QUICK_PORTS, told.append)


def vehicle(ports: Ports) -> Make:
    ports.present = ev.InletMeasured(0.0, 0.0)
    parts: Any = Parts(contactors=ports, inlet=ports, battery=ports, signal=ports)
    return lambda told: VehicleHardware(parts, QUICK_PORTS, told.append)


def cable_check() -> act.StartCableCheck:
    return act.StartCableCheck(500.0, now() + 0.2)


def closing() -> act.CloseContactors:
    return act.CloseContactors(now() + 0.2)


CASES: list[tuple[Callable[[Ports], Make], str, str, Callable[[], Any]]] = [
    (station, "contactors.close", "close", closing),
    (station, "power.set_power", "set_power", lambda: POWER),
    (station, "power.pre_charge", "pre_charge", lambda: act.PreCharge(400.0, 2.0)),
    (station, "cable_check.run", "run", cable_check),
    (vehicle, "contactors.close", "close", closing),
    (vehicle, "signal.set_ready", "set_ready", lambda: act.SignalReady(True)),
]


async def left(make: Make, action: Any, told: list[ev.Event] | None = None) -> SideHardware:
    """A session asked for this and is over, its hardware given up."""
    hardware = make([] if told is None else told)
    hardware.do(action)  # type: ignore[attr-defined]
    await asyncio.sleep(0.01)
    hardware.make_safe("test")
    assert not await hardware.settle()
    hardware.close()
    await asyncio.sleep(0.5)
    return hardware


def safe_calls(role: Callable[[Ports], Make], reason: str) -> list[str]:
    opens = f"open EMERGENCY: {reason}"
    return ["stop EMERGENCY", opens] if role is station else [opens, "ready False"]


@pytest.mark.parametrize(("role", "name", "method", "action"), CASES)
async def test_whoever_has_the_hardware_makes_it_safe_when_the_call_has_ended(
    role: Callable[[Ports], Make], name: str, method: str, action: Callable[[], Any]
) -> None:
    ports = Stubborn(method)
    await left(role(ports), action())
    heir = role(ports)([])
    assert heir.left_behind == f"{name} {MAY}"
    heir.make_safe("between sessions")
    await asyncio.sleep(0.1)
    assert heir.why_unsafe() == f"{name} {MAY}"
    assert not await heir.settle()
    ports.made.clear()
    ports.over.set()
    await asyncio.sleep(0.01)
    assert ports.made == safe_calls(role, f"{name} of an earlier session ended only now")
    assert heir.left_behind == ""
    assert heir.safe
    heir.close()
    await asyncio.sleep(0.0)


@pytest.mark.parametrize(("role", "name", "method", "action"), CASES)
async def test_a_session_that_begins_meanwhile_hears_of_it_first(
    role: Callable[[Ports], Make], name: str, method: str, action: Callable[[], Any]
) -> None:
    ports = Stubborn(method)
    await left(role(ports), action())
    told: list[ev.Event] = []
    hardware: Any = role(ports)(told)
    fault = ev.HardwareFault(name.split(".")[0], f"{name} {MAY}")
    assert hardware.start() == (fault,)
    assert hardware.faults == [fault]
    # Whoever does not care and goes on has the fault when it ends, and current to zero before all.
    hardware.do(POWER)
    await asyncio.sleep(0.01)
    ports.made.clear()
    ports.over.set()
    await asyncio.sleep(0.01)
    reason = f"{name} of an earlier session ended only now"
    assert (
        ports.made[: 2 if role is station else 1] == safe_calls(role, reason)[: 2 if role is station else 1]
    )
    if role is station:
        assert ev.HardwareFault(name.split(".")[0], reason) in told
    hardware.close()
    await asyncio.sleep(0.0)


@pytest.mark.parametrize(("role", "name", "method", "action"), CASES)
async def test_where_nobody_has_it_the_one_who_left_it_makes_it_safe(
    role: Callable[[Ports], Make], name: str, method: str, action: Callable[[], Any]
) -> None:
    """As with a vehicle that nobody looks after between its sessions."""
    ports = Stubborn(method)
    gone = await left(role(ports), action())
    ports.made.clear()
    ports.over.set()
    await asyncio.sleep(0.01)
    assert ports.made == safe_calls(role, f"{name} of an earlier session ended only now")
    await asyncio.sleep(1.0)
    assert len(asyncio.all_tasks()) == 1
    assert gone.left_behind == ""


@pytest.mark.parametrize("safe_first", [False, True])
async def test_of_several_who_have_it_the_last_one_does(safe_first: bool) -> None:
    """A caretaker that has told it to be safe hears of no fault: there is no session to end."""
    ports = Stubborn("close")
    await left(station(ports), closing())
    told: list[list[ev.Event]] = [[], [], []]
    holds = [station(ports)(one) for one in told]
    assert [hold.faults for hold in holds] == [[]] * 3
    if safe_first:
        holds[-1].make_safe("between sessions")
        await asyncio.sleep(0.1)
    made: list[int] = []
    for number, hold in enumerate(holds):
        make_safe = hold.make_safe

        def noted(*values: Any, number: int = number, make: Any = make_safe, **more: Any) -> None:
            made.append(number)
            make(*values, **more)

        hold.make_safe = noted  # type: ignore[method-assign]
    ports.over.set()
    await asyncio.sleep(0.01)
    assert made == [2]
    faults = [one for one in told[2] if isinstance(one, ev.HardwareFault)]
    assert faults == [], "nothing was asked of it in a session"
    for hold in holds:
        hold.close()
    await asyncio.sleep(0.0)


async def test_another_connector_is_not_concerned() -> None:
    """Though it has the same terminal and the same insulation monitor."""
    ports, others = Stubborn("close"), Ports()
    await left(station(ports), closing())
    parts: Any = Parts(power=others, contactors=others, cable_check=ports, authorizer=ports)
    beside = StationHardware(parts, QUICK_PORTS, lambda event: None)
    assert (beside.left_behind, beside.start()) == ("", ())
    ports.over.set()
    await asyncio.sleep(0.01)
    assert others.made == []
    beside.close()
    await asyncio.sleep(0.0)


async def test_stops_that_are_under_way_are_made_again() -> None:
    """They began before the call ended, and may have been undone by it."""
    ports = Stubborn("close")
    await left(station(ports), closing())
    heir = station(ports)([])
    ports.stopping_s, ports.on_open = 0.1, lambda: 0.1
    heir.make_safe("between sessions")
    ports.made.clear()
    ports.over.set()
    await asyncio.sleep(0.01)
    assert [call.split(":")[0] for call in ports.made] == ["stop EMERGENCY", "open EMERGENCY"]
    await asyncio.sleep(0.2)
    heir.close()
    await asyncio.sleep(0.0)


@pytest.mark.parametrize("kind", ["ac", "pad", "charger", "receiver"])
async def test_power_of_other_kinds_is_no_exception(kind: str) -> None:
    ports = Stubborn("set_power")
    bounds: Any = object()
    actions = {
        "ac": act.SetAcPower(bounds),
        "pad": act.SetPad(100.0),
        "charger": act.SetCharger(bounds),
        "receiver": act.SetReceiver(100.0),
    }
    side: Any = {
        "ac": lambda: StationHardware(
            Parts(ac=ports, contactors=ports, authorizer=ports),  # type: ignore[arg-type]
            QUICK_PORTS,
            lambda event: None,
        ),
        "pad": lambda: StationHardware(
            Parts(pad=ports, authorizer=ports),  # type: ignore[arg-type]
            QUICK_PORTS,
            lambda event: None,
        ),
        "charger": lambda: VehicleHardware(
            Parts(charger=ports, battery=ports),  # type: ignore[arg-type]
            QUICK_PORTS,
            lambda event: None,
        ),
        "receiver": lambda: VehicleHardware(
            Parts(receiver=ports, battery=ports),  # type: ignore[arg-type]
            QUICK_PORTS,
            lambda event: None,
        ),
    }[kind]
    await left(lambda told: side(), actions[kind])
    heir = side()
    assert heir.left_behind == f"{kind}.set_power {MAY}"
    ports.made.clear()
    ports.over.set()
    await asyncio.sleep(0.01)
    assert ports.made[0] == f"stop {Urgency.EMERGENCY.name}"
    assert heir.left_behind == ""
    heir.close()
    await asyncio.sleep(0.2)


async def test_between_sessions_the_connector_is_out_of_service_as_long() -> None:
    """Also where whoever looks has just begun, as a server that was opened again."""
    ports = Stubborn("close")
    make = station(ports)
    await left(make, closing())
    found: list[str] = []
    look = IdleLook(lambda tell: make([]), IdleSupervisor(SupervisionLimits()), found.append)
    look.start()
    await asyncio.sleep(3.0)
    assert found == [f"contactors.close {MAY}"]
    ports.over.set()
    await asyncio.sleep(1.0)
    assert found[1:] == [""]
    look.stop()
    await asyncio.sleep(0.0)
