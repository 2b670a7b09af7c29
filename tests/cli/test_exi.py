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
    assert (printed.status, printed.out) == (3, "")
    assert "iso20-dc at DC_ChargeLoopReq/" in printed.err
    assert "bit " in printed.err


def test_what_cannot_be_encoded_says_where(tmp_path: Path) -> None:
    path = tmp_path / "message.xml"
    path.write_text(exi.to_xml(LOOP).replace("1700000000", "-1"), encoding="utf-8")
    printed = iso15118("exi", "encode", "--schema", "iso20-dc", str(path))
    assert (printed.status, printed.out) == (3, "")
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
        (("decode", "80"), "--schema"),
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
