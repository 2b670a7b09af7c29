"""What comes when nobody waits for it: link status while asleep, timers of a process that is
over, more stations than fit."""

from __future__ import annotations

import pytest

from iso15118.link.primitives import DLinkPause, LinkReported, LinkState, WakeUp
from iso15118.link.slac.frames import BROADCAST
from iso15118.link.slac.messages import (
    AttenCharRsp,
    SetKeyCnf,
    SetKeyReq,
    SlacMatchCnf,
    SlacMatchReq,
    SlacParmCnf,
    ValidateCnf,
    ValidateReq,
    ValidateResult,
)
from iso15118.link.slac.settings import SlacSettings
from iso15118.session.events import SignalChanged, SignalState

from .rig import CAR, CAR2, EVSE, EVSE2, MODEM, AtEv, AtEvse, frame, kinds, run_to, sent
from .test_edges import linked_ev, linked_evse
from .test_ev_timers import NID, NMK, join, named


def test_while_asleep_a_vehicle_does_not_mind_what_the_modem_says() -> None:
    at, now = linked_ev()
    at.ev.handle(DLinkPause(), now)
    for status in (0, 0, 0, 1, 0):
        assert at.link(bool(status), now + 1.0) == []
    assert at.ev.handle(LinkReported(False), now + 2.0) == []
    assert at.ev.handle(LinkReported(True), now + 3.0) == []
    assert at.ev.state is LinkState.MATCHED
    assert at.ev.deadline is None


def test_while_asleep_a_station_does_not_mind_what_the_modem_says() -> None:
    at, now = linked_evse()
    at.evse.handle(DLinkPause(), now)
    for up in (False, False, False, True, False):
        assert at.link(up, now + 1.0) == []
    assert at.evse.handle(LinkReported(False), now + 2.0) == []
    assert at.evse.state is LinkState.MATCHED
    assert at.evse.deadline is None


def test_a_link_before_there_is_anybody_to_be_linked_with_means_nothing() -> None:
    at = AtEv()
    assert at.link(True, 0.1) == []
    assert at.ev.handle(LinkReported(True), 0.1) == []
    assert at.ev.state is LinkState.MATCHING
    assert at.ev.handle(WakeUp(), 0.2) == []


@pytest.mark.parametrize("unplugged_at", [0.61, 0.8, 0.99])
def test_unplugged_between_two_processes_nothing_more_is_sent(unplugged_at: float) -> None:
    at = AtEv()
    run_to(at.ev, unplugged_at)  # the first process failed at 0.6 s; the next one would begin at 1.0 s
    at.ev.handle(SignalChanged(SignalState.A), unplugged_at)
    assert named(run_to(at.ev, 30.0), "SlacParmReq") == []
    assert at.ev.state is LinkState.UNMATCHED


def test_a_refused_key_is_given_up_after_six_offers() -> None:
    at = AtEv()
    at.up_to_results()
    at.attenuation(20, 0.5)
    run_to(at.ev, 0.6)
    now, offers = 0.65, 0
    answered = at.hear(SlacMatchCnf(CAR, EVSE, at.run, NID, NMK), now)
    notes: list[str] = []
    while now < 5.0 and not notes:
        for message in sent(answered):
            if isinstance(message, SetKeyReq) and message.nid == NID:
                offers += 1
                refusal = at.hear(SetKeyCnf(0, b"mmmm", message.my_nonce), now, MODEM)
                notes += [a.text for a in refusal if hasattr(a, "text")]
        now += 0.05
        answered = [a for _, a in run_to(at.ev, now)]
    assert offers == 6
    assert notes[0] == "the modem refuses the key"


@pytest.mark.parametrize("own_comes", ["first", "last"])
def test_in_a_crowd_of_stations_the_nearest_64_count(own_comes: str) -> None:
    at = AtEv()
    now = at.up_to_results()
    if own_comes == "first":
        at.attenuation(10, now)
    answers = [at.attenuation(40 - n // 8, now, b"\x02CRD" + n.to_bytes(2, "big")) for n in range(150)]
    assert [kinds(actions) for actions in answers[:60]] == [["AttenCharRsp"]] * 60
    assert at.attenuation(41, now, EVSE2) == [], "farther than all that count"
    if own_comes == "last":
        at.attenuation(10, now)
    # One that counts is still answered when it says it again.
    assert [type(m) for m in sent(at.attenuation(10, now))] == [AttenCharRsp]
    asked = [a.frame for _, a in run_to(at.ev, now + 1.5) if hasattr(a, "frame")]
    assert {f.destination for f in asked if isinstance(f.message, SlacMatchReq | ValidateReq)} == {EVSE}


def test_a_count_that_is_lost_is_asked_for_again_after_the_whole_window() -> None:
    at = AtEv(SlacSettings(always_validate=True, c_vald_toggles=1))
    now = at.up_to_results()
    at.attenuation(20, now)
    run_to(at.ev, now + 0.1)
    ready = now + 0.15
    (step_2,) = sent(at.hear(ValidateCnf(0, ValidateResult.READY), ready))
    assert isinstance(step_2, ValidateReq)
    window = (step_2.timer + 1) * 0.1
    again = [t for t in named(run_to(at.ev, ready + 10.0), "ValidateReq") if t < ready + 5.0]
    # After the toggles (0.6 s), the rest of the window and an answer's time; then a window and an
    # answer's time for each repetition.
    gaps = [round(b - a, 6) for a, b in zip([ready, *again], again, strict=False)]
    assert gaps[0] == pytest.approx(0.6 + 0.3 + 0.2)
    assert gaps[1] == pytest.approx(window + 0.2)


def test_a_match_from_a_station_that_was_not_asked_is_ignored_while_another_one_is() -> None:
    at = AtEv()
    now = at.up_to_results(EVSE, EVSE2)
    at.attenuation(10, now)
    at.attenuation(30, now, EVSE2)
    (asked,) = [a.frame for _, a in run_to(at.ev, now + 0.1) if hasattr(a, "frame")]
    assert asked.destination == EVSE
    assert sent(at.hear(SlacMatchCnf(CAR, EVSE2, at.run, NID, NMK), now + 0.12, EVSE2)) == []
    assert kinds(at.hear(SlacMatchCnf(CAR, EVSE, at.run, NID, NMK), now + 0.13)) == ["SetKeyReq"]


def test_e_while_joining_gives_the_network_up_and_while_matching_only_the_process() -> None:
    joining = AtEv()
    now = join(joining)
    key = next(
        m for m in sent(joining.ev.handle(SignalChanged(SignalState.E), now)) if isinstance(m, SetKeyReq)
    )
    assert key.nid != NID
    assert joining.ev.peer is None
    matching = AtEv()
    assert matching.ev.handle(SignalChanged(SignalState.E), 0.1) == []
    assert named(run_to(matching.ev, 3.0), "SlacParmReq") == []
    assert kinds(matching.ev.handle(SignalChanged(SignalState.B), 4.0)) == ["SlacParmReq"]


@pytest.mark.parametrize(("source", "destination"), [(EVSE, CAR2), (EVSE, BROADCAST), (CAR, CAR)])
def test_what_is_for_somebody_else_or_from_oneself_is_not_heard(source: bytes, destination: bytes) -> None:
    at = AtEv()
    assert at.ev.handle(frame(source, SlacParmCnf(at.run, CAR), destination), 0.05) == []
    assert named(run_to(at.ev, 0.19), "StartAttenCharInd") == []
    assert named(run_to(at.ev, 0.3), "SlacParmReq") == [0.2]


def test_the_first_station_sets_the_pace_and_not_the_second() -> None:
    at = AtEv()
    at.announce(0.05)
    at.announce(0.12, EVSE2)
    assert named(run_to(at.ev, 0.3), "StartAttenCharInd") == [0.15, 0.175, 0.2]


def test_a_validation_that_begins_in_time_is_not_cut_off_by_tt_evse_match_session() -> None:
    at = AtEvse()
    at.up_to_match()  # the session timer ends at 10.7 s
    assert kinds(at.hear(ValidateReq(0), 10.5)) == ["ValidateCnf"]
    at.hear(ValidateReq(4), 10.6)
    (count,) = [m for _, a in run_to(at.evse, 11.1) for m in sent([a])]
    assert isinstance(count, ValidateCnf)
    assert count.result is ValidateResult.SUCCESS
    assert kinds(at.match(11.2))[0] == "SlacMatchCnf"
