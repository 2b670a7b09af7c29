"""The DC charge loop of ISO 15118-2 at the station to the last digit: targets that are just taken, limits
that are just reached, and when a vehicle that ignores them is told of.

What the supply is asked for in the loop is tested beside it.
"""

from __future__ import annotations

import pytest

from iso15118.messages import iso2
from iso15118.messages.physical import amperes, physical, quantity, volts
from iso15118.secc.iso2.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.supervision import Rule, SupervisionLimits
from tests.secc.iso2.vehicle import (
    BATTERY_V,
    READY,
    STATION,
    VEHICLE_V,
    Drive,
    configured,
    dc_parameters,
    replace,
    settings,
)

# -- the loop


@pytest.mark.parametrize(
    ("target_a", "target_v", "odd"),
    [
        (0.0, 430.0, False),
        (0.5, 430.0, False),
        (-0.1, 430.0, True),
        (1.0, 0.0, False),
        (1.0, 0.5, False),
        (1.0, -0.1, True),
        (1.0, VEHICLE_V + 0.5, False),
        (1.0, VEHICLE_V + 0.6, True),
    ],
)
def test_where_a_target_is_just_taken(target_a: float, target_v: float, odd: bool) -> None:
    drive = Drive(settings(plausibility="strict")).to(State.CURRENT_DEMAND)
    answer = drive.loop(target_a, ev_target_voltage=volts(target_v))
    assert answer.response_code.value == ("FAILED" if odd else "OK")
    if odd:
        drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)


def test_bounds_are_asked_for_when_they_change_and_a_negative_wish_is_nothing() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    asked = []
    for target_a, target_v in ((100.0, 430.0), (100.0, 430.0), (-3.0, 430.0), (5.0, -7.0)):
        drive.loop(target_a, ev_target_voltage=volts(target_v))
        asked += [
            (one.voltage_v, one.current_a) for one in drive.book.actions if isinstance(one, act.SetPower)
        ]
        drive.output = ev.PowerMeasured(BATTERY_V, 0.0)
    assert asked == [(430.0, 100.0), (430.0, 0.0), (150.0, 0.0)]


@pytest.mark.parametrize(
    ("limit_a", "asked_a", "warns"),
    [(50.0, 50.7, False), (50.0, 50.8, True), (0.0, 0.5, False), (0.0, 0.6, True), (200.0, 201.4, False)],
)
def test_half_a_per_cent_and_half_an_ampere_beyond_the_limit_are_rounding(
    limit_a: float, asked_a: float, warns: bool
) -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.book.tell(ev.LimitsChanged(replace(STATION, maximum_charge_current_a=limit_a)))
    warned = []
    for _ in range(5):
        drive.loop(asked_a)
        warned.append(any(isinstance(one, act.SupervisionWarning) for one in drive.book.actions))
    assert warned == [False, False, warns, False, False]


@pytest.mark.parametrize(
    ("supervision", "at"),
    [
        (SupervisionLimits(), 6),
        (SupervisionLimits(limits_ignored_loops=0), 1),
        (SupervisionLimits(limits_ignored_loops=None), None),
        (SupervisionLimits(off=(Rule.LIMITS_IGNORED,)), None),
    ],
    ids=["two loops", "none", "never", "off"],
)
def test_one_request_within_the_limits_begins_the_count_anew(
    supervision: SupervisionLimits, at: int | None
) -> None:
    drive = Drive(config=configured(supervision=supervision)).to(State.CURRENT_DEMAND)
    drive.book.tell(ev.LimitsChanged(replace(STATION, maximum_charge_current_a=50.0)))
    warned = []
    for number, target_a in enumerate((90.0, 90.0, 50.0, 90.0, 90.0, 90.0, 90.0), start=1):
        drive.loop(target_a)
        if any(isinstance(one, act.SupervisionWarning) for one in drive.book.actions):
            warned.append(number)
    assert warned[:1] == ([] if at is None else [at])


@pytest.mark.parametrize(
    ("measured", "target", "flags"),
    [
        ((400.0, 10.0), (10.0, 430.0), (False, False, False)),
        ((400.0, 49.5), (10.0, 430.0), (False, True, False)),
        ((400.0, 49.4), (50.0, 430.0), (False, False, False)),
        ((400.0, 49.4), (50.1, 430.0), (False, True, False)),
        ((440.0, 47.3), (10.0, 430.0), (True, False, True)),
        ((440.0, 47.2), (47.7, 430.0), (False, False, True)),
        ((440.0, 47.2), (47.8, 430.0), (True, False, True)),
        ((440.0, 0.0), (10.0, 430.0), (False, False, False)),
        ((440.0, 0.5), (10.0, 430.0), (False, False, True)),
        ((435.6, 0.5), (10.0, 430.0), (False, False, True)),
        ((435.5, 0.5), (10.0, 430.0), (False, False, False)),
        ((400.0, 0.0), (0.0, 440.0), (False, False, False)),
        ((400.0, 0.0), (0.0, 440.1), (False, False, True)),
    ],
)
def test_which_limit_is_reached(
    measured: tuple[float, float], target: tuple[float, float], flags: tuple[bool, bool, bool]
) -> None:
    """Of 21 kW, 50 A and 440 V: by a hundredth less that is measured, or by more that is asked for."""
    drive = Drive().to(State.CURRENT_DEMAND)
    limits = replace(
        STATION, maximum_charge_power_w=21_000.0, maximum_charge_current_a=50.0, maximum_voltage_v=440.0
    )
    drive.book.tell(ev.LimitsChanged(limits))
    drive.measure(*measured)
    answer = drive.send(
        iso2.CurrentDemandReq, ev_target_current=amperes(target[0]), ev_target_voltage=volts(target[1])
    )
    assert (
        answer.evse_power_limit_achieved,
        answer.evse_current_limit_achieved,
        answer.evse_voltage_limit_achieved,
    ) == flags


@pytest.mark.parametrize(
    ("set_point_w", "limits_"),
    [
        (20_000.0, (20_000.0, 400.0)),
        (1.0, (1.0, 400.0)),
        (0.5, (0.5, 400.0)),
        (0.0, (0.0, 0.0)),
        (-5.0, (0.0, 0.0)),
    ],
)
def test_a_set_point_is_the_limit_of_power_and_without_power_there_is_no_current(
    set_point_w: float, limits_: tuple[float, float]
) -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.book.tell(ev.SetPointChanged(set_point_w))
    answer = drive.loop()
    told = quantity(answer.evse_maximum_power_limit), quantity(answer.evse_maximum_current_limit)
    assert told == limits_


@pytest.mark.parametrize(
    ("percent", "told"), [(-1, None), (0, 0), (1, 1), (99, 99), (100, 100), (101, None), (127, None)]
)
def test_a_state_of_charge_is_a_percentage(percent: int, told: int | None) -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop(dc_ev_status=replace(READY, evresssoc=percent))
    assert drive.session.display is not None
    assert drive.session.display.present_soc == told


@pytest.mark.parametrize(("seconds", "told"), [(0.0, 0), (0.5, 0), (1.0, 1), (900.9, 900), (-0.5, None)])
def test_a_time_below_zero_says_nothing(seconds: float, told: int | None) -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    said = physical(seconds, iso2.UnitSymbol.s)
    drive.loop(remaining_time_to_full_soc=said, remaining_time_to_bulk_soc=said)
    assert drive.session.display is not None
    assert (drive.session.display.to_maximum_s, drive.session.display.to_target_s) == (told, told)


def test_what_the_charge_parameters_told_of_the_battery_stays_in_the_loop() -> None:
    drive = Drive().to(State.CHARGE_PARAMETER_DISCOVERY)
    said = dc_parameters(full_soc=90, bulk_soc=70)
    drive.send(iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=said)
    drive.to(State.CURRENT_DEMAND).loop(charging_complete=True)
    display = drive.session.display
    assert display is not None
    assert (display.maximum_soc, display.target_soc, display.charging_complete) == (90, 70, True)


def test_a_limit_of_nothing_is_reached_by_whoever_asks_for_something() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.book.tell(ev.SetPointChanged(-5.0))
    for target_a, reached in ((0.0, False), (0.5, True)):
        answer = drive.loop(target_a)
        assert quantity(answer.evse_maximum_power_limit) == quantity(answer.evse_maximum_current_limit) == 0.0
        assert answer.evse_current_limit_achieved is answer.evse_power_limit_achieved is reached
