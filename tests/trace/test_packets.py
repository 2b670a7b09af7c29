"""Packets around given bytes: scapy takes them apart and finds nothing to mend."""

from __future__ import annotations

from ipaddress import IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import TCP, UDP
from scapy.layers.l2 import Ether

from iso15118.trace import Capture, Endpoint
from iso15118.trace.packets import MAXIMUM_SEGMENT, TcpConversation, udp_packet
from tests.trace.reading import intact, read

CAR = Endpoint(IPv6Address("fe80::1234"), 50123, station=False)
STATION = Endpoint(IPv6Address("fe80::ff:fe00:1"), 61000, station=True)


@given(st.binary(max_size=3 * MAXIMUM_SEGMENT + 1), st.booleans())
def test_every_segment_has_lengths_and_checksums_that_fit(data: bytes, from_client: bool) -> None:
    conversation = TcpConversation(CAR, STATION)
    frames = [*conversation.open(), *conversation.data(from_client, data), *conversation.finish(from_client)]
    assert all(intact(Ether(frame)) for frame in frames)
    payloads = [bytes(Ether(frame)[TCP].payload) for frame in frames]
    assert b"".join(payloads) == data
    assert max(len(frame) for frame in frames) <= 14 + 1500


@given(st.binary(max_size=200))
def test_every_datagram_has_a_checksum_that_fits(data: bytes) -> None:
    packet = Ether(udp_packet(CAR, STATION, data))
    assert intact(packet)
    assert bytes(packet[UDP].payload) == data


def test_a_checksum_of_zero_is_written_in_its_other_form() -> None:
    bare = Ether(udp_packet(CAR, STATION, b"\0\0"))
    # These two octets make up for the rest, so that the sum comes out as all ones.
    packet = Ether(udp_packet(CAR, STATION, bare[UDP].chksum.to_bytes(2)))
    assert packet[UDP].chksum == 0xFFFF


def test_both_directions_count_their_own_bytes_and_acknowledge_the_other() -> None:
    conversation = TcpConversation(CAR, STATION)
    opening = [Ether(frame)[TCP] for frame in conversation.open()]
    assert [str(segment.flags) for segment in opening] == ["S", "SA", "A"]
    (request,) = (Ether(frame)[TCP] for frame in conversation.data(True, b"request"))
    (answer,) = (Ether(frame)[TCP] for frame in conversation.data(False, b"answers"))
    assert (request.sport, request.dport, request.seq, request.ack) == (50123, 61000, 1, 1)
    assert (answer.sport, answer.dport, answer.seq, answer.ack) == (61000, 50123, 1, 1 + len(b"request"))
    fin, ack = (Ether(frame)[TCP] for frame in conversation.finish(True))
    assert (str(fin.flags), fin.seq, str(ack.flags), ack.ack) == ("FA", 8, "A", 9)
    (reset,) = (Ether(frame)[TCP] for frame in conversation.reset(False))
    assert (reset.sport, str(reset.flags), reset.seq) == (61000, "RA", 8)


def capture() -> Capture:
    return Capture(epoch=1_790_000_000.0, note="Of a test.")


def test_secrets_given_late_still_stand_before_the_packets_that_need_them(tmp_path: Path) -> None:
    made = capture()
    made.open(CAR, STATION, 1.0)
    made.data(True, b"hello", 1.25)
    made.secret("CLIENT_RANDOM 00 11")
    made.secret("EXPORTER_SECRET 00 22")
    (tmp_path / "a.pcapng").write_bytes(made.take())
    found = read(tmp_path / "a.pcapng")
    assert found.key_log == "CLIENT_RANDOM 00 11\nEXPORTER_SECRET 00 22\n"
    assert found.blocks == [0x0A0D0D0A, 1, 0x0A, 6, 6, 6, 6]
    assert found.packets[-1][0] == pytest.approx(1_790_000_001.25, abs=1e-6)


def test_what_is_taken_piece_by_piece_is_the_same_file(tmp_path: Path) -> None:
    made, at_once = capture(), capture()
    pieces = []
    for number in range(20):
        for one in (made, at_once):
            if number == 0:
                one.open(CAR, STATION, 0.0)
            one.data(number % 2 == 0, bytes(number * 100), float(number))
        if number % 3 == 0:
            pieces.append(made.take())
            assert made.waiting == 0
    pieces.append(made.take())
    assert b"".join(pieces) == at_once.take()
    assert made.take() == b""


def test_bytes_of_no_connection_are_no_packets() -> None:
    made = capture()
    empty = capture().take()
    made.data(True, b"too early", 0.0)
    made.finish(True, 0.0)
    made.reset(True, 0.0)
    assert not made.connected
    assert made.take() == empty


def test_a_capture_does_not_show_its_secrets() -> None:
    made = capture()
    made.secret("CLIENT_RANDOM 00 c0ffee")
    assert "c0ffee" not in repr(made)
