"""Every wait of the station in DIN 70121 by its clock: a millisecond before nothing
happens, at the moment it has acted.

Peers that vanish, and alarms, in every state.
"""

from __future__ import annotations

import pytest

from iso15118.messages import din
from iso15118.secc import SeccConfig
from iso15118.secc.din.sequence import State
from iso15118.secc.din.settings import DinSeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.events import SignalState
from iso15118.timing import DinTiming
from tests.secc.din.vehicle import BATTERY_V, Drive, value

S = State
STATES = [state for state in State if state is not S.ENDED]
OFF = (-0.001, 0.0)


def stops(drive: Drive) -> list[Urgency]:
    return [one.urgency for one in drive.asked if isinstance(one, act.StopPower)]


def settled(state: State) -> Drive:
    """A session in ``state`` that has just answered a request of it, or that which led there."""
    drive = Drive().to(state)
    if state is S.CURRENT_DEMAND:
        drive.send(din.CurrentDemandReq, ev_target_current=value(0.0, "A"))
    return drive


def test_the_times_of_the_edition() -> None:
    timing = DinTiming()
    assert (timing.sequence_timeout, timing.sequence_timeout_loop) == (60.0, 60.0)
    assert (timing.cable_check_performance, timing.pre_charge_performance) == (38.0, 5.0)
    assert (timing.contactor_answer, timing.answer_time_power, timing.answer_time_loop) == (1.4, 1.5, 0.1)
    assert (timing.authorization_ongoing_timeout, timing.ongoing_performance) == (300.0, 55.0)
    assert (timing.communication_setup_performance, timing.close_wait) == (18.0, 5.0)
    assert timing.control_pilot_error == 1.5


@pytest.mark.parametrize("off", OFF)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.value)
def test_silence_ends_every_state_without_an_answer(state: State, off: float) -> None:
    """60 s after the last answer; where pre-charge runs, its own time is over before;
    communication set-up has 18 s."""
    drive = settled(state)
    seconds = 18.0 if state is S.SESSION_SETUP else 60.0
    if state is S.POWER_DELIVERY:
        drive.wait(4.999)
        assert stops(drive) == []
        drive.wait(0.001)
        assert stops(drive) == [Urgency.EMERGENCY]
        return
    drive.wait(seconds + off)
    if off < 0.0:
        assert drive.session.ended is None
        return
    drive.book.ends(EndReason.TIMEOUT)
    assert not any(isinstance(one, act.Send) for one in drive.book.actions)
    assert not drive.session.energized
    assert drive.session.deadline is None


@pytest.mark.parametrize("off", OFF)
@pytest.mark.parametrize(
    ("state", "kind", "seconds"),
    [
        (S.CABLE_CHECK, din.CableCheckReq, 38.0),
        (S.POWER_DELIVERY, din.PreChargeReq, 5.0),
        (S.WELDING_DETECTION, din.WeldingDetectionReq, 65.0),
    ],
)
def test_a_vehicle_that_goes_on_asking(state: State, kind: type, seconds: float, off: float) -> None:
    drive = Drive().to(state)
    before, began = len(stops(drive)), drive.book.now
    drive.send(kind)
    while drive.book.now < began + seconds + off - 1e-9:
        drive.wait(min(0.5, began + seconds + off - drive.book.now))
        if len(stops(drive)) == before and drive.book.now < began + seconds - 1e-9:
            assert drive.send(kind).response_code is din.ResponseCode.OK
    if off < 0.0:
        assert len(stops(drive)) == before
        assert drive.session.ended is None
        return
    assert drive.send(kind).response_code is din.ResponseCode.FAILED
    ended = drive.session.ended
    assert ended is not None
    assert ended.reason in (
        EndReason.CABLE_CHECK_FAILED,
        EndReason.PRE_CHARGE_FAILED,
        EndReason.ONGOING_TOO_LONG,
    )


@pytest.mark.parametrize("off", OFF)
def test_state_c_has_a_second_and_a_half(off: float) -> None:
    drive = Drive().to(S.CABLE_CHECK)
    drive.tell(ev.SignalChanged(SignalState.B))
    drive.send(din.CableCheckReq)
    drive.wait(1.5 + off)
    assert (drive.session.ended is not None) is (off == 0.0)


def test_a_laboratory_may_stretch_every_time() -> None:
    timing = DinTiming(pre_charge_performance=20.0)
    config = SeccConfig(editions=("din",), din=DinSeccSettings(timing=timing))
    drive = Drive(config=config).to(S.POWER_DELIVERY)
    drive.wait(19.9)
    assert stops(drive) == []


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.value)
@pytest.mark.parametrize("how", list(ev.TransportLoss), ids=lambda how: how.name)
def test_a_lost_connection_makes_safe_in_the_same_turn(state: State, how: ev.TransportLoss) -> None:
    drive = settled(state)
    drive.tell(ev.TransportLost(how))
    drive.book.ends(EndReason.PEER_VANISHED)
    drive.book.does(act.StopPower, act.OpenContactors)  # also where a ramp is under way already
    assert not any(isinstance(one, act.Send) for one in drive.book.actions)
    assert not drive.session.energized


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.value)
@pytest.mark.parametrize("signal", [SignalState.A, SignalState.E, SignalState.F], ids=lambda one: one.value)
def test_an_unplugged_vehicle_or_a_faulty_pilot_ends_at_once(state: State, signal: SignalState) -> None:
    drive = settled(state)
    drive.tell(ev.SignalChanged(signal))
    drive.book.ends(EndReason.SIGNAL_LOST)
    drive.book.does(act.StopPower, act.OpenContactors)  # also where a ramp is under way already
    assert not drive.session.energized


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.value)
@pytest.mark.parametrize(
    "event",
    [ev.EmergencyShutdown("button"), ev.HardwareFault("power", "hot"), ev.Undecodable("noise")],
    ids=lambda event: type(event).__name__,
)
def test_an_alarm_in_every_state(state: State, event: ev.Event) -> None:
    drive = settled(state)
    drive.tell(event)
    asked = [type(one) for one in drive.book.actions if isinstance(one, act.HardwareAction)]
    assert asked == [act.StopPower, act.OpenContactors]
    drive.wait(60.0)
    assert drive.session.ended is not None
    assert not drive.session.energized


def test_a_vehicle_that_is_refused_has_five_seconds_to_close() -> None:
    drive = Drive().to(S.CURRENT_DEMAND)
    drive.send(din.ServiceDetailReq)
    closing = [one for one in drive.book.actions if isinstance(one, act.CloseTransport)]
    assert [one.grace_s for one in closing] == [5.0]


def test_a_second_request_before_the_answer_to_the_first() -> None:
    drive = Drive().to(S.POWER_DELIVERY)
    drive.measure(BATTERY_V)
    assert drive.send(din.PowerDeliveryReq) is None
    answer = drive.send(din.PowerDeliveryReq)
    assert answer.response_code is din.ResponseCode.FAILED_SequenceError
    drive.book.ends(EndReason.SEQUENCE_ERROR)
    assert not drive.session.energized
    drive.tell(ev.ContactorsChanged(True))  # one that closes late
    drive.book.does(act.StopPower, act.OpenContactors)


def test_the_next_session_is_clean() -> None:
    first = Drive().to(S.CURRENT_DEMAND)
    first.tell(ev.TransportLost(ev.TransportLoss.RESET))
    second = Drive().to(S.CURRENT_DEMAND)
    assert second.session.session_id != first.session.session_id
    assert second.send(din.CurrentDemandReq).response_code is din.ResponseCode.OK
