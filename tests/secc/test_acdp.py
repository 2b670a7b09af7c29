"""The pantograph at the station: every state against every request with its next states pinned here, the
device's ways to fail, its timers at their edges, and the status stream."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.messages.iso20 import acdp, dc
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.secc import SeccConfig
from iso15118.secc.acdp_settings import AcdpSeccSettings
from iso15118.secc.iso20.acdp_part import ACDP
from iso15118.secc.iso20.machine import table_of
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.coupling import DevicePosition, MobilityStatus, PositioningPlace
from iso15118.session.events import SignalState
from tests.secc.pantograph import ALL_REQUESTS, ELECTRICAL, HERE, SERVICES, STATES, PantographDrive

S = State
HOME, MOVING, END = DevicePosition.HOME, DevicePosition.MOVING, DevicePosition.END_POSITION
START, STOP, STANDBY, AGAIN = (
    cm.ChargeProgress.Start,
    cm.ChargeProgress.Stop,
    cm.ChargeProgress.Standby,
    cm.ChargeProgress.ScheduleRenegotiation,
)
UP = (acdp.ACDPDisconnectReq, {S.ACDP_DISCONNECT, S.SESSION_STOP})

PINNED: dict[State, dict[Any, set[State]]] = {
    S.AUTHORIZATION_SETUP: {acdp.ACDPVehiclePositioningReq: {S.AUTHORIZATION_SETUP}},
    S.DC_CHARGE_PARAMETER_DISCOVERY: {
        acdp.ACDPVehiclePositioningReq: {S.DC_CHARGE_PARAMETER_DISCOVERY},
        dc.DCChargeParameterDiscoveryReq: {S.SCHEDULE_EXCHANGE},
    },
    S.ACDP_CONNECT: {
        acdp.ACDPVehiclePositioningReq: {S.ACDP_CONNECT},
        acdp.ACDPConnectReq: {S.ACDP_CONNECT, S.DC_CABLE_CHECK},
        acdp.ACDPSystemStatusReq: {S.ACDP_CONNECT},
        (cm.PowerDeliveryReq, STOP): {S.SESSION_STOP, S.ACDP_DISCONNECT},
        (cm.PowerDeliveryReq, STANDBY): {S.ACDP_CONNECT},
        UP[0]: UP[1],
    },
    S.DC_CABLE_CHECK: {
        dc.DCCableCheckReq: {S.DC_CABLE_CHECK, S.DC_PRE_CHARGE},
        acdp.ACDPSystemStatusReq: {S.DC_CABLE_CHECK},
        (cm.PowerDeliveryReq, STOP): {S.SESSION_STOP, S.ACDP_DISCONNECT},
        (cm.PowerDeliveryReq, STANDBY): {S.DC_CABLE_CHECK},
        UP[0]: UP[1],
    },
    S.DC_PRE_CHARGE: {
        dc.DCPreChargeReq: {S.DC_PRE_CHARGE, S.POWER_DELIVERY},
        acdp.ACDPSystemStatusReq: {S.DC_PRE_CHARGE},
        UP[0]: UP[1],
    },
    S.DC_WELDING_DETECTION: {
        dc.DCWeldingDetectionReq: {S.DC_WELDING_DETECTION, S.ACDP_DISCONNECT},
        acdp.ACDPSystemStatusReq: {S.DC_WELDING_DETECTION},
        UP[0]: UP[1],
    },
    S.ACDP_DISCONNECT: {acdp.ACDPSystemStatusReq: {S.ACDP_DISCONNECT}, UP[0]: UP[1]},
    S.SESSION_STOP: {acdp.ACDPSystemStatusReq: {S.SESSION_STOP}},
}
"""What the device adds, and the DC phases around it, written down without the tables."""


BESIDE = (cm.VehicleCheckInReq, cm.VehicleCheckOutReq)
"""They need a parking space that was selected."""


def test_the_table_of_the_device_is_the_pinned_one() -> None:
    table = table_of(ACDP)
    for state, rows in PINNED.items():
        listed = {
            key: set(row.next)
            for key, row in table[state].items()
            if (key[0] if isinstance(key, tuple) else key) is not cm.SessionStopReq
        }
        more = {key: listed.pop(key) for key in list(listed) if key not in rows}
        assert listed == rows, state
        assert all(kind in (cm.AuthorizationSetupReq, *BESIDE) for kind in more), (state, more)
    energy = table[S.DC_CHARGE_LOOP]
    assert energy[acdp.ACDPSystemStatusReq].next == {S.DC_CHARGE_LOOP}
    assert acdp.ACDPDisconnectReq not in energy  # power is stopped by PowerDelivery
    assert acdp.ACDPDisconnectReq in table[S.POWER_DELIVERY]
    assert table[S.SCHEDULE_EXCHANGE][cm.ScheduleExchangeReq].next == {S.SCHEDULE_EXCHANGE, S.ACDP_CONNECT}


CELLS = [(state, kind) for state in STATES if state is not S.ENDED for kind in ALL_REQUESTS]


@pytest.mark.parametrize(
    ("state", "kind"), CELLS, ids=lambda one: getattr(one, "name", getattr(one, "__name__", ""))
)
def test_every_request_in_every_state(state: State, kind: type) -> None:
    drive = PantographDrive().to(state)
    changes: dict[str, Any] = {}
    if kind is cm.PowerDeliveryReq and state is not S.POWER_DELIVERY:
        changes["charge_progress"] = STOP
    response = drive.send(kind, **changes)
    listed: dict[type, set[State]] = {}
    for key, row in table_of(ACDP)[state].items():
        of = key[0] if isinstance(key, tuple) else key
        if not isinstance(key, tuple) or key[1] in (*changes.values(), START, cm.ChargingSession.Terminate):
            listed.setdefault(of, set()).update(row.next)
    absent = (cm.CertificateInstallationReq, cm.MeteringConfirmationReq, *BESIDE)
    offered = kind in listed and kind not in absent
    if not offered:
        assert response.response_code is ResponseCode.FAILED_SequenceError
        drive.book.ends(EndReason.SEQUENCE_ERROR)
        assert not drive.session.energized
        return
    if response is None:
        assert kind is cm.PowerDeliveryReq  # it waits for contactors
        return
    assert response.response_code.value.startswith("OK"), response
    assert drive.session.state in {one.value for one in listed[kind]}


# -- positioning -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stands", "in_position", "finds", "finished"),
    [
        (True, True, False, True),
        (False, True, False, False),
        (True, False, False, False),
        (True, False, True, True),
        (False, False, True, False),
    ],
)
def test_positioning_ends_when_the_vehicle_stands_in_its_place_or_finds_it_itself(
    stands: bool, in_position: bool, finds: bool, finished: bool
) -> None:
    drive = PantographDrive().to(S.AUTHORIZATION_SETUP)
    drive.place = replace(HERE, in_position=in_position, x_cm=99_999.0)
    answer = drive.send(
        acdp.ACDPVehiclePositioningReq, ev_mobility_status=stands, ev_positioning_support=finds
    )
    assert (answer.evse_processing is Processing.Finished) is finished
    assert answer.ev_in_charge_position is in_position
    assert answer.ev_relative_x_deviation == 32_767  # what does not fit is told as the most
    assert answer.ev_relative_y_deviation == -12
    assert (answer.contact_window_xc, answer.contact_window_yc) == (40, 60)


def test_a_station_that_reads_the_mobility_status_the_other_way_round() -> None:
    config = SeccConfig(services=SERVICES, acdp=AcdpSeccSettings(mobility_status=MobilityStatus.CAN_MOVE))
    drive = PantographDrive(config=config).to(S.AUTHORIZATION_SETUP)
    for can_move, processing in ((True, Processing.Ongoing), (False, Processing.Finished)):
        answer = drive.send(acdp.ACDPVehiclePositioningReq, ev_mobility_status=can_move)
        assert answer.evse_processing is processing


def test_a_sensor_that_says_nothing_is_no_place() -> None:
    drive = PantographDrive().to(S.AUTHORIZATION_SETUP)
    drive.place = None
    drive.book.wait(1.1)  # what it said before is too old
    answer = drive.send(acdp.ACDPVehiclePositioningReq)
    assert answer.evse_processing is Processing.Ongoing
    assert not answer.evse_positioning_support


def test_positioning_takes_its_time_and_not_longer() -> None:
    drive = PantographDrive().to(S.AUTHORIZATION_SETUP)
    began = drive.book.now
    while drive.book.now - began < 305.0:
        assert (
            drive.send(acdp.ACDPVehiclePositioningReq, ev_mobility_status=False).response_code.value == "OK"
        )
        drive.book.wait(5.0)
    drive.book.wait(0.1)
    assert (
        drive.send(acdp.ACDPVehiclePositioningReq, ev_mobility_status=False).response_code.value == "FAILED"
    )
    drive.book.ends(EndReason.COUPLING_FAILED)


@pytest.mark.parametrize("place", list(PositioningPlace), ids=lambda place: place.name)
def test_the_place_of_positioning_is_a_setting(place: PositioningPlace) -> None:
    states = {
        PositioningPlace.BEFORE_AUTHORIZATION: S.AUTHORIZATION_SETUP,
        PositioningPlace.AFTER_SERVICE_SELECTION: S.DC_CHARGE_PARAMETER_DISCOVERY,
    }
    for at, state in states.items():
        config = SeccConfig(services=SERVICES, acdp=AcdpSeccSettings(positioning=(place,)))
        drive = PantographDrive(config=config).to(state)
        answer = drive.send(acdp.ACDPVehiclePositioningReq)
        assert answer.response_code.value == ("OK" if at is place else "FAILED_SequenceError")


# -- down and up -------------------------------------------------------------------------------------------


def test_the_device_comes_down_and_goes_up_in_its_time() -> None:
    drive = PantographDrive().to(S.ACDP_CONNECT)
    answer = drive.send(acdp.ACDPConnectReq, ev_electrical_charging_device_status=ELECTRICAL.State_A)
    assert answer.evse_processing is Processing.Ongoing
    drive.book.does(act.ConnectDevice)
    drive.moves(MOVING)
    for _ in range(5):
        answer = drive.send(acdp.ACDPConnectReq, ev_electrical_charging_device_status=ELECTRICAL.State_A)
        assert answer.evse_mechanical_charging_device_status is acdp.MechanicalChargingDeviceStatus.Moving
        assert answer.evse_electrical_charging_device_status is ELECTRICAL.State_A
        drive.book.does()  # it is told once
        drive.book.wait(1.0)
    drive.moves(END)
    # The vehicle does not feel it yet: both have to.
    answer = drive.send(acdp.ACDPConnectReq, ev_electrical_charging_device_status=ELECTRICAL.State_A)
    assert answer.evse_processing is Processing.Ongoing
    answer = drive.send(acdp.ACDPConnectReq)
    assert answer.evse_processing is Processing.Finished
    assert drive.session.state == S.DC_CABLE_CHECK.value


def test_a_pilot_that_does_not_feel_the_vehicle_is_no_contact() -> None:
    drive = PantographDrive().to(S.ACDP_CONNECT)
    drive.book.tell(ev.SignalChanged(SignalState.A))
    drive.send(acdp.ACDPConnectReq)
    drive.moves(MOVING, END)
    assert drive.send(acdp.ACDPConnectReq).evse_processing is Processing.Ongoing
    drive.book.tell(ev.SignalChanged(SignalState.B))
    assert drive.send(acdp.ACDPConnectReq).evse_processing is Processing.Finished


@pytest.mark.parametrize(("waited", "goes_on"), [(54.99, True), (55.01, False)])
def test_a_device_that_does_not_arrive(waited: float, goes_on: bool) -> None:
    drive = PantographDrive().to(S.ACDP_CONNECT)
    drive.send(acdp.ACDPConnectReq)
    drive.moves(MOVING)
    drive.book.wait(waited)
    answer = drive.send(acdp.ACDPConnectReq)
    if goes_on:
        assert answer.response_code.value == "OK"
        return
    assert answer.response_code.value == "FAILED"
    drive.book.ends(EndReason.COUPLING_FAILED)
    drive.book.does(act.DisconnectDevice)


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (replace(HERE, in_position=False), "FAILED"),
        (replace(HERE, associated=False), "FAILED_AssociationError"),
    ],
    ids=["off", "another"],
)
def test_the_device_is_not_brought_down_on_the_wrong_place(place: Any, code: str) -> None:
    drive = PantographDrive().to(S.ACDP_CONNECT)
    drive.place = place
    assert drive.send(acdp.ACDPConnectReq).response_code.value == code
    drive.book.ends(EndReason.COUPLING_FAILED)
    drive.book.does(act.StopPower, act.OpenContactors)


def test_the_device_waits_for_a_dead_output() -> None:
    drive = PantographDrive().to(S.DC_WELDING_DETECTION)
    drive.measure(75.0)
    answer = drive.send(acdp.ACDPDisconnectReq)
    assert answer.evse_processing is Processing.Ongoing
    drive.book.does()
    drive.measure(30.0, 2.0)
    drive.send(acdp.ACDPDisconnectReq)
    drive.book.does()
    drive.measure(30.0, 0.5)
    drive.send(acdp.ACDPDisconnectReq)
    drive.book.does(act.DisconnectDevice)
    drive.moves(MOVING)
    assert drive.send(acdp.ACDPDisconnectReq).evse_processing is Processing.Ongoing
    drive.moves(HOME)
    assert drive.send(acdp.ACDPDisconnectReq).evse_processing is Processing.Finished
    assert drive.session.state == S.SESSION_STOP.value


@pytest.mark.parametrize(("waited", "goes_on"), [(54.99, True), (55.01, False)])
def test_a_device_that_does_not_go_home(waited: float, goes_on: bool) -> None:
    drive = PantographDrive().to(S.ACDP_DISCONNECT)
    drive.send(acdp.ACDPDisconnectReq)
    drive.moves(MOVING)
    drive.book.wait(waited)
    answer = drive.send(acdp.ACDPDisconnectReq)
    assert answer.response_code.value == ("OK" if goes_on else "FAILED")
    if not goes_on:
        drive.book.ends(EndReason.HARDWARE_FAULT)


@pytest.mark.parametrize("state", [S.ACDP_CONNECT, S.DC_CABLE_CHECK, S.DC_PRE_CHARGE, S.POWER_DELIVERY])
def test_who_gives_up_before_power_has_the_device_retracted(state: State) -> None:
    drive = PantographDrive().to(state)
    if state is S.ACDP_CONNECT:
        drive.send(acdp.ACDPConnectReq)
        drive.moves(MOVING)
    drive.measure(0.0)
    asked: list[act.Action] = []
    for _ in range(2):
        answer = drive.send(acdp.ACDPDisconnectReq)
        assert answer.evse_processing is Processing.Ongoing
        asked += drive.book.actions
    assert [type(action) for action in asked].count(act.DisconnectDevice) == 1
    drive.moves(MOVING, HOME)
    assert drive.send(acdp.ACDPDisconnectReq).evse_processing is Processing.Finished
    assert drive.send(cm.SessionStopReq).response_code.value == "OK"


LIVE = [S.DC_CABLE_CHECK, S.DC_PRE_CHARGE, S.POWER_DELIVERY, S.DC_CHARGE_LOOP, S.SCHEDULE_RENEGOTIATION]


@pytest.mark.parametrize("state", LIVE, ids=lambda state: state.name)
def test_a_lost_contact_under_power_opens_at_once(state: State) -> None:
    drive = PantographDrive().to(state)
    if state is S.DC_CABLE_CHECK:
        drive.send(dc.DCCableCheckReq)
    drive.moves(MOVING)
    drive.book.does(act.StopPower, act.OpenContactors)
    drive.book.tell(ev.ContactorsChanged(False))
    drive.measure(0.0)
    if drive.session.ended is None:
        assert drive.send(acdp.ACDPSystemStatusReq).response_code.value == "FAILED"
    drive.book.ends(EndReason.HARDWARE_FAULT)


def test_no_voltage_while_the_device_is_not_there() -> None:
    drive = PantographDrive().to(S.DC_CABLE_CHECK)
    drive.moves(MOVING)  # nothing was on the output yet
    assert drive.send(dc.DCCableCheckReq).response_code.value == "FAILED"
    drive.book.ends(EndReason.HARDWARE_FAULT)


@pytest.mark.parametrize(
    "state", [s for s in STATES if s not in (S.ENDED, S.SESSION_SETUP)], ids=lambda s: s.name
)
def test_a_vanished_peer_leaves_no_device_down(state: State) -> None:
    drive = PantographDrive().to(state)
    if state is S.DC_CABLE_CHECK:
        drive.send(dc.DCCableCheckReq)
    was_down = drive.session._facts.device_down
    drive.book.tell(ev.TransportLost(ev.TransportLoss.RESET))
    seen = list(drive.book.actions)
    drive.book.tell(ev.ContactorsChanged(False))
    seen += drive.book.actions
    drive.output = ev.PowerMeasured(300.0, 0.0)
    drive.book.tell(drive.output)
    seen += drive.book.actions
    drive.output = ev.PowerMeasured(0.0, 0.0)
    for _ in range(3):
        drive.book.tell(drive.output)
        seen += drive.book.actions
    told = [action for action in seen if type(action) is act.DisconnectDevice]
    assert len(told) == (1 if was_down else 0)


def test_a_device_that_was_left_down_is_retracted_at_the_end() -> None:
    drive = PantographDrive(device=END)
    drive.connect()
    drive.output = ev.PowerMeasured(0.0, 0.0)
    drive.book.tell(drive.output)
    drive.book.tell(ev.TransportLost(ev.TransportLoss.RESET))
    drive.book.does(act.StopPower, act.OpenContactors, act.DisconnectDevice)


def test_a_device_that_moves_by_itself_ends_the_session_and_is_retracted() -> None:
    drive = PantographDrive().to(S.DC_CHARGE_PARAMETER_DISCOVERY)
    drive.moves(MOVING)
    assert drive.send(dc.DCChargeParameterDiscoveryReq).response_code.value == "FAILED"
    drive.book.ends(EndReason.HARDWARE_FAULT)
    assert act.DisconnectDevice in [type(action) for action in drive.book.actions]


def test_a_device_that_was_left_on_its_way_is_told_to_connect() -> None:
    drive = PantographDrive(device=MOVING).to(S.ACDP_CONNECT)
    drive.send(acdp.ACDPConnectReq)
    drive.book.does(act.ConnectDevice)
    drive.moves(END)
    assert drive.send(acdp.ACDPConnectReq).evse_processing is Processing.Finished


def test_state_a_is_no_fault_while_nothing_joins_the_two() -> None:
    drive = PantographDrive().to(S.AUTHORIZATION_SETUP)
    drive.book.tell(ev.SignalChanged(SignalState.A))
    assert drive.session.ended is None
    drive = PantographDrive().to(S.DC_CHARGE_LOOP)
    drive.book.tell(ev.SignalChanged(SignalState.A))
    drive.book.ends(EndReason.SIGNAL_LOST)


def test_no_pause_with_the_device_down() -> None:
    drive = PantographDrive().to(S.DC_WELDING_DETECTION)
    answer = drive.send(cm.SessionStopReq, charging_session=cm.ChargingSession.Pause)
    assert answer.response_code.value == "FAILED_PauseNotAllowed"


# -- the status stream -------------------------------------------------------------------------------------


def status(**changes: Any) -> acdp.EVTechnicalStatus:
    return acdp.EVTechnicalStatus(
        **({"ev_ready_to_charge": True, "ev_immobilization_request": True} | changes)
    )


def test_the_status_is_answered_beside_the_loop() -> None:
    drive = PantographDrive().to(S.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    due = drive.session.deadline
    drive.book.wait(0.2)
    answer = drive.send(acdp.ACDPSystemStatusReq)
    assert answer.response_code.value == "OK"
    assert answer.evse_isolation_status is acdp.IsolationStatus.Safe
    assert answer.evse_mechanical_charging_device_status is acdp.MechanicalChargingDeviceStatus.EndPosition
    assert answer.ev_in_charge_position
    assert answer.ev_association_status
    assert drive.session.deadline == due  # the loop's own time goes on
    assert drive.send(dc.DCChargeLoopReq).response_code.value == "OK"


@pytest.mark.parametrize("error", list(acdp.ErrorCode), ids=lambda code: code.value)
def test_a_fault_of_the_vehicle_is_obeyed(error: acdp.ErrorCode) -> None:
    drive = PantographDrive().to(S.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    answer = drive.send(acdp.ACDPSystemStatusReq, ev_technical_status=status(ev_error_code=error))
    at_once = {"FAILED_EmergencyEvent", "FAILED_Breaker", "FAILED_ChargingCurrentDifferential"}
    if error.value in at_once | {"FAILED_ChargingVoltageOutOfRange"}:
        assert answer.response_code.value == "FAILED"
        drive.book.ends(EndReason.EMERGENCY)
        return
    assert answer.response_code.value == "OK"
    notified = drive.send(dc.DCChargeLoopReq).evse_status
    assert (notified is not None) is (error is not acdp.ErrorCode.OK_NoEVError)


@pytest.mark.parametrize(("changes", "stops"), [({"ev_timeout": True}, True), ({"ev_timeout": False}, False)])
def test_a_timeout_of_the_vehicle_is_a_wish_to_stop(changes: dict[str, Any], stops: bool) -> None:
    drive = PantographDrive().to(S.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    drive.send(acdp.ACDPSystemStatusReq, ev_technical_status=status(**changes))
    notified = drive.send(dc.DCChargeLoopReq).evse_status
    assert (notified is not None) is stops


def test_a_vehicle_that_may_move_under_the_device_is_an_emergency() -> None:
    drive = PantographDrive().to(S.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    answer = drive.send(acdp.ACDPSystemStatusReq, ev_technical_status=status(ev_immobilized=False))
    assert answer.response_code.value == "FAILED"
    drive.book.ends(EndReason.EMERGENCY)


def _loop_for(drive: PantographDrive, seconds: float) -> Any:
    until, answer = drive.book.now + seconds, None
    while drive.book.now < until - 1e-9 and drive.session.ended is None:
        drive.output = ev.PowerMeasured(
            800.0, 90.0 + drive.book.now % 1.0
        )  # no sensor shows the same for a minute
        answer = drive.send(dc.DCChargeLoopReq)
        drive.book.wait(min(0.25, until - drive.book.now))
    return answer


@pytest.mark.parametrize(("seconds", "stops"), [(4.75, False), (5.5, True)])
def test_a_status_that_falls_silent_under_power_is_a_wish_to_stop(seconds: float, stops: bool) -> None:
    drive = PantographDrive().to(S.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    drive.send(acdp.ACDPSystemStatusReq)
    _loop_for(drive, seconds)
    assert (drive.send(dc.DCChargeLoopReq).evse_status is not None) is stops


@pytest.mark.parametrize(("required", "stops"), [(True, True), (False, False)])
def test_a_vehicle_that_never_tells_its_status(required: bool, stops: bool) -> None:
    config = SeccConfig(services=SERVICES, acdp=AcdpSeccSettings(status_required=required))
    drive = PantographDrive(config=config).to(S.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    _loop_for(drive, 60.5)
    assert (drive.send(dc.DCChargeLoopReq).evse_status is not None) is stops
