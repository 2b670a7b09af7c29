"""``iso15118 exi``: results on stdout, refusals in one line on stderr with the exit status of their kind."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from iso15118 import exi
from tests.cli.rig import iso15118
from tests.sample_messages import LOOP, SAP_RES

OCTETS = exi.encode("iso20-dc", LOOP)


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
    return content


def test_digits_become_xml() -> None:
    printed = iso15118("exi", "decode", "--schema", "iso20-dc", OCTETS.hex())
    assert (printed.status, printed.err) == (0, "")
    assert printed.out == exi.to_xml(LOOP, pretty=True)
    assert iso15118("exi", "decode", "--schema", "iso20-dc", "--xml", OCTETS.hex()).out == printed.out


def test_digits_become_json() -> None:
    printed = iso15118("exi", "decode", "--schema", "iso20-dc", "--json", OCTETS.hex().upper())
    assert exi.from_json("iso20-dc", printed.out) == LOOP


@pytest.mark.parametrize(
    "content", [OCTETS, OCTETS.hex().encode(), b"0x" + OCTETS.hex(" ", 2).encode() + b"\n"]
)
def test_files_hold_octets_or_digits(tmp_path: Path, stdin: io.BytesIO, content: bytes) -> None:
    path = tmp_path / "message.exi"
    path.write_bytes(content)
    wanted = exi.to_xml(LOOP, pretty=True)
    assert iso15118("exi", "decode", "--schema", "iso20-dc", str(path)).out == wanted
    stdin.write(content)
    stdin.seek(0)
    assert iso15118("exi", "decode", "--schema", "iso20-dc", "-").out == wanted


@pytest.mark.parametrize("text", [exi.to_xml(LOOP), exi.to_xml(LOOP, pretty=True), exi.to_json(LOOP)])
def test_xml_and_json_become_digits(tmp_path: Path, stdin: io.BytesIO, text: str) -> None:
    path = tmp_path / "message.txt"
    path.write_text(text, encoding="utf-8")
    assert iso15118("exi", "encode", "--schema", "iso20-dc", str(path)).out == OCTETS.hex() + "\n"
    stdin.write(text.encode())
    stdin.seek(0)
    assert iso15118("exi", "encode", "--schema", "iso20-dc", "-").out == OCTETS.hex() + "\n"


def test_fragments(tmp_path: Path) -> None:
    control = LOOP.cl_req_control_mode
    octets = exi.encode("iso20-dc", control, fragment=True)
    printed = iso15118("exi", "decode", "--schema", "iso20-dc", "--fragment", octets.hex())
    path = tmp_path / "control.xml"
    path.write_text(printed.out, encoding="utf-8")
    assert (
        iso15118("exi", "encode", "--schema", "iso20-dc", "--fragment", str(path)).out == octets.hex() + "\n"
    )


def test_a_deviation_that_is_borne_with_is_told_on_stderr() -> None:
    printed = iso15118("exi", "decode", "--schema", "app", exi.encode("app", SAP_RES).hex() + "00")
    assert printed.status == 0
    assert printed.out == exi.to_xml(SAP_RES, pretty=True)
    assert "trailing-octets" in printed.err


def test_what_cannot_be_decoded_says_where() -> None:
    printed = iso15118("exi", "decode", "--schema", "iso20-dc", OCTETS[:20].hex())
    assert (printed.status, printed.out) == (7, "")
    assert "iso20-dc at DC_ChargeLoopReq/" in printed.err
    assert "bit " in printed.err


def test_what_cannot_be_encoded_says_where(tmp_path: Path) -> None:
    path = tmp_path / "message.xml"
    path.write_text(exi.to_xml(LOOP).replace("1700000000", "-1"), encoding="utf-8")
    printed = iso15118("exi", "encode", "--schema", "iso20-dc", str(path))
    assert (printed.status, printed.out) == (7, "")
    assert "DC_ChargeLoopReq/Header/TimeStamp" in printed.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("decode", "--schema", "iso20-cd", "80"), "iso20-dc"),
        (("decode", "--schema", "app", "8"), "even number"),
        (("decode", "--schema", "app", "80zz"), "even number"),
        (("decode", "--schema", "app", "no/such/file"), "neither a file"),
        (("decode", "--schema", "app", ""), "neither a file"),
        (("decode", "--schema", "app", "--xml", "--json", "80"), "--xml"),
        (("encode", "--schema", "app", "no/such/file"), "no/such/file"),
        (("encode", "--schema", "app", "."), "directory"),
    ],
)
def test_wrong_use_is_refused(arguments: tuple[str, ...], reason: str) -> None:
    assert reason in iso15118("exi", *arguments).refusal


def test_a_file_that_is_no_text_cannot_be_encoded(tmp_path: Path) -> None:
    path = tmp_path / "octets"
    path.write_bytes(b"\xff\xfe")
    assert "UTF-8" in iso15118("exi", "encode", "--schema", "app", str(path)).refusal


DIN_MESSAGE = "809a004011d01800608c44000000"
DIN_FRAME = "01fe80010000000e" + DIN_MESSAGE


@pytest.mark.parametrize(
    "pasted",
    [
        DIN_MESSAGE,
        DIN_FRAME,
        bytes.fromhex(DIN_MESSAGE).hex(":"),
        bytes.fromhex(DIN_FRAME).hex(" "),
        ", ".join(f"0x{octet:02x}" for octet in bytes.fromhex(DIN_FRAME)),
        "".join(f"\\x{octet:02x}" for octet in bytes.fromhex(DIN_MESSAGE)),
        "0x" + DIN_MESSAGE.upper(),
        "gJoAQBHQGABgjEQAAAA=",
        "gJoAQBHQGABgjEQAAAA",
        "Af6AAQAAAA6AmgBAEdAYAGCMRAAAAA==",
    ],
)
@pytest.mark.parametrize("schema", [(), ("--schema", "din")])
def test_a_message_is_read_in_the_form_in_which_people_have_it(pasted: str, schema: tuple[str, ...]) -> None:
    printed = iso15118("exi", "decode", *schema, pasted)
    assert printed.status == 0
    assert printed.out == exi.to_xml(exi.decode("din", bytes.fromhex(DIN_MESSAGE)), schema="din", pretty=True)
    is_frame = "fe" in pasted.lower() or pasted.startswith("Af6A")
    assert ("V2GTP header taken off" in printed.err) is is_frame
    assert ("fits best" in printed.err) is (schema == ())
    assert ("din" in printed.err) is (schema == ())


def test_the_payload_type_of_a_frame_says_which_schemas_come_into_question() -> None:
    frame = bytes.fromhex("01fe8004") + len(OCTETS).to_bytes(4, "big") + OCTETS
    printed = iso15118("exi", "decode", frame.hex())
    assert printed.out == exi.to_xml(LOOP, pretty=True)
    assert "fits best" not in printed.err, "there is no choice"


def test_two_messages_are_compared_whatever_form_they_have() -> None:
    assert iso15118("exi", "diff", DIN_FRAME, "gJoAQBHQGABgjEQAAAA=").status == 0


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        ("01fe8001", ["header"]),
        ("01fe80010000000f" + DIN_MESSAGE, ["announces 15", "14 are there"]),
        ("01fe9000000000020000", ["carries no EXI message"]),
        ("80", ["bit"]),
    ],
)
def test_a_frame_that_is_none_is_refused_with_the_reason(pasted: str, said: list[str]) -> None:
    printed = iso15118("exi", "decode", pasted)
    assert (printed.status, printed.out) == (7, "")
    for words in said:
        assert words in printed.err


def test_what_follows_the_first_frame_is_left_out_and_said() -> None:
    printed = iso15118("exi", "decode", DIN_FRAME * 2)
    assert printed.status == 0
    assert "22 octets" in printed.err


def test_what_was_expected_is_named_once_each() -> None:
    """An eMAID fragment in the old form, without its attribute: some hundred undeclared elements share one
    name, and none is accepted."""
    printed = iso15118(
        "exi", "decode", "--schema", "iso2", "--fragment", "80EC02B4B21A041111505090D0CC4C8CD05090CD4D9E80"
    )
    assert (printed.status, printed.out) == (7, "")
    _, _, expected = printed.err.partition("expected ")
    for words in ("attribute Id", "text"):
        assert expected.count(words) == 1
    assert "any element" not in expected
    assert "more" not in expected
