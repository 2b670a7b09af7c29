"""Hardware that gives or takes power in another way than by direct current, or in several ways:
an AC outlet, a pad, an on-board charger, a coil.

Each is measured, stopped and waited for, whatever the others show.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from iso15118.aio.ports.station_hardware import StationHardware
from iso15118.aio.ports.vehicle_hardware import VehicleHardware
from iso15118.energy.ac import NOTHING
from iso15118.errors import HardwareError
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcBounds, AcStationLimits, AcVehicleLimits, ChargerBounds
from iso15118.session.actions import Urgency
from iso15118.session.supervision import SupervisionLimits
from iso15118.session.wireless import PadLimits, ReceiverLimits
from tests.aio.parts import Parts
from tests.aio.site import QUICK_PORTS
from tests.aio.test_settling import Ports, now
from tests.evcc.station import battery
from tests.secc.vehicle import STATION

EMERGENCY, ORDERLY = Urgency.EMERGENCY, Urgency.ORDERLY
OUTLET, CHARGER = AcStationLimits.of(current_a=32.0), AcVehicleLimits.of(current_a=16.0)
PAD, COIL = PadLimits(maximum_power_w=11_000.0), ReceiverLimits(maximum_power_w=11_000.0)
STATION_KINDS, VEHICLE_KINDS = ("power", "ac", "pad"), ("inlet", "charger", "receiver")
ALONE = [("ac",), ("pad",), ("charger",), ("receiver",)]
LIMITS = {"power": STATION, "ac": OUTLET, "pad": PAD, "charger": CHARGER, "receiver": COIL, "inlet": None}


def reading(kind: str, much: float, at: float | None = None) -> ev.Event:
    """Of a current in A, or of so much for each ampere as counts as a current."""
    match kind:
        case "power":
            return ev.PowerMeasured(0.0, much, at)
        case "inlet":
            return ev.InletMeasured(0.0, much, at)
        case "ac" | "charger":
            return ev.AcMeasured(current_a=(0.0, much, 0.0), at=at)
        case "pad":
            return ev.PadMeasured(power_w=50.0 * much, at=at)
    return ev.ReceiverMeasured(power_w=50.0 * much, at=at)


WANTS: dict[str, act.HardwareAction] = {
    "power": act.SetPower(800.0, 1.0, 1e3),
    "ac": act.SetAcPower(AcBounds(phases=3)),
    "pad": act.SetPad(100.0),
    "charger": act.SetCharger(ChargerBounds(phases=3, power_w=NOTHING, current_a=NOTHING)),
    "receiver": act.SetReceiver(100.0),
}


class Kind:
    """A port that gives or takes power. Stopping and setting take so long; an error of stopping is raised."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.made: list[str] = []
        self.stopping_s = self.setting_s = 0.0
        self.fails: Exception | None = None
        self.limits: Any = LIMITS[kind]
        self.id_code: Any = 7
        self.show(0.0)

    def show(self, much: float, at: float | None = None) -> None:
        self.present: Any = reading(self.kind, much, at)

    async def set_power(self, *values: Any) -> None:
        self.made.append("set")
        await asyncio.sleep(self.setting_s)

    async def stop(self, urgency: Urgency) -> None:
        self.made.append(urgency.name)
        if self.fails is not None:
            raise self.fails
        if self.stopping_s:
            await asyncio.sleep(self.stopping_s)


class Side:
    """A station or a vehicle with these kinds of power."""

    def __init__(self, *kinds: str, supervision: SupervisionLimits | None = None, **more: Any) -> None:
        self.kinds = {kind: Kind(kind) for kind in kinds}
        self.ports = Ports()
        self.ports.state = battery()
        self.told: list[ev.Event] = []
        parts: Any = Parts(battery=self.ports, authorizer=self.ports, **self.kinds)
        if {"power", "inlet"} & self.kinds.keys():
            parts.contactors = parts.cable_check = self.ports
        self.is_station = kinds[0] in STATION_KINDS
        make: Any = StationHardware if self.is_station else VehicleHardware
        self.hardware: Any = make(parts, QUICK_PORTS, self.told.append, supervision=supervision, **more)

    def seen(self, at: float) -> list[ev.Event]:
        """Of a look at this time; what a battery shows is left out."""
        return [one for one in self.hardware.measure(at) if not isinstance(one, ev.BatteryChanged)]

    async def over(self) -> None:
        self.hardware.close()
        await asyncio.sleep(0)


# -- what flows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", ALONE, ids="-".join)
@pytest.mark.parametrize(("supervised", "counts"), [(None, 1.0), (0.5, 1.0), (3.0, 3.0)])
async def test_without_direct_current_less_counts_as_a_current(
    kinds: tuple[str, ...], supervised: float | None, counts: float
) -> None:
    for supervision in (SupervisionLimits(ac_no_current_a=supervised), None):
        side = Side(*kinds, supervision=supervision)
        side.hardware.make_safe("test")
        await asyncio.sleep(0.01)
        coil = kinds[0] in ("pad", "receiver")
        limit = 1.0 if supervision is None or coil else counts  # which is a figure of the phases
        for much, safe in ((0.0, True), (limit - 0.01, True), (limit, False), (limit + 1.0, False)):
            side.kinds[kinds[0]].show(much)
            assert side.hardware.safe is safe
            flows = f"{much * 50.0:.0f} W flow" if coil else f"{much:.0f} A flow"
            assert side.hardware.why_unsafe() == ("" if safe else flows)
        await side.over()


@pytest.mark.parametrize("kinds", [STATION_KINDS, VEHICLE_KINDS, *ALONE], ids="-".join)
async def test_a_side_is_safe_when_nothing_flows_in_any_of_its_ways(kinds: tuple[str, ...]) -> None:
    side = Side(*kinds)
    side.hardware.make_safe("test")
    await asyncio.sleep(0.01)
    assert side.hardware.safe
    flowing = dict.fromkeys(side.kinds, "6 A flow") | {"pad": "300 W flow", "receiver": "300 W flow"}
    for kind, port in side.kinds.items():
        port.show(6.0)
        assert side.hardware.why_unsafe() == flowing[kind], kind
        assert side.hardware.flows(side.hardware.present()[0]) == flowing[kind]
        port.present = None
        assert side.hardware.why_unsafe().startswith(f"the current cannot be measured: {kind}.present")
        assert side.hardware.present() == (None, False)
        port.show(0.0)
        assert side.hardware.safe
    await side.over()


async def test_a_current_out_of_the_vehicle_counts_as_one_into_it() -> None:
    for kinds in (("power", "ac"), ("inlet", "charger")):
        side = Side(*kinds)
        side.kinds[kinds[0]].show(-7.0)
        side.kinds[kinds[1]].show(6.0)
        present = side.hardware.present()[0]
        assert (present.direct.current_a, present.alternating_a) == (-7.0, 6.0)
        assert side.hardware.flows(present) == "-7 A flow"
        await side.over()


# -- readings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [STATION_KINDS, VEHICLE_KINDS, *ALONE], ids="-".join)
async def test_every_way_is_measured_and_one_that_fails_costs_only_what_comes_after(
    kinds: tuple[str, ...],
) -> None:
    side = Side(*kinds)
    shown = [port.present for port in side.kinds.values()]
    assert side.seen(10.0)[: len(kinds)] == shown
    for number, (kind, port) in enumerate(side.kinds.items()):
        port.present = None
        first, second = side.seen(11.0), side.seen(11.0)
        assert first[:number] == second == shown[:number]
        assert [fault.port for fault in first[number:]] == [kind], "told once"  # type: ignore[attr-defined]
        port.show(0.0)
    await side.over()


@pytest.mark.parametrize("kind", [*STATION_KINDS, *VEHICLE_KINDS])
async def test_the_time_of_a_reading_is_one_of_the_loops_clock(kind: str) -> None:
    for ahead_s, good in ((-1.0, True), (0.5, True), (0.6, False)):
        side = Side(kind)
        before = side.hardware.measured_at
        side.kinds[kind].show(0.0, 64.0 + ahead_s)
        found = side.seen(64.0)[0]
        assert side.hardware.measured_at == (64.0 + min(ahead_s, 0.0) if good else before)
        if not good:
            assert isinstance(found, ev.HardwareFault)
            assert found.port == kind
            assert found.reason == f"{kind}.present.at is 0.6 s ahead of the event loop's clock, loop.time()"
        await side.over()


# -- limits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "lower", "news", "first"),
    [
        ("ac", AcStationLimits.of(current_a=16.0), ev.AcLimitsChanged, True),
        ("pad", PadLimits(maximum_power_w=3_700.0), ev.PadLimitsChanged, False),
        ("charger", AcVehicleLimits.of(current_a=8.0), ev.ChargerChanged, False),
    ],
)
async def test_other_limits_are_told_once_at_the_next_look(
    kind: str, lower: Any, news: Any, first: bool
) -> None:
    side = Side(kind)
    port = side.kinds[kind]
    assert (news(port.limits) in side.seen(10.0)) is first, "a session knows what it began with"
    seen = []
    for at, limits in (
        (11.0, lower),
        (12.0, lower),
        (13.0, LIMITS[kind]),
        (13.0 + QUICK_PORTS.look_s / 2, lower),
    ):
        port.limits = limits
        seen.append([one.limits for one in side.seen(at) if isinstance(one, news)])
    assert seen == [[lower], [], [LIMITS[kind]], []]
    for expected in (1, 0):  # said once
        port.limits = None
        faults = [one for one in side.seen(15.0 - expected) if isinstance(one, ev.HardwareFault)]
        assert [fault.port for fault in faults] == [kind] * expected
    await side.over()


async def test_an_outlet_gives_what_the_energy_manager_allows() -> None:
    less, more = AcStationLimits.of(current_a=10.0), AcStationLimits.of(current_a=63.0)
    side = Side("ac", managed_ac=less)
    assert side.hardware.ac_limits().maximum_current_a == (10.0, 10.0, 10.0)
    assert side.hardware.managed(ev.AcLimitsChanged(more)).limits.maximum_current_a == (32.0, 32.0, 32.0)
    assert side.hardware.managed(ev.LimitsChanged(STATION)) is None
    assert (side.hardware.limits(), side.hardware.pad_limits(), side.hardware.pad_id()) == (None, None, 0)
    await side.over()
    side = Side("power")
    assert side.hardware.ac_limits() is None
    assert side.hardware.ac_capabilities() is None
    assert side.hardware.device_position() is None
    assert side.hardware.managed(ev.AcLimitsChanged(less)) is None
    await side.over()


async def test_an_outlet_may_say_what_it_can_do_at_best() -> None:
    side = Side("ac")
    assert side.hardware.ac_capabilities() is None
    side.kinds["ac"].capabilities = OUTLET  # type: ignore[attr-defined]
    assert side.hardware.ac_capabilities() == OUTLET
    assert side.hardware.capabilities() is None
    await side.over()


@pytest.mark.parametrize(
    ("code", "good"),
    [
        (1, True),
        (0xFFFF_FFFF, True),
        (0, False),
        (-1, False),
        (0x1_0000_0000, False),
        (True, False),
        ("7", False),
    ],
)
async def test_a_pad_has_a_code_of_32_bits_that_is_not_0(code: Any, good: bool) -> None:
    side = Side("pad")
    side.kinds["pad"].id_code = code
    if good:
        assert side.hardware.pad_id() == code
    else:
        with pytest.raises(HardwareError, match=r"pad\.id_code is .*, not 1 to 4294967295"):
            side.hardware.pad_id()
    assert side.hardware.pad_limits() == PAD
    await side.over()


# -- stops ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [STATION_KINDS, VEHICLE_KINDS[1:], *ALONE], ids="-".join)
async def test_every_way_is_stopped_and_waited_for(kinds: tuple[str, ...]) -> None:
    for slow in kinds:
        side = Side(*kinds)
        side.kinds[slow].stopping_s = 0.1
        side.hardware.make_safe("test")
        assert [port.made[0] for port in side.kinds.values()] == ["EMERGENCY"] * len(kinds)
        assert side.hardware.why_unsafe() == "it is being made safe"
        began = now()
        assert await side.hardware.settle()
        assert now() - began == pytest.approx(0.1, abs=0.03)
        await side.over()


@pytest.mark.parametrize("kinds", [STATION_KINDS, VEHICLE_KINDS[1:], *ALONE], ids="-".join)
async def test_a_way_that_cannot_be_stopped_is_named_and_keeps_no_other_from_being_stopped(
    kinds: tuple[str, ...],
) -> None:
    for broken in kinds:
        side = Side(*kinds)
        side.kinds[broken].fails = OSError("bus")
        side.hardware.do(act.StopPower(ORDERLY))
        await asyncio.sleep(0.01)
        assert all("ORDERLY" in port.made for port in side.kinds.values())
        assert [fault.port for fault in side.told if isinstance(fault, ev.HardwareFault)] == [broken]
        assert side.hardware.trouble == f"{broken}.stop raised OSError: bus"
        await side.over()


@pytest.mark.parametrize("kind", WANTS)
async def test_a_set_point_that_was_cut_short_is_waited_for(kind: str) -> None:
    kinds = STATION_KINDS if kind in STATION_KINDS else ("charger", "receiver")
    side = Side(*kinds)
    side.kinds[kind].setting_s = 100.0
    assert not side.hardware.live
    side.hardware.do(WANTS[kind])
    assert side.hardware.live
    assert side.hardware.why_unsafe() == "it was not told to be safe"
    await asyncio.sleep(0.05)
    assert side.kinds[kind].made == ["set"]
    assert all(not port.made for other, port in side.kinds.items() if other != kind)
    side.hardware.make_safe("test")
    await asyncio.sleep(0.01)
    assert side.hardware.why_unsafe() == "a call that energises may still have an effect"
    began = now()
    assert await side.hardware.settle()
    assert now() - began == pytest.approx(QUICK_PORTS.power_s - 0.06, abs=0.03)
    assert side.kinds[kind].made[-1] == "EMERGENCY", "it is said again when that call has had its time"
    await side.over()
