"""What somebody else on the power line may not bring about: false news of the modem, another amplitude map, a
lock-out, a wrong choice."""

from __future__ import annotations

import pytest

from iso15118.errors import ConfigError
from iso15118.link.primitives import DLinkReady, LinkNote, LinkState
from iso15118.link.slac.attenuation import Answer, Finding, choose
from iso15118.link.slac.ev import EvSlac
from iso15118.link.slac.evse import EvseSlac
from iso15118.link.slac.messages import (
    AmpMapReq,
    AttenCharInd,
    AttenCharRsp,
    AttenProfileInd,
    LumissilLinkStatusCnf,
    Message,
    MnbcSoundInd,
    QualcommLinkStatusCnf,
    SetKeyCnf,
    SlacMatchCnf,
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

from .rig import CAR, CAR2, EVSE, EVSE2, MODEM, RUN, AtEv, AtEvse, frame, kinds, run_to, sent
from .test_edges import linked_ev, linked_evse
from .test_ev_timers import NID, NMK, join

STRANGER = b"\x02STRNG"


def notes(actions: list[Action]) -> list[str]:
    return [action.text for action in actions if isinstance(action, LinkNote)]


def linked(role: str) -> tuple[EvseSlac | EvSlac, float, bytes]:
    """A machine with its link up, the time, and its host's address."""
    if role == "station":
        station, now = linked_evse()
        return station.evse, now, EVSE
    vehicle, now = linked_ev()
    return vehicle.ev, now, CAR


# -- only the own modem is believed


def test_profiles_of_a_stranger_make_no_attenuation() -> None:
    at = AtEvse()
    at.up_to_sounds()
    for _ in range(20):
        at.hear(AttenProfileInd(CAR, bytes(58)), 0.2, STRANGER)
    assert not any("AttenCharInd" in kinds([a]) for _, a in run_to(at.evse, 5.0))


@pytest.mark.parametrize("role", ["station", "vehicle"])
def test_no_link_said_by_a_stranger_is_no_loss(role: str) -> None:
    machine, now, host = linked(role)
    for n in range(40):
        now += 0.5
        machine.handle_timeout(now)
        for status in (QualcommLinkStatusCnf(0), LumissilLinkStatusCnf(0)):
            out = machine.handle(frame(STRANGER, status, host), now)
            assert DLinkReady(False) not in out, n
        machine.handle(frame(MODEM, QualcommLinkStatusCnf(1), host), now)
    assert machine.state is LinkState.MATCHED


@pytest.mark.parametrize("role", ["station", "vehicle"])
def test_a_status_that_was_not_asked_for_means_nothing_even_from_the_own_modem(role: str) -> None:
    machine, now, host = linked(role)
    for n in range(10):
        assert machine.handle(frame(MODEM, QualcommLinkStatusCnf(0), host), now + n * 0.01) == []
    assert machine.state is LinkState.MATCHED


def test_a_link_that_a_stranger_promises_does_not_come_up() -> None:
    at = AtEv()
    now = join(at) + 0.1
    at.ev.handle_timeout(now)
    assert at.hear(QualcommLinkStatusCnf(1), now, STRANGER) != [DLinkReady(True)]
    assert at.ev.state is LinkState.MATCHING
    assert DLinkReady(True) in at.hear(QualcommLinkStatusCnf(1), now, MODEM)


def test_a_configured_address_is_the_only_one() -> None:
    settings = SlacSettings(modem_address=b"\x06OTHER")
    at = AtEvse(settings)  # the rig's modem confirms the key as MODEM
    at.hear(SlacParmReq(RUN), 0.0)
    at.hear(StartAttenCharInd(RUN, CAR), 0.1)
    at.hear(AttenProfileInd(CAR, bytes(58)), 0.2, MODEM)
    assert not any("AttenCharInd" in kinds([a]) for _, a in run_to(at.evse, 5.0))
    with pytest.raises(ConfigError, match=r"slac\.modem_address"):
        SlacSettings(modem_address=b"\x06")


def test_who_is_not_the_modem_is_said_once() -> None:
    at, now = linked_evse()
    said = [n for k in range(5) for n in notes(at.hear(QualcommLinkStatusCnf(0), now + k, STRANGER))]
    assert len(said) == 1
    assert "02:53:54:52:4e:47" in said[0]
    assert "which is not our modem 02:4d:4f:44:45:4d" in said[0]


def test_a_confirmation_without_our_nonce_teaches_no_address() -> None:
    at = AtEvse()
    at.hear(SetKeyCnf(1, b"mmmm", b"else"), 0.0, STRANGER)
    assert kinds(at.up_to_atten_char()) == ["AttenCharInd"], "the own modem is believed still"


# -- amplitude


@pytest.mark.parametrize(("source", "applied"), [(CAR, False), (STRANGER, False)])
def test_an_amplitude_map_is_not_handed_to_the_own_modem(source: bytes, applied: bool) -> None:
    at, now = linked_evse()
    out = at.hear(AmpMapReq(58, b"\xff" * 29), now, source)
    assert ("AmpMapReq" in kinds(out)) is applied


def test_where_it_is_wanted_one_map_of_the_peer_is_applied_and_no_other() -> None:
    at, now = linked_evse(SlacSettings(apply_amplitude_map=True))
    assert kinds(at.hear(AmpMapReq(58, b"\x33" * 29), now, STRANGER)) == []
    assert kinds(at.hear(AmpMapReq(58, b"\x33" * 29), now)) == ["AmpMapCnf", "AmpMapReq"]
    assert kinds(at.hear(AmpMapReq(58, b"\xff" * 29), now + 1.0)) == ["AmpMapCnf"]


# -- nobody is locked out


def flood(at: AtEvse, now: float, count: int) -> None:
    for n in range(count):
        at.hear(SlacParmReq(b"stranger"), now, STRANGER[:4] + n.to_bytes(2, "big"))


@pytest.mark.parametrize("count", [5, 32, 200])
def test_requests_without_sounds_take_no_place(count: int) -> None:
    at = AtEvse()
    flood(at, 0.0, count)
    at.up_to_match(0.05)
    flood(at, 0.3, count)
    assert "SlacMatchCnf" in kinds(at.match(0.5))


def test_one_vehicle_has_two_processes_at_most() -> None:
    at = AtEvse()
    for n in range(100):
        at.hear(SlacParmReq(b"%08d" % n), 0.0, STRANGER)
    assert len(at.evse._runs) == 2


def test_the_vehicle_that_is_heard_weakest_gives_way() -> None:
    at = AtEvse(SlacSettings(c_evse_match_parallel=5))
    for n in range(5):
        source = STRANGER[:5] + bytes([n])
        at.up_to_sounds(0.0, RUN, source)
        for _ in range(10):
            at.hear(AttenProfileInd(source, bytes([25 + n] * 58)), 0.2, MODEM)
        at.hear(AttenCharRsp(source, RUN), 0.25, source)
    at.up_to_match(1.0)
    assert [run.ev_mac for run in at.evse._runs] == [*(STRANGER[:5] + bytes([n]) for n in range(4)), CAR]
    assert "SlacMatchCnf" in kinds(at.match(1.5))


@pytest.mark.parametrize("moment", range(5))
def test_a_repeated_request_of_its_run_does_not_restart_a_match_under_way(moment: int) -> None:
    at = AtEvse()
    steps: list[tuple[float, Message]] = [
        (0.0, SlacParmReq(RUN)),
        (0.1, StartAttenCharInd(RUN, CAR)),
        *((0.2, AttenProfileInd(CAR, bytes(58))) for _ in range(10)),
        (0.25, AttenCharRsp(CAR, RUN)),
        ((0.15, 0.19, 0.22, 0.27, 0.4)[moment], SlacParmReq(RUN)),
    ]
    for now, message in sorted(steps, key=lambda step: step[0]):
        at.hear(message, now, MODEM if isinstance(message, AttenProfileInd) else CAR)
    run_to(at.evse, 0.9)
    assert "SlacMatchCnf" in kinds(at.match(0.9))


def test_a_stranger_who_joins_gives_way_to_the_nearer_vehicle_and_takes_no_key_along() -> None:
    at = AtEvse()
    at.up_to_sounds(0.0, b"stranger", STRANGER)
    for _ in range(10):
        at.hear(AttenProfileInd(STRANGER, bytes([30] * 58)), 0.2, MODEM)
    at.hear(AttenCharRsp(STRANGER, b"stranger"), 0.25, STRANGER)
    theirs = sent(at.match(0.3, b"stranger", STRANGER))[0]
    assert isinstance(theirs, SlacMatchCnf)
    at.up_to_match(0.4)
    first = at.match(0.8)
    assert "SlacMatchCnf" not in kinds(first)
    assert any("is nearer than" in note for note in notes(first))
    at.confirm_key(first, 0.81)
    ours = sent(at.match(1.0))[0]
    assert isinstance(ours, SlacMatchCnf)
    assert ours.nmk != theirs.nmk
    assert at.evse.peer == CAR


def test_a_nearer_vehicle_that_took_over_and_fell_silent_is_not_waited_for_without_end() -> None:
    at = AtEvse()
    at.up_to_sounds(0.0, b"stranger", STRANGER)
    for _ in range(10):
        at.hear(AttenProfileInd(STRANGER, bytes([30] * 58)), 0.2, MODEM)
    at.hear(AttenCharRsp(STRANGER, b"stranger"), 0.25, STRANGER)
    at.match(0.3, b"stranger", STRANGER)
    at.up_to_match(0.4)
    at.confirm_key(at.match(0.8), 0.81)
    shown = [t for t, a in run_to(at.evse, 300.0) if "STATE_F" in repr(a)]
    assert shown, "it is woken up like any other"


def test_a_nearer_vehicle_takes_the_validation_over_and_a_farther_one_waits() -> None:
    at = AtEvse()
    at.up_to_sounds(0.0, b"stranger", STRANGER)
    for _ in range(10):
        at.hear(AttenProfileInd(STRANGER, bytes([30] * 58)), 0.2, MODEM)
    at.hear(AttenCharRsp(STRANGER, b"stranger"), 0.25, STRANGER)
    at.up_to_match(0.3)
    assert sent(at.hear(ValidateReq(0), 0.6, STRANGER)) == [ValidateCnf(0, ValidateResult.READY)]
    assert sent(at.hear(ValidateReq(0), 0.7)) == [ValidateCnf(0, ValidateResult.READY)]
    assert sent(at.hear(ValidateReq(0), 0.8, STRANGER)) == [ValidateCnf(0, ValidateResult.NOT_READY)]
    assert at.match(0.9, b"stranger", STRANGER) == [], "ours is about to be matched"


def test_a_stranger_who_asks_does_not_keep_a_sleeping_vehicle_from_being_woken_up() -> None:
    at = AtEvse()
    now, pilots = 0.0, []
    while now < 60.0:
        now += 0.3
        at.hear(SlacParmReq(b"stranger"), now, STRANGER)
        pilots += [(t, a) for t, a in run_to(at.evse, now) if "STATE_F" in repr(a)]
    assert 50.0 <= pilots[0][0] <= 51.0


def test_a_stranger_who_sounds_delays_the_wake_up_but_not_without_end() -> None:
    at = AtEvse()
    now, woken = 0.0, []
    while now < 120.0:
        now += 0.5
        if round(now * 2) % 4 == 0:
            at.up_to_sounds(now, b"%08d" % round(now), STRANGER)
            at.hear(AttenProfileInd(STRANGER, bytes([30] * 58)), now + 0.2, MODEM)
        woken += [t for t, a in run_to(at.evse, now + 0.4) if "STATE_F" in repr(a)]
    assert woken
    assert 50.0 <= woken[0] <= 2 * 50.0 + 12.0


# -- the choice among stations


def choice(*decibels: float, silent: int = 0, **settings: bool) -> tuple[Finding, list[float], list[float]]:
    answers = [Answer(bytes([index] * 6), value) for index, value in enumerate(decibels)]
    made = choose(answers, SlacSettings(**settings), silent=silent)  # type: ignore[arg-type]
    return made.finding, [a.attenuation for a in made.candidates], [a.attenuation for a in made.fallbacks]


def test_a_doubtful_choice_has_the_best_within_the_direct_limit_to_fall_back_to() -> None:
    doubt = Finding.POTENTIALLY_FOUND
    assert choice(20.0, 22.0, 50.0) == (doubt, [20.0, 22.0], [20.0, 22.0])
    assert choice(20.0, silent=1) == (doubt, [20.0], [20.0])
    assert choice(20.0, silent=1, strict_choice=True) == (doubt, [20.0], [])
    assert choice(20.0, 22.0, strict_choice=True) == (doubt, [20.0, 22.0], [])
    assert choice(20.0, always_validate=True) == (doubt, [20.0], [])
    assert choice(50.0) == (doubt, [50.0], []), "above the direct limit validation has to decide"


def asked(at: AtEv, until: float) -> list[tuple[float, bytes]]:
    return [
        (round(t, 3), a.frame.destination)
        for t, a in run_to(at.ev, until)
        if hasattr(a, "frame") and isinstance(a.frame.message, SlacMatchReq)
    ]


@pytest.mark.parametrize("neighbour", ["silent", "near"])
@pytest.mark.parametrize("answer", [None, ValidateResult.FAILURE, ValidateResult.NOT_REQUIRED])
@pytest.mark.parametrize("strict", [False, True])
def test_with_a_silent_or_near_neighbour_and_stations_without_validation_the_best_is_taken(
    neighbour: str, answer: ValidateResult | None, strict: bool
) -> None:
    at = AtEv(SlacSettings(strict_choice=strict))
    now = at.up_to_results(EVSE, EVSE2)
    at.attenuation(15, now)
    if neighbour == "near":
        at.attenuation(17, now, EVSE2)
    at.announce(0.06, EVSE2)
    matches: list[bytes] = []
    while now < 3.0 and not matches:
        now += 0.01
        done = run_to(at.ev, now)
        matches = [a.frame.destination for _, a in done if hasattr(a, "frame") and "MatchReq" in repr(a)]
        for _, a in done:
            if hasattr(a, "frame") and isinstance(a.frame.message, ValidateReq) and answer is not None:
                out = at.hear(ValidateCnf(0, answer), now, a.frame.destination)
                matches += [b.frame.destination for b in out if hasattr(b, "frame") and "MatchReq" in repr(b)]
    willing = answer is ValidateResult.NOT_REQUIRED
    assert matches == ([EVSE] if willing or not strict else [])


def test_a_station_that_counted_other_toggles_is_not_fallen_back_to() -> None:
    at = AtEv(SlacSettings(c_vald_toggles=1))
    now = at.up_to_results(EVSE, EVSE2)
    at.attenuation(15, now)
    at.attenuation(16, now, EVSE2)
    run_to(at.ev, now + 0.1)
    at.hear(ValidateCnf(0, ValidateResult.READY), now + 0.15)
    run_to(at.ev, now + 0.8)
    at.hear(ValidateCnf(0, ValidateResult.SUCCESS), now + 1.1)  # it saw none
    out = at.hear(ValidateCnf(0, ValidateResult.FAILURE), now + 1.2, EVSE2)
    assert [a.frame.destination for a in out if hasattr(a, "frame")] == [EVSE2]


def test_not_required_does_not_pass_where_everything_is_to_be_validated() -> None:
    at = AtEv(SlacSettings(always_validate=True))
    now = at.up_to_results()
    at.attenuation(15, now)
    run_to(at.ev, now + 0.1)
    out = at.hear(ValidateCnf(0, ValidateResult.NOT_REQUIRED), now + 0.15)
    assert "SlacMatchReq" not in kinds(out)
    assert any("none is required" in note for note in notes(out))


# -- names


def test_a_match_request_that_names_the_modem_is_said_at_once_and_at_the_end() -> None:
    """Some vehicles put their modem's address where their own belongs."""
    at = AtEvse()
    at.up_to_match()
    said = []
    for now in (0.5, 0.7, 0.9):
        out = at.hear(SlacMatchReq(MODEM, EVSE, RUN), now)
        assert sent(out) == []
        said += notes(out)
    named = "CM_SLAC_MATCH.REQ of 02:43:41:52:5f:31 names 02:4d:4f:44:45:4d as the vehicle instead of 02:43:41:52:5f:31"
    assert said == [f"ignored: {named}"]
    (end,) = [a.text for _, a in run_to(at.evse, 12.0) if isinstance(a, LinkNote)]
    assert "while waiting for CM_VALIDATE.REQ or CM_SLAC_MATCH.REQ" in end
    assert end.endswith(f"ignored: {named} (3 times)")


def test_an_answer_with_a_wrong_source_address_is_said_at_once_and_at_the_end() -> None:
    at = AtEvse()
    at.up_to_atten_char()
    named = "CM_ATTEN_CHAR.RSP of 02:43:41:52:5f:31 names 02:4d:4f:44:45:4d as the vehicle"
    assert any(named in note for note in notes(at.hear(AttenCharRsp(MODEM, RUN), 0.25)))
    assert any(named in a.text for _, a in run_to(at.evse, 5.0) if isinstance(a, LinkNote))


def test_a_vehicle_says_whom_a_station_named() -> None:
    at = AtEv()
    now = at.up_to_results()
    named = "CM_ATTEN_CHAR.IND of 02:45:56:53:45:31 names 02:43:41:52:5f:32 as the vehicle instead of"
    out = at.hear(AttenCharInd(CAR2, at.run, 10, bytes(58)), now)
    assert any(named in note for note in notes(out))
    end = [a.text for _, a in run_to(at.ev, now + 2.0) if isinstance(a, LinkNote)]
    assert any("matching failed" in text and named in text for text in end)
    other = AtEv()
    now = other.up_to_results()
    other.attenuation(20, now)
    run_to(other.ev, now + 0.1)
    out = other.hear(SlacMatchCnf(CAR, EVSE2, other.run, NID, NMK), now + 0.15)
    assert any("names 02:45:56:53:45:32 as the station instead of 02:45:56:53:45:31" in n for n in notes(out))


def test_a_flood_of_wrong_names_is_no_flood_of_notes() -> None:
    at = AtEvse()
    at.up_to_match()
    said = []
    for n in range(1000):
        said += notes(at.hear(SlacMatchReq(b"\x02" + n.to_bytes(5, "big"), EVSE, RUN), 0.5))
    assert len(said) == 8


# -- a vehicle that lost its state


def rematched(
    at: AtEvse, now: float, *, decibels: int = 20, source: bytes = CAR, run: bytes = b"new-run!"
) -> bool:
    at.hear(SlacParmReq(run), now, source)
    at.hear(StartAttenCharInd(run, source), now + 0.1, source)
    for _ in range(10):
        at.hear(AttenProfileInd(source, bytes([decibels] * 58)), now + 0.2, MODEM)
    at.hear(AttenCharRsp(source, run), now + 0.25, source)
    first = at.hear(SlacMatchReq(source, EVSE, run), now + 0.3, source)
    at.confirm_key(first, now + 0.31)
    return "SlacMatchCnf" in kinds(first) + kinds(at.hear(SlacMatchReq(source, EVSE, run), now + 0.5, source))


def test_a_matched_vehicle_that_begins_anew_is_served_with_another_key() -> None:
    at, now = linked_evse()
    assert rematched(at, now)
    assert DLinkReady(True) in at.link(True, now + 1.0)
    assert at.evse.state is LinkState.MATCHED


def test_the_same_run_identifier_does_as_well() -> None:
    at, now = linked_evse()
    assert rematched(at, now, run=RUN)


def test_nobody_else_is_served_while_the_link_is_up() -> None:
    at, now = linked_evse()
    assert not rematched(at, now, source=STRANGER)
    assert not rematched(at, now + 1.0, decibels=30), "on the same cable it would be heard as before"
    at.evse.handle(SignalChanged(SignalState.C), now + 2.0)
    assert not rematched(at, now + 2.0), "energy may flow"
    assert at.evse.state is LinkState.MATCHED


def test_in_state_c_the_modem_is_asked_at_once_and_a_link_that_is_gone_is_seen_soon() -> None:
    at, now = linked_evse()
    at.evse.handle(SignalChanged(SignalState.C), now)
    for n in range(2):
        at.hear(SlacParmReq(b"new-run!"), now + 0.2 * n)
        at.link(False, now + 0.2 * n + 0.01)
    assert at.evse.state is LinkState.MATCHING
    assert kinds(at.hear(SlacParmReq(b"new-run!"), now + 0.5)) == ["SlacParmCnf"]


def test_beginning_anew_has_a_budget_for_each_plug_in() -> None:
    at, now = linked_evse(SlacSettings(c_rematch=2))
    served = []
    for n in range(4):
        served.append(rematched(at, now, run=b"run%05d" % n))
        at.link(True, now + 1.0)
        now += 3.0
    assert served == [True, True, False, False]


def test_sounds_alone_do_not_prove_that_a_vehicle_lost_its_state() -> None:
    at, now = linked_evse()
    at.hear(SlacParmReq(b"new-run!"), now)
    at.hear(StartAttenCharInd(b"new-run!", CAR), now + 0.1)
    at.hear(MnbcSoundInd(b"new-run!", 9, bytes(16)), now + 0.2)
    run_to(at.evse, now + 0.9)
    assert at.evse.state is LinkState.MATCHED
