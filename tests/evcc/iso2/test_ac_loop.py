"""The charge loop of ISO 15118-2 at an AC outlet, turn by turn by hand: how it winds down, negotiates anew
and stops.

There is no session around it; what the charger measures, the test says.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.energy.ac import each
from iso15118.energy.schedule import Schedule
from iso15118.evcc.iso2 import ac
from iso15118.evcc.iso2.plan import ChosenSchedule, Plan
from iso15118.messages import iso2
from iso15118.messages.physical import amperes
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.actions import EndReason, Urgency
from tests.evcc.hand import Hand
from tests.evcc.iso2.station import NOTIFY, Host, ac_status, battery, response_of

CHARGER = AcVehicleLimits.of(current_a=16.0)
NOW = 1_000.0
ORDERLY = Urgency.ORDERLY


class Outlet:
    """A charger of three phases that draws 16 A."""

    def __init__(self, **settings: Any) -> None:
        self.host = Host(charger=CHARGER, **settings)
        self.talk = self.host.session._talk
        self.talk.now, self.talk.timing = NOW, self.talk.config.iso2.timing
        power = Schedule.of(NOW, [(1e6, 1e6)])
        self.plan = Plan(
            mode=iso2.EnergyTransferMode.AC_three_phase_core,
            schedule=ChosenSchedule(tuple_id=1, power=power, read_at=NOW),
            ready=True,
            power_delivered=True,
            charged=True,
        )
        self.plan.ac.phases, self.plan.ac.most_a = 3, 32.0
        self.draw(16.0)
        self.talk.outbox.clear()
        self.hand = Hand(self.talk, ac.charge_loop(self.talk, self.plan))

    def draw(self, current_a: float) -> None:
        power = each(current_a * 230.0, 3)
        self.talk.charger_measured = ev.AcMeasured(current_a=each(current_a, 3), power_w=power)

    @property
    def request(self) -> Any:
        waiting = self.hand.request
        return None if waiting is None else waiting.body.body_element

    def answer(self, **changes: Any) -> None:
        """The request that waits, and the pause behind it."""
        body = self.host.response(response_of(type(self.request)), **changes)
        self.hand.answer(self.host.message(body))
        if self.hand.deadline is not None:
            self.hand.go_on()

    @property
    def asks(self) -> str:
        progress = getattr(self.request, "charge_progress", None)
        return type(self.request).__name__ if progress is None else progress.value

    def told_w(self) -> list[float]:
        """Powers of all phases that the charger was told since it was last looked at."""
        found = [one.bounds for one in self.talk.outbox if isinstance(one, act.SetCharger)]
        self.talk.outbox.clear()
        return [round(sum(one.power_w)) for one in found]


FULL_W = 3 * 16.0 * 230.0


def test_the_charger_follows_the_current_of_every_answer_at_once() -> None:
    outlet = Outlet()
    assert outlet.told_w() == [FULL_W]
    outlet.answer()
    assert outlet.told_w() == []
    outlet.answer(evse_max_current=amperes(10.0))
    assert outlet.told_w() == [3 * 2_300.0]
    outlet.answer(evse_max_current=amperes(16.0))
    assert outlet.told_w() == [FULL_W]
    assert outlet.talk.now == pytest.approx(NOW + 3 * 0.2)


@pytest.mark.parametrize(("current_a", "at_once"), [(0.9, True), (1.0, False)])
def test_winding_down_ends_at_rest_or_with_its_time(current_a: float, at_once: bool) -> None:
    outlet = Outlet()
    outlet.answer()
    outlet.talk.stop_wanted = "driver"
    outlet.answer()
    began = outlet.talk.now
    outlet.draw(current_a)
    while not outlet.hand.over:
        outlet.answer()
    assert outlet.told_w() == [FULL_W, 0.0]
    assert outlet.hand.result == act.SessionEnded(EndReason.STOPPED_BY_EV, "driver")
    assert outlet.talk.now - began == pytest.approx(0.2 if at_once else 3.0, abs=0.21)


def test_winding_down_and_waiting_for_rest_end_at_their_very_moment() -> None:
    """In steps that binary numbers have exactly."""
    outlet = Outlet(iso2={"ac_loop_interval_s": 0.25})
    began = outlet.talk.now
    outlet.answer(ac_evse_status=ac_status(NOTIFY.ReNegotiation))
    while outlet.asks == "ChargingStatusReq":
        outlet.answer()
    assert (outlet.asks, outlet.talk.now) == ("Renegotiate", began + 0.25 + 3.0)
    outlet = Outlet(iso2={"ac_loop_interval_s": 0.25})
    outlet.talk.stop_wanted = "driver"
    outlet.answer()
    began = outlet.talk.now
    while not outlet.hand.over:
        outlet.answer()
    assert outlet.talk.now == began + 3.0


@pytest.mark.parametrize(("delay", "lasts_s"), [(0, 3.0), (1, 1.0), (60, 3.0)])
def test_a_station_may_leave_less_time_to_end(delay: int, lasts_s: float) -> None:
    outlet = Outlet()
    began = outlet.talk.now
    outlet.answer(ac_evse_status=ac_status(NOTIFY.StopCharging, delay))
    assert outlet.told_w() == [FULL_W, 0.0]
    while not outlet.hand.over:
        outlet.answer()
    assert outlet.talk.now - began == pytest.approx(lasts_s, abs=0.21)
    assert outlet.hand.result.reason is EndReason.STOPPED_BY_STATION


@pytest.mark.parametrize(("watts", "leaves"), [(99.0, True), (-99.0, True), (100.0, False), (-100.0, False)])
def test_without_power_for_its_time_it_leaves(watts: float, leaves: bool) -> None:
    outlet = Outlet(no_power_s=5.0)
    outlet.talk.charger_measured = ev.AcMeasured(power_w=(watts, 0.0, 0.0))
    for _ in range(40):
        if outlet.hand.over:
            break
        outlet.answer()
    assert outlet.hand.over is leaves
    assert not leaves or outlet.hand.result.detail == "no power for 5 s"


def test_a_battery_that_takes_too_little_leaves_after_its_time() -> None:
    outlet = Outlet(below_minimum_s=5.0)
    outlet.talk.battery = battery(maximum_charge_power_w=3 * 6.0 * 230.0 - 1.0)
    outlet.draw(2.0)
    while not outlet.hand.over:
        outlet.answer()
        assert outlet.talk.now < NOW + 9.0
    assert "less than the least" in outlet.hand.result.detail


@pytest.mark.parametrize(("current_a", "waits_s"), [(0.9, 0.0), (1.0, 3.0)])
def test_another_negotiation_begins_at_rest_or_after_its_time(current_a: float, waits_s: float) -> None:
    outlet = Outlet()
    outlet.talk.outbox.clear()
    outlet.answer(ac_evse_status=ac_status(NOTIFY.ReNegotiation))
    began = outlet.talk.now
    outlet.draw(current_a)
    while outlet.asks == "ChargingStatusReq":
        outlet.answer()
        assert outlet.talk.now < began + 4.0
    assert outlet.asks == "Renegotiate"
    assert outlet.talk.now - began == pytest.approx(waits_s + 0.2, abs=0.21)
    assert outlet.told_w() == [0.0]
    outlet.answer()
    assert outlet.asks == "ChargeParameterDiscoveryReq"
    outlet.answer()
    assert outlet.asks == "Start"
    outlet.answer()
    assert outlet.asks == "ChargingStatusReq"
    assert outlet.told_w()[-1] == FULL_W
    assert (outlet.plan.negotiations, outlet.plan.negotiated_at, outlet.plan.renegotiate) == (
        1,
        outlet.talk.now,
        False,
    )


def test_a_fault_current_device_that_has_tripped_is_noted() -> None:
    outlet = Outlet()
    tripped = iso2.ACEVSEStatus(notification_max_delay=0, evse_notification=NOTIFY.None_, rcd=True)
    outlet.answer(ac_evse_status=tripped)
    assert "rcd" in outlet.talk.noted
    assert not outlet.hand.over


@pytest.mark.parametrize("taken", [True, False])
def test_the_charger_stops_before_the_station_hears_of_it(taken: bool) -> None:
    outlet = Outlet()
    if not taken:
        outlet.plan.ac.taken = None
    outlet.plan.stop_told = True
    outlet.talk.outbox.clear()
    hand = Hand(outlet.talk, ac.stop(outlet.talk, outlet.plan))
    stops = [act.StopPower(ORDERLY), act.OpenContactors(ORDERLY, "PowerDelivery stop")]
    assert outlet.talk.outbox == (stops if taken else [])
    assert (outlet.plan.ready, outlet.plan.stop_told, outlet.plan.ac.taken) == (False, False, None)
    assert hand._step.then == (act.SignalReady(False),)
    assert outlet.plan.charged


def test_state_c_shows_behind_the_first_request_alone() -> None:
    for ready in (False, True):
        outlet = Outlet()
        outlet.plan.ready = ready
        hand = Hand(outlet.talk, ac.start(outlet.talk, outlet.plan))
        assert hand._step.then == (() if ready else (act.SignalReady(True),))
        assert outlet.plan.ready
