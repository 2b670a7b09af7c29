"""The vehicle's timers at their edges, played by hand as stations and modem."""

from __future__ import annotations

from itertools import pairwise

import pytest

from iso15118.link.primitives import DLinkReady, DLinkTerminate, DutyChanged, LinkState, PowerOn, ShowState
from iso15118.link.slac.ev import EvSlac
from iso15118.link.slac.keys import Nmk
from iso15118.link.slac.messages import (
    AttenCharInd,
    AttenCharRsp,
    SetKeyCnf,
    SetKeyReq,
    SlacMatchCnf,
    SlacMatchReq,
    SlacParmCnf,
    SlacParmReq,
    StartAttenCharInd,
    ValidateCnf,
    ValidateReq,
    ValidateResult,
)
from iso15118.link.slac.settings import SlacSettings
from iso15118.session.actions import Action
from iso15118.session.events import SignalChanged, SignalState

from .rig import CAR, EVSE, EVSE2, MODEM, AtEv, kinds, run_to, sent

EDGE = 1e-6
NID = bytes.fromhex("01020304050607")
NMK = Nmk(b"0123456789abcdef")


def named(actions: list[tuple[float, Action]], name: str) -> list[float]:
    return [round(at, 6) for at, action in actions for kind in kinds([action]) if kind == name]


def ask_match(at: AtEv) -> float:
    """Up to CM_SLAC_MATCH.REQ to the only station; the time it went out."""
    now = at.up_to_results()
    at.attenuation(20, now)
    done = run_to(at.ev, now + 0.1)
    assert named(done, "SlacMatchReq") == [0.6]
    return 0.6


def join(at: AtEv, nid: bytes = NID) -> float:
    """Up to the key on the own modem; the time of CM_SLAC_MATCH.CNF."""
    now = ask_match(at) + 0.05
    out = sent(at.hear(SlacMatchCnf(CAR, EVSE, at.run, nid, NMK), now))
    key = next(message for message in out if isinstance(message, SetKeyReq))
    assert (key.nid, key.new_key) == (nid, NMK)
    at.hear(SetKeyCnf(1, b"mmmm", key.my_nonce), now, MODEM)
    return now


def test_nothing_is_sent_before_b_and_five_percent() -> None:
    ev = EvSlac(CAR)
    assert ev.handle(PowerOn(), 0.0) == [ShowState(SignalState.B)], "whatever was left there"
    assert ev.handle(SignalChanged(SignalState.B), 1.0) == []
    assert ev.handle(DutyChanged(53.0), 2.0) == []
    assert ev.deadline is None
    assert kinds(ev.handle(DutyChanged(5.0), 3.0)) == ["SlacParmReq"]


@pytest.mark.parametrize(("percent", "digital"), [(2.9, False), (3.0, True), (7.0, True), (7.1, False)])
def test_five_percent_as_measured(percent: float, digital: bool) -> None:
    ev = EvSlac(CAR)
    ev.handle(PowerOn(), 0.0)
    ev.handle(SignalChanged(SignalState.B), 0.0)
    assert (ev.handle(DutyChanged(percent), 0.0) != []) is digital


def test_without_any_station_processes_follow_each_other_for_10_s() -> None:
    at = AtEv()
    done = run_to(at.ev, 60.0)
    times = [0.0, *named(done, "SlacParmReq")]
    assert times[:7] == [0.0, 0.2, 0.4, 1.0, 1.2, 1.4, 2.0]  # three sends, 200 ms each, and 400 ms of pause
    assert 10.0 <= times[-1] < 11.0
    assert len(times) % 3 == 0
    assert at.ev.state is LinkState.UNMATCHED
    assert at.ev.deadline is None
    assert (
        len({m.run_id for _, a in done for m in sent([a]) if isinstance(m, SlacParmReq)}) == len(times) // 3
    )


def test_after_giving_up_the_basic_signalling_begins_it_again() -> None:
    at = AtEv()
    run_to(at.ev, 60.0)
    at.ev.handle(SignalChanged(SignalState.F), 70.0)
    assert kinds(at.ev.handle(SignalChanged(SignalState.B), 74.0)) == ["SlacParmReq"]


def test_the_number_of_processes_may_outlast_the_window() -> None:
    at = AtEv(SlacSettings(c_conn_max_match=15))
    assert len(named(run_to(at.ev, 60.0), "SlacParmReq")) == 15 * 3 - 1


def test_an_answer_at_the_edge_of_tt_match_response() -> None:
    at = AtEv()
    assert run_to(at.ev, 0.2 - EDGE) == []
    at.announce(0.2 - EDGE)
    assert named(run_to(at.ev, 1.0), "SlacParmReq") == []


def test_announcements_and_sounds_keep_their_pace() -> None:
    at = AtEv()
    at.announce(0.05)
    done = run_to(at.ev, 0.6)
    starts, sounds = named(done, "StartAttenCharInd"), named(done, "MnbcSoundInd")
    assert starts == [0.15, 0.175, 0.2]
    assert sounds == [round(0.225 + 0.025 * number, 6) for number in range(10)]
    assert [m.remaining for _, a in done for m in sent([a]) if hasattr(m, "remaining")] == list(
        range(9, -1, -1)
    )


def test_a_station_that_wants_more_sounds_gets_them_and_fewer_than_ten_are_not_sent() -> None:
    for wanted, given in ((8, 10), (10, 10), (12, 12), (255, 20)):
        at = AtEv()
        at.hear(SlacParmCnf(at.run, CAR, num_sounds=wanted), 0.05)
        done = run_to(at.ev, 1.0)
        assert len(named(done, "MnbcSoundInd")) == given
        starts = {m.num_sounds for _, a in done for m in sent([a]) if isinstance(m, StartAttenCharInd)}
        assert starts == {given}


def test_the_choice_waits_for_all_announced_stations_until_tt_ev_atten_results() -> None:
    at = AtEv()
    now = at.up_to_results(EVSE, EVSE2)
    at.attenuation(20, now)
    assert run_to(at.ev, 1.35 - EDGE) == []  # the first CM_START_ATTEN_CHAR.IND went out at 0.15
    assert named(run_to(at.ev, 1.35), "ValidateReq") == [1.35]  # one is silent: validation decides


def test_answers_at_the_edge_of_tt_ev_atten_results() -> None:
    for late, counted in ((1.35 - EDGE, True), (1.35 + EDGE, False)):
        at = AtEv()
        at.up_to_results()
        run_to(at.ev, late)
        answer = at.attenuation(20, late)
        assert (kinds(answer) == ["AttenCharRsp"]) is counted, late
        assert (at.ev.peer, named(run_to(at.ev, 1.46), "SlacMatchReq") != []) == (None, counted)


def test_every_indication_is_answered_also_a_repeated_one() -> None:
    at = AtEv()
    now = at.up_to_results()
    for _ in range(3):
        assert sent(at.attenuation(20, now)) == [AttenCharRsp(CAR, at.run)]
    ask = run_to(at.ev, now + 0.1)
    assert named(ask, "SlacMatchReq") == [0.6]
    assert kinds(at.attenuation(20, 0.7)) == ["AttenCharRsp"]


@pytest.mark.parametrize(
    "wrong",
    [
        AttenCharInd(b"\x02other", b"", 10, bytes(58)),
        AttenCharInd(CAR, b"another!", 10, bytes(58)),
        AttenCharInd(CAR, b"", 10, bytes(57)),
        AttenCharInd(CAR, b"", 0, bytes(58)),
    ],
    ids=["other vehicle", "other run", "57 groups", "no sounds"],
)
def test_indications_that_do_not_fit_are_not_answered(wrong: AttenCharInd) -> None:
    at = AtEv()
    now = at.up_to_results()
    run = wrong.run_id or at.run
    assert sent(at.hear(AttenCharInd(wrong.source_address, run, wrong.num_sounds, wrong.aag), now)) == []


def test_a_match_request_goes_out_three_times_and_then_another_process_begins() -> None:
    at = AtEv()
    ask_match(at)
    done = run_to(at.ev, 1.7)
    assert named(done, "SlacMatchReq") == [0.8, 1.0]
    assert named(done, "SlacParmReq") == [1.6]


@pytest.mark.parametrize("source", [EVSE2, MODEM])
def test_a_match_from_somebody_else_is_ignored(source: bytes) -> None:
    at = AtEv()
    now = ask_match(at)
    assert sent(at.hear(SlacMatchCnf(CAR, source, at.run, NID, NMK), now, source)) == []
    assert sent(at.hear(SlacMatchCnf(CAR, EVSE2, at.run, NID, NMK), now)) == []
    assert at.hear(SlacMatchCnf(CAR, EVSE, b"another!", NID, NMK), now) == []
    assert "SetKeyReq" in kinds(at.hear(SlacMatchCnf(CAR, EVSE, at.run, NID, NMK), now))


def test_the_join_ends_after_12_s_and_the_vehicle_leaves_the_network() -> None:
    at = AtEv()
    now = join(at)
    done = run_to(at.ev, now + 12.0)
    keys = [m.new_key for _, a in done for m in sent([a]) if isinstance(m, SetKeyReq)]
    assert len(keys) == 1
    assert keys[0] != NMK
    assert not any(isinstance(a, DLinkReady) for _, a in done)
    # 10 s of repetition are over, but not three processes.
    assert named(run_to(at.ev, now + 12.4), "SlacParmReq") == [round(now + 12.4, 6)]


def test_the_link_just_before_the_end_of_the_join_counts() -> None:
    at = AtEv()
    now = join(at)
    run_to(at.ev, now + 12.0 - EDGE)
    assert DLinkReady(True) in at.link(True, now + 12.0 - EDGE)


def test_link_status_before_the_modem_took_the_key_means_nothing() -> None:
    at = AtEv()
    now = ask_match(at)
    at.hear(SlacMatchCnf(CAR, EVSE, at.run, NID, NMK), now)
    assert at.link(True, now) == []


def test_the_duty_cycle_going_away_stops_the_matching() -> None:
    at = AtEv()
    at.announce(0.05)
    at.ev.handle(DutyChanged(None), 0.2)
    assert at.ev.state is LinkState.UNMATCHED
    assert at.ev.deadline is None
    assert kinds(at.ev.handle(DutyChanged(5.0), 1.0)) == ["SlacParmReq"]


# -- validation


def validating(toggles: int = 2) -> tuple[AtEv, float]:
    at = AtEv(SlacSettings(always_validate=True, c_vald_toggles=toggles))
    now = at.up_to_results()
    at.attenuation(20, now)
    assert named(run_to(at.ev, 0.6), "ValidateReq") == [0.6]
    return at, 0.6


@pytest.mark.parametrize("toggles", [1, 2, 3])
def test_toggles_have_their_length_and_fit_into_their_window(toggles: int) -> None:
    at, now = validating(toggles)
    out = at.hear(ValidateCnf(0, ValidateResult.READY), now)
    request = next(m for m in sent(out) if isinstance(m, ValidateReq))
    done = [(now, a) for a in out] + run_to(at.ev, now + 2 * toggles * 0.3 + 0.001)
    shown = [(round(t - now, 3), a.state) for t, a in done if isinstance(a, ShowState)]
    assert [state for _, state in shown] == [SignalState.C, SignalState.B] * toggles
    assert all(0.2 <= b[0] - a[0] <= 0.4 for a, b in pairwise(shown))
    window = (request.timer + 1) * 0.1
    assert shown[-1][0] + 0.3 <= window <= 3.5
    assert window >= 0.6


def test_the_same_count_is_a_match_and_another_one_is_not() -> None:
    for count, matched in ((2, True), (1, False), (3, False), (0, False)):
        at, now = validating()
        at.hear(ValidateCnf(0, ValidateResult.READY), now)
        run_to(at.ev, now + 1.25)
        out = at.hear(ValidateCnf(count, ValidateResult.SUCCESS), now + 1.5)
        assert ("SlacMatchReq" in kinds(out)) is matched, count


def test_a_silent_station_is_asked_three_times() -> None:
    at, _ = validating()
    assert named(run_to(at.ev, 2.0), "ValidateReq") == [0.8, 1.0]


def test_a_busy_station_is_asked_again() -> None:
    at, now = validating()
    assert at.hear(ValidateCnf(0, ValidateResult.NOT_READY), now) == []
    assert named(run_to(at.ev, now + 0.4), "ValidateReq") == [1.0]


def test_a_lost_count_is_asked_for_again() -> None:
    at, now = validating()
    at.hear(ValidateCnf(0, ValidateResult.READY), now)
    assert len(named(run_to(at.ev, now + 5.0), "ValidateReq")) >= 1


@pytest.mark.parametrize("end", ["terminate", "duty", "unplug"])
def test_a_toggle_that_is_broken_off_ends_at_b(end: str) -> None:
    at, now = validating()
    out = at.hear(ValidateCnf(0, ValidateResult.READY), now)
    assert [a.state for a in out if isinstance(a, ShowState)] == [SignalState.C]
    event = {
        "terminate": DLinkTerminate(),
        "duty": DutyChanged(None),
        "unplug": SignalChanged(SignalState.A),
    }[end]
    out = at.ev.handle(event, now + 0.1)
    assert [a.state for a in out if isinstance(a, ShowState)] == [SignalState.B]


def test_match_requests_name_both_ends() -> None:
    at = AtEv()
    now = at.up_to_results()
    at.attenuation(20, now)
    out = [m for _, a in run_to(at.ev, now + 0.1) for m in sent([a])]
    assert out == [SlacMatchReq(CAR, EVSE, at.run)]
