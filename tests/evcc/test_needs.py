"""What a vehicle of ISO 15118-20 needs and whose word counts: energies, another schedule, the range in which
its battery is cycled, and what the station was told about the charge.

The functions are called with a conversation of a session that has just begun; no message is exchanged.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.energy.schedule import Schedule
from iso15118.evcc import EvccConfig
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso20 import needs
from iso15118.evcc.iso20.mobility import take_station_needs
from iso15118.evcc.iso20.plan import ChosenSchedule, Plan
from iso15118.evcc.schedule_settings import ScheduleEvccSettings
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.messages.values import si
from iso15118.session import actions as act
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.events import InletMeasured
from iso15118.session.limits import StationLimits
from iso15118.session.services import SERVICES, ControlMode, MobilityNeedsMode, ServiceID
from iso15118.session.wireless import ReceiverLimits
from tests.evcc.station import STATION, Host, battery

DYNAMIC, SCHEDULED = ControlMode.DYNAMIC, ControlMode.SCHEDULED
NOW = 1_000.0


def talk_of(cells: Any = None, **settings: Any) -> Conversation:
    talk = Host(config=EvccConfig(**settings)).session._talk
    talk.battery, talk.now = battery(**(cells or {})), NOW
    return talk


def plan_of(mode: ControlMode = DYNAMIC, *, bidirectional: bool = True) -> Plan:
    service = SERVICES[ServiceID.DC_BPT if bidirectional else ServiceID.DC]
    return Plan(service=service, control_mode=mode, offer=STATION, station=STATION)


# -- energies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to_target_wh", "soc", "lacks_wh"),
    [(100.0, 50.0, 100.0), (1e6, 79.0, 5_400.0), (1e6, 80.0, 0.0), (1e6, 81.0, -5_400.0), (-3.0, 50.0, -3.0)],
)
def test_the_nearer_of_two_targets_counts(to_target_wh: float, soc: float, lacks_wh: float) -> None:
    talk = talk_of({"energy_to_target_wh": to_target_wh, "soc": soc})
    assert needs.wanted_wh(talk) == pytest.approx(lacks_wh)


@pytest.mark.parametrize(
    ("departure_at", "told", "required"), [(None, None, 86_400), (1_060.9, 60, 60), (990.0, 0, 0)]
)
def test_a_departure_counts_down_to_nothing(
    departure_at: float | None, told: int | None, required: int
) -> None:
    talk = talk_of()
    talk.departure_at = departure_at
    assert (needs.departure_s(talk), needs.departure_or_a_day(talk)) == (told, required)


# -- the range in which it is cycled -----------------------------------------------------------------------

RANGE: dict[str, Any] = {"v2x_minimum_soc": 30, "v2x_maximum_soc": 70}


@pytest.mark.parametrize(
    ("soc", "least_wh", "most_wh"),
    [
        (50.0, -108_000.0, 108_000.0),
        (30.0, 0.0, 216_000.0),
        (70.0, -216_000.0, 0.0),
        (75.0, -243_000.0, -27_000.0),
    ],
)
def test_the_energies_to_both_ends_of_the_range(soc: float, least_wh: float, most_wh: float) -> None:
    said = needs.v2x(talk_of({"soc": soc}, **RANGE), plan_of())
    assert si(said["ev_minimum_v2x_energy_request"]) == pytest.approx(least_wh, abs=10.0)
    assert si(said["ev_maximum_v2x_energy_request"]) == pytest.approx(most_wh, abs=10.0)


@pytest.mark.parametrize(
    ("mode", "bidirectional", "settings", "cycles"),
    [
        (DYNAMIC, True, RANGE, True),
        (SCHEDULED, True, RANGE, False),
        (DYNAMIC, False, RANGE, False),
        (DYNAMIC, True, RANGE | {"allow_discharge": False}, False),
        (DYNAMIC, True, {}, False),
    ],
)
def test_who_is_cycled_waits_at_its_target_and_keeps_above_the_range(
    mode: ControlMode, bidirectional: bool, settings: dict[str, Any], cycles: bool
) -> None:
    full = {"energy_to_target_wh": 0.0}
    plan = plan_of(mode, bidirectional=bidirectional)
    talk = talk_of(full, **settings)
    assert bool(needs.v2x(talk, plan)) is cycles
    assert needs.lowest_soc(talk, plan) == (30.0 if cycles else 20.0)
    talk.minimum_soc = 40
    assert needs.lowest_soc(talk, plan) == 40.0
    assert not needs.rests(talk, plan)  # nobody knows until when
    assert needs.done(talk, plan) is not None
    talk.departure_at = NOW + 60.0
    assert needs.rests(talk, plan) is cycles
    assert (needs.done(talk, plan) is None) is cycles
    talk.battery = battery()
    assert not needs.rests(talk, plan)
    assert needs.done(talk, plan) is None
    talk.departure_at = NOW
    over = needs.done(talk, plan)
    assert over is not None
    assert over.detail == "departure"


# -- the most of both --------------------------------------------------------------------------------------


def test_what_both_sides_can_charge_with_at_best() -> None:
    talk, plan = talk_of(), plan_of()
    assert needs.most_w(talk, plan) == 1_000_000.0
    talk.receiver_limits = ReceiverLimits(maximum_power_w=11_000.0)
    assert needs.most_w(talk, plan) == 1_000_000.0  # no pad has offered anything
    for offer_w, most_w in ((0.5, 0.5), (7_000.0, 7_000.0), (22_000.0, 11_000.0)):
        plan.wpt_offer_w = offer_w
        assert needs.most_w(talk, plan) == most_w
    talk.receiver_limits = None
    assert needs.most_w(talk, plan) == 1_000_000.0
    plan = plan_of()
    plan.ac.own = AcVehicleLimits.of(current_a=16.0)
    assert needs.most_w(talk, plan) == 1_000_000.0
    plan.ac.offer = AcStationLimits.of(current_a=10.0)
    assert needs.most_w(talk, plan) == pytest.approx(6_900.0)
    plan.ac.offer = AcStationLimits.of(current_a=32.0)
    assert needs.most_w(talk, plan) == pytest.approx(11_040.0)
    plan.ac.own = None
    assert needs.most_w(talk, plan) == 1_000_000.0


@pytest.mark.parametrize(
    ("asked_w", "cells", "below"),
    [
        (0.0, {"target_current_a": 4.9}, True),
        (0.0, {"target_current_a": 5.0}, False),
        (0.5, {"target_current_a": 4.9}, False),
        (0.0, {"maximum_charge_current_a": 4.9}, True),
        (0.0, {"maximum_charge_power_w": 3_999.0}, True),
    ],
)
def test_less_than_the_least_counts_while_the_station_gives(
    asked_w: float, cells: dict[str, float], below: bool
) -> None:
    plan = plan_of()
    plan.station = StationLimits(
        maximum_charge_power_w=1e5,
        maximum_charge_current_a=200.0,
        minimum_charge_current_a=5.0,
        maximum_voltage_v=900.0,
    )
    plan.ask_to_discharge_w = asked_w
    assert needs._below_minimum(talk_of(cells), plan) is below


@pytest.mark.parametrize(
    ("amperes", "leaves"), [(0.0, True), (0.9, True), (-0.9, True), (1.0, False), (-1.0, False)]
)
def test_a_current_of_an_ampere_flows_and_less_is_a_measurement_of_nothing(
    amperes: float, leaves: bool
) -> None:
    talk, plan = talk_of(no_power_s=10.0), plan_of(bidirectional=False)
    talk.inlet = InletMeasured(800.0, amperes)
    assert needs.enough(talk, plan, 1e6) is None
    talk.now = NOW + 9.9
    assert needs.enough(talk, plan, 1e6) is None
    talk.now = NOW + 10.0
    end = needs.enough(talk, plan, 1e6)
    assert (end is not None) is leaves
    assert end is None or end.detail == "no power for 10 s"


# -- another schedule --------------------------------------------------------------------------------------


def schedule(
    *powers: tuple[float, float], told: tuple[tuple[float, float], ...] | None = None
) -> ChosenSchedule:
    return ChosenSchedule(
        tuple_id=1,
        charging=Schedule.of(NOW, powers),
        discharging=None,
        anchor=0,
        names_tolerance=False,
        profile=None if told is None else Schedule.of(NOW, told),
    )


HOUR = 3600.0


@pytest.mark.parametrize(
    ("power_w", "told_w", "lacks_wh", "cells", "short"),
    [
        (20_000.0, 10_000.0, 10_051.0, {}, True),
        (20_000.0, 10_000.0, 10_050.0, {}, False),
        (10_050.0, 10_000.0, 50_000.0, {}, False),
        (10_051.0, 10_000.0, 50_000.0, {}, True),
        (10_000.0, 10_000.0, 50_000.0, {}, False),
        (20_000.0, 10_000.0, 50_000.0, {"maximum_charge_power_w": 10_050.0}, False),
        (20_000.0, 10_000.0, 50_000.0, {"maximum_charge_power_w": 10_051.0}, True),
    ],
)
def test_a_profile_falls_short_where_the_schedule_could_bring_more(
    power_w: float, told_w: float, lacks_wh: float, cells: dict[str, float], short: bool
) -> None:
    talk, plan = talk_of(cells | {"energy_to_target_wh": lacks_wh}), plan_of(SCHEDULED)
    plan.schedule = schedule((HOUR, power_w), told=((HOUR, told_w),))
    assert not needs._falls_short(talk, plan)  # nobody knows until when
    talk.departure_at = NOW + HOUR
    assert needs._falls_short(talk, plan) is short


def test_it_is_looked_at_now_and_then() -> None:
    talk = talk_of({"energy_to_target_wh": 50_000.0}, schedules=ScheduleEvccSettings(look_again_s=30.0))
    plan = plan_of(SCHEDULED)
    plan.schedule, talk.departure_at = schedule((HOUR, 20_000.0), told=((HOUR, 10_000.0),)), NOW + HOUR
    assert needs._falls_short(talk, plan)
    talk.battery = battery(energy_to_target_wh=100.0)
    found = []
    for later in (0.0, 29.9, 30.0):
        talk.now = NOW + later
        found.append(needs._falls_short(talk, plan))
    assert found == [True, True, False]
    plan.schedule = schedule((HOUR, 20_000.0))
    assert not needs._falls_short(talk, plan)
    plan.schedule = None
    assert not needs._falls_short(talk, plan)


@pytest.mark.parametrize(
    ("powers", "gives", "first", "why"),
    [
        (((HOUR, 20_000.0),), False, False, ""),
        (((HOUR, 0.5),), False, False, ""),
        (((10.0, 20_000.0), (HOUR, 0.0)), False, False, ""),
        (((HOUR, 0.0),), False, False, "nothing"),
        (((HOUR, 0.0),), True, False, ""),
    ],
)
def test_a_schedule_without_power_is_asked_anew_in_time(
    powers: tuple[tuple[float, float], ...], gives: bool, first: bool, why: str
) -> None:
    talk, plan = talk_of(schedule_renegotiation_s=300.0), plan_of(SCHEDULED)
    plan.schedule = schedule(*powers)
    assert needs.wants_schedule(talk, plan, gives=gives) is first
    assert plan.wants_anew == why
    talk.now = NOW + 299.9 if why else NOW
    assert not needs.wants_schedule(talk, plan, gives=gives)
    talk.now = NOW + 300.0 if why else NOW
    assert needs.wants_schedule(talk, plan, gives=gives) is bool(why)
    assert not needs.wants_schedule(talk, plan, gives=gives)


@pytest.mark.parametrize(
    ("every_s", "refused_s", "asks"),
    [(300.0, 0.0, True), (0.0, 0.0, False), (0.5, 0.0, True), (300.0, 1.0, False)],
)
def test_a_schedule_that_is_over_is_asked_anew_at_once(every_s: float, refused_s: float, asks: bool) -> None:
    talk, plan = talk_of(schedule_renegotiation_s=every_s), plan_of(SCHEDULED)
    plan.schedule = schedule((10.0, 20_000.0))
    talk.now = NOW + 10.0
    plan.refused_until = talk.now + refused_s
    assert needs.wants_schedule(talk, plan, gives=False) is asks
    assert plan.wants_anew == "over"


def test_a_warning_is_told_once_and_asks_at_once() -> None:
    talk, plan = talk_of(), plan_of(SCHEDULED)
    talk.outbox.clear()
    plan.schedule = schedule((HOUR, 20_000.0))
    needs.take_warning(talk, plan, ResponseCode.WARNING_GeneralPnCAuthorizationError)
    assert (plan.warned, talk.outbox) == (False, [])
    for _ in range(2):
        needs.take_warning(talk, plan, ResponseCode.WARNING_EVPowerProfileViolation)
    assert plan.warned
    assert [type(one) for one in talk.outbox] == [act.ScheduleRemark]
    assert needs.wants_schedule(talk, plan, gives=False)


# -- what the station was told -----------------------------------------------------------------------------


def takes(talk: Conversation, plan: Plan, **said: Any) -> list[act.MobilityNeeds]:
    talk.outbox.clear()
    take_station_needs(talk, plan, cm.DynamicSEResControlMode(**said))
    return [one for one in talk.outbox if isinstance(one, act.MobilityNeeds)]


def asked() -> Plan:
    plan = plan_of()
    plan.mobility_needs_mode = MobilityNeedsMode.PROVIDED_BY_SECC
    return plan


@pytest.mark.parametrize(
    ("said", "cells", "settings", "adopted"),
    [
        ({"target_soc": 70}, {}, {}, True),
        ({"target_soc": 20}, {}, {}, True),
        ({"target_soc": 19}, {}, {}, False),
        ({"target_soc": 60, "minimum_soc": 60}, {}, {}, True),
        ({"target_soc": 60, "minimum_soc": 61}, {}, {}, False),
        ({"minimum_soc": 80}, {}, {}, True),
        ({"minimum_soc": 81}, {}, {}, False),
        ({"target_soc": 100}, {"energy_to_maximum_wh": 270_000.0}, {}, True),
        ({"target_soc": 101}, {"energy_to_maximum_wh": 400_000.0}, {}, False),
        ({"target_soc": 90}, {"energy_to_maximum_wh": 213_300.0}, {}, True),
        ({"target_soc": 90}, {"energy_to_maximum_wh": 213_000.0}, {}, False),
        ({"target_soc": 90}, {"energy_to_maximum_wh": 0.0, "capacity_wh": 0.0}, {}, True),
        ({"target_soc": 90}, {"energy_to_maximum_wh": 0.1, "capacity_wh": 0.5}, {}, False),
        ({"departure_time": 1}, {}, {}, True),
        ({"departure_time": 0}, {}, {}, False),
        ({"target_soc": 70}, {}, {"adopt_station_needs": False}, False),
    ],
    ids=str,
)
def test_what_is_taken_over(
    said: dict[str, int], cells: dict[str, float], settings: dict[str, Any], adopted: bool
) -> None:
    talk = talk_of(cells, **settings)
    (told,) = takes(talk, asked(), **said)
    assert (told.adopted, told.reason == "") == (adopted, adopted)
    target = said.get("target_soc", 80) if adopted else 80
    least = said.get("minimum_soc", 20) if adopted else 20
    assert (talk.target_soc, talk.minimum_soc) == (target, min(least, target))
    departs = NOW + said["departure_time"] if adopted and "departure_time" in said else None
    assert talk.departure_at == departs


def test_what_is_the_same_is_told_once() -> None:
    talk, plan = talk_of(), asked()
    assert len(takes(talk, plan, departure_time=600, target_soc=70)) == 1
    for passed, left, news in ((10.0, 590, 0), (20.0, 585, 0), (30.0, 564, 1), (30.0, 564, 0)):
        talk.now = NOW + passed
        assert len(takes(talk, plan, departure_time=left, target_soc=70)) == news
    assert len(takes(talk, plan, target_soc=70)) == 1
    assert len(takes(talk, plan, target_soc=70)) == 0
    assert len(takes(talk, plan, target_soc=70, departure_time=500)) == 1
    assert len(takes(talk, plan, target_soc=70, departure_time=500, minimum_soc=30)) == 1


@pytest.mark.parametrize(
    "said", [{"departure_time": 60}, {"minimum_soc": 30}, {"target_soc": 70}, {}], ids=str
)
def test_what_nobody_asked_for_is_noted_and_not_taken(said: dict[str, int]) -> None:
    talk = talk_of()
    assert takes(talk, plan_of(), **said) == []
    assert ("needs-unasked" in talk.noted) is bool(said)
    assert (talk.target_soc, talk.minimum_soc, talk.departure_at) == (80, 20, None)
