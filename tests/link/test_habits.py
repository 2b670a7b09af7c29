"""Peers and modems with the habits of the field."""

from __future__ import annotations

import pytest

from iso15118.link.primitives import LinkState
from iso15118.link.slac.keys import Nmk, nid_from_nmk
from iso15118.link.slac.messages import (
    AttenProfileInd,
    SetKeyReq,
    SlacMatchCnf,
    SlacParmCnf,
    SlacParmReq,
    StartAttenCharInd,
)
from iso15118.link.slac.settings import KeyAcceptance, SlacSettings
from iso15118.simulation.modem import PlcModem, Profiles

from .rig import CAR, EVSE, MODEM, RUN, AtEv, AtEvse, Pair, kinds, run_to, sent


def with_modems(result: int, acceptance: KeyAcceptance, refuse: int = 0) -> Pair:
    settings = SlacSettings(key_acceptance=acceptance)
    return Pair(
        ev_settings=settings,
        evse_settings=settings,
        ev_modem=PlcModem(CAR, b"\x06CAR_1", key_result=result, refuse_keys=refuse),
        evse_modem=PlcModem(EVSE, b"\x06EVSE1", measures=True, key_result=result),
    )


@pytest.mark.parametrize(
    ("result", "acceptance"),
    [
        (1, KeyAcceptance.MODEM_COMPAT),
        (0, KeyAcceptance.HPGP),
        (0, KeyAcceptance.EITHER),
        (1, KeyAcceptance.EITHER),
    ],
)
def test_modems_say_1_or_0_when_they_take_a_key(result: int, acceptance: KeyAcceptance) -> None:
    assert with_modems(result, acceptance).match() < 1.0


@pytest.mark.parametrize(("result", "acceptance"), [(0, KeyAcceptance.MODEM_COMPAT), (1, KeyAcceptance.HPGP)])
def test_the_wrong_setting_is_said_in_words(result: int, acceptance: KeyAcceptance) -> None:
    pair = with_modems(result, acceptance)
    pair.plug_in()
    pair.bench.run(30.0)
    assert not pair.linked
    assert any("refuses the key" in note for note in pair.bench.notes())


def test_a_modem_that_refuses_right_after_matching_takes_the_key_later() -> None:
    pair = with_modems(1, KeyAcceptance.MODEM_COMPAT, refuse=3)
    assert 1.0 < pair.match() < 3.0


def test_a_silent_modem_ends_nothing_but_the_matching() -> None:
    pair = Pair(ev_modem=PlcModem(CAR, b"\x06CAR_1", silent=True))
    pair.plug_in()
    pair.bench.run(30.0)
    assert pair.vehicle.machine.state is LinkState.UNMATCHED
    assert pair.station.machine.state is LinkState.MATCHING


def test_home_plug_silicon_with_empty_profiles_never_makes_up_values() -> None:
    pair = Pair(evse_modem=PlcModem(EVSE, b"\x06EVSE1", measures=True, profiles=Profiles.EMPTY))
    pair.plug_in()
    pair.bench.run(30.0)
    assert "AttenCharInd" not in [kind for _, _, kind in pair.bench.frames()]
    assert any("measured no sound" in note for note in pair.bench.notes())
    assert not pair.linked


def test_profiles_of_nothing_but_zeros_match() -> None:
    pair = Pair(evse_modem=PlcModem(EVSE, b"\x06EVSE1", measures=True, profiles=Profiles.ZERO))
    assert pair.match() < 1.0


def test_a_vehicle_that_asks_for_the_match_after_1500_ms_is_answered() -> None:
    at = AtEvse()
    at.up_to_match()
    run_to(at.evse, 1.75)
    assert "SlacMatchCnf" in kinds(at.match(1.75))


def test_a_network_identifier_that_is_not_derived_from_the_key_is_used_as_it_is() -> None:
    at = AtEv()
    now = at.up_to_results()
    at.attenuation(20, now)
    run_to(at.ev, now + 0.1)
    nmk, nid = Nmk(b"0123456789abcdef"), bytes.fromhex("01020304050607")
    assert nid != nid_from_nmk(nmk)
    key = sent(at.hear(SlacMatchCnf(CAR, EVSE, at.run, nid, nmk), now + 0.1))
    assert [(m.nid, m.new_key) for m in key if isinstance(m, SetKeyReq)] == [(nid, nmk)]


@pytest.mark.parametrize("run_id", [CAR + b"\0\0", b"TESLA EV", bytes(8)], ids=["mac", "ascii", "zeros"])
def test_run_identifiers_that_are_never_changed(run_id: bytes) -> None:
    at = AtEvse()
    for start in (0.0, 3.0):
        at.up_to_match(start, run_id)
        assert "SlacMatchCnf" in kinds(at.match(start + 0.5, run_id))


def test_a_time_out_of_1_s_and_nine_sounds_are_accepted() -> None:
    at = AtEvse()
    at.hear(SlacParmReq(RUN), 0.0)
    at.hear(StartAttenCharInd(RUN, CAR, num_sounds=9, time_out=10), 0.1)
    answer = []
    for _ in range(9):
        answer = at.hear(AttenProfileInd(CAR, bytes([20] * 58)), 0.3, MODEM)
    assert kinds(answer) == ["AttenCharInd"]


def test_an_old_station_with_resp_type_0_and_eight_sounds_is_accepted() -> None:
    at = AtEv()
    at.hear(SlacParmCnf(at.run, bytes(6), num_sounds=8, time_out=10, resp_type=0), 0.05)
    done = [kind for _, a in run_to(at.ev, 0.5) for kind in kinds([a])]
    assert done.count("MnbcSoundInd") == 10


def test_a_vehicle_that_answers_after_40_seconds_is_served() -> None:
    at = AtEvse()
    at.hear(SlacParmReq(RUN), 0.0)
    run_to(at.evse, 41.0)
    assert kinds(at.hear(SlacParmReq(b"41s-late"), 41.0)) == ["SlacParmCnf"]
