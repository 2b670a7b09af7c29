"""Alternating current in ISO 15118-2, on the vehicle's side: the pilot behind the request, EVSEMaxCurrent
followed at once, and stop."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc.iso2.settings import Plausibility
from iso15118.messages import iso2
from iso15118.messages.physical import amperes, quantity
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.actions import EndReason
from tests.evcc.iso2.station import (
    ANSWERS,
    CODE,
    NOTIFY,
    Host,
    ac_offer,
    ac_status,
    charge_service,
    schedules,
    status,
)

THREE = AcVehicleLimits.of(current_a=16.0)
ONE = AcVehicleLimits.of(current_a=32.0, phases=1)
STATES = (
    "SessionSetup",
    "ServiceDiscovery",
    "PaymentServiceSelection",
    "Authorization",
    "ChargeParameterDiscovery",
    "PowerDelivery",
    "ChargingStatus",
    "SessionStop",
)
MODE = iso2.EnergyTransferMode


def host(charger: AcVehicleLimits = THREE, **settings: Any) -> Host:
    return Host(charger=charger, **settings)


def told(one: Host) -> list[tuple[float, float]]:
    """Power and current per phase that the charger was told, in order."""
    return [
        (action.bounds.power_w[0], action.bounds.current_a[0])
        for action in one.hardware
        if isinstance(action, act.SetCharger)
    ]


def progresses(one: Host) -> list[str]:
    return [body.charge_progress.value for body in one.of(iso2.PowerDeliveryReq)]


def after_offer(one: Host, **changes: Any) -> Host:
    one.to("ChargeParameterDiscovery")
    one.answer(**changes)
    return one.to("ChargingStatus")


def test_a_session_from_begin_to_end() -> None:
    one = host().to("ChargingStatus", 3)
    one.draw(16.0)
    one.full()
    one.answer()
    one.wait(0.2)
    assert told(one)[-1][0] == 0.0
    one.draw(0.0)
    ended = one.finish()
    assert ended.reason is EndReason.STOPPED_BY_EV
    assert progresses(one) == ["Start", "Stop"]
    assert "CableCheck" not in one.session.states
    assert all(body.ev_power_delivery_parameter is None for body in one.of(iso2.PowerDeliveryReq))
    kinds = [type(action).__name__ for action in one.hardware]
    assert "CloseContactors" not in kinds


@pytest.mark.parametrize(
    ("charger", "modes", "chosen"),
    [
        (THREE, (MODE.AC_three_phase_core, MODE.AC_single_phase_core), MODE.AC_three_phase_core),
        (THREE, (MODE.AC_single_phase_core,), MODE.AC_single_phase_core),
        (ONE, (MODE.AC_three_phase_core, MODE.AC_single_phase_core), MODE.AC_single_phase_core),
        (ONE, (MODE.AC_three_phase_core,), None),
        (THREE, (MODE.DC_extended,), None),
    ],
)
def test_the_mode_is_one_that_the_charger_can_do(
    charger: AcVehicleLimits, modes: tuple[iso2.EnergyTransferMode, ...], chosen: Any
) -> None:
    one = host(charger).to("ServiceDiscovery")
    one.answer(charge_service=charge_service(*modes))
    if chosen is None:
        assert one.finish().reason is EndReason.PARAMETERS_NOT_ACCEPTED
        return
    one.to("ChargeParameterDiscovery")
    assert one.request.requested_energy_transfer_mode is chosen
    one.to("ChargingStatus")
    phases = 3 if chosen is MODE.AC_three_phase_core else 1
    (entry,) = one.of(iso2.PowerDeliveryReq)[0].charging_profile.profile_entry
    assert entry.charging_profile_entry_max_number_of_phases_in_use == phases
    assert quantity(entry.charging_profile_entry_max_power) == phases * 16.0 * 230.0


def test_an_alarm_is_not_followed_by_the_wish_for_a_ramp() -> None:
    one = host(iso2={"plausibility": Plausibility.STRICT}).to("ChargingStatus", 3)
    one.draw(16.0)
    one.answer(evse_max_current=amperes(-1.0))
    stops = [action.urgency for action in one.hardware if isinstance(action, act.StopPower)]
    assert stops == [act.Urgency.EMERGENCY]
    assert progresses(one) == ["Start", "Stop"]
    assert one.finish().reason is EndReason.PARAMETERS_NOT_ACCEPTED


def test_a_vehicle_without_a_charger_does_not_ask_for_alternating_current() -> None:
    one = Host().to("ServiceDiscovery")
    one.answer(charge_service=charge_service(MODE.AC_three_phase_core))
    assert one.finish().reason is EndReason.PARAMETERS_NOT_ACCEPTED


def test_what_is_declared() -> None:
    one = host(departure_time_s=7200).to("ChargeParameterDiscovery")
    asked = one.request.ev_charge_parameter
    assert isinstance(asked, iso2.ACEVChargeParameter)
    assert asked.departure_time == 7200 - round(one.book.now)
    assert quantity(asked.e_amount) == 20_000.0
    assert (quantity(asked.ev_max_current), quantity(asked.ev_min_current)) == (16.0, 6.0)
    assert quantity(asked.ev_max_voltage) == 250.0


def test_state_c_shows_behind_the_request_and_state_b_behind_the_stop() -> None:
    one = host().to("ChargeParameterDiscovery")
    assert not any(isinstance(action, act.SignalReady) for action in one.hardware)
    one.answer()
    assert isinstance(one.request, iso2.PowerDeliveryReq)
    assert not any(isinstance(action, act.SignalReady) for action in one.hardware)
    one.wait(0.25)
    assert [action.ready for action in one.hardware if isinstance(action, act.SignalReady)] == [True]
    assert told(one) == []  # nothing is taken before the station has answered
    one.answer()
    assert told(one) == [(3680.0, 16.0)]
    one.tell(ev.StopRequested("enough"))
    while progresses(one) != ["Start", "Stop"]:
        one.step()
    order = [
        type(action).__name__
        for action in one.book.actions
        if isinstance(action, act.Send | act.SignalReady | act.StopPower | act.OpenContactors)
    ]
    assert order == ["StopPower", "OpenContactors", "Send"]
    one.wait(0.25)
    assert [action.ready for action in one.hardware if isinstance(action, act.SignalReady)] == [True, False]


def test_state_c_shows_a_tenth_of_a_second_behind_the_request() -> None:
    """At once it could be seen before the request is read, and later than 0.25 s it is a fault."""
    one = host().to("PowerDelivery")
    for wait_s, shows in ((0.0, False), (0.09, False), (0.02, True)):
        one.wait(wait_s)
        assert any(isinstance(action, act.SignalReady) for action in one.hardware) is shows


@pytest.mark.parametrize("progress", ["Start", "Stop"])
def test_an_answer_that_comes_at_once_leaves_the_pilot_where_it_belongs(progress: str) -> None:
    one = host().to("PowerDelivery" if progress == "Start" else "ChargingStatus")
    if progress == "Stop":
        one.tell(ev.StopRequested("enough"))
        while progresses(one) != ["Start", "Stop"]:
            one.step()
    one.answer()
    one.wait(0.25)
    shown = [action.ready for action in one.hardware if isinstance(action, act.SignalReady)]
    assert shown[-1] is (progress == "Start")


def test_evse_max_current_is_followed_at_once_and_never_exceeded() -> None:
    one = host().to("ChargingStatus")
    for said, power, current in (
        (10.0, 2300.0, 10.0),
        (None, 2300.0, 10.0),  # what is left out stays
        (6.0, 1380.0, 6.0),
        (5.9, 0.0, 5.9),  # less than the charger can do
        (0.0, 0.0, 0.0),
        (-2.0, 0.0, 0.0),
        (32.0, 3680.0, 16.0),
    ):
        one.answer(evse_max_current=None if said is None else amperes(said))
        assert told(one)[-1] == (power, current), said
        first = next(iter(one.book.actions), None)
        assert first is None or isinstance(first, act.SetCharger | act.PeerDeviates)
        one.wait(0.2)


def test_pmax_is_of_all_phases_and_counts_over_time() -> None:
    one = after_offer(host(), sa_schedules=schedules((1, [(0, 11_040.0), (60, 6_900.0)], 86_400)))
    assert told(one)[-1] == (3680.0, 16.0)
    one.draw(16.0)
    while one.book.now < 59.0:
        one.step()
    assert told(one)[-1][0] == 3680.0
    while one.book.now < 61.0:
        one.step()
    assert told(one)[-1][0] == 2300.0


def test_the_profile_is_exactly_what_the_outlet_has() -> None:
    one = after_offer(host(), sa_schedules=schedules((1, [(0, 11_040.0)], 86_400)))
    (entry,) = one.of(iso2.PowerDeliveryReq)[0].charging_profile.profile_entry
    assert quantity(entry.charging_profile_entry_max_power) == 11_040.0


def test_less_than_the_charger_can_do_is_nothing_and_no_reason_to_leave() -> None:
    one = after_offer(host(), sa_schedules=schedules((1, [(0, 4_000.0)], 86_400)))
    assert told(one)[-1][0] == 0.0
    for _ in range(50):
        one.answer()
        one.wait(0.2)
    assert one.ended is None


def test_a_battery_that_takes_less_than_the_charger_can_do_ends_the_charge() -> None:
    one = host(below_minimum_s=10.0).to("ChargingStatus")
    one.battery(maximum_charge_power_w=4000.0)
    began = one.book.now
    ended = one.finish()
    assert ended.reason is EndReason.STOPPED_BY_EV
    assert 10.0 <= one.book.now - began <= 14.0


def test_a_charger_that_can_do_less_now() -> None:
    one = host().to("ChargingStatus")
    one.tell(ev.ChargerChanged(AcVehicleLimits.of(current_a=8.0)))
    one.answer()
    assert told(one)[-1] == (1840.0, 8.0)


@pytest.mark.parametrize(
    ("offer", "accepted", "noted"),
    [
        (ac_offer(0.0), True, False),
        (ac_offer(-16.0), True, True),
        (ac_offer(16.0, 400.0), True, True),
        (ac_offer(16.0, 0.0), False, False),
    ],
    ids=["nothing", "below zero", "too high", "no voltage"],
)
def test_offers_that_make_no_sense(offer: Any, accepted: bool, noted: bool) -> None:
    one = host().to("ChargeParameterDiscovery")
    one.answer(evse_charge_parameter=offer)
    assert one.noted("plausibility") is noted
    if accepted:
        one.to("ChargingStatus")
        assert all(power <= 16.0 * 250.0 for power, _ in told(one))
    else:
        assert one.finish().reason is EndReason.PARAMETERS_NOT_ACCEPTED


@pytest.mark.parametrize("state", ["ChargeParameterDiscovery", "PowerDelivery", "ChargingStatus"])
def test_the_station_asks_to_stop(state: str) -> None:
    one = host().to(state)
    said = ac_status(NOTIFY.StopCharging)
    match state:
        case "ChargeParameterDiscovery":
            one.answer(evse_charge_parameter=ac_offer(status_=said))
        case "PowerDelivery":
            one.answer(evse_status=said)
        case _:
            one.draw(16.0)
            one.answer(ac_evse_status=said)
            assert told(one)[-1][0] == 0.0
    assert one.finish().reason is EndReason.STOPPED_BY_STATION
    assert progresses(one)[-1] == "Stop"
    if state == "PowerDelivery":
        assert told(one) == []


def test_the_current_is_gone_before_power_delivery_stop_or_three_seconds() -> None:
    for amperes_, least, most in ((0.9, 0.0, 0.5), (16.0, 3.0, 3.5)):
        one = host().to("ChargingStatus", 2)
        one.draw(amperes_)
        one.tell(ev.StopRequested("enough"))
        began = one.book.now
        while progresses(one)[-1] == "Start":
            one.step()
        assert least <= one.book.now - began <= most


def test_a_new_negotiation_keeps_state_c() -> None:
    one = host().to("ChargingStatus", 2)
    one.answer(ac_evse_status=ac_status(NOTIFY.ReNegotiation))
    one.to("ChargeParameterDiscovery")
    assert told(one)[-1][0] == 0.0
    one.answer(sa_schedules=schedules((4, [(0, 6_900.0)], 86_400)))
    one.to("ChargingStatus")
    assert told(one)[-1][0] == 2300.0
    assert progresses(one) == ["Start", "Renegotiate", "Start"]
    assert one.of(iso2.PowerDeliveryReq)[-1].sa_schedule_tuple_id == 4
    assert [action.ready for action in one.hardware if isinstance(action, act.SignalReady)] == [True]
    assert not any(isinstance(action, act.OpenContactors) for action in one.hardware)


def test_a_schedule_that_ends_is_negotiated_again() -> None:
    one = after_offer(host(), sa_schedules=schedules((1, [(0, 11_040.0)], 30)))
    one.draw(16.0)
    while progresses(one)[-1] == "Start" and one.book.now < 60.0:
        one.step()
    assert progresses(one) == ["Start", "Renegotiate"]
    assert 30.0 <= one.book.now < 34.5  # a charger that still draws is given its time


def test_a_tripped_rcd_is_told() -> None:
    one = host().to("ChargingStatus")
    tripped = iso2.ACEVSEStatus(notification_max_delay=0, evse_notification=NOTIFY.None_, rcd=True)
    one.answer(ac_evse_status=tripped)
    assert one.noted("rcd")
    assert one.ended is None


@pytest.mark.parametrize("state", STATES)
def test_only_the_awaited_response_is_taken(state: str) -> None:
    for kind in ANSWERS:
        one = host().to(state)
        one.tell(ev.MessageReceived(one.message(one.response(kind))))
        if kind.__name__ == f"{state}Res":
            assert one.ended is None or state == "SessionStop"
        else:
            one.book.ends(EndReason.SEQUENCE_ERROR)


@pytest.mark.parametrize("code", [code for code in CODE if code.value.startswith("FAILED")])
def test_every_refusal_ends_at_once(code: iso2.ResponseCode) -> None:
    for state in STATES:
        one = host().to(state)
        sent = len(one.sent)
        one.answer(response_code=code)
        one.book.ends(EndReason.REFUSED)
        assert len(one.sent) == sent
        if state == "ChargingStatus":
            kinds = [type(a) for a in one.book.actions if isinstance(a, act.HardwareAction)]
            assert kinds[0] is act.StopPower


@pytest.mark.parametrize("state", STATES)
def test_silence(state: str) -> None:
    one = host().to(state)
    limit = 5.0 if state == "PowerDelivery" else 2.0
    one.wait(limit - 0.001)
    assert one.ended is None
    one.wait(0.001)
    one.book.ends(EndReason.TIMEOUT)


@pytest.mark.parametrize("state", STATES)
def test_wishes_to_stop_and_to_pause(state: str) -> None:
    one = host().to(state)
    one.tell(ev.StopRequested("enough"))
    assert one.finish().reason is EndReason.STOPPED_BY_EV
    one = host().to(state)
    one.tell(ev.PauseRequested("later"))
    reason = one.finish().reason
    assert reason is (EndReason.STOPPED_BY_EV if state == "SessionStop" else EndReason.PAUSED)
    if reason is EndReason.PAUSED:
        assert progresses(one)[-1] == "Stop"
        assert one.session.ticket is not None
        assert one.session.ticket.iso2 is not None
        assert one.session.ticket.iso2.mode == "AC_three_phase_core"


def test_the_status_of_direct_current_ends_the_session() -> None:
    one = host().to("PowerDelivery")
    one.answer(evse_status=status())
    assert one.finish().reason is EndReason.PARAMETERS_NOT_ACCEPTED
    assert told(one) == []


def test_a_loop_answer_without_limits_keeps_the_offer() -> None:
    one = after_offer(host(ONE), evse_charge_parameter=ac_offer(20.0))
    assert told(one)[-1] == (4600.0, 20.0)
    one.answer()
    assert told(one)[-1] == (4600.0, 20.0)
