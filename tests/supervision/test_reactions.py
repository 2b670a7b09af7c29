"""What a session does about a finding: it tells, it asks to stop, or it makes safe at once, before the
end and after it; both roles.

And the further sensors of a station in a session: when they are listened to, and what of them is no reading.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.supervision import Reaction, Rule, SupervisionLimits
from tests.evcc.station import BATTERY_V, Host, battery
from tests.secc.vehicle import ALL_SERVICES, Drive

EMERGENCY = Urgency.EMERGENCY


def told(side: Any) -> list[str]:
    """The rules that the last call warned of."""
    return [action.rule for action in side.book.actions if isinstance(action, act.SupervisionWarning)]


def safe(side: Any) -> list[tuple[type, Urgency]]:
    """What the last call asked for to make safe."""
    return [
        (type(action), action.urgency)
        for action in side.book.actions
        if isinstance(action, act.StopPower | act.OpenContactors)
    ]


ALL_OFF = [(act.StopPower, EMERGENCY), (act.OpenContactors, EMERGENCY)]


def station(limits: SupervisionLimits | None = None, *, delivering: bool = True) -> Drive:
    """In the charge loop, with 800 V at the output."""
    config = SeccConfig(services=ALL_SERVICES, supervision=limits or SupervisionLimits())
    drive = Drive(config=config).to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    if delivering:
        drive.send(dc.DCChargeLoopReq)
    return drive


def vehicle(limits: SupervisionLimits | None = None) -> Host:
    """In the charge loop, with 800 V at the inlet."""
    config = EvccConfig(supervision=limits or SupervisionLimits())
    host = Host(config=config).to("DC_ChargeLoop", times=2)
    host.measure(BATTERY_V)
    return host


# -- reactions of a station


@pytest.mark.parametrize("reaction", Reaction)
def test_what_a_station_does_about_a_finding(reaction: Reaction) -> None:
    drive = station(SupervisionLimits(over_current_reaction=reaction, rating_factor=None))
    drive.measure(BATTERY_V, 400.0)
    drive.book.now += 0.45
    drive.measure(BATTERY_V, 400.0)
    assert told(drive) == []
    drive.book.now += 0.05
    drive.measure(BATTERY_V, 400.0)
    assert told(drive) == [Rule.OVER_CURRENT.value]
    assert safe(drive) == (ALL_OFF if reaction is Reaction.FAULT else [])
    drive.measure(BATTERY_V, 50.0)
    answer = drive.send(dc.DCChargeLoopReq)
    status = answer.evse_status
    assert (status is not None) is (reaction is Reaction.STOP)
    if reaction is not Reaction.WARN:
        drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
        drive.book.tell(ev.ContactorsChanged(False))
        drive.measure(0.0)
        drive.send(cm.SessionStopReq)
    ended = drive.session.ended
    if reaction is Reaction.WARN:
        assert ended is None
    else:
        assert ended is not None
        stops = reaction is Reaction.STOP
        assert ended.reason is (EndReason.STOPPED_BY_STATION if stops else EndReason.HARDWARE_FAULT)
        assert ended.rule == Rule.OVER_CURRENT.value


def test_a_station_whose_output_stays_live_is_told_again_to_make_safe() -> None:
    drive = station()
    drive.book.tell(ev.EmergencyShutdown("button"))
    assert safe(drive) == ALL_OFF
    drive.book.tell(ev.ContactorsChanged(False))
    assert not drive.session.energized
    drive.measure(BATTERY_V, 100.0)
    drive.book.now += 1.2  # an emergency has a second
    drive.measure(BATTERY_V, 100.0)
    drive.book.now += 0.2
    drive.measure(BATTERY_V, 100.0)
    assert safe(drive) == ALL_OFF
    assert told(drive) == [Rule.CURRENT_WITHOUT_PERMISSION.value]
    drive.send(dc.DCChargeLoopReq)
    ended = drive.session.ended
    assert ended is not None
    assert ended.rule == "", "the first reason counts"


# -- further sensors


def steady(drive: Drive, event: ev.Event, seconds: float) -> tuple[list[str], list[Any]]:
    """The same reading every 0.1 s: what was warned of, and what was done to make safe."""
    warned: list[str] = []
    done: list[Any] = []
    for _ in range(round(seconds / 0.1) + 1):
        if drive.output is not None:
            drive.measure(drive.output.voltage_v)
        drive.book.tell(event)
        warned += told(drive)
        done += safe(drive)
        if done:
            break
        drive.book.now += 0.1
    return warned, done


@pytest.mark.parametrize(
    ("event", "rule", "faults"),
    [
        (ev.InsulationMeasured(100e3), None, False),
        (ev.InsulationMeasured(float("inf")), None, False),
        (ev.InsulationMeasured(99e3), Rule.INSULATION, False),
        (ev.InsulationMeasured(99_000), Rule.INSULATION, False),
        (ev.InsulationMeasured(0.0), Rule.INSULATION, True),
        (ev.InsulationMeasured(1e6, 540.0), None, False),
        (ev.InsulationMeasured(1e6, -551.0), Rule.VOLTAGE_TO_EARTH, True),
        (ev.InsulationMeasured(-1.0), Rule.UNUSABLE_READINGS, True),
        (ev.InsulationMeasured(float("nan")), Rule.UNUSABLE_READINGS, True),
        (ev.InsulationMeasured("much"), Rule.UNUSABLE_READINGS, True),  # type: ignore[arg-type]
        (ev.InsulationMeasured(1e6, float("nan")), Rule.UNUSABLE_READINGS, True),
        (ev.InsulationMeasured(1e6, 1.0, float("nan")), Rule.UNUSABLE_READINGS, True),
        (ev.SecondVoltageMeasured(850.0), None, False),
        (ev.SecondVoltageMeasured(851.0), Rule.SENSORS_DISAGREE, True),
        (ev.SecondVoltageMeasured(749.0), Rule.SENSORS_DISAGREE, True),
        (ev.SecondVoltageMeasured(float("nan")), Rule.UNUSABLE_READINGS, True),
    ],
    ids=str,
)
def test_a_further_sensor_while_energy_flows(event: ev.Event, rule: Rule | None, faults: bool) -> None:
    warned, done = steady(station(), event, 1.2)
    assert set(warned) == ({rule.value} if rule is not None else set())
    assert done == (ALL_OFF if faults else [])
    off = SupervisionLimits(off=() if rule is None else (rule,))
    assert steady(station(off), event, 1.2) == ([], [])


def test_where_no_energy_flows_the_cable_check_looks_after_insulation() -> None:
    drive = Drive().to(State.DC_CABLE_CHECK)
    assert steady(drive, ev.InsulationMeasured(1.0, 1000.0), 1.2) == ([], [])
    assert steady(drive, ev.SecondVoltageMeasured(500.0), 1.2) == ([], [])
    assert steady(drive, ev.InsulationMeasured(-1.0), 0.1)[0] == [Rule.UNUSABLE_READINGS.value]


def test_a_second_voltage_is_compared_with_a_young_one() -> None:
    drive = station(SupervisionLimits(stale_reaction=Reaction.WARN))
    drive.output = None
    drive.book.now += 1.1
    drive.book.tell(ev.SecondVoltageMeasured(900.0))
    drive.book.now += 1.1
    drive.book.tell(ev.SecondVoltageMeasured(900.0))
    assert told(drive) == []


# -- reactions of a vehicle


@pytest.mark.parametrize("reaction", Reaction)
def test_what_a_vehicle_does_about_a_finding(reaction: Reaction) -> None:
    host = vehicle(SupervisionLimits(reverse_current_reaction=reaction))
    host.measure(BATTERY_V, -50.0)
    host.book.now += 0.25
    host.measure(BATTERY_V, -50.0)
    assert told(host) == [Rule.REVERSE_CURRENT.value]
    assert safe(host) == (ALL_OFF if reaction is Reaction.FAULT else [])
    host.measure(BATTERY_V)
    ended = host.session.ended
    if reaction is Reaction.FAULT:
        assert ended is not None
        assert (ended.reason, ended.rule) == (EndReason.HARDWARE_FAULT, Rule.REVERSE_CURRENT.value)
        return
    assert ended is None
    for _ in range(20):
        host.step()
    stops = reaction is Reaction.STOP
    assert any(isinstance(one, cm.PowerDeliveryReq) for one in host.sent[-10:]) is stops
    if stops:
        while host.session.ended is None:
            host.step()
        assert host.session.ended.reason is EndReason.STOPPED_BY_EV
        assert host.session.ended.rule == Rule.REVERSE_CURRENT.value


def test_the_first_wish_to_stop_is_the_reason() -> None:
    host = vehicle(SupervisionLimits(reverse_current_reaction=Reaction.STOP))
    host.tell(ev.StopRequested("the driver is back"))
    host.measure(BATTERY_V, -50.0)
    host.book.now += 0.25
    host.measure(BATTERY_V, -50.0)
    assert told(host) == [Rule.REVERSE_CURRENT.value]
    host.measure(BATTERY_V)
    while host.session.ended is None:
        host.step()
    assert host.session.ended.rule == ""


def test_a_vehicle_whose_contactors_weld_is_told_again_after_the_end() -> None:
    host = vehicle()
    host.tell(ev.EmergencyShutdown("button"))
    assert host.session.ended is not None
    assert safe(host) == ALL_OFF
    host.measure(BATTERY_V)
    host.book.now += 3.4
    host.measure(BATTERY_V)
    assert told(host) == [Rule.CONTACTOR_LEVEL.value]
    assert safe(host) == ALL_OFF
    host.tell(ev.ContactorsChanged(True))
    assert safe(host) == ALL_OFF


def test_contactors_of_a_vehicle_that_stay_closed_are_their_own_failure() -> None:
    host = Host().to("DC_ChargeLoop", times=2)
    host.battery(energy_to_target_wh=0.0, complete=True)
    while not isinstance(host.request, cm.PowerDeliveryReq) or not host.waiting:
        host.step()
    host.answer()  # told to open, and they do not
    host.measure(0.0)
    host.book.now += 3.4
    host.measure(0.0)
    assert host.session.ended is not None
    assert (host.session.ended.reason, host.session.ended.rule) == (
        EndReason.CONTACTOR_FAILED,
        Rule.CONTACTOR_LEVEL.value,
    )


@pytest.mark.parametrize("off", [False, True])
def test_a_reading_of_a_vehicle_that_is_no_number(off: bool) -> None:
    limits = SupervisionLimits(off=(Rule.UNUSABLE_READINGS,) if off else ())
    for reading in (ev.InletMeasured(float("nan")), battery(soc=float("nan"))):
        host = vehicle(limits)
        host.tell(reading)
        assert told(host) == ([] if off else [Rule.UNUSABLE_READINGS.value])
        assert safe(host) == ([] if off else ALL_OFF)
        assert (host.session.ended is None) is off


# -- what comes with an end


ENDS: dict[str, tuple[Any, float | None]] = {
    # how a station's session ends, and for how long the link is kept open for the
    # vehicle's goodbye; None: it is lost
    "silence": (lambda d: d.book.wait(0.6), 0.0),
    "link": (lambda d: d.book.tell(ev.TransportLost(ev.TransportLoss.RESET)), None),
    "bytes": (lambda d: d.book.tell(ev.Undecodable("x")), 0.0),
    "sequence": (lambda d: d.send(dc.DCCableCheckReq), 5.0),
    "stop": (lambda d: d.send(cm.SessionStopReq), 5.0),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_end_of_a_station_says_why_and_how_long_the_link_is_kept(name: str) -> None:
    how, seconds = ENDS[name]
    drive = station()
    how(drive)
    ended = drive.session.ended
    assert ended is not None
    (opened,) = (action for action in drive.book.actions if isinstance(action, act.OpenContactors))
    assert opened.reason == (ended.detail or ended.reason.value)
    kept = [action.grace_s for action in drive.book.actions if isinstance(action, act.CloseTransport)]
    assert kept == ([] if seconds is None else [seconds])


def test_an_end_of_a_vehicle_says_why() -> None:
    for event, detail in (
        (ev.TransportLost(ev.TransportLoss.RESET), ev.TransportLoss.RESET.value),
        (ev.EmergencyShutdown("button"), "button"),
        (ev.EmergencyShutdown(""), EndReason.EMERGENCY.value),
    ):
        host = vehicle()
        host.tell(event)
        (opened,) = (action for action in host.book.actions if isinstance(action, act.OpenContactors))
        assert opened.reason == detail
        ready = [action.ready for action in host.book.actions if isinstance(action, act.SignalReady)]
        assert ready == [False]
        closes = [action for action in host.book.actions if isinstance(action, act.CloseTransport)]
        assert closes == ([] if isinstance(event, ev.TransportLost) else [act.CloseTransport()])


@pytest.mark.parametrize("make", [station, vehicle])
def test_contactors_that_close_after_the_end_are_opened_at_once(make: Any) -> None:
    side = make()
    side.book.tell(ev.TransportLost(ev.TransportLoss.RESET))
    side.book.tell(ev.ContactorsChanged(False))
    assert safe(side) == []
    side.book.tell(ev.ContactorsChanged(True))
    assert safe(side) == ALL_OFF


@pytest.mark.parametrize("make", [station, vehicle])
def test_after_a_fault_of_this_software_nothing_is_live_any_more(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = make()
    monkeypatch.setattr(side.session, "_other", None)
    side.book.tell(ev.StopRequested("x"))
    assert side.session.ended.reason is EndReason.INTERNAL_ERROR
    assert safe(side) == ALL_OFF
    closes = [action for action in side.book.actions if isinstance(action, act.CloseTransport)]
    assert closes == [act.CloseTransport(0.0)]
    assert not side.session.energized
    ready = [action.ready for action in side.book.actions if isinstance(action, act.SignalReady)]
    assert ready == ([False] if make is vehicle else [])
