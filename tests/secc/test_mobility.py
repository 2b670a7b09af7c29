"""What a driver needs, at the station in Dynamic mode: when a change of mind is passed on, what the vehicle
is told of what the station knows itself, and whether it took that over. Every moment at its edge."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import DisplayParameters
from iso15118.messages.values import rational
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import ChargingNeeds, MobilityNeedsAnswered
from iso15118.session.services import ControlMode, MobilityNeedsMode, ServiceID
from iso15118.timing import Timing
from tests.secc.vehicle import ALL_SERVICES, BATTERY_V, Drive

S = State
DYNAMIC = ControlMode.DYNAMIC
CONFIG = SeccConfig(
    services=ALL_SERVICES,
    mobility_needs_modes=tuple(MobilityNeedsMode),
    timing=Timing(sequence_timeout_loop=60.0),
)


class Driver(Drive):
    """A vehicle whose parameter set lets the station be told of the driver's needs."""

    def request(self, kind: type, **changes: Any) -> Any:
        if kind is cm.ServiceSelectionReq:
            chosen = cm.SelectedService(service_id=int(self.service.id), parameter_set_id=self.parameter_set)
            changes = {"selected_energy_transfer_service": chosen}
        return super().request(kind, **changes)

    parameter_set = 3


def before_the_exchange(**session: Any) -> Driver:
    drive = Driver(ServiceID.DC_BPT, DYNAMIC, config=CONFIG, **session)
    drive.to(S.SCHEDULE_EXCHANGE)
    return drive


def needs(departure: int = 3600, **more: Any) -> cm.DynamicSEReqControlMode:
    energies: dict[str, Any] = {
        f"ev_{name}_energy_request": rational(wh)
        for name, wh in (("target", 50_000.0), ("maximum", 60_000.0), ("minimum", -20_000.0))
    }
    return cm.DynamicSEReqControlMode(departure_time=departure, **(energies | more))


def looping(departure: int = 3600, told: ev.Event | None = None, **more: Any) -> Driver:
    """In the loop at 0 s, with these needs said in the schedule exchange at 0 s."""
    drive = before_the_exchange()
    drive.send(cm.ScheduleExchangeReq, se_req_control_mode=needs(departure, **more))
    drive.to(S.DC_CHARGE_LOOP)
    if told is not None:
        drive.book.tell(told)
    return drive


def turn(drive: Drive, at: float, shown: DisplayParameters | None = None, **changes: Any) -> Any:
    """One turn of the loop at this moment; the control mode element of the answer."""
    drive.book.now = at
    drive.measure(BATTERY_V)
    answer = drive.send(
        dc.DCChargeLoopReq, cl_req_control_mode=drive.dynamic(**changes), display_parameters=shown
    )
    assert answer.response_code.value == "OK"
    return answer.cl_res_control_mode


def passed_on(drive: Drive) -> list[ChargingNeeds]:
    return [one for one in drive.book.actions if isinstance(one, ChargingNeeds)]


# -- a change of mind


@pytest.mark.parametrize(
    ("departure", "at", "changes", "heard"),
    [
        # How often
        (3600, 0.99, {"energy_wh": 55_000.0}, False),
        (3600, 1.0, {"energy_wh": 55_000.0}, True),
        (3600, 9.99, {"energy_wh": 40_000.0, "departure_time": 3590}, False),
        (3600, 10.0, {"energy_wh": 40_000.0, "departure_time": 3590}, True),
        # The energy
        (3600, 5.0, {"energy_wh": 50_000.0, "departure_time": 3595}, False),
        (3600, 5.0, {"energy_wh": 50_010.0, "departure_time": 3595}, True),
        # The departure, which travels in whole seconds
        (3600, 4.0, {"departure_time": 3594}, False),
        (3600, 4.0, {"departure_time": 3598}, False),
        (3600, 4.5, {"departure_time": 3593}, True),
        (3600, 4.5, {"departure_time": 3598}, True),
        (3600, 5.0, {"departure_time": None}, True),
        # One that is over stays over
        (5, 8.5, {"departure_time": 0}, False),
        (5, 8.5, {"departure_time": 1}, True),
        (100, 5.0, {"departure_time": 0}, True),
        (8, 5.7, {"departure_time": 0}, True),
        # What may be taken back
        (3600, 5.0, {"departure_time": 3595, "ev_maximum_v2x_energy_request": rational(1.0)}, True),
        (3600, 5.0, {"departure_time": 3595, "ev_minimum_v2x_energy_request": rational(1.0)}, True),
    ],
)
def test_a_change_of_mind_is_passed_on(
    departure: int, at: float, changes: dict[str, Any], heard: bool
) -> None:
    drive = looping(departure)
    turn(drive, at, **changes)
    assert len(passed_on(drive)) == heard


@pytest.mark.parametrize(
    ("first", "then", "heard"),
    [
        ({}, {"minimum_soc": 20}, True),
        ({}, {"target_soc": 80}, True),
        ({"minimum_soc": 20, "target_soc": 80}, {"minimum_soc": 20, "target_soc": 80}, False),
        ({"minimum_soc": 20, "target_soc": 80}, {}, False),
        ({"minimum_soc": 20, "target_soc": 80}, {"minimum_soc": 21}, True),
        ({"minimum_soc": 20, "target_soc": 80}, {"target_soc": 79}, True),
        ({"minimum_soc": 20, "target_soc": 80}, {"present_soc": 50}, False),
    ],
    ids=str,
)
def test_states_of_charge_are_said_again_where_they_are_shown(
    first: dict[str, Any], then: dict[str, Any], heard: bool
) -> None:
    drive = looping(**first)
    turn(drive, 3.0, DisplayParameters(**then), departure_time=3597)
    told = passed_on(drive)
    assert len(told) == heard
    if told:
        wanted = first | {key: value for key, value in then.items() if key != "present_soc"}
        assert (told[0].minimum_soc, told[0].target_soc) == (
            wanted.get("minimum_soc"),
            wanted.get("target_soc"),
        )


def test_a_vehicle_that_does_not_know_when_it_leaves_may_say_so() -> None:
    drive = looping()
    for at, departure, heard in ((3.0, None, 1), (5.0, None, 0), (7.0, 3600, 1)):
        turn(drive, at, departure_time=departure)
        assert [one.departure_s for one in passed_on(drive)] == [departure] * heard


def test_what_is_passed_on_is_all_that_was_said() -> None:
    drive = looping()
    v2x: dict[str, Any] = {
        "ev_maximum_v2x_energy_request": rational(7_000.0),
        "ev_minimum_v2x_energy_request": rational(-3_000.0),
    }
    turn(drive, 3.0, energy_wh=55_000.0, departure_time=1800, **v2x)
    (told,) = passed_on(drive)
    assert (told.target_wh, told.maximum_wh, told.minimum_wh) == (55_000.0, 65_000.0, -20_000.0)
    assert (told.departure_s, told.maximum_v2x_wh, told.minimum_v2x_wh) == (1800, 7_000.0, -3_000.0)
    turn(drive, 5.0, energy_wh=55_000.0, departure_time=1798, **v2x)
    assert passed_on(drive) == [], "it is known"


def test_the_window_for_giving_back_is_known_from_the_exchange() -> None:
    for name in ("maximum", "minimum"):
        v2x: dict[str, Any] = {f"ev_{name}_v2x_energy_request": rational(1_000.0)}
        drive = looping(**v2x)
        turn(drive, 3.0, departure_time=3597, **v2x)
        assert passed_on(drive) == []
        turn(drive, 6.0, departure_time=3594)
        (told,) = passed_on(drive)
        assert (told.maximum_v2x_wh, told.minimum_v2x_wh) == (None, None)


# -- what the station was told


def fields(element: Any) -> tuple[int | None, ...]:
    return tuple(
        getattr(element, name) for name in ("departure_time", "minimum_soc", "target_soc", "ack_max_delay")
    )


def answered(drive: Drive) -> list[bool]:
    return [one.adopted for one in drive.book.actions if isinstance(one, MobilityNeedsAnswered)]


@pytest.mark.parametrize(
    ("event", "shown", "wanted"),
    [
        (ev.MobilityNeedsChanged(1000.0, 20, 80, 30.0), None, (996, 20, 80, 30)),
        (ev.MobilityNeedsChanged(4.0, None, None, 0.5), None, (0, None, None, 1)),
        (ev.MobilityNeedsChanged(None, None, 80, 0.0), None, (None, None, 80, 0)),
        (ev.MobilityNeedsChanged(2.0, None, None, 30.0), None, (0, None, None, 30)),
        (ev.MobilityNeedsChanged(1e10, None, None, 30.0), None, (2**32 - 1, None, None, 30)),
        (ev.MobilityNeedsChanged(None, 20, None, 30.0), None, (None, 20, None, 30)),
        (ev.MobilityNeedsChanged(None, 20, 20, 30.0), None, (None, 20, 20, 30)),
        (ev.MobilityNeedsChanged(None, 20, None, 30.0), 20, (None, 20, None, 30)),
        (ev.MobilityNeedsChanged(None, 21, None, 30.0), 20, (None, None, None, 30)),
        (ev.MobilityNeedsChanged(None, 21, 50, 30.0), 20, (None, 21, 50, 30)),
        (ev.MobilityNeedsChanged(None, None, 70, 30.0), 20, (None, None, 70, 30)),
    ],
    ids=str,
)
def test_what_the_vehicle_is_told(event: ev.Event, shown: int | None, wanted: tuple[int | None, ...]) -> None:
    drive = looping(target_soc=shown, told=event)
    assert fields(turn(drive, 4.0)) == wanted


@pytest.mark.parametrize(("target", "told"), [(None, 21), (20, None), (21, 21), (22, 21)], ids=str)
def test_with_the_schedule_no_minimum_is_told_above_the_vehicles_own_target(
    target: int | None, told: int | None
) -> None:
    drive = before_the_exchange()
    drive.book.tell(ev.MobilityNeedsChanged(None, 21, None))
    element = drive.send(cm.ScheduleExchangeReq, se_req_control_mode=needs(target_soc=target))
    assert element.se_res_control_mode.minimum_soc == told


@pytest.mark.parametrize("missing", ["event", "set", "mode"])
def test_nobody_is_told_who_does_not_ask_for_it(missing: str) -> None:
    event = ev.MobilityNeedsChanged(1000.0, 20, 80)
    drive = Driver(ServiceID.DC_BPT, DYNAMIC, config=CONFIG)
    if missing == "set":
        drive.parameter_set = 2
    elif missing == "mode":
        drive.parameter_set, drive.control_mode = 1, ControlMode.SCHEDULED
    drive.to(S.SCHEDULE_EXCHANGE)
    if missing != "event":
        drive.book.tell(event)
    element = drive.send(cm.ScheduleExchangeReq).se_res_control_mode
    assert getattr(element, "departure_time", None) is None
    drive.to(S.DC_CHARGE_LOOP)
    element = drive.send(dc.DCChargeLoopReq).cl_res_control_mode
    assert getattr(element, "departure_time", None) is None
    assert answered(drive) == []


def test_it_is_told_with_the_schedule_as_well_and_counts_down() -> None:
    drive = before_the_exchange()
    drive.book.tell(ev.MobilityNeedsChanged(1000.0, 20, 80, 30.0))
    drive.book.now += 2.5
    element = drive.send(cm.ScheduleExchangeReq, se_req_control_mode=needs()).se_res_control_mode
    assert (element.departure_time, element.minimum_soc, element.target_soc) == (997, 20, 80)
    drive.to(S.DC_CHARGE_LOOP)
    assert fields(turn(drive, 12.5)) == (987, 20, 80, 20), "its time began when it was told"
    assert fields(turn(drive, 12.75)) == (987, 20, 80, 20)
    assert fields(turn(drive, 32.25)) == (967, 20, 80, 1)


@pytest.mark.parametrize(
    ("departure", "shown", "adopted"),
    [
        (996, (20, 80), True),
        (1001, (20, 80), True),
        (991, (20, 80), True),
        (1002, (20, 80), None),
        (990, (20, 80), None),
        (None, (20, 80), None),
        (996, (21, 80), None),
        (996, (20, 81), None),
        (996, (None, 80), None),
        (996, (20, None), None),
        (996, None, None),
    ],
    ids=str,
)
def test_whether_it_was_taken_over(
    departure: int | None, shown: tuple[int | None, int | None] | None, adopted: bool | None
) -> None:
    drive = looping(told=ev.MobilityNeedsChanged(1000.0, 20, 80, 10.0))
    turn(drive, 2.0)
    assert answered(drive) == []
    seen = None if shown is None else DisplayParameters(minimum_soc=shown[0], target_soc=shown[1])
    told = turn(drive, 4.0, seen, departure_time=departure)
    assert answered(drive) == ([] if adopted is None else [adopted])
    assert told.departure_time == 996
    assert (told.ack_max_delay is None) is (adopted is True)
    turn(drive, 11.99, seen, departure_time=departure if departure is None else departure - 8)
    assert answered(drive) == []
    told = turn(drive, 12.0, departure_time=departure if departure is None else departure - 8)
    assert answered(drive) == ([False] if adopted is None else []), "ten seconds after it was told"
    assert fields(told) == ((None, None, None, None) if adopted is None else (988, 20, 80, None))
    turn(drive, 13.0)
    assert answered(drive) == []


@pytest.mark.parametrize("said", [0, 3, 5, 6], ids=str)
def test_a_departure_that_is_over_is_over_by_now(said: int) -> None:
    drive = looping(told=ev.MobilityNeedsChanged(0.0))
    turn(drive, 0.0)
    turn(drive, 0.0, departure_time=said)
    assert answered(drive) == ([True] if said <= 5 else [])


def test_what_the_driver_says_anew_is_told_anew() -> None:
    drive = looping(told=ev.MobilityNeedsChanged(None, None, 80, 5.0))
    turn(drive, 1.0)
    turn(drive, 6.0)
    assert answered(drive) == [False]
    assert fields(turn(drive, 7.0)) == (None,) * 4
    drive.book.tell(ev.MobilityNeedsChanged(None, None, 70, 5.0))
    assert fields(turn(drive, 8.0)) == (None, None, 70, 5)
    turn(drive, 9.0, DisplayParameters(target_soc=70))
    assert answered(drive) == [True]


@pytest.mark.parametrize("refused_before", [False, True])
def test_its_time_begins_beside_the_loop_as_well(refused_before: bool) -> None:
    """A renegotiation beside the loop may be the first that tells it, and may come to nothing."""
    drive = looping()
    if refused_before:
        drive.book.tell(ev.MobilityNeedsChanged(None, None, 80, 0.0))
        turn(drive, 1.0)
        turn(drive, 2.0)
        assert answered(drive) == [False]
    turn(drive, 3.0)
    drive.book.tell(ev.MobilityNeedsChanged(None, None, 70, 10.0))
    request = drive.request(cm.ScheduleExchangeReq, se_req_control_mode=needs())
    drive.book.tell(ev.MessageReceived(request, beside=True))
    (sent,) = (one.message for one in drive.book.actions if isinstance(one, act.Send))
    assert sent.se_res_control_mode.target_soc == 70
    assert fields(turn(drive, 4.0)) == (None, None, 70, 9)
    assert answered(drive) == []
    turn(drive, 5.0, DisplayParameters(target_soc=70))
    assert answered(drive) == [True]
