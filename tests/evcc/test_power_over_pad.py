"""The charge loop of a vehicle over a pad, message by message: what it asks for, what takes the power away at
once, and how it ends.

Whatever is wrong on either side stops the coil in the same turn, and the vehicle stops in order behind it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from iso15118.evcc.iso20 import wpt_power
from iso15118.evcc.iso20.plan import Plan
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import wpt
from iso15118.messages.iso20.common_types import EvseNotification, MeterInfo
from iso15118.messages.values import rational, si
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.wireless import CoilDiagnosis, ReceiverLimits
from tests.evcc.hand import Hand
from tests.evcc.pad import LOOP, PAD_W, PadHost, asks, charging, progress, status, stops, taken

OF_COIL, OF_PAD = wpt.WPTEVPCChargeDiagnostics, wpt.WPTSPCChargeDiagnostics
EMERGENCY, ORDERLY = Urgency.EMERGENCY, Urgency.ORDERLY


# -- what is asked for -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "power_w"),
    [
        ({}, PAD_W),
        ({"maximum_charge_power_w": 4_000.0}, 4_000.0),
        ({"target_current_a": 5.0}, 4_000.0),
        ({"maximum_charge_power_w": -1.0}, 0.0),
        ({"maximum_charge_power_w": 1_000.0}, 1_000.0),
        ({"maximum_charge_power_w": 990.0}, 0.0),
    ],
)
def test_the_battery_and_the_least_of_the_pad_count(cells: dict[str, float], power_w: float) -> None:
    host = PadHost().to("WPT_ChargeParameterDiscovery")
    host.answer(sd_min_output_power=rational(1_000.0))
    host.to(LOOP)
    host.battery(**cells)
    host.turn()
    assert asks(host) == power_w
    assert taken(host)[-1] == power_w


@pytest.mark.parametrize("takes_w", [-1.0, 0.0, 0.5, 1.0])
def test_a_pad_without_a_least_sends_whatever_is_asked_for(takes_w: float) -> None:
    host = PadHost().to(LOOP)
    host.battery(maximum_charge_power_w=takes_w)
    host.turn()
    assert asks(host) == max(takes_w, 0.0)


def test_the_pace_of_the_loop_is_that_of_the_settings() -> None:
    host = PadHost(loop_interval_s=0.4).to(LOOP, 2)
    sent: list[float] = []
    for _ in range(4):
        host.answer()
        while not host.waiting:
            host.wait(0.01)
        sent.append(host.book.now)
    assert [after - before for before, after in pairwise(sent)] == pytest.approx([0.4] * 3, abs=0.02)


def test_the_coil_is_told_only_what_is_new() -> None:
    host = charging()
    for _ in range(3):
        host.turn()
    assert taken(host) == [PAD_W]


@pytest.mark.parametrize("receiver_w", [6_000.0, 20_000.0])
def test_the_limit_of_the_pad_holds_and_rises_within_its_offer(receiver_w: float) -> None:
    host = charging(receiver=ReceiverLimits(maximum_power_w=receiver_w))
    host.receives(0.0)
    most = min(receiver_w, PAD_W)
    for limit_w, power_w in ((2_000.0, 2_000.0), (-500.0, 0.0), (0.0, 0.0), (50_000.0, most)):
        host.turn(spc_max_output_power_limit=rational(limit_w))
        assert asks(host) == power_w


@pytest.mark.parametrize(("measured_w", "told_w"), [(0.0, 0.0), (900.06, 900.1), (9_000.4, 9_000.0)])
def test_what_arrives_is_told(measured_w: float, told_w: float) -> None:
    host = charging()
    host.receives(measured_w)
    host.turn()
    assert si(host.request.evpc_power_output) == told_w


def test_the_meter_is_asked_for_every_so_many_turns_or_never() -> None:
    for every, wanted in ((2, [True, False, True, False, True]), (0, [False] * 5), (1, [True] * 5)):
        host = PadHost(meter_info_every=every).to(LOOP)
        said = [host.request.meter_info_requested]
        said += [host.turn().meter_info_requested for _ in range(4)]
        assert said == wanted


def test_a_reading_is_kept_for_whoever_signs_one() -> None:
    host = charging()
    host.turn(meter_info=MeterInfo(meter_id="m", charged_energy_reading_wh=1234))
    first = host.session._talk.meter._first
    assert first is not None
    assert first[0].charged_wh == 1234.0


# -- what takes the power away -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of_coil", "of_pad", "told", "why"),
    [
        ({"diagnosis": CoilDiagnosis.OVERHEATED}, "SPCNoIssue", "EVPCTempOverheatDetected", "too hot"),
        (
            {"diagnosis": CoilDiagnosis.POWER_ANOMALY},
            "SPCNoIssue",
            "EVPCPowerTransferAnomalyDetected",
            "power goes astray",
        ),
        ({"diagnosis": CoilDiagnosis.ANOMALY}, "SPCNoIssue", "EVPCAnomalyDetected", "something else"),
        ({"in_place": False}, "SPCNoIssue", "EVPCAnomalyDetected", "not over the pad any more"),
        (
            {"in_place": False, "diagnosis": CoilDiagnosis.OVERHEATED},
            "SPCNoIssue",
            "EVPCTempOverheatDetected",
            "too hot",
        ),
        ({}, "SPCTempOverheatDetected", "EVPCNoIssue", "the station reports"),
        ({"in_place": False}, "SPCTempOverheatDetected", "EVPCAnomalyDetected", "not over the pad"),
    ],
)
def test_whatever_is_wrong_stops_the_coil_in_the_same_turn(
    of_coil: dict[str, Any], of_pad: str, told: str, why: str
) -> None:
    host = charging()
    host.receives(9_000.0, **of_coil)
    host.answer(spc_charge_diagnostics=OF_PAD[of_pad])
    assert stops(host) == [EMERGENCY]
    stopped, opened = host.hardware[-2:]
    assert stopped == act.StopPower(EMERGENCY)
    assert isinstance(opened, act.OpenContactors)
    assert (opened.urgency, why in opened.reason) == (EMERGENCY, True)
    host.wait(0.25)
    assert asks(host) == 0.0
    assert host.request.evpc_charge_diagnostics is OF_COIL[told]
    host.turn(spc_charge_diagnostics=OF_PAD[of_pad])
    assert stops(host) == [EMERGENCY]  # once
    host.receives(0.0, **of_coil)
    ended = host.finish()
    assert ended.reason is EndReason.STOPPED_BY_EV
    assert why in ended.detail


def test_a_coil_that_goes_on_receiving_is_waited_for_no_longer_than_usual() -> None:
    host = charging()
    host.answer(spc_charge_diagnostics=OF_PAD.SPCTempOverheatDetected)
    began = host.book.now
    while isinstance(host.request, wpt.WPTChargeLoopReq):
        host.receives(60.0)
        host.answer() if host.waiting else host.wait(0.1)
        assert host.book.now < began + 5.0
    assert host.book.now - began == pytest.approx(3.0, abs=0.3)


def test_what_is_wrong_on_the_way_down_stops_it_at_once_and_keeps_the_reason() -> None:
    host = charging()
    host.tell(ev.StopRequested("driver"))
    host.turn()
    assert asks(host) == 0.0
    host.receives(9_000.0, in_place=False)
    host.answer()
    assert stops(host) == [EMERGENCY]
    host.receives(0.0)
    assert host.finish() == act.SessionEnded(EndReason.STOPPED_BY_EV, "driver")


# -- how it ends -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("flows_w", "at_once"), [(49.0, True), (50.0, False)])
def test_power_is_over_when_nothing_flows_or_its_time_is_over(flows_w: float, at_once: bool) -> None:
    host = charging()
    host.tell(ev.StopRequested("driver"))
    host.turn()
    began = host.book.now
    host.receives(flows_w)
    while isinstance(host.request, wpt.WPTChargeLoopReq):
        host.turn()
        assert host.book.now < began + 4.0
    assert progress(host) is cm.ChargeProgress.Stop
    assert (host.book.now - began < 0.6) is at_once
    if not at_once:
        assert 2.6 <= host.book.now - began <= 3.3
    why = "PowerDelivery stop"
    assert host.hardware[-2:] == [act.StopPower(ORDERLY), act.OpenContactors(ORDERLY, why)]
    assert stops(host) == [ORDERLY]
    host.receives(0.0)
    assert host.finish().reason is EndReason.STOPPED_BY_EV


@pytest.mark.parametrize(("delay", "lasts_s"), [(0, 3.0), (1, 1.0), (60, 3.0)])
def test_a_station_may_leave_less_time_to_end(delay: int, lasts_s: float) -> None:
    host = charging()
    began = host.book.now
    host.turn(evse_status=status(EvseNotification.Terminate, delay))
    while isinstance(host.request, wpt.WPTChargeLoopReq):
        assert asks(host) == 0.0
        host.turn()
        assert host.book.now < began + 4.0
    assert host.book.now - began == pytest.approx(lasts_s, abs=0.3)
    host.receives(0.0)
    assert host.finish().reason is EndReason.STOPPED_BY_STATION


def test_less_than_the_least_of_the_pad_ends_the_charge_after_its_time() -> None:
    host = PadHost(below_minimum_s=5.0).to("WPT_ChargeParameterDiscovery")
    host.answer(sd_min_output_power=rational(1_000.0))
    host.to(LOOP)
    for power_w, ends in ((1_000.0, False), (999.0, True)):
        host.battery(maximum_charge_power_w=power_w)
        host.receives(60.0)
        until = host.book.now + 10.0
        while host.book.now < until and isinstance(host.request, wpt.WPTChargeLoopReq):
            host.turn()
        assert isinstance(host.request, cm.PowerDeliveryReq) is ends
    host.receives(0.0)
    assert "less than the least" in host.finish().detail


@pytest.mark.parametrize(("flows_w", "ends"), [(49.0, True), (50.0, False)])
def test_nothing_for_its_time_ends_the_charge(flows_w: float, ends: bool) -> None:
    host = PadHost(no_power_s=5.0).to(LOOP)
    until = host.book.now + 10.0
    host.receives(flows_w)
    while host.book.now < until and isinstance(host.request, wpt.WPTChargeLoopReq):
        host.turn()
    assert (not isinstance(host.request, wpt.WPTChargeLoopReq)) is ends


def test_standing_by_rests_the_coil_until_it_is_over() -> None:
    host = charging()
    host.tell(ev.StandbyRequested("test"))
    host.turn()
    assert progress(host) is cm.ChargeProgress.Standby
    assert taken(host)[-1] == 0.0
    host.answer()
    for _ in range(2):
        assert (asks(host), taken(host)[-1]) == (0.0, 0.0)
        host.turn()
    host.tell(ev.StandbyRequested("test", wanted=False))
    host.turn()
    assert progress(host) is cm.ChargeProgress.Start
    host.answer()
    assert (asks(host), taken(host)[-1]) == (PAD_W, PAD_W)


def test_the_coil_stops_before_the_pad_hears_of_it_and_nothing_is_delivered_behind_it() -> None:
    host = charging()
    talk, plan = host.session._talk, Plan(power_delivered=True, wpt_taken_w=PAD_W)
    hand = Hand(talk, wpt_power.stop(talk, plan))
    why = "PowerDelivery stop"
    assert talk.outbox == [act.StopPower(ORDERLY), act.OpenContactors(ORDERLY, why)]
    assert hand.request.charge_progress is cm.ChargeProgress.Stop
    assert plan.power_delivered
    hand.answer(host.response(cm.PowerDeliveryRes))
    assert (hand.over, plan.power_delivered, plan.wpt_taken_w) == (True, False, None)
