"""How a vehicle of DIN 70121 ends what it has begun, message by message: power off, state B, goodbye, and the
time within which it has to be ready to charge.

What is asked of the hardware on the way is compared in full.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.evcc.din.settings import DinEvccSettings
from iso15118.messages import din
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.timing import DinTiming
from tests.evcc.din.station import BATTERY_V, Host, status

ORDERLY, EMERGENCY = Urgency.ORDERLY, Urgency.EMERGENCY
ONGOING = din.EVSEProcessing.Ongoing


def config(**settings: Any) -> EvccConfig:
    return EvccConfig(editions=("din",), din=DinEvccSettings(**settings))


def hardware(host: Host) -> list[act.HardwareAction]:
    return [one for one in host.book.actions if isinstance(one, act.HardwareAction)]


def charged(**settings: Any) -> Host:
    """A vehicle that has asked for power off."""
    host = Host(config(**settings)).to("CurrentDemand", 2)
    host.battery(energy_to_target_wh=0.0, complete=True)
    return host.to("PowerDelivery")


def test_power_off_ends_in_state_b_and_open_contactors() -> None:
    host = charged()
    host.answer()
    assert hardware(host) == [
        act.StopPower(ORDERLY),
        act.SignalReady(False),
        act.OpenContactors(ORDERLY, "PowerDelivery off"),
    ]
    host.measure(0.0)
    host.tell(ev.ContactorsChanged(False))
    host.to("SessionStop").answer()
    assert hardware(host) == [act.SignalReady(False)]


def test_a_charge_that_is_over_stays_so_though_nobody_says_goodbye() -> None:
    for refused in (False, True):
        host = Host().to("SessionStop")
        if refused:
            host.answer(response_code=din.ResponseCode.FAILED)
        else:
            host.wait(2.5)
        ended = host.session.ended
        assert ended is not None
        assert ended.reason is EndReason.STOPPED_BY_EV
        assert host.noted == ["without-sessionstop"]


def test_the_contactors_are_told_why_they_open() -> None:
    host = Host().to("CableCheck")
    host.tell(ev.StopRequested("driver"))
    host.answer(evse_processing=ONGOING)
    assert hardware(host) == [act.StopPower(ORDERLY), act.OpenContactors(ORDERLY, "driver")]
    host = Host().to("CableCheck")
    host.answer(dc_evse_status=status("EVSE_EmergencyShutdown"))
    why = "the station says EVSE_EmergencyShutdown"
    assert hardware(host) == [
        act.StopPower(EMERGENCY),
        act.SignalReady(False),
        act.OpenContactors(EMERGENCY, why),
    ]


@pytest.mark.parametrize("every", [True, False])
def test_what_power_delivery_says_on_and_off(every: bool) -> None:
    host = Host(config(send_optional=every)).to("PreCharge")
    host.battery(soc=80.0, energy_to_target_wh=24_000.0)
    host.to("PowerDelivery")
    on = host.request
    assert on.ready_to_charge_state is True
    assert (on.charging_profile is not None, on.ev_power_delivery_parameter is not None) == (every, every)
    if every:
        parameter = on.ev_power_delivery_parameter
        assert (parameter.bulk_charging_complete, parameter.charging_complete) == (True, False)
        assert parameter.dc_ev_status.ev_ready is True
    host = charged(send_optional=every)
    off = host.request
    assert (off.ready_to_charge_state, off.charging_profile) == (False, None)
    if every:
        parameter = off.ev_power_delivery_parameter
        assert (parameter.bulk_charging_complete, parameter.charging_complete) == (False, True)
    else:
        assert off.ev_power_delivery_parameter is None


def test_a_wish_that_the_edition_has_no_words_for_is_told_once_and_withdrawn() -> None:
    host = Host().to("CurrentDemand", 2)
    host.tell(ev.ScheduleRenegotiationRequested("test"))
    host.tell(ev.ServiceRenegotiationRequested("test"))
    host.tell(ev.StandbyRequested("test"))
    for _ in range(3):
        host.answer()
        host.wait(0.1)
    assert sorted(host.noted) == ["schedule-renegotiation", "service-renegotiation", "standby"]


@pytest.mark.parametrize("state", ["ContractAuthentication", "ChargeParameterDiscovery", "CableCheck"])
@pytest.mark.parametrize("answers", [True, False])
def test_the_time_to_be_ready_to_charge_ends_any_poll(state: str, answers: bool) -> None:
    """Its answers come, or the clock alone ends it while one is awaited."""
    host = Host(config(timing=DinTiming(ready_to_charge=20.0))).to(state)
    while isinstance(host.request, din.SessionStop) is False and host.session.ended is None:
        last = host.book.now > 19.5
        if host.waiting and (answers or not last):
            host.answer(evse_processing=ONGOING)
        else:
            host.wait(0.1)
        assert host.book.now < 25.0
        if not answers and last:
            break
    if not answers:
        host.wait(0.6)
        if host.session.ended is None and not isinstance(host.request, din.SessionStop):
            host.answer(evse_processing=ONGOING)
    assert host.book.now == pytest.approx(20.0, abs=0.6)
    ended = host.finish()
    assert ended.reason is EndReason.ONGOING_TOO_LONG
    assert ended.detail == "no power 20 s after the connection"


def test_a_station_is_held_to_the_least_of_its_times() -> None:
    host = Host().to("CableCheck")
    began = host.book.now
    while not isinstance(host.request, din.SessionStop):
        host.answer(evse_processing=ONGOING) if host.waiting else host.wait(0.1)
        assert host.book.now < began + 60.0
    assert host.book.now - began == pytest.approx(host.session._talk.timing.cable_check_timeout, abs=0.3)
    assert host.finish().reason is EndReason.CABLE_CHECK_FAILED


@pytest.mark.parametrize(("inlet_v", "welded"), [(59.0, False), (61.0, True)])
def test_a_voltage_that_stays_is_a_welded_contactor(inlet_v: float, welded: bool) -> None:
    host = charged()
    host.answer()
    host.measure(inlet_v)
    host._contactors = None
    host.tell(ev.ContactorsChanged(False))
    began = host.book.now
    while host.session.ended is None:
        host.answer() if host.waiting else host.wait(0.1)
        assert host.book.now < began + 10.0
    reason = EndReason.CONTACTOR_FAILED if welded else EndReason.STOPPED_BY_EV
    assert host.session.ended.reason is reason
    lasts = host.config.welding_detection_s if welded else 0.0
    assert host.book.now - began == pytest.approx(lasts, abs=0.3)


def test_winding_down_ends_with_the_current_or_with_its_time() -> None:
    for current_a, lasts_s in ((4.9, 0.2), (5.0, 3.0)):
        host = Host().to("CurrentDemand", 3)
        host.measure(BATTERY_V, 150.0)
        host.tell(ev.StopRequested("driver"))
        host.answer()
        host.wait(0.1)
        began = host.book.now
        host.measure(BATTERY_V, current_a)
        while isinstance(host.request, din.CurrentDemandReq):
            host.answer() if host.waiting else host.wait(0.1)
            host.measure(BATTERY_V, current_a)
            assert host.book.now < began + 8.0
        assert host.book.now - began == pytest.approx(lasts_s, abs=0.25)


@pytest.mark.parametrize(("most_s", "taken"), [(5.0, True), (4.9, False)])
def test_the_pace_of_the_loop_is_no_slower_than_a_request_may_be(most_s: float, taken: bool) -> None:
    timing = DinTiming(sequence_performance=most_s)
    if taken:
        DinEvccSettings(loop_interval_s=5.0, timing=timing)
        return
    with pytest.raises(ConfigError, match=r"din\.loop_interval_s"):
        DinEvccSettings(loop_interval_s=5.0, timing=timing)
