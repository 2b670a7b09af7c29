"""Frames captured from real stations and vehicles: each is read and built again, and our machines follow
three captured matchings."""

from __future__ import annotations

import json
import os
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from iso15118.errors import SlacError
from iso15118.link.primitives import DutyChanged, LinkState, PowerOn
from iso15118.link.slac import messages as m
from iso15118.link.slac import parse_frame
from iso15118.link.slac.attenuation import mean
from iso15118.link.slac.ev import EvSlac
from iso15118.link.slac.events import FrameReceived
from iso15118.link.slac.evse import EvseSlac
from iso15118.link.slac.frames import Frame
from iso15118.link.slac.keys import Draw
from iso15118.link.slac.settings import SlacSettings
from iso15118.session.actions import Action
from iso15118.session.events import SignalChanged, SignalState

from .rig import MODEM, frame, kinds, run_to, sent

FOLDER = Path(os.environ.get("ISO15118_REFERENCE", Path(__file__).parents[3] / "shared" / "reference"))
VECTORS = FOLDER / "vectors" / "slac.jsonl"

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(not VECTORS.exists(), reason=f"no reference vectors at {VECTORS}"),
]


@cache
def records() -> list[dict[str, Any]]:
    with VECTORS.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def test_every_record_is_read_or_refused_as_marked() -> None:
    assert len(records()) > 500
    wrong = []
    for record in records():
        data = bytes.fromhex(record["hex"])
        try:
            read = parse_frame(data)
        except SlacError:
            if record["expect"] != "reject":
                wrong.append(record["id"])
            continue
        same = read.to_bytes() == data and read.mmtype == int(record["mmtype"], 16)
        if record["expect"] != "accept" or not same:
            wrong.append(record["id"])
    assert wrong == []


OUR_NAMES = {
    "time_out_100ms": "time_out",
    "nmk": "nmk",
    "cco_capability": "cco_capability",
    "am_len": "carriers",
    "am_data": "entries",
}


def test_the_fields_are_those_that_others_read() -> None:
    compared = 0
    for record in records():
        if record["expect"] != "accept":
            continue
        message = parse_frame(bytes.fromhex(record["hex"])).message
        for name, value in record["fields"].items():
            ours = getattr(message, OUR_NAMES.get(name, name), None)
            if ours is None:
                continue
            if isinstance(ours, bytes):
                theirs = bytes(value) if isinstance(value, list) else bytes.fromhex(value.replace(":", ""))
                assert bytes(ours) == theirs, (record["id"], name)
            else:
                assert ours == value, (record["id"], name)
            compared += 1
    assert compared > 2000


# -- the three captured matchings


class Captured:
    """One captured exchange: its frames by message type, with their times in s."""

    def __init__(self, name: str, tap: int | None = None) -> None:
        self.frames: list[tuple[float, bytes, Frame]] = []
        for record in records():
            if record.get("seq") == name and (tap is None or record.get("tap") == tap):
                data = bytes.fromhex(record["hex"])
                self.frames.append((record["t_us"] / 1e6, data, parse_frame(data)))
        assert self.frames, f"no sequence {name}"

    def of(self, kind: type[m.Message]) -> list[tuple[float, bytes, Frame]]:
        return [entry for entry in self.frames if isinstance(entry[2].message, kind)]

    def latency(self, request: type[m.Message], answer: type[m.Message]) -> float:
        return self.of(answer)[0][0] - self.of(request)[-1][0]


def fixed_run_id(run_id: bytes) -> Draw:
    """Randomness whose first 8 bytes are this run identifier."""
    first = [run_id]
    rest = random.Random(8)
    return lambda count: first.pop() if first and count == 8 else rest.randbytes(count)


def begin_as_vehicle(mac: bytes, run_id: bytes) -> tuple[EvSlac, list[Action]]:
    ev = EvSlac(mac, draw=fixed_run_id(run_id))
    ev.handle(PowerOn(), 0.0)
    ev.handle(SignalChanged(SignalState.B), 0.0)
    return ev, ev.handle(DutyChanged(5.0), 0.0)


def begin_as_station(mac: bytes, settings: SlacSettings | None = None, *, modem: bytes = MODEM) -> EvseSlac:
    evse = EvseSlac(mac, settings=settings, draw=random.Random(3).randbytes)
    for message in sent(evse.handle(PowerOn(), -1.0)):
        if isinstance(message, m.SetKeyReq):
            evse.handle(frame(modem, m.SetKeyCnf(1, b"mmmm", message.my_nonce), mac), -1.0)
    evse.handle(SignalChanged(SignalState.B), -0.5)
    return evse


ALPITRONIC = "2022-11-17_Dehner_Alpitronic_until_SdpRequest"


def test_as_the_vehicle_at_an_alpitronic_charger() -> None:
    capture = Captured(ALPITRONIC)
    request, cnf = capture.of(m.SlacParmReq)[0], capture.of(m.SlacParmCnf)[0]
    run_id = request[2].message.run_id  # type: ignore[attr-defined]
    ev, first = begin_as_vehicle(request[2].source, run_id)
    station = cnf[2].source
    assert [a.frame.to_bytes() for a in first] == [request[1]]  # type: ignore[attr-defined]

    ev.handle(FrameReceived(cnf[1]), cnf[0])
    sounding = run_to(ev, 0.5)
    names = [name for _, a in sounding for name in kinds([a])]
    assert names == ["StartAttenCharInd"] * 3 + ["MnbcSoundInd"] * 10
    heard = sounding[-1][0] + capture.latency(m.MnbcSoundInd, m.AttenCharInd)
    chosen = ev.handle(FrameReceived(capture.of(m.AttenCharInd)[0][1]), heard)
    heard += 0.1
    chosen += [a for _, a in run_to(ev, heard)]
    # The same answer, and the same station is asked: 100 ms later, where the captured vehicle took a second.
    out = [a.frame.to_bytes() for a in chosen if hasattr(a, "frame")]
    assert out[0] == capture.of(m.AttenCharRsp)[0][1]
    assert out[1] == capture.of(m.SlacMatchReq)[0][1]

    answered = heard + capture.latency(m.SlacMatchReq, m.SlacMatchCnf)
    key = sent(ev.handle(FrameReceived(capture.of(m.SlacMatchCnf)[0][1]), answered))
    captured_key = capture.of(m.SetKeyReq)[0][2].message
    assert isinstance(captured_key, m.SetKeyReq)
    assert [(k.nid, bytes(k.new_key)) for k in key if isinstance(k, m.SetKeyReq)] == [
        (captured_key.nid, bytes(captured_key.new_key))
    ]
    assert ev.peer == station
    # The captured link never came up within 12 s, and the vehicle began again; so does ours.
    nonce = next(k.my_nonce for k in key if isinstance(k, m.SetKeyReq))
    ev.handle(frame(MODEM, m.SetKeyCnf(1, b"mmmm", nonce), ev.mac), answered)
    again = run_to(ev, answered + 12.5)
    assert [round(at - answered, 3) for at, a in again if "SlacParmReq" in kinds([a])] == [12.4]


def test_as_that_charger() -> None:
    capture = Captured(ALPITRONIC)
    station = capture.of(m.SlacParmCnf)[0][2].source
    aag = capture.of(m.AttenCharInd)[0][2].message.aag  # type: ignore[attr-defined]
    evse = begin_as_station(station)
    answers: list[tuple[float, Frame]] = []
    for at, data, captured in capture.frames:
        for time, action in [*run_to(evse, at), *((at, a) for a in evse.handle(FrameReceived(data), at))]:
            if hasattr(action, "frame") and captured.source != station:
                answers.append((time, action.frame))
        if isinstance(captured.message, m.MnbcSoundInd):  # what its modem must have reported
            profile = frame(MODEM, m.AttenProfileInd(captured.source, aag), station)
            answers += [(at, a.frame) for a in evse.handle(profile, at) if hasattr(a, "frame")]
    slac = [(at, f) for at, f in answers if not isinstance(f.message, m.QualcommLinkStatusReq | m.SetKeyReq)]
    assert [type(f.message) for _, f in slac] == [
        m.SlacParmCnf,
        m.AttenCharInd,
        m.SlacMatchCnf,
        m.SlacParmCnf,
    ]
    assert slac[0][1].to_bytes() == capture.of(m.SlacParmCnf)[0][1]
    assert slac[1][1].to_bytes() == capture.of(m.AttenCharInd)[0][1]
    match, theirs = slac[2][1].message, capture.of(m.SlacMatchCnf)[0][2].message
    assert isinstance(match, m.SlacMatchCnf)
    assert isinstance(theirs, m.SlacMatchCnf)
    assert (match.pev_mac, match.evse_mac, match.run_id) == (theirs.pev_mac, theirs.evse_mac, theirs.run_id)
    assert bytes(match.nmk) != bytes(theirs.nmk)
    # 12 s after the match without a link the charger starts over, with another key, and
    # answers the vehicle at 24 s.
    assert [at for at, _ in slac] == pytest.approx([0.0, 0.564752, 1.576403, 24.293383])
    keys = [f.message.new_key for _, f in answers if isinstance(f.message, m.SetKeyReq)]
    assert keys
    assert match.nmk not in keys


TAYCAN = "2023-05-03_TaycanLeftside_slacFail"


def test_a_vehicle_ignores_a_station_that_answers_with_another_run_identifier() -> None:
    capture = Captured(TAYCAN)
    requests, answers = capture.of(m.SlacParmReq), capture.of(m.SlacParmCnf)
    start = requests[0][0]
    ev, first = begin_as_vehicle(requests[0][2].source, requests[0][2].message.run_id)  # type: ignore[attr-defined]
    mine = [(0.0, a) for a in first]
    for at, data, _ in answers[:3]:
        mine += run_to(ev, at - start)
        mine += [(at - start, a) for a in ev.handle(FrameReceived(data), at - start)]
    mine += run_to(ev, 0.75)
    # Like the captured vehicle: three requests 200 ms apart, nothing else, and the station is not accepted.
    assert [(round(at, 1), kinds([a])) for at, a in mine if kinds([a])] == [
        (0.0, ["SlacParmReq"]),
        (0.2, ["SlacParmReq"]),
        (0.4, ["SlacParmReq"]),
    ]
    assert [round(at - start, 1) for at, _, _ in requests[:3]] == [0.0, 0.2, 0.4]
    assert ev.peer is None


def test_a_station_answers_that_vehicle_correctly_each_time_and_gives_up_silently() -> None:
    capture = Captured(TAYCAN)
    evse = begin_as_station(capture.of(m.SlacParmCnf)[0][2].source)
    for at, data, captured in capture.of(m.SlacParmReq):
        run_to(evse, at)
        answer = sent(evse.handle(FrameReceived(data), at))
        assert [type(a) for a in answer] == [m.SlacParmCnf]
        assert answer[0].run_id == captured.message.run_id  # type: ignore[attr-defined]
    silent = run_to(evse, at + 1.0)
    assert [name for _, a in silent for name in kinds([a])] == []
    assert evse.state is LinkState.MATCHING


TWO_STATIONS = "ISO-2_DC_multi_EVSE_SLAC_DS5366_Josev"


def test_a_vehicle_between_two_stations_takes_the_one_that_was_taken() -> None:
    capture = Captured(TWO_STATIONS)
    request = capture.of(m.SlacParmReq)[0]
    near, far = bytes.fromhex("644d7001060e"), bytes.fromhex("644d70010610")
    ev, first = begin_as_vehicle(request[2].source, request[2].message.run_id)  # type: ignore[attr-defined]
    assert [a.frame.to_bytes() for a in first] == [request[1]]  # type: ignore[attr-defined]
    for at, data, _ in capture.of(m.SlacParmCnf):
        ev.handle(FrameReceived(data), at)
    last_sound = run_to(ev, 0.6)[-1][0]
    captured_last = capture.of(m.MnbcSoundInd)[-1][0]
    out: list[tuple[float, Action]] = []
    for at, data, _ in capture.of(m.AttenCharInd):
        here = last_sound + at - captured_last
        out += run_to(ev, here)
        out += [(here, a) for a in ev.handle(FrameReceived(data), here)]
    out += run_to(ev, here + 0.15)
    frames = [a.frame for _, a in out if hasattr(a, "frame")]
    assert [(type(f.message), f.destination) for f in frames] == [
        (m.AttenCharRsp, near),
        (m.AttenCharRsp, far),
        (m.SlacMatchReq, near),
    ]
    captured_answers = {data for _, data, _ in capture.of(m.AttenCharRsp)}
    assert {f.to_bytes() for f in frames[:2]} == captured_answers
    assert frames[2].to_bytes() == capture.of(m.SlacMatchReq)[0][1]
    # Decided 100 ms after the second of two announced stations has answered (494 ms in the
    # capture), well before 1.2 s are over.
    assert out[-1][0] == pytest.approx(last_sound + 0.063729 + 0.1, abs=1e-6)


def test_of_two_stations_the_one_that_is_asked_answers_and_the_other_one_forgets() -> None:
    found: dict[int, tuple[EvseSlac, list[tuple[float, m.Message]]]] = {}
    for tap, mac in ((1, "644d70010610"), (2, "644d7001060e")):
        capture = Captured(TWO_STATIONS, tap)
        modem = capture.of(m.AttenProfileInd)[0][2].source
        evse = begin_as_station(bytes.fromhex(mac), SlacSettings(receive_correction=3.0), modem=modem)
        answers: list[tuple[float, m.Message]] = []
        for at, data, captured in capture.frames:
            if captured.source == evse.mac:
                continue
            answers += [(time, msg) for time, a in run_to(evse, at) for msg in sent([a])]
            answers += [(at, msg) for msg in sent(evse.handle(FrameReceived(data), at))]
        found[tap] = (evse, answers)
    means = {}
    for tap, (_, answers) in found.items():
        indications = [(at, a) for at, a in answers if isinstance(a, m.AttenCharInd)]
        assert len(indications) == 1
        at, indication = indications[0]
        assert indication.num_sounds == 10
        means[tap] = mean(indication.aag)
        # With the last profile; the captured stations took 40 and 54 ms more.
        assert at == pytest.approx(Captured(TWO_STATIONS, tap).of(m.AttenProfileInd)[-1][0])
        theirs = Captured(TWO_STATIONS, tap).of(m.AttenCharInd)[0][2].message
        assert means[tap] == pytest.approx(mean(theirs.aag), abs=1.0)  # type: ignore[attr-defined]
    assert means[2] < means[1]
    assert [type(a) for _, a in found[2][1]].count(m.SlacMatchCnf) == 1
    assert [type(a) for _, a in found[1][1]].count(m.SlacMatchCnf) == 0
    loser = found[1][0]
    assert loser.peer is None
    # TT_EVSE_match_session after its sound window, which began with the first
    # CM_START_ATTEN_CHAR.IND at 0.361971 s.
    over = [(at, a) for at, a in run_to(loser, 11.5) if "TT_EVSE_match_session" in repr(a)]
    assert [at for at, _ in over] == pytest.approx([0.361971 + 0.6 + 10.0])
