"""V2GTP frames: every header case, every segmentation, and what a hostile peer may announce."""

from __future__ import annotations

import random
import time
import tracemalloc
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iso15118.errors import FrameError, MisuseError
from iso15118.v2gtp import (
    PAYLOAD_CAPS,
    SAP_CAP,
    SKIP_CAP,
    Frame,
    FrameReader,
    PayloadType,
    SkippedFrame,
    encode_frame,
    payload_type_name,
)

DC = PayloadType.ISO20_DC
Item = Frame | SkippedFrame


def header(payload_type: int, length: int, version: int = 0x01, inverse: int = 0xFE) -> bytes:
    """Written without the code under test."""
    return pack(">BBHI", version, inverse, payload_type, length)


def feed(reader: FrameReader, segments: list[bytes]) -> list[Item]:
    return [item for segment in segments for item in reader.receive_data(segment)]


def outcome(reader: FrameReader, segments: list[bytes]) -> tuple[list[Item], str | None]:
    """What comes out to the end or the error, asking again as a driver does."""
    items: list[Item] = []
    for segment in segments:
        try:
            while new := reader.receive_data(segment):
                items += new
                segment = b""
        except FrameError as error:
            return items, str(error)
    return items, None


# -- building -----------------------------------------------------------------------------------------------


def test_a_frame_is_the_header_and_the_payload() -> None:
    assert encode_frame(PayloadType.SAP, b"\x80\x00") == bytes.fromhex("01fe800100000002 8000")


@pytest.mark.parametrize("payload_type", [-1, 0x10000])
def test_a_payload_type_of_more_than_16_bits_is_refused(payload_type: int) -> None:
    with pytest.raises(MisuseError, match="16 bits"):
        encode_frame(payload_type, b"")


@pytest.mark.parametrize(
    ("payload_type", "name"),
    [
        (0x8004, "0x8004 (ISO20_DC)"),
        (0x8105, "0x8105 (reserved)"),
        (0xA000, "0xA000 (manufacturer)"),
        (0, "0x0000 (reserved)"),
    ],
)
def test_payload_types_have_names_for_people(payload_type: int, name: str) -> None:
    assert payload_type_name(payload_type) == name


def test_the_payload_types_are_those_of_the_standard() -> None:
    assert {t.name: int(t) for t in PayloadType} == {
        "SAP": 0x8001,
        "ISO20_MAIN": 0x8002,
        "ISO20_AC": 0x8003,
        "ISO20_DC": 0x8004,
        "ISO20_ACDP": 0x8005,
        "ISO20_WPT": 0x8006,
        "ISO20_AC_DER_IEC": 0x8010,
        "ISO20_AC_DER_SAE": 0x8011,
        "SCHEDULE_RENEGOTIATION": 0x8101,
        "METERING_CONFIRMATION": 0x8102,
        "ACDP_SYSTEM_STATUS": 0x8103,
        "PARKING_STATUS": 0x8104,
        "SDP_REQUEST": 0x9000,
        "SDP_RESPONSE": 0x9001,
        "SDP_REQUEST_WIRELESS": 0x9002,
        "SDP_RESPONSE_WIRELESS": 0x9003,
        "SDP_REQUEST_EMSP": 0x9004,
        "SDP_RESPONSE_EMSP": 0x9005,
    }


# -- headers that lose the stream ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "inverse"),
    [
        (0x02, 0xFE),
        (0x00, 0xFE),
        (0x01, 0xFD),
        (0x01, 0x01),
        (0xFE, 0x01),
        (0x00, 0x00),
        (0xFF, 0xFF),
        (0x16, 0x03),
    ],
    ids=[
        "version 2",
        "version 0",
        "inverse wrong",
        "inverse equal",
        "swapped",
        "zeros",
        "ones",
        "a TLS record",
    ],
)
def test_a_wrong_version_is_the_end_of_the_stream(version: int, inverse: int) -> None:
    reader = FrameReader()
    with pytest.raises(FrameError, match="no V2GTP version 1 header"):
        reader.receive_data(header(DC, 1, version, inverse) + b"x")
    with pytest.raises(FrameError, match="no V2GTP version 1 header"):
        reader.receive_data(encode_frame(DC, b"good"))


@pytest.mark.parametrize("payload_type", sorted(PAYLOAD_CAPS), ids=lambda t: PayloadType(t).name)
def test_a_payload_may_be_as_long_as_its_cap_and_no_longer(payload_type: int) -> None:
    cap = PAYLOAD_CAPS[payload_type]
    payload = bytes(cap)
    assert FrameReader().receive_data(encode_frame(payload_type, payload)) == [Frame(payload_type, payload)]
    with pytest.raises(FrameError, match=f"payload of {cap + 1} bytes"):
        FrameReader().receive_data(header(payload_type, cap + 1) + bytes(cap + 1))
    for length in (cap + 1, 2**31, 2**32 - 8, 2**32 - 1):
        with pytest.raises(FrameError, match=f"payload of {length} bytes .* at most {cap} "):
            FrameReader().receive_data(header(payload_type, length))


@pytest.mark.parametrize(
    "payload_type", [0x0000, 0x8000, 0x8007, 0x8105, 0x8106, 0x9000, 0x9001, 0x9002, 0xA000, 0xFFFF]
)
def test_a_type_that_is_not_accepted_is_skipped_and_reported(payload_type: int) -> None:
    reader = FrameReader()
    assert reader.receive_data(encode_frame(payload_type, b"??") + encode_frame(DC, b"message")) == [
        SkippedFrame(payload_type, 2),
        Frame(DC, b"message"),
    ]


def test_a_skipped_payload_is_reported_at_once_and_never_held() -> None:
    reader = FrameReader()
    assert reader.receive_data(header(0xA000, SKIP_CAP)) == [SkippedFrame(0xA000, SKIP_CAP)]
    for _ in range(SKIP_CAP // 1024):
        assert reader.receive_data(bytes(1024)) == []
        assert reader.buffered == 0
    assert reader.receive_data(encode_frame(DC, b"next")) == [Frame(DC, b"next")]


def test_an_empty_message_of_a_type_that_is_not_accepted_is_skipped_too() -> None:
    assert FrameReader().receive_data(header(0xA000, 0)) == [SkippedFrame(0xA000, 0)]


@pytest.mark.parametrize("payload_type", [DC, 0xA000], ids=["accepted", "skipped"])
def test_a_payload_that_looks_like_a_message_is_none(payload_type: int) -> None:
    inner = encode_frame(DC, b"smuggled")
    item = Frame(DC, inner) if payload_type == DC else SkippedFrame(0xA000, len(inner))
    wire = header(payload_type, len(inner))
    for cut in range(len(wire) + 1):
        assert feed(FrameReader(), [wire[:cut], wire[cut:], inner]) == [item]


@pytest.mark.parametrize("length", [SKIP_CAP + 1, 2**31, 2**32 - 8, 2**32 - 1])
def test_even_a_skipped_payload_has_a_cap(length: int) -> None:
    with pytest.raises(FrameError, match=r"0xA000 \(manufacturer\)"):
        FrameReader().receive_data(header(0xA000, length))


def test_the_payload_types_accepted_can_change_between_two_calls() -> None:
    reader = FrameReader({PayloadType.SAP: SAP_CAP})
    assert reader.receive_data(encode_frame(DC, b"early")) == [SkippedFrame(DC, 5)]
    reader.caps = {DC: 10}
    assert reader.receive_data(encode_frame(DC, b"in time")) == [Frame(DC, b"in time")]
    assert reader.receive_data(encode_frame(PayloadType.SAP, b"late")) == [SkippedFrame(PayloadType.SAP, 4)]


# -- lengths and segments -----------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9])
def test_short_payloads(length: int) -> None:
    assert FrameReader().receive_data(encode_frame(DC, bytes(length))) == [Frame(DC, bytes(length))]


def test_a_header_without_its_payload_gives_nothing_yet() -> None:
    reader = FrameReader()
    assert reader.receive_data(header(DC, 3)) == []
    assert reader.receive_data(b"ab") == []
    assert reader.receive_data(b"c") == [Frame(DC, b"abc")]


@pytest.mark.parametrize("first", range(1, 8))
def test_a_header_may_be_split_anywhere(first: int) -> None:
    wire = encode_frame(DC, b"payload")
    reader = FrameReader()
    assert reader.receive_data(wire[:first]) == []
    assert reader.receive_data(wire[first:]) == [Frame(DC, b"payload")]


def test_data_longer_than_announced_is_the_next_header() -> None:
    reader = FrameReader()
    assert reader.receive_data(header(DC, 2) + b"ab" + b"trailing garbage") == [Frame(DC, b"ab")]
    with pytest.raises(FrameError):
        reader.receive_data(b"")


def test_trailing_garbage_shorter_than_a_header_waits() -> None:
    reader = FrameReader()
    assert reader.receive_data(encode_frame(DC, b"ab") + b"\x00\x00") == [Frame(DC, b"ab")]
    assert reader.buffered == 2
    with pytest.raises(FrameError):
        reader.receive_data(bytes(6))


def test_messages_before_a_broken_header_are_given_out_first() -> None:
    reader = FrameReader()
    good = encode_frame(DC, b"one") + encode_frame(0xA000, b"skip") + encode_frame(DC, b"two")
    assert outcome(reader, [good + bytes(8)]) == (
        [Frame(DC, b"one"), SkippedFrame(0xA000, 4), Frame(DC, b"two")],
        "0x0000 is no V2GTP version 1 header (0x01FE)",
    )


def test_fifty_messages_in_one_segment() -> None:
    payloads = [bytes([n]) * n for n in range(50)]
    wire = b"".join(encode_frame(DC, payload) for payload in payloads)
    assert FrameReader().receive_data(wire) == [Frame(DC, payload) for payload in payloads]


def test_a_limit_leaves_the_rest_for_later() -> None:
    reader = FrameReader()
    wire = b"".join(encode_frame(DC, bytes([n])) for n in range(5))
    assert reader.receive_data(wire, 0) == []
    assert reader.receive_data(b"", 2) == [Frame(DC, b"\0"), Frame(DC, b"\1")]
    assert reader.receive_data(b"", 1) == [Frame(DC, b"\2")]
    assert reader.receive_data(b"") == [Frame(DC, b"\3"), Frame(DC, b"\4")]
    assert reader.receive_data(b"") == []
    assert reader.receive_data(encode_frame(DC, b"whole"), 0) == []
    assert reader.receive_data(b"") == [Frame(DC, b"whole")]


MIXED = (
    encode_frame(DC, b"first")
    + encode_frame(0xB000, b"not for us")
    + encode_frame(PayloadType.ISO20_MAIN, b"")
    + encode_frame(DC, bytes(range(40)))
)
MIXED_ITEMS: list[Item] = [
    Frame(DC, b"first"),
    SkippedFrame(0xB000, 10),
    Frame(PayloadType.ISO20_MAIN, b""),
    Frame(DC, bytes(range(40))),
]


def test_one_byte_per_segment() -> None:
    assert feed(FrameReader(), [bytes([byte]) for byte in MIXED]) == MIXED_ITEMS


def test_every_split_in_two() -> None:
    for cut in range(len(MIXED) + 1):
        assert feed(FrameReader(), [MIXED[:cut], MIXED[cut:]]) == MIXED_ITEMS, cut


def test_every_split_in_three() -> None:
    for first in range(len(MIXED)):
        for second in range(first, len(MIXED)):
            segments = [MIXED[:first], MIXED[first:second], MIXED[second:]]
            assert feed(FrameReader(), segments) == MIXED_ITEMS, (first, second)


_headers = st.builds(
    header,
    st.sampled_from([DC, PayloadType.ISO20_MAIN, 0xA000, 0x8001, 0x1234]),
    st.one_of(st.integers(0, 30), st.sampled_from([16 * 1024 + 1, SKIP_CAP + 1, 2**32 - 1])),
    st.sampled_from([1, 1, 1, 1, 2]),
)
_streams = st.lists(st.one_of(_headers, st.binary(max_size=30)), max_size=8).map(b"".join)


@given(_streams, st.randoms(use_true_random=False))
def test_segmentation_never_changes_what_comes_out(wire: bytes, random_: random.Random) -> None:
    cuts = sorted(random_.randrange(len(wire) + 1) for _ in range(random_.randrange(8)))
    segments = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    whole = outcome(FrameReader(), [wire])
    assert outcome(FrameReader(), segments) == whole
    assert outcome(FrameReader(), [bytes([byte]) for byte in wire]) == whole


@given(st.binary(max_size=64))
def test_any_bytes_give_items_or_a_frame_error(wire: bytes) -> None:
    items, _ = outcome(FrameReader(), [wire])
    assert sum(len(item.payload) if isinstance(item, Frame) else 0 for item in items) <= len(wire)


# -- cost ---------------------------------------------------------------------------------------------------


def test_an_announced_length_allocates_nothing() -> None:
    reader = FrameReader()
    tracemalloc.start()
    try:
        reader.receive_data(header(PayloadType.ISO20_MAIN, PAYLOAD_CAPS[PayloadType.ISO20_MAIN]))
        with pytest.raises(FrameError):
            FrameReader().receive_data(header(DC, 2**32 - 1))
        assert tracemalloc.get_traced_memory()[1] < 32 * 1024
    finally:
        tracemalloc.stop()


def test_collecting_a_long_message_byte_by_byte_takes_linear_time() -> None:
    """Copying what is there with every segment would cost sixteen times as much for four times the length."""

    def cost(length: int) -> float:
        reader = FrameReader()
        reader.receive_data(header(PayloadType.ISO20_MAIN, length))
        start = time.process_time()
        for _ in range(length - 1):
            reader.receive_data(b"x")
        assert reader.receive_data(b"x") == [Frame(PayloadType.ISO20_MAIN, b"x" * length)]
        return time.process_time() - start

    short, long = (min(cost(length) for _ in range(3)) for length in (64 * 1024, 256 * 1024))
    assert long / short < 9
