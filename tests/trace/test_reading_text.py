"""Messages out of text: lines of stacks' logs, forum posts, dumps; and what only looks like one."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from iso15118 import exi
from iso15118.trace.entries import Entry, MessageEntry, SdpEntry, SlacEntry, V2gtpEntry
from iso15118.trace.reading.text import TextReader
from tests.link.tapping import two_bays
from tests.sample_messages import LOOP, SAP_REQ, SETUP
from tests.trace.made import din_frames, iso20_frames, spoken

DIN = "809a004011d01800608c44000000"
FRAME = "01fe80010000000e" + DIN
SDP = "01fe90000000000200 00".replace(" ", "")
SAP = exi.encode("app", SAP_REQ).hex()
BEGINNING = exi.encode("iso20-common", SETUP).hex()
CHARGING = exi.encode("iso20-dc", LOOP).hex()


def read(*lines: str, sure: bool = False) -> list[Entry]:
    reader = TextReader(sure=sure)
    return [entry for line in lines for entry in reader.line(line)] + reader.finish()


def messages(found: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.schema, entry.message) for entry in found if isinstance(entry, MessageEntry)]


@pytest.mark.parametrize(
    "line",
    [
        f"2026-11-29T04:34:28.544Z [DEBG] evse_v2g:Charger  :: Received {FRAME}",
        f"2026-11-29 04:34:28,544 - DEBUG - iso15118.shared.exi_codec : EXI message (ns=urn:din:70121:2012:MsgDef): {DIN}",
        f'{{"t":1795926868.544,"exiBase64":"{base64.b64encode(bytes.fromhex(DIN)).decode()}","exi":"{DIN}"}}',
        f"[1795926868.544] rx: {' '.join(FRAME[at : at + 2] for at in range(0, len(FRAME), 2))} (22 bytes)",
        f"2026-11-29T05:34:28.544+01:00 rx 0x{', 0x'.join(DIN[at : at + 2] for at in range(0, len(DIN), 2))}",
    ],
)
def test_lines_of_logs(line: str) -> None:
    (entry,) = read(line)
    assert isinstance(entry, MessageEntry)
    assert (entry.schema, entry.message, entry.sender) == ("din", "SessionSetupReq", "evcc")
    assert entry.exi.hex() == DIN
    assert entry.t == pytest.approx(
        datetime(2026, 11, 29, 4, 34, 28, 544000, tzinfo=UTC).timestamp(), abs=1e-3
    )


def test_a_log_is_read_with_what_was_agreed_in_it() -> None:
    frames = [frame.hex() for _, frame in iso20_frames(2)]
    found = read(*(f"12:00:0{number} got {frame}" for number, frame in enumerate(frames)))
    assert [schema for schema, _ in messages(found)] == ["app", "app", "iso20-common", "iso20-dc", "iso20-dc"]
    assert [entry.number for entry in found] == [1, 2, 3, 4, 5]
    assert {entry.t for entry in found} == {None}


def test_octets_without_a_header_are_read_by_what_stands_beside_them() -> None:
    found = read(
        f"EXI message (ns=urn:iso:std:iso:15118:-20:CommonMessages): {BEGINNING}",
        f"EXI message (ns=urn:iso:std:iso:15118:-20:DC): {CHARGING}",
        SAP,
    )
    assert messages(found) == [
        ("iso20-common", "SessionSetupReq"),
        ("iso20-dc", "DC_ChargeLoopReq"),
        ("app", "supportedAppProtocolReq"),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        [
            "0000  01 fe 80 01 00 00 00 0e 80 9a 00 40 11 d0 18 00  ...........@....",
            "0010  60 8c 44 00 00 00  `.D...",
        ],
        [
            "00000000: 01fe 8001 0000 000e 809a 0040 11d0 1800  ...........@....",
            "00000010: 608c 4400 0000                           `.D...",
        ],
        [
            "00000000  01 fe 80 01 00 00 00 0e  80 9a 00 40 11 d0 18 00  |...........@....|",
            "00000010  60 8c 44 00 00 00                                 |`.D...|",
            "00000016",
        ],
    ],
    ids=["wireshark", "xxd", "hexdump"],
)
def test_dumps_with_offsets(lines: list[str]) -> None:
    assert messages(read("before", *lines, "after")) == [("din", "SessionSetupReq")]


def test_several_frames_and_other_layers_in_one_line() -> None:
    both = "".join(frame.hex() for _, frame in din_frames())
    assert [name for _, name in messages(read(both))] == [
        "supportedAppProtocolReq",
        "supportedAppProtocolRes",
        "SessionSetupReq",
    ]
    (sdp,) = read(SDP)
    assert isinstance(sdp, SdpEntry)
    assert (sdp.security, sdp.sender) == ("tls", "evcc")
    (slac,) = read(two_bays("CAR_1").tap[0][1].hex())
    assert isinstance(slac, SlacEntry)
    assert slac.message == "CM_SLAC_PARM.REQ"


def test_whole_packets_are_put_together() -> None:
    made = spoken(None, din_frames())
    found = read(*(data.hex(" ") for _, data in made.frames))
    assert [name for _, name in messages(found)][-1] == "SessionSetupReq"
    assert len([entry for entry in found if isinstance(entry, SdpEntry)]) == 2


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-29 12:00:00 nothing here",
        "id 80a1b2c3-d4e5-f607-8192-a3b4c5d6e7f8",
        "MAC 80:12:34:56:78:9a joined",
        "commit 8012345678901234567890123456789012345678 merged",
        "gAlternativesAndOtherWords are base64 by accident",
        "",
        "\x00\x01\x02",
    ],
)
def test_what_only_looks_like_a_message_is_left_alone(line: str) -> None:
    assert read(line) == []


def test_what_is_one_and_cannot_be_read_is_told() -> None:
    (entry,) = read(f"rx {FRAME[:-6]}")
    assert isinstance(entry, V2gtpEntry)
    assert entry.notes == ("a frame of 0x8001 (SAP) with 14 octets, of which 11 were seen",)
    (entry,) = read("809affffffffffff")
    assert isinstance(entry, V2gtpEntry)
    assert "cannot be read" in entry.notes[0]
    (entry,) = read("0102030405", sure=True)
    assert isinstance(entry, V2gtpEntry)
    assert entry.notes == ("neither an EXI message (80...) nor a V2GTP frame (01fe...)",)


def test_a_message_of_iso20_in_a_frame_of_the_older_editions_is_told() -> None:
    """Seen with vehicles that came before the final text."""
    frame = "01fe8001" + f"{len(BEGINNING) // 2:08x}" + BEGINNING
    (entry,) = read(frame)
    assert isinstance(entry, MessageEntry)
    assert entry.schema == "iso20-common"
    assert any(
        "it belongs in 0x8002 (ISO20_MAIN): a receiver drops it [V2G2-800]" in note for note in entry.notes
    )


@pytest.mark.parametrize(
    "text",
    [
        "80" * 400_000,
        "8 " * 200_000,
        "gA" * 300_000,
        ("01fe8001" + "0" * 8) * 20_000,
        "0000 " + "80 " * 100_000,
    ],
)
def test_long_lines_are_read_in_one_pass(text: str) -> None:
    """Nothing in here looks at the clock; what is quadratic would not come to an end."""
    assert len(read(text)) < 25_000
