"""Value-added services of ISO 15118-20 at the station: what is offered and selected, and
parking status on its stream."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.messages.values import si
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.value_added import (
    Guidance,
    ServiceParameters,
    ValueAddedService,
    internet,
    parking_status,
)
from tests.secc.vehicle import Drive

BATTERY = ValueAddedService(
    id=60_010,
    name="BatteryData",
    free=False,
    parameter_sets=(
        ServiceParameters(
            id=1, values=(("StateOfHealth", True), ("Interval", 60), ("Resolution", 0.5), ("Unit", "percent"))
        ),
        ServiceParameters(id=7, values=(("StateOfHealth", False), ("Interval", 600))),
    ),
)
PLAIN = ValueAddedService(id=60_002, name="Toilet")
OLD = ValueAddedService(id=3, name="InternetAccess", category="Internet")
ALL = (internet("http", "https"), parking_status(), BATTERY, PLAIN, OLD)
SELECTED = (
    State.DC_CHARGE_PARAMETER_DISCOVERY,
    State.SCHEDULE_EXCHANGE,
    State.DC_CABLE_CHECK,
    State.DC_PRE_CHARGE,
    State.POWER_DELIVERY,
    State.DC_CHARGE_LOOP,
    State.DC_WELDING_DETECTION,
    State.SESSION_STOP,
)


def at_selection(*services: ValueAddedService, **more: Any) -> Drive:
    return Drive(value_added=services or ALL, **more).to(State.SERVICE_SELECTION)


def pick(drive: Drive, *pairs: tuple[int, int]) -> Any:
    chosen = tuple(cm.SelectedService(service_id=one, parameter_set_id=number) for one, number in pairs)
    return drive.send(
        cm.ServiceSelectionReq, selected_vas_list=cm.SelectedServiceList(selected_service=chosen)
    )


def told(drive: Drive, kind: type) -> list[Any]:
    return [action for action in drive.book.actions if type(action) is kind]


@pytest.mark.parametrize(
    ("supported", "listed"),
    [
        (None, [65, 66, 60_010, 60_002]),
        ((65, 60_010, 99), [65, 60_010]),
        ((1, 2, 6), None),
    ],
)
def test_the_list_holds_what_the_vehicle_supports(
    supported: tuple[int, ...] | None, listed: list[int] | None
) -> None:
    drive = Drive(value_added=ALL).to(State.SERVICE_DISCOVERY)
    wanted = None if supported is None else cm.ServiceIDList(service_id=supported)
    answer = drive.send(cm.ServiceDiscoveryReq, supported_service_ids=wanted)
    assert answer.energy_transfer_service_list.service
    if listed is None:
        assert answer.vas_list is None
        return
    assert [one.service_id for one in answer.vas_list.service] == listed
    assert [one.free_service for one in answer.vas_list.service if one.service_id == 60_010] in ([], [False])


def test_without_a_provider_nothing_is_offered_and_nothing_can_be_chosen() -> None:
    drive = Drive().to(State.SERVICE_DISCOVERY)
    assert drive.send(cm.ServiceDiscoveryReq).vas_list is None
    drive.to(State.SERVICE_SELECTION)
    assert pick(drive, (65, 4)).response_code is ResponseCode.FAILED_ServiceSelectionInvalid
    drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)


def test_parameter_sets_are_told_with_values_of_every_kind() -> None:
    drive = at_selection()
    answer = drive.send(cm.ServiceDetailReq, service_id=60_010)
    first, second = answer.service_parameter_list.parameter_set
    assert (first.parameter_set_id, second.parameter_set_id) == (1, 7)
    by_name = {one.name: one for one in first.parameter}
    assert by_name["StateOfHealth"].bool_value is True
    assert by_name["Interval"].int_value == 60
    assert si(by_name["Resolution"].rational_number) == 0.5
    assert by_name["Unit"].finite_string == "percent"
    (nameless,) = drive.send(cm.ServiceDetailReq, service_id=60_002).service_parameter_list.parameter_set
    assert nameless.parameter_set_id == 0
    sets = drive.send(cm.ServiceDetailReq, service_id=65).service_parameter_list.parameter_set
    assert [one.parameter_set_id for one in sets] == [3, 4]
    assert {one.name: one.int_value or one.finite_string for one in sets[1].parameter} == {
        "Protocol": "https",
        "Port": 443,
    }


@pytest.mark.parametrize(
    ("pairs", "selected"),
    [
        (((65, 4),), ((65, 4),)),
        (((65, 4), (66, 1), (66, 2), (60_002, 0)), ((65, 4), (66, 1), (66, 2), (60_002, None))),
        (((65, 1),), None),
        (((3, 0),), None),  # wireless power in this edition
        (((99, 0),), None),
        (((60_002, 1),), None),
        (((65, 4), (65, 4)), None),
        (((66, 3),), None),
    ],
)
def test_a_pair_that_is_offered_is_taken_and_any_other_refused(
    pairs: tuple[tuple[int, int], ...], selected: tuple[tuple[int, int | None], ...] | None
) -> None:
    drive = at_selection()
    answer = pick(drive, *pairs)
    if selected is None:
        assert answer.response_code is ResponseCode.FAILED_ServiceSelectionInvalid
        drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)
        assert told(drive, act.ServicesSelected) == []
        return
    assert answer.response_code is ResponseCode.OK
    assert [news.services for news in told(drive, act.ServicesSelected)] == [selected]
    drive.book.tell(ev.TransportLost(ev.TransportLoss.RESET))
    assert [news.services for news in told(drive, act.ServicesSelected)] == [()]


def test_another_service_selection_begins_without_any() -> None:
    drive = Drive(config=SeccConfig(service_renegotiation=True), value_added=ALL).to(State.SERVICE_SELECTION)
    pick(drive, (65, 4))
    answer = drive.send(cm.SessionStopReq, charging_session=cm.ChargingSession.ServiceRenegotiation)
    assert answer.response_code is ResponseCode.OK
    assert [news.services for news in told(drive, act.ServicesSelected)] == [()]


# -- parking -----------------------------------------------------------------------------------------------

IN, OUT = cm.EvCheckInStatus, cm.EvCheckOutStatus


def check_in(drive: Drive, status: cm.EvCheckInStatus) -> Any:
    return drive.send(
        cm.VehicleCheckInReq,
        ev_check_in_status=status,
        parking_method=cm.ParkingMethod.Manual,
        device_offset=-12,
    )


def check_out(drive: Drive, status: cm.EvCheckOutStatus) -> Any:
    return drive.send(cm.VehicleCheckOutReq, ev_check_out_status=status, check_out_time=1_790_000_000)


def parked(state: State, *pairs: tuple[int, int]) -> Drive:
    drive = at_selection()
    assert pick(drive, *(pairs or ((66, 1), (66, 2)))).response_code is ResponseCode.OK
    return drive.to(state)


@pytest.mark.parametrize("state", SELECTED, ids=lambda state: state.name)
def test_checking_in_and_out_is_possible_in_every_state_after_the_selection(state: State) -> None:
    drive = parked(state)
    deadline = drive.session.deadline
    assert check_in(drive, IN.CheckIn).response_code is ResponseCode.OK
    assert check_in(drive, IN.Completed).response_code is ResponseCode.OK
    assert check_out(drive, OUT.CheckOut).evse_check_out_status is cm.EvseCheckOutStatus.Scheduled
    assert drive.session.state == state.value
    assert drive.session.deadline == deadline, "the timers of the main conversation go on"


def test_the_provider_says_where_to_go_and_when_to_leave() -> None:
    drive = parked(State.DC_CHARGE_PARAMETER_DISCOVERY)
    answer = check_in(drive, IN.CheckIn)
    assert (answer.parking_space, answer.device_location, answer.target_distance) == (None, None, None)
    (news,) = told(drive, act.VehicleChecksIn)
    assert (news.status, news.method, news.device_offset, news.vehicle_travel) == (
        "CheckIn",
        "Manual",
        -12,
        None,
    )
    drive.book.tell(ev.ParkingGuidance(Guidance(parking_space=17, target_distance_cm=250)))
    answer = check_in(drive, IN.Processing)
    assert (answer.parking_space, answer.device_location, answer.target_distance) == (17, None, 250)
    check_in(drive, IN.Completed)
    assert check_out(drive, OUT.CheckOut).evse_check_out_status is cm.EvseCheckOutStatus.Scheduled
    assert [news.at for news in told(drive, act.VehicleChecksOut)] == [1_790_000_000.0]
    drive.book.tell(ev.CheckOutGranted())
    assert check_out(drive, OUT.Processing).evse_check_out_status is cm.EvseCheckOutStatus.Completed
    assert check_out(drive, OUT.Completed).evse_check_out_status is cm.EvseCheckOutStatus.Completed


@pytest.mark.parametrize("pairs", [((65, 4),), ((66, 2),)])
def test_check_in_that_was_not_selected_is_out_of_sequence(pairs: tuple[tuple[int, int], ...]) -> None:
    drive = parked(State.DC_CHARGE_LOOP, *pairs)
    assert check_in(drive, IN.CheckIn).response_code is ResponseCode.FAILED_SequenceError
    drive.book.ends(EndReason.SEQUENCE_ERROR)
    assert not drive.session.energized


@pytest.mark.parametrize(
    "steps", [[IN.Processing], [IN.CheckIn, IN.Completed, IN.Processing], [IN.Completed]]
)
def test_check_in_out_of_order_is_refused(steps: list[cm.EvCheckInStatus]) -> None:
    drive = parked(State.DC_CHARGE_PARAMETER_DISCOVERY)
    *before, last = steps
    for status in before:
        assert check_in(drive, status).response_code is ResponseCode.OK
    assert check_in(drive, last).response_code is ResponseCode.FAILED_SequenceError
    drive.book.ends(EndReason.SEQUENCE_ERROR)


def test_the_loop_goes_on_beside_a_check_out() -> None:
    drive = parked(State.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    drive.book.wait(0.4)
    check_out(drive, OUT.CheckOut)
    drive.book.wait(0.09)
    assert drive.session.ended is None
    drive.book.wait(0.02)
    drive.book.ends(EndReason.TIMEOUT)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Guidance(parking_space=40_000),
        lambda: Guidance(target_distance_cm=1.5),  # type: ignore[arg-type]
        lambda: parking_status(check_in=False, check_out=False),
        lambda: parking_status(status_type=5),  # type: ignore[arg-type]
        lambda: internet("gopher"),  # type: ignore[arg-type]
        lambda: ServiceParameters(id=1, values=(("a", "x" * 65),)),
        lambda: Drive().book.tell(ev.ParkingGuidance("left")),  # type: ignore[arg-type]
    ],
    ids=["space", "distance", "no way", "type", "protocol", "text", "guidance"],
)
def test_what_a_provider_cannot_mean_is_refused(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()
