"""What a capture can make the reader keep is bounded, and so is what it can make it do."""

from __future__ import annotations

from iso15118.trace.entries import Direction, V2gtpEntry
from iso15118.trace.packets import Endpoint, TcpConversation
from iso15118.trace.reading import CaptureReader, Secrets
from iso15118.trace.reading.frames import FrameStream, Lost
from iso15118.trace.reading.records import Budget
from iso15118.trace.reading.secrets import holds_secrets
from iso15118.trace.reading.tcp import Half, Room
from tests.trace.made import EV, SE, START, Made, iso20_frames, pcap, spoken


def test_all_connections_share_the_room_for_what_waits() -> None:
    room = Room(10_000)
    halves = [Half(Direction(), room) for _ in range(10)]
    given = 0
    for half in halves:
        half.begin(0)
        for number in range(20):
            given += sum(
                len(piece) for piece in half.take(1000 + number * 100, bytes(100)) if isinstance(piece, bytes)
            )
    assert room.left >= -100
    assert given >= 10 * 20 * 100 - 10_000 - 100
    for half in halves:
        half.finish()
    assert room.left == 10_000


def test_many_connections_are_forgotten_in_their_order() -> None:
    frames = []
    for port in range(3000):
        talk = TcpConversation(Endpoint(EV.address, 1024 + port, False), SE)
        frames += [(START, frame) for frame in talk.open() + talk.data(True, iso20_frames(0)[0][1])]
    reader = CaptureReader()
    found = reader.feed(pcap(frames)) + reader.finish()
    assert sum(entry.layer == "message" for entry in found) == 3000
    assert len(reader.streams) == 3000


def test_a_length_that_nobody_sends_is_not_waited_for() -> None:
    stream = FrameStream()
    huge = b"\x01\xfe\x80\x04\x7f\xff\xff\xff"
    whole = iso20_frames(1)[3][1]
    found = stream.feed(huge + bytes(100) + whole, 1)
    assert isinstance(found[0], Lost)
    assert "announces 2147483647 octets, which nobody sends" in found[0].reason
    assert len(found) == 2


def test_records_that_no_key_opens_are_searched_for_so_often_and_no_more() -> None:
    """A capture with secrets of many connections, and records of none."""
    made = spoken("TLSv1.3", iso20_frames(40))
    secrets = Secrets()
    for number in range(40):
        random, secret = number.to_bytes(32, "big").hex(), bytes([number] * 48).hex()
        for label in ("CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"):
            secrets.add(f"{label} {random} {secret}\n".encode(), "keylog")
    reader = CaptureReader(secrets=secrets)
    found = reader.feed(pcap(made.frames[-60:])) + reader.finish()
    assert not [entry for entry in found if isinstance(entry, V2gtpEntry)]
    left = reader._shared.budget.left
    fresh = Budget()
    for _ in range(60):
        fresh.packet()
    assert left < fresh.left
    assert left > -10


def test_lines_of_secrets_are_found_wherever_a_piece_ends() -> None:
    made = Made("TLSv1.3")
    wanted = sum(not line.startswith("EXPORTER_") for line in made.secrets)  # that one opens no record
    data = b"x" * 1000 + made.key_log + b"y" * 1000
    for size in (7, 64, 300, 5000):
        secrets = Secrets()
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert secrets.scan(pieces, "capture") == wanted == 4, size
        assert {len(secret) for session in secrets.all() for secret in session.values()} == {48}
    assert holds_secrets(made.key_log)
    assert not holds_secrets(b"CLIENT_RANDOM without anything")
    line = made.secrets[0].split()[2]
    assert line not in repr(secrets)
    assert line not in repr(secrets.all())
