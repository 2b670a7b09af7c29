"""A station's hardware by itself: what is missing to be safe, how it is brought there, and
which readings are taken when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.aio.ports.hardware import PortLimits
from iso15118.aio.ports.present import Present
from iso15118.aio.ports.station_hardware import StationHardware
from iso15118.aio.ports.vehicle_hardware import VehicleHardware
from iso15118.errors import ConfigError
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Urgency
from iso15118.session.supervision import SupervisionLimits
from iso15118.timing import Timing
from tests.aio.parts import Parts
from tests.aio.site import QUICK_PORTS
from tests.evcc.station import battery
from tests.secc.vehicle import STATION

SOON = 0.03


class Ports:
    """Supply and contactors in one, and the parts that a vehicle has besides."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.closed: Any = False
        self.stopping_s = 0.0
        self.hangs = False
        """A set-point and a closing do not return."""
        self.present: Any = ev.PowerMeasured(0.0, 0.0)
        self.limits: Any = STATION
        self.state: Any = battery()
        self.on_open: Callable[[], Any] = lambda: None
        """What opening does; raises, or gives seconds for which it does not return."""

    async def open(self, urgency: Urgency, reason: str) -> None:
        self.made.append(f"open {urgency.name}: {reason}")
        if (seconds := self.on_open()) is not None:
            await asyncio.sleep(seconds)

    async def stop(self, urgency: Urgency) -> None:
        self.made.append(f"stop {urgency.name}")
        if self.stopping_s:
            await asyncio.sleep(self.stopping_s)

    async def close(self) -> bool:
        self.made.append("close")
        if self.hangs:
            await asyncio.sleep(100.0)
        return True

    async def set_power(self, voltage_v: float, current_a: float, power_w: float) -> None:
        self.made.append("set_power")
        if self.hangs:
            await asyncio.sleep(100.0)

    def opens(self) -> int:
        return sum(call.startswith("open") for call in self.made)


def station(ports: Ports, told: list[ev.Event] | None = None, **more: Any) -> StationHardware:
    parts: Any = Parts(
        power=ports, contactors=ports, cable_check=ports, authorizer=ports
    )  # fmt: skip
    return StationHardware(
        parts, more.pop("limits", QUICK_PORTS), (told if told is not None else []).append, **more
    )


def vehicle(ports: Ports) -> VehicleHardware:
    parts: Any = Parts(
        contactors=ports,
        inlet=ports,
        battery=ports,
        charger=None,
        receiver=None,
        inverter=None,
        mobility=None,
        signal=None,
        contracts=None,
    )
    return VehicleHardware(parts, QUICK_PORTS, lambda event: None)


def now() -> float:
    return asyncio.get_running_loop().time()


# -- what is missing


async def test_what_is_missing_to_be_safe_is_said() -> None:
    ports = Ports()
    hardware = station(ports)
    assert hardware.why_unsafe() == "it was not told to be safe"
    ports.on_open = lambda: 0.1
    hardware.make_safe("test")
    assert hardware.told_safe
    assert hardware.why_unsafe() == "it is being made safe"
    await asyncio.sleep(0.2)
    assert hardware.safe
    for closed, words in (
        (True, "the contactors are closed"),
        ("x", "the level of the contactors cannot be read: contactors.closed is str, not bool"),
    ):
        ports.closed = closed
        assert hardware.why_unsafe() == words
    ports.closed = False
    for amperes, words in ((4.9, ""), (-4.9, ""), (5.0, "5 A flow"), (-5.0, "-5 A flow")):
        ports.present = ev.PowerMeasured(0.0, amperes)
        assert hardware.why_unsafe() == words
    ports.present = None
    assert hardware.why_unsafe().startswith("the current cannot be measured: power.present")
    ports.present = ev.PowerMeasured(0.0, 0.0)
    hardware.do(act.SetPower(800.0, 1.0, 1e3))
    assert hardware.why_unsafe() == "it was not told to be safe"
    hardware.close()
    await asyncio.sleep(0)


@pytest.mark.parametrize(("no_current_a", "counts"), [(None, 5.0), (1.0, 5.0), (20.0, 20.0)])
async def test_what_the_supervision_knows_of_a_sensor_is_believed(
    no_current_a: float | None, counts: float
) -> None:
    def flows(supervision: SupervisionLimits | None, amperes: float) -> str:
        return station(Ports(), supervision=supervision).flows(Present(ev.PowerMeasured(0.0, amperes)))

    known = SupervisionLimits(no_current_a=no_current_a)
    assert [flows(known, amperes) for amperes in (counts - 0.1, counts)] == ["", f"{counts:.0f} A flow"]
    assert flows(None, 4.9) == ""


async def test_hardware_is_live_from_the_first_thing_that_is_asked_of_it() -> None:
    for action in (act.SetPower(800.0, 1.0, 1e3), act.CloseContactors(1.0)):
        ports = Ports()
        hardware = station(ports)
        live = [hardware.live]
        hardware.do(action)
        live.append(hardware.live)
        hardware.make_safe("test")
        await asyncio.sleep(0.1)
        live.append(hardware.live)  # it was asked for something in this session
        assert live == [False, True, True]
        hardware.close()
    ports = Ports()
    ports.closed = True
    hardware = station(ports)
    assert list(hardware.start()) == [ev.ContactorsChanged(True)]
    assert hardware.live
    hardware.close()
    await asyncio.sleep(0)


# -- on the way to safety


async def test_hardware_that_nobody_told_is_told_and_asked_once() -> None:
    ports = Ports()
    hardware = station(ports)
    hardware.do(act.SetPower(800.0, 1.0, 1e3))
    began = now()
    assert await hardware.settle()
    assert now() - began < SOON
    assert ports.made == ["set_power", "stop EMERGENCY", "open EMERGENCY: the session is over"]
    assert await hardware.settle()
    assert ports.opens() == 1, "it was told already"
    hardware.close()


async def test_contactors_that_stay_closed_are_told_three_times_within_its_time() -> None:
    ports = Ports()
    ports.closed = True
    hardware = station(ports)
    hardware.make_safe("test")
    assert hardware.settles_within_s == pytest.approx(1.0)
    began = now()
    assert not await hardware.settle()
    assert [call for call in ports.made if call.startswith("open")] == [
        "open EMERGENCY: test",
        "open EMERGENCY: it is not safe yet",
        "open EMERGENCY: it is not safe yet",
    ]
    assert now() - began == pytest.approx(0.9, abs=0.1)
    hardware.close()
    await asyncio.sleep(0)


async def test_contactors_that_show_it_a_moment_later_are_not_told_again() -> None:
    ports = Ports()
    ports.closed = True
    hardware = station(ports)
    hardware.make_safe("test")
    began = now()
    asyncio.get_running_loop().call_later(0.25, setattr, ports, "closed", False)
    assert await hardware.settle()
    assert now() - began == pytest.approx(0.25, abs=SOON)
    assert ports.opens() == 1
    hardware.close()


async def test_an_opening_that_fails_is_tried_again_at_once() -> None:
    ports = Ports()
    ports.closed = True

    def fails() -> None:
        if ports.opens() == 1:
            raise OSError("bus")
        ports.closed = False

    ports.on_open = fails
    told: list[ev.Event] = []
    hardware = station(ports, told)
    hardware.make_safe("test")
    assert hardware.trouble == "contactors.open raised OSError: bus"
    assert hardware.why_unsafe() == hardware.trouble
    began = now()
    assert await hardware.settle()
    assert now() - began < SOON
    assert ports.opens() == 2
    assert hardware.trouble == ""
    hardware.close()


async def test_what_may_still_have_an_effect_is_waited_for() -> None:
    ports = Ports()
    ports.hangs = True
    hardware = station(ports, limits=replace(QUICK_PORTS, power_s=2.0))
    hardware.do(act.SetPower(800.0, 1.0, 1e3))
    hardware.do(act.CloseContactors(1.0))
    await asyncio.sleep(0)
    hardware.make_safe("test")
    await asyncio.sleep(0)
    assert hardware.why_unsafe() == "a call that energises may still have an effect"
    assert hardware.settles_within_s == pytest.approx(2.0 * 2.3 + 2.0, abs=SOON)
    began = now()
    assert await hardware.settle()
    assert now() - began == pytest.approx(2.0, abs=SOON)
    hardware.close()
    await asyncio.sleep(0)


# -- readings


@pytest.mark.parametrize(
    ("ahead_s", "good"), [(-1.0, True), (0.0, True), (0.5, True), (0.51, False), (100.0, False)]
)
async def test_how_far_a_reading_may_be_ahead_of_the_clock(ahead_s: float, good: bool) -> None:
    at = 64.0
    for make in (station, vehicle):
        ports = Ports()
        ports.present = (ev.PowerMeasured if make is station else ev.InletMeasured)(0.0, 0.0, at=at + ahead_s)
        hardware = make(ports)
        before = hardware.measured_at
        found = hardware.measure(at)
        assert isinstance(found[0], ev.HardwareFault) is not good
        assert hardware.measured_at == (at + min(ahead_s, 0.0) if good else before)
        ports.present = replace(ports.present, at=None)
        hardware.measure(at + 1.0)
        assert hardware.measured_at == at + 1.0
        hardware.close()


async def test_the_slower_signs_are_looked_at_less_often() -> None:
    ports = Ports()
    hardware = station(ports, limits=replace(QUICK_PORTS, look_s=0.5))
    hardware.limits()
    seen = []
    for number, at in enumerate((10.0, 10.25, 10.5, 10.75)):
        ports.limits = replace(STATION, maximum_voltage_v=900.0 + number)
        seen.append([type(event) for event in hardware.measure(at)])
    one, both = [ev.PowerMeasured], [ev.PowerMeasured, ev.LimitsChanged]
    assert seen == [both, one, both, one]
    hardware.close()


@pytest.mark.parametrize(("name", "ms"), [
    ("power_s", 500), ("pre_charge_s", 8000), ("contactors_s", 3000), ("feedback_s", 500), ("bounce_s", 100),
    ("device_s", 55_000), ("immobilize_s", 5000), ("signal_s", 500), ("meter_s", 1000), ("contract_s", 55_000),
    ("store_s", 10_000), ("look_s", 50), ("authorization_s", 180_000),
])  # fmt: skip
def test_milliseconds_are_no_seconds(name: str, ms: int) -> None:
    """A stop that hangs was found after 500 s."""
    with pytest.raises(ConfigError, match=rf"ports\.{name}: {ms} is out of range.*from 0\.001 to .*, in s"):
        PortLimits(**{name: ms})


@pytest.mark.parametrize("name", PortLimits.__struct_fields__)
def test_a_limit_of_a_port_is_a_duration(name: str) -> None:
    for value in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match=f"ports.{name}"):
            PortLimits(**{name: value})
    assert getattr(PortLimits(**{name: 0.5}), name) == 0.5


def test_timings_that_a_laboratory_stretches_are_no_fault_of_the_limits_of_ports() -> None:
    most = PortLimits.of(
        Timing(
            pre_charge_performance=3600.0,
            contactor_close=3600.0,
            ongoing_performance=3600.0,
            authorization_ongoing_timeout=3600.0,
        )
    )
    assert (most.pre_charge_s, most.contactors_s, most.contract_s, most.device_s) == (
        60.0,
        60.0,
        600.0,
        600.0,
    )
    assert most.authorization_s == 3600.0
    usual = PortLimits.of(Timing())
    assert (usual.pre_charge_s, usual.contactors_s, usual.contract_s, usual.device_s) == (
        8.0,
        3.0,
        55.0,
        55.0,
    )


@pytest.mark.parametrize(
    ("hang", "said"),
    [
        ("stop", "power.stop did not answer within 0.2 s, PortLimits.power_s"),
        ("open", "contactors.open did not answer within 0.3 s, PortLimits.contactors_s"),
        ("close", "contactors.close did not answer within 0.3 s, PortLimits.contactors_s"),
        ("pre_charge", "power.pre_charge did not answer within 1 s, PortLimits.pre_charge_s"),
    ],
)
async def test_a_call_that_takes_too_long_is_said_with_the_setting_that_bounds_it(
    hang: str, said: str
) -> None:
    ports = Ports()
    hardware = station(ports)

    async def hangs(*values: Any) -> None:
        await asyncio.sleep(100.0)

    setattr(ports, hang, hangs)
    if hang == "close":
        hardware.do(act.CloseContactors(now() + 5.0))
    elif hang == "pre_charge":
        hardware.do(act.PreCharge(400.0, 1.0))
    else:
        hardware.make_safe("test")
    await asyncio.sleep(1.5)
    assert [fault.reason for fault in hardware.faults] == [said]
    hardware.close()
    await asyncio.sleep(0)
