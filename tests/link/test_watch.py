"""The listener: what it says of real captures, of simulated matchings and of nonsense, and
that it never tells a key."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from iso15118.link.slac import messages as m
from iso15118.link.slac import parse_frame
from iso15118.link.slac.frames import BROADCAST, Frame
from iso15118.link.slac.keys import Nmk
from iso15118.link.slac.watch import Kind, Sentence, SlacWatch
from iso15118.link.slac.watch.labels import message_name
from iso15118.simulation.modem import PlcModem, PowerLine, Profiles

from .rig import CAR, EVSE, EVSE2, MODEM, RUN, add_station, add_vehicle
from .tapping import TappedBench, two_bays
from .test_fuzz import mutated, seeds
from .test_reference import ALPITRONIC, TAYCAN, TWO_STATIONS, VECTORS, Captured, records

captures = pytest.mark.skipif(not VECTORS.exists(), reason=f"no reference vectors at {VECTORS}")


def listen(frames: list[tuple[float, bytes]]) -> list[Sentence]:
    watch = SlacWatch()
    said = [sentence for at, data in frames for sentence in watch.handle(data, at)]
    return said + watch.finish()


def captured(name: str, tap: int | None = None) -> list[Sentence]:
    return listen([(at, data) for at, data, _ in Captured(name, tap).frames])


def of(said: list[Sentence], kind: Kind) -> list[Sentence]:
    return [sentence for sentence in said if sentence.kind is kind]


def only(said: list[Sentence], kind: Kind) -> Sentence:
    (sentence,) = of(said, kind)
    return sentence


# -- real captures


@captures
@pytest.mark.reference
def test_of_two_stations_it_says_who_is_nearest_and_who_was_chosen() -> None:
    frames = sorted(
        (at, data) for tap in (1, 2) for at, data, _ in Captured(TWO_STATIONS, tap).frames
    )  # both stations' captures in one
    said = listen(frames)
    assert {s.data["station"] for s in of(said, Kind.OFFER)} == {"64:4d:70:01:06:10", "64:4d:70:01:06:0e"}
    nearest = of(said, Kind.NEAREST)[-1]
    ranking: Any = nearest.data["ranking"]
    assert [entry["station"] for entry in ranking] == ["64:4d:70:01:06:0e", "64:4d:70:01:06:10"]
    assert [entry["mean_db"] for entry in ranking] == pytest.approx([25.8, 31.3], abs=0.05)
    choice = only(said, Kind.CHOICE)
    assert choice.data["station"] == "64:4d:70:01:06:0e"
    assert "the nearest of 2" in choice.text
    assert (
        only(said, Kind.MATCH).data["nid_follows_from_key"] is False
    )  # this maker's stations draw their own
    assert of(said, Kind.REFUSED) == []


@captures
@pytest.mark.reference
def test_of_a_charger_in_the_field_it_says_every_step() -> None:
    said = captured(ALPITRONIC)
    steps = [s.kind for s in said if s.kind is not Kind.FRAME]
    assert steps == [
        Kind.SEARCH,
        Kind.OFFER,
        Kind.SOUNDS,
        Kind.SOUNDS,
        Kind.ATTENUATION,
        Kind.NEAREST,
        Kind.ATTENUATION,
        Kind.CHOICE,
        Kind.MATCH,
        Kind.KEY,
        Kind.KEY,
        Kind.OUTCOME,
        Kind.SEARCH,
        Kind.OUTCOME,
        Kind.SUMMARY,
    ]
    late = only(said, Kind.CHOICE).text
    assert "973 ms after its last answer (500 ms are allowed)" in late
    assert "it joins EVSE 9a:8a:b6:6d:2d:f6" in of(said, Kind.KEY)[0].text
    assert of(said, Kind.KEY)[1].data["taken"] is True


@captures
@pytest.mark.reference
def test_of_a_failure_it_says_why() -> None:
    said = captured(TAYCAN)
    refused = of(said, Kind.REFUSED)
    assert len(refused) == 6
    assert "carries run 00188700a1d60000" in refused[0].text
    assert "it has to be ignored" in refused[0].text
    assert {s.data["station"] for s in of(said, Kind.OUTCOME)} == {None}
    assert "no station answered CM_SLAC_PARM.REQ of this run" in of(said, Kind.OUTCOME)[-1].text


@captures
@pytest.mark.reference
def test_every_captured_frame_is_read_or_refused_and_no_key_is_told() -> None:
    keys = set()
    watch = SlacWatch()
    told = []
    read = refused = 0
    for number, record in enumerate(records()):
        data = bytes.fromhex(record["hex"])
        said = watch.handle(data, number * 1.0)
        told += said
        if record["expect"] == "reject" and said:
            assert said[0].kind is Kind.REFUSED, record["id"]
            refused += 1
        elif said:
            assert said[0].kind is Kind.FRAME, record["id"]
            read += 1
        keys |= {record["fields"][name] for name in ("nmk", "new_key") if name in record.get("fields", {})}
    assert read > 400
    assert refused > 0
    assert len(keys) > 20
    text = json.dumps([[s.text, s.data] for s in told]).lower()
    assert not [key for key in keys if key.replace(":", "").lower() in text]


# -- simulated


def test_a_whole_matching_from_the_vehicles_side() -> None:
    bench = two_bays()
    said = listen(bench.tap)
    mac, other = "02:45:56:53:45:31", "02:45:56:53:45:32"
    assert {s.data["station"] for s in of(said, Kind.OFFER)} == {mac, other}
    ranking: Any = of(said, Kind.NEAREST)[-1].data["ranking"]
    assert [entry["station"] for entry in ranking] == [mac, other]
    assert only(said, Kind.CHOICE).data["station"] == mac
    assert only(said, Kind.MATCH).data["nid_follows_from_key"] is True
    up, down = of(said, Kind.LINK)[0], of(said, Kind.KEY)[-2:]
    assert up.data["up"] is True
    assert "s after the match with EVSE 02:45:56:53:45:31" in up.text
    assert "it leaves the network it was in" in down[0].text
    outcome = only(said, Kind.OUTCOME)
    assert outcome.data == {
        "vehicle": "02:43:41:52:5f:31",
        "run_id": outcome.data["run_id"],
        "station": mac,
        "link": True,
    }
    assert of(said, Kind.REFUSED) == []
    assert only(said, Kind.SUMMARY).data == {
        "frames": len(of(said, Kind.FRAME)),
        "refused": 0,
        "foreign": 0,
    }


def test_from_the_stations_side_its_own_profiles_are_counted() -> None:
    said = listen(two_bays("EVSE1").tap)
    heard = of(said, Kind.ATTENUATION)[0]
    assert heard.data["profiles"] == 10
    assert "10 profiles on this side average" in heard.text
    assert heard.data["mean_db"] == heard.data["profiles_mean_db"]


def test_a_capture_of_both_ends_tells_nothing_twice() -> None:
    both = listen(two_bays("").tap)
    one = listen(two_bays("CAR_1").tap)
    for kind in (Kind.SEARCH, Kind.OFFER, Kind.CHOICE, Kind.MATCH):
        assert [s.data.get("station") for s in of(both, kind)] == [
            s.data.get("station") for s in of(one, kind)
        ]


def test_a_validation_is_told_step_by_step() -> None:
    said = listen(two_bays(own_db=20.0, across_db=20.0).tap)
    steps = [s.text for s in of(said, Kind.VALIDATION)]
    assert "asks EVSE" in steps[0]
    assert "two stations within 3 dB" in steps[0]
    assert "is ready to count toggles" in steps[1]
    assert "toggles the pilot, and EVSE" in steps[2]
    assert any("toggles of the pilot" in step for step in steps)
    assert "after a validation" in only(said, Kind.CHOICE).text


def test_home_plug_silicon_is_recognized() -> None:
    bench = TappedBench(PowerLine(), at="EVSE1")
    modem = PlcModem(EVSE, b"\x06EVSE1", measures=True, profiles=Profiles.EMPTY)
    station, car = add_station(bench, modem=modem), add_vehicle(bench)
    bench.run(1.0)
    bench.plug_in(car, station)
    bench.run(3.0)
    said = listen(bench.tap)
    assert "has 0 groups instead of 58: it does not count" in of(said, Kind.REFUSED)[0].text
    assert "VS_ATTENUATION_CHARACTERISTICS.IND, none of SLAC's messages" in json.dumps(
        [s.text for s in of(said, Kind.FRAME)]
    )
    assert "no station told what it heard of the sounds" in of(said, Kind.OUTCOME)[0].text


def frame(message: m.Message, source: bytes = CAR, destination: bytes = EVSE) -> bytes:
    return Frame(destination, source, message).to_bytes()


AAG = bytes([20] * 58)
KEY = Nmk(b"\x77" * 16)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (frame(m.SlacParmCnf(b"another.", CAR), EVSE, CAR), "it has to be ignored"),
        (frame(m.AttenCharInd(CAR, RUN, 0, AAG), EVSE, CAR), "nothing to choose by"),
        (frame(m.AttenCharInd(CAR, RUN, 10, bytes(57)), EVSE, CAR), "57 groups"),
        (frame(m.AttenCharInd(EVSE2, RUN, 10, AAG), EVSE, CAR), "it has to be ignored"),
        (frame(m.AttenCharRsp(CAR, RUN, 1)), "the station gives up"),
        (frame(m.StartAttenCharInd(RUN, CAR, resp_type=0), CAR, BROADCAST), "stations ignore it"),
        (frame(m.SlacMatchReq(CAR, EVSE2, RUN)), "the station ignores it"),
        (frame(m.SlacMatchCnf(CAR, EVSE2, RUN, bytes(7), KEY), EVSE, CAR), "the vehicle ignores it"),
        (frame(m.SetKeyCnf(1, bytes(4), b"none"), MODEM, CAR), "a key that was not seen on its way"),
        (frame(m.ValidateCnf(0, m.ValidateResult.READY), EVSE, CAR), "did not ask it for"),
        (frame(m.SlacMatchReq(CAR, EVSE, RUN))[:50], "is malformed"),
    ],
)
def test_what_has_to_be_ignored_is_refused_with_the_reason(data: bytes, why: str) -> None:
    watch = SlacWatch()
    watch.handle(frame(m.SlacParmReq(RUN), CAR, BROADCAST), 0.0)
    watch.handle(frame(m.SlacParmCnf(RUN, CAR), EVSE, CAR), 0.1)
    said = watch.handle(data, 1.0)
    assert why in of(said, Kind.REFUSED)[0].text
    assert watch.refused == 1


def test_a_listener_that_comes_late_makes_the_best_of_it() -> None:
    said = listen([(at, data) for at, data in two_bays().tap if at > 1.3])
    assert of(said, Kind.SEARCH) == []
    assert "which had begun before" in of(said, Kind.OUTCOME)[0].text


def test_names_are_the_standards() -> None:
    assert message_name(0x6064) == "CM_SLAC_PARM.REQ"
    assert message_name(0x606E) == "CM_ATTEN_CHAR.IND"
    assert message_name(0xA0B9) == "VS_PL_LINK_STATUS.CNF"
    assert message_name(0xAC70) == "NSCM_RESET_DEVICE.REQ"
    assert message_name(0x600D) == "CM_GET_KEY.CNF"
    assert message_name(0xBEEE) == "0xbeee (IND)"


def test_nonsense_neither_stops_it_nor_fills_it() -> None:
    rng = random.Random(5)
    watch = SlacWatch()
    frames = seeds()
    now = 0.0
    for _ in range(10_000):
        data = bytearray(mutated(rng, frames))
        if rng.random() < 0.3:
            data[6:12] = rng.randbytes(6)
        for sentence in watch.handle(bytes(data), now):
            json.dumps(sentence.data)
        now += rng.choice((0.0, 0.001, 0.05))
    assert watch.frames > 3_000
    assert 0 < watch.refused < watch.frames
    assert len(watch.finish()) < 50
    # It still follows whoever comes after that.
    said = [s for at, data in two_bays().tap for s in watch.handle(data, now + at)]
    assert [s for s in said if s.kind is Kind.LINK and s.data["up"]]


def test_the_key_is_in_the_frames_and_nowhere_else() -> None:
    bench = two_bays("")
    messages = [parse_frame(data).message for _, data in bench.tap]
    keys = {bytes(x.nmk) for x in messages if isinstance(x, m.SlacMatchCnf)}
    keys |= {bytes(x.new_key) for x in messages if isinstance(x, m.SetKeyReq)}
    assert len(keys) >= 4
    said = listen(bench.tap)
    text = repr(said) + json.dumps([[s.text, s.data] for s in said])
    assert not [key for key in keys if key.hex() in text or repr(key) in text]
