"""The way out of a station's session by its words and its urgency: which reason counts, what the hardware is
told, how long a connection device is waited for, and when the status stream counts as silent.

Sessions of all kinds of power; each is played by hand.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import din, iso2
from iso15118.messages.iso20 import ac, acdp, dc, wpt
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing
from iso15118.secc import SeccConfig
from iso15118.secc.acdp_settings import AcdpSeccSettings
from iso15118.secc.din.sequence import State as DinState
from iso15118.secc.iso2.sequence import State as Iso2State
from iso15118.secc.iso20.acdp import neutral_status
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.coupling import DevicePosition
from iso15118.session.supervision import Rule, SupervisionLimits
from iso15118.timing import Timing
from tests.pair.ac_rig import ac_pair
from tests.pair.rig import pair
from tests.secc.ac_vehicle import AC_SERVICES, AcDrive
from tests.secc.din.vehicle import Drive as DinDrive
from tests.secc.iso2.vehicle import Drive as Iso2Drive
from tests.secc.pad import PadDrive
from tests.secc.pantograph import HERE, SERVICES, PantographDrive
from tests.secc.vehicle import ALL_SERVICES, BATTERY_V, Drive

S = State
HOME, MOVING, END = DevicePosition.HOME, DevicePosition.MOVING, DevicePosition.END_POSITION
ORDERLY, EMERGENCY = Urgency.ORDERLY, Urgency.EMERGENCY


def found(drive: Any, kind: type) -> list[Any]:
    return [one for one in drive.book.actions if isinstance(one, kind)]


def ended(drive: Any) -> act.SessionEnded:
    end = drive.session.ended
    assert end is not None
    assert isinstance(end, act.SessionEnded)
    return end


# -- which reason counts


@pytest.mark.parametrize(
    ("decided", "leaves", "reason", "detail"),
    [
        (None, ev.TransportLost(ev.TransportLoss.RESET), EndReason.PEER_VANISHED, "{loss}"),
        (None, ev.Undecodable(""), EndReason.UNDECODABLE, ""),
        (ev.HardwareFault("power", "hot"), ev.Undecodable("noise"), EndReason.HARDWARE_FAULT, "power: hot; then noise"),
        (ev.HardwareFault("power", "hot"), ev.Undecodable(""), EndReason.HARDWARE_FAULT, "power: hot; then {undecodable}"),
        (ev.EmergencyShutdown(""), ev.Undecodable("noise"), EndReason.EMERGENCY, "{emergency}; then noise"),
        (ev.StopRequested("closing"), ev.Undecodable("noise"), EndReason.UNDECODABLE, "noise"),
    ],
    ids=["lost", "noise", "fault", "fault and no word", "no word", "a wish"],
)  # fmt: skip
def test_what_was_decided_before_the_vehicle_went_is_why_it_ended(
    decided: ev.Event | None, leaves: ev.Event, reason: EndReason, detail: str
) -> None:
    drive = Drive().to(S.SERVICE_DISCOVERY)
    if decided is not None:
        drive.book.tell(decided)
    drive.book.tell(leaves)
    words = {
        "loss": ev.TransportLoss.RESET.value,
        "undecodable": EndReason.UNDECODABLE.value,
        "emergency": EndReason.EMERGENCY.value,
    }
    end = ended(drive)
    assert (end.reason, end.detail) == (reason, detail.format(**words))


def test_an_end_that_the_vehicle_is_told_of_says_its_reason_once() -> None:
    drive = Drive().to(S.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    drive.book.tell(ev.HardwareFault("power", "hot"))
    assert [one.reason for one in found(drive, act.OpenContactors)] == ["power: hot"]
    drive.send(dc.DCChargeLoopReq)
    assert (ended(drive).reason, ended(drive).detail) == (EndReason.HARDWARE_FAULT, "power: hot")
    assert [one.grace_s for one in found(drive, act.CloseTransport)] == [5.0], "the vehicle closes first"


@pytest.mark.parametrize(
    ("event", "said", "grace_s"),
    [
        (ev.Undecodable("noise"), "noise", [0.0]),
        (ev.Undecodable(""), EndReason.UNDECODABLE.value, [0.0]),
        (ev.TransportLost(ev.TransportLoss.RESET), ev.TransportLoss.RESET.value, []),
    ],
    ids=["words", "none", "lost"],
)
def test_contactors_are_told_why_they_open_and_nobody_waits_without_an_answer(
    event: ev.Event, said: str, grace_s: list[float]
) -> None:
    drive = Drive().to(S.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    drive.book.tell(event)
    assert found(drive, act.OpenContactors) == [act.OpenContactors(EMERGENCY, said)]
    assert [one.grace_s for one in found(drive, act.CloseTransport)] == grace_s


def test_a_vehicle_that_goes_after_it_was_refused_goes_because_of_it() -> None:
    drive = Drive().to(S.AUTHORIZATION)
    drive.send(cm.AuthorizationReq)
    drive.book.tell(ev.AuthorizationDecided(False))
    drive.send(cm.AuthorizationReq)
    drive.book.tell(ev.Undecodable("noise"))
    refused = drive.session._facts.turned_down
    assert refused
    assert ended(drive).detail == f"noise; it had been refused: {refused}"
    drive = Drive().to(S.AUTHORIZATION)
    drive.session._facts.refusals += ["one contract", "another"]
    drive.book.tell(ev.Undecodable("noise"))
    assert ended(drive).detail == "noise; it had been refused: one contract; another"


def test_a_cable_that_somebody_doubted_is_never_good_again() -> None:
    """Not by a check that says so later: the vehicle is told of a fault."""
    drive = DinDrive().to(DinState.CABLE_CHECK)
    drive.send(din.CableCheckReq)
    drive.tell(ev.CableCheckFinished(False, "80 kOhm"))
    drive.tell(ev.CableCheckFinished(True))
    status = drive.send(din.CableCheckReq).dc_evse_status
    assert status.evse_isolation_status is din.IsolationLevel.Fault


# -- a vehicle that does not stop


@pytest.mark.parametrize("phase", [0, 1, 2])
@pytest.mark.parametrize(("amperes", "fault"), [(1.0, False), (1.1, True)])
def test_current_in_any_one_phase_is_current_that_did_not_end(
    phase: int, amperes: float, fault: bool
) -> None:
    """A fault, though the other phases are at rest; what is less than an ampere is none."""
    config = SeccConfig(services=AC_SERVICES, timing=Timing(sequence_timeout_loop=60.0))
    drive = AcDrive(config=config).to(S.AC_CHARGE_LOOP)
    drive.send(ac.ACChargeLoopReq)
    one, two, three = (amperes if number == phase else 0.0 for number in range(3))
    drive.values = ev.AcMeasured(
        voltage_v=(230.0,) * 3, current_a=(one, two, three), power_w=(230.0 * one, 230.0 * two, 230.0 * three)
    )
    drive.book.tell(ev.StopRequested("closing time"))
    drive.send(ac.ACChargeLoopReq)
    drive.book.wait(9.9)
    assert found(drive, act.StopPower) == []
    drive.book.wait(0.2)
    assert [one.urgency for one in found(drive, act.StopPower)][:1] == [EMERGENCY if fault else ORDERLY]
    facts = drive.session._facts
    assert facts.abort_reason is (EndReason.HARDWARE_FAULT if fault else EndReason.STOPPED_BY_STATION)
    assert facts.abort_rule == (Rule.NO_DECAY.value if fault else "")
    assert not fault or f"{amperes:.0f} A still flow 10 s" in facts.abort_detail


@pytest.mark.parametrize("edition", ["din", "iso2", "iso20"])
def test_state_b_behind_the_request_to_stop_is_how_a_vehicle_lets_go_with_dc(edition: str) -> None:
    """Contactors that are still closed open at once, and it is no fault; before that request it is one."""
    drive: Any
    check: Any
    loop: Any
    for asks in (False, True):
        match edition:
            case "din":
                drive, check, loop = DinDrive(), DinState.CABLE_CHECK, DinState.CURRENT_DEMAND
                stop: tuple[type, dict[str, Any]] = (din.PowerDeliveryReq, {"ready_to_charge_state": False})
            case "iso2":
                drive, check, loop = Iso2Drive(), Iso2State.CABLE_CHECK, Iso2State.CURRENT_DEMAND
                stop = (iso2.PowerDeliveryReq, {"charge_progress": iso2.ChargeProgress.Stop})
            case _:
                drive, check, loop = Drive(), S.DC_CABLE_CHECK, S.DC_CHARGE_LOOP
                stop = (cm.PowerDeliveryReq, {"charge_progress": cm.ChargeProgress.Stop})
        drive.to(check)
        drive.book.tell(ev.SignalChanged(ev.SignalState.C))
        drive.to(loop)
        if asks:
            assert drive.send(stop[0], **stop[1]) is None
        drive.book.tell(ev.SignalChanged(ev.SignalState.B))
        assert {one.urgency for one in found(drive, act.StopPower)} == {EMERGENCY}
        assert (drive.session._facts.abort_reason is None) is asks
    drive.book.tell(ev.ContactorsChanged(False))
    (answer,) = (one.message for one in found(drive, act.Send))
    answer = answer if edition == "iso20" else answer.body.body_element
    assert answer.response_code.value == "OK"
    assert drive.session.ended is None


# -- the connection device


def connecting() -> PantographDrive:
    drive = PantographDrive().to(S.ACDP_CONNECT)
    drive.book.wait(3.0)
    drive.send(acdp.ACDPConnectReq)
    assert found(drive, act.ConnectDevice) == [act.ConnectDevice(drive.book.now + 55.0)]
    drive.moves(MOVING)
    return drive


@pytest.mark.parametrize(("position", "arrived"), [(END, True), (MOVING, False), (HOME, False)])
def test_only_a_device_that_is_where_it_was_told_to_be_is_no_longer_waited_for(
    position: DevicePosition, arrived: bool
) -> None:
    drive = connecting()
    drive.book.wait(54.0)
    drive.moves(position)
    drive.book.wait(1.5)
    assert drive.session._facts.abort_reason is (None if arrived else EndReason.COUPLING_FAILED)


@pytest.mark.parametrize("when", [None, 0.0])
def test_a_device_is_retracted_in_its_time_and_nobody_waits_for_it_after_the_end(when: float | None) -> None:
    """By a reading of now, or one that says of when it is."""
    drive = PantographDrive().to(S.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    drive.book.tell(ev.TransportLost(ev.TransportLoss.RESET))
    drive.book.tell(ev.ContactorsChanged(False))
    assert found(drive, act.DisconnectDevice) == []
    drive.book.tell(ev.PowerMeasured(0.0, 0.0, at=None if when is None else drive.book.now + when))
    assert found(drive, act.DisconnectDevice) == [act.DisconnectDevice(drive.book.now + 55.0)]
    assert drive.session.deadline is None


@pytest.mark.parametrize(("at", "fresh"), [(None, True), (-0.9, True), (-1.1, False), (5.0, True)])
def test_a_place_counts_from_when_it_was_measured_and_not_from_the_future(
    at: float | None, fresh: bool
) -> None:
    drive = PantographDrive().to(S.AUTHORIZATION_SETUP)
    drive.place = None
    drive.book.wait(10.0)
    drive.book.tell(ev.VehiclePositionMeasured(HERE, at=None if at is None else drive.book.now + at))
    answer = drive.send(acdp.ACDPVehiclePositioningReq)
    assert (answer.evse_processing is Processing.Finished) is fresh
    drive.book.wait(1.1)
    answer = drive.send(acdp.ACDPVehiclePositioningReq)
    assert answer.evse_processing is Processing.Ongoing, "no place of the future outlasts its time"


def test_a_vehicle_that_leaves_the_pad_while_its_place_is_tried_gets_no_power_at_once() -> None:
    drive = PadDrive().to(S.WPT_ALIGNMENT_CHECK)
    drive.send(wpt.WPTAlignmentCheckReq, ev_processing=Processing.Ongoing)
    assert drive.session._facts.pad_power is not None
    drive.book.tell(ev.PadMeasured(vehicle_here=False))
    assert found(drive, act.StopPower) == [act.StopPower(EMERGENCY)]
    assert drive.session.ended is None
    drive.book.tell(ev.PadMeasured(vehicle_here=False))
    assert found(drive, act.StopPower) == []


def test_an_end_is_told_once_whatever_is_measured_behind_it() -> None:
    drive = Drive()  # nothing was said yet
    drive.book.tell(ev.TransportLost(ev.TransportLoss.RESET))
    first = ended(drive)
    told: list[act.Action] = []
    for _ in range(26):
        drive.book.now += 0.05
        drive.book.tell(ev.PowerMeasured(BATTERY_V, 500.0))
        told += drive.book.actions
    assert found(drive, act.SessionEnded) == []
    assert any(isinstance(one, act.StopPower) for one in told), "but it is made safe again"
    assert not any(isinstance(one, act.SessionEnded | act.StateEntered | act.CloseTransport) for one in told)
    assert ended(drive) is first


@pytest.mark.parametrize("alternating", [False, True], ids=["DC", "AC"])
def test_an_ordinary_charge_ends_without_any_haste(alternating: bool) -> None:
    rig = ac_pair() if alternating else pair()
    asked: list[act.Action] = []
    perform = rig.station.perform

    def heard(action: Any, now: float) -> Any:
        asked.append(action)
        return perform(action, now)

    rig.station.perform = heard  # type: ignore[method-assign]
    rig.run()
    stops = [one.urgency for one in asked if isinstance(one, act.StopPower | act.OpenContactors)]
    assert stops
    assert set(stops) == {ORDERLY}


def test_a_pad_without_a_vehicle_is_told_to_stop_where_it_sends_anything_and_once() -> None:
    drive = PadDrive().to(S.WPT_FINE_POSITIONING)
    for watts, told in ((0.0, []), (0.5, [act.StopPower(EMERGENCY)]), (0.5, [])):
        drive.book.tell(ev.PadMeasured(power_w=watts, vehicle_here=False))
        assert found(drive, act.StopPower) == told


def test_a_pad_that_sends_nothing_any_more_is_answered_at_once_and_one_that_goes_on_is_a_fault() -> None:
    for watts, code in ((0.0, "OK"), (4_900.0, "FAILED_PowerDeliveryNotApplied")):
        drive = PadDrive().to(S.WPT_CHARGE_LOOP)
        drive.send(wpt.WPTChargeLoopReq)
        drive.pad = ev.PadMeasured(power_w=4_900.0, vehicle_here=True)
        assert drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop) is None
        drive.book.wait(0.3)
        drive.pad = ev.PadMeasured(power_w=watts, vehicle_here=True)
        drive.book.tell(drive.pad)
        if watts:
            assert found(drive, act.Send) == []
            drive.book.wait(1.2)
        drive.book.sends(cm.PowerDeliveryRes, code)


# -- the status stream


def test_how_long_a_status_was_silent_is_said() -> None:
    config = SeccConfig(
        services=SERVICES,
        acdp=AcdpSeccSettings(status_silence_s=7.0),
        timing=Timing(sequence_timeout_loop=60.0),
    )
    drive = PantographDrive(config=config).to(S.DC_CHARGE_LOOP)
    drive.book.wait(2.0)
    drive.send(dc.DCChargeLoopReq)
    drive.send(acdp.ACDPSystemStatusReq)
    drive.book.wait(6.9)
    assert drive.session._facts.stop_wanted == ""
    drive.book.wait(0.2)
    assert drive.session._facts.stop_wanted == "no ACDP_SystemStatusReq for 7 s"


@pytest.mark.parametrize("leaves_s", [25.0, 35.0])
def test_a_vehicle_that_the_device_has_left_owes_no_status(leaves_s: float) -> None:
    """The minute in which the first one was due is over only then."""
    drive = PantographDrive().to(S.DC_WELDING_DETECTION)
    drive.book.wait(30.0)
    drive.send(dc.DCWeldingDetectionReq)
    drive.part()
    drive.book.waits_for(S.SESSION_STOP.value)
    drive.book.wait(leaves_s)
    drive.send(cm.SessionStopReq)
    assert ended(drive).reason is EndReason.STOPPED_BY_EV


def test_services_of_a_station_without_a_device_owe_no_status_either() -> None:
    drive = Drive(config=SeccConfig(services=ALL_SERVICES)).to(S.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    assert drive.session._facts.status_heard is None
    assert drive.session._facts.stop_wanted == ""


# -- what comes behind the station's own stop


def stopping_by_itself(edition: str, **settings: Any) -> tuple[Any, type]:
    """A station that was told to stop and whose vehicle did not follow, nor hear of the end yet."""
    drive, state, request = {
        "din": (DinDrive, DinState.CURRENT_DEMAND, din.CurrentDemandReq),
        "iso2": (Iso2Drive, Iso2State.CURRENT_DEMAND, iso2.CurrentDemandReq),
        "iso20": (Drive, S.DC_CHARGE_LOOP, dc.DCChargeLoopReq),
    }[edition]
    made: Any = drive(config=SeccConfig(services=ALL_SERVICES, **settings)) if settings else drive()
    made.to(state)
    made.book.tell(ev.StopRequested("closing time"))
    for _ in range(200):
        made.send(request)
        made.book.wait(0.3)
        if made.session._facts.abort_reason is not None:
            break
    assert made.session._facts.abort_reason is EndReason.STOPPED_BY_STATION
    assert made.session.ended is None
    return made, request


@pytest.mark.parametrize(
    ("told", "reason", "detail", "cause"),
    [
        (ev.EmergencyShutdown("button"), EndReason.EMERGENCY, "button", ""),
        (ev.HardwareFault("power", "hot"), EndReason.HARDWARE_FAULT, "power: hot", ""),
        (
            ev.ContactorsChanged(True),
            EndReason.CONTACTOR_FAILED,
            "contactors did not open, and are closed 0.2 s after they were told to: is PortLimits.feedback_s too short?",
            "contactors-not-opened",
        ),
        (ev.StopRequested("again"), EndReason.STOPPED_BY_STATION, "closing time", "stop-not-followed"),
    ],
)
@pytest.mark.parametrize("edition", ["din", "iso2", "iso20"])
def test_a_fault_behind_the_stations_own_stop_is_why_it_ended(
    edition: str, told: ev.Event, reason: EndReason, detail: str, cause: str
) -> None:
    drive, request = stopping_by_itself(edition)
    drive.book.tell(told)
    assert drive.session._facts.abort_reason is reason
    drive.book.tell(ev.StopRequested("and again"))
    drive.send(request)
    assert (ended(drive).reason, ended(drive).detail, ended(drive).cause) == (reason, detail, cause)


@pytest.mark.parametrize("edition", ["din", "iso2"])
def test_an_edition_of_one_stream_takes_no_message_on_another(edition: str) -> None:
    drive: Any = DinDrive() if edition == "din" else Iso2Drive()
    drive.to(DinState.POWER_DELIVERY if edition == "din" else Iso2State.POWER_DELIVERY)
    kind = din.PowerDeliveryReq if edition == "din" else iso2.PowerDeliveryReq
    drive.book.tell(ev.MessageReceived(drive.request(kind), beside=True))
    assert ended(drive).reason is EndReason.SEQUENCE_ERROR
    assert "a stream that the edition does not have" in ended(drive).detail


@pytest.mark.parametrize("edition", ["din", "iso2", "iso20"])
def test_of_two_faults_the_first_is_why_it_ended(edition: str) -> None:
    drive, request = stopping_by_itself(edition)
    drive.book.tell(ev.EmergencyShutdown("button"))
    drive.book.tell(ev.HardwareFault("power", "hot"))
    drive.send(request)
    assert (ended(drive).reason, ended(drive).detail) == (EndReason.EMERGENCY, "button")


def test_a_rule_that_is_broken_behind_the_stations_own_stop_is_why_it_ended() -> None:
    drive, request = stopping_by_itself("iso20", supervision=SupervisionLimits(contactor_s=0.2))
    assert drive.session._facts.contactors_closed
    for _ in range(4):
        drive.measure(BATTERY_V, 0.0)
        drive.book.wait(0.1)
    drive.send(request)
    assert (ended(drive).reason, ended(drive).rule) == (EndReason.CONTACTOR_FAILED, "contactor-level")


@pytest.mark.parametrize("told", [ev.EmergencyShutdown("button"), ev.HardwareFault("power", "hot")])
def test_a_station_with_a_device_tells_an_emergency_behind_its_own_stop(told: ev.Event) -> None:
    drive = PantographDrive().to(S.DC_CHARGE_LOOP)
    drive.session._facts.abort_reason = EndReason.STOPPED_BY_STATION
    drive.book.tell(told)
    said = neutral_status(drive.context)
    emergency = isinstance(told, ev.EmergencyShutdown)
    assert (said["evse_emergency_shutdown"], said["evse_malfunction"]) == (emergency, not emergency)
