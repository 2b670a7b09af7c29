"""How long the current may take to fall before the vehicle says Stop, and by which ramp."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.evcc.iso20.energy import _left_s
from iso15118.evcc.wind_down import WindDown, current_gone, take_most
from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus
from iso15118.session.events import InletMeasured
from iso15118.session.limits import StationLimits
from iso15118.session.supervision import Rule, SupervisionLimits, VehicleSupervisor


def talk_of(current_a: float = 0.0, *, able_a: float = 3000.0, gives_a: float = 0.0, **limits: Any) -> Any:
    """One that asked for its greatest current, of which this flows."""
    supervisor = VehicleSupervisor(
        SupervisionLimits(**limits), maximum_v=1000.0, charge_a=able_a, discharge_a=gives_a
    )
    talk = SimpleNamespace(supervisor=supervisor, stop_rule="", urged=0, now=10.0, inlet=None)
    supervisor.told(True, 0.0)
    supervisor.contactors(True)
    supervisor.battery(900.0, able_a, False, 0.0, 0.0)
    supervisor.asked(able_a, gives_a, 0.0)
    shows(talk, current_a)
    return talk


def shows(talk: Any, current_a: float) -> None:
    talk.inlet = InletMeasured(800.0, current_a)
    talk.supervisor.measured(800.0, current_a, talk.now, talk.now)


def lasts(talk: Any, left_s: float = 0.0, falls_to: float | None = None) -> float:
    """How long a vehicle winds down that asks for nothing from now on, while the current stays as it is, or
    is that much from now on."""
    winding, began = WindDown(talk, left_s), talk.now
    talk.supervisor.asked(0.0, 0.0, talk.now)
    current_a = talk.inlet.current_a if falls_to is None else falls_to
    while not winding.over(talk):
        talk.now += 0.05
        shows(talk, current_a)
        assert talk.now < began + 60.0
    return float(talk.now - began)


def offers(charge_a: float, discharge_a: float = 0.0) -> StationLimits:
    return StationLimits(
        maximum_charge_power_w=3.75e6,
        maximum_charge_current_a=charge_a,
        maximum_voltage_v=1000.0,
        maximum_discharge_power_w=1000.0 * discharge_a,
        maximum_discharge_current_a=discharge_a,
    )


@pytest.mark.parametrize(
    ("current_a", "offered_a", "lasts_s"),
    [
        (3000.0, 3000.0, 1.0 + 20.0),  # a large connector falls from its greatest current in 20 s
        (1500.0, 3000.0, 1.0 + 10.0),
        (500.0, 500.0, 1.0 + 20.0),  # any other with 25 A/s
        (100.0, 500.0, 1.0 + 4.0),
        (50.0, 500.0, 3.0),  # never less than 3 s
        (5.0, 500.0, 3.0),
        (500.0, 0.0, 1.0 + 20.0),  # what has nothing to give at the moment
    ],
)
def test_a_current_is_waited_for_as_long_as_it_may_fall(
    current_a: float, offered_a: float, lasts_s: float
) -> None:
    """Where nobody finds that it does not."""
    talk = talk_of(current_a)
    take_most(talk, offers(offered_a))
    assert lasts(talk) == pytest.approx(lasts_s, abs=0.11)


def test_one_that_is_given_back_as_well() -> None:
    talk = talk_of(-500.0, able_a=500.0, gives_a=500.0)
    take_most(talk, offers(500.0, 500.0))
    assert lasts(talk) == pytest.approx(21.0, abs=0.11)


@pytest.mark.parametrize(("left_s", "lasts_s"), [(1.0, 1.0), (20.9, 20.9), (60.0, 21.0)])
def test_a_station_that_asked_for_the_end_may_have_left_itself_less(left_s: float, lasts_s: float) -> None:
    talk = talk_of(3000.0)
    take_most(talk, offers(3000.0))
    assert lasts(talk, left_s) == pytest.approx(lasts_s, abs=0.11)


@pytest.mark.parametrize("flows_a", [5.0, 400.0])
def test_what_flowed_and_is_gone_is_over_at_once(flows_a: float) -> None:
    talk = talk_of(flows_a)
    assert lasts(talk, falls_to=4.9) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(("flows_a", "over"), [(5.0, True), (4.99, False)])
def test_what_flowed_when_it_began_has_been_seen(flows_a: float, over: bool) -> None:
    talk = talk_of(flows_a)
    winding = WindDown(talk)
    talk.supervisor.asked(0.0, 0.0, talk.now)
    talk.now += 0.1
    shows(talk, 4.0)
    assert winding.over(talk) is over


def test_outside_the_loop_it_is_waited_for_without_a_word() -> None:
    talk, asked = talk_of(100.0), list[tuple[float, float]]()

    def ask(charge_a: float, discharge_a: float) -> None:
        asked.append((charge_a, discharge_a))
        talk.supervisor.asked(charge_a, discharge_a, talk.now)

    talk.asked = ask
    waiting = current_gone(talk)
    for current_a, ready in ((100.0, False), (5.0, False), (4.99, True)):
        wait = waiting.send(False if asked else None)
        assert asked == [(0.0, 0.0)]
        assert wait.deadline == talk.now + 0.25
        talk.now += 0.1
        shows(talk, current_a)
        assert wait.is_ready() is ready
    with pytest.raises(StopIteration):
        waiting.send(True)


def test_what_has_not_come_yet_may_still_come_until_the_station_has_heard() -> None:
    """A supply that ramps up is some tenths of a second behind: the end was said while it still rose."""
    talk = talk_of(0.0)
    assert lasts(talk) == pytest.approx(1.0, abs=0.06)
    rising = talk_of(0.0)
    winding = WindDown(rising)
    rising.supervisor.asked(0.0, 0.0, rising.now)
    for current_a, over in ((0.0, False), (50.0, False), (100.0, False), (20.0, False), (4.0, True)):
        rising.now += 0.2
        shows(rising, current_a)
        assert winding.over(rising) is over


def test_a_reading_from_before_says_nothing_of_the_end() -> None:
    talk = talk_of(0.0)
    talk.supervisor.asked(3.0, 0.0, talk.now)  # of less than counts
    talk.now += 5.0
    shows(talk, 3.0)
    winding = WindDown(talk)
    talk.now += 0.1
    assert not winding.over(talk), "it is asked for still"
    talk.supervisor.asked(0.0, 0.0, talk.now)
    talk.now += 0.1
    assert not winding.over(talk)
    shows(talk, 3.0)
    assert winding.over(talk)


@pytest.mark.parametrize(
    ("able_a", "gives_a", "offer", "rate"),
    [
        (3000.0, 0.0, offers(500.0), 25.0),
        (3000.0, 0.0, offers(1500.0), 75.0),
        (1500.0, 0.0, offers(3000.0), 75.0),
        (3000.0, 3000.0, offers(1000.0), 50.0),  # it gives, and nobody takes
        (1000.0, 2000.0, offers(3000.0, 3000.0), 100.0),
        (2000.0, 3000.0, offers(3000.0, 1000.0), 100.0),
    ],
)
def test_the_ramp_is_that_of_what_both_sides_can_do(
    able_a: float, gives_a: float, offer: StationLimits, rate: float
) -> None:
    talk = talk_of(500.0, able_a=able_a, gives_a=gives_a)
    take_most(talk, offer)
    talk.supervisor.asked(0.0, 0.0, 10.0)
    for now in (11.0, 11.000001):
        talk.supervisor.measured(800.0, 500.0, now, now)
    assert talk.supervisor.falls_until == pytest.approx(11.0 + 500.0 / rate)
    greatest = min(able_a, offer.maximum_charge_current_a), min(gives_a, offer.maximum_discharge_current_a)
    assert talk.supervisor.falls_within_s == pytest.approx(2.0 + max(*greatest) / rate)


def test_an_able_vehicle_lets_a_small_station_ramp_as_slowly_as_it_may() -> None:
    """A truck that stands 3,000 A expected 150 A/s of a charger of 500 A, and opened under its current."""
    talk = talk_of(500.0)
    supervisor: VehicleSupervisor = talk.supervisor
    take_most(talk, offers(500.0))
    supervisor.asked(500.0, 0.0, 10.0)
    supervisor.asked(0.0, 0.0, 20.0)
    found = []
    for step in range(210):
        now = 20.0 + 0.1 * step
        current_a = 500.0 - 25.0 * max(now - 21.0, 0.0)
        supervisor.battery(900.0, 500.0, False, now, now)
        found.append(supervisor.measured(800.0, current_a, now, now))
    assert [one for one in found if one is not None] == []
    stuck = supervisor.measured(800.0, 100.0, 42.0, 42.0), supervisor.measured(800.0, 100.0, 42.6, 42.6)
    assert [one.rule for one in stuck if one is not None] == [Rule.OVER_CURRENT]


def test_where_a_rule_wants_the_stop_nobody_dawdles() -> None:
    for left_s, lasts_s in ((0.0, 3.0), (1.0, 1.0)):
        talk = talk_of(500.0)
        take_most(talk, offers(500.0))
        talk.stop_rule = "inlet-hot"
        assert lasts(talk, left_s) == pytest.approx(lasts_s, abs=0.06)


def test_one_that_begins_behind_a_rule_is_over_by_the_next() -> None:
    talk = talk_of(500.0)
    talk.urged = 2  # before
    winding = WindDown(talk)
    talk.supervisor.asked(0.0, 0.0, talk.now)
    assert not winding.over(talk)
    talk.urged += 1
    assert winding.over(talk)


@pytest.mark.parametrize(("delay", "left_s"), [(None, 0.0), (0, 0.0), (1, 1.0), (60, 60.0)])
def test_what_the_station_leaves_itself(delay: int | None, left_s: float) -> None:
    status = None
    if delay is not None:
        status = EVSEStatus(notification_max_delay=delay, evse_notification=EvseNotification.Terminate)
    assert _left_s(status) == left_s
