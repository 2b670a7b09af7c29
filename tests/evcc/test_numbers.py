"""The vehicle's numbers: schedules on absolute time, departure, what is enough, limits above the offer,
minima, control modes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118.evcc import EvccConfig
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus, MessageHeader, ResponseCode
from iso15118.messages.values import NO_SESSION, TimeStampUnit, rational, si
from iso15118.session import actions as act
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from tests.evcc.station import BATTERY_V, SESSION_ID, STATION, Host

SENT = 1_790_000_000
CASE = ((3600, 120_000.0), (3600, 40_000.0), (3600, 80_000.0))


ASKS = {
    "evse_maximum_charge_power": rational(0.0),
    "evse_minimum_discharge_power": rational(200_000.0),
    "evse_maximum_discharge_power": rational(200_000.0),
}


def schedule(entries: Any, anchor: int, tuple_id: int = 1) -> cm.ScheduledSEResControlMode:
    return cm.ScheduledSEResControlMode(
        schedule_tuple=(
            cm.ScheduleTuple(
                schedule_tuple_id=tuple_id,
                charging_schedule=cm.ChargingSchedule(
                    power_schedule=cm.PowerSchedule(
                        time_anchor=anchor,
                        power_schedule_entries=cm.PowerScheduleEntryList(
                            power_schedule_entry=tuple(
                                cm.PowerScheduleEntry(duration=seconds, power=rational(watts))
                                for seconds, watts in entries
                            )
                        ),
                    )
                ),
            ),
        )
    )


def scheduled(
    entries: Any,
    anchor: int,
    sent: int = SENT,
    *,
    config: EvccConfig | None = None,
    to: str = "DC_ChargeLoop",
) -> Host:
    """A vehicle that was given this schedule."""
    config = config or EvccConfig(control_modes=(ControlMode.SCHEDULED,))
    host = Host(config=config).to("ScheduleExchange")
    header = MessageHeader(session_id=SESSION_ID, time_stamp=sent)
    host.answer(se_res_control_mode=schedule(entries, anchor), header=header)
    host.to(to)
    host.measure(BATTERY_V, 100.0)
    return host


def turn(host: Host, seconds: float = 0.25, **answer: Any) -> Any:
    """The control mode element of the request after this answer and these seconds."""
    go(host, seconds, **answer)
    assert isinstance(host.request, dc.DCChargeLoopReq), host.request
    return host.request.cl_req_control_mode


def go(host: Host, seconds: float = 0.25, **answer: Any) -> None:
    """The same, whatever the next request is. What is asked for flows, unless the test lets nothing flow."""
    assert host.session.ended is None, host.session.ended
    mode: Any = getattr(host.request, "cl_req_control_mode", None)
    shown: Any = host.shown[0]
    if hasattr(mode, "ev_target_current") and shown.current_a:
        host.measure(BATTERY_V, si(mode.ev_target_current))
    host.answer(**answer)
    host.wait(seconds)


def finish(host: Host) -> act.SessionEnded:
    """To the end, without current."""
    for _ in range(100):
        if host.session.ended is not None:
            return host.session.ended
        shown: Any = host.shown[0]
        host.measure(shown.voltage_v, 0.0)
        host.step()
    raise RuntimeError(f"no end; it is at {host.session.state}")


def power(mode: Any) -> float:
    return si(mode.ev_target_current) * BATTERY_V


def profile_of(host: Host) -> cm.EVPowerProfile:
    (one,) = (
        sent.ev_power_profile
        for sent in host.sent
        if isinstance(sent, cm.PowerDeliveryReq) and sent.charge_progress is cm.ChargeProgress.Start
    )
    assert one is not None
    return one


# -- time


def test_a_schedule_that_began_in_the_past_is_followed_from_where_it_is_now() -> None:
    host = scheduled(CASE, SENT - 4500)
    assert power(turn(host)) == pytest.approx(40_000.0, abs=100.0)
    profile = profile_of(host)
    assert profile.time_anchor == SENT - 4500
    entries = profile.ev_power_profile_entries.ev_power_profile_entry
    assert [(e.duration, si(e.power)) for e in entries] == list(CASE)
    _until(host, 2695.0)
    assert power(turn(host)) == pytest.approx(40_000.0, abs=100.0)
    _until(host, 2701.0)
    assert power(turn(host)) == pytest.approx(80_000.0, abs=100.0)


def _until(host: Host, moment: float) -> None:
    """Turn after turn until then: the clock of the test begins with the session. (The connection stays within
    its times.)"""
    host.session._talk.now = host.book.now = moment
    host.session.timers.clear_all()
    for shown in host.shown:
        host.tell(shown)


@pytest.mark.parametrize("off_s", [0, 31_536_000, -86_400, 1])
@pytest.mark.parametrize("unit", [1, 1000, 1_000_000])
def test_wrong_clocks_and_other_units_make_no_difference(off_s: int, unit: int) -> None:
    sent = SENT + off_s
    host = scheduled(CASE, (sent - 4500) * unit, sent * unit)
    assert power(turn(host)) == pytest.approx(40_000.0, abs=100.0)
    # The vehicle writes its own clock, which is right.
    assert abs(profile_of(host).time_anchor - (SENT - 4500)) <= 1


@pytest.mark.parametrize(("anchor", "sent"), [(0, SENT), (SENT, 0)])
def test_without_an_anchor_or_a_clock_a_schedule_begins_with_the_message(anchor: int, sent: int) -> None:
    host = scheduled(CASE, anchor, sent)
    assert power(turn(host)) == pytest.approx(120_000.0, abs=100.0)


def test_before_its_anchor_a_schedule_gives_nothing_and_nobody_loses_patience() -> None:
    host = scheduled(CASE, SENT + 60, config=EvccConfig(no_power_s=5.0))
    host.measure(BATTERY_V, 0.0)
    for _ in range(40):
        assert power(turn(host)) == 0.0
    _until(host, 61.0)
    assert power(turn(host)) == pytest.approx(120_000.0, abs=100.0)


def test_when_its_schedule_is_over_the_vehicle_asks_for_another_one() -> None:
    host = scheduled(((2, 100_000.0), (3, 50_000.0)), SENT)
    while not isinstance(host.request, cm.PowerDeliveryReq):
        go(host)
    assert host.book.now >= 5.0
    assert host.request.charge_progress is cm.ChargeProgress.ScheduleRenegotiation
    host.answer()
    host.answer(se_res_control_mode=schedule(((3600, 70_000.0),), 0))
    host.answer()
    last: Any = host.request
    assert power(last.cl_req_control_mode) == pytest.approx(70_000.0, abs=100.0)


def test_what_is_asked_for_after_another_schedule_is_no_over_current() -> None:
    host = scheduled(((2, 100_000.0),), SENT)
    host.battery(target_current_a=100.0)
    host.measure(BATTERY_V, 100.0)
    while not isinstance(host.request, cm.PowerDeliveryReq):
        go(host)
    host.answer()
    host.measure(BATTERY_V, 0.0)
    host.answer(se_res_control_mode=schedule(((3600, 100_000.0),), 0))
    host.answer()
    host.measure(BATTERY_V, 100.0)
    for _ in range(20):
        assert si(turn(host).ev_target_current) == 100.0
    assert host.session.ended is None


def test_a_schedule_that_is_over_again_is_left_in_an_orderly_way() -> None:
    host = scheduled(((2, 100_000.0),), SENT)
    while not isinstance(host.request, cm.PowerDeliveryReq):
        go(host)
    host.answer()
    host.measure(BATTERY_V, 0.0)
    host.answer(se_res_control_mode=schedule(((2, 100_000.0),), SENT - 10))
    assert host.request.charge_progress is cm.ChargeProgress.Stop
    finish(host)
    assert finish(host).reason is EndReason.STOPPED_BY_EV
    assert "over" in finish(host).detail


def test_a_schedule_that_is_over_from_the_start_leads_to_no_power() -> None:
    host = Host().to("ScheduleExchange")
    host.answer(se_res_control_mode=schedule(((3600, 1e5),), SENT - 4000))
    assert isinstance(host.request, cm.SessionStopReq)
    host.answer()
    host.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)


@pytest.mark.parametrize("mode", list(ControlMode), ids=lambda one: one.name)
def test_the_departure_counts_down_and_then_the_vehicle_leaves(mode: ControlMode) -> None:
    config = EvccConfig(control_modes=(mode,), departure_time_s=20)
    host = Host(ServiceID.DC, mode, config=config).to("ScheduleExchange")
    assert host.request.se_req_control_mode.departure_time == 20
    host.to("DC_ChargeLoop")
    host.measure(BATTERY_V, 100.0)
    told: list[Any] = []
    while isinstance(host.request, dc.DCChargeLoopReq):
        told.append(getattr(host.request.cl_req_control_mode, "departure_time", None))
        assert host.book.now < 21.0
        if host.book.now >= 20.0:
            host.measure(BATTERY_V, 0.0)
        go(host)
    if mode is ControlMode.DYNAMIC:
        assert told == sorted(told, reverse=True)
        assert told[-1] == 0
    finish(host)
    assert host.session.ended == act.SessionEnded(EndReason.STOPPED_BY_EV, "departure")


def test_who_does_not_know_when_to_leave_says_a_day_only_where_a_time_is_required() -> None:
    for mode, said in ((ControlMode.SCHEDULED, None), (ControlMode.DYNAMIC, 86_400)):
        host = Host(ServiceID.DC, mode).to("ScheduleExchange")
        assert host.request.se_req_control_mode.departure_time == said


@pytest.mark.parametrize("unit", list(TimeStampUnit), ids=lambda one: one.name)
def test_time_stamps_are_sent_in_the_unit_that_was_set(unit: TimeStampUnit) -> None:
    host = scheduled(CASE, SENT, config=EvccConfig(time_stamp_unit=unit))
    assert host.request.header.time_stamp // unit.value == SENT + int(host.book.now)
    assert profile_of(host).time_anchor == SENT * unit.value


# -- enough


def test_the_vehicle_stops_at_the_drivers_target() -> None:
    host = Host(config=EvccConfig(target_soc=60)).to("ScheduleExchange")
    needs = host.request.se_req_control_mode
    assert si(needs.ev_target_energy_request) == 0.1 * 540_000.0  # the battery alone would take 100 kWh
    host.to("DC_ChargeLoop")
    host.battery(soc=60.0)
    host.measure(BATTERY_V, 0.0)
    host.answer()
    host.wait(0.25)
    finish(host)
    assert host.session.ended == act.SessionEnded(EndReason.STOPPED_BY_EV)


@pytest.mark.parametrize(("lacks_wh", "asked_wh"), [(0.3, 1.0), (1.0, 1.0), (40_001.0, 40_010.0)])
def test_a_request_is_rounded_up(lacks_wh: float, asked_wh: float) -> None:
    host = Host(ServiceID.DC, ControlMode.DYNAMIC, config=EvccConfig(control_modes=(ControlMode.DYNAMIC,)))
    host.to("DC_ChargeLoop")
    host.battery(energy_to_target_wh=lacks_wh, energy_to_maximum_wh=0.2, energy_to_minimum_wh=-0.7)
    mode = turn(host)
    assert si(mode.ev_target_energy_request) == asked_wh
    assert si(mode.ev_minimum_energy_request) <= asked_wh <= si(mode.ev_maximum_energy_request)


@pytest.mark.parametrize("mode", list(ControlMode), ids=lambda one: one.name)
def test_a_vehicle_that_is_given_nothing_leaves_after_its_time(mode: ControlMode) -> None:
    host = Host(ServiceID.DC, mode, config=EvccConfig(control_modes=(mode,), no_power_s=10.0))
    host.to("DC_ChargeLoop")
    host.measure(BATTERY_V, 0.0)
    began = host.book.now
    while isinstance(host.request, dc.DCChargeLoopReq):
        go(host)
    assert 11.0 <= host.book.now - began < 12.0, "a second more, in which some may still come"
    finish(host)
    assert host.session.ended == act.SessionEnded(EndReason.STOPPED_BY_EV, "no power for 10 s")


def test_a_battery_that_takes_less_than_can_be_given_is_full_enough() -> None:
    host = Host(config=EvccConfig(below_minimum_s=5.0)).to("DC_ChargeLoop")
    host.measure(BATTERY_V, 3.0)
    host.battery(target_current_a=3.0)
    limits = host.loop_mode(evse_minimum_charge_power=rational(5000.0))
    began = host.book.now
    while isinstance(host.request, dc.DCChargeLoopReq):
        go(host, cl_res_control_mode=limits)
        assert host.book.now < began + 13.0
    assert host.book.now >= began + 5.0
    finish(host)
    assert finish(host).reason is EndReason.STOPPED_BY_EV
    assert "less than the least" in finish(host).detail


# -- limits


def test_limits_above_the_offer_widen_nothing() -> None:
    host = Host().to("DC_ChargeLoop")
    host.battery(target_current_a=1500.0)
    much = host.loop_mode(
        evse_maximum_charge_current=rational(3000.0), evse_maximum_charge_power=rational(3.75e6)
    )
    assert si(turn(host, cl_res_control_mode=much).ev_target_current) == STATION.maximum_charge_current_a


@pytest.mark.parametrize(
    ("minimum", "wish_a", "asked_a"),
    [
        ({"evse_minimum_charge_power": rational(8000.0)}, 9.9, 0.0),
        ({"evse_minimum_charge_power": rational(8000.0)}, 10.0, 10.0),
        ({}, 0.3, 0.3),
    ],
)
def test_nothing_is_asked_below_a_minimum(minimum: dict[str, Any], wish_a: float, asked_a: float) -> None:
    host = Host().to("DC_ChargeLoop")
    host.battery(target_current_a=wish_a)
    assert si(turn(host, cl_res_control_mode=host.loop_mode(**minimum)).ev_target_current) == asked_a


@pytest.mark.parametrize(
    "minimum",
    [
        {"evse_minimum_charge_power": rational(1_300_000.0), "evse_maximum_charge_power": rational(3e6)},
        {"evse_minimum_charge_current": rational(1501.0), "evse_maximum_charge_current": rational(3000.0)},
        {"evse_minimum_voltage": rational(951.0)},
    ],
)
def test_a_station_that_cannot_do_as_little_is_left_before_power(minimum: dict[str, Any]) -> None:
    host = Host().to("DC_ChargeParameterDiscovery")
    offer = host.response(dc.DCChargeParameterDiscoveryRes).dc_cpd_res_energy_transfer_mode
    host.answer(dc_cpd_res_energy_transfer_mode=msgspec.structs.replace(offer, **minimum))
    assert isinstance(host.request, cm.SessionStopReq)
    host.answer()
    host.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)


def test_a_discharging_schedule_holds_with_either_sign() -> None:
    for sign in (1.0, -1.0):
        host = Host(ServiceID.DC_BPT).to("ScheduleExchange")
        offered = schedule(((3600, 1e6),), 0).schedule_tuple[0]
        back = schedule(((3600, sign * 80_000.0),), 0).schedule_tuple[0].charging_schedule
        both = msgspec.structs.replace(offered, discharging_schedule=back)
        host.answer(se_res_control_mode=cm.ScheduledSEResControlMode(schedule_tuple=(both,)))
        host.to("DC_ChargeLoop")
        asks = host.loop_mode(**ASKS)
        assert si(turn(host, cl_res_control_mode=asks).ev_target_current) == -100.0


# -- modes and services


def parameter_set(number: int, **values: int) -> cm.ParameterSet:
    return cm.ParameterSet(
        parameter_set_id=number,
        parameter=tuple(cm.Parameter(name=name, int_value=value) for name, value in values.items()),
    )


@pytest.mark.parametrize(
    ("offered", "wanted", "chosen"),
    [
        ((2,), (1, 2), 2),
        ((1,), (1, 2), 1),
        ((2, 1), (1, 2), 1),
        ((1, 2), (2, 1), 2),
        ((1,), (2,), None),
    ],
)
def test_the_vehicles_order_of_control_modes_counts(
    offered: tuple[int, ...], wanted: tuple[int, ...], chosen: int | None
) -> None:
    config = EvccConfig(control_modes=tuple(ControlMode(mode) for mode in wanted))
    host = Host(config=config).to("ServiceDetail")
    sets = tuple(parameter_set(10 + mode, ControlMode=mode) for mode in offered)
    host.answer(service_parameter_list=cm.ServiceParameterList(parameter_set=sets))
    if chosen is None:
        assert isinstance(host.request, cm.SessionStopReq)
        return
    assert host.request.selected_energy_transfer_service.parameter_set_id == 10 + chosen
    host.control_mode = ControlMode(chosen)
    host.to("DC_ChargeLoop")
    kind = dc.ScheduledDCCLReqControlMode if chosen == 1 else dc.DynamicDCCLReqControlMode
    assert type(host.request.cl_req_control_mode) is kind


def test_the_old_name_of_the_control_modes_still_works_and_says_so() -> None:
    with pytest.warns(DeprecationWarning, match="control_modes"):
        config = EvccConfig(control_mode=ControlMode.DYNAMIC)
    assert config.control_modes == (ControlMode.DYNAMIC,)
    assert msgspec.structs.replace(config, target_soc=90).control_modes == (ControlMode.DYNAMIC,)


@pytest.mark.parametrize(
    ("sets", "chosen"),
    [
        ((parameter_set(1, ControlMode=1, BPTChannel=2), parameter_set(2, ControlMode=1, BPTChannel=1)), 2),
        (
            (parameter_set(1, ControlMode=1, GeneratorMode=2), parameter_set(2, ControlMode=1, BPTChannel=2)),
            2,
        ),
        ((parameter_set(1, ControlMode=1, GeneratorMode=2),), None),
    ],
)
def test_one_channel_rather_than_two_and_never_a_grid_to_form(
    sets: tuple[cm.ParameterSet, ...], chosen: int | None
) -> None:
    config = EvccConfig(services=(ServiceID.DC_BPT,), control_modes=(ControlMode.SCHEDULED,))
    host = Host(ServiceID.DC_BPT, config=config).to("ServiceDetail")
    host.answer(service_parameter_list=cm.ServiceParameterList(parameter_set=sets))
    if chosen is None:
        assert isinstance(host.request, cm.SessionStopReq)
    else:
        assert host.request.selected_energy_transfer_service.parameter_set_id == chosen


def test_a_dc_vehicle_takes_no_separate_channels_where_the_station_alone_knows_what_flows() -> None:
    config = EvccConfig(
        services=(ServiceID.DC_BPT,), control_modes=(ControlMode.DYNAMIC, ControlMode.SCHEDULED)
    )
    host = Host(ServiceID.DC_BPT, config=config).to("ServiceDetail")
    sets = (
        parameter_set(1, ControlMode=2, BPTChannel=2),
        parameter_set(2, ControlMode=1, BPTChannel=2),
    )
    host.answer(service_parameter_list=cm.ServiceParameterList(parameter_set=sets))
    assert host.request.selected_energy_transfer_service.parameter_set_id == 2


@pytest.mark.parametrize("channel", [1, 2])
def test_with_two_channels_power_delivery_chooses_and_changes_them(channel: int) -> None:
    host = Host(ServiceID.DC_BPT).to("ServiceDetail")
    sets = (parameter_set(1, ControlMode=1, BPTChannel=channel),)
    host.answer(service_parameter_list=cm.ServiceParameterList(parameter_set=sets))
    host.to("DC_ChargeLoop")
    host.measure(BATTERY_V, 100.0)
    host.answer(cl_res_control_mode=host.loop_mode(**ASKS))
    host.wait(0.25)
    if channel == 1:
        assert isinstance(host.request, dc.DCChargeLoopReq)
    else:
        assert si(host.request.cl_req_control_mode.ev_target_current) == 0.0  # some still flows the other way
        host.measure(BATTERY_V, 1.0)
        host.answer(cl_res_control_mode=host.loop_mode(**ASKS))
        host.wait(0.25)
        assert host.request.bpt_channel_selection is cm.ChannelSelection.Discharge
        host.answer()
    assert si(host.request.cl_req_control_mode.ev_target_current) == -250.0
    started = [sent for sent in host.sent if isinstance(sent, cm.PowerDeliveryReq)]
    said = [sent.bpt_channel_selection for sent in started]
    assert said == ([None] if channel == 1 else [cm.ChannelSelection.Charge, cm.ChannelSelection.Discharge])


# -- answers


def test_a_refused_session_setup_is_a_refusal_whatever_its_id() -> None:
    for session_id in (NO_SESSION, SESSION_ID):
        host = Host().to("SessionSetup")
        header = MessageHeader(session_id=session_id, time_stamp=SENT)
        host.answer(header=header, response_code=ResponseCode.FAILED)
        host.book.ends(EndReason.REFUSED)
        (ended,) = (action for action in host.book.actions if isinstance(action, act.SessionEnded))
        assert "FAILED" in ended.detail


@pytest.mark.parametrize(
    ("evse_id", "right"),
    [("DE*ABC*E1", True), ("ZZ00000", True), ("frABCE12*3", True), ("", False), ("charger\n4", False)],
)
def test_an_evse_id_that_is_none_is_noted_or_refused(evse_id: str, right: bool) -> None:
    host = Host().to("SessionSetup")
    host.answer(evseid=evse_id)
    notes = [action.detail for action in host.book.actions if isinstance(action, act.PeerDeviates)]
    assert bool(notes) is not right
    assert all(text.isprintable() for text in notes)
    strict = Host(config=EvccConfig(strict_evse_id=True)).to("SessionSetup")
    strict.answer(evseid=evse_id)
    assert (strict.session.ended is None) is right


def test_a_failed_renegotiation_leaves_the_old_schedule() -> None:
    host = scheduled(CASE, SENT)
    status = EVSEStatus(notification_max_delay=0, evse_notification=EvseNotification.ScheduleRenegotiation)
    host.answer(evse_status=status)
    assert host.request.charge_progress is cm.ChargeProgress.ScheduleRenegotiation
    host.answer()
    host.answer(response_code=ResponseCode.WARNING_ScheduleRenegotiationFailed)
    host.answer()
    host.wait(0.25)
    assert power(host.request.cl_req_control_mode) == pytest.approx(120_000.0, abs=100.0)
