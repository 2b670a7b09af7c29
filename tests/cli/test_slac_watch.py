"""``iso15118 slac watch`` on capture files that scapy writes, from the traffic of simulated modems; and the
files that it cannot read."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scapy.utils import PcapNgWriter, RawPcapWriter

from iso15118.link.slac import messages as m
from iso15118.link.slac import parse_frame
from tests.cli.rig import iso15118
from tests.link.tapping import two_bays

START = 1_700_000_000.0
CAR = "02:43:41:52:5f:31"
STATION, NEIGHBOUR = "02:45:56:53:45:31", "02:45:56:53:45:32"

Frames = list[tuple[float, bytes]]


def write_pcap(path: Path, frames: Frames, *, nano: bool = False, linktype: int = 1) -> None:
    writer = RawPcapWriter(str(path), linktype=linktype, nano=nano)
    writer.write_header(None)
    ticks = 1e9 if nano else 1e6
    for at, data in frames:
        whole = int(START + at)
        writer.write_packet(data, sec=whole, usec=round((START + at - whole) * ticks))
    writer.close()


def write_nano(path: Path, frames: Frames) -> None:
    write_pcap(path, frames, nano=True)


def write_pcapng(path: Path, frames: Frames) -> None:
    from scapy.layers.l2 import Ether

    writer = PcapNgWriter(str(path))
    for at, data in frames:
        packet = Ether(data)
        packet.time = START + at
        writer.write(packet)
    writer.close()


def write_gzip(path: Path, frames: Frames) -> None:
    plain = path.with_suffix(".plain")
    write_pcap(plain, frames)
    path.write_bytes(gzip.compress(plain.read_bytes()))


@pytest.fixture(scope="module")
def traffic() -> Frames:
    return two_bays("CAR_1").tap


def sentences(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.pcap", write_pcap), ("n.pcap", write_nano), ("a.pcapng", write_pcapng), ("a.pcap.gz", write_gzip)],
)
def test_a_capture_file_is_told_in_json(
    tmp_path: Path, traffic: Frames, name: str, write: Callable[[Path, Frames], None]
) -> None:
    write(tmp_path / name, traffic)
    printed = iso15118("slac", "watch", "--json", str(tmp_path / name))
    assert (printed.status, printed.err) == (0, "")
    told = sentences(printed.out)
    assert told[0]["t"] == 0.0
    assert told[0]["at"] == pytest.approx(START + traffic[0][0], abs=1e-3)
    assert told[-1] | {"t": 0, "at": 0} == {
        "t": 0,
        "at": 0,
        "kind": "summary",
        "text": told[-1]["text"],
        "frames": len(traffic),
        "refused": 0,
        "foreign": 0,
    }
    assert told[-1]["t"] == pytest.approx(traffic[-1][0] - traffic[0][0], abs=1e-3)
    assert [s["message"] for s in told if s["kind"] == "frame"].count("CM_MNBC_SOUND.IND") == 10
    nearest = [s for s in told if s["kind"] == "nearest"][-1]
    assert [entry["station"] for entry in nearest["ranking"]] == [STATION, NEIGHBOUR]
    (choice,) = [s for s in told if s["kind"] == "choice"]
    assert (choice["vehicle"], choice["station"]) == (CAR, STATION)
    assert [s["up"] for s in told if s["kind"] == "link"] == [True]


def test_for_people_there_is_a_line_for_each_frame_and_one_for_what_it_means(
    tmp_path: Path, traffic: Frames
) -> None:
    write_pcap(tmp_path / "a.pcap", traffic)
    printed = iso15118("slac", "watch", str(tmp_path / "a.pcap"))
    assert printed.status == 0
    lines = printed.out.splitlines()
    assert any(f"EV {CAR} -> all: CM_SLAC_PARM.REQ" in line for line in lines)
    assert any(f"EV {CAR} chooses EVSE {STATION}" in line and "the nearest of 2" in line for line in lines)
    assert "\x1b" not in printed.out
    only = iso15118("slac", "watch", "--no-frames", str(tmp_path / "a.pcap")).out.splitlines()
    assert only == [line for line in lines if " -> " not in line]
    assert len(only) < len(lines) / 2


def test_no_key_is_shown(tmp_path: Path) -> None:
    frames = two_bays("").tap
    write_pcap(tmp_path / "a.pcap", frames)
    messages = [parse_frame(data).message for _, data in frames]
    keys = {bytes(x.nmk).hex() for x in messages if isinstance(x, m.SlacMatchCnf)}
    keys |= {bytes(x.new_key).hex() for x in messages if isinstance(x, m.SetKeyReq)}
    assert keys
    for options in ([], ["--json"]):
        out = iso15118("slac", "watch", *options, str(tmp_path / "a.pcap")).out
        assert "CM_SET_KEY.REQ" in out
        assert not [key for key in keys if key in out.lower()]


def test_a_malformed_frame_is_told_with_the_reason(tmp_path: Path, traffic: Frames) -> None:
    sound = next(data for _, data in traffic if data[15:17] == b"\x76\x60")
    write_pcap(
        tmp_path / "a.pcap", [*traffic, (9.0, sound[:40]), (9.1, b"\0" * 12 + b"\x08\x00" + bytes(50))]
    )
    told = sentences(iso15118("slac", "watch", "--json", str(tmp_path / "a.pcap")).out)
    (refused,) = [s for s in told if s["kind"] == "refused"]
    assert "truncated" in refused["reason"]
    assert told[-1]["frames"] == len(traffic) + 1  # IP is none of its business


def test_a_capture_that_breaks_off_is_told_up_to_there(tmp_path: Path, traffic: Frames) -> None:
    path = tmp_path / "a.pcap"
    write_pcap(path, traffic)
    path.write_bytes(path.read_bytes()[:-30])
    told = sentences(iso15118("slac", "watch", "--json", str(path)).out)
    assert told[-1]["frames"] >= len(traffic) - 1


def test_files_that_cannot_be_read_are_refused_by_name(tmp_path: Path, traffic: Frames) -> None:
    assert "cannot be read" in iso15118("slac", "watch", str(tmp_path / "none.pcap")).refusal
    (tmp_path / "text.pcap").write_text("no capture")
    assert "is no capture file" in iso15118("slac", "watch", str(tmp_path / "text.pcap")).refusal
    assert "cannot be read" in iso15118("slac", "watch", str(tmp_path)).refusal
    write_pcap(tmp_path / "cooked.pcap", traffic, linktype=113)
    refusal = iso15118("slac", "watch", str(tmp_path / "cooked.pcap")).refusal
    assert "link type 113" in refusal
    assert "not on 'any'" in refusal
    assert "--seconds" in iso15118("slac", "watch", "--seconds", "1", str(tmp_path / "text.pcap")).refusal


def test_no_package_but_our_own_reads_captures(tmp_path: Path, traffic: Frames) -> None:
    write_pcap(tmp_path / "a.pcap", traffic)
    script = (
        "import sys; sys.modules['scapy'] = None\n"
        "from iso15118.cli import main; sys.exit(main(['slac', 'watch', sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.pcap")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "CM_SLAC_PARM.REQ" in done.stdout


def test_an_interface_that_is_missing_is_said() -> None:
    printed = iso15118("slac", "watch", "no-such-if")
    assert printed.status == 3
    assert "no-such-if" in printed.err or "CAP_NET_RAW" in printed.err
