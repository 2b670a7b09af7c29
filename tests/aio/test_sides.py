"""What each side's hardware does with its ports: the meter and its energy, a cable check and its answers,
readiness and contracts that are part of being safe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.aio.logs import flush
from iso15118.aio.ports import answers
from iso15118.aio.ports.station_hardware import StationHardware
from iso15118.aio.ports.vehicle_hardware import VehicleHardware
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Urgency
from tests.aio.parts import Parts
from tests.aio.site import QUICK_PORTS
from tests.aio.test_idle import Watched
from tests.aio.test_settling import Ports, now
from tests.secc.vehicle import STATION

SOON = 0.03


class Meter:
    """Reads what the test wants, after so long."""

    def __init__(self) -> None:
        self.readings: list[Any] = []
        self.after_s = 0.0
        self.asked = 0

    async def read(self) -> Any:
        self.asked += 1
        await asyncio.sleep(self.after_s)
        reading = self.readings.pop(0)
        if isinstance(reading, Exception):
            raise reading
        return reading


class Cable:
    """A cable check that answers, or never does."""

    def __init__(self, answer: Any = None, *, hangs: bool = False) -> None:
        self.answer, self.hangs = answer, hangs
        self.cancelled = 0

    async def run(self, voltage_v: float, insulation_ohm: float) -> Any:
        if self.hangs:
            try:
                await asyncio.sleep(100.0)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Signal:
    """The vehicle's pilot; takes readiness back as the test says."""

    def __init__(self, on_call: Callable[[bool], Any] = lambda ready: None) -> None:
        self.on_call = on_call
        self.made: list[bool] = []

    async def set_ready(self, ready: bool) -> None:
        self.made.append(ready)
        if (seconds := self.on_call(ready)) is not None:
            await asyncio.sleep(seconds)


def station(
    ports: Ports, told: list[ev.Event], *, meter: Meter | None = None, cable: Any = None
) -> StationHardware:
    parts: Any = Parts(
        power=ports, contactors=ports, cable_check=cable or Cable(True), authorizer=ports, ac=None, meter=meter,
        contract_certificates=None, contract_authorizer=None,
    )  # fmt: skip
    return StationHardware(parts, QUICK_PORTS, told.append)


def vehicle(ports: Ports, signal: Signal | None = None) -> VehicleHardware:
    parts: Any = Parts(
        contactors=ports, inlet=ports, battery=ports, charger=None, signal=signal, contracts=None
    )
    ports.present = ev.InletMeasured(0.0)
    return VehicleHardware(parts, replace(QUICK_PORTS, look_s=0.5), lambda event: None)


# -- the terminal


class Terminal(Ports):
    """Takes a moment for the first driver, and does not answer about the second."""

    def __init__(self) -> None:
        super().__init__()
        self.questions = 0

    async def authorize(self, evccid: str) -> bool:
        self.questions += 1
        await asyncio.sleep(0.02 if self.questions == 1 else 1000.0)
        return True


async def test_an_answer_of_the_terminal_is_one_to_its_own_question() -> None:
    terminal, told = Terminal(), []  # type: ignore[var-annotated]
    hardware = station(terminal, told)
    hardware.do(act.RequestAuthorization("X", "", 1))
    await asyncio.sleep(0.01)
    hardware.do(act.RequestAuthorization("X", "", 2))
    await asyncio.sleep(0.03)
    assert (terminal.questions, told) == (2, [])
    hardware.make_safe("the test is over")
    hardware.close()


async def test_what_the_terminal_says_carries_the_number_of_the_question() -> None:
    class Quick(Ports):
        async def authorize(self, evccid: str) -> bool:
            return evccid == "GOOD"

    told: list[ev.Event] = []
    hardware = station(Quick(), told)
    for number, name in enumerate(("GOOD", "BAD"), start=7):
        hardware.do(act.RequestAuthorization(name, "", number))
        await asyncio.sleep(0.01)
    assert told == [ev.AuthorizationDecided(True, 7), ev.AuthorizationDecided(False, 8)]
    hardware.close()


# -- the meter


async def test_the_energy_of_a_session_is_between_its_first_and_its_last_reading() -> None:
    meter = Meter()
    meter.readings = [
        ev.MeterRead("M", 100.0, 10.0),
        ev.MeterRead("M", 200.0, 15.0, at=now() + 0.01),
        ev.MeterRead("M", 150.0, 12.0, at=now() + 0.005),
        ev.MeterRead("M", 350.0, 30.0, at=now() + 0.3),
    ]
    told: list[ev.Event] = []
    hardware = station(Ports(), told, meter=meter)
    energies = [hardware.energy]
    began = now()
    hardware.start()
    await asyncio.sleep(SOON)
    energies.append(hardware.energy)
    hardware.do(act.ReadMeter())
    await asyncio.sleep(SOON)
    energies.append(hardware.energy)
    hardware.do(act.ReadMeter())
    await asyncio.sleep(SOON)
    energies.append(hardware.energy)
    await hardware.wind_up()
    energies.append(hardware.energy)
    assert energies == [None, (0.0, 0.0), (100.0, 5.0), (100.0, 5.0), (250.0, 20.0)], "an older one is none"
    told_at = [getattr(one, "at", None) for one in told]
    assert told_at == pytest.approx([began, began + 0.01, began + 0.005, now()], abs=3 * SOON)
    assert told_at[1] == began + 0.01
    hardware.close()
    assert station(Ports(), told).energy is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"at": 1e9}, "s ahead of the event loop's clock, loop.time()"),
        ({"at": -3600.0}, "s old, more than 300 s: it is frozen, or its time is of another clock"),
        ({"charged_wh": 98.0}, "meter.read.charged_wh ran back from 100.0 to 98.0 Wh"),
        ({"discharged_wh": 8.0}, "meter.read.discharged_wh ran back from 10.0 to 8.0 Wh"),
        ({"meter_id": "OTHER"}, "meter.read.meter_id was 'M', and is 'OTHER'"),
    ],
)
async def test_a_reading_of_the_meter_that_no_bill_can_go_on_with_is_no_reading_and_is_said_once(
    wrong: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The session goes on, and what it charged is known as of the last good reading: never below 0."""
    meter, told = Meter(), list[ev.Event]()
    good: dict[str, Any] = {"meter_id": "M", "charged_wh": 100.0, "discharged_wh": 10.0}
    if "at" in wrong:
        wrong = {"at": now() + wrong["at"]}
    meter.readings = [
        ev.MeterRead(**good),
        *(ev.MeterRead(**(good | {"charged_wh": 140.0} | wrong)) for _ in range(2)),
        ev.MeterRead(**(good | {"charged_wh": 99.5})),
    ]
    hardware = station(Ports(), told, meter=meter)
    hardware.start()
    await asyncio.sleep(SOON)
    for _ in range(2):
        hardware.do(act.ReadMeter())
        await asyncio.sleep(SOON)
    assert len(told) == 1
    assert hardware.energy == (0.0, 0.0)
    assert flush(60.0)
    assert caplog.text.count(words) == 1
    hardware.do(act.ReadMeter())
    await asyncio.sleep(SOON)
    assert len(told) == 2, "it was rounded on its way"
    assert hardware.energy == (0.0, 0.0)
    assert not hardware.faults
    hardware.close()
    await asyncio.sleep(0)


@pytest.mark.parametrize(("on_its_way", "asked"), [(False, 1), (True, 2)])
async def test_the_last_reading_is_of_after_the_end(on_its_way: bool, asked: int) -> None:
    meter = Meter()
    meter.readings = [ev.MeterRead("M", float(number)) for number in range(5)]
    meter.after_s = 0.04
    hardware = station(Ports(), [], meter=meter)
    if on_its_way:
        hardware.do(act.ReadMeter())
        await asyncio.sleep(0.01)
    began = now()
    await hardware.wind_up()
    assert meter.asked == asked
    assert now() - began < 0.1 + SOON
    hardware.close()
    await asyncio.sleep(0)


async def test_a_meter_that_does_not_answer_is_waited_for_as_long_as_it_may_take_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    meter = Meter()
    meter.after_s = 100.0
    hardware = station(Ports(), [], meter=meter)
    began = now()
    await hardware.wind_up()
    assert now() - began == pytest.approx(0.1, abs=SOON)
    await hardware.wind_up()
    hardware.close()
    assert flush(60.0)
    assert caplog.text.count("no reading of the energy meter") == 1
    began = now()
    await station(Ports(), []).wind_up()
    assert now() - began < SOON, "without a meter there is nothing to wait for"


# -- the cable check


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (True, ev.CableCheckFinished(True, "")),
        (None, ev.CableCheckFinished(True, "")),
        (False, ev.CableCheckFinished(False, "")),
        ("40 kOhm", ev.CableCheckFinished(False, "40 kOhm")),
        ("", ev.CableCheckFinished(False, "no reason given")),
        (5, ev.CableCheckFinished(False, "cable_check.run returned int, not True or False")),
        (OSError("bus"), ev.HardwareFault("cable check", "cable_check.run raised OSError: bus")),
    ],
    ids=repr,
)
async def test_what_a_cable_check_answers(
    answer: Any, told: ev.Event, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "_graced", set())
    seen: list[ev.Event] = []
    hardware = station(Ports(), seen, cable=Cable(answer))
    hardware.do(act.StartCableCheck(500.0, now() + 1.0, 100e3))
    await asyncio.sleep(SOON)
    assert seen == [told]
    assert flush(60.0)
    assert ("cable_check.run returned None" in caplog.text) is (answer is None)
    hardware.close()


async def test_a_cable_check_has_until_its_deadline() -> None:
    told: list[ev.Event] = []
    hardware = station(Ports(), told, cable=Cable(hangs=True))
    began = now()
    hardware.do(act.StartCableCheck(500.0, began + 0.2, 100e3))
    await asyncio.sleep(0.2 - SOON)
    assert told == []
    await asyncio.sleep(2 * SOON)
    assert told == [ev.HardwareFault("cable check", "cable_check.run did not answer within 0.2 s")]
    hardware.close()


async def test_a_cable_check_that_was_cut_short_may_switch_on_once_more_and_is_stopped_once_more() -> None:
    ports, cable = Ports(), Cable(hangs=True)
    hardware = station(ports, [], cable=cable)
    hardware.do(act.StartCableCheck(500.0, now() + 0.5, 100e3))
    await asyncio.sleep(SOON)
    hardware.make_safe("test")
    await asyncio.sleep(SOON)
    assert cable.cancelled == 1
    assert ports.made == ["stop EMERGENCY", "open EMERGENCY: test", "stop EMERGENCY"], "when it has ended"
    assert hardware.why_unsafe() == "a call that energises may still have an effect"
    await asyncio.sleep(1.0)
    assert ports.made[3:] == ["stop EMERGENCY"], "when its time is over"
    assert hardware.safe
    hardware.close()
    ports, cable = Ports(), Cable(hangs=True)
    hardware = station(ports, [], cable=cable)
    hardware.do(act.StartCableCheck(500.0, now() + 0.5, 100e3))
    await asyncio.sleep(SOON)
    hardware.do(act.StopPower(Urgency.ORDERLY))
    await asyncio.sleep(1.0)
    assert ports.made == ["stop ORDERLY"], "the session goes on, and may have asked for power again"
    hardware.close()
    await asyncio.sleep(0)


async def test_a_supply_may_say_what_it_can_do_at_best() -> None:
    ports = Ports()
    hardware = station(ports, [])
    assert hardware.capabilities() is None
    ports.capabilities = STATION  # type: ignore[attr-defined]
    assert hardware.capabilities() == STATION
    hardware.close()


# -- a vehicle


async def test_a_vehicle_is_safe_when_its_contactors_are_open_and_readiness_is_taken_back() -> None:
    ports, signal = Ports(), Signal(lambda ready: 0.1)
    hardware = vehicle(ports, signal)
    hardware.make_safe("test")
    assert ports.made == ["open EMERGENCY: test"]
    assert signal.made == [False]
    await asyncio.sleep(0.05)
    assert hardware.why_unsafe() == "it is being made safe"
    await asyncio.sleep(0.1)
    assert hardware.safe
    ports.on_open = lambda: 0.1
    hardware.make_safe("again")
    await asyncio.sleep(0.01)
    assert hardware.why_unsafe() == "it is being made safe"
    hardware.close()
    await asyncio.sleep(0)


async def test_readiness_that_cannot_be_taken_back_is_trouble() -> None:
    def fails(ready: bool) -> None:
        raise OSError("bus")

    hardware = vehicle(Ports(), Signal(fails))
    hardware.make_safe("test")
    await asyncio.sleep(SOON)
    assert hardware.trouble == "signal.set_ready raised OSError: bus"
    assert not hardware.safe
    hardware.close()
    ports = Ports()
    ports.on_open = lambda: fails(False)
    hardware = vehicle(ports, Signal())
    hardware.make_safe("test")
    await asyncio.sleep(SOON)
    assert hardware.trouble == "contactors.open raised OSError: bus"
    hardware.close()


async def test_a_vehicle_without_a_signal_port_is_made_safe_by_its_contactors() -> None:
    ports = Ports()
    hardware = vehicle(ports)
    hardware.do(act.SignalReady(True))
    hardware.make_safe("test")
    assert await hardware.settle()
    assert ports.made == ["open EMERGENCY: test"]
    hardware.close()
    ports = Ports()
    hardware = vehicle(ports)
    hardware.do(act.OpenContactors(Urgency.ORDERLY, "over"))
    assert await hardware.settle()
    assert ports.made == ["open ORDERLY: over"], "it was told already"
    hardware.close()


async def test_readiness_that_is_shown_late_is_waited_for() -> None:
    signal = Signal(lambda ready: 0.15 if ready else None)
    hardware = vehicle(Ports(), signal)
    hardware.do(act.SignalReady(True))
    await asyncio.sleep(0.01)
    hardware.make_safe("test")
    await asyncio.sleep(0)
    assert hardware.why_unsafe() == "a call that energises may still have an effect"
    assert await hardware.settle()
    assert signal.made[:2] == [True, False]
    hardware.close()


async def test_the_level_of_a_vehicles_contactors_is_looked_at_less_often_than_its_inlet() -> None:
    ports = Watched()
    hardware = vehicle(ports)
    ports.level = True
    assert list(hardware.start()) == [ev.ContactorsChanged(True)]
    looks = []
    for at in (10.0, 10.25, 10.5, 10.75, 11.0):
        ports.looks.clear()
        found = hardware.measure(at)
        assert [type(event).__name__ for event in found] == ["InletMeasured", "BatteryChanged"]
        looks.append(len(ports.looks))
    assert looks == [1, 0, 1, 0, 1]
    ports.level = False
    assert list(hardware.measure(11.5))[2:] == [ev.ContactorsChanged(False)]
    hardware.close()
    await asyncio.sleep(0)


async def test_a_cable_check_is_stopped_once_more_though_the_first_stop_has_not_been_answered() -> None:
    ports = Ports()
    ports.stopping_s = 0.15
    hardware = station(ports, [], cable=Cable(hangs=True))
    hardware.do(act.StartCableCheck(500.0, now() + 0.1, 100e3))
    await asyncio.sleep(0.01)
    hardware.make_safe("test")
    await asyncio.sleep(0.13)
    assert ports.made.count("stop EMERGENCY") == 3
    hardware.close()
    await asyncio.sleep(0)
