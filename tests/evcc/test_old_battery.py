"""Contactors close over the battery as it is now: by readings of now, in every edition."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.supervision import Rule, SupervisionLimits
from tests.evcc import station as iso20
from tests.evcc.din import station as din
from tests.evcc.iso2 import station as iso2

STATIONS: list[Any] = [iso20, iso2, din]
LATER = 2.0


@pytest.fixture(params=STATIONS, ids=["iso20", "iso2", "din"])
def hand(request: pytest.FixtureRequest) -> Any:
    return request.param


def in_pre_charge(hand: Any, supervision: SupervisionLimits, age_s: float) -> Any:
    """A vehicle whose inlet shows its battery's voltage now; that of the battery is so old."""
    editions = {iso20: ("iso20",), iso2: ("iso2",), din: ("din",)}[hand]
    host = hand.Host(config=EvccConfig(editions=editions, supervision=supervision))
    host.to("DC_PreCharge" if hand is iso20 else "PreCharge")
    host.book.now += LATER
    host.battery(at=host.book.now - age_s)
    host.measure(hand.BATTERY_V)
    return host


def closes(host: Any) -> bool:
    host.answer()
    return any(isinstance(one, act.CloseContactors) for one in host.book.actions)


@pytest.mark.parametrize(
    ("age_s", "limits", "wanted"),
    [
        (0.9, SupervisionLimits(), True),
        (1.1, SupervisionLimits(), False),
        (1.1, SupervisionLimits(stale_s=2.0), True),
        (9.0, SupervisionLimits(stale_s=None), True),
        (9.0, SupervisionLimits(off=(Rule.STALE_READINGS,)), True),
    ],
)
def test_contactors_close_by_a_battery_of_now(
    hand: Any, age_s: float, limits: SupervisionLimits, wanted: bool
) -> None:
    assert closes(in_pre_charge(hand, limits, age_s)) is wanted


def test_one_that_is_told_anew_is_waited_for(hand: Any) -> None:
    host = in_pre_charge(hand, SupervisionLimits(), 100.0)
    assert not closes(host)
    host.wait(0.3)
    host.shown = [ev.InletMeasured(hand.BATTERY_V)]
    host.battery()
    host.measure(hand.BATTERY_V)
    assert closes(host)


def test_but_not_for_ever(hand: Any) -> None:
    host = in_pre_charge(hand, SupervisionLimits(), 100.0)
    for _ in range(200):
        if host.session.ended is not None:
            break
        assert not closes(host)
        host.wait(0.3)
    assert host.session.ended is not None
    assert host.session.ended.reason is EndReason.PRE_CHARGE_FAILED


def test_the_one_that_a_session_was_given_counts_as_told_at_its_beginning(hand: Any) -> None:
    host = hand.Host(config=None).to("DC_PreCharge" if hand is iso20 else "PreCharge")
    host.measure(hand.BATTERY_V)
    assert host.session._supervisor.battery_at == 0.0
    assert closes(host)
