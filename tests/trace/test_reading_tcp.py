"""One direction of TCP put together: in order, each octet once, with every gap told; and what that means to
messages and TLS records."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from iso15118.trace.entries import Direction, Entry, MessageEntry, TcpEntry, TcpEvent, V2gtpEntry
from iso15118.trace.reading import CaptureReader, Secrets
from iso15118.trace.reading.tcp import Half, Piece
from tests.trace.made import Frames, Made, iso20_frames, pcap, spoken

DATA = bytes(range(256)) * 40


def joined(pieces: list[Piece]) -> bytes:
    """Gaps as so many question marks."""
    return b"".join(piece if isinstance(piece, bytes) else b"?" * piece for piece in pieces)


@pytest.mark.parametrize("start", [0, 1000, 2**32 - 5000])
def test_in_any_order_and_any_overlap_each_octet_comes_once(start: int) -> None:
    """Random segments that cover the stream, sent again and again; the first one opens it."""
    dice = random.Random(start)
    for _ in range(50):
        half = Half(Direction())
        half.begin((start - 1) % 2**32)
        pieces: list[Piece] = []
        cuts = sorted({0, len(DATA), *(dice.randrange(len(DATA)) for _ in range(30))})
        segments = [(a, DATA[a:b]) for a, b in pairwise(cuts)]
        segments += [(a, DATA[a : a + 300]) for a in (dice.randrange(len(DATA)) for _ in range(10))]
        dice.shuffle(segments)
        for at, data in segments:
            pieces += half.take((start + at) % 2**32, data)
        pieces += half.finish()
        assert joined(pieces) == DATA
        assert half.facts.missing == 0
        assert half.facts.octets == len(DATA)


def test_what_never_comes_is_a_gap_of_its_length() -> None:
    facts = Direction()
    half = Half(facts)
    half.begin(99)
    assert half.take(100, b"one") == [b"one"]
    assert half.take(110, b"three") == []
    assert half.acknowledged(108) == []  # what is missing may still come
    assert half.acknowledged(115) == [7, b"three"]  # the other side has it: it was not captured
    assert half.take(103, b"two") == []
    assert (facts.missing, facts.gaps, facts.retransmitted, facts.out_of_order) == (7, 1, 1, 1)


def test_what_waits_is_bounded() -> None:
    half = Half(Direction())
    half.begin(0)
    pieces: list[Piece] = []
    for number in range(2000):
        pieces += half.take(1000 + number * 100, bytes(100))
    assert pieces
    assert pieces[0] == 999
    assert half.take(200_000_000, bytes(1 << 20)) == [
        pytest.approx(200_000_000 - 201_000, abs=1),
        bytes(1 << 20),
    ]


def test_what_the_capture_cut_off_is_a_gap() -> None:
    half = Half(Direction())
    half.begin(0)
    assert half.take(1, b"abc", cut_off=7) == [b"abc", 7]
    assert half.take(11, b"def") == [b"def"]


def read(frames: Frames, secrets: bytes = b"") -> tuple[list[Entry], CaptureReader]:
    known = Secrets()
    known.add(secrets, "keylog")
    reader = CaptureReader(secrets=known)
    return reader.feed(pcap(frames)) + reader.finish(), reader


def messages(found: list[Entry]) -> list[str]:
    return [entry.message for entry in found if isinstance(entry, MessageEntry)]


def gaps(found: list[Entry]) -> list[TcpEntry]:
    return [entry for entry in found if isinstance(entry, TcpEntry) and entry.event is TcpEvent.GAP]


@pytest.mark.parametrize("tls", [None, "TLSv1.3", "TLSv1.2"])
def test_a_lost_segment_costs_its_message_and_no_other(tls: str | None) -> None:
    made = spoken(tls, iso20_frames(8))
    whole = messages(read(made.frames, made.key_log)[0])
    assert len(whole) == 11
    # From the back: two packets each way for the end, and eight requests before them.
    lost = len(made.frames) - 4 - 5
    found, reader = read(made.frames[:lost] + made.frames[lost + 1 :], made.key_log)
    assert messages(found) == whole[:-1]
    (gap,) = gaps(found)
    facts = reader.streams[0].from_client
    assert gap.missing == facts.missing > 0
    assert gap.notes[0] == f"{gap.missing} octets are missing from the capture"


def test_a_frame_that_a_gap_cut_is_told() -> None:
    made = Made(None)
    for sender, frame in iso20_frames(1)[:3]:
        made.say(sender, frame)
    long = iso20_frames(1)[3][1]
    made.say(True, long[:20])
    made.say(True, long[20:])
    made.say(True, long)
    made.close()
    found, _ = read(made.frames[:9] + made.frames[10:])
    assert messages(found)[-1] == "DC_ChargeLoopReq"
    (gap,) = gaps(found)
    assert f"a frame of 0x8004 (ISO20_DC) with {len(long) - 8} octets, of which 12 were seen" in gap.notes


@pytest.mark.parametrize("tls", [None, "TLSv1.3", "TLSv1.2"])
def test_sent_again_and_out_of_order_changes_nothing(tls: str | None) -> None:
    made = spoken(tls, iso20_frames(8))
    whole, _ = read(made.frames, made.key_log)
    frames = list(made.frames)
    for at in range(10, len(frames) - 6, 3):
        frames[at], frames[at + 1] = frames[at + 1], frames[at]
    frames = [one for pair in frames for one in (pair, (pair[0] + 0.005, pair[1]))]
    found, reader = read(frames, made.key_log)
    assert sorted(messages(found)) == sorted(messages(whole))
    assert gaps(found) == []
    assert reader.streams[0].from_client.retransmitted > 5


@pytest.mark.parametrize("vehicle", [True, False])
@pytest.mark.parametrize("tls", [None, "TLSv1.3"])
def test_one_direction_alone(tls: str | None, vehicle: bool) -> None:
    made = spoken(tls, iso20_frames(3))
    mac = b"\x02\0\0\0\0\x01" if vehicle else b"\x02\0\0\0\0\x02"
    found, reader = read([one for one in made.frames if one[1][6:12] == mac], made.key_log)
    said = messages(found)
    assert said == (
        ["supportedAppProtocolReq", "SessionSetupReq", *["DC_ChargeLoopReq"] * 3]
        if vehicle
        else ["supportedAppProtocolRes"]
    )
    assert {entry.sender for entry in found if isinstance(entry, MessageEntry)} == {
        "evcc" if vehicle else "secc"
    }
    facts = reader.streams[0]
    assert (facts.from_server if vehicle else facts.from_client).segments == 0


@pytest.mark.parametrize("tls", [None, "TLSv1.3"])
def test_a_capture_that_began_late(tls: str | None) -> None:
    """In the middle of the charge loop: no opening, no hellos, no supportedAppProtocol."""
    made = spoken(tls, iso20_frames(30))
    found, reader = read(made.frames[-20:], made.key_log)
    said = [entry for entry in found if isinstance(entry, MessageEntry)]
    assert len(said) == 16
    assert {(entry.message, entry.sender) for entry in said} == {("DC_ChargeLoopReq", "evcc")}
    facts = reader.streams[0]
    assert (facts.opened, facts.roles_known, facts.v2g) == (False, True, True)
    assert any(isinstance(entry, TcpEntry) and entry.event is TcpEvent.JOINED for entry in found)


def test_the_same_ports_again_are_another_connection() -> None:
    once, again = spoken(None, iso20_frames(2)), spoken(None, iso20_frames(2))
    later = [(at + 100.0, _other_numbers(data)) for at, data in again.frames]
    found, reader = read(once.frames + later)
    assert messages(found) == messages(read(once.frames)[0]) * 2
    assert len(reader.streams) == 2
    assert [one.edition for one in reader.streams] == ["iso20-dc"] * 2


def _other_numbers(data: bytes) -> bytes:
    """A TCP segment whose sequence numbers begin elsewhere."""
    if data[20] != 6:
        return data
    numbers = [(int.from_bytes(data[at : at + 4], "big") + 77_777) % 2**32 for at in (58, 62)]
    return data[:58] + b"".join(one.to_bytes(4, "big") for one in numbers) + data[66:]


def test_other_connections_are_left_alone() -> None:
    made = Made(None, discovery=False)
    made.say(True, b"GET / HTTP/1.1\r\n\r\n")
    made.say(False, b"HTTP/1.1 200 OK\r\n\r\n")
    made.close()
    found, reader = read(made.frames)
    assert found == []
    assert reader.facts.other_streams == 1


def test_octets_that_are_no_frame_are_told_and_the_next_frame_is_found() -> None:
    made = Made(None)
    frames = iso20_frames(2)
    made.say(True, frames[0][1])
    made.say(True, b"\xde\xad\xbe\xef" + frames[2][1])
    found, _ = read(made.frames)
    assert messages(found) == ["supportedAppProtocolReq", "SessionSetupReq"]
    (odd,) = [entry for entry in found if isinstance(entry, V2gtpEntry)]
    assert (odd.payload, odd.notes) == (
        b"\xde\xad\xbe\xef",
        ("0xDEAD is no V2GTP version 1 header (0x01FE)",),
    )
