"""The outer contract of a station's session by its edges: what it is made of, when it wants to be called
again, which clock it believes, and which answers of the hardware and of services count.

Whole conversations are tested elsewhere; here each event comes by itself.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.errors import ConfigError
from iso15118.messages import din
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.secc import SeccConfig, SeccSession
from iso15118.secc.din.sequence import State as DinState
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.coupling import DevicePosition
from iso15118.session.limits import NO_DC_OUTPUT
from iso15118.session.services import ServiceID
from iso15118.session.supervision import Rule, SupervisionLimits
from iso15118.timing import Timer, Timing
from tests.secc.din.vehicle import Drive as DinDrive
from tests.secc.iso2.test_pause import paused
from tests.secc.test_facts import OUTLET, PAD
from tests.secc.vehicle import ALL_SERVICES, BATTERY_V, STATION, Drive

S = State


def made(**more: Any) -> Any:
    """The facts of a session that was made with this."""
    return SeccSession(SeccConfig(), more.pop("limits", STATION), **more)._facts


# -- what it is made of


@pytest.mark.parametrize(
    ("config", "limits", "more", "key"),
    [
        ({}, STATION, {}, "config"),
        (SeccConfig(), None, {}, "limits"),
        (SeccConfig(), 150_000.0, {}, "limits"),
        (SeccConfig(), STATION, {"ac": 32.0}, "ac"),
        (SeccConfig(), STATION, {"ac": OUTLET, "ac_hardware": 32.0}, "ac_hardware"),
        (SeccConfig(), STATION, {"epoch": math.nan}, "epoch"),
        (SeccConfig(), STATION, {"epoch": math.inf}, "epoch"),
        (SeccConfig(), STATION, {"epoch": "now"}, "epoch"),
        (SeccConfig(), STATION, {"epoch": True}, "epoch"),
        (SeccConfig(), STATION, {"pad": OUTLET}, "pad"),
        (SeccConfig(), STATION, {"device": "HOME"}, "device"),
        (SeccConfig(), None, {"ac": OUTLET}, ""),
        (SeccConfig(), None, {"pad": PAD}, ""),
        (SeccConfig(), STATION, {"ac": OUTLET, "ac_hardware": OUTLET, "pad": PAD, "epoch": -1.0}, ""),
    ],
)
def test_hardware_and_settings_that_are_none_are_refused_by_name(
    config: Any, limits: Any, more: dict[str, Any], key: str
) -> None:
    if not key:
        SeccSession(config, limits, **more)
        return
    with pytest.raises(ConfigError) as caught:
        SeccSession(config, limits, **more)
    assert caught.value.key == key


def test_what_is_offered_is_what_the_hardware_can_do_at_best() -> None:
    low = replace(STATION, maximum_charge_power_w=1000.0)
    assert (made().hardware, made().capabilities) == (made(hardware=STATION).hardware, made().hardware)
    held = made(limits=low, hardware=STATION)
    assert held.hardware == made().hardware
    assert held.capabilities == made(limits=low).hardware
    one = OUTLET.single_phase()
    assert (made(ac=one).ac_hardware, made(ac=one).ac_capabilities) == (one, one)
    assert made(ac=one, ac_hardware=OUTLET).ac_hardware == OUTLET
    assert (made(ac=OUTLET).hardware, made(limits=None, ac=OUTLET).hardware) == (
        made().hardware,
        NO_DC_OUTPUT,
    )
    assert made(limits=STATION, pad=PAD).hardware == made().hardware


def test_what_was_not_said_is_not_there() -> None:
    facts = made()
    assert (facts.epoch, facts.installs, facts.asks_schedules, facts.pad_id) == (0.0, False, False, 0)
    assert facts.unix_time is None
    ticket = paused()
    assert made(resume=ticket).tickets == made(resume=[ticket]).tickets == (ticket,)


@pytest.mark.parametrize(
    ("device", "down"), [(None, False), *((one, one is not DevicePosition.HOME) for one in DevicePosition)]
)
def test_a_device_that_is_not_at_home_has_to_be_retracted(device: DevicePosition | None, down: bool) -> None:
    assert made(device=device).device_down is down


# -- when it wants to be called again


def test_live_hardware_is_looked_at_in_time_and_other_hardware_by_its_timers() -> None:
    drive = Drive().to(S.DC_CABLE_CHECK)
    assert drive.session.deadline == drive.book.now + 60.0
    drive.send(dc.DCCableCheckReq)
    assert drive.session.deadline == drive.book.now + 1.0, "readings"
    drive.book.now += 0.5
    drive.measure(0.0)
    assert drive.session.deadline == drive.book.now + 1.0
    drive = Drive().to(S.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    drive.send(dc.DCChargeLoopReq)
    assert drive.session.deadline == drive.book.now + 0.5, "the next request"


@pytest.mark.parametrize(
    ("energized", "closed", "ended", "readings"),
    [
        (True, False, False, True),
        (False, True, False, True),
        (True, True, False, True),
        (False, False, False, False),
        (True, False, True, False),
        (False, True, True, False),
    ],
)
def test_readings_count_while_there_is_power_or_contactors_are_closed_and_not_after_the_end(
    energized: bool, closed: bool, ended: bool, readings: bool
) -> None:
    drive = Drive().to(S.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    facts = drive.session._facts
    facts.energized, facts.contactors_closed = energized, closed
    drive.session.timers.clear_all()
    if ended:
        drive.session.ended = act.SessionEnded(EndReason.STOPPED_BY_EV, "")
    assert drive.session.deadline == (drive.book.now + 1.0 if readings else None)
    actions = drive.session.handle_timeout(drive.book.now + 1.0)
    assert any(isinstance(one, act.StopPower) for one in actions) is readings


@pytest.mark.parametrize(("at", "fresh_s"), [(None, 1.0), (-0.4, 0.6), (0.0, 1.0), (0.4, 1.0)])
def test_a_reading_is_as_old_as_it_says_and_never_from_the_future(at: float | None, fresh_s: float) -> None:
    drive = Drive().to(S.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    drive.send(dc.DCChargeLoopReq)
    drive.measure(BATTERY_V, 100.0)
    drive.session.timers.clear_all()
    drive.book.now += 0.5
    now = drive.book.now
    drive.book.tell(ev.PowerMeasured(BATTERY_V, 99.0, at=None if at is None else now + at))
    assert drive.session.deadline == pytest.approx(now + fresh_s)
    assert drive.session._facts.measured_at == pytest.approx(now + fresh_s - 1.0)


def test_where_nobody_minds_old_readings_there_is_no_deadline_of_them() -> None:
    supervision = SupervisionLimits(off=(Rule.STALE_READINGS,))
    drive = Drive(config=SeccConfig(services=ALL_SERVICES, supervision=supervision)).to(S.DC_CHARGE_LOOP)
    drive.session.timers.clear_all()
    assert drive.session.deadline is None


# -- which clock it believes


@pytest.mark.parametrize("now", [math.nan, math.inf, -math.inf, 1e16, -1e16])
@pytest.mark.parametrize("what", ["event", "reading", "timer"])
def test_a_clock_that_shows_no_time_is_a_fault_and_the_output_goes_off(now: float, what: str) -> None:
    drive = Drive().to(S.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    event = ev.MeterRead("M1", 1.0) if what == "event" else ev.PowerMeasured(BATTERY_V, 0.0)
    actions = drive.session.handle_timeout(now) if what == "timer" else drive.session.handle(event, now)
    assert [type(one) for one in actions[:2]] == [act.StopPower, act.OpenContactors]
    assert drive.session.ended is not None
    assert drive.session.ended.reason is EndReason.INTERNAL_ERROR


def test_any_time_before_that_is_one() -> None:
    for now in (-9e14, 0.0, 9e14):
        session = SeccSession(SeccConfig(), STATION)
        session.handle(ev.Connected(secure=True), now)
        assert session.handle_timeout(now) == []
        assert session.ended is None
        assert session.deadline == now + 18.0


# -- silence


def test_a_vehicle_that_negotiates_has_to_begin_a_session_in_time() -> None:
    drive = Drive().to(S.SESSION_SETUP)
    drive.book.wait(17.999)
    drive.book.waits_for(S.SESSION_SETUP.value)
    drive.book.wait(0.001)
    drive.book.ends(EndReason.TIMEOUT)
    assert drive.session.ended is not None
    assert drive.session.ended.cause == "setup-timeout-station"


def test_a_phase_is_bounded_unless_energy_is_asked_for_again_and_again() -> None:
    waits = (S.AUTHORIZATION_SETUP, S.AUTHORIZATION, S.DC_CHARGE_LOOP)
    for state in (S.SERVICE_DISCOVERY, S.DC_CABLE_CHECK, S.POWER_DELIVERY, *waits):
        drive = Drive().to(state)
        assert Timer.PHASE in drive.session.timers, state
    drive.send(dc.DCChargeLoopReq)
    assert Timer.PHASE not in drive.session.timers


def test_the_bound_of_the_charge_loop_begins_with_it() -> None:
    drive = Drive().to(S.POWER_DELIVERY)
    before = drive.session.timers.deadline_of(Timer.PHASE)
    drive.book.now += 0.25
    drive.to(S.DC_CHARGE_LOOP)
    assert before is not None
    assert drive.session.timers.deadline_of(Timer.PHASE) == before + 0.25


@pytest.mark.parametrize(
    ("state", "seconds", "cause"),
    [(S.DC_CHARGE_LOOP, 0.5, "loop-sequence-timeout"), (S.SERVICE_DISCOVERY, 60.0, "sequence-timeout")],
)
def test_silence_in_the_loop_is_told_apart(state: State, seconds: float, cause: str) -> None:
    drive = Drive().to(state)
    drive.measure(BATTERY_V if state is S.DC_CHARGE_LOOP else 0.0)
    if state is S.DC_CHARGE_LOOP:
        drive.send(dc.DCChargeLoopReq)
    drive.book.wait(seconds - 0.001)
    drive.book.waits_for(state.value)
    drive.book.wait(0.001)
    drive.book.ends(EndReason.TIMEOUT)
    assert drive.session.ended is not None
    assert drive.session.ended.cause == cause


@pytest.mark.parametrize(
    ("phase_s", "holds_s"), [(1.0, 305.0), (305.0, 305.0), (306.0, 306.0), (600.0, 600.0)]
)
def test_a_phase_lasts_as_long_as_its_setting_and_as_the_longest_wait_in_any(
    phase_s: float, holds_s: float
) -> None:
    config = SeccConfig(services=ALL_SERVICES, timing=Timing(phase_performance=phase_s))
    drive = Drive(config=config).to(S.SERVICE_DETAIL)
    drive.book.wait(5.0)
    drive.send(cm.ServiceDetailReq)
    began = drive.book.now
    while drive.book.now < began + holds_s - 0.01:
        drive.book.wait(min(50.0, began + holds_s - 0.01 - drive.book.now))
        assert drive.session._facts.abort_reason is None
        drive.send(cm.ServiceDetailReq)
    drive.book.wait(0.02)
    assert drive.session._facts.abort_reason is EndReason.ONGOING_TOO_LONG
    assert f"for {holds_s:g} s" in drive.session._facts.abort_detail


# -- which answers count


@pytest.mark.parametrize(
    ("number", "ok", "outcome"),
    [(0, True, True), (1, True, None), (2, True, True), (3, True, None), (2, 1, False), (2, None, False)],
)
def test_only_the_last_cable_check_counts_and_only_a_plain_yes(
    number: int, ok: Any, outcome: bool | None
) -> None:
    drive = DinDrive().to(DinState.CABLE_CHECK)
    drive.session._facts.cable_checks = 1  # there was one before
    drive.send(din.CableCheckReq)
    drive.tell(ev.CableCheckFinished(ok, number=number))
    assert drive.session._facts.cable_check_ok is outcome


def test_a_cable_check_that_nobody_waits_for_says_nothing() -> None:
    drive = DinDrive().to(DinState.CABLE_CHECK)
    for number in (0, 1):
        drive.tell(ev.CableCheckFinished(True, number=number))
    assert drive.session._facts.cable_check_ok is None


@pytest.mark.parametrize(("number", "counts"), [(0, True), (1, False), (2, True), (3, False)])
def test_only_an_answer_to_the_last_question_about_the_driver_counts(number: int, counts: bool) -> None:
    drive = DinDrive().to(DinState.CONTRACT_AUTHENTICATION)
    drive.session._facts.authorizations = 1  # there was one before
    drive.send(din.ContractAuthenticationReq)
    drive.tell(ev.AuthorizationDecided(True, number=number))
    assert (drive.session._facts.authorized is True) is counts


@pytest.mark.parametrize(
    ("said", "grid"),
    [
        ((True,), True),
        ((False,), False),
        ((True, False), True),
        ((False, True), True),
        ((False, False), False),
    ],
)
def test_once_it_was_the_grid_it_stays_the_grid(said: tuple[bool, ...], grid: bool) -> None:
    drive = DinDrive().to(DinState.CURRENT_DEMAND)
    for one in said:
        drive.tell(ev.StopRequested("a reason", utility_interrupt=one))
    status = drive.send(din.CurrentDemandReq).dc_evse_status.evse_status_code
    assert (status is din.DCEVSEStatusCode.EVSE_UtilityInterruptEvent) is grid


@pytest.mark.parametrize("allowed", [True, False])
def test_a_pause_is_asked_for_for_a_minute_where_it_is_offered(allowed: bool) -> None:
    drive = Drive(config=SeccConfig(services=ALL_SERVICES, allow_pause=allowed)).to(S.SERVICE_DISCOVERY)
    drive.book.wait(5.0)
    drive.book.tell(ev.PauseRequested("dinner"))
    assert drive.session._facts.pause_until == (drive.book.now + 60.0 if allowed else 0.0)


def test_a_reading_of_the_meter_is_of_when_it_was_taken_or_of_now() -> None:
    drive = Drive().to(S.SERVICE_DISCOVERY)
    drive.book.wait(5.0)
    now = drive.book.now
    for at, taken in ((3.0, 3.0), (None, now), (now + 9.0, now), (4.0, now)):
        drive.book.tell(ev.MeterRead("M1", 1.0, at=at))
        assert drive.session._facts.meter == ev.MeterRead("M1", 1.0, at=taken)


@pytest.mark.parametrize(
    ("why", "reason", "detail", "cause"),
    [
        ("", EndReason.PEER_VANISHED, ev.TransportLoss.CLOSED.value, None),
        ("it may go", EndReason.STOPPED_BY_EV, f"it may go: {ev.TransportLoss.CLOSED.value}", "left-early"),
    ],
)
def test_a_vehicle_that_may_go_without_a_word_ends_in_order(
    why: str, reason: EndReason, detail: str, cause: str | None
) -> None:
    drive = Drive().to(S.DC_WELDING_DETECTION)
    drive.session._facts.wishes.may_leave = why
    drive.book.tell(ev.TransportLost(ev.TransportLoss.CLOSED))
    ended = drive.session.ended
    assert ended is not None
    assert (ended.reason, ended.detail) == (reason, detail)
    assert cause is None or ended.cause == cause
    assert not any(isinstance(one, act.CloseTransport) for one in drive.book.actions)


def test_services_of_one_kind_alone_do_not_make_hardware() -> None:
    session = SeccSession(SeccConfig(services=(ServiceID.AC,)), None, ac=OUTLET)
    assert not session._facts.has_dc
    assert session._facts.has_ac
