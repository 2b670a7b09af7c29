"""The vehicle's numbers in DIN 70121 at their edges: settings, offers that just fit, schedules, and
the last turns of a charge."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.evcc.din.settings import DinEvccSettings
from iso15118.messages import din
from iso15118.messages.physical import quantity
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.evcc.din.station import BATTERY_V, Host, offer, schedules, status, value


def config(**settings: Any) -> EvccConfig:
    return EvccConfig(editions=("din",), din=DinEvccSettings(**settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"evccid": b"\1"},
        {"evccid": bytes(8)},
        {"precharge_current_a": 0.0},
        {"precharge_current_a": 2},
        {"voltage_headroom_v": 0.0},
        {"voltage_headroom_v": 100.0},
        {"loop_interval_s": 0},
        {"loop_interval_s": 10.0},
    ],
    ids=str,
)
def test_settings_at_their_edges(settings: dict[str, Any]) -> None:
    host = Host(config(**settings)).to("CurrentDemand")
    if "evccid" in settings:
        assert host.sent[1].evccid == settings["evccid"]
    (pre_charge,) = (one for one in host.sent if isinstance(one, din.PreChargeReq))
    assert quantity(pre_charge.ev_target_current) == settings.get("precharge_current_a", 1.0)


@pytest.mark.parametrize(
    ("changes", "goes_on"),
    [
        ({"evse_minimum_voltage_limit": value(450.0)}, True),
        ({"evse_minimum_voltage_limit": value(450.1)}, False),
        ({"evse_minimum_current_limit": value(300.0, "A")}, True),
        ({"evse_minimum_current_limit": value(300.1, "A")}, False),
        ({"evse_maximum_voltage_limit": value(BATTERY_V)}, True),
        ({"evse_maximum_voltage_limit": value(400.0), "evse_minimum_voltage_limit": value(400.0)}, True),
        ({"evse_maximum_voltage_limit": value(BATTERY_V - 0.1)}, False),
    ],
)
def test_an_offer_that_just_fits(changes: dict[str, Any], goes_on: bool) -> None:
    host = Host().to("ChargeParameterDiscovery")
    host.answer(evse_charge_parameter=offer(**changes))
    assert host.session.state == ("CableCheck" if goes_on else "SessionStop")
    assert host.noted == []


@pytest.mark.parametrize(
    "changes",
    [
        {"evse_maximum_current_limit": value(-5.0, "A")},
        {"evse_maximum_power_limit": value(-5.0, "W")},
        {"evse_maximum_current_limit": value(0.0, "A")},
    ],
)
def test_a_station_that_gives_nothing_is_asked_for_nothing(changes: dict[str, Any]) -> None:
    host = Host().to("ChargeParameterDiscovery")
    host.answer(evse_charge_parameter=offer(**changes))
    host.to("CurrentDemand", 2)
    assert quantity(host.request.ev_target_current) == 0.0


@pytest.mark.parametrize(
    ("duration", "at_first", "later"), [(None, 26.3, 26.3), (0, 26.3, 26.3), (30, 26.3, 26.3)]
)
def test_a_schedule_holds_behind_its_end_and_without_one(
    duration: int | None, at_first: float, later: float
) -> None:
    host = Host(config(use_pmax=True)).to("ChargeParameterDiscovery")
    host.answer(sa_schedules=schedules(10_000, 1, duration))
    host.to("CurrentDemand", 2)
    assert quantity(host.request.ev_target_current) == at_first
    host.measure(BATTERY_V, 20.0)
    until = host.book.now + 60.0
    while host.book.now < until:
        if host.waiting:
            host.answer()
        else:
            host.wait(0.1)
    assert quantity(host.request.ev_target_current) == later


def entries(*powers: tuple[int, int]) -> din.SAScheduleList:
    """Start in s and power in W of each."""
    schedule = din.PMaxSchedule(
        p_max_schedule_id=1,
        p_max_schedule_entry=tuple(
            din.PMaxScheduleEntry(time_interval=din.RelativeTimeInterval(start=start), p_max=power)
            for start, power in powers
        ),
    )
    return din.SAScheduleList(
        sa_schedule_tuple=(din.SAScheduleTuple(sa_schedule_tuple_id=7, p_max_schedule=schedule),)
    )


def test_the_entries_of_a_schedule_follow_one_another() -> None:
    host = Host(config(use_pmax=True)).to("ChargeParameterDiscovery")
    began = host.book.now
    host.answer(sa_schedules=entries((0, 10_000), (20, 20_000), (40, 5_000)))
    host.to("CurrentDemand", 2)
    start: Any = next(one for one in host.sent if isinstance(one, din.PowerDeliveryReq))
    assert start.charging_profile.sa_schedule_tuple_id == 7
    host.measure(BATTERY_V, 10.0)
    seen: dict[int, float] = {}
    while host.book.now < began + 60.0:
        if host.waiting:
            seen[int((host.book.now - began) // 20)] = quantity(host.request.ev_target_current)
            host.answer()
        else:
            host.wait(0.1)
    assert seen == {0: 26.3, 1: 52.6, 2: 13.1}


@pytest.mark.parametrize("complete", [True, False])
def test_whether_the_battery_is_full_is_said_when_power_is_switched_off(complete: bool) -> None:
    host = Host().to("CurrentDemand", 2)
    if complete:
        host.battery(energy_to_target_wh=0.0, complete=True, soc=100.0)
    else:
        host.tell(ev.StopRequested("driver"))
    while not isinstance(host.request, din.PowerDeliveryReq):
        host.step()
    said: Any = host.request.ev_power_delivery_parameter
    assert (said.charging_complete, said.bulk_charging_complete) == (complete, complete)
    switched = [one for one in host.sent if isinstance(one, din.PowerDeliveryReq)]
    first: Any = switched[0].ev_power_delivery_parameter
    assert switched[0].ready_to_charge_state
    assert not first.charging_complete


@pytest.mark.parametrize("current_a", [0.9, 200.0])
def test_nothing_is_asked_for_before_power_is_switched_off(current_a: float) -> None:
    """Also where the current was small anyway."""
    host = Host().to("CurrentDemand", 2)
    host.battery(target_current_a=current_a)
    host.measure(BATTERY_V, current_a)
    host.answer()
    host.wait(0.1)
    assert quantity(host.request.ev_target_current) == current_a
    host.measure(BATTERY_V, 0.5)
    host.answer(dc_evse_status=status("EVSE_Shutdown"))
    while not isinstance(host.request, din.PowerDeliveryReq):
        host.step()
    last = [one for one in host.sent if isinstance(one, din.CurrentDemandReq)][-1]
    assert quantity(last.ev_target_current) == 0.0


@pytest.mark.parametrize(("current_a", "least_s"), [(4.9, 1.0), (5.0, 3.0)])
def test_current_that_still_flows_is_waited_for_three_seconds(current_a: float, least_s: float) -> None:
    """And one that may still come, of what was asked for before, for one."""
    host = Host().to("CurrentDemand", 2)
    host.measure(BATTERY_V, current_a)
    began = host.book.now
    host.tell(ev.StopRequested("driver"))
    while not isinstance(host.request, din.PowerDeliveryReq):
        host.measure(BATTERY_V, current_a)
        if host.waiting:
            host.answer()
        else:
            host.wait(0.05)
    took = host.book.now - began
    assert least_s <= took < least_s + 0.4


def test_nothing_is_used_for_the_cabin_or_the_battery() -> None:
    host = Host().to("SessionStop")
    said = [getattr(one, "dc_ev_status", None) for one in host.sent]
    for one in filter(None, said):
        assert (one.ev_cabin_conditioning, one.evress_conditioning) == (False, False)
        assert one.ev_error_code is din.DCEVErrorCode.NO_ERROR
    assert len([one for one in said if one is not None]) >= 4


@pytest.mark.parametrize(("p_max", "notes"), [(0, ["pmax"]), (1, ["pmax"]), (-1, ["schedule", "pmax"])])
def test_a_power_that_is_not_followed_is_noted(p_max: int, notes: list[str]) -> None:
    host = Host().to("ChargeParameterDiscovery")
    host.answer(sa_schedules=schedules(p_max))
    assert host.noted == notes


def switched_off() -> Host:
    """Power is over, and the contactors have been told to open."""
    host = Host().to("CurrentDemand", 2)
    host.tell(ev.StopRequested("driver"))
    while not isinstance(host.request, din.PowerDeliveryReq):
        host.step()
    host.answer()
    return host


@pytest.mark.parametrize("after", [0.0, 2.9])
def test_welding_detection_comes_when_the_contactors_have_opened(after: float) -> None:
    host = switched_off()
    host.measure(0.0)
    host.wait(after)
    assert isinstance(host.request, din.PowerDeliveryReq)
    host.tell(ev.ContactorsChanged(False))
    assert isinstance(host.request, din.WeldingDetectionReq)


def test_contactors_that_do_not_open_are_told_after_three_seconds() -> None:
    host = switched_off()
    host.measure(0.0)
    host.wait(2.999)
    assert isinstance(host.request, din.PowerDeliveryReq)
    host.wait(0.001)
    assert isinstance(host.request, din.WeldingDetectionReq)
    host.answer()
    assert isinstance(host.request, din.SessionStop)
    host.answer()
    host.book.ends(EndReason.CONTACTOR_FAILED)


@pytest.mark.parametrize(("volts", "seconds"), [(59.9, 0.0), (60.0, 5.0)])
def test_how_long_the_inlet_is_waited_for(volts: float, seconds: float) -> None:
    host = switched_off()
    host.measure(volts)
    host.tell(ev.ContactorsChanged(False))
    began = host.book.now
    while host.session.state == "WeldingDetection":
        if host.waiting:
            host.answer()
        else:
            host.wait(0.1)
    assert host.book.now - began == pytest.approx(seconds, abs=0.11)
    asked = sum(isinstance(one, din.WeldingDetectionReq) for one in host.sent)
    assert asked == (1 if volts < 60.0 else pytest.approx(51, abs=2))
    reason = EndReason.STOPPED_BY_EV if volts < 60.0 else EndReason.CONTACTOR_FAILED
    assert host.finish().reason is reason
