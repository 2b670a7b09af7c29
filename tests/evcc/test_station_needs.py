"""What a station says that the driver needs, at the edges: when it is something else than before, and what
a battery has room for.

The control mode element is written by hand; no message is exchanged.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from iso15118.evcc import EvccConfig, EvccSession
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso20.mobility import take_station_needs
from iso15118.evcc.iso20.plan import Plan
from iso15118.session import actions as act
from iso15118.session.services import MobilityNeedsMode
from tests.evcc.station import VEHICLE, battery


class Mode(NamedTuple):
    departure_time: int | None = None
    minimum_soc: int | None = None
    target_soc: int | None = None


def told_by_station(**cells: Any) -> tuple[Conversation, Plan]:
    config = EvccConfig(adopt_station_needs=True)
    talk = EvccSession(config, VEHICLE, battery(**cells))._talk
    talk.now = 100.0
    return talk, Plan(mobility_needs_mode=MobilityNeedsMode.PROVIDED_BY_SECC)


def news(talk: Conversation) -> list[act.MobilityNeeds]:
    found = [one for one in talk.outbox if isinstance(one, act.MobilityNeeds)]
    talk.outbox.clear()
    return found


@pytest.mark.parametrize(
    ("later_s", "mode", "new"),
    [
        (0.0, Mode(3600, 30, 80), False),
        (5.0, Mode(3600, 30, 80), False),
        (5.5, Mode(3600, 30, 80), True),
        (60.0, Mode(3535, 30, 80), False),
        (60.0, Mode(3534, 30, 80), True),
        (60.0, Mode(3540, 31, 80), True),
        (60.0, Mode(3540, 30, 79), True),
        (60.0, Mode(None, 30, 80), True),
    ],
    ids=str,
)
def test_a_departure_that_came_a_little_late_is_no_news(later_s: float, mode: Mode, new: bool) -> None:
    talk, plan = told_by_station()
    take_station_needs(talk, plan, Mode(3600, 30, 80))
    assert [one.adopted for one in news(talk)] == [True]
    talk.now += later_s
    take_station_needs(talk, plan, mode)
    assert bool(news(talk)) is new


@pytest.mark.parametrize(("mode", "new"), [(Mode(None, 30, 80), False), (Mode(3600, 30, 80), True)], ids=str)
def test_a_departure_that_nobody_named_before_is_news(mode: Mode, new: bool) -> None:
    talk, plan = told_by_station()
    take_station_needs(talk, plan, Mode(None, 30, 80))
    news(talk)
    take_station_needs(talk, plan, mode)
    assert bool(news(talk)) is new
    assert (talk.departure_at is not None) is new


@pytest.mark.parametrize(
    ("to_maximum_wh", "adopted"), [(30_000.0, True), (29_500.0, True), (29_400.0, False), (0.0, False)]
)
def test_a_target_half_a_percent_above_what_the_battery_takes_is_taken_over(
    to_maximum_wh: float, adopted: bool
) -> None:
    """It is at 50 % of 100 kWh, and the station says 80 %."""
    talk, plan = told_by_station(capacity_wh=100_000.0, energy_to_maximum_wh=to_maximum_wh)
    talk.target_soc = 70
    take_station_needs(talk, plan, Mode(target_soc=80))
    assert [one.adopted for one in news(talk)] == [adopted]
    assert talk.target_soc == (80 if adopted else 70)


@pytest.mark.parametrize(("capacity_wh", "adopted"), [(0.0, True), (0.5, False)])
def test_a_battery_that_tells_no_capacity_takes_over_any_target(capacity_wh: float, adopted: bool) -> None:
    talk, plan = told_by_station(capacity_wh=capacity_wh, energy_to_maximum_wh=0.0)
    take_station_needs(talk, plan, Mode(target_soc=80))
    assert [one.adopted for one in news(talk)] == [adopted]


@pytest.mark.parametrize(("least", "target", "keeps"), [(None, 60, 60), (None, 90, 70), (30, 60, 30)])
def test_the_least_that_is_wanted_is_never_above_the_target(
    least: int | None, target: int, keeps: int
) -> None:
    talk, plan = told_by_station(energy_to_maximum_wh=300_000.0)
    talk.minimum_soc = 70
    take_station_needs(talk, plan, Mode(minimum_soc=least, target_soc=target))
    assert [one.adopted for one in news(talk)] == [True]
    assert (talk.minimum_soc, talk.target_soc) == (keeps, target)
