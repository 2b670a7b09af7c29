"""``iso15118 decode`` at the command line: inputs, forms of output, exit statuses, and what goes where."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from iso15118 import exi
from iso15118.cli.decoding.output import JSON, Output
from tests.cli.rig import Printed, iso15118
from tests.link.tapping import two_bays
from tests.trace.made import START, Made, din_frames, iso20_frames, pcap, pcapng_file, spoken

FRAME = "01fe80010000000e809a004011d01800608c44000000"
KEYS = [
    "t", "from", "layer", "edition", "message", "payload_type", "session_id", "response_code", "exi", "content", "notes",
]  # fmt: skip


def objects(printed: Printed) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.out.splitlines()]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = spoken("TLSv1.3", iso20_frames())
    slac = [(START + at - 100.0, data) for at, data in two_bays("CAR_1").tap]
    path = tmp_path_factory.mktemp("decode") / "session.pcapng"
    path.write_bytes(pcapng_file(slac + made.frames, secrets=made.key_log))
    return path


def test_json_has_the_same_keys_on_every_layer(session: Path) -> None:
    printed = iso15118("decode", "--json", str(session))
    assert (printed.status, printed.err) == (0, "")
    found = objects(printed)
    assert all(list(one)[: len(KEYS)] == KEYS for one in found)
    assert {one["layer"] for one in found} == {"slac", "sdp", "tls", "message"}
    loop = found[-3]
    assert loop["message"] == "DC_ChargeLoopReq"
    assert loop["from"] == "evcc"
    assert loop["edition"] == "iso20"
    assert loop["payload_type"] == 0x8004
    assert loop["session_id"] == "0001020304050607"
    assert loop["content"]["EVPresentVoltage"] == {"Exponent": -1, "Value": 8002}
    assert exi.decode("iso20-dc", bytes.fromhex(loop["exi"]), strict=True)
    assert exi.from_json("iso20-dc", json.dumps({loop["message"]: loop["content"]})) == exi.decode(
        "iso20-dc", bytes.fromhex(loop["exi"])
    )
    answer = next(one for one in found if one["message"] == "supportedAppProtocolRes")
    assert (answer["response_code"], answer["from"]) == ("OK_SuccessfulNegotiation", "secc")
    assert answer["notes"] == ["chooses urn:iso:std:iso:15118:-20:DC"]
    hello = next(one for one in found if one["message"] == "ClientHello")
    assert hello["content"]["versions"] == ["TLSv1.3"]
    assert [one["notes"] for one in found[-2:]] == [["TCP closed"], ["TCP closed"]]
    assert found == sorted(found, key=lambda one: one["t"])


def test_for_people_there_is_a_line_with_units(session: Path) -> None:
    printed = iso15118("decode", str(session))
    assert (printed.status, printed.err) == (0, "")
    lines = printed.out.splitlines()
    assert lines[0].endswith(" UTC is 0.000")
    assert any("evcc  DC_ChargeLoopReq" in line and "EVPresentVoltage 800.2 V" in line for line in lines)
    assert any("EVTargetCurrent 1250 A" in line for line in lines)
    assert any("evcc  CM_SLAC_PARM.REQ" in line for line in lines)
    assert any("secc  SDPResponse" in line and "[fe80::2]:61000" in line for line in lines)
    assert any("TLS Certificate" in line and "DC=CPO" in line for line in lines)
    assert "\x1b" not in printed.out


def test_no_secret_and_no_key_is_printed(session: Path) -> None:
    made = session.read_bytes()
    secrets = {
        line.split()[2].decode() for line in made.split(b"\n") if line.startswith((b"CLIENT_", b"SERVER_"))
    }
    assert secrets
    for form in ([], ["--json"], ["--xml"]):
        out = iso15118("decode", *form, str(session)).out.lower()
        assert "cm_slac_match.cnf" in out
        assert not [one for one in secrets if one in out]
        assert "nmk" not in out


def test_xml_of_a_capture_and_of_a_message(session: Path) -> None:
    printed = iso15118("decode", "--xml", str(session))
    assert printed.status == 0
    assert printed.out.count("DC_ChargeLoopReq>") == 3
    assert "<!-- " in printed.out
    alone = iso15118("decode", "--xml", FRAME)
    assert alone.out == iso15118("exi", "decode", FRAME).out
    assert "read as a message of din" in alone.err


@pytest.mark.parametrize("kind", ["octets", "digits", "wrapped", "base64", "frame"])
def test_files_with_one_message(tmp_path: Path, kind: str) -> None:
    data = bytes.fromhex(FRAME)
    content = {
        "octets": data[8:],
        "frame": data,
        "digits": FRAME.encode(),
        "wrapped": f"{FRAME[:20]}\n{FRAME[20:36]}\n{FRAME[36:]}\n".encode(),
        "base64": b"gJoAQBHQGABgjEQAAAA=\n",
    }[kind]
    (tmp_path / "file").write_bytes(content)
    (one,) = objects(iso15118("decode", "--json", str(tmp_path / "file")))
    assert (one["message"], one["exi"], one["t"]) == ("SessionSetupReq", FRAME[16:], None)


def test_a_capture_from_stdin(monkeypatch: pytest.MonkeyPatch, session: Path) -> None:
    class Stdin:
        buffer = io.BytesIO(session.read_bytes())

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert "DC_ChargeLoopReq" in iso15118("decode", "-").out


def test_a_live_capture_is_shown_as_it_comes(session: Path) -> None:
    """The first packets are decoded while the stream goes on; its end ends the command."""
    data = pcap(spoken(None, iso20_frames()).frames)
    command = [sys.executable, "-m", "iso15118", "decode", "--json", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(data[:-300])
        running.stdin.flush()
        assert json.loads(running.stdout.readline())["message"] == "SDPRequest"
        running.stdin.write(data[-300:])
        running.stdin.close()
        rest = running.stdout.read().splitlines()
    assert running.returncode == 0
    assert json.loads(rest[-3])["message"] == "DC_ChargeLoopReq"


def test_whoever_has_seen_enough_may_go(session: Path) -> None:
    command = f"{sys.executable} -m iso15118 decode --json {session} | head -1"
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False
    )
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_a_key_log_of_its_own(tmp_path: Path) -> None:
    made = spoken("TLSv1.2", din_frames())
    (tmp_path / "a.pcap").write_bytes(pcap(made.frames))
    (tmp_path / "keys").write_bytes(made.key_log)
    closed = iso15118("decode", "--json", str(tmp_path / "a.pcap"))
    assert closed.status == 0
    assert "message" not in {one["layer"] for one in objects(closed)}
    assert "TLS records stay closed" not in closed.err  # nobody knows what they would have been
    opened = iso15118("decode", "--json", "--keylog", str(tmp_path / "keys"), str(tmp_path / "a.pcap"))
    assert [one["message"] for one in objects(opened) if one["layer"] == "message"][-1] == "SessionSetupReq"
    (tmp_path / "empty").write_text("nothing\n")
    assert "no line of TLS secrets" in iso15118("decode", "--keylog", str(tmp_path / "empty"), "80").refusal
    assert "/dev/zero is a device" in iso15118("decode", "--keylog", "/dev/zero", "80").refusal
    assert "No such file" in iso15118("decode", "--keylog", str(tmp_path / "none"), "80").refusal


def test_a_schema_that_is_named_is_used(tmp_path: Path) -> None:
    (one,) = objects(iso15118("decode", "--json", "--schema", "din", FRAME))
    assert (one["edition"], one["notes"]) == ("din", [])
    (wrong,) = objects(iso15118("decode", "--json", "--schema", "iso2", FRAME))
    assert (wrong["schema"], wrong["message"]) != ("din", "SessionSetupReq")
    assert wrong["notes"]
    (tmp_path / "a.pcap").write_bytes(pcap(spoken(None, iso20_frames()).frames))
    found = objects(iso15118("decode", "--json", "--schema", "iso20-dc", str(tmp_path / "a.pcap")))
    assert [one["schema"] for one in found if one["layer"] == "message"] == [
        "app",
        "app",
        "iso20-common",
        *["iso20-dc"] * 3,
    ]
    assert "iso2" in iso15118("decode", "--schema", "iso-2", FRAME).refusal


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nonsense", "neither a file, nor hexadecimal digits, nor base64"),
        ("no-such.pcapng", "there is no such file"),
        ("some/where/a.pcap", "there is no such file"),
        ("", "neither a file"),
    ],
)
def test_inputs_that_are_none(given: str, said: str) -> None:
    assert said in iso15118("decode", given).refusal


def test_a_file_without_anything_to_say_is_said(tmp_path: Path) -> None:
    (tmp_path / "text.log").write_text("nothing\nat all\n")
    printed = iso15118("decode", str(tmp_path / "text.log"))
    assert (printed.status, printed.out) == (7, "")
    assert "nothing was found that belongs to charging" in printed.err
    made = Made(None, discovery=False)
    made.say(True, b"GET / HTTP/1.1\r\n\r\n")
    (tmp_path / "web.pcap").write_bytes(pcap(made.frames))
    printed = iso15118("decode", str(tmp_path / "web.pcap"))
    assert printed.status == 7
    assert "1 TCP connections carry something else" in printed.err


def test_what_is_wrong_with_the_capture_is_on_stderr(tmp_path: Path) -> None:
    data = pcap(spoken(None, iso20_frames()).frames)
    (tmp_path / "cut.pcap").write_bytes(data[:-10])
    printed = iso15118("decode", str(tmp_path / "cut.pcap"))
    assert printed.status == 0
    assert "it ends within a packet or block" in printed.err
    assert iso15118("decode", "--json", "--xml", FRAME).refusal
    assert iso15118("decode", str(tmp_path)).status == 2


def test_what_a_peer_wrote_is_shown_and_not_obeyed() -> None:
    message = exi.encode("din", exi.decode("din", bytes.fromhex(FRAME[16:])))
    assert message.hex() == FRAME[16:]
    evil = exi.encode(
        "iso20-common",
        exi.from_json(
            "iso20-common",
            json.dumps(
                {
                    "SessionSetupReq": {
                        "Header": {"SessionID": "00" * 8, "TimeStamp": 1},
                        "EVCCID": "\x1b[31mred\u202e",
                    }
                }
            ),
        ),
    )
    for form in ([], ["--json"], ["--xml"]):
        printed = iso15118("decode", "--schema", "iso20-common", *form, evil.hex())
        assert printed.status == 0
        assert "\x1b" not in printed.out
        assert "\u202e" not in printed.out


def test_the_output_counts_what_it_prints() -> None:
    output = Output(JSON, live=False, one=False)
    assert output.texts([]) == []
    assert output.found == 0
