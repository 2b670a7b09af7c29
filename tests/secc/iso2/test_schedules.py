"""Schedules over time, the vehicle's profile against them, and renegotiation by either side, with
contactors that stay closed or not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso15118.energy.schedule import Schedule
from iso15118.errors import ConfigError
from iso15118.messages import iso2
from iso15118.messages.physical import quantity
from iso15118.secc.iso2.schedules import _profile_problem, _shortened
from iso15118.secc.iso2.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.limits import StationLimits
from tests.secc.iso2.vehicle import (
    BATTERY_V,
    STATION,
    Drive,
    configured,
    dc_parameters,
    profile,
    replace,
    settings,
    told,
)

DAY = 86_400
Plan = tuple[tuple[float, float], ...]


def entries(found: iso2.SAScheduleTuple) -> list[tuple[int, int | None, float]]:
    """Start, duration and power of each entry."""
    return [
        (one.time_interval.start, one.time_interval.duration, quantity(one.p_max))
        for one in found.p_max_schedule.p_max_schedule_entry
    ]


def discovered(
    drive: Drive, departure: int | None = None, most: int | None = None
) -> tuple[iso2.SAScheduleTuple, ...]:
    """The tuples that the vehicle is offered."""
    answer = drive.to(State.CHARGE_PARAMETER_DISCOVERY).send(
        iso2.ChargeParameterDiscoveryReq,
        max_entries_sa_schedule_tuple=most,
        ev_charge_parameter=dc_parameters(departure_time=departure),
    )
    found: tuple[iso2.SAScheduleTuple, ...] = answer.sa_schedules.sa_schedule_tuple
    return found


@pytest.mark.parametrize(
    ("departure", "expected"),
    [
        (None, [(0, DAY)]),
        (0, [(0, DAY)]),
        (1, [(0, 1)]),
        (3600, [(0, 3600)]),
        (DAY, [(0, DAY)]),
        (100_000, [(0, None), (DAY, 13_600)]),
        (200_000, [(0, None), (DAY, None), (2 * DAY, 27_200)]),
    ],
)
def test_one_tuple_covers_the_time_until_departure_or_a_day(
    departure: int | None, expected: list[tuple[int, int | None]]
) -> None:
    (one,) = discovered(Drive(), departure)
    assert one.sa_schedule_tuple_id == 1
    assert [(start, duration) for start, duration, _ in entries(one)] == expected
    assert {power for _, _, power in entries(one)} == {150_000.0}


def test_one_entry_is_all_that_a_vehicle_can_take() -> None:
    (one,) = discovered(Drive(), 100_000, 1)
    assert entries(one) == [(0, DAY, 150_000.0)]


def test_the_power_is_exact_where_it_can_be() -> None:
    """3 x 16 A x 230 V and not 11000: a vehicle asks for exactly that much."""
    limits = StationLimits(
        maximum_charge_power_w=11_040.0, maximum_charge_current_a=100.0, maximum_voltage_v=500.0
    )
    (one,) = discovered(Drive(limits=limits))
    assert entries(one) == [(0, DAY, 11_040.0)]


PLANS: tuple[Plan, ...] = (
    ((1800.0, 50_000.0), (1800.0, 20_000.0), (82_800.0, 90_000.0)),
    ((3600.0, 0.0), (3600.0, 900_000.0)),
    ((60.0, 1_000.0),),
)


def test_three_plans_are_three_tuples_within_the_offer_of_which_the_first_is_the_default() -> None:
    drive = Drive()
    drive.book.tell(ev.PlanChanged(PLANS))
    found = discovered(drive, 7200)
    assert [one.sa_schedule_tuple_id for one in found] == [1, 2, 3]
    assert entries(found[0]) == [(0, None, 50_000.0), (1800, None, 20_000.0), (3600, 3600, 90_000.0)]
    assert entries(found[1]) == [(0, None, 0.0), (3600, 3600, 150_000.0)]
    assert entries(found[2]) == [(0, 60, 1_000.0)]
    assert drive.context.tuple_id == 1


def test_what_has_passed_of_a_plan_is_left_out_and_one_that_is_over_counts_no_more() -> None:
    drive = Drive().to(State.CHARGE_PARAMETER_DISCOVERY)
    drive.book.tell(ev.PlanChanged((((5.0, 10_000.0), (10.0, 20_000.0)),)))
    drive.book.wait(7.0)
    (one,) = discovered(drive)
    assert entries(one) == [(0, 8, 20_000.0)]
    drive = Drive().to(State.CHARGE_PARAMETER_DISCOVERY)
    drive.book.tell(ev.PlanChanged((((5.0, 10_000.0),),)))
    drive.book.wait(7.0)
    (one,) = discovered(drive)
    assert entries(one) == [(0, DAY, 150_000.0)]


@pytest.mark.parametrize("most", [1, 2, 29, 96, 200])
def test_a_plan_of_96_entries_keeps_to_what_the_vehicle_can_take(most: int) -> None:
    plan = tuple((900.0, 1000.0 * (1 + (7 * n) % 41)) for n in range(96))
    drive = Drive()
    drive.book.tell(ev.PlanChanged((plan,)))
    (one,) = discovered(drive, most=most)
    found = entries(one)
    assert len(found) <= most
    assert found[-1][0] + (found[-1][1] or 0) == DAY
    kept = drive.context.schedules[1]
    original = Schedule.of(drive.book.now, plan)
    assert all(kept.at(t) <= original.at(t) for t in range(0, DAY, 450))


@given(
    st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 400_000)), min_size=1, max_size=400),
    st.integers(1, 40),
)
def test_merged_entries_never_exceed_the_plan(plan: list[tuple[int, int]], most: int) -> None:
    merged = _shortened([(duration, float(power)) for duration, power in plan], most)
    assert 1 <= len(merged) <= max(most, 1)
    assert sum(duration for duration, _ in merged) == sum(duration for duration, _ in plan)
    ours = Schedule.of(0.0, [(float(d), quantity(p)) for d, p in merged])
    theirs = Schedule.of(0.0, [(float(d), float(p)) for d, p in plan])
    edges = [0.0, *ours.ends, *theirs.ends]
    assert all(ours.at(t) <= theirs.at(t) for t in edges)


@pytest.mark.parametrize(
    ("plans", "words"),
    [
        ([], "tuple"),
        (((),), "entries"),
        ((((10.0, 1.0),),) * 4, "at most 3"),
        ((((10.0,),),), "duration"),
        ((((0.0, 1.0),),), "1 s"),
        ((((10.0, -1.0),),), "0 W"),
        ((((10.0, float("nan")),),), "0 W"),
        ((((10.0, "11 kW"),),), "0 W"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_by_name(plans: Any, words: str) -> None:
    drive = Drive()
    with pytest.raises(ConfigError, match=r"PlanChanged\.plans") as refused:
        drive.session.handle(ev.PlanChanged(plans), 0.0)
    assert words in str(refused.value)
    assert drive.session._facts.plans == ()


# -- profiles


@pytest.mark.parametrize("check", ["note", "strict"])
@pytest.mark.parametrize(
    ("plan", "fits"),
    [
        (((0, 11_040.0),), True),
        (((0, 11_041.0),), False),
        (
            ((0, 11_040.0), (600, 0.0), (12_860, 11_040.0)),
            True,
        ),  # beyond what is covered there is nothing to exceed
        (((0, 5_000.0), (600, 11_041.0)), False),
        (((0, -1.0),), False),
        (((600, 1.0), (0, 1.0)), False),
        (((0, 11_040.0), (4000, 99_000.0)), True),
    ],
)
def test_a_profile_against_the_schedule(check: Any, plan: tuple[tuple[int, float], ...], fits: bool) -> None:
    limits = replace(STATION, maximum_charge_power_w=11_040.0)
    drive = Drive(settings(profile_check=check), limits=limits).to(State.POWER_DELIVERY)
    answer = drive.send(iso2.PowerDeliveryReq, charging_profile=profile(*plan))
    if fits or check == "note":
        drive.book.does(act.CloseContactors)
        noted = [a for a in drive.book.actions if isinstance(a, act.PeerDeviates)]
        assert bool(noted) is not fits
        return
    assert answer.response_code.value == "FAILED_ChargingProfileInvalid"
    drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)
    assert "CloseContactors" not in drive.done


@pytest.mark.parametrize(("phases", "fits"), [(None, True), (1, True), (3, True), (2, False)])
def test_a_profile_of_two_phases_is_none(phases: int | None, fits: bool) -> None:
    (one,) = profile((0, 1.0)).profile_entry
    said = iso2.ChargingProfile(
        profile_entry=(replace(one, charging_profile_entry_max_number_of_phases_in_use=phases),)
    )
    assert (_profile_problem(said, Schedule.of(0.0, [(10.0, 5.0)]), 0.0) == "") is fits


def test_the_power_of_the_schedule_that_was_chosen_holds_in_the_loop() -> None:
    drive = Drive()
    drive.book.tell(ev.PlanChanged((((60.0, 40_000.0), (60.0, 8_000.0)), ((60.0, 20_000.0),))))
    drive.to(State.POWER_DELIVERY)
    drive.send(iso2.PowerDeliveryReq, charging_profile=None)
    drive.book.tell(ev.ContactorsChanged(True))
    drive.loop(200.0)
    assert drive.session._facts.power is not None
    assert drive.session._facts.power[2] == 40_000.0
    drive.book.wait(55.0)
    drive.loop(200.0)
    assert drive.session._facts.power[2] == 40_000.0
    drive.book.wait(6.0)
    drive.loop(200.0)
    assert drive.session._facts.power[2] == 8_000.0


# -- renegotiation


def test_other_plans_in_the_loop_ask_for_a_new_negotiation_for_half_a_minute() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    assert told(drive.loop().dc_evse_status)[2] == "None"
    drive.book.tell(ev.PlanChanged((((3600.0, 30_000.0),),)))
    for _ in range(2):
        assert told(drive.loop().dc_evse_status)[2:] == ("ReNegotiation", 0)
        drive.book.wait(14.0)
    drive.book.wait(3.0)
    assert told(drive.loop().dc_evse_status)[2] == "None"


def test_a_schedule_that_is_over_asks_for_a_new_negotiation_and_its_last_power_holds_a_minute() -> None:
    drive = Drive()
    drive.book.tell(ev.PlanChanged((((30.0, 30_000.0),),)))
    drive.to(State.CURRENT_DEMAND)
    drive.book.wait(31.0)
    assert told(drive.loop(200.0).dc_evse_status)[2] == "ReNegotiation"
    assert drive.session._facts.power is not None
    assert drive.session._facts.power[2] == 30_000.0
    drive.book.wait(50.0)
    drive.loop(200.0)
    drive.book.wait(11.0)
    drive.loop(200.0)
    assert drive.session._facts.power[1] == 0.0


def test_renegotiation_is_not_asked_for_by_setting() -> None:
    drive = Drive(config=configured(schedule_renegotiation_s=0.0)).to(State.CURRENT_DEMAND)
    drive.book.tell(ev.PlanChanged((((3600.0, 30_000.0),),)))
    assert told(drive.loop().dc_evse_status)[2] == "None"


def test_the_short_form_gives_power_back_with_contactors_that_never_opened() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop()
    drive.book.tell(ev.PlanChanged((((3600.0, 30_000.0),),)))
    drive.loop()
    answer = drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
    assert told(answer.evse_status)[:3] == ("EVSE_Ready", "Valid", "None")
    drive.book.does(act.StopPower)
    drive.output = ev.PowerMeasured(BATTERY_V, 0.0)
    found = drive.send(iso2.ChargeParameterDiscoveryReq).sa_schedules.sa_schedule_tuple
    assert [power for _, _, power in entries(found[0])] == [30_000.0]
    drive.book.waits_for("Renegotiated")
    assert drive.send(iso2.PowerDeliveryReq).response_code.value == "OK"
    assert drive.book.does() == []
    drive.loop(200.0)
    assert drive.session._facts.power is not None
    assert drive.session._facts.power[2] == 30_000.0
    assert drive.done.count("CloseContactors") == 1
    assert "OpenContactors" not in drive.done
    assert told(drive.loop().dc_evse_status)[2] == "None"


def test_the_short_form_is_out_of_sequence_by_setting_and_contactors_open_at_once() -> None:
    drive = Drive(settings(dc_renegotiation_short="refuse")).to(State.CURRENT_DEMAND)
    drive.loop()
    drive.measure(BATTERY_V, 0.0)
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
    drive.book.does(act.StopPower, act.OpenContactors)
    drive.book.tell(ev.ContactorsChanged(False))
    drive.measure(0.0)
    drive.send(iso2.ChargeParameterDiscoveryReq)
    assert drive.send(iso2.PowerDeliveryReq).response_code.value == "FAILED_SequenceError"


def test_the_full_form_opens_contactors_discharges_and_checks_and_charges_anew() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop()
    drive.renegotiate()
    drive.output = ev.PowerMeasured(BATTERY_V, 0.0)
    answer = drive.send(iso2.CableCheckReq)
    drive.book.does(act.StopPower, act.OpenContactors)
    assert told(answer.dc_evse_status)[:2] == ("EVSE_IsolationMonitoringActive", "Invalid")
    drive.send(iso2.CableCheckReq)
    assert drive.book.does() == []  # it is told once, and waits
    drive.book.tell(ev.ContactorsChanged(False))
    drive.measure(300.0)
    assert drive.send(iso2.CableCheckReq).evse_processing is iso2.EVSEProcessing.Ongoing
    assert drive.book.does() == []  # the output still falls
    drive.measure(59.0)
    drive.send(iso2.CableCheckReq)
    (check,) = drive.book.does(act.StartCableCheck)
    assert isinstance(check, act.StartCableCheck)
    assert check.number == 2
    drive.book.tell(ev.CableCheckFinished(True, number=1))  # of the check before
    assert drive.send(iso2.CableCheckReq).evse_processing is iso2.EVSEProcessing.Ongoing
    drive.book.tell(ev.CableCheckFinished(True, number=2))
    assert told(drive.send(iso2.CableCheckReq).dc_evse_status)[:2] == ("EVSE_Ready", "Valid")
    refused = drive.send(iso2.PowerDeliveryReq)
    assert refused.response_code.value == "FAILED_SequenceError"  # what was pre-charged before does not count


def test_the_full_form_to_the_end() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop()
    drive.renegotiate()
    drive.output = ev.PowerMeasured(BATTERY_V, 0.0)
    drive.send(iso2.CableCheckReq)
    drive.book.tell(ev.ContactorsChanged(False))
    drive.measure(0.0)
    drive.checked()
    drive.pre_charged()
    drive.started()
    drive.book.waits_for("CurrentDemand")
    drive.loop(100.0)
    assert drive.done.count("CloseContactors") == 2
    assert drive.done.count("StartCableCheck") == 2


def test_a_vehicle_that_shows_b_at_renegotiation_lets_go_and_has_to_be_checked_anew() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.book.tell(ev.SignalChanged(ev.SignalState.C))
    drive.loop()
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
    drive.output = ev.PowerMeasured(BATTERY_V, 0.0)
    drive.book.tell(ev.SignalChanged(ev.SignalState.B))
    drive.book.does(act.StopPower, act.OpenContactors)
    assert drive.session.ended is None
    drive.book.tell(ev.ContactorsChanged(False))
    drive.send(iso2.ChargeParameterDiscoveryReq)
    drive.measure(0.0)
    assert drive.send(iso2.CableCheckReq) is None  # state C is waited for again
    drive.book.tell(ev.SignalChanged(ev.SignalState.C))
    drive.book.does(act.StartCableCheck)


def test_after_state_b_power_does_not_come_back_by_the_short_form() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.book.tell(ev.SignalChanged(ev.SignalState.C))
    drive.loop()
    drive.renegotiate()
    drive.output = ev.PowerMeasured(BATTERY_V, 0.0)
    drive.book.tell(ev.SignalChanged(ev.SignalState.B))
    for closed in (True, False):  # also while they have not opened yet
        if not closed:
            drive.book.tell(ev.ContactorsChanged(False))
    answer = drive.send(iso2.PowerDeliveryReq)
    assert answer.response_code.value == "FAILED_SequenceError"
    assert drive.done.count("CloseContactors") == 1


def test_contactors_that_open_by_themselves_in_a_renegotiation_are_a_fault() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop()
    drive.renegotiate()
    drive.output = ev.PowerMeasured(BATTERY_V, 0.0)
    drive.book.tell(ev.ContactorsChanged(False))
    drive.book.does(act.StopPower, act.OpenContactors)
    assert drive.send(iso2.PowerDeliveryReq).response_code.value == "FAILED"
    drive.book.ends(EndReason.CONTACTOR_FAILED)


@pytest.mark.parametrize("state", ["Renegotiation", "Renegotiated"])
def test_a_vehicle_may_stop_in_a_renegotiation(state: str) -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop()
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
    if state == "Renegotiated":
        drive.send(iso2.ChargeParameterDiscoveryReq)
    drive.book.waits_for(state)
    drive.output = ev.PowerMeasured(BATTERY_V, 0.0)
    drive.stopped()
    drive.book.waits_for("WeldingDetection")
