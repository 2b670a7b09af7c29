"""The charge loop of ISO 15118-20 at an AC outlet, turn by turn by hand: what is asked for, what the
charger is told, and how it winds down and stops.

There is no session around it; what the charger measures, the test says.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.energy.ac import NOTHING, each
from iso15118.evcc import EvccConfig, EvccSession
from iso15118.evcc.iso20 import ac_energy, ac_setup
from iso15118.evcc.iso20.plan import Plan
from iso15118.messages.iso20 import ac
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus, MessageHeader, ResponseCode
from iso15118.messages.values import rational
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.services import SERVICES, ControlMode, ServiceID
from tests.evcc.hand import Hand
from tests.evcc.station import battery

CHARGER = AcVehicleLimits.of(current_a=16.0, discharge_a=16.0)
HEAD = MessageHeader(session_id=bytes(8), time_stamp=0)
ORDERLY = Urgency.ORDERLY


class Outlet:
    """A charger at an outlet in Dynamic mode; the station asks for ``target_w``."""

    def __init__(self, *, back: bool = True, **settings: Any) -> None:
        config = EvccConfig(
            services=(ServiceID.AC_BPT,),
            control_modes=(ControlMode.DYNAMIC,),
            loop_interval_s=0.25,
            **settings,
        )
        self.talk = EvccSession(config, None, battery(), epoch=1.79e9, charger=CHARGER)._talk
        self.talk.now = 100.0
        self.plan = Plan(
            service=SERVICES[ServiceID.AC_BPT if back else ServiceID.AC], control_mode=ControlMode.DYNAMIC
        )
        self.plan.ac.phases, self.plan.power_delivered = 3, True
        self.plan.ac.own = ac_setup.declared(self.talk, self.plan)
        self.plan.ac.offer = AcStationLimits.of(current_a=32.0, discharge_a=32.0)
        self.target_w = 6_000.0
        self.draw(6_000.0)
        self.hand = Hand(self.talk, ac_energy.charge_loop(self.talk, self.plan))

    def draw(self, watts: float) -> None:
        self.talk.charger_measured = ev.AcMeasured(power_w=each(watts / 3.0, 3))

    def answer(self, code: ResponseCode = ResponseCode.OK, **changes: Any) -> None:
        """The turn that waits, and the pause behind it."""
        mode: Any = self.plan.service.dynamic_res
        self.hand.answer(
            ac.ACChargeLoopRes(
                header=HEAD,
                response_code=code,
                cl_res_control_mode=mode(evse_target_active_power=rational(self.target_w)),
                **changes,
            )
        )
        if self.hand.deadline is not None:
            self.hand.go_on()

    def delivered(self, code: ResponseCode = ResponseCode.OK) -> None:
        self.hand.answer(cm.PowerDeliveryRes(header=HEAD, response_code=code))

    @property
    def asks(self) -> str:
        """The kind of the request that waits, and what it is for."""
        request = self.hand.request
        progress = getattr(request, "charge_progress", None)
        return type(request).__name__ if progress is None else str(progress.value)

    def told_w(self) -> list[float]:
        """Powers of all phases that the charger was told since it was last looked at."""
        found = [one.bounds for one in self.talk.outbox if isinstance(one, act.SetCharger)]
        self.talk.outbox.clear()
        return [round(sum(one.power_w)) for one in found]


def status(what: EvseNotification, delay: int = 0) -> EVSEStatus:
    return EVSEStatus(notification_max_delay=delay, evse_notification=what)


def test_the_charger_follows_from_the_first_answer_on() -> None:
    outlet = Outlet()
    assert outlet.told_w() == []
    outlet.answer()
    assert outlet.told_w() == [6_000.0]
    outlet.answer()
    assert outlet.told_w() == []
    outlet.target_w = 5_000.0
    outlet.answer()
    assert outlet.told_w() == [5_000.0]
    assert outlet.talk.now == pytest.approx(100.75)


@pytest.mark.parametrize(
    ("every", "wanted"),
    [
        (0, [False] * 5),
        (1, [True] * 5),
        (2, [True, False, True, False, True]),
        (3, [True, False, False, True, False]),
    ],
)
def test_the_meter_is_asked_for_every_so_many_turns_or_never(every: int, wanted: list[bool]) -> None:
    outlet, said = Outlet(meter_info_every=every), []
    for _ in range(5):
        said.append(outlet.hand.request.meter_info_requested)
        outlet.answer()
    assert said == wanted


@pytest.mark.parametrize(("watts", "at_once"), [(99.0, True), (-99.0, True), (100.0, False), (-100.0, False)])
def test_winding_down_ends_when_nothing_flows_or_its_time_is_over(watts: float, at_once: bool) -> None:
    outlet = Outlet()
    outlet.answer()
    outlet.talk.stop_wanted = "driver"
    outlet.answer()
    began = outlet.talk.now
    assert outlet.told_w()[-1] == 0.0
    outlet.draw(watts)
    while not outlet.hand.over:
        outlet.answer()
    assert outlet.told_w() == []
    assert outlet.hand.result == act.SessionEnded(EndReason.STOPPED_BY_EV, "driver")
    assert outlet.talk.now - began == pytest.approx(0.25 if at_once else 3.0, abs=0.26)


@pytest.mark.parametrize(("delay", "lasts_s"), [(0, 3.0), (1, 1.0), (60, 3.0)])
def test_a_station_may_leave_less_time_to_end(delay: int, lasts_s: float) -> None:
    outlet = Outlet()
    outlet.answer()
    began = outlet.talk.now
    outlet.answer(evse_status=status(EvseNotification.Terminate, delay))
    while not outlet.hand.over:
        outlet.answer()
    assert outlet.talk.now - began == pytest.approx(lasts_s, abs=0.26)
    assert outlet.hand.result.reason is EndReason.STOPPED_BY_STATION


def test_standing_by_rests_the_charger() -> None:
    outlet = Outlet()
    outlet.answer()
    outlet.talk.standby_wanted = True
    outlet.answer()
    assert (outlet.asks, outlet.told_w()) == ("Standby", [6_000.0, 0.0])
    outlet.delivered()
    for _ in range(3):
        assert outlet.asks == "ACChargeLoopReq"
        outlet.answer()
    assert outlet.told_w() == []
    outlet.talk.standby_wanted = False
    outlet.answer()
    assert outlet.asks == "Start"
    outlet.delivered()
    outlet.answer()
    assert outlet.told_w() == [6_000.0]


def test_a_warning_is_heard() -> None:
    outlet = Outlet()
    outlet.answer(ResponseCode.WARNING_EVPowerProfileViolation)
    assert outlet.asks == "ScheduleRenegotiation"
    assert outlet.told_w()[-1] == 0.0


@pytest.mark.parametrize(("watts", "turns"), [(99.0, True), (100.0, False)])
def test_the_other_channel_is_chosen_when_nothing_flows(watts: float, turns: bool) -> None:
    outlet = Outlet()
    outlet.plan.separate_channels = True
    outlet.answer()
    outlet.target_w = -6_000.0
    outlet.draw(watts)
    outlet.answer()
    assert (outlet.asks == "Start") is turns
    assert outlet.told_w() == [6_000.0, 0.0]
    if turns:
        assert outlet.hand.request.bpt_channel_selection is cm.ChannelSelection.Discharge
        outlet.delivered()
        outlet.answer()
        assert outlet.told_w() == [-6_000.0]


@pytest.mark.parametrize(("watts", "leaves"), [(99.0, True), (100.0, False)])
def test_without_power_for_its_time_it_leaves(watts: float, leaves: bool) -> None:
    outlet = Outlet(no_power_s=5.0)
    outlet.draw(watts)
    for _ in range(40):
        if outlet.hand.over:
            break
        outlet.answer()
    assert outlet.hand.over is leaves
    if leaves:
        assert outlet.hand.result.detail == "no power for 5 s"


@pytest.mark.parametrize(
    ("battery_w", "target_w", "leaves"),
    [(0.0, 6_000.0, True), (0.0, -6_000.0, False), (9_000.0, 6_000.0, False)],
)
def test_a_battery_that_takes_nothing_leaves_unless_it_gives(
    battery_w: float, target_w: float, leaves: bool
) -> None:
    outlet = Outlet(below_minimum_s=5.0)
    outlet.target_w = target_w
    outlet.talk.battery = battery(maximum_charge_power_w=battery_w)
    for _ in range(40):
        if outlet.hand.over:
            break
        outlet.draw(200.0 if outlet.talk.now < 107.0 else 0.0)
        outlet.answer()
    assert outlet.hand.over is leaves
    assert not leaves or "less than the least" in outlet.hand.result.detail


# -- start and stop ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [True, False])
def test_state_c_shows_behind_the_first_request_alone(first: bool) -> None:
    outlet = Outlet()
    outlet.plan.power_delivered = not first
    hand = Hand(outlet.talk, ac_energy.start(outlet.talk, outlet.plan))
    assert hand._step.then == ((act.SignalReady(True),) if first else ())
    hand.answer(cm.PowerDeliveryRes(header=HEAD, response_code=ResponseCode.OK))
    assert (hand.over, outlet.plan.power_delivered) == (True, True)
    assert outlet.plan.ac.rising_at == outlet.talk.now


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(
    ("code", "leaves"),
    [
        (ResponseCode.OK, False),
        (ResponseCode.OK_PowerToleranceConfirmed, False),
        (ResponseCode.WARNING_StandbyNotAllowed, True),
    ],
    ids=lambda one: getattr(one, "name", str(one)),
)
def test_the_charger_stops_before_the_station_hears_of_it(
    told: bool, code: ResponseCode, leaves: bool
) -> None:
    outlet = Outlet()
    if told:
        outlet.answer()
    outlet.talk.outbox.clear()
    hand = Hand(outlet.talk, ac_energy.stop(outlet.talk, outlet.plan))
    why = "PowerDelivery stop"
    stops = [act.StopPower(ORDERLY), act.OpenContactors(ORDERLY, why)]
    assert outlet.talk.outbox == (stops if told else [])  # otherwise it has been stopped already
    assert outlet.talk.drop_aside
    assert hand._step.then == (act.SignalReady(False),)
    hand.answer(cm.PowerDeliveryRes(header=HEAD, response_code=code))
    assert (hand.over, hand.left is not None, outlet.plan.power_delivered) == (True, leaves, False)


def test_nothing_is_nothing_in_every_phase() -> None:
    outlet = Outlet()
    outlet.answer()
    outlet.talk.stop_wanted = "driver"
    outlet.answer()
    assert outlet.plan.ac.taken is not None
    assert outlet.plan.ac.taken.power_w == NOTHING
