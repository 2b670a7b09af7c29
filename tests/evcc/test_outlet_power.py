"""What a charger at an AC outlet of ISO 15118-20 is told at the edges: near nothing, phase by phase, and
while the station lets the power rise slowly.

The functions are called with a conversation of a session that has just begun; no message is exchanged.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.ac import NOTHING
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso20 import ac_energy, ac_loop
from iso15118.evcc.iso20.plan import Plan, read_schedule
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import MessageHeader, ResponseCode
from iso15118.messages.values import rational
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.services import ControlMode
from tests.evcc.hand import Hand
from tests.evcc.test_outlet import CHARGER, DYNAMIC, SCHEDULED, plan_of, schedule, take, talk_of, target, told

FROM_NOTHING = AcVehicleLimits.of(current_a=16.0, discharge_a=16.0, minimum_a=0.0)
"""It can take as little as it is asked to."""
RATE_W = 0.1 * 3 * 32.0 * 230.0 / 60.0
"""10 % of the outlet's power per minute, as W per s."""


def takes(talk: Conversation, plan: Plan, now: float, watts: float | None, **options: Any) -> float:
    """The power of all phases that the charger keeps to, once the station has asked for this."""
    talk.now = now
    if watts is not None:
        target(talk, plan, watts)
    ac_loop.set_charger(talk, plan, **options)
    assert plan.ac.taken is not None
    return sum(plan.ac.taken.power_w)


@pytest.mark.parametrize("watts", [-9_000.0, 9_000.0])
def test_a_battery_that_takes_and_gives_nothing_is_asked_for_nothing_at_all(watts: float) -> None:
    talk = talk_of(FROM_NOTHING, cells={"maximum_charge_power_w": 0.0, "maximum_discharge_power_w": 0.0})
    plan = plan_of(talk)
    assert takes(talk, plan, 0.0, watts) == 0.0
    assert plan.ac.now is not None
    assert plan.ac.now.maximum_charge_power_w == plan.ac.now.maximum_discharge_power_w == NOTHING


@pytest.mark.parametrize(
    ("watts", "back", "noted"),
    [(-1.0, False, True), (0.0, False, False), (0.5, False, False), (-1.0, True, False)],
)
def test_a_station_that_asks_for_energy_where_it_can_only_give_is_noted(
    watts: float, back: bool, noted: bool
) -> None:
    talk = talk_of()
    target(talk, plan_of(talk, back=back), watts)
    assert ("negative-target" in talk.noted) is noted


def test_the_charger_is_told_nothing_before_both_sides_have_said_what_they_can_do() -> None:
    talk = talk_of()
    plan = plan_of(talk)
    own, offer = plan.ac.own, plan.ac.offer
    for plan.ac.own, plan.ac.offer in ((own, None), (None, offer), (None, None)):
        assert told(talk, plan) is None
    plan.ac.own, plan.ac.offer = own, offer
    assert told(talk, plan) is not None


@pytest.mark.parametrize("one_meter", [True, False])
def test_what_one_meter_shows_of_all_phases_is_told_as_their_sum(one_meter: bool) -> None:
    talk = talk_of(replace(CHARGER, uneven=True))
    plan = plan_of(talk)
    talk.charger_measured = ev.AcMeasured(power_w=(300.0, 200.0, 100.0), one_meter=one_meter)
    mode: Any = ac_loop.loop_request(talk, plan, False, winding_down=False).cl_req_control_mode
    said = mode.ev_present_active_power, mode.ev_present_active_power_l2, mode.ev_present_active_power_l3
    whole = rational(600.0), None, None
    assert said == (whole if one_meter else tuple(map(rational, (300.0, 200.0, 100.0))))


def test_a_schedule_lowers_what_is_given_back_in_every_phase_alike() -> None:
    """The station asks for twice of what the schedule that it gave has."""
    talk = talk_of(replace(FROM_NOTHING, uneven=True))
    plan = plan_of(talk, SCHEDULED)
    plan.schedule, talk.now = schedule(6_000.0, 3_000.0), 100.0
    kind: Any = plan.service.scheduled_res
    asked = {"": -3_000.0, "_l2": -2_000.0, "_l3": -1_000.0}
    take(talk, plan, kind(**{f"evse_target_active_power{at}": rational(one) for at, one in asked.items()}))
    assert told(talk, plan).power_w == pytest.approx((-1_500.0, -1_000.0, -500.0))


def test_a_schedule_of_what_is_given_back_lets_no_phase_give_more_than_the_least_of_them() -> None:
    def one(*watts: float) -> cm.ChargingSchedule:
        powers = dict(zip(("power", "power_l2", "power_l3"), map(rational, watts), strict=True))
        entries = cm.PowerScheduleEntryList(
            power_schedule_entry=(cm.PowerScheduleEntry(duration=60, **powers),)
        )
        return cm.ChargingSchedule(
            power_schedule=cm.PowerSchedule(time_anchor=0, power_schedule_entries=entries)
        )

    offered = cm.ScheduleTuple(
        schedule_tuple_id=1,
        charging_schedule=one(3_000.0, 2_000.0, 1_500.0),
        discharging_schedule=one(-3_000.0, -1_000.0, 2_000.0),
    )
    read = read_schedule(offered, 0, 0.0)
    assert read.discharging is not None
    assert (read.charging.powers, read.discharging.powers) == ((4_500.0,), (3_000.0,))


def test_where_the_schedule_has_nothing_half_a_watt_is_too_much() -> None:
    talk = talk_of(FROM_NOTHING)
    plan = plan_of(talk, SCHEDULED)
    plan.schedule = schedule(0.0)
    assert takes(talk, plan, 100.0, 0.5) == 0.0
    plan.schedule = schedule(6_000.0)
    assert takes(talk, plan, 100.0, 0.5) == pytest.approx(0.5)


@pytest.mark.parametrize(("back", "takes_w"), [(True, 0.0), (False, 0.5)])
def test_half_a_watt_does_not_flow_over_the_channel_for_discharging(back: bool, takes_w: float) -> None:
    talk = talk_of(FROM_NOTHING)
    plan = plan_of(talk)
    plan.separate_channels, plan.discharge_channel = True, back
    assert takes(talk, plan, 100.0, 0.5) == pytest.approx(takes_w)


# -- a station that limits how fast the power rises --------------------------------------------------------


@pytest.mark.parametrize("mode", [DYNAMIC, SCHEDULED])
def test_after_a_rest_power_rises_from_nothing_again(mode: ControlMode) -> None:
    """A rest is told beside the target: the charger stands still for a minute, and takes back no
    power that it had before."""
    talk = talk_of(FROM_NOTHING)
    plan = plan_of(talk, mode, power_ramp_percent_per_min=10.0)
    assert takes(talk, plan, 180.0, 6_000.0) == pytest.approx(6_000.0)
    assert takes(talk, plan, 181.0, 6_000.0, winding_down=True) == 0.0
    assert takes(talk, plan, 240.0, 6_000.0, winding_down=True) == 0.0
    assert takes(talk, plan, 241.0, 6_000.0) == pytest.approx(RATE_W, abs=0.1)
    assert takes(talk, plan, 243.0, 6_000.0) == pytest.approx(3.0 * RATE_W, abs=0.1)


def test_power_that_was_taken_below_the_limit_is_where_it_rises_from() -> None:
    talk = talk_of(FROM_NOTHING)
    plan = plan_of(talk, power_ramp_percent_per_min=10.0)
    assert takes(talk, plan, 60.0, 1_000.0) == pytest.approx(1_000.0)
    assert takes(talk, plan, 61.0, 9_000.0) == pytest.approx(1_000.0 + RATE_W, abs=0.1)
    assert takes(talk, plan, 62.0, 0.0) == 0.0
    assert takes(talk, plan, 63.0, 9_000.0) == pytest.approx(RATE_W, abs=0.1)


def test_power_rises_from_nothing_when_it_starts() -> None:
    """However long ago the last power was, as with another choice of service."""
    talk = talk_of(FROM_NOTHING)
    plan = plan_of(talk, power_ramp_percent_per_min=10.0)
    assert takes(talk, plan, 600.0, 6_000.0) == pytest.approx(6_000.0)
    talk.now = 900.0
    hand = Hand(talk, ac_energy.start(talk, plan))
    header = MessageHeader(session_id=bytes(8), time_stamp=0)
    hand.answer(cm.PowerDeliveryRes(header=header, response_code=ResponseCode.OK))
    assert hand.over
    assert takes(talk, plan, 901.0, 6_000.0) == pytest.approx(RATE_W, abs=0.1)
