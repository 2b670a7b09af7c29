"""The station's timers at their edges, played by hand: what happens just before, at, and after each."""

from __future__ import annotations

import pytest

from iso15118.link.primitives import DLinkReady, LinkState, Pilot, SetPilot
from iso15118.link.slac.messages import (
    AttenCharInd,
    AttenCharRsp,
    AttenProfileInd,
    MnbcSoundInd,
    SetKeyCnf,
    SetKeyReq,
    SlacMatchReq,
    SlacParmReq,
    StartAttenCharInd,
    ValidateCnf,
    ValidateReq,
    ValidateResult,
)
from iso15118.link.slac.settings import SlacSettings
from iso15118.session.actions import Action
from iso15118.session.events import SignalChanged, SignalState

from .rig import CAR, CAR2, EVSE, EVSE2, MODEM, RUN, AtEvse, frame, kinds, run_to, sent

EDGE = 1e-6


def named(actions: list[tuple[float, Action]], name: str) -> list[float]:
    return [round(at, 6) for at, action in actions if name in kinds([action])]


def pilots(actions: list[tuple[float, Action]]) -> list[tuple[float, Pilot]]:
    return [(round(at, 6), a.pilot) for at, a in actions if isinstance(a, SetPilot)]


def test_no_vehicle_within_tt_evse_slac_init_is_woken_up_twice_and_left_alone() -> None:
    at = AtEvse()
    done = run_to(at.evse, 300.0)
    assert pilots(done) == [
        (50.0, Pilot.STATE_F),
        (54.0, Pilot.FIVE_PERCENT),
        (104.0, Pilot.STATE_F),
        (108.0, Pilot.FIVE_PERCENT),
        (158.0, Pilot.STEADY),
    ]
    assert at.evse.state is LinkState.UNMATCHED
    assert at.evse.deadline is None
    # The next plug-in is served as ever.
    at.evse.handle(SignalChanged(SignalState.A), 400.0)
    at.confirm_key(list(at.evse.handle(SignalChanged(SignalState.A), 400.0)), 400.0)
    at.evse.handle(SignalChanged(SignalState.B), 401.0)
    assert kinds(at.hear(SlacParmReq(RUN), 402.0)) == ["SlacParmCnf"]


def test_without_wake_ups_it_ends_at_once() -> None:
    at = AtEvse(SlacSettings(c_sequ_retry=0))
    assert pilots(run_to(at.evse, 300.0)) == [(50.0, Pilot.STEADY)]


def test_a_vehicle_just_before_the_end_of_tt_evse_slac_init_is_served() -> None:
    at = AtEvse()
    assert run_to(at.evse, 50.0 - EDGE) == []
    assert kinds(at.hear(SlacParmReq(RUN), 50.0 - EDGE)) == ["SlacParmCnf"]


def test_a_vehicle_that_speaks_while_it_is_woken_up_is_served_and_gets_its_five_percent_back() -> None:
    at = AtEvse()
    run_to(at.evse, 51.0)
    assert pilots([(51.0, a) for a in at.hear(SlacParmReq(RUN), 51.0)]) == [], "anybody on the line may ask"
    at.up_to_match(51.0)
    assert pilots([(51.5, a) for a in at.match(51.5)]) == [(51.5, Pilot.FIVE_PERCENT)]
    assert pilots(run_to(at.evse, 60.0)) == []


def test_start_atten_char_at_the_edge_of_tt_match_sequence() -> None:
    for late, accepted in ((0.4 - EDGE, True), (0.4 + EDGE, False)):
        at = AtEvse()
        at.hear(SlacParmReq(RUN), 0.0)
        run_to(at.evse, late)
        at.hear(StartAttenCharInd(RUN, CAR), late)
        at.hear(AttenProfileInd(CAR, bytes(58)), late, MODEM)
        assert (named(run_to(at.evse, 3.0), "AttenCharInd") != []) is accepted


def test_the_window_for_sounds_begins_with_the_first_announcement_and_lasts_600_ms() -> None:
    at = AtEvse()
    at.up_to_sounds()
    at.hear(StartAttenCharInd(RUN, CAR), 0.15)
    at.hear(StartAttenCharInd(RUN, CAR), 0.2)
    for _ in range(4):
        at.hear(AttenProfileInd(CAR, bytes([30] * 58)), 0.3, MODEM)
    assert run_to(at.evse, 0.7 - EDGE) == []
    done = run_to(at.evse, 0.7)
    assert named(done, "AttenCharInd") == [0.7]
    indication = next(m for _, a in done for m in sent([a]) if isinstance(m, AttenCharInd))
    assert indication.num_sounds == 4
    assert indication.aag == bytes([30] * 58)


def test_ten_profiles_end_the_window_early_and_late_ones_do_not_count() -> None:
    at = AtEvse()
    answer = at.up_to_atten_char()
    assert [m.num_sounds for m in sent(answer) if isinstance(m, AttenCharInd)] == [10]
    assert at.hear(AttenProfileInd(CAR, bytes(58)), 0.21, MODEM) == []


def test_sounds_alone_prove_nothing() -> None:
    at = AtEvse()
    at.up_to_sounds()
    for remaining in range(9, -1, -1):
        assert at.hear(MnbcSoundInd(RUN, remaining, bytes(16)), 0.3) == []
    assert named(run_to(at.evse, 5.0), "AttenCharInd") == []


def test_profiles_of_another_vehicle_or_without_58_groups_do_not_count() -> None:
    at = AtEvse()
    at.up_to_sounds()
    for _ in range(20):
        at.hear(AttenProfileInd(CAR2, bytes(58)), 0.2, MODEM)
        at.hear(AttenProfileInd(CAR, bytes(57)), 0.2, MODEM)
        at.hear(AttenProfileInd(CAR, b""), 0.2, MODEM)
    assert named(run_to(at.evse, 5.0), "AttenCharInd") == []


def test_an_indication_without_answer_goes_out_three_times_200_ms_apart() -> None:
    at = AtEvse()
    at.up_to_atten_char()
    assert named(run_to(at.evse, 5.0), "AttenCharInd") == [0.4, 0.6]  # after the first one at 0.2
    assert kinds(at.match(5.0)) == []


@pytest.mark.parametrize(
    "answer",
    [AttenCharRsp(CAR2, RUN), AttenCharRsp(CAR, b"another!"), AttenCharRsp(CAR, RUN, 1)],
    ids=["other vehicle", "other run", "no success"],
)
def test_an_answer_that_does_not_fit_is_none(answer: AttenCharRsp) -> None:
    at = AtEvse()
    at.up_to_atten_char()
    at.hear(answer, 0.25)
    assert named(run_to(at.evse, 5.0), "AttenCharInd") == [0.4, 0.6]


def test_the_match_may_come_until_tt_evse_match_session_after_the_window() -> None:
    for late, answered in ((1.5, True), (10.7 - EDGE, True), (10.7 + EDGE, False)):
        at = AtEvse()
        at.up_to_match()
        run_to(at.evse, late)
        assert (kinds(at.match(late)) != []) is answered, late


@pytest.mark.parametrize(
    "request_",
    [
        SlacMatchReq(CAR2, EVSE, RUN),
        SlacMatchReq(CAR, EVSE2, RUN),
        SlacMatchReq(CAR, EVSE, b"another!"),
    ],
    ids=["other vehicle", "other station", "other run"],
)
def test_a_match_that_does_not_fit_is_ignored_and_the_right_one_still_counts(request_: SlacMatchReq) -> None:
    at = AtEvse()
    at.up_to_match()
    assert sent(at.hear(request_, 1.0)) == []
    assert "SlacMatchCnf" in kinds(at.match(1.1))


def test_a_match_before_the_answer_to_the_indication_is_out_of_place() -> None:
    at = AtEvse()
    at.up_to_atten_char()
    assert at.match(0.25) == []


def test_repeated_match_requests_get_the_same_answer() -> None:
    at = AtEvse()
    at.up_to_match()
    one, two = sent(at.match(1.0)), sent(at.match(1.2))
    assert one[0] == two[0]


def test_without_a_key_on_the_modem_no_match_is_answered() -> None:
    at = AtEvse()
    request = at.evse.handle(
        SignalChanged(SignalState.A), 0.0
    )  # a new key, which the modem has not taken yet
    at.evse.handle(SignalChanged(SignalState.B), 0.1)
    at.up_to_match(0.1)
    assert kinds(at.match(0.5)) == []
    assert at.confirm_key(request, 0.55) is not None
    assert "SlacMatchCnf" in kinds(at.match(0.7))


def test_the_join_ends_after_12_s_with_a_new_key_and_the_station_waits_again() -> None:
    at = AtEvse()
    at.up_to_match()
    at.match(1.0)
    at.link(False, 2.0)
    assert "SetKeyReq" not in kinds([a for _, a in run_to(at.evse, 13.0 - EDGE)])
    done = run_to(at.evse, 13.0)
    key = [m for _, a in done for m in sent([a]) if isinstance(m, SetKeyReq)]
    assert len(key) == 1
    assert pilots(done) == [(13.0, Pilot.FIVE_PERCENT)]
    assert not any(isinstance(a, DLinkReady) for _, a in done)
    assert at.evse.state is LinkState.MATCHING
    assert kinds(at.hear(SlacParmReq(b"next-run"), 13.1)) == ["SlacParmCnf"]


def test_the_link_just_before_the_end_of_the_join_counts() -> None:
    at = AtEvse()
    at.up_to_match()
    at.match(1.0)
    run_to(at.evse, 13.0 - EDGE)
    assert DLinkReady(True) in at.link(True, 13.0 - EDGE)
    assert at.evse.state is LinkState.MATCHED


def test_one_no_link_answer_is_a_hiccup_and_two_are_a_loss() -> None:
    at = AtEvse()
    at.up_to_match()
    at.match(1.0)
    at.link(True, 1.5)
    for now in (3.0, 5.0):
        assert at.link(False, now) == []
        assert at.link(True, now + 1.0) == []
    assert at.link(False, 7.0) == []
    assert DLinkReady(False) in at.link(False, 8.0)
    assert at.evse.state is LinkState.MATCHING


def test_requests_while_the_link_is_up_are_not_answered() -> None:
    at = AtEvse()
    at.up_to_match()
    at.match(1.0)
    at.link(True, 1.5)
    assert at.hear(SlacParmReq(b"intruder"), 2.0, CAR2) == []
    at.evse.handle(SignalChanged(SignalState.C), 2.0)
    assert at.hear(SlacParmReq(RUN), 2.0) == [], "energy may flow"


def test_while_a_vehicle_joins_others_have_to_wait_and_it_may_begin_again() -> None:
    at = AtEvse()
    at.up_to_match()
    at.match(1.0)
    at.up_to_match(1.1, b"intruder", CAR2)
    assert at.match(1.4, b"intruder", CAR2) == [], "it is heard no better"
    at.up_to_match(2.0, b"new-run!")
    assert "SlacMatchCnf" in kinds(at.match(2.4, b"new-run!"))


def test_a_repeated_parm_req_starts_its_process_again() -> None:
    at = AtEvse()
    at.up_to_match()
    assert kinds(at.up_to_atten_char(2.0)) == ["AttenCharInd"]
    assert at.match(2.3) == [], "the answer to the new indication is awaited"


def test_a_repeated_parm_req_alone_undoes_nothing() -> None:
    at = AtEvse()
    at.up_to_match()
    assert kinds(at.hear(SlacParmReq(RUN), 1.0)) == ["SlacParmCnf"]
    run_to(at.evse, 2.0)
    assert "SlacMatchCnf" in kinds(at.match(2.0))


def test_two_runs_of_two_vehicles_do_not_mix() -> None:
    at = AtEvse()
    at.up_to_match(0.0, RUN, CAR)
    at.up_to_match(0.0, RUN, CAR2)  # some vehicles all use the same run identifier
    assert "SlacMatchCnf" in kinds(at.match(1.0, RUN, CAR2))
    assert at.match(1.1, RUN, CAR) == []


# -- keys of the modem


def test_a_key_that_is_not_confirmed_is_sent_again() -> None:
    at = AtEvse()
    request = at.evse.handle(SignalChanged(SignalState.A), 10.0)
    assert kinds(request).count("SetKeyReq") == 1
    done = run_to(at.evse, 20.0)
    times = named(done, "SetKeyReq")
    assert times[:5] == [10.6, 11.2, 11.8, 12.4, 13.0]
    assert times[5] == 18.6  # after six in all, a pause of 5 s, and another key
    tried = [m.new_key for _, a in done for m in sent([a]) if isinstance(m, SetKeyReq)]
    assert len(set(tried[:5])) == 1
    assert tried[5] != tried[0]


def test_a_refused_key_is_offered_again_after_a_pause() -> None:
    at = AtEvse()
    request = at.evse.handle(SignalChanged(SignalState.A), 10.0)
    at.confirm_key(request, 10.1, result=0)
    again = run_to(at.evse, 10.5)
    assert named(again, "SetKeyReq") == [10.5]
    assert at.confirm_key([a for _, a in again], 10.6) is not None
    assert at.evse.deadline is None


def test_confirmations_with_another_nonce_are_not_ours() -> None:
    at = AtEvse()
    at.evse.handle(SignalChanged(SignalState.A), 10.0)
    at.evse.handle(frame(MODEM, SetKeyCnf(1, b"mmmm", b"else"), EVSE), 10.1)
    assert named(run_to(at.evse, 10.6), "SetKeyReq") == [10.6]


# -- validation


def validation(actions: list[Action]) -> list[tuple[int, ValidateResult]]:
    return [(m.toggle_num, m.result) for m in sent(actions) if isinstance(m, ValidateCnf)]


def toggle(at: AtEvse, now: float, length: float = 0.3) -> None:
    at.evse.handle(SignalChanged(SignalState.C), now)
    at.evse.handle(SignalChanged(SignalState.B), now + length)


def test_toggles_are_counted_from_the_first_step_to_the_end_of_the_window() -> None:
    at = AtEvse()
    at.up_to_match()
    toggle(at, 0.5)  # before: does not count
    assert validation(at.hear(ValidateReq(0), 1.0)) == [(0, ValidateResult.READY)]
    toggle(at, 1.05)
    assert validation(at.hear(ValidateReq(11), 1.38)) == []
    toggle(at, 1.65)
    toggle(at, 2.2, 0.05)  # a glitch
    assert run_to(at.evse, 2.58 - EDGE) == []
    done = run_to(at.evse, 2.58)
    assert validation([a for _, a in done]) == [(2, ValidateResult.SUCCESS)]
    toggle(at, 2.6)  # after: neither
    assert validation(at.hear(ValidateReq(11), 2.7)) == [(2, ValidateResult.SUCCESS)]  # the answer was lost
    assert "SlacMatchCnf" in kinds(at.match(3.1 - EDGE))


def test_the_match_has_to_follow_the_count_within_tt_match_sequence() -> None:
    at = AtEvse()
    at.up_to_match()
    at.hear(ValidateReq(0), 1.0)
    at.hear(ValidateReq(5), 1.1)
    run_to(at.evse, 1.7)
    run_to(at.evse, 2.1 + EDGE)
    assert at.match(2.1 + EDGE) == []


def test_without_a_second_step_readiness_is_said_three_times() -> None:
    at = AtEvse()
    at.up_to_match()
    at.hear(ValidateReq(0), 1.0)
    done = run_to(at.evse, 3.0)
    assert named(done, "ValidateCnf") == [1.4, 1.8]
    assert at.match(3.0) == []


def test_another_vehicle_is_told_to_wait_with_its_validation() -> None:
    at = AtEvse()
    at.up_to_match(0.0, RUN, CAR)
    at.up_to_match(0.0, b"other-ru", CAR2)
    at.hear(ValidateReq(0), 1.0, CAR)
    assert validation(at.hear(ValidateReq(0), 1.1, CAR2)) == [(0, ValidateResult.NOT_READY)]


def test_a_vehicle_that_stops_the_validation_gets_no_answer() -> None:
    at = AtEvse()
    at.up_to_match()
    at.hear(ValidateReq(0), 1.0)
    assert at.hear(ValidateReq(5, ValidateResult.FAILURE), 1.1) == []
    assert run_to(at.evse, 1.5) == []


def test_a_window_is_never_longer_than_tt_evse_vald_toggle() -> None:
    at = AtEvse()
    at.up_to_match()
    at.hear(ValidateReq(0), 1.0)
    at.hear(ValidateReq(255), 1.0)
    assert named(run_to(at.evse, 10.0), "ValidateCnf") == [4.5]


# -- the pilot


@pytest.mark.parametrize("state", [SignalState.E, SignalState.F])
def test_e_or_f_ends_a_link_but_not_a_matching(state: SignalState) -> None:
    at = AtEvse()
    at.up_to_match()
    assert at.evse.handle(SignalChanged(state), 0.5) == []
    assert at.evse.state is LinkState.MATCHING
    at.evse.handle(SignalChanged(SignalState.B), 0.6)
    at.match(1.0)
    at.link(True, 1.5)
    assert DLinkReady(False) in at.evse.handle(SignalChanged(state), 2.0)
    assert at.hear(SlacParmReq(RUN), 2.1) == []


def test_b_c_and_d_alone_never_end_a_link() -> None:
    at = AtEvse()
    at.up_to_match()
    at.match(1.0)
    at.link(True, 1.5)
    for number, state in enumerate((SignalState.C, SignalState.D, SignalState.C, SignalState.B)):
        assert at.evse.handle(SignalChanged(state), 2.0 + number) == []
    assert at.evse.state is LinkState.MATCHED
