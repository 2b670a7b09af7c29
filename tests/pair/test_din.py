"""Whole sessions of DIN 70121 in virtual time, over V2GTP and EXI as on a wire, under the safety monitor:
both of our sides together."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.evcc.din.settings import DinEvccSettings
from iso15118.messages import app, din
from iso15118.messages.physical import quantity
from iso15118.secc.din.settings import DinSeccSettings
from iso15118.session.actions import EndReason, StopPower, Urgency
from iso15118.session.events import (
    EmergencyShutdown,
    HardwareFault,
    LimitsChanged,
    PauseRequested,
    SignalChanged,
    SignalState,
    StopRequested,
    TransportLoss,
)
from iso15118.session.services import ServiceID
from iso15118.simulation import ContactorFault
from iso15118.testing import Pair
from tests.pair.rig import pair
from tests.pair.test_sessions import orderly, safe

ONLY: dict[str, Any] = {"editions": ("din",)}
CAR = {"empty_v": 320.0, "full_v": 400.0, "maximum_charge_current_a": 250.0, "capacity_wh": 60e3}
STATES = (
    "SessionSetup",
    "ServiceDiscovery",
    "ServicePaymentSelection",
    "ContractAuthentication",
    "ChargeParameterDiscovery",
    "CableCheck",
    "PreCharge",
    "PowerDelivery",
    "CurrentDemand",
    "WeldingDetection",
)
"""Of the station."""


class Talk:
    """The bodies of all messages of a pair, with who said them and when."""

    def __init__(self) -> None:
        self.said: list[tuple[str, Any, float]] = []

    def __call__(self, sender: str, message: object, now: float) -> None:
        body = message.body.body_element if isinstance(message, din.V2GMessage) else message
        self.said.append((sender, body, now))

    def all(self, kind: type) -> list[Any]:
        return [body for _, body, _ in self.said if type(body) is kind]


def rig(talk: Talk | None = None, **options: Any) -> Pair:
    """A pair that speaks DIN 70121 with a 400 V car."""
    secc = ONLY | options.pop("secc", {})
    evcc = ONLY | options.pop("evcc", {})
    battery = CAR | options.pop("battery", {})
    options.setdefault("secure", False)
    return pair(secc=secc, evcc=evcc, battery=battery, on_message=talk, **options)


def ends(one: Pair) -> tuple[EndReason, EndReason]:
    assert one.secc.ended is not None
    assert one.evcc.ended is not None
    return one.secc.ended.reason, one.evcc.ended.reason


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.1])
def test_a_charge_from_start_to_end(delay_s: float) -> None:
    talk = Talk()
    one = rig(talk, delay_s=delay_s)
    one.run()
    assert ends(one) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)
    assert one.vehicle.battery.soc == pytest.approx(45.0, abs=0.05)
    assert one.loops > 100
    assert one.secc.states[2:] == [*STATES, "Ended"]
    assert one.monitor.seen > 1000
    orderly(one)
    safe(one)
    first = next(now for sender, body, now in talk.said if isinstance(body, din.CurrentDemandReq))
    assert first < 150.0
    assert all(body.response_code.value.startswith("OK") for s, body, _ in talk.said if s == "secc")


@pytest.mark.parametrize("every", [True, False])
def test_with_and_without_optional_fields(every: bool) -> None:
    talk = Talk()
    one = rig(
        talk,
        secc={"din": DinSeccSettings(send_loop_limits=every, profile_check="strict", plausibility="strict")},
        evcc={"din": DinEvccSettings(send_optional=every, welding_detection=every)},
    )
    one.run()
    assert ends(one) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)
    assert bool(talk.all(din.WeldingDetectionReq)) is every
    orderly(one)
    safe(one)


def test_the_better_edition_is_spoken_where_both_know_it_and_din_where_not() -> None:
    both = {"editions": ("iso20", "din")}
    for secure, station, vehicle, spoken in (
        (True, both, both, "DC_ChargeLoop"),
        (False, both, both, "CurrentDemand"),
        (False, ONLY, both, "CurrentDemand"),
        (False, both, ONLY, "CurrentDemand"),
    ):
        one = rig(secc=dict(station), evcc=dict(vehicle), secure=secure)
        one.run()
        assert spoken in one.secc.states
        assert ends(one) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)


def test_nothing_in_common() -> None:
    one = rig(secc={"editions": ("iso20",)})
    one.run()
    assert ends(one) == (EndReason.PROTOCOL_NEGOTIATION_FAILED, EndReason.PROTOCOL_NEGOTIATION_FAILED)


@pytest.mark.parametrize("seconds", [0.0, 26.0, 55.0])
def test_a_driver_who_takes_his_time(seconds: float) -> None:
    one = rig(station_options={"authorization_s": seconds})
    one.run()
    assert ends(one) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)


def test_a_driver_who_does_not_come() -> None:
    one = rig(station_options={"authorization_s": 70.0})
    one.run()
    assert ends(one)[1] is EndReason.ONGOING_TOO_LONG
    assert 60.0 <= one.now < 61.0


def test_350_kilowatts() -> None:
    """An 800 V car takes what the limit says, not what PMax says."""
    talk = Talk()
    one = rig(
        talk,
        battery={"empty_v": 720.0, "full_v": 860.0, "maximum_charge_current_a": 500.0, "capacity_wh": 100e3},
    )
    one.run()
    powers = [
        quantity(r.evse_present_voltage) * quantity(r.evse_present_current)
        for r in talk.all(din.CurrentDemandRes)
    ]
    assert max(powers) > 300_000.0
    (answer,) = talk.all(din.ChargeParameterDiscoveryRes)
    (schedule,) = answer.sa_schedules.sa_schedule_tuple
    assert schedule.p_max_schedule.p_max_schedule_entry[0].p_max == 32_767
    assert quantity(answer.evse_charge_parameter.evse_maximum_power_limit) == 400_000.0
    orderly(one)


def test_a_vehicle_that_keeps_to_pmax_takes_no_more() -> None:
    talk = Talk()
    one = rig(talk, evcc={"din": DinEvccSettings(use_pmax=True)})
    one.run(until=lambda: one.loops > 400)
    powers = [
        quantity(r.evse_present_voltage) * quantity(r.evse_present_current)
        for r in talk.all(din.CurrentDemandRes)
    ]
    assert 30_000.0 < max(powers) <= 32_767.0 * 1.01


def test_a_station_that_is_derated_in_the_loop() -> None:
    talk = Talk()
    one = rig(talk)
    one.run(until=lambda: one.loops == 200)
    lowered = replace(one.station.limits, maximum_charge_power_w=20_000.0)
    one.station.supply.derate(lowered)
    one.tell_secc(LimitsChanged(lowered))
    said = len(talk.said)
    one.run(until=lambda: one.loops == 260)
    answers = [body for _, body, _ in talk.said[said:] if isinstance(body, din.CurrentDemandRes)]
    told = [r.evse_maximum_power_limit for r in answers]
    assert {None if limit is None else quantity(limit) for limit in told} == {20_000.0}
    requests = [body for _, body, _ in talk.said[said + 2 :] if isinstance(body, din.CurrentDemandReq)]
    assert all(quantity(r.ev_target_current) <= 20_000.0 / 320.0 for r in requests)
    last = answers[-1]
    assert quantity(last.evse_present_voltage) * quantity(last.evse_present_current) <= 20_000.0 * 1.01
    one.run()
    assert ends(one) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)


# -- stops, faults and lost peers, in every state ----------------------------------------------------------


def until(one: Pair, state: str) -> None:
    one.run(until=lambda: one.secc.state == state)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("side", ["secc", "evcc"])
def test_a_wish_to_stop_in_every_state(state: str, side: str) -> None:
    one = rig()
    until(one, state)
    (one.tell_secc if side == "secc" else one.tell_evcc)(StopRequested("driver"))
    one.run()
    secc, evcc = ends(one)
    over = state == "WeldingDetection"
    if side == "evcc" or over:
        assert evcc is EndReason.STOPPED_BY_EV
    else:
        # Before power the vehicle is refused, in the loop it is asked.
        assert evcc is (EndReason.STOPPED_BY_STATION if state == "CurrentDemand" else EndReason.REFUSED)
    assert secc.orderly
    orderly(one)
    safe(one)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("side", ["secc", "evcc"])
@pytest.mark.parametrize("event", [EmergencyShutdown("button"), HardwareFault("power", "hot")], ids=str)
def test_an_alarm_in_every_state(state: str, side: str, event: Any) -> None:
    one = rig()
    until(one, state)
    (one.tell_secc if side == "secc" else one.tell_evcc)(event)
    one.run()
    told = one.secc.ended if side == "secc" else one.evcc.ended
    assert told is not None
    assert not told.reason.orderly
    safe(one)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("how", list(TransportLoss), ids=lambda how: how.name)
def test_a_connection_that_is_lost_in_every_state(state: str, how: TransportLoss) -> None:
    one = rig()
    until(one, state)
    one.cut(how)
    one.run()
    assert EndReason.PEER_VANISHED in ends(one)
    safe(one)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("sender", ["secc", "evcc"])
def test_a_side_that_falls_silent_in_every_state(state: str, sender: str) -> None:
    """No message of it arrives any more: each side ends by its own clock."""
    silent: list[float] = []

    def swallow(who: str, message: object, now: float) -> bool | None:
        return (
            False
            if silent and who == sender and not isinstance(message, app.SupportedAppProtocolRes)
            else None
        )

    one = pair(secc=ONLY, evcc=ONLY, battery=dict(CAR), secure=False, on_message=swallow)
    until(one, state)
    silent.append(one.now)
    one.run()
    secc, evcc = ends(one)
    # The vehicle waits for two seconds or less and closes; after power it can do without answers.
    assert secc in (EndReason.PEER_VANISHED, EndReason.STOPPED_BY_EV, EndReason.PRE_CHARGE_FAILED)
    if state != "WeldingDetection":
        assert evcc is EndReason.TIMEOUT
    else:  # a station that answers nothing and closes is no success
        assert evcc is (EndReason.PEER_VANISHED if sender == "secc" else EndReason.STOPPED_BY_EV)
    safe(one)


@pytest.mark.parametrize("state", [SignalState.A, SignalState.B, SignalState.E])
def test_the_pilot_under_power(state: SignalState) -> None:
    one = rig()
    one.run(until=lambda: one.loops == 200)
    one.tell_secc(SignalChanged(state))
    one.run()
    assert ends(one)[0] is EndReason.SIGNAL_LOST
    safe(one)


@pytest.mark.parametrize("side", ["station", "vehicle"])
@pytest.mark.parametrize("fault", [ContactorFault.STUCK_OPEN, ContactorFault.WELDED], ids=lambda f: f.name)
def test_contactors_that_fail(side: str, fault: ContactorFault) -> None:
    options: dict[str, Any] = {f"{side}_options": {"contactor_fault": fault}}
    one = rig(**options)
    one.run()
    told = one.secc.ended if side == "station" else one.evcc.ended
    assert told is not None
    assert not told.reason.orderly


def test_a_cable_that_is_not_good_is_told_by_the_status() -> None:
    talk = Talk()
    one = rig(talk)
    until(one, "CableCheck")
    one.station.insulation.resistance_ohm = 50_000.0
    one.run()
    last = talk.all(din.CableCheckRes)[-1]
    assert last.response_code is din.ResponseCode.FAILED
    assert last.dc_evse_status.evse_isolation_status is din.IsolationLevel.Fault
    assert ends(one)[0] is EndReason.CABLE_CHECK_FAILED
    safe(one)


def test_an_emergency_of_the_station_is_told_and_nothing_flows_half_a_second_later() -> None:
    one = rig()
    one.run(until=lambda: one.loops == 200)
    assert one.station.measure(one.now).current_a > 20.0
    one.tell_secc(EmergencyShutdown("button"))
    one.let_pass(0.5)
    assert abs(one.station.measure(one.now).current_a) < 1.0
    assert not one.station.outlet.closed
    one.run()
    assert ends(one)[0] is EndReason.EMERGENCY
    safe(one)


def test_a_pause_is_no_pause() -> None:
    one = rig()
    one.run(until=lambda: one.loops == 100)
    one.tell_evcc(PauseRequested("cheaper at night"))
    one.run()
    assert ends(one) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)
    assert one.secc.ticket is None
    assert one.evcc.ticket is None
    orderly(one)


def test_a_bidirectional_station_serves_a_car_that_only_charges() -> None:
    one = rig(secc={"services": (ServiceID.DC_BPT, ServiceID.DC)})
    one.run()
    assert ends(one) == (EndReason.STOPPED_BY_EV, EndReason.STOPPED_BY_EV)


def test_an_orderly_end_asks_for_no_emergency() -> None:
    asked: list[StopPower] = []
    one = rig()
    perform = one.station.perform

    def watched(action: Any, now: float) -> Any:
        if isinstance(action, StopPower):
            asked.append(action)
        return perform(action, now)

    one.station.perform = watched  # type: ignore[method-assign]
    one.run()
    assert {stop.urgency for stop in asked} == {Urgency.ORDERLY}
