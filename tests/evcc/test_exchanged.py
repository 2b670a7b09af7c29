"""What comes of a ScheduleExchange and of a parking space that is offered, in the vehicle of ISO 15118-20:
what the script goes on with, and what it looks at again.

The pieces of the script are driven by hand, without a session.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.price import PriceLevels
from iso15118.evcc import EvccConfig
from iso15118.evcc.iso20 import choice, setup, value_added
from iso15118.evcc.iso20.plan import Plan, read_schedule
from iso15118.evcc.schedule_settings import BelievedPrices, ScheduleEvccSettings
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import MessageHeader, ResponseCode
from iso15118.session.actions import PriceTrust
from iso15118.session.services import ControlMode, Pricing
from iso15118.session.value_added import PARKING_STATUS, WantedService
from tests.evcc.hand import Hand
from tests.evcc.station import SESSION_ID, STATION, Host
from tests.evcc.test_numbers import SENT, schedule

NOW = 1_000.0


def asked(mode: ControlMode, *, under_power: bool = False) -> tuple[Host, Plan, Hand]:
    """A vehicle that waits for the answer of the station."""
    config = EvccConfig(control_modes=(mode,), schedules=ScheduleEvccSettings(look_again_s=40.0))
    host = Host(control_mode=mode, config=config)
    talk = host.session._talk
    talk.now = NOW
    plan = Plan(control_mode=mode, offer=STATION, station=STATION, power_delivered=under_power)
    plan.falls_short = plan.warned = True
    return host, plan, Hand(talk, setup.schedule(talk, plan))


def test_a_schedule_that_was_taken_is_looked_at_again_after_its_time() -> None:
    host, plan, hand = asked(ControlMode.SCHEDULED)
    hand.answer(host.response(cm.ScheduleExchangeRes))
    assert hand.result is True
    assert plan.schedule is not None
    assert (plan.look_again_at, plan.falls_short, plan.warned) == (NOW + 40.0, False, False)


@pytest.mark.parametrize(("lasts_s", "taken"), [(60, 2), (61, 1)])
def test_a_schedule_that_is_over_at_this_very_moment_is_over(lasts_s: int, taken: int) -> None:
    """Neither has any power to choose by."""
    host, _, hand = asked(ControlMode.SCHEDULED)
    over, other = schedule(((lasts_s, 0.0),), SENT - 60, 1), schedule(((7_200, 0.0),), SENT, 2)
    mode = cm.ScheduledSEResControlMode(schedule_tuple=(*over.schedule_tuple, *other.schedule_tuple))
    header = MessageHeader(session_id=SESSION_ID, time_stamp=SENT)
    hand.answer(host.response(cm.ScheduleExchangeRes, se_res_control_mode=mode, header=header))
    assert host.session.schedule is not None
    assert host.session.schedule.schedule_id == taken


@pytest.mark.parametrize("trust", list(PriceTrust), ids=lambda one: one.name)
@pytest.mark.parametrize("setting", list(BelievedPrices), ids=lambda one: one.name)
def test_whose_prices_are_believed_is_a_setting(setting: BelievedPrices, trust: PriceTrust) -> None:
    settings = ScheduleEvccSettings(believed_prices=setting)
    talk = Host(config=EvccConfig(schedules=settings)).session._talk
    prices = PriceLevels(begins=NOW, entries=((60, 1),), levels=1)
    read = read_schedule(schedule(((60, 1.0),), SENT).schedule_tuple[0], SENT, NOW)
    found = choice._candidate(talk, replace(read, prices=prices, trust=trust)).prices
    if setting is BelievedPrices.VERIFIED:
        assert (found is prices) is (trust is PriceTrust.VERIFIED)
    else:
        assert (found is prices) is (trust is not PriceTrust.INVALID)


@pytest.mark.parametrize(
    ("secure", "pays", "pricing", "judged_by"),
    [
        (True, True, Pricing.ABSOLUTE, ["the chain"]),
        (False, True, Pricing.ABSOLUTE, [()]),
        (True, False, Pricing.ABSOLUTE, [()]),
        (True, True, Pricing.NONE, []),
        (True, True, None, ["the chain"]),
    ],
)
def test_prices_are_judged_by_the_contract_that_pays_over_tls(
    secure: bool, pays: bool, pricing: int | None, judged_by: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without TLS anybody on the line could have put another provider's there; where none were promised
    nobody looks at them."""
    talk = Host().session._talk
    talk.secure = secure
    contract: Any = SimpleNamespace(signer=SimpleNamespace(chain="the chain"))
    talk.contract = contract if pays else None
    asked: list[Any] = []

    def judge(elements: Any, signature: Any, chain: Any) -> list[Any]:
        asked.append(chain)
        return [SimpleNamespace(verdict=SimpleNamespace(ok=True), intact=True) for _ in elements]

    monkeypatch.setattr("iso15118.pnc.prices.judge_prices", judge)
    offered: Any = SimpleNamespace(
        charging_schedule=SimpleNamespace(price_schedule=SimpleNamespace(id="id1")), discharging_schedule=None
    )
    response: Any = SimpleNamespace(header=SimpleNamespace(signature="signed"))
    found = choice._judged(talk, Plan(pricing=pricing), (offered,), response)
    assert asked == judged_by
    assert list(found.values()) == [PriceTrust.VERIFIED] * len(judged_by)
    offered.charging_schedule.price_schedule.id = None
    assert choice._judged(talk, Plan(pricing=pricing), (offered,), response) == {}
    assert asked == judged_by


def test_in_dynamic_mode_the_needs_that_were_said_are_all_that_is_agreed_on() -> None:
    host, plan, hand = asked(ControlMode.DYNAMIC, under_power=True)
    hand.answer(host.response(cm.ScheduleExchangeRes, se_res_control_mode=cm.DynamicSEResControlMode()))
    assert hand.result is True
    assert plan.schedule is None


@pytest.mark.parametrize("under_power", [True, False])
def test_a_station_without_another_schedule_leaves_the_old_one(under_power: bool) -> None:
    """Before the charge there is none: the vehicle leaves."""
    host, plan, hand = asked(ControlMode.SCHEDULED, under_power=under_power)
    code = ResponseCode.WARNING_ScheduleRenegotiationFailed
    hand.answer(host.response(cm.ScheduleExchangeRes, response_code=code))
    assert hand.over
    assert (hand.left is None, hand.result) == (under_power, False if under_power else None)
    assert plan.schedule is None


@pytest.mark.parametrize(("way", "checks_in"), [(1, True), (2, False), (3, False), (None, False)])
def test_a_vehicle_checks_in_where_its_space_was_chosen_for_that(way: int | None, checks_in: bool) -> None:
    host = Host()
    talk = host.session._talk
    talk.wanted = (WantedService(id=PARKING_STATUS),)
    offered = cm.ServiceList(service=(cm.Service(service_id=PARKING_STATUS, free_service=True),))
    hand = Hand(talk, value_added.choose(talk, offered))
    named = cm.Parameter(name="IntendedService", int_value=way) if way else None
    other = cm.Parameter(name="ParkingStatusType", int_value=1)
    variant = cm.ParameterSet(parameter_set_id=5, parameter=(other,) if named is None else (other, named))
    hand.answer(
        host.response(
            cm.ServiceDetailRes,
            service_id=PARKING_STATUS,
            service_parameter_list=cm.ServiceParameterList(parameter_set=(variant,)),
        )
    )
    assert hand.result == cm.SelectedServiceList(
        selected_service=(cm.SelectedService(service_id=PARKING_STATUS, parameter_set_id=5),)
    )
    asks = Hand(talk, value_added.check_in(talk)).request
    assert isinstance(asks, cm.VehicleCheckInReq) is checks_in


@pytest.mark.parametrize(
    ("lets_go_after", "asked", "lasts_s"),
    [(1, 2, 0.0), (3, 4, 4.0), (None, 16, 30.0)],
    ids=["at once", "soon", "never"],
)
def test_a_parking_space_is_asked_to_let_go_for_half_a_minute(
    lets_go_after: int | None, asked: int, lasts_s: float
) -> None:
    """Then the vehicle says all the same that it is done."""
    host = Host(config=EvccConfig(poll_interval_s=2.0))
    talk = host.session._talk
    talk.now, talk.parking = NOW, frozenset({2})
    hand, said = Hand(talk, value_added.check_out(talk)), []
    states = cm.EvseCheckOutStatus
    while not hand.over:
        said.append(hand.request.ev_check_out_status)
        done = len(said) == lets_go_after
        status = states.Completed if done else states.Scheduled
        hand.answer(host.response(cm.VehicleCheckOutRes, evse_check_out_status=status))
        if hand.deadline is not None:
            hand.go_on()
    own = cm.EvCheckOutStatus
    assert said == [own.CheckOut, *[own.Processing] * (asked - 2), own.Completed]
    assert talk.now == pytest.approx(NOW + lasts_s)
    assert Hand(talk, value_added.check_out(talk)).over  # once
