"""A vehicle and a station in virtual time, from plug-in to unplug: the link, its end in every state,
pause, errors, and new keys."""

from __future__ import annotations

import pytest

from iso15118.link.primitives import (
    DataLink,
    DLinkError,
    DLinkPause,
    DLinkReady,
    DLinkTerminate,
    LinkNote,
    LinkReported,
    LinkState,
    Pilot,
    SetPilot,
    ShowState,
    WakeUp,
)
from iso15118.link.slac.events import SendFrame
from iso15118.link.slac.keys import Nmk
from iso15118.link.slac.messages import SetKeyReq, SlacMatchCnf
from iso15118.link.slac.settings import LinkDetection, ModemMaker, SlacSettings
from iso15118.session.events import SignalState
from iso15118.simulation.modem import PlcModem, PowerLine

from .rig import CAR, EVSE, Pair


def keys(pair: Pair) -> list[Nmk]:
    """Every key that was set on a modem, in order."""
    return [
        action.frame.message.new_key
        for _, _, action in pair.bench.journal
        if isinstance(action, SendFrame) and isinstance(action.frame.message, SetKeyReq)
    ]


def ready_news(pair: Pair, name: str) -> list[bool]:
    return [a.link for _, who, a in pair.bench.journal if who == name and isinstance(a, DLinkReady)]


def test_both_machines_are_data_links() -> None:
    pair = Pair()
    assert isinstance(pair.station.machine, DataLink)
    assert isinstance(pair.vehicle.machine, DataLink)


def test_plug_in_to_ready_on_both_sides_takes_less_than_a_second() -> None:
    pair = Pair()
    seconds = pair.match()
    assert seconds < 1.0
    assert pair.station.machine.state is pair.vehicle.machine.state is LinkState.MATCHED
    assert pair.bench.line.linked(pair.vehicle.modem, pair.bench.now) == [pair.station.modem]  # type: ignore[arg-type]
    kinds = [kind for _, _, kind in pair.bench.frames()]
    assert kinds.count("StartAttenCharInd") == 3
    assert kinds.count("MnbcSoundInd") == 10
    for once in (
        "SlacParmReq",
        "SlacParmCnf",
        "AttenCharInd",
        "AttenCharRsp",
        "SlacMatchReq",
        "SlacMatchCnf",
    ):
        assert kinds.count(once) == 1, once


@pytest.mark.parametrize("attenuation_db", [0.0, 8.0, 15.0, 25.0, 37.0])
def test_every_attenuation_of_the_field_matches_within_a_second(attenuation_db: float) -> None:
    pair = Pair(PowerLine(noise_db=3.0))
    pair.plug_in(attenuation_db)
    assert pair.bench.run(1.0, lambda: pair.linked)


def test_a_sequence_of_events_is_the_same_for_the_same_seed() -> None:
    one, other = Pair(PowerLine(seed=4, loss=0.1)), Pair(PowerLine(seed=4, loss=0.1))
    for pair in (one, other):
        pair.match()
    assert one.bench.journal == other.bench.journal


def test_data_pass_only_while_the_link_is_up() -> None:
    pair = Pair()
    line, bench = pair.bench.line, pair.bench
    ip = EVSE + CAR + b"\x86\xdd" + b"payload"
    pair.plug_in()
    assert pair.vehicle.modem is not None
    line.send(pair.vehicle.modem, ip, bench.now)
    bench.now += 0.01
    assert all(data != ip for _, data in line.arrivals(bench.now))
    assert bench.run(5.0, lambda: pair.linked)
    line.send(pair.vehicle.modem, ip, bench.now)
    arrived = line.arrivals(bench.now + 0.01)
    assert (pair.station.modem, ip) in arrived
    bench.unplug(pair.vehicle, pair.station)
    line.send(pair.vehicle.modem, ip, bench.now)
    assert all(data != ip for _, data in line.arrivals(bench.now + 0.01))


def test_every_session_has_a_key_of_its_own_and_leaves_it_behind() -> None:
    pair = Pair()
    for _ in range(3):
        pair.match()
        pair.bench.unplug(pair.vehicle, pair.station)
        pair.bench.run(1.0)
        assert pair.station.machine.state is pair.vehicle.machine.state is LinkState.UNMATCHED
        assert pair.station.modem is not None
        assert pair.vehicle.modem is not None
        assert pair.station.modem.network != pair.vehicle.modem.network
    handed_out = [
        a.frame.message.nmk
        for _, _, a in pair.bench.journal
        if isinstance(a, SendFrame) and isinstance(a.frame.message, SlacMatchCnf)
    ]
    assert len(handed_out) == len(set(handed_out)) == 3
    set_keys = keys(pair)
    # One before the first session; then each key twice (station, vehicle), and a new
    # one for each side afterwards.
    assert len(set(set_keys)) == 1 + 3 * 2
    assert ready_news(pair, "EVSE1") == ready_news(pair, "CAR_1") == [True, False] * 3


@pytest.mark.parametrize("step_ms", range(0, 700, 20))
def test_unplugged_at_any_moment_both_sides_are_free_and_match_again_at_once(step_ms: int) -> None:
    pair = Pair()
    pair.plug_in()
    pair.bench.run(step_ms / 1000)
    pair.bench.unplug(pair.vehicle, pair.station)
    pair.bench.run(0.5)
    assert pair.station.machine.state is pair.vehicle.machine.state is LinkState.UNMATCHED
    assert not pair.station.ready
    assert not pair.vehicle.ready
    assert pair.station.plug is not None
    assert pair.station.plug.pilot is Pilot.STEADY
    assert pair.match() < 1.0


def test_terminate_leaves_the_network_within_a_second_and_stays_away() -> None:
    pair = Pair()
    pair.match()
    for end in (pair.vehicle, pair.station):
        pair.bench.tell(end, DLinkTerminate())
    assert not pair.vehicle.ready
    assert not pair.station.ready
    pair.bench.run(1.0)
    assert pair.bench.line.linked(pair.vehicle.modem, pair.bench.now) == []  # type: ignore[arg-type]
    pair.bench.run(60.0)
    assert pair.station.machine.state is pair.vehicle.machine.state is LinkState.UNMATCHED
    pair.bench.unplug(pair.vehicle, pair.station)
    assert pair.match() < 1.0


def test_after_an_error_the_station_shows_f_and_both_match_again() -> None:
    pair = Pair()
    pair.match()
    begun = pair.bench.now
    for end in (pair.vehicle, pair.station):
        pair.bench.tell(end, DLinkError())
    assert not pair.vehicle.ready
    assert pair.bench.run(10.0, lambda: pair.linked)
    assert 7.0 < pair.bench.now - begun < 8.0  # 3 s steady, 4 s of state F, matching
    pilots = [a.pilot for t, _, a in pair.bench.journal if isinstance(a, SetPilot) and t >= begun]
    assert pilots == [Pilot.STEADY, Pilot.STATE_F, Pilot.FIVE_PERCENT]


def test_pause_and_wake_by_the_vehicle() -> None:
    pair = Pair()
    pair.match()
    bench = pair.bench
    for end in (pair.vehicle, pair.station):
        bench.tell(end, DLinkPause())
    bench.line.jammed = True  # the modems sleep: no link, and nobody minds
    bench.run(600.0)
    assert pair.station.machine.state is pair.vehicle.machine.state is LinkState.MATCHED
    bench.line.jammed = False
    woken = bench.now
    set_before = len(keys(pair))
    bench.tell(pair.vehicle, WakeUp())
    pair.vehicle.ready = pair.station.ready = False
    assert bench.run(6.0, lambda: pair.linked)
    bench.run(1.0)
    shown = [
        (round(t - woken, 3), a.state) for t, _, a in bench.journal if isinstance(a, ShowState) and t >= woken
    ]
    assert shown == [(0.0, SignalState.C), (0.3, SignalState.B)]
    assert len(keys(pair)) == set_before  # the same network, no new matching
    assert pair.station.plug is not None
    assert pair.station.plug.signal is SignalState.B


def test_pause_and_wake_by_the_station() -> None:
    pair = Pair()
    pair.match()
    for end in (pair.vehicle, pair.station):
        pair.bench.tell(end, DLinkPause())
    pair.bench.run(60.0)
    pair.vehicle.ready = pair.station.ready = False
    pair.bench.tell(pair.station, WakeUp())
    assert pair.bench.run(6.0, lambda: pair.linked)
    assert {a.state for _, _, a in pair.bench.journal if isinstance(a, ShowState)} == {SignalState.B}


def test_a_link_that_does_not_come_back_after_a_pause_is_matched_again() -> None:
    pair = Pair()
    pair.match()
    for end in (pair.vehicle, pair.station):
        pair.bench.tell(end, DLinkPause())
    pair.bench.run(10.0)
    assert pair.vehicle.modem is not None
    pair.vehicle.modem.network = None  # its modem forgot the key while it slept
    pair.vehicle.ready = pair.station.ready = False
    pair.bench.tell(pair.station, WakeUp())
    assert pair.bench.run(10.0, lambda: pair.linked), pair.bench.notes()
    assert any("did not come back" in note for note in pair.bench.notes())


def test_a_lost_link_is_noticed_told_and_matched_again() -> None:
    pair = Pair()
    pair.match()
    pair.bench.line.jammed = True
    assert pair.bench.run(5.0, lambda: not pair.vehicle.ready and not pair.station.ready)
    pair.bench.line.jammed = False
    assert pair.bench.run(15.0, lambda: pair.linked)  # T_conn_resetup


def test_jamming_for_a_minute_is_survived() -> None:
    pair = Pair()
    pair.match()
    pair.bench.line.jammed = True
    pair.bench.run(60.0)
    assert not pair.vehicle.ready
    pair.bench.line.jammed = False
    # The vehicle has given up by now; the station's wake-up with state F brings it back.
    assert pair.bench.run(120.0, lambda: pair.linked), pair.bench.notes()


def test_the_driver_may_report_the_link_instead_of_the_modem() -> None:
    reported = SlacSettings(link_detection=LinkDetection.REPORTED, modem_maker=ModemMaker.NONE)
    pair = Pair(ev_settings=reported, evse_settings=reported)
    pair.plug_in()
    pair.bench.run(5.0)
    assert not pair.linked
    for end in (pair.vehicle, pair.station):
        pair.bench.tell(end, LinkReported(True))
    assert ready_news(pair, "CAR_1") == [True]
    pair.bench.tell(pair.station, LinkReported(False))
    assert ready_news(pair, "EVSE1") == [True, False]
    assert not any("LinkStatus" in kind for _, _, kind in pair.bench.frames())


def test_where_nobody_can_tell_the_link_is_assumed() -> None:
    assumed = SlacSettings(link_detection=LinkDetection.ASSUMED, modem_maker=ModemMaker.NONE)
    pair = Pair(ev_settings=assumed, evse_settings=assumed)
    assert 3.0 < pair.match() < 4.0


def test_lumissil_modems() -> None:
    lumissil = SlacSettings(modem_maker=ModemMaker.LUMISSIL, reset_modem=True)
    pair = Pair(ev_settings=lumissil, evse_settings=lumissil)
    assert pair.match() < 1.0
    assert pair.station.modem is not None
    assert pair.station.modem.resets == 1
    assert {kind for _, _, kind in pair.bench.frames() if "Lumissil" in kind} == {
        "LumissilResetReq",
        "LumissilLinkStatusReq",
    }


def test_amplitude_maps_reach_the_other_modem() -> None:
    wanted = SlacSettings(amplitude_map=bytes([3] * 58))
    pair = Pair(ev_settings=wanted, evse_settings=SlacSettings(apply_amplitude_map=True))
    pair.match()
    pair.bench.run(1.0)
    assert pair.station.modem is not None
    assert pair.station.modem.amplitude_map is not None
    assert pair.station.modem.amplitude_map.entries == bytes([0x33] * 29)
    kinds = [kind for _, _, kind in pair.bench.frames()]
    assert kinds.count("AmpMapCnf") == 1


def test_an_amplitude_map_that_nobody_answers_is_asked_three_times_and_noted() -> None:
    pair = Pair(ev_settings=SlacSettings(amplitude_map=b"\x03"))
    pair.bench.line.interference = lambda data, sender, receiver: () if data[15:17] == b"\x1c\x60" else (0.0,)
    pair.match()
    pair.bench.run(2.0)
    times = [time for time, _, kind in pair.bench.frames("CAR_1") if kind == "AmpMapReq"]
    assert [round(time - times[0], 3) for time in times] == [0.0, 0.2, 0.4]
    assert any("amplitude map" in note for note in pair.bench.notes())
    assert pair.linked


def test_a_modem_that_boots_after_each_key_only_takes_longer() -> None:
    slow = PlcModem(EVSE, b"\x06EVSE1", measures=True, boot_s=2.0), PlcModem(CAR, b"\x06CAR_1", boot_s=5.0)
    pair = Pair(evse_modem=slow[0], ev_modem=slow[1])
    pair.bench.run(5.0)
    assert 5.0 < pair.match() < 7.0


def test_a_vehicle_that_cannot_join_tries_again_and_the_station_takes_another_key() -> None:
    pair = Pair(PowerLine(join_s=60.0))
    pair.plug_in()
    pair.bench.run(60.0)
    notes = pair.bench.notes()
    assert any("did not come up" in note for note in notes)
    assert len(set(keys(pair))) > 2
    assert not pair.linked
    pair.bench.line.join_s = 0.1
    pair.bench.unplug(pair.vehicle, pair.station)
    assert pair.match() < 2.0


def test_no_key_appears_in_anything_that_is_printed() -> None:
    pair = Pair()
    pair.match()
    text = "\n".join(map(repr, pair.bench.journal)) + "\n".join(pair.bench.notes())
    secrets = {bytes(key) for key in keys(pair)}
    assert len(secrets) == 1
    for secret in secrets:
        assert secret.hex() not in text
        assert repr(secret)[2:-1] not in text


def test_notes_say_what_was_decided() -> None:
    pair = Pair()
    pair.match()
    notes = [a.text for _, _, a in pair.bench.journal if isinstance(a, LinkNote)]
    assert any(note.startswith("EVSE_FOUND: ") for note in notes)
    assert "matched with 02:45:56:53:45:31" in notes
