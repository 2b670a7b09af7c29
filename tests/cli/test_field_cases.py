"""Small inputs as the field has them, at the command line: each was once refused or misread.

Shown here: 1 an abstract head that stands empty, 2 characters that XML does not have, 3 a message as
people paste it, 5 a SLAC message that names another sender, 7 a message in the frame of an older edition,
9 an answer without a choice, 10 a fragment in an old form, 17 time stamps in microseconds, 25 a signature
without a value. The others (8, 12, 13, 15, 16), and what the ends themselves do with each of them, are in the
tests that ``tests/field_cases.toml`` lists under ``small-inputs``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118 import exi
from iso15118.errors import ExiError
from iso15118.link.slac import parse_frame
from iso15118.link.slac.messages import AttenCharRsp, SlacMatchReq
from iso15118.messages import app
from iso15118.messages.iso20.common_messages import SessionSetupRes
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.v2gtp import encode_frame
from tests.cli.rig import iso15118
from tests.exi.reference import FOLDER, needs_vectors
from tests.link.tapping import two_bays
from tests.sample_messages import SETUP
from tests.trace.made import Made, iso20_frames, pcap

EMPTY_SCHEDULES = "809a02004080c1014181c21080004820400000c99002062050193080c0c802064c8010190140c80a20"  # DIN, from a charger in use
OLD_EMAID = "80EC02B4B21A041111505090D0CC4C8CD05090CD4D9E80"
CONTROL_CHARACTERS = "8098004011e0002804080c1014181c2012b35de740"


@pytest.mark.parametrize("command", [("exi", "decode"), ("decode", "--xml")])
def test_an_abstract_head_that_stands_empty_is_left_out_and_named(command: tuple[str, ...]) -> None:
    printed = iso15118(*command, EMPTY_SCHEDULES)
    assert printed.status == 0
    assert "ChargeParameterDiscoveryRes" in printed.out
    assert "EVSEMaximumVoltageLimit" in printed.out
    assert "empty-abstract: an abstract element without content left out" in printed.err
    assert "read as a message of din, which fits best" in printed.err


def test_a_strict_reader_refuses_it() -> None:
    with pytest.raises(ExiError, match="empty-abstract"):
        exi.decode("din", bytes.fromhex(EMPTY_SCHEDULES), strict=True)


@pytest.mark.parametrize("command", [("exi", "decode"), ("decode", "--xml"), ("decode",)])
def test_characters_that_xml_does_not_have_are_shown_escaped(command: tuple[str, ...]) -> None:
    printed = iso15118(*command, CONTROL_CHARACTERS)
    assert printed.status == 0
    assert r"\x01\x02\x03\x04\x05\x06\x07\x08" in printed.out
    if command[-1] != "decode" or command[0] == "exi":
        assert r"what XML cannot say is written as \x01" in printed.err


def test_a_report_shows_them_escaped_as_well(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    printed = iso15118("report", CONTROL_CHARACTERS, "--out", str(page))
    assert printed.status == 6
    assert r"EVSEID:      \x01\x02\x03\x04\x05\x06\x07\x08" in printed.out
    assert r"\x01\x02\x03\x04\x05\x06\x07\x08" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "given",
    [
        "01fe80010000000e809a004011d01800608c44000000",
        "gJoAQBHQGABgjEQAAAA=",
        "80:9a:00:40:11:d0:18:00:60:8c:44:00:00:00",
        "80,9a,00,40,11,d0,18,00,60,8c,44,00,00,00",
        "0x80 0x9A 0x00 0x40 0x11 0xD0 0x18 0x00 0x60 0x8C 0x44 0x00 0x00 0x00",
        r"\x80\x9a\x00\x40\x11\xd0\x18\x00\x60\x8c\x44\x00\x00\x00",
    ],
)
def test_a_message_is_read_as_people_paste_it(given: str) -> None:
    printed = iso15118("decode", given)
    assert printed.status == 0, printed.err
    assert "SessionSetupReq (din)" in printed.out
    assert "EVCCID 001823110000" in printed.out
    assert "read as a message of din, which fits best" in printed.out
    assert "SessionSetupReq" in iso15118("exi", "decode", given).out


def decoded(tmp_path: Path, made: Made) -> list[dict[str, Any]]:
    (tmp_path / "a.pcap").write_bytes(pcap(made.frames))
    printed = iso15118("decode", "--json", str(tmp_path / "a.pcap"))
    assert printed.status == 0
    return [json.loads(line) for line in printed.out.splitlines()]


@pytest.mark.parametrize(
    ("offered", "chosen", "note", "schema"),
    [
        (1, None, "without SchemaID: the only protocol that was offered is meant", "din"),
        (2, None, "without SchemaID, of 2 that were offered: nothing is chosen", None),
        (1, 99, "SchemaID 99 was not offered", None),
    ],
)
def test_an_answer_without_a_choice_is_told(
    tmp_path: Path, offered: int, chosen: int | None, note: str, schema: str | None
) -> None:
    made = negotiated(offered, chosen)
    made.say(True, bytes.fromhex("01fe80010000000e809a004011d01800608c44000000"))
    found = decoded(tmp_path, made)
    assert [one["notes"] for one in found if one["message"] == "supportedAppProtocolRes"] == [[note]]
    last = found[-1]
    assert (last["message"], last["edition"]) == ("SessionSetupReq", "din")
    # What nobody chose is taken for what fits best, and that is said.
    assert bool(last["notes"]) is (schema is None)


def negotiated(offered: int, chosen: int | None) -> Made:
    """A connection in which so many protocols were offered, and this SchemaID was the answer."""
    rows = tuple(
        app.AppProtocol(
            protocol_namespace=namespace,
            version_number_major=2,
            version_number_minor=0,
            schema_id=number,
            priority=number,
        )
        for number, namespace in enumerate(
            ("urn:din:70121:2012:MsgDef", "urn:iso:15118:2:2013:MsgDef")[:offered], 1
        )
    )
    answer = app.SupportedAppProtocolRes(
        response_code=app.ResponseCode.OK_SuccessfulNegotiation, schema_id=chosen
    )
    made = Made(None)
    made.say(True, encode_frame(0x8001, exi.encode("app", app.SupportedAppProtocolReq(app_protocol=rows))))
    made.say(False, encode_frame(0x8001, exi.encode("app", answer)))
    return made


def reported(tmp_path: Path, made: Made) -> dict[str, Any]:
    (tmp_path / "a.pcap").write_bytes(pcap(made.frames))
    cause: dict[str, Any] = iso15118("report", "--json", str(tmp_path / "a.pcap")).data["cause"]
    return cause


def test_a_choice_that_was_not_offered_is_the_cause_of_the_end(tmp_path: Path) -> None:
    made = negotiated(1, 99)
    made.add(made.tcp.finish(True))
    cause = reported(tmp_path, made)
    assert (cause["rule"], cause["side"]) == ("sap-schema-id", "secc")
    assert "SchemaID 99 was not offered" in cause["seen"]


@pytest.mark.parametrize(("from_vehicle", "side"), [(True, "evcc"), (False, "secc")])
def test_a_message_in_the_frame_of_an_older_edition_is_the_cause_of_the_silence(
    tmp_path: Path, from_vehicle: bool, side: str
) -> None:
    """Whoever gets it drops it [V2G2-800]: the reason stands at the message, not a minute later."""
    made = Made(None)
    for to_station, frame in iso20_frames(0)[: 2 if from_vehicle else 3]:
        made.say(to_station, frame)
    answer = SessionSetupRes(
        header=SETUP.header, response_code=ResponseCode.OK_NewSessionEstablished, evseid="DE*ABC*E1"
    )
    message = SETUP if from_vehicle else answer
    made.say(from_vehicle, encode_frame(0x8001, exi.encode("iso20-common", message)))
    note = decoded(tmp_path, made)[-1]["notes"][-1]
    assert "it belongs in 0x8002 (ISO20_MAIN): a receiver drops it [V2G2-800]" in note
    made.now += 61.0 if from_vehicle else 2.1
    made.add(made.tcp.finish(not from_vehicle))
    cause = reported(tmp_path, made)
    assert (cause["rule"], cause["side"], cause["requirement"]) == ("wrong-payload-type", side, "V2G2-800")
    assert "0x8001" in cause["seen"]
    assert "0x8002" in cause["expected"]


def test_a_fragment_in_an_old_form_is_refused_with_each_alternative_once() -> None:
    said = iso15118("exi", "decode", "--schema", "iso2", "--fragment", OLD_EMAID)
    assert said.status == 7
    assert said.err.strip().endswith("expected attribute Id or text")
    assert len(said.err) < 200


def test_what_begins_as_a_fragment_is_told_how_to_be_read_as_one() -> None:
    said = iso15118("exi", "decode", OLD_EMAID)
    assert said.status == 7
    assert said.err.strip().endswith("these octets begin as a fragment does: --fragment")


@needs_vectors
def test_a_signature_without_a_value_is_read_with_a_note_and_not_by_a_strict_reader() -> None:
    sent = (FOLDER / "cases" / "rise_cpdres.hex").read_text().strip()
    printed = iso15118("decode", sent)
    assert printed.status == 0
    assert "ChargeParameterDiscoveryRes (iso2)" in printed.out
    assert "Signature signed" in printed.out
    assert "empty-by-end: an empty value coded as end of element" in printed.out
    with pytest.raises(ExiError, match="empty-by-end"):
        exi.decode("iso2", bytes.fromhex(sent), strict=True)


@pytest.mark.parametrize(
    ("stamp", "notes"),
    [(1_795_926_868, []), (1_795_926_868_123_456, ["time stamps are in microseconds"])],
)
def test_time_stamps_in_microseconds_are_told_once(tmp_path: Path, stamp: int, notes: list[str]) -> None:
    made = Made(None)
    message = replace(SETUP, header=replace(SETUP.header, time_stamp=stamp))
    for _ in range(2):
        made.say(True, encode_frame(0x8002, exi.encode("iso20-common", message)))
    found = [one for one in decoded(tmp_path, made) if one["layer"] == "message"]
    assert [one["notes"] for one in found] == [notes, []]


def test_addresses_that_are_not_the_senders_are_told_at_once(tmp_path: Path) -> None:
    """Some vehicles put their modem's address there."""
    modem = b"\x00\xb0\x52\x00\x00\x01"
    made = Made(None)
    for _, data in two_bays("CAR_1").tap:
        frame = parse_frame(data)
        match frame.message:
            case SlacMatchReq():
                made.add([replace(frame, message=replace(frame.message, pev_mac=modem)).to_bytes()])
            case AttenCharRsp():
                made.add([replace(frame, message=replace(frame.message, source_address=modem)).to_bytes()])
    notes = {one["message"]: one["notes"] for one in decoded(tmp_path, made) if one["layer"] == "slac"}
    car = "02:43:41:52:5f:31"
    assert notes == {
        "CM_SLAC_MATCH.REQ": [
            f"PEV MAC is 00:b0:52:00:00:01, the frame comes from {car}: stations ignore it"
        ],
        "CM_ATTEN_CHAR.RSP": [
            f"SOURCE_ADDRESS is 00:b0:52:00:00:01, the frame comes from {car}: stations ignore it"
        ],
    }
