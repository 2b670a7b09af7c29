"""Schedules, limits and numbers: which schedule is taken, what is promised, what is asked for, and
when a new one is negotiated."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118.evcc.iso2.settings import DcRenegotiation, Plausibility, ScheduleChoice
from iso15118.messages import iso2
from iso15118.messages.physical import amperes, quantity, volts, watts
from iso15118.session import actions as act
from iso15118.session.actions import EndReason
from tests.evcc.iso2.station import BATTERY_V, NOTIFY, Host, offer, schedules, status

ONGOING = iso2.EVSEProcessing.Ongoing


def profile(host: Host) -> list[tuple[int, float]]:
    """The last one sent."""
    started = [body for body in host.of(iso2.PowerDeliveryReq) if body.charging_profile is not None]
    return [
        (entry.charging_profile_entry_start, quantity(entry.charging_profile_entry_max_power))
        for entry in started[-1].charging_profile.profile_entry
    ]


def progresses(host: Host) -> list[str]:
    return [body.charge_progress.value for body in host.of(iso2.PowerDeliveryReq)]


def charging(sa_schedules: iso2.SAScheduleList | None, late_s: float = 0.0, **settings: Any) -> Host:
    """In the first charge loop with these schedules; the cable check took ``late_s``."""
    host = Host(**settings).to("ChargeParameterDiscovery")
    host.answer(sa_schedules=sa_schedules)
    host.to("CableCheck")
    began = host.book.now
    while host.book.now < began + late_s:
        if host.waiting:
            host.answer(evse_processing=ONGOING)
        host.wait(min(0.5, began + late_s - host.book.now) or 0.1)
        if not host.waiting:
            host.wait(0.1)
    return host.to("CurrentDemand")


def test_finished_without_a_schedule_ends_the_session() -> None:
    host = Host().to("ChargeParameterDiscovery")
    for _ in range(3):
        host.answer(evse_processing=ONGOING, sa_schedules=None)
        host.wait(0.1)
    host.answer(sa_schedules=None)
    assert host.finish().reason is EndReason.PARAMETERS_NOT_ACCEPTED
    assert len(host.of(iso2.ChargeParameterDiscoveryReq)) == 4


def test_schedules_that_come_late_are_taken() -> None:
    host = Host().to("ChargeParameterDiscovery")
    for _ in range(3):
        host.answer(evse_processing=ONGOING, sa_schedules=None)
        host.wait(0.1)
    host.answer()
    assert host.session.state == "CableCheck"


def test_the_profile_is_the_schedule_within_what_the_vehicle_can_take() -> None:
    host = charging(schedules((3, [(0, 11_040.0), (3600, 200_000.0), (7200, 50_000.0)], 3600)))
    assert host.of(iso2.PowerDeliveryReq)[0].sa_schedule_tuple_id == 3
    entries = profile(host)
    assert [power for _, power in entries] == [11_040.0, 120_000.0, 50_000.0]
    assert entries[0][0] == 0
    assert 3599 <= entries[1][0] <= 3600
    assert 7199 <= entries[2][0] <= 7200


def test_the_profile_is_within_the_schedule_however_a_station_compares_the_times() -> None:
    late = 12.0
    steps = [(0, 20_000.0), (600, 100_000.0), (1200, 10_000.0)]
    host = charging(schedules((1, steps, 3000)), late_s=late)

    def allowed(at: float) -> float:
        return [power for start, power in steps if start <= at][-1]

    entries = profile(host)
    for second in range(4000):
        promised = [power for start, power in entries if start <= second][-1]
        assert promised <= allowed(second)
        assert promised <= allowed(second + late + 1.0 if second + late + 1.0 < 1200 else second + late - 1.0)
    assert len(entries) == 3


def test_a_profile_has_24_entries_at_most_and_stays_within_the_schedule() -> None:
    steps = [(number * 300, 20_000.0 + 1_000.0 * (number * 7 % 13)) for number in range(96)]
    host = charging(schedules((1, steps, 300)))
    entries = profile(host)
    assert len(entries) == 24
    for start, power in entries:
        assert power <= [one for since, one in steps if since <= start][-1]
    assert entries[-1][1] <= min(power for since, power in steps if since >= entries[-1][0])


@pytest.mark.parametrize("seconds", [0.0, 30.0])
def test_the_vehicle_keeps_to_pmax_over_time(seconds: float) -> None:
    host = charging(schedules((1, [(0, 40_000.0), (20, 8_000.0)], 3600)))
    host.measure(BATTERY_V, 15.0)
    while host.book.now < seconds:
        host.step()
    host.to("CurrentDemand")
    power = quantity(host.request.ev_target_current) * BATTERY_V
    most = 40_000.0 if seconds < 20.0 else 8_000.0
    assert most * 0.99 <= power <= most


def test_the_power_goes_down_before_the_schedule_does() -> None:
    """At no moment is more asked for than PMax at the moment of asking."""
    host = charging(schedules((1, [(0, 40_000.0), (2, 8_000.0)], 3600)))
    for _ in range(60):
        if isinstance(host.request, iso2.CurrentDemandReq) and host.waiting and host.book.now >= 2.0:
            assert quantity(host.request.ev_target_current) * BATTERY_V <= 8_000.0
        host.step()


@pytest.mark.parametrize("power", [-2135.0, 0.0])
def test_a_pmax_of_nothing_is_no_reason_to_leave(power: float) -> None:
    host = charging(schedules((1, [(0, power)], 86_400)))
    assert profile(host) == [(0, 0.0)]
    assert quantity(host.request.ev_target_current) == 0.0
    assert host.noted("plausibility") is (power < 0.0)


def test_a_strict_vehicle_leaves_where_values_make_no_sense() -> None:
    host = Host(iso2={"plausibility": Plausibility.STRICT}).to("ChargeParameterDiscovery")
    host.answer(sa_schedules=schedules((1, [(0, -2135.0)], 86_400)))
    assert host.finish().reason is EndReason.PARAMETERS_NOT_ACCEPTED


def test_a_schedule_without_duration_lasts_a_day_and_one_of_none_is_left_out() -> None:
    host = charging(schedules((1, [(0, 50_000.0)], 0), (2, [(0, 60_000.0)], None)))
    assert host.of(iso2.PowerDeliveryReq)[0].sa_schedule_tuple_id == 2
    host = Host().to("ChargeParameterDiscovery")
    host.answer(sa_schedules=schedules((1, [(0, 50_000.0)], 0)))
    assert host.finish().reason is EndReason.PARAMETERS_NOT_ACCEPTED


def test_the_first_schedule_that_gives_enough_in_time_is_taken() -> None:
    offered = schedules((5, [(0, 3_000.0)], 86_400), (6, [(0, 90_000.0)], 86_400))
    assert charging(offered, departure_time_s=3600).of(iso2.PowerDeliveryReq)[0].sa_schedule_tuple_id == 6
    first = charging(offered, departure_time_s=3600, iso2={"schedule_choice": ScheduleChoice.FIRST})
    assert first.of(iso2.PowerDeliveryReq)[0].sa_schedule_tuple_id == 5
    assert charging(offered).of(iso2.PowerDeliveryReq)[0].sa_schedule_tuple_id == 5


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({}, True),
        ({"evse_maximum_voltage_limit": volts(399.0)}, False),
        ({"evse_minimum_voltage_limit": volts(480.0)}, False),
        ({"evse_minimum_current_limit": amperes(450.0), "evse_maximum_current_limit": amperes(500.0)}, False),
        ({"evse_maximum_power_limit": watts(0.0), "evse_maximum_current_limit": amperes(0.0)}, True),
        ({"evse_minimum_current_limit": amperes(-5.0)}, True),
        ({"evse_minimum_current_limit": amperes(310.0)}, True),
    ],
    ids=["as it is", "too low", "too high", "too much", "nothing", "below zero", "minimum above maximum"],
)
def test_limits_that_do_not_fit(changes: dict[str, Any], accepted: bool) -> None:
    host = Host().to("ChargeParameterDiscovery")
    host.answer(evse_charge_parameter=offer(**changes))
    assert (host.session.state == "CableCheck") is accepted
    if not accepted:
        assert host.finish().reason is EndReason.PARAMETERS_NOT_ACCEPTED


def test_alternating_current_is_no_answer_to_a_dc_vehicle() -> None:
    host = Host().to("ChargeParameterDiscovery")
    host.answer(
        evse_charge_parameter=iso2.ACEVSEChargeParameter(
            ac_evse_status=iso2.ACEVSEStatus(
                notification_max_delay=0, evse_notification=NOTIFY.None_, rcd=False
            ),
            evse_nominal_voltage=volts(230.0),
            evse_max_current=amperes(16.0),
        )
    )
    assert host.finish().reason is EndReason.PARAMETERS_NOT_ACCEPTED


def test_the_limits_of_the_loop_are_followed_at_once_both_ways() -> None:
    host = Host().to("CurrentDemand")
    host.measure(BATTERY_V, 250.0)
    for said, most in (
        ({"evse_maximum_current_limit": amperes(85.0)}, 85.0),
        ({}, 85.0),  # what is left out stays
        ({"evse_maximum_current_limit": amperes(300.0), "evse_maximum_power_limit": watts(20_000.0)}, 50.0),
        ({"evse_maximum_power_limit": watts(120_000.0)}, 300.0),
        ({"evse_maximum_current_limit": amperes(0.0)}, 0.0),
        ({"evse_maximum_current_limit": amperes(-3.0)}, 0.0),
    ):
        host.answer(**said)
        host.wait(0.1)
        assert quantity(host.request.ev_target_current) == most


def test_less_than_the_stations_hardware_can_do_is_nothing() -> None:
    host = Host().to("ChargeParameterDiscovery")
    host.answer(evse_charge_parameter=offer(evse_minimum_current_limit=amperes(5.0)))
    host.to("CurrentDemand")
    host.answer(evse_maximum_current_limit=amperes(4.0))
    host.wait(0.1)
    assert quantity(host.request.ev_target_current) == 0.0
    host.answer(evse_maximum_current_limit=amperes(6.0))
    host.wait(0.1)
    assert quantity(host.request.ev_target_current) == 6.0


def test_the_target_keeps_head_room_where_that_costs_no_charge() -> None:
    host = Host().to("CurrentDemand")
    assert quantity(host.request.ev_target_voltage) == 450.0
    for battery_v, target_v in ((400.0, 460.0), (459.0, 461.0), (467.0, 468.0), (470.0, 468.0)):
        host.battery(target_voltage_v=468.0, voltage_v=battery_v)
        host.answer()
        host.wait(0.1)
        assert quantity(host.request.ev_target_voltage) == target_v
        assert quantity(host.request.ev_maximum_voltage_limit) == 470.0  # as it was declared


def test_the_battery_decides_what_is_asked_for_and_rounding_adds_nothing() -> None:
    host = Host().to("CurrentDemand")
    host.battery(target_current_a=87.654, maximum_charge_power_w=35_000.0)
    host.answer()
    host.wait(0.1)
    asked = host.request
    assert quantity(asked.ev_target_current) == 87.5  # 35 kW at 400 V
    assert quantity(asked.ev_maximum_power_limit) == 35_000.0
    host.battery(target_current_a=87.654)
    host.answer()
    host.wait(0.1)
    assert quantity(host.request.ev_target_current) == 87.6


def test_the_pace_of_the_loop() -> None:
    host = Host().to("CurrentDemand", 2)
    host.answer()
    host.wait(0.099)
    assert not host.waiting
    host.wait(0.001)
    assert host.waiting


# -- a new negotiation


def asks(host: Host) -> None:
    host.answer(dc_evse_status=status(notification=NOTIFY.ReNegotiation))


@pytest.mark.parametrize("form", list(DcRenegotiation), ids=lambda form: form.name)
def test_the_station_asks_for_a_new_negotiation(form: DcRenegotiation) -> None:
    host = Host(iso2={"dc_renegotiation": form}).to("CurrentDemand", 3)
    host.measure(BATTERY_V, 200.0)
    asks(host)
    host.wait(0.1)
    assert quantity(host.request.ev_target_current) == 0.0
    assert progresses(host) == ["Start"]
    host.measure(BATTERY_V, 0.0)
    before = len(host.sent)
    host.to("ChargeParameterDiscovery")
    assert progresses(host) == ["Start", "Renegotiate"]
    opened = any(isinstance(one, act.OpenContactors) for one in host.hardware)
    assert opened is (form is DcRenegotiation.FULL)
    host.answer(sa_schedules=schedules((9, [(0, 30_000.0)], 86_400)))
    host.to("CurrentDemand")
    kinds = [type(body).__name__ for body in host.sent[before:]]
    between = ["CableCheckReq", "PreChargeReq"] if form is DcRenegotiation.FULL else []
    expected = ["PowerDeliveryReq", "ChargeParameterDiscoveryReq", *between, "PowerDeliveryReq"]
    assert [kind for kind in dict.fromkeys(kinds) if kind != "CurrentDemandReq"] == list(
        dict.fromkeys(expected)
    )
    assert host.of(iso2.PowerDeliveryReq)[-1].sa_schedule_tuple_id == 9
    assert quantity(host.request.ev_target_current) == 75.0
    assert host.watch.closings == (2 if form is DcRenegotiation.FULL else 1)
    host.full()
    assert host.finish().reason is EndReason.STOPPED_BY_EV


def test_a_new_negotiation_is_ignored_before_the_loop() -> None:
    host = Host()
    for state in ("ChargeParameterDiscovery", "CableCheck", "PreCharge", "PowerDelivery"):
        host.to(state)
        if state == "PreCharge":
            host.measure(BATTERY_V)
        said = status(notification=NOTIFY.ReNegotiation)
        match state:
            case "ChargeParameterDiscovery":
                host.answer(evse_charge_parameter=offer(dc_evse_status=said))
            case "PowerDelivery":
                host.answer(evse_status=said)
            case _:
                host.answer(dc_evse_status=said)
    host.to("CurrentDemand", 5)
    assert progresses(host) == ["Start"]


def test_a_station_that_asks_with_every_answer_is_not_followed_round_and_round() -> None:
    host = Host().to("CurrentDemand")
    began = host.book.now
    while host.book.now < began + 21.0:
        if isinstance(host.request, iso2.CurrentDemandReq) and host.waiting:
            asks(host)
        else:
            host.step()
    assert 2 <= progresses(host).count("Renegotiate") <= 5


def test_a_new_schedule_is_negotiated_when_the_old_one_ends() -> None:
    host = charging(schedules((1, [(0, 40_000.0)], 30)))
    host.measure(BATTERY_V, 90.0)
    asked: list[tuple[float, float]] = []
    while host.session.state == "CurrentDemand" and host.book.now < 60.0:
        if host.waiting:
            asked.append((host.book.now, quantity(host.request.ev_target_current)))
        if host.book.now >= 30.5:  # so long the current takes to fall
            host.measure(BATTERY_V, 0.0)
        host.step()
    assert {target > 0.0 for at, target in asked if at < 29.9} == {True}
    behind = [target for at, target in asked if at > 30.05]
    assert len(behind) >= 4
    assert set(behind) == {0.0}
    assert 30.5 <= host.book.now < 32.0
    assert progresses(host) == ["Start", "Renegotiate"]
    host.to("CurrentDemand")
    assert progresses(host) == ["Start", "Renegotiate", "Start"]


def test_a_vehicle_that_never_asks_rests_behind_the_end_of_its_schedule_and_leaves() -> None:
    host = charging(schedules((1, [(0, 40_000.0)], 10)), schedule_renegotiation_s=0.0, no_power_s=20.0)
    host.measure(BATTERY_V, 90.0)
    while progresses(host)[-1] == "Start":
        if host.waiting and host.book.now > 10.5:
            assert quantity(host.request.ev_target_current) == 0.0
            host.measure(BATTERY_V, 0.0)
        host.step()
    assert 29.0 <= host.book.now <= 33.0
    assert progresses(host) == ["Start", "Stop"]


def test_a_new_schedule_that_is_over_ends_the_charge_in_an_orderly_way() -> None:
    host = Host().to("CurrentDemand", 2)
    asks(host)
    host.to("ChargeParameterDiscovery")
    offered = schedules((1, [(0, 40_000.0)], 86_400))
    over = msgspec.structs.replace(
        offered.sa_schedule_tuple[0],
        p_max_schedule=iso2.PMaxSchedule(
            p_max_schedule_entry=(
                iso2.PMaxScheduleEntry(
                    time_interval=iso2.RelativeTimeInterval(start=0, duration=0), p_max=watts(1.0)
                ),
            )
        ),
    )
    host.answer(sa_schedules=iso2.SAScheduleList(sa_schedule_tuple=(over,)))
    assert host.finish().reason is EndReason.PARAMETERS_NOT_ACCEPTED
    assert not host.watch.told_closed


@pytest.mark.parametrize("form", list(DcRenegotiation), ids=lambda form: form.name)
@pytest.mark.parametrize("state", ["PowerDelivery", "ChargeParameterDiscovery"])
def test_an_emergency_while_it_is_negotiated_again(state: str, form: DcRenegotiation) -> None:
    host = Host(iso2={"dc_renegotiation": form}).to("CurrentDemand", 2)
    asks(host)
    host.to(state)
    said = status(iso2.DCEVSEStatusCode.EVSE_EmergencyShutdown)
    if state == "PowerDelivery":
        host.answer(evse_status=said)
    else:
        host.answer(evse_charge_parameter=offer(dc_evse_status=said))
    assert not host.watch.told_closed
    assert host.finish().reason is EndReason.EMERGENCY
    assert progresses(host) == ["Start", "Renegotiate"]  # there is no power to stop
