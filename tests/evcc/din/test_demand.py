"""What a vehicle of DIN 70121 asks for and says, function by function: current, times, minima, profile, offer
and envelope.

The functions are called with a conversation of a session that has just begun; no message is exchanged.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118.energy.schedule import Schedule
from iso15118.evcc import EvccConfig
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.din import energy, loop, setup
from iso15118.evcc.din.plan import Plan
from iso15118.evcc.din.script import Din
from iso15118.evcc.din.settings import DinEvccSettings
from iso15118.messages import app, din
from iso15118.messages.physical import quantity
from iso15118.session import actions as act
from iso15118.session.events import InletMeasured
from iso15118.session.limits import StationLimits, VehicleLimits
from tests.evcc.din.station import SESSION_ID, VEHICLE, Host, battery, offer, schedules, value


def talk_of(limits: VehicleLimits = VEHICLE, cells: Any = None, **settings: Any) -> Conversation:
    config = EvccConfig(editions=("din",), din=DinEvccSettings(**settings))
    talk = Host(config, limits=limits).session._talk
    talk.battery = battery(**(cells or {}))
    talk.outbox.clear()
    return talk


def plan_of(**station: float) -> Plan:
    fields: dict[str, Any] = {
        "maximum_charge_power_w": 150_000.0,
        "maximum_charge_current_a": 400.0,
        "maximum_voltage_v": 920.0,
    }
    limits = StationLimits(**(fields | station))
    return Plan(offer=limits, station=limits)


def asked_a(talk: Conversation, plan: Plan) -> float:
    return quantity(loop.current_demand(talk, plan, winding_down=False).ev_target_current)


def notes(talk: Conversation) -> list[str]:
    return [one.name for one in talk.outbox if isinstance(one, act.PeerDeviates)]


# -- current and times -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "station", "current_a"),
    [
        ({}, {}, 200.0),
        ({"target_current_a": 900.0}, {}, 300.0),
        ({"maximum_charge_power_w": 38_000.0}, {}, 100.0),
        ({"maximum_charge_power_w": 38_000.0}, {"minimum_charge_current_a": 100.1}, 0.0),
        ({"maximum_charge_power_w": 38_000.0}, {"minimum_charge_current_a": 100.0}, 100.0),
        # What the battery stands counts, and so does its target.
        ({"target_voltage_v": 440.0, "maximum_voltage_v": 400.0}, {"minimum_voltage_v": 410.0}, 0.0),
        ({"target_voltage_v": 400.0, "maximum_voltage_v": 440.0}, {"minimum_voltage_v": 410.0}, 0.0),
        ({"target_voltage_v": 420.0, "maximum_voltage_v": 420.0}, {"minimum_voltage_v": 410.0}, 200.0),
        # A battery that shows no voltage counts as one of 1 V.
        ({"voltage_v": 0.0, "maximum_charge_power_w": 100.0}, {}, 100.0),
        ({"voltage_v": 0.5, "maximum_charge_power_w": 100.0}, {}, 100.0),
    ],
)
def test_the_current_that_is_asked_for(
    cells: dict[str, float], station: dict[str, float], current_a: float
) -> None:
    assert asked_a(talk_of(cells=cells), plan_of(**station)) == current_a


@pytest.mark.parametrize(
    ("own_a", "station_a", "current_a"),
    [(6.93, 0.0, 0.0), (0.0, 6.93, 0.0), (7.0, 0.0, 0.0), (5.0, 4.0, 6.9), (4.0, 5.0, 6.9), (6.9, 6.9, 6.9)],
)
def test_what_is_left_after_rounding_is_no_less_than_either_side_can_do(
    own_a: float, station_a: float, current_a: float
) -> None:
    limits = msgspec.structs.replace(VEHICLE, minimum_charge_current_a=own_a)
    cells = {"target_current_a": 6.95}
    assert asked_a(talk_of(limits, cells), plan_of(minimum_charge_current_a=station_a)) == current_a


@pytest.mark.parametrize(
    ("lacks_wh", "volts", "current_a", "seconds"),
    [
        (0.9, 380.0, 0.1, 85.0),
        (0.0, 380.0, 0.1, 0.0),
        (-5.0, 380.0, 0.1, 0.0),
        (0.01, 5.0, 0.1, 72.0),
        (24_000.0, 380.0, 0.0, 86_400.0),
        (24_000.0, 380.0, 0.1, 86_400.0),
    ],
)
def test_how_long_it_takes(lacks_wh: float, volts: float, current_a: float, seconds: float) -> None:
    talk = talk_of(cells={"voltage_v": volts})
    assert quantity(loop._seconds(talk, lacks_wh, current_a)) == seconds


@pytest.mark.parametrize(
    ("own_a", "own_w", "station_a", "cells", "below"),
    [
        (0.0, 0.0, 0.0, {"target_current_a": 0.0}, False),
        (0.5, 0.0, 0.0, {"target_current_a": 0.4}, True),
        (0.0, 0.0, 0.5, {"target_current_a": 0.4}, True),
        (0.0, 0.5, 0.0, {"maximum_charge_power_w": 0.4}, True),
        (0.0, 200.0, 0.0, {"target_current_a": 0.5}, True),
        (5.0, 200.0, 6.0, {"target_current_a": 6.0}, False),
        (5.0, 200.0, 6.0, {"target_current_a": 5.9}, True),
        (5.0, 200.0, 6.0, {"maximum_charge_current_a": 5.9}, True),
    ],
)
def test_less_than_the_least_of_either_side(
    own_a: float, own_w: float, station_a: float, cells: dict[str, float], below: bool
) -> None:
    limits = msgspec.structs.replace(VEHICLE, minimum_charge_current_a=own_a, minimum_charge_power_w=own_w)
    plan = plan_of(minimum_charge_current_a=station_a)
    assert loop.below_minimum(talk_of(limits, cells), plan) is below


# -- schedule and profile ----------------------------------------------------------------------------------


def test_the_last_power_of_a_schedule_goes_on_behind_its_end() -> None:
    plan = Plan(schedule=Schedule.of(10.0, [(10.0, 5_000.0), (10.0, 7_000.0)]))
    powers = [plan.scheduled_power_w(now) for now in (9.0, 10.0, 20.0, 29.9, 30.0, 1e6)]
    assert powers == [0.0, 5_000.0, 7_000.0, 7_000.0, 7_000.0, 7_000.0]
    assert not plan.schedule_over(1e6)
    assert Plan().scheduled_power_w(0.0) == float("inf")


def entries(*powers: tuple[int, int]) -> din.SAScheduleList:
    """Starts in s and PMax in W."""
    (first,) = schedules().sa_schedule_tuple
    made = tuple(
        din.PMaxScheduleEntry(time_interval=din.RelativeTimeInterval(start=start, duration=60), p_max=p_max)
        for start, p_max in powers
    )
    schedule = msgspec.structs.replace(first.p_max_schedule, p_max_schedule_entry=made)
    return din.SAScheduleList(sa_schedule_tuple=(msgspec.structs.replace(first, p_max_schedule=schedule),))


def test_a_schedule_counts_from_its_message_and_from_its_first_entry() -> None:
    talk, plan = talk_of(use_pmax=True), plan_of()
    talk.now = 100.0
    setup._read_schedule(talk, plan, entries((30, 9_000), (90, -5)))
    powers = [plan.scheduled_power_w(now) for now in (129.0, 130.0, 189.0, 190.0)]
    assert powers == [0.0, 9_000.0, 9_000.0, 0.0]
    assert notes(talk) == ["schedule"]  # of the negative one alone: it is followed


@pytest.mark.parametrize(
    ("given_w", "powers", "told"),
    [
        (20_000.0, (19_999,), True),
        (20_000.0, (20_000,), False),
        (150_000.0, (32_767,), False),
        (150_000.0, (32_766,), True),
        (150_000.0, (10_000, 32_767), False),
    ],
)
def test_a_pmax_that_is_not_followed_is_told_where_it_would_have_mattered(
    given_w: float, powers: tuple[int, ...], told: bool
) -> None:
    talk, plan = talk_of(), plan_of(maximum_charge_power_w=given_w)
    setup._read_schedule(talk, plan, entries(*((60 * n, power) for n, power in enumerate(powers))))
    assert notes(talk) == (["pmax"] if told else [])
    assert plan.schedule is None


@pytest.mark.parametrize(
    ("own_w", "station_w", "said_w"),
    [(120_000.0, 150_000.0, 32_767), (120_000.0, 20_000.0, 20_000), (10_000.0, 20_000.0, 10_000)],
)
def test_the_profile_is_what_both_sides_can_do(own_w: float, station_w: float, said_w: int) -> None:
    talk = talk_of(msgspec.structs.replace(VEHICLE, maximum_charge_power_w=own_w))
    plan = plan_of(maximum_charge_power_w=station_w)
    assert energy._profile(talk, plan) is None  # no schedule, no profile
    plan.schedule_id = 3
    profile = energy._profile(talk, plan)
    assert profile is not None
    (entry,) = profile.profile_entry
    assert (profile.sa_schedule_tuple_id, entry.charging_profile_entry_start) == (3, 0)
    assert entry.charging_profile_entry_max_power == said_w


# -- the offer ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "said", "name"),
    [
        ("evse_maximum_power_limit", value(-1.0, "W"), "maximum_charge_power_w"),
        ("evse_minimum_voltage_limit", value(-1.0), "minimum_voltage_v"),
        ("evse_minimum_current_limit", value(-1.0, "A"), "minimum_charge_current_a"),
        ("evse_maximum_current_limit", value(-1.0, "A"), "maximum_charge_current_a"),
        ("evse_maximum_voltage_limit", value(-1.0), "maximum_voltage_v"),
    ],
)
def test_below_zero_is_nothing(field: str, said: din.PhysicalValue, name: str) -> None:
    talk = talk_of()
    assert getattr(setup._station_limits(talk, offer(**{field: said})), name) == 0.0
    assert notes(talk) == ["charge-parameters"]


def test_what_the_vehicle_declares() -> None:
    talk = talk_of(cells={"energy_to_target_wh": -3.0})
    said = setup._request(talk, Plan()).ev_charge_parameter
    assert isinstance(said, din.DCEVChargeParameter)
    assert (quantity(said.ev_energy_request), said.full_soc, said.bulk_soc) == (0.0, 100, 80)  # type: ignore[arg-type]
    talk.battery = battery(energy_to_target_wh=0.7)
    said = setup._request(talk, Plan()).ev_charge_parameter
    assert isinstance(said, din.DCEVChargeParameter)
    assert quantity(said.ev_energy_request) == 1.0  # type: ignore[arg-type]


# -- the envelope ------------------------------------------------------------------------------------------


def answer(code: str = "OK", session_id: bytes = SESSION_ID) -> din.V2GMessage:
    body = din.SessionStopRes(response_code=din.ResponseCode(code))
    return din.V2GMessage(header=din.MessageHeader(session_id=session_id), body=din.Body(body_element=body))


def test_what_is_plainly_right_is_seen_at_once_and_nothing_else() -> None:
    own = Din()
    request = din.V2GMessage(
        header=din.MessageHeader(session_id=SESSION_ID), body=din.Body(body_element=din.SessionStop())
    )
    foreign = app.SupportedAppProtocolRes(response_code=app.ResponseCode.OK_SuccessfulNegotiation)
    assert own.plain(answer(), SESSION_ID) is din.SessionStopRes
    assert own.plain(answer("FAILED"), SESSION_ID) is None
    assert own.plain(answer(session_id=bytes(8)), bytes(8)) is None
    assert own.plain(answer(session_id=b"\1" * 8), SESSION_ID) is None
    for other in (request, foreign):
        assert own.plain(other, SESSION_ID) is None
        assert own.read(other) is None


# -- pre-charge --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inlet_v", "battery_v", "closes"),
    [(380.0, 380.0, True), (380.0, 401.0, False), (401.0, 401.0, False), (380.0, 390.0, True)],
)
def test_the_inlet_has_to_match_what_was_asked_for_and_the_battery_as_it_is(
    inlet_v: float, battery_v: float, closes: bool
) -> None:
    host = Host().to("PreCharge")  # which asks for 380 V
    host.battery(voltage_v=battery_v, maximum_voltage_v=450.0)
    host.tell(InletMeasured(inlet_v))
    host.answer()
    assert any(isinstance(one, act.CloseContactors) for one in host.book.actions) is closes
