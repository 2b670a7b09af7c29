"""What a driver needs, said by the vehicle and by the station, and changed in mid-session: whole
sessions, under the monitor."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.services import MobilityNeedsMode, ServiceID
from tests.pair.watched import DYNAMIC, SCHEDULED, make


def test_a_driver_who_changes_his_mind_is_heard_in_dynamic_mode_within_two_seconds() -> None:
    watched = make(ServiceID.DC, DYNAMIC, evcc={"departure_time_s": 7200}).to(20)
    rig = watched.rig
    before = len(watched.of(act.ChargingNeeds))
    began = rig.now
    rig.tell_evcc(ev.NeedsChanged(departure_s=1800.0, target_soc=42))
    rig.run(until=lambda: len(watched.of(act.ChargingNeeds)) > before)
    assert rig.now < began + 2.0
    needs = watched.of(act.ChargingNeeds)[-1]
    assert needs.departure_s == pytest.approx(1800.0, abs=2.0)
    assert needs.target_soc == 42
    watched.charged()
    assert rig.vehicle.battery.soc == pytest.approx(42.0, abs=0.1)


def test_departure_counts_down() -> None:
    watched = make(ServiceID.DC, DYNAMIC, evcc={"departure_time_s": 7200}).to(200)
    requests = [(m, now) for who, m, now in watched.messages if type(m).__name__ == "DCChargeLoopReq"]
    moments = {round(now + m.cl_req_control_mode.departure_time) for m, now in requests}
    assert max(moments) - min(moments) <= 1
    assert (
        requests[0][0].cl_req_control_mode.departure_time > requests[-1][0].cl_req_control_mode.departure_time
    )


def test_in_scheduled_mode_he_gets_another_schedule() -> None:
    watched = make(ServiceID.DC, SCHEDULED).to(20)
    watched.rig.tell_evcc(ev.NeedsChanged(departure_s=1800.0))
    watched.charged()
    requests = watched.said(cm.ScheduleExchangeReq)
    assert [one.se_req_control_mode.departure_time for one in requests][1:] == [1799]


TOLD = {"mobility_needs_modes": tuple(MobilityNeedsMode)}
LIKES = {"mobility_needs": (MobilityNeedsMode.PROVIDED_BY_SECC,)}


@pytest.mark.parametrize("service", [ServiceID.DC, ServiceID.AC], ids=lambda one: one.name)
@pytest.mark.parametrize("early", [True, False])
def test_what_the_station_was_told_is_taken_over(service: ServiceID, early: bool) -> None:
    watched = make(service, DYNAMIC, secc=TOLD, evcc=LIKES)
    rig = watched.rig
    rig.run(until=lambda: rig.secc.state == "ServiceDetail" if early else rig.loops >= 20)
    target = 43 if service is ServiceID.DC else 41
    rig.tell_secc(ev.MobilityNeedsChanged(3600.0, minimum_soc=40, target_soc=target))
    rig.run(until=lambda: bool(watched.of(act.MobilityNeedsAnswered)))
    assert watched.of(act.MobilityNeedsAnswered) == [act.MobilityNeedsAnswered(True)]
    (heard,) = watched.of(act.MobilityNeeds)
    assert heard.adopted
    assert (heard.minimum_soc, heard.target_soc) == (40, target)
    watched.charged()
    assert rig.vehicle.battery.soc == pytest.approx(target, abs=0.2)
    assert watched.of(act.ChargingNeeds)[-1].departure_s == pytest.approx(3600.0, abs=1200.0)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"target_soc": 5}, "a target below minimum_soc = 10"),
        ({"departure_s": 0.0}, "a departure that is over"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_what_the_vehicle_cannot_do_is_not_taken_over(told: dict[str, Any], why: str) -> None:
    watched = make(ServiceID.DC, DYNAMIC, secc=TOLD, evcc=LIKES)
    rig = watched.rig
    rig.run(until=lambda: rig.loops >= 20)
    rig.tell_secc(ev.MobilityNeedsChanged(**told, ack_max_delay_s=3.0))
    began = rig.now
    rig.run(until=lambda: bool(watched.of(act.MobilityNeedsAnswered)))
    assert rig.now == pytest.approx(began + 3.0, abs=0.6)
    assert watched.of(act.MobilityNeedsAnswered) == [act.MobilityNeedsAnswered(False)]
    assert watched.of(act.MobilityNeeds)[0].reason == why
    watched.charged()
    assert rig.vehicle.battery.soc == pytest.approx(45.0, abs=0.1)


def test_a_minimum_above_the_target_is_never_sent() -> None:
    watched = make(ServiceID.DC, DYNAMIC, secc=TOLD, evcc=LIKES).to(20)
    watched.rig.tell_secc(ev.MobilityNeedsChanged(minimum_soc=60))
    watched.to(40)
    answers = [m for m in watched.said(type(watched.messages[-1][1])) if hasattr(m, "cl_res_control_mode")]
    assert {one.cl_res_control_mode.minimum_soc for one in answers} <= {None}


def test_in_the_other_mode_the_station_says_nothing_of_it() -> None:
    watched = make(ServiceID.DC, DYNAMIC, secc=TOLD).to(20)
    watched.rig.tell_secc(ev.MobilityNeedsChanged(3600.0, target_soc=43))
    watched.charged()
    assert watched.of(act.MobilityNeeds) == []
    assert watched.of(act.MobilityNeedsAnswered) == []


def test_the_range_for_cycling_is_kept_to() -> None:
    """Charged to the target, the vehicle stays: energy is taken back as long as the range
    allows it, and no longer."""
    watched = make(
        ServiceID.DC_BPT,
        DYNAMIC,
        evcc={"v2x_minimum_soc": 42, "v2x_maximum_soc": 45, "departure_time_s": 3600},
    )
    rig = watched.rig
    rig.run(until=lambda: rig.vehicle.battery.soc >= 44.99)
    rig.let_pass(5.0)
    assert not rig.done
    rig.tell_secc(ev.SetPointChanged(-60_000.0))
    rig.let_pass(600.0)
    assert not rig.done
    assert rig.vehicle.battery.soc == pytest.approx(42.0, abs=0.1)
    rig.tell_secc(ev.SetPointChanged(60_000.0))
    rig.let_pass(600.0)
    assert rig.vehicle.battery.soc == pytest.approx(45.0, abs=0.1)
    needs = watched.of(act.ChargingNeeds)
    assert all(one.minimum_v2x_wh is not None for one in needs)
    watched.charged()
    assert rig.now == pytest.approx(3600.0, abs=30.0)


def test_nothing_is_charged_above_the_target_whatever_the_set_point() -> None:
    watched = make(ServiceID.DC, DYNAMIC)
    rig = watched.rig
    rig.run(until=lambda: rig.loops >= 20)
    rig.tell_secc(ev.SetPointChanged(300_000.0))
    watched.charged()
    assert rig.vehicle.battery.soc <= 45.05


def test_what_the_vehicle_lets_the_station_show() -> None:
    watched = make(ServiceID.DC, SCHEDULED).to(100)
    shown = watched.of(act.VehicleDisplay)[-1]
    assert shown.target_soc == 45
    assert shown.maximum_soc == 100
    assert shown.to_minimum_s == 0
    assert shown.to_target_s is not None
    assert shown.to_maximum_s is not None
    assert 0 < shown.to_target_s < shown.to_maximum_s
    told = [now for who, one, now in watched.news if isinstance(one, act.VehicleDisplay)]
    assert len(told) < 15  # not with every turn
