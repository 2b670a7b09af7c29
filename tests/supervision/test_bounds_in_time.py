"""Every wait has a timer of our own: just before it nothing happens, at it and after it the side
has acted, answered or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.messages import din, iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing
from iso15118.messages.values import rational
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.services import ServiceID
from iso15118.session.supervision import Rule, SupervisionLimits
from iso15118.timing import Timing
from tests.evcc.din.station import Host as DinHost
from tests.evcc.iso2.station import Host as Iso2Host
from tests.evcc.station import BATTERY_V, Host
from tests.secc.vehicle import ALL_SERVICES, VEHICLE, Drive, held_back

OFF = (-0.001, 0.0, 0.05)
"""Just before, at, and a little after."""


def stops(side: Any) -> list[Urgency]:
    return [action.urgency for action in side.book.actions if isinstance(action, act.StopPower)]


# -- station ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off", OFF)
@pytest.mark.parametrize(
    ("state", "request_type", "fields", "seconds"),
    [
        (State.POWER_DELIVERY, cm.PowerDeliveryReq, {"ev_processing": Processing.Ongoing}, 60.0),
        (State.DC_WELDING_DETECTION, dc.DCWeldingDetectionReq, {"ev_processing": Processing.Ongoing}, 65.0),
        (State.DC_PRE_CHARGE, dc.DCPreChargeReq, {"ev_processing": Processing.Ongoing}, 8.0),
        (State.DC_CABLE_CHECK, dc.DCCableCheckReq, {}, 38.0),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_vehicle_that_goes_on_asking(
    state: State, request_type: type, fields: dict[str, Any], seconds: float, off: float
) -> None:
    drive = Drive().to(state)
    drive.measure(BATTERY_V if state is State.POWER_DELIVERY else 0.0)
    began, acted = drive.book.now, []
    drive.send(request_type, **fields)
    while drive.book.now < began + seconds + off - 1e-9:
        drive.book.wait(min(0.5, began + seconds + off - drive.book.now))
        acted += stops(drive)
        if not acted:
            drive.send(request_type, **fields)
    if off < 0.0:
        assert acted == []
        assert drive.session.ended is None
        return
    drive.send(request_type, **fields)
    assert drive.session.ended is not None
    assert drive.session.ended.reason in (
        EndReason.ONGOING_TOO_LONG,
        EndReason.PRE_CHARGE_FAILED,
        EndReason.CABLE_CHECK_FAILED,
    )
    if state is not State.DC_WELDING_DETECTION:  # there everything is off already
        assert acted == [Urgency.EMERGENCY]


@pytest.mark.parametrize("off", OFF)
def test_the_pilot_has_to_show_c_in_time(off: float) -> None:
    drive = Drive().to(State.DC_CABLE_CHECK)
    drive.book.tell(ev.SignalChanged(ev.SignalState.B))
    drive.send(dc.DCCableCheckReq)
    drive.book.wait(0.25 + off)
    assert stops(drive) == ([] if off < 0.0 else [Urgency.EMERGENCY])
    if off < 0.0:
        drive.book.tell(ev.SignalChanged(ev.SignalState.C))
        drive.book.wait(5.0)
        assert stops(drive) == []


def test_the_pilot_leaves_c_before_the_contactors_have_opened() -> None:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    assert stops(drive) == [Urgency.ORDERLY]
    drive.book.tell(ev.SignalChanged(ev.SignalState.B))
    assert set(stops(drive)) == {Urgency.EMERGENCY}, "contactors that are still closed open at once"
    assert [drive.session.ended] == [None], "it is how the vehicle lets go, as in the older editions"
    drive.book.tell(ev.SignalChanged(ev.SignalState.E))
    assert drive.session.ended is not None
    assert drive.session.ended.reason is EndReason.SIGNAL_LOST


@pytest.mark.parametrize("off", OFF)
@pytest.mark.parametrize("current_a", [0.0, 5.0, 5.1, 100.0])
def test_a_vehicle_that_does_not_stop_is_stopped(current_a: float, off: float) -> None:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.book.tell(ev.StopRequested("closing time"))
    acted: list[Urgency] = []
    while drive.book.now < 10.0 + off - 1e-9:
        drive.measure(BATTERY_V, current_a)
        drive.send(dc.DCChargeLoopReq)
        drive.measure(BATTERY_V, current_a)
        drive.book.wait(min(0.25, 10.0 + off - drive.book.now))
        acted += stops(drive)
    flows = current_a > 5.0
    assert acted == ([] if off < 0.0 else [Urgency.EMERGENCY if flows else Urgency.ORDERLY])
    if off >= 0.0:
        drive.book.tell(ev.ContactorsChanged(False))
        drive.measure(0.0)
        drive.send(dc.DCChargeLoopReq)
        ended = drive.session.ended
        assert ended is not None
        assert ended.reason is (EndReason.HARDWARE_FAULT if flows else EndReason.STOPPED_BY_STATION)
        assert ended.rule == (Rule.NO_DECAY.value if flows else "")


@pytest.mark.parametrize(("voltage", "works"), [(820.0, True), (820.2, False), (779.8, False), (0.0, False)])
@pytest.mark.parametrize("closed", [False, True])
def test_contactors_that_are_closed_already_are_no_way_round_pre_charge(
    voltage: float, works: bool, closed: bool
) -> None:
    """Some connectors close them for the cable check."""
    drive = Drive().to(State.POWER_DELIVERY)
    if closed:
        drive.book.tell(ev.ContactorsChanged(True))
    drive.measure(voltage)
    answer = drive.send(cm.PowerDeliveryReq)
    if works and not closed:
        drive.book.tell(ev.ContactorsChanged(True))
        answer = drive.book.sends(cm.PowerDeliveryRes)
    answer = held_back(drive, answer)
    assert answer.response_code.value == ("OK" if works else "FAILED_PowerDeliveryNotApplied")
    if not works:
        assert drive.session.ended is not None
        assert drive.session.ended.rule == Rule.CONTACTOR_VOLTAGE.value
        assert not drive.session.energized


@pytest.mark.parametrize(("off_v", "closes"), [(20.0, True), (21.0, False)])
def test_what_is_compared_before_contactors_close_cannot_be_switched_off(off_v: float, closes: bool) -> None:
    supervision = SupervisionLimits(off=(Rule.CONTACTOR_VOLTAGE,))
    drive = Drive(config=SeccConfig(services=ALL_SERVICES, supervision=supervision)).to(State.POWER_DELIVERY)
    drive.measure(drive.session._facts.precharge_target_v - off_v)
    drive.send(cm.PowerDeliveryReq)
    assert any(isinstance(one, act.CloseContactors) for one in drive.book.actions) is closes
    held_back(drive, None, 1.0)
    assert (drive.session.ended is None) is closes


@pytest.mark.parametrize(
    ("target", "works"),
    [
        (0.0, False),
        (-10.0, False),
        (150.0, False),
        (598.0, False),
        (599.5, True),
        (600.0, True),
        (950.0, True),
        (951.0, False),
    ],
)
def test_the_target_of_pre_charge_is_within_both_sides_limits(target: float, works: bool) -> None:
    drive = Drive().to(State.DC_PRE_CHARGE)
    assert VEHICLE.minimum_voltage_v == 600.0
    answer = drive.send(
        dc.DCPreChargeReq, ev_processing=Processing.Ongoing, ev_target_voltage=rational(target)
    )
    assert answer.response_code.value == ("OK" if works else "FAILED")
    assert (drive.session.ended is None) is works


def test_voltage_at_the_output_before_the_cable_check() -> None:
    def answer(drive: Drive, after: float = 0.0) -> tuple[str, bool]:
        drive.book.wait(after)
        code = drive.send(dc.DCCableCheckReq).response_code.value
        return code, any(isinstance(action, act.StartCableCheck) for action in drive.book.actions)

    drive = Drive().to(State.DC_CABLE_CHECK)
    drive.measure(60.0)
    assert answer(drive) == ("OK", True)
    config = SeccConfig(services=ALL_SERVICES, supervision=SupervisionLimits(discharge_s=3.0))
    drive = Drive(config=config).to(State.DC_CABLE_CHECK)
    drive.measure(60.1)  # what another vehicle's session left behind is waited for
    assert answer(drive) == answer(drive, 2.9) == ("OK", False)
    assert not drive.session.energized
    assert answer(drive, 0.1) == ("FAILED", False)
    assert drive.session.ended is not None
    assert drive.session.ended.rule == Rule.CABLE_CHECK_VOLTAGE.value
    assert "supervision.discharge_s" in drive.session.ended.detail


def test_an_output_that_falls_in_time_is_checked_within_the_time_of_the_vehicle() -> None:
    drive = Drive().to(State.DC_CABLE_CHECK)
    drive.measure(400.0)
    drive.send(dc.DCCableCheckReq)
    drive.measure(59.0)
    drive.book.wait(4.0)
    answer = drive.send(dc.DCCableCheckReq)
    assert answer.evse_processing is Processing.Ongoing
    (start,) = drive.book.does(act.StartCableCheck)
    assert isinstance(start, act.StartCableCheck)
    assert start.deadline == pytest.approx(drive.book.now - 4.0 + 38.0), "the vehicle's own time runs already"
    drive.book.wait(33.9)
    assert not stops(drive)
    drive.book.wait(0.1)
    assert stops(drive)


@pytest.mark.parametrize("service", ALL_SERVICES)
def test_the_cable_check_is_told_the_threshold_of_the_service(service: ServiceID) -> None:
    drive = Drive(service).to(State.DC_CABLE_CHECK)
    drive.send(dc.DCCableCheckReq)
    (action,) = drive.book.does(act.StartCableCheck)
    assert isinstance(action, act.StartCableCheck)
    assert action.insulation_ohm == (125e3 if "MCS" in service.name else 100e3)
    assert action.voltage_v == 1.1 * VEHICLE.maximum_voltage_v


def test_a_warning_for_a_vehicle_that_ignores_its_limits() -> None:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    warned = []
    for _ in range(6):
        drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(3100.0))
        warned.append(any(isinstance(action, act.SupervisionWarning) for action in drive.book.actions))
    assert warned == [False, False, True, False, False, False]
    assert drive.session.ended is None


@pytest.mark.parametrize(
    "leaves",
    [
        ev.TransportLost(ev.TransportLoss.RESET),
        ev.SignalChanged(ev.SignalState.A),
        ev.Undecodable("no message"),
        ev.MessageReceived("nothing"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_vehicle_that_goes_before_it_is_told_of_a_fault_is_not_why_the_session_ended(
    leaves: ev.Event,
) -> None:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.book.tell(ev.HardwareFault("cooling", "no flow"))
    drive.book.tell(leaves)
    drive.book.ends(EndReason.HARDWARE_FAULT)
    assert drive.session.ended is not None
    assert drive.session.ended.detail.startswith("cooling: no flow; then ")


# -- vehicle ---------------------------------------------------------------------------------------------

SLOW = Timing(message_timeout=500.0, message_timeout_loop=500.0)
POLLS: list[tuple[str, dict[str, Any], float, EndReason]] = [
    ("Authorization", {"evse_processing": Processing.Ongoing}, 180.0, EndReason.ONGOING_TOO_LONG),
    ("ScheduleExchange", {"evse_processing": Processing.Ongoing}, 60.0, EndReason.ONGOING_TOO_LONG),
    ("DC_CableCheck", {"evse_processing": Processing.Ongoing}, 40.0, EndReason.CABLE_CHECK_FAILED),
    ("DC_PreCharge", {}, 10.0, EndReason.PRE_CHARGE_FAILED),
]


def host(**more: Any) -> Host:
    return Host(config=EvccConfig(timing=SLOW, **more))


def never_matches(one: Host) -> None:
    one.measure(0.0)


@pytest.mark.parametrize("off", OFF)
@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize(("state", "ongoing", "seconds", "reason"), POLLS, ids=lambda value: str(value)[:12])
def test_a_poll_of_the_vehicle_is_ended_by_the_clock(
    state: str, ongoing: dict[str, Any], seconds: float, reason: EndReason, answered: bool, off: float
) -> None:
    one = host().to(state)
    began = one.book.now
    acted: list[Urgency] = []
    while answered and one.book.now < began + seconds - 1.0:
        if one.waiting:
            one.answer(**ongoing)
        one.wait(0.5)
    if not one.waiting:
        one.wait(0.1)
    one.wait(began + seconds + off - one.book.now)
    acted += stops(one)
    gone = one.session.ended is not None
    if off < 0.0:
        assert acted == []
        assert not gone
        return
    assert acted == [Urgency.EMERGENCY], "at the very moment, though no answer came"
    if not gone:
        one.answer(**ongoing)  # it comes at last: the vehicle takes its leave
        while one.session.ended is None:
            one.step()
    assert one.session.ended is not None
    assert one.session.ended.reason is reason


@pytest.mark.parametrize("off", OFF)
def test_welding_detection_of_the_vehicle_is_ended_by_the_clock(off: float) -> None:
    one = host(welding_detection_s=100.0).to("DC_WeldingDetection")
    one.measure(500.0)
    one.wait(60.0 + off)
    assert (one.session.ended is not None) is (off >= 0.0)


@pytest.mark.parametrize(
    ("state", "ongoing"), [poll[:2] for poll in POLLS], ids=lambda value: str(value)[:12]
)
def test_a_wish_to_stop_ends_a_poll(state: str, ongoing: dict[str, Any]) -> None:
    one = host().to(state)
    before = len(one.sent)
    one.tell(ev.StopRequested("the driver is back"))
    one.answer(**ongoing)
    one.wait(0.2)
    assert type(one.sent[-1]) is cm.SessionStopReq
    assert len(one.sent) == before + 1


@pytest.mark.parametrize(("voltage", "done"), [(60.0, False), (59.9, True)])
def test_welding_detection_ends_below_60_v(voltage: float, done: bool) -> None:
    one = Host().to("DC_ChargeLoop")
    one.battery(energy_to_target_wh=0.0, complete=True)
    while not isinstance(one.request, cm.PowerDeliveryReq) or not one.waiting:
        one.step()
    one.answer()
    one.measure(voltage)
    one.tell(ev.ContactorsChanged(False))
    assert isinstance(one.request, dc.DCWeldingDetectionReq)
    assert (one.request.ev_processing is Processing.Finished) is done


@pytest.mark.parametrize(
    ("make", "state", "stop"),
    [
        (Host, "DC_ChargeLoop", cm.PowerDeliveryReq),
        (Iso2Host, "CurrentDemand", iso2.PowerDeliveryReq),
        (DinHost, "CurrentDemand", din.PowerDeliveryReq),
    ],
    ids=["iso20", "iso2", "din"],
)
def test_the_vehicle_takes_current_to_zero_before_it_opens(
    make: Callable[[], Any], state: str, stop: type
) -> None:
    one = make().to(state)
    one.battery(energy_to_target_wh=0.0, complete=True)
    for _ in range(100):
        if isinstance(one.request, stop) and one.waiting:
            break
        assert stops(one) == []
        one.step()
    assert isinstance(one.request, stop)
    one.answer()
    asked = [a for a in one.book.actions if isinstance(a, act.StopPower | act.OpenContactors)]
    assert [(type(a), a.urgency) for a in asked] == [
        (act.StopPower, Urgency.ORDERLY),
        (act.OpenContactors, Urgency.ORDERLY),
    ]


@pytest.mark.parametrize(("service", "goes_on"), [(ServiceID.DC, True), (ServiceID.DC_BPT, False)])
def test_a_break_off_of_the_vehicle_is_an_emergency(service: ServiceID, goes_on: bool) -> None:
    """An answer with the control mode of another service ends the session, that of its own does not."""
    one = Host(service).to("DC_ChargeLoop")
    one.answer(cl_res_control_mode=dc.ScheduledDCCLResControlMode())
    assert stops(one) == ([] if goes_on else [Urgency.EMERGENCY])
    one.wait(0.3)
    assert isinstance(one.request, dc.DCChargeLoopReq) is goes_on


LEAVES: dict[str, tuple[Callable[[Drive], Any], EndReason]] = {
    "silence": (lambda d: d.book.wait(0.6), EndReason.TIMEOUT),
    "link": (lambda d: d.book.tell(ev.TransportLost(ev.TransportLoss.RESET)), EndReason.PEER_VANISHED),
    "bytes": (lambda d: d.book.tell(ev.Undecodable("x")), EndReason.UNDECODABLE),
    "sequence": (lambda d: d.send(dc.DCCableCheckReq), EndReason.SEQUENCE_ERROR),
    "parameters": (
        lambda d: d.send(dc.DCChargeLoopReq, cl_req_control_mode=d.dynamic()),
        EndReason.PARAMETERS_NOT_ACCEPTED,
    ),
    "pilot": (lambda d: d.book.tell(ev.SignalChanged(ev.SignalState.F)), EndReason.SIGNAL_LOST),
    "stop": (lambda d: d.send(cm.SessionStopReq), EndReason.STOPPED_BY_EV),
}


@pytest.mark.parametrize("name", LEAVES)
def test_how_urgent_an_end_of_the_station_is(name: str) -> None:
    leave, reason = LEAVES[name]
    drive = Drive(config=SeccConfig(services=ALL_SERVICES)).to(State.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    leave(drive)
    assert drive.session.ended is not None
    assert drive.session.ended.reason is reason
    assert stops(drive) == [Urgency.ORDERLY if name == "stop" else Urgency.EMERGENCY]
