"""Captures in every format and link type say the same: what our own reader makes of
files that scapy and we write."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest
from scapy.layers.l2 import Ether
from scapy.utils import PcapNgWriter

from iso15118.errors import ConfigError
from iso15118.trace.entries import CaptureFacts, Entry, MessageEntry, Packet, SdpEntry
from iso15118.trace.reading import CaptureFile, CaptureReader
from iso15118.trace.reading.files import entries_of, open_capture
from iso15118.trace.reading.pcapng import SecretLines
from tests.trace.made import START, Frames, as_link, din_frames, iso20_frames, pcap, pcapng_file, spoken

SAID = ["supportedAppProtocolReq", "supportedAppProtocolRes", "SessionSetupReq", *["DC_ChargeLoopReq"] * 3]


@pytest.fixture(scope="module")
def frames() -> Frames:
    return spoken(None, iso20_frames()).frames


def entries(data: bytes, step: int = 1 << 20) -> list[Entry]:
    reader = CaptureReader()
    found = [entry for at in range(0, len(data), step) for entry in reader.feed(data[at : at + step])]
    found += reader.finish()
    assert reader.facts.broken is None
    return found


def messages(found: list[Entry]) -> list[str]:
    return [entry.message for entry in found if isinstance(entry, MessageEntry)]


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("nano", [False, True], ids=["us", "ns"])
def test_pcap_in_either_byte_order_and_resolution(frames: Frames, big: bool, nano: bool) -> None:
    found = entries(pcap(frames, big=big, nano=nano))
    assert messages(found) == SAID
    assert found[0].t == pytest.approx(frames[0][0], abs=1e-6)
    assert [entry.number for entry in found if isinstance(entry, MessageEntry)] == [6, 7, 8, 9, 10, 11]


def test_octet_by_octet_it_is_the_same(frames: Frames) -> None:
    for data in (pcap(frames), pcapng_file(frames)):
        assert entries(data, step=1) == entries(data)


@pytest.mark.parametrize("link", [1, 113, 276, 101, 12, 14, 229, 0, 108])
def test_link_types(frames: Frames, link: int) -> None:
    found = entries(pcap(as_link(frames, link), link=link))
    assert messages(found) == SAID
    assert [entry.security for entry in found if isinstance(entry, SdpEntry)] == ["none", "none"]


@pytest.mark.parametrize("family", [24, 28, 30, 10, 23])
@pytest.mark.parametrize("order", ["little", "big"])
def test_every_number_that_systems_have_for_ipv6_on_loopback(frames: Frames, family: int, order: str) -> None:
    loop = [
        (at, family.to_bytes(4, "little" if order == "little" else "big") + data[14:]) for at, data in frames
    ]
    assert messages(entries(pcap(loop, link=0))) == SAID


@pytest.mark.parametrize("tags", [1, 2])
def test_vlan_tags(frames: Frames, tags: int) -> None:
    tagged = [(at, data[:12] + b"\x81\x00\x00\x05" * tags + data[12:]) for at, data in frames]
    assert messages(entries(pcap(tagged))) == SAID


def test_ipv4(frames: Frames) -> None:
    """Laboratories talk over it; addresses are the last four octets of the others."""
    older: Frames = []
    for at, data in frames:
        packet = data[14:]
        head = struct.pack(
            ">BBHHHBBH4s4s",
            0x45,
            0,
            20 + len(packet) - 40,
            0,
            0,
            64,
            packet[6],
            0,
            packet[20:24],
            packet[36:40],
        )
        older.append((at, data[:12] + b"\x08\x00" + head + packet[40:]))
    found = entries(pcap(older))
    assert messages(found) == SAID
    assert all(entry.sender in ("evcc", "secc") for entry in found)
    raw = [(at, data[14:]) for at, data in older]
    assert messages(entries(pcap(raw, link=228))) == SAID


def test_an_ethernet_frames_padding_is_no_data(frames: Frames) -> None:
    padded = [(at, data + bytes(20)) for at, data in frames]
    assert messages(entries(pcap(padded))) == SAID


def test_scapys_pcapng_and_several_interfaces(tmp_path: Path, frames: Frames) -> None:
    """Two interfaces with link types and clocks of their own, in one file, put together by hand."""
    writer = PcapNgWriter(str(tmp_path / "a.pcapng"))
    for at, data in frames:
        packet = Ether(data)
        packet.time = at
        writer.write(packet)
    writer.close()
    assert messages(entries((tmp_path / "a.pcapng").read_bytes())) == SAID

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack(">II", kind, len(body) + 12) + body + struct.pack(">I", len(body) + 12)

    nano = struct.pack(
        ">HHB3xHHq", 9, 1, 9, 14, 8, 1_000_000_000
    )  # ns, and all times a billion seconds later
    binary = struct.pack(">HHB3x", 9, 1, 0x80 | 10)  # 1024 ticks in a second
    parts = [
        block(0x0A0D0D0A, struct.pack(">IHHq", 0x1A2B3C4D, 1, 0, -1)),
        block(1, struct.pack(">HHI", 1, 0, 0) + nano),
        block(1, struct.pack(">HHI", 101, 0, 0) + binary),
        block(0x0BAD, b"what nobody knows is passed over"),
    ]
    for number, (at, data) in enumerate(frames):
        raw, octets = number % 2, data[14:] if number % 2 else data
        ticks = round(at * 1024) if raw else round((at - 1e9) * 1e9)
        head = struct.pack(">IIIII", raw, ticks >> 32, ticks & 0xFFFFFFFF, len(octets), len(octets))
        parts.append(block(6, head + octets))
    found = entries(b"".join(parts))
    assert messages(found) == SAID
    for entry in found:
        assert entry.t == pytest.approx(frames[entry.number - 1][0], abs=2e-3)


def test_a_simple_packet_has_no_time(frames: Frames) -> None:
    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    parts = [
        block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
        block(1, struct.pack("<HHI", 1, 0, 0)),
    ]
    parts += [block(3, struct.pack("<I", len(data)) + data) for _, data in frames]
    found = entries(b"".join(parts))
    assert messages(found) == SAID
    assert {entry.t for entry in found} == {None}


def test_gzipped_and_in_several_members(tmp_path: Path, frames: Frames) -> None:
    data = pcap(frames)
    packed = gzip.compress(data[:500]) + gzip.compress(data[500:])
    assert messages(entries(packed)) == SAID
    (tmp_path / "a.pcap.gz").write_bytes(packed)
    assert messages(list(entries_of(tmp_path / "a.pcap.gz"))) == SAID


def test_secrets_are_where_they_are_before_and_behind_the_packets(tmp_path: Path) -> None:
    made = spoken("TLSv1.3", iso20_frames())
    from iso15118.trace import pcapng

    behind = pcapng_file(made.frames) + pcapng.tls_secrets(made.key_log)
    (tmp_path / "a.pcapng").write_bytes(behind)
    reader = open_capture(tmp_path / "a.pcapng")
    assert messages(list(entries_of(tmp_path / "a.pcapng", reader=reader))) == SAID
    assert reader.streams[0].secrets == "capture"
    # A stream that cannot be read twice: what came before them waits.
    assert messages(entries(behind)) == SAID
    facts = CaptureFacts()
    kinds = [type(one) for one in CaptureFile(facts).feed(pcapng_file(made.frames, secrets=made.key_log))]
    assert kinds[0] is SecretLines
    assert set(kinds[1:]) == {Packet}


def test_what_breaks_off_is_read_up_to_there(tmp_path: Path, frames: Frames) -> None:
    for data in (pcap(frames), pcapng_file(frames), gzip.compress(pcap(frames))):
        reader = CaptureReader()
        found = reader.feed(data[:-150]) + reader.finish()
        assert messages(found)[:1] == SAID[:1]
        assert reader.facts.broken is not None
    reader = CaptureReader()
    damaged = bytearray(pcap(frames))
    damaged[24 + 8 : 24 + 12] = b"\xff\xff\xff\x7f"
    assert reader.feed(bytes(damaged)) + reader.finish() == []
    assert "damaged" in (reader.facts.broken or "")


def test_no_capture_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match="is no capture file"):
        list(entries_of(tmp_path / "a.pcap"))
    with pytest.raises(ConfigError, match="cannot be read"):
        list(entries_of(tmp_path / "none.pcap"))


def test_the_ledger_of_a_capture(frames: Frames) -> None:
    """Cut off, twice in it, the clock put back, a link type that is not read."""
    cut = pcap(frames, snapshot=90)
    reader = CaptureReader()
    reader.feed(cut)
    reader.finish()
    assert 0 < reader.facts.cut_off < reader.facts.packets
    twice = [one for at, data in frames for one in ((at, data), (at + 1e-4, data))]
    reader = CaptureReader()
    assert messages(reader.feed(pcap(twice)) + reader.finish()) == SAID
    assert reader.facts.duplicates == len(frames)
    back = [(at - 5.0 if number > 6 else at, data) for number, (at, data) in enumerate(frames)]
    reader = CaptureReader()
    assert messages(reader.feed(pcap(back)) + reader.finish()) == SAID
    assert reader.facts.clock_steps == 1
    assert reader.facts.greatest_step_back_s == pytest.approx(5.0, abs=0.1)
    reader = CaptureReader()
    assert reader.feed(pcap(frames, link=127)) == []
    assert reader.facts.unread_links == {127: len(frames)}


def test_din_is_read_as_it_was_agreed() -> None:
    found = entries(pcap(spoken(None, din_frames()).frames))
    last = [entry for entry in found if isinstance(entry, MessageEntry)][-1]
    assert (last.edition, last.message, last.session_id, last.guessed) == (
        "din",
        "SessionSetupReq",
        b"\0",
        False,
    )
    assert last.t is not None
    assert last.t > START
