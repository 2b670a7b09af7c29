"""The battery can stand less voltage from one moment to the next: pre-charge does not go on above that, and
no contactors close over it, in every edition."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.session import actions as act
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.events import ContactorsChanged
from iso15118.session.supervision import Rule, SupervisionLimits
from tests.evcc import station as iso20
from tests.evcc.din import station as din
from tests.evcc.iso2 import station as iso2

STATIONS: list[Any] = [iso20, iso2, din]


@pytest.fixture(params=STATIONS, ids=["iso20", "iso2", "din"])
def hand(request: pytest.FixtureRequest) -> Any:
    return request.param


def in_pre_charge(hand: Any, supervision: SupervisionLimits | None = None) -> Any:
    editions = {iso20: ("iso20",), iso2: ("iso2",), din: ("din",)}[hand]
    host = hand.Host(config=EvccConfig(editions=editions, supervision=supervision or SupervisionLimits()))
    host.to("DC_PreCharge" if hand is iso20 else "PreCharge")
    return host


def hardware(host: Any) -> list[Any]:
    return [one for one in host.book.actions if isinstance(one, act.HardwareAction)]


def room_v(hand: Any) -> float:
    """How far above what the battery can stand no over-voltage is seen yet."""
    limits = SupervisionLimits()
    most_v = float(hand.BATTERY_V)
    return max(limits.inlet_voltage_v or 0.0, limits.inlet_voltage_share * most_v)


def leaves(host: Any, most_v: float | None = None) -> None:
    stop, ready, opens = hardware(host)
    assert stop == act.StopPower(Urgency.EMERGENCY)
    assert ready == act.SignalReady(False)
    assert isinstance(opens, act.OpenContactors)
    assert "the battery can stand" in opens.reason
    if most_v is not None:
        assert f"can stand {most_v:g} V now" in opens.reason


def test_a_battery_that_bears_less_ends_pre_charge_at_once(hand: Any) -> None:
    host = in_pre_charge(hand)
    host.battery(maximum_voltage_v=hand.BATTERY_V - room_v(hand) + 1.0)
    assert not hardware(host)
    host.battery(maximum_voltage_v=hand.BATTERY_V - room_v(hand) - 1.0)
    leaves(host, hand.BATTERY_V - room_v(hand) - 1.0)
    host.battery(maximum_voltage_v=hand.BATTERY_V - 100.0)
    assert not hardware(host)
    host.answer()  # the answer that was on its way
    while host.session.ended is None and host.session.state != "Ended":
        host.answer()
    assert host.session.ended.reason is EndReason.PRE_CHARGE_FAILED
    assert host.session.ended.cause == "battery-limit-lowered"


def test_it_does_between_two_requests(hand: Any) -> None:
    host = in_pre_charge(hand)
    host.answer()
    host.battery(maximum_voltage_v=hand.BATTERY_V - 100.0)
    assert act.StopPower(Urgency.EMERGENCY) in host.book.actions
    assert not any(isinstance(one, act.CloseContactors) for one in host.book.actions)


def test_nothing_is_asked_for_that_it_cannot_stand(hand: Any) -> None:
    host = in_pre_charge(hand)
    assert host.session._supervisor._pre_charge_v == pytest.approx(hand.BATTERY_V)
    fresh = hand.Host(config=host.session.config)
    fresh.to("DC_CableCheck" if hand is iso20 else "CableCheck")
    fresh.battery(maximum_voltage_v=hand.BATTERY_V - 100.0)
    assert not hardware(fresh)
    sent: list[Any] = []
    for _ in range(10):
        if fresh.session.ended is not None or "PreCharge" in fresh.session.state:
            break
        fresh.answer()
        sent += [one for one in fresh.book.actions if isinstance(one, act.StopPower)]
        if sent:
            break
        fresh.wait(0.1)
    assert sent == [act.StopPower(Urgency.EMERGENCY)]
    assert "PreCharge" not in fresh.session.state


def test_no_contactors_close_at_a_voltage_above_it(hand: Any) -> None:
    """The target is within what the battery can stand, and the inlet is above it, if by less than the two may
    differ."""
    host = in_pre_charge(hand)
    host.battery(maximum_voltage_v=hand.BATTERY_V)
    host.measure(hand.BATTERY_V + room_v(hand) + 1.0)
    host.answer()
    assert not any(isinstance(one, act.CloseContactors) for one in host.book.actions)
    host.wait(0.2)
    host.measure(hand.BATTERY_V + room_v(hand) - 1.0)
    host.answer()
    assert any(isinstance(one, act.CloseContactors) for one in host.book.actions)


def test_whoever_does_not_mind_over_voltage_does_not_here(hand: Any) -> None:
    host = in_pre_charge(hand, SupervisionLimits(off=(Rule.OVER_VOLTAGE,)))
    host.battery(maximum_voltage_v=hand.BATTERY_V - 100.0)
    assert not hardware(host)


def test_with_closed_contactors_the_rule_looks_after_it(hand: Any) -> None:
    host = in_pre_charge(hand)
    host.measure(hand.BATTERY_V)
    host.answer()
    host.book.tell(ContactorsChanged(True))
    host.battery(maximum_voltage_v=hand.BATTERY_V - 100.0)
    assert not any(isinstance(one, act.StopPower) for one in host.book.actions)
    host.wait(0.3)
    host.measure(hand.BATTERY_V)
    host.wait(0.3)
    host.measure(hand.BATTERY_V)
    assert host.session.ended is not None
    assert host.session.ended.rule == Rule.OVER_VOLTAGE.value
