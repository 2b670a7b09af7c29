"""A station's hardware in its details: a cable check that is begun again, a pad whose stop is not enough,
what a reading of another kind says of a voltage, and supplies of which nobody knows what they can."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from iso15118.aio.ports.present import Present
from iso15118.errors import HardwareError
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Urgency
from iso15118.session.supervision import IdleSupervisor, Rule, SupervisionLimits
from tests.aio.test_power_kinds import Kind, Side
from tests.aio.test_settling import Ports, now
from tests.aio.test_sides import station
from tests.secc.vehicle import STATION

SOON = 0.02


class Checks:
    """A cable check; each run takes the next of these times."""

    def __init__(self, *takes: float) -> None:
        self.takes = list(takes)
        self.made: list[tuple[float, float]] = []
        self.cancelled = 0

    async def run(self, voltage_v: float, insulation_ohm: float) -> bool:
        self.made.append((voltage_v, insulation_ohm))
        try:
            await asyncio.sleep(self.takes.pop(0))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return True


async def test_a_cable_check_that_is_begun_again_answers_once_with_its_own_number() -> None:
    told: list[ev.Event] = []
    checks = Checks(100.0, 0.1)
    hardware = station(Ports(), told, cable=checks)
    hardware.do(act.StartCableCheck(500.0, now() + 5.0, 100e3, 1))
    await asyncio.sleep(SOON)
    hardware.do(act.StartCableCheck(900.0, now() + 5.0, 90e3, 2))
    await asyncio.sleep(1.0)
    assert checks.made == [(500.0, 100e3), (900.0, 90e3)]
    assert checks.cancelled == 1
    assert told == [ev.CableCheckFinished(True, "", 2)]
    hardware.close()
    await asyncio.sleep(0)


@pytest.mark.parametrize("late_s", [0.0, 3.0])
async def test_a_cable_check_without_time_is_a_fault_at_once(late_s: float) -> None:
    told: list[ev.Event] = []
    hardware = station(Ports(), told, cable=Checks(100.0))
    hardware.do(act.StartCableCheck(500.0, now() - late_s, 100e3))
    await asyncio.sleep(SOON)
    assert told == [ev.HardwareFault("cable check", "cable_check.run did not answer within 0.001 s")]
    hardware.close()
    await asyncio.sleep(0)


class Coil(Kind):
    """A pad or a coil that notes the power that it is to have."""

    async def set_power(self, *values: Any) -> None:
        self.made.append(f"set {values[0]:g}")


def over_a_gap(kind: str) -> tuple[Side, Coil]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.aio.test_power_kinds.Kind", Coil)
        side = Side(kind)
    port: Any = side.kinds[kind]
    return side, port


@pytest.mark.parametrize("kind", ["pad", "receiver"])
async def test_a_stop_over_a_gap_that_fails_or_is_not_enough_is_followed_by_0_w(kind: str) -> None:
    side, port = over_a_gap(kind)
    side.hardware.do(act.StopPower(Urgency.ORDERLY))
    await asyncio.sleep(SOON)
    assert port.made == ["ORDERLY", "set 0"], "it was stopped before the session began"
    side.hardware.do(act.SetPad(100.0) if kind == "pad" else act.SetReceiver(100.0))
    await asyncio.sleep(SOON)
    port.made.clear()
    side.hardware.do(act.StopPower(Urgency.ORDERLY))
    await asyncio.sleep(SOON)
    assert port.made == ["ORDERLY"]
    side.hardware.do(act.StopPower(Urgency.EMERGENCY))
    await asyncio.sleep(SOON)
    assert port.made == ["ORDERLY", "EMERGENCY", "set 0"], "no contactor stands behind it"
    await side.over()
    side, port = over_a_gap(kind)
    side.hardware.do(act.SetPad(100.0) if kind == "pad" else act.SetReceiver(100.0))
    await asyncio.sleep(SOON)
    port.made.clear()
    port.fails = OSError("bus")
    side.hardware.do(act.StopPower(Urgency.EMERGENCY))
    await asyncio.sleep(SOON)
    assert port.made == ["EMERGENCY", "set 0"]
    await side.over()


@pytest.mark.parametrize("kind", ["ac", "pad", "charger", "receiver"])
async def test_what_is_no_direct_current_says_nothing_of_a_voltage(kind: str) -> None:
    side = Side(kind)
    port: Any = side.kinds[kind]
    if kind in ("ac", "charger"):
        port.present = ev.AcMeasured(voltage_v=(230.0, 230.0, 230.0), current_a=(0.1, 0.2, 0.3), at=5.0)
        shown = Present(alternating_a=0.3)
    else:
        measured: Any = ev.PadMeasured if kind == "pad" else ev.ReceiverMeasured
        port.present = measured(power_w=15.0, at=5.0)
        shown = Present(coil_w=15.0)
    assert side.hardware.present() == (shown, False)
    await side.over()


@pytest.mark.parametrize(
    ("direct_a", "outlet_a", "flows"),
    [
        (-7.5, 0.0, "-8 A flow"),
        (-7.5, 9.0, "-8 A flow"),
        (-4.9, 9.0, "9 A flow"),
        (-4.9, 0.0, ""),  # none of direct current, which is something on an outlet
        (-4.9, 0.9, ""),
    ],
)
async def test_what_flows_through_an_outlet_hides_nothing_of_the_output(
    direct_a: float, outlet_a: float, flows: str
) -> None:
    for kinds, measured in ((("power", "ac"), ev.PowerMeasured), (("inlet", "charger"), ev.InletMeasured)):
        side = Side(*kinds)
        direct: Any = side.kinds[kinds[0]]
        direct.present = measured(400.0, direct_a, 7.0)
        side.kinds[kinds[1]].show(outlet_a, 8.0)
        shown = side.hardware.present()[0]
        assert shown == Present(direct.present, outlet_a)
        assert side.hardware.flows(shown) == flows
        await side.over()


async def test_between_sessions_a_voltage_is_found_though_an_outlet_shows_more_current() -> None:
    side = Side("power", "ac")
    side.kinds["power"].present = ev.PowerMeasured(400.0, 0.0)
    side.kinds["ac"].show(0.2)
    idle = IdleSupervisor(SupervisionLimits())
    found = None
    for at in (0.0, 2.5, 5.0):
        shown, closed = side.hardware.present()
        found = idle.look(shown.direct, closed, at, alternating_a=shown.alternating_a)
    assert found is not None
    assert found.rule is Rule.VOLTAGE_AFTER_END
    await side.over()


async def test_a_supply_that_never_said_what_it_can_has_no_limits_in_force() -> None:
    side = Side("power")
    side.kinds["power"].limits = None
    for read in (side.hardware.limits, side.hardware._in_force):
        with pytest.raises(HardwareError, match=r"power\.limits"):
            read()
    side.kinds["power"].limits = STATION
    assert side.hardware.limits() == STATION
    assert side.hardware.managed(ev.LimitsChanged(STATION)) == ev.LimitsChanged(STATION)
    await side.over()
