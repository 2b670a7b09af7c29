"""The channel: typed messages over frames, read by the schema that edition and payload type name."""

from __future__ import annotations

from struct import pack, unpack_from
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118 import exi
from iso15118.channel import EDITIONS, Item, MessageChannel, Received, Skipped, Undecodable
from iso15118.errors import ExiError, FrameError, MisuseError
from iso15118.messages import din
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_messages import SessionSetupReq
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.messages.xmldsig import (
    CanonicalizationMethod,
    DigestMethod,
    Reference,
    SignatureMethod,
    SignedInfo,
)
from iso15118.secc.iso20.wire import offer
from iso15118.v2gtp import SAP_CAP, PayloadType, encode_frame
from tests.sample_messages import DISCOVERY, HEADER, LOOP, SAP_REQ, SAP_RES, SETUP
from tests.secc.vehicle import STATION, Drive


def dc_channel() -> MessageChannel:
    channel = MessageChannel()
    channel.select("iso20-dc")
    return channel


def beside_messages() -> list[Any]:
    """A request and an answer of each exchange that runs beside the charge loop too."""
    drive = Drive()
    drive.session_id = bytes(range(8))
    header = drive.header()
    ok = ResponseCode.OK
    return [
        drive.request(cm.ScheduleExchangeReq),
        cm.ScheduleExchangeRes(
            header=header,
            response_code=ok,
            evse_processing=Processing.Ongoing,
            se_res_control_mode=cm.DynamicSEResControlMode(),
        ),
        drive.request(cm.PowerDeliveryReq),
        cm.PowerDeliveryRes(header=header, response_code=ok),
        drive.request(dc.DCChargeParameterDiscoveryReq),
        dc.DCChargeParameterDiscoveryRes(
            header=header,
            response_code=ok,
            dc_cpd_res_energy_transfer_mode=offer(STATION, drive.service),
        ),
    ]


def everything(channel: MessageChannel, segments: list[bytes]) -> list[Item]:
    """As a driver does it: what came is dealt with before more is asked for."""
    items: list[Item] = []
    for segment in segments:
        new = channel.receive_data(segment)
        while new:
            items += new
            if not channel.more:
                break
            new = channel.receive_data(b"")
    return items


def messages(items: list[Item]) -> list[Any]:
    return [item.message if isinstance(item, Received) else item for item in items]


# -- which schema, which payload type -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "payload_type"),
    [(SETUP, 0x8002), (DISCOVERY, 0x8002), (LOOP, 0x8004)],
    ids=lambda value: type(value).__name__,
)
def test_a_message_travels_under_the_payload_type_of_its_schema(message: Any, payload_type: int) -> None:
    wire = dc_channel().encode(message)
    assert unpack_from(">HHI", wire) == (0x01FE, payload_type, len(wire) - 8)
    (item,) = dc_channel().receive_data(wire)
    assert item == Received(message, payload_type, wire[8:])


@pytest.mark.parametrize(
    "edition", [name for name, streams in EDITIONS.items() if any(s.shared for s in streams)]
)
def test_ten_messages_run_on_the_stream_of_a_renegotiation_as_well(edition: str) -> None:
    """Charge parameters of the family, schedules and power delivery: the payload type says where, the
    document which schema set."""
    (stream,) = (one for one in EDITIONS[edition] if one.shared)
    # Under a pantograph the power is DC, and to support the grid it is AC.
    family = edition.removeprefix("iso20-").upper().replace("ACDP", "DC").partition("-")[0]
    names = {kind.__name__ for kind in stream.message_types}
    both = ("Req", "Res")
    assert names == {
        f"{exchange}{way}"
        for exchange in ("PowerDelivery", "ScheduleExchange", f"{family}ChargeParameterDiscovery")
        for way in both
    }


@pytest.mark.parametrize("message", beside_messages(), ids=lambda message: type(message).__name__)
def test_whoever_sends_says_on_which_stream(message: Any) -> None:
    for beside, payload_type in ((True, 0x8101), (False, 0x8002)):
        wire = dc_channel().encode(message, beside=beside)
        is_guest = type(message).__module__ == dc.__name__ and not beside
        assert unpack_from(">HHI", wire)[1] == (0x8004 if is_guest else payload_type)
        (item,) = dc_channel().receive_data(wire)
        assert isinstance(item, Received)
        assert item.message == message
        assert item.beside is beside


@pytest.mark.parametrize("payload", [b"", b"\x80", b"\x80\x3c", b"\x80\x6c"], ids=bytes.hex)
def test_what_is_cut_short_beside_the_loop_is_undecodable(payload: bytes) -> None:
    (item,) = dc_channel().receive_data(encode_frame(0x8101, payload))
    assert isinstance(item, Undecodable)


def test_a_message_of_the_loop_is_none_beside_it() -> None:
    """It has no code of its own there, so it is read as one of the common messages, which it is not."""
    loop = dc_channel().encode(LOOP)[8:]
    setup = dc_channel().encode(SETUP)[8:]
    for payload in (loop, setup):
        (item,) = dc_channel().receive_data(encode_frame(0x8101, payload))
        assert isinstance(item, Undecodable)


@pytest.mark.parametrize("message", [SAP_REQ, SAP_RES], ids=["request", "response"])
def test_a_channel_begins_with_the_negotiation(message: Any) -> None:
    channel = MessageChannel()
    assert channel.edition == "app"
    wire = channel.encode(message)
    assert wire[:4] == bytes.fromhex("01fe8001")
    assert channel.receive_data(wire) == [Received(message, PayloadType.SAP, wire[8:])]


@pytest.mark.parametrize("edition", sorted(EDITIONS))
def test_every_message_of_an_edition_has_exactly_one_payload_type(edition: str) -> None:
    streams = [stream for stream in EDITIONS[edition] if not stream.shared]
    types = [message_type for stream in streams for message_type in stream.message_types]
    assert len(types) == len(set(types))
    names = [message_type.__name__ for message_type in types]
    if edition in ("iso2", "din"):  # one document element, whatever its body says
        assert names == ["V2GMessage"]
        return
    assert {name[:-1] + "q" for name in names} == {name[:-1] + "q" for name in names if name.endswith("Res")}


def test_the_editions_hold_the_messages_they_should() -> None:
    names = {
        edition: {t.__name__ for stream in streams for t in stream.message_types}
        for edition, streams in EDITIONS.items()
    }
    assert names["app"] == {"SupportedAppProtocolReq", "SupportedAppProtocolRes"}
    assert names["iso20-dc"] >= {
        "SessionSetupReq",
        "PowerDeliveryRes",
        "DCChargeLoopReq",
        "DCWeldingDetectionRes",
    }
    assert len(names["iso20-dc"]) == 2 * (13 + 5)
    assert len(names["iso20-ac"]) == 2 * (13 + 2)
    assert names["iso20-ac-der-iec"] == names["iso20-ac-der-sae"] == names["iso20-ac"]
    for edition in ("iso20-ac", "iso20-dc", "iso20-ac-der-iec", "iso20-ac-der-sae"):
        (parking,) = (one for one in EDITIONS[edition] if one.payload_type == PayloadType.PARKING_STATUS)
        assert {one.__name__[:-3] for one in parking.message_types} == {"VehicleCheckIn", "VehicleCheckOut"}


@pytest.mark.parametrize(
    ("edition", "message"),
    [
        ("app", SETUP),
        ("app", LOOP),
        ("iso20-dc", SAP_REQ),
        ("iso20-dc", HEADER),
        ("iso20-dc", None),
        ("iso20-dc", "x"),
    ],
    ids=str,
)
def test_what_is_no_message_of_the_edition_is_not_sent(edition: str, message: Any) -> None:
    channel = MessageChannel()
    channel.select(edition)
    with pytest.raises(MisuseError, match=f"{type(message).__name__} is no message of {edition}"):
        channel.encode(message)


def test_an_edition_that_there_is_not_is_refused() -> None:
    channel = MessageChannel()
    with pytest.raises(MisuseError, match=f"no edition 'iso21', only {', '.join(EDITIONS)}"):
        channel.select("iso21")
    assert channel.edition == "app"


# -- what comes in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload_type", [0x8001, 0x8003, 0x8005, 0x8103, 0x9000, 0xA000])
def test_other_payload_types_are_skipped_and_reported(payload_type: int) -> None:
    channel = dc_channel()
    items = everything(channel, [encode_frame(payload_type, b"12345") + channel.encode(SETUP)])
    assert items[0] == Skipped(payload_type, 5)
    assert f"5 bytes of payload type 0x{payload_type:04X}" in Skipped(payload_type, 5).reason
    assert messages(items[1:]) == [SETUP]


@pytest.mark.parametrize("payload_type", [0x8002, 0x8004])
def test_nothing_but_the_negotiation_is_read_before_it(payload_type: int) -> None:
    channel = MessageChannel()
    wire = dc_channel().encode(SETUP if payload_type == 0x8002 else LOOP)
    assert channel.receive_data(wire) == [Skipped(payload_type, len(wire) - 8)]


def test_before_the_negotiation_a_long_message_is_refused() -> None:
    with pytest.raises(FrameError, match=f"at most {SAP_CAP} are accepted"):
        MessageChannel().receive_data(pack(">HHI", 0x01FE, 0x8001, SAP_CAP + 1))


@pytest.mark.parametrize(
    "payload", [b"", b"\x80", b"\x00", b"\x80\xff\xff", bytes(40)], ids=lambda p: p.hex() or "empty"
)
def test_a_payload_that_is_no_message_comes_with_its_error_and_bytes(payload: bytes) -> None:
    channel = dc_channel()
    items = everything(channel, [encode_frame(PayloadType.ISO20_DC, payload) + channel.encode(LOOP)])
    bad, good = items
    assert isinstance(bad, Undecodable)
    assert isinstance(bad.error, ExiError)
    assert (bad.payload_type, bad.payload) == (PayloadType.ISO20_DC, payload)
    assert messages([good]) == [LOOP]


def test_a_message_under_the_payload_type_of_another_schema_is_never_guessed() -> None:
    channel = dc_channel()
    wire = encode_frame(PayloadType.ISO20_DC, channel.encode(SETUP)[8:])
    (item,) = channel.receive_data(wire)
    assert not (isinstance(item, Received) and item.message == SETUP)


def test_a_broken_header_comes_after_the_messages_before_it() -> None:
    channel = dc_channel()
    assert messages(channel.receive_data(channel.encode(SETUP) + channel.encode(LOOP) + bytes(8))) == [
        SETUP,
        LOOP,
    ]
    assert channel.more
    with pytest.raises(FrameError):
        channel.receive_data(b"")


def test_messages_in_any_segmentation() -> None:
    wire = dc_channel().encode(SETUP) + dc_channel().encode(LOOP) + dc_channel().encode(DISCOVERY)
    expected = [SETUP, LOOP, DISCOVERY]
    assert messages(everything(dc_channel(), [wire])) == expected
    assert messages(everything(dc_channel(), [bytes([byte]) for byte in wire])) == expected
    for cut in range(len(wire) + 1):
        assert messages(everything(dc_channel(), [wire[:cut], wire[cut:]])) == expected


def test_fifty_messages_in_one_segment() -> None:
    channel = dc_channel()
    assert messages(channel.receive_data(channel.encode(LOOP) * 50)) == [LOOP] * 50


@pytest.mark.parametrize("split", [False, True], ids=["one segment", "two segments"])
def test_a_message_right_behind_the_negotiation_is_read_by_the_edition_chosen(split: bool) -> None:
    """A peer that does not wait breaks the rules; how it is read must still not hang on the segments."""
    ask, setup = MessageChannel().encode(SAP_REQ), dc_channel().encode(SETUP)
    channel = MessageChannel()
    seen: list[Any] = []
    for segment in [ask, setup] if split else [ask + setup]:
        items = channel.receive_data(segment)
        while items:
            for item in items:
                seen += messages([item])
                if seen[-1] == SAP_REQ:
                    channel.select("iso20-dc")
            items = channel.receive_data(b"") if channel.more else []
    assert seen == [SAP_REQ, SETUP]


def test_a_codec_can_be_replaced() -> None:
    class Upside:
        def decode_with_notes(self, schema: str, data: bytes) -> tuple[Any, list[str]]:
            return {"iso20-common": SETUP, "iso20-dc": LOOP}[schema], [f"upside: {data.decode()}"]

        def encode(self, schema: str, message: Any) -> bytes:
            return schema.encode()

    channel = MessageChannel(Upside())
    channel.select("iso20-dc")
    assert channel.encode(LOOP)[8:] == b"iso20-dc"
    assert channel.receive_data(encode_frame(PayloadType.ISO20_MAIN, b"abc")) == [
        Received(SETUP, PayloadType.ISO20_MAIN, b"abc", ("upside: abc",))
    ]


def test_a_deviation_that_is_borne_with_is_named() -> None:
    payload = dc_channel().encode(LOOP)[8:]
    (item,) = dc_channel().receive_data(encode_frame(PayloadType.ISO20_DC, payload + b"\0"))
    assert isinstance(item, Received)
    assert item.message == LOOP
    assert [note.partition(":")[0] for note in item.notes] == ["trailing-octets"]
    assert dc_channel().receive_data(dc_channel().encode(LOOP)) == [
        Received(LOOP, PayloadType.ISO20_DC, payload, ())
    ]


def test_a_value_longer_than_its_type_is_no_message_for_a_session() -> None:
    longest = SessionSetupReq(header=HEADER, evccid="A" * 255)
    payload = exi.encode("iso20-common", longest)
    bits = f"{int.from_bytes(payload):0{8 * len(payload)}b}"
    text = f"{ord('A'):08b}"
    # The length is coded as 257, low group first; one more character makes it 258.
    before = f"{0x81:08b}{0x02:08b}" + text * 255
    assert before in bits
    bits = bits.replace(before, f"{0x82:08b}{0x02:08b}" + text * 256)
    payload = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8))
    (item,) = dc_channel().receive_data(encode_frame(PayloadType.ISO20_MAIN, payload))
    assert isinstance(item, Undecodable)
    assert "longer than its type" in str(item.error)


def with_empty_head(message: Any, other: Any, code: str) -> bytes:
    """``message`` up to the element in which ``other`` has another member of its group, with the abstract
    head instead, empty, and the end of everything behind it."""
    first, second = (
        f"{int.from_bytes(one):b}" for one in (exi.encode("din", message), exi.encode("din", other))
    )
    same = next(at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    digits = f"{first[: same + 1 - len(code)]}{code}0000"
    digits += "0" * (-len(digits) % 8)
    return int(digits, 2).to_bytes(len(digits) // 8)


def din_request(parameters: Any) -> din.V2GMessage:
    body = din.ChargeParameterDiscoveryReq(
        ev_requested_energy_transfer_type=din.EVRequestedEnergyTransfer.DC_extended,
        ev_charge_parameter=parameters,
    )
    return din.V2GMessage(header=din.MessageHeader(session_id=bytes(8)), body=din.Body(body_element=body))


def test_what_has_to_be_there_may_not_stand_empty_in_its_abstract_form() -> None:
    """Types promise it to every handler; schedules of DIN 70121 alone are left out by chargers in use."""
    amount = din.PhysicalValue(multiplier=0, value=1)
    status = din.DCEVStatus(ev_ready=True, ev_error_code=din.DCEVErrorCode.NO_ERROR, evresssoc=1)
    direct = din.DCEVChargeParameter(
        dc_ev_status=status, ev_maximum_current_limit=amount, ev_maximum_voltage_limit=amount
    )
    alternating = din.ACEVChargeParameter(
        departure_time=0, e_amount=amount, ev_max_voltage=amount, ev_max_current=amount, ev_min_current=amount
    )
    octets = with_empty_head(din_request(alternating), din_request(direct), "10")
    message: Any
    message, notes = exi.decode_with_notes("din", octets)
    assert [note.split(":")[0] for note in notes] == ["empty-abstract"]
    assert message.body.body_element.ev_charge_parameter is None
    channel = MessageChannel()
    channel.select("din")
    (item,) = channel.receive_data(encode_frame(PayloadType.SAP, octets))
    assert isinstance(item, Undecodable)
    assert "stands empty in its abstract form" in str(item.error)
    schedules = bytes.fromhex(
        "809a02004080c1014181c21080004820400000c99002062050193080c0c802064c8010190140c80a20"
    )
    (item,) = channel.receive_data(encode_frame(PayloadType.SAP, schedules))
    assert isinstance(item, Received)
    assert [note.split(":")[0] for note in item.notes] == ["empty-abstract"]


def test_a_document_that_is_no_message_is_undecodable() -> None:
    signed_info = SignedInfo(
        canonicalization_method=CanonicalizationMethod(algorithm="http://www.w3.org/TR/canonical-exi/"),
        signature_method=SignatureMethod(algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512"),
        reference=(
            Reference(
                digest_method=DigestMethod(algorithm="http://www.w3.org/2001/04/xmlenc#sha512"),
                digest_value=b"x",
            ),
        ),
    )
    payload = exi.encode("iso20-common", signed_info)
    assert exi.decode("iso20-common", payload) == signed_info, "the schema set has it as a root"
    (item,) = dc_channel().receive_data(encode_frame(PayloadType.ISO20_MAIN, payload))
    assert isinstance(item, Undecodable)
    assert "SignedInfo" in str(item.error)
    assert "the root is no message" in str(item.error)


def test_a_message_that_its_schema_does_not_allow_is_an_exi_error() -> None:
    with pytest.raises(ExiError):
        dc_channel().encode(replace(SETUP, evccid="x" * 256))


def test_what_is_sent_is_exi() -> None:
    assert exi.decode("iso20-common", dc_channel().encode(SETUP)[8:]) == SETUP


def test_a_peer_that_sends_nothing_but_what_nobody_reads_is_given_up() -> None:
    channel = MessageChannel()
    nothing = encode_frame(0x9999, b"")
    items = channel.receive_data(nothing * 3)
    while channel.more:
        items += channel.receive_data(b"")
    assert [type(item) for item in items] == [Skipped] * 3
    channel.select("iso20-dc")
    message = channel.encode(SETUP)
    for _ in range(3):  # among messages any number
        items = channel.receive_data(nothing * 200 + message)
        assert len(items) == 201
        assert isinstance(items[-1], Received)
    assert len(channel.receive_data(nothing * 8000)) == 256
    with pytest.raises(FrameError, match="256 messages in a row"):
        channel.receive_data(b"")
