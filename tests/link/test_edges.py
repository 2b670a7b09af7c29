"""Timers of which only the moment just before and just after tells whether they are kept: pauses,
wake-ups, toggles, link status."""

from __future__ import annotations

import random

import pytest

from iso15118.link.primitives import (
    DLinkError,
    DLinkPause,
    DLinkReady,
    LinkNote,
    LinkState,
    Pilot,
    SetPilot,
    ShowState,
    WakeUp,
)
from iso15118.link.slac.ev import EvSlac
from iso15118.link.slac.evse import EvseSlac
from iso15118.link.slac.messages import (
    QualcommLinkStatusCnf,
    QualcommLinkStatusReq,
    SetKeyCnf,
    SetKeyReq,
    SlacMatchCnf,
    ValidateCnf,
    ValidateReq,
    ValidateResult,
)
from iso15118.link.slac.settings import LinkDetection, SlacSettings, SlacTiming
from iso15118.session.actions import Action
from iso15118.session.events import SignalChanged, SignalState

from .rig import CAR, EVSE, MODEM, RUN, AtEv, AtEvse, frame, kinds, run_to, sent
from .test_ev_timers import NID, NMK, join, named

EDGE = 1e-4


def linked_evse(settings: SlacSettings | None = None) -> tuple[AtEvse, float]:
    """A station with its link up; the time."""
    at = AtEvse(settings)
    at.up_to_match()
    at.match(0.5)
    at.link(True, 0.6)
    assert at.evse.state is LinkState.MATCHED
    return at, 0.6


def linked_ev(settings: SlacSettings | None = None) -> tuple[AtEv, float]:
    """A vehicle with its link up; the time."""
    at = AtEv(settings)
    now = join(at) + 0.1
    at.link(True, now)
    assert at.ev.state is LinkState.MATCHED
    return at, now


def ready(actions: list[tuple[float, Action]]) -> list[tuple[float, bool]]:
    return [(round(at, 6), action.link) for at, action in actions if isinstance(action, DLinkReady)]


# -- the vehicle's window for matching


@pytest.mark.parametrize(("last_s", "again"), [(10.0 - EDGE, True), (10.0 + EDGE, False)])
def test_another_process_begins_within_tt_matching_repetition_only(last_s: float, again: bool) -> None:
    # Ten processes of three requests each, 400 ms apart: the tenth fails at last_s.
    timing = SlacTiming(tt_match_response=(last_s - 9 * 0.4) / 30)
    done = run_to(AtEv(timing=timing).ev, 60.0)
    assert len([0.0, *named(done, "SlacParmReq")]) == (33 if again else 30)


# -- pauses


@pytest.mark.parametrize("back_s", [6.0 - EDGE, 6.0 + EDGE])
@pytest.mark.parametrize("role", ["station", "vehicle"])
def test_after_a_pause_the_link_is_waited_for_until_t_conn_resume(role: str, back_s: float) -> None:
    machine: EvseSlac | EvSlac
    if role == "station":
        station, now = linked_evse()
        machine = station.evse
    else:
        vehicle, now = linked_ev()
        machine = vehicle.ev
    machine.handle(DLinkPause(), now)
    woken = now + 100.0
    machine.handle(WakeUp(), woken)
    before = run_to(machine, woken + back_s)
    status = frame(MODEM, QualcommLinkStatusCnf(1), EVSE if role == "station" else CAR)
    answer = machine.handle(status, woken + back_s)
    if back_s < 6.0:
        assert DLinkReady(True) in answer
        assert machine.state is LinkState.MATCHED
    else:
        assert DLinkReady(True) not in answer
        lost = [
            round(at - woken, 6)
            for at, a in before
            if isinstance(a, LinkNote) and "did not come back" in a.text
        ]
        assert lost == [6.0]


# -- an error


def test_the_pilot_is_steady_for_3_s_and_f_for_4_s_after_an_error() -> None:
    at, now = linked_evse()
    first = at.evse.handle(DLinkError(), now)
    after = run_to(at.evse, now + 20.0)
    pilots = [(0.0, a.pilot) for a in first if isinstance(a, SetPilot)]
    pilots += [(round(t - now, 6), a.pilot) for t, a in after if isinstance(a, SetPilot)]
    assert pilots == [(0.0, Pilot.STEADY), (3.0, Pilot.STATE_F), (7.0, Pilot.FIVE_PERCENT)]


# -- toggles


@pytest.mark.parametrize(("level_s", "counted"), [(0.1 - EDGE, 0), (0.1 + EDGE, 1)])
def test_a_c_shorter_than_half_of_t_vald_detect_is_a_glitch(level_s: float, counted: int) -> None:
    at = AtEvse()
    at.up_to_match()
    at.hear(ValidateReq(0), 0.5)
    at.hear(ValidateReq(9), 0.6)
    at.evse.handle(SignalChanged(SignalState.C), 0.7)
    at.evse.handle(SignalChanged(SignalState.B), 0.7 + level_s)
    (count,) = [m for _, a in run_to(at.evse, 1.7) for m in sent([a]) if isinstance(m, ValidateCnf)]
    assert count.toggle_num == counted


# -- link status


def polls(actions: list[tuple[float, Action]]) -> list[float]:
    return [round(t, 6) for t, a in actions for m in sent([a]) if isinstance(m, QualcommLinkStatusReq)]


def test_the_modem_is_asked_ten_times_a_second_while_joining_and_once_a_second_afterwards() -> None:
    at = AtEvse()
    at.up_to_match()
    at.match(0.5)
    assert polls(run_to(at.evse, 0.85)) == [0.5, 0.6, 0.7, 0.8]
    at.link(True, 0.85)
    assert polls(run_to(at.evse, 4.0)) == [1.85, 2.85, 3.85]
    vehicle = AtEv()
    now = join(vehicle)
    assert [round(t - now, 6) for t in polls(run_to(vehicle.ev, now + 0.25))] == [0.0, 0.1, 0.2]
    vehicle.link(True, now + 0.25)
    assert [round(t - now, 6) for t in polls(run_to(vehicle.ev, now + 3.0))] == [1.25, 2.25]


def test_where_nobody_can_tell_the_link_is_assumed_after_3_s() -> None:
    settings = SlacSettings(link_detection=LinkDetection.ASSUMED)
    at = AtEvse(settings)
    at.up_to_match()
    at.match(0.5)
    assert ready(run_to(at.evse, 10.0)) == [(3.5, True)]
    vehicle = AtEv(settings)
    now = join(vehicle)
    assert ready(run_to(vehicle.ev, now + 10.0)) == [(round(now + 3.0, 6), True)]


@pytest.mark.parametrize("role", ["station", "vehicle"])
def test_two_answers_without_link_are_a_loss_and_one_between_others_is_not(role: str) -> None:
    machine: EvseSlac | EvSlac
    if role == "station":
        station, now = linked_evse()
        machine, host = station.evse, EVSE
    else:
        vehicle, now = linked_ev()
        machine, host = vehicle.ev, CAR
    told = []
    for status in (0, 1, 0, 1, 0, 0):
        now += 1.0
        machine.handle_timeout(now)  # it asks
        told.append(
            DLinkReady(False) in machine.handle(frame(MODEM, QualcommLinkStatusCnf(status), host), now)
        )
    assert told == [False] * 5 + [True]


# -- keys


def test_a_key_is_offered_six_times_in_all() -> None:
    at = AtEv()
    now = 0.65
    at.up_to_results()
    at.attenuation(20, 0.5)
    run_to(at.ev, 0.6)
    out = at.hear(SlacMatchCnf(CAR, EVSE, at.run, NID, NMK), now)
    sends = [now] if kinds(out) == ["SetKeyReq"] else []
    sends += named(run_to(at.ev, now + 5.0), "SetKeyReq")
    joining = [t for t in sends if t < now + 3.6 - EDGE]
    assert [round(t - now, 6) for t in joining] == [0.0, 0.6, 1.2, 1.8, 2.4, 3.0]


def test_a_refused_key_rests_for_400_ms() -> None:
    at = AtEv()
    at.up_to_results()
    at.attenuation(20, 0.5)
    run_to(at.ev, 0.6)
    out = sent(at.hear(SlacMatchCnf(CAR, EVSE, at.run, NID, NMK), 0.65))
    key = next(m for m in out if isinstance(m, SetKeyReq))
    at.hear(SetKeyCnf(0, b"mmmm", key.my_nonce), 0.66, MODEM)
    assert named(run_to(at.ev, 2.0), "SetKeyReq")[0] == pytest.approx(1.06)


# -- how many at a time, how much


def test_receive_correction_is_taken_off_and_stays_above_zero() -> None:
    for correction, expected in ((0.0, 20), (1.0, 19), (30.0, 0)):
        at = AtEvse(SlacSettings(receive_correction=correction))
        (indication,) = sent(at.up_to_atten_char())
        assert set(indication.aag) == {expected}  # type: ignore[attr-defined]


def test_run_identifiers_are_kept_apart_up_to_the_match() -> None:
    at = AtEvse()
    at.up_to_match(run=RUN)
    assert kinds(at.match(0.5, run=b"another.")) == []
    assert kinds(at.match(0.6, run=RUN))[0] == "SlacMatchCnf"


def test_three_processes_are_tried_even_if_the_window_is_over() -> None:
    timing = SlacTiming(tt_matching_repetition=0.01)
    assert len(named(run_to(AtEv(timing=timing).ev, 60.0), "SlacParmReq")) == 3 * 3 - 1


def test_the_number_of_toggles_is_drawn_anew_each_time() -> None:
    drawn = set()
    for seed in range(24):
        at = AtEv(SlacSettings(always_validate=True), draw=random.Random(seed).randbytes)
        now = at.up_to_results()
        at.attenuation(20, now)
        run_to(at.ev, now + 0.1)
        at.hear(ValidateCnf(0, ValidateResult.READY), now + 0.15)
        shown = [SignalState.C] + [a.state for _, a in run_to(at.ev, now + 2.5) if isinstance(a, ShowState)]
        drawn.add(shown.count(SignalState.C))
    assert drawn == {1, 2, 3}
