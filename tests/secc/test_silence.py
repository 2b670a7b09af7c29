"""Power does not outlive what asked for it: a vehicle that leaves the charge loop by any other request, and
is silent then, loses the power within the time of the loop, and not the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.messages import iso2
from iso15118.messages.iso20 import ac, dc, wpt
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing
from iso15118.secc import SeccConfig
from iso15118.secc.iso2.sequence import State as OlderState
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.limits import StationLimits
from iso15118.session.services import ControlMode, ServiceID
from iso15118.timing import Iso2Timing, Timer, Timing
from tests.secc.ac_vehicle import AcDrive
from tests.secc.iso2.vehicle import Drive as OlderDrive
from tests.secc.iso2.vehicle import settings
from tests.secc.pad import UNKNOWN, PadDrive
from tests.secc.vehicle import BATTERY_V, STATION, Drive

LOOP_S = Timing().sequence_timeout_loop
STANDBY: dict[str, Any] = {"charge_progress": cm.ChargeProgress.Standby}
ANEW: dict[str, Any] = {"charge_progress": cm.ChargeProgress.ScheduleRenegotiation}


def hardware(drive: Any) -> list[act.Action]:
    """What was asked of the hardware by the last call."""
    return [one for one in drive.book.actions if isinstance(one, act.HardwareAction | act.SessionEnded)]


def dc_drive(mode: ControlMode) -> Drive:
    drive = Drive(ServiceID.MCS, mode).to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    drive.send(dc.DCChargeLoopReq)
    return drive


def ac_drive() -> AcDrive:
    drive = AcDrive().to(State.AC_CHARGE_LOOP)
    drive.send(ac.ACChargeLoopReq)
    return drive


def pad_drive() -> PadDrive:
    drive = PadDrive().to(State.WPT_CHARGE_LOOP)
    drive.send(wpt.WPTChargeLoopReq)
    return drive


CASES: dict[str, tuple[Any, type, Urgency, type]] = {
    "scheduled": (
        lambda: dc_drive(ControlMode.SCHEDULED), dc.DCChargeLoopReq, Urgency.EMERGENCY, act.SetPower,
    ),
    "dynamic": (lambda: dc_drive(ControlMode.DYNAMIC), dc.DCChargeLoopReq, Urgency.EMERGENCY, act.SetPower),
    "wpt": (pad_drive, wpt.WPTChargeLoopReq, Urgency.EMERGENCY, act.SetPad),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_silent_vehicle_loses_the_power_and_not_the_session(name: str) -> None:
    make, again, urgency, sets = CASES[name]
    drive = make()
    assert drive.session._facts.permits
    drive.send(cm.PowerDeliveryReq)
    drive.book.wait(LOOP_S - 0.001)
    assert drive.session._facts.permits
    assert hardware(drive) == []
    drive.book.wait(0.001)
    assert hardware(drive) == [act.StopPower(urgency)]
    assert not drive.session._facts.permits
    assert drive.session.ended is None
    drive.book.wait(0.5)
    drive.send(again)
    assert [type(one) for one in hardware(drive)] == [sets]
    assert drive.session._facts.permits


@pytest.mark.parametrize("name", CASES)
def test_a_vehicle_that_is_back_in_the_loop_in_time_loses_nothing(name: str) -> None:
    make, again, _, _ = CASES[name]
    drive = make()
    drive.send(cm.PowerDeliveryReq)
    for _ in range(3):
        drive.book.wait(LOOP_S - 0.01)
        assert not any(isinstance(one, act.StopPower) for one in hardware(drive))
        drive.send(again)
        assert Timer.SILENCE not in drive.session.timers
        assert drive.session._facts.permits
    assert drive.session._facts.noted.isdisjoint({"silent-under-power"})


def test_it_is_told_once() -> None:
    drive = dc_drive(ControlMode.SCHEDULED)
    told: list[str] = []
    stops = 0
    steps: tuple[Callable[[], Any], ...] = (
        lambda: drive.send(cm.PowerDeliveryReq),
        lambda: drive.book.wait(LOOP_S),
        lambda: drive.measure(BATTERY_V),
        lambda: drive.send(dc.DCChargeLoopReq),
    )
    for step in steps * 3:
        step()
        told += [one.name for one in drive.book.actions if isinstance(one, act.PeerDeviates)]
        stops += any(isinstance(one, act.StopPower) for one in hardware(drive))
    assert stops == 3, "power was lost each time"
    assert told == ["silent-under-power"]


def test_a_start_once_a_minute_holds_no_power() -> None:
    drive = dc_drive(ControlMode.SCHEDULED)
    for _ in range(5):
        drive.send(cm.PowerDeliveryReq)
        assert not any(isinstance(one, act.SetPower) for one in drive.book.actions)
        drive.book.wait(59.0)
        assert drive.session._facts.power is None


def test_a_vehicle_that_draws_by_itself_keeps_its_bounds_for_as_long_as_it_may_be_silent() -> None:
    """Nobody can take a current from an on-board charger but by opening the contactors under it."""
    drive = ac_drive()
    drive.values = ev.AcMeasured(voltage_v=(230.0,) * 3)
    for request in (STANDBY, {}, ANEW):
        before = drive.session._facts.ac_power
        drive.send(cm.PowerDeliveryReq, **request)
        held = drive.session._facts.ac_power
        assert held == before or request is not ANEW
        for _ in range(118):
            drive.book.wait(0.5)
            drive.book.tell(drive.values)
        assert drive.session._facts.ac_power == held
        assert drive.session.ended is None
        assert Timer.SILENCE not in drive.session.timers
    drive.book.wait(1.0)
    assert drive.session.ended is not None
    assert drive.session.ended.reason is EndReason.TIMEOUT


def test_what_comes_beside_the_loop_is_no_request_of_it() -> None:
    drive = dc_drive(ControlMode.SCHEDULED)
    drive.send(cm.PowerDeliveryReq)
    due = drive.session.timers.deadline_of(Timer.SILENCE)
    drive.book.wait(0.3)
    drive.book.tell(ev.MessageReceived(drive.request(cm.ScheduleExchangeReq), beside=True))
    assert drive.session.ended is None
    assert drive.session.timers.deadline_of(Timer.SILENCE) == due
    drive.book.wait(0.2)
    assert drive.session._facts.power is None


def test_a_vehicle_that_starts_again_behind_standby_draws_from_then_on() -> None:
    drive = ac_drive()
    drive.send(ac.ACChargeLoopReq)
    before = drive.session._facts.ac_power
    drive.send(cm.PowerDeliveryReq, **STANDBY)
    assert [type(one) for one in hardware(drive)] == [act.SetAcPower]
    resting = drive.session._facts.ac_power
    assert resting is not None
    assert not resting.permits
    drive.send(cm.PowerDeliveryReq)
    assert [type(one) for one in hardware(drive)] == [act.SetAcPower, act.ReadMeter]
    after = drive.session._facts.ac_power
    assert before is not None
    assert after is not None
    assert (after.charge_w, after.charge_a) == (before.charge_w, before.charge_a)


def test_no_bounds_are_raised_in_silence() -> None:
    drive = pad_drive()
    drive.send(cm.PowerDeliveryReq)
    drive.book.wait(LOOP_S)
    assert hardware(drive) == [act.StopPower(Urgency.EMERGENCY)]
    drive.book.tell(ev.SetPointChanged(None))
    assert hardware(drive) == []


def test_an_outlet_before_its_first_turn_is_left_alone() -> None:
    drive = AcDrive().to(State.AC_CHARGE_LOOP)
    drive.book.wait(10.0)
    assert hardware(drive) == []
    assert drive.session.ended is None


def test_what_tries_a_position_has_the_time_of_its_phase() -> None:
    drive = PadDrive().to(State.WPT_ALIGNMENT_CHECK)
    drive.send(wpt.WPTAlignmentCheckReq, ev_processing=Processing.Ongoing, ev_result_code=UNKNOWN)
    assert drive.session._facts.pad_power
    drive.book.wait(10.0)
    assert drive.session._facts.pad_power


def test_an_edition_with_one_time_for_all_has_the_shorter_one_that_was_set() -> None:
    """ISO 15118-2 gives every request 60 s; where a station has set less for the loop, it holds for power."""
    drive = OlderDrive(settings(timing=Iso2Timing(sequence_timeout_loop=2.0))).to(OlderState.CURRENT_DEMAND)
    drive.send(iso2.CurrentDemandReq)
    assert drive.session._facts.permits
    drive.session._listen(False)  # as behind the answer to a receipt
    drive.book.wait(1.999)
    assert drive.session._facts.permits
    drive.book.wait(0.001)
    assert hardware(drive) == [act.StopPower(Urgency.EMERGENCY)]
    assert drive.session.ended is None


def test_a_loop_without_a_turn_is_a_phase_as_others() -> None:
    drive = dc_drive(ControlMode.SCHEDULED)
    began = drive.book.now
    while drive.session.ended is None and drive.book.now - began < 700.0:
        drive.send(cm.PowerDeliveryReq)
        drive.book.wait(59.0)
    assert drive.session.ended is not None
    assert drive.session.ended.reason is EndReason.ONGOING_TOO_LONG
    assert drive.book.now - began >= Timing().phase_performance


def test_one_that_turns_lasts() -> None:
    patient = SeccConfig(services=(ServiceID.WPT,), timing=Timing(sequence_timeout_loop=60.0))
    drive = PadDrive(config=patient).to(State.WPT_CHARGE_LOOP)
    for _ in range(20):
        drive.send(cm.PowerDeliveryReq)
        drive.book.wait(50.0)
        drive.send(wpt.WPTChargeLoopReq)
        drive.book.wait(50.0)
    assert drive.session.ended is None


def test_limits_that_fall_in_silence_are_kept_for_the_next_turn() -> None:
    drive = dc_drive(ControlMode.DYNAMIC)
    drive.send(cm.PowerDeliveryReq)
    drive.book.wait(LOOP_S)
    drive.book.tell(
        ev.LimitsChanged(
            StationLimits(
                maximum_charge_power_w=50_000.0,
                maximum_charge_current_a=50.0,
                maximum_voltage_v=STATION.maximum_voltage_v,
            )
        )
    )
    assert hardware(drive) == []
    drive.send(dc.DCChargeLoopReq)
    (asked,) = hardware(drive)
    assert isinstance(asked, act.SetPower)
    assert asked.power_w <= 50_000.0


def test_limits_that_rise_in_silence_raise_nothing() -> None:
    drive = dc_drive(ControlMode.DYNAMIC)
    drive.send(cm.PowerDeliveryReq)
    drive.book.tell(ev.LimitsChanged(replace(STATION, maximum_charge_power_w=0.0)))
    (lowered,) = hardware(drive)
    assert isinstance(lowered, act.SetPower)
    assert lowered.current_a == 0.0
    drive.book.wait(LOOP_S)
    drive.book.tell(ev.LimitsChanged(STATION))
    assert hardware(drive) == []
    drive.send(dc.DCChargeLoopReq)
    (raised,) = hardware(drive)
    assert isinstance(raised, act.SetPower)
    assert raised.current_a > 0.0


def test_where_the_loop_has_as_much_time_as_every_request_nobody_is_told_of_a_silence() -> None:
    """The session ends then."""
    drive = OlderDrive().to(OlderState.CURRENT_DEMAND)
    drive.send(iso2.CurrentDemandReq)
    drive.session._listen(False)  # as behind the answer to a receipt
    assert Timer.SILENCE not in drive.session.timers
    timed = OlderDrive(settings(timing=Iso2Timing(sequence_timeout_loop=59.9))).to(OlderState.CURRENT_DEMAND)
    timed.send(iso2.CurrentDemandReq)
    timed.session._listen(False)
    assert Timer.SILENCE in timed.session.timers


@pytest.mark.parametrize("takes", [LOOP_S - 0.1, LOOP_S + 0.1])
def test_a_stop_that_was_agreed_on_opens_behind_the_current(takes: float) -> None:
    """The current was taken away at once, for the silence; the contactors have no haste: an orderly opening
    waits for what still flows."""
    drive = dc_drive(ControlMode.SCHEDULED)
    drive.measure(BATTERY_V, 90.0)
    drive.send(cm.PowerDeliveryReq)
    drive.book.wait(takes)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    assert [one.urgency for one in hardware(drive) if isinstance(one, act.OpenContactors)] == [
        Urgency.ORDERLY
    ]
    drive.book.tell(ev.EmergencyShutdown("button"))
    asked = {one.urgency for one in hardware(drive) if isinstance(one, act.OpenContactors)}
    assert asked == {Urgency.EMERGENCY}


@pytest.mark.parametrize("restored", [True, False])
@pytest.mark.parametrize("by_stop", [True, False])
def test_such_a_session_ends_in_order(restored: bool, by_stop: bool) -> None:
    drive = dc_drive(ControlMode.SCHEDULED)
    drive.send(cm.PowerDeliveryReq)
    drive.book.wait(LOOP_S)
    if restored:
        drive.send(dc.DCChargeLoopReq)
    if by_stop:
        drive._stopped()
    drive.send(cm.SessionStopReq)
    drive.book.tell(ev.ContactorsChanged(False))
    assert drive.session.ended is not None
    assert drive.session.ended.reason is EndReason.STOPPED_BY_EV
