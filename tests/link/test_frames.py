"""Frames: what is read, what is refused, and that both ways agree."""

from __future__ import annotations

import subprocess
import sys

import pytest

from iso15118.errors import MisuseError, SlacError
from iso15118.link.slac import BROADCAST, Frame, parse_frame
from iso15118.link.slac import messages as m
from iso15118.link.slac.amplitude import pack
from iso15118.link.slac.events import FrameReceived
from iso15118.link.slac.frames import mmtype_in
from iso15118.link.slac.keys import Nmk

A, B = b"\x02aaaaa", b"\x02bbbbb"
RUN = b"RUNIDRUN"
NMK = Nmk(bytes(range(0xA0, 0xB0)))
NID = bytes.fromhex("b468ace9ff5603")

SAMPLES: dict[m.Message, int] = {
    m.SlacParmReq(RUN): 29,
    m.SlacParmCnf(RUN, A): 44,
    m.StartAttenCharInd(RUN, A): 38,
    m.MnbcSoundInd(RUN, 9, bytes(16)): 71,
    m.AttenProfileInd(A, bytes(58)): 85,
    m.AttenProfileInd(A, b""): 27,
    m.AttenCharInd(A, RUN, 10, bytes(range(58))): 129,
    m.AttenCharRsp(A, RUN): 70,
    m.ValidateReq(5): 22,
    m.ValidateCnf(2, m.ValidateResult.SUCCESS): 22,
    m.SlacMatchReq(A, B, RUN): 85,
    m.SlacMatchCnf(A, B, RUN, NID, NMK): 109,
    m.SetKeyReq(b"nonc", NID, NMK): 57,
    m.SetKeyCnf(1, b"mine", b"your", prn=0x1234): 33,
    pack(bytes([1, 2, 3])): 23,
    m.AmpMapCnf(): 20,
    m.QualcommResetReq(): 20,
    m.QualcommResetCnf(): 21,
    m.QualcommLinkStatusReq(): 20,
    m.QualcommLinkStatusCnf(1): 22,
    m.LumissilResetReq(): 40,
    m.LumissilLinkStatusReq(): 39,
    m.LumissilLinkStatusCnf(1): 40,
}


@pytest.mark.parametrize(("message", "length"), SAMPLES.items(), ids=lambda v: type(v).__name__)
def test_a_message_survives_the_wire_and_has_its_length(message: m.Message, length: int) -> None:
    data = Frame(B, A, message).to_bytes()
    assert len(data) == max(60, length)
    assert not any(data[length:])
    back = parse_frame(data)
    assert back.message == message
    assert (back.destination, back.source) == (B, A)
    assert back.to_bytes() == data


@pytest.mark.parametrize(("message", "length"), SAMPLES.items(), ids=lambda v: type(v).__name__)
def test_every_cut_is_refused_and_padding_is_not_needed(message: m.Message, length: int) -> None:
    data = Frame(B, A, message).to_bytes()[:length]
    assert parse_frame(data).message == message
    for cut in range(length):
        # A vendor message without its OUI is nobody's: it passes as what it is.
        if message.__class__.__name__.startswith(("Qualcomm", "Lumissil")) and 17 <= cut < 20:
            assert isinstance(parse_frame(data[:cut]).message, m.Opaque)
            continue
        with pytest.raises(SlacError):
            parse_frame(data[:cut])


@pytest.mark.parametrize(("message", "length"), SAMPLES.items(), ids=lambda v: type(v).__name__)
def test_what_follows_a_message_is_kept(message: m.Message, length: int) -> None:
    data = Frame(B, A, message, trailer=b"\x00\x00\xc1\xf2").to_bytes()
    assert len(data) == length + 4
    assert parse_frame(data).to_bytes() == data


def changed(message: m.Message, offset: int, value: int) -> bytes:
    data = bytearray(Frame(B, A, message).to_bytes())
    data[offset] = value
    return bytes(data)


FIXED = [
    (m.SlacParmReq(RUN), 12, 0x08, "EtherType"),
    (m.SlacParmReq(RUN), 14, 0, "MMV"),
    (m.SlacParmReq(RUN), 14, 2, "MMV"),
    (m.SlacParmReq(RUN), 14, 9, "MMV"),
    (m.SlacParmReq(RUN), 17, 1, "FMI"),
    (m.SlacParmReq(RUN), 18, 1, "FMSN"),
    (m.SlacParmReq(RUN), 19, 1, "APPLICATION_TYPE"),
    (m.SlacParmReq(RUN), 20, 1, "SECURITY_TYPE"),
    (m.SlacParmCnf(RUN, A), 34, 1, "APPLICATION_TYPE"),
    (m.SlacParmCnf(RUN, A), 35, 1, "SECURITY_TYPE"),
    (m.AttenCharInd(A, RUN, 10, bytes(58)), 35, 1, "SOURCE_ID"),
    (m.AttenCharInd(A, RUN, 10, bytes(58)), 68, 1, "RESP_ID"),
    (m.AttenCharInd(A, RUN, 10, bytes(58)), 70, 59, "NumGroups beyond the end"),
    (m.AttenProfileInd(A, bytes(58)), 25, 255, "NumGroups beyond the end"),
    (m.ValidateReq(0), 19, 1, "SignalType"),
    (m.ValidateReq(0), 21, 5, "Result"),
    (m.ValidateCnf(0, m.ValidateResult.READY), 21, 5, "Result"),
    (m.SlacMatchReq(A, B, RUN), 21, 0x3F, "MVFLength"),
    (m.SlacMatchReq(A, B, RUN), 22, 1, "MVFLength"),
    (m.SlacMatchReq(A, B, RUN), 23, 1, "PEV_ID"),
    (m.SlacMatchReq(A, B, RUN), 46, 1, "EVSE_ID"),
    (m.SlacMatchCnf(A, B, RUN, NID, NMK), 21, 0x3E, "MVFLength"),
    (m.SlacMatchCnf(A, B, RUN, NID, NMK), 91, 0x43, "top bits of the NID"),
    (m.SetKeyReq(b"nonc", NID, NMK), 19, 0, "KeyType"),
    (m.SetKeyReq(b"nonc", NID, NMK), 40, 0, "NewEKS"),
    (pack(bytes(10)), 19, 0, "no carriers"),
    (pack(bytes(10)), 20, 0xFF, "too many carriers"),
]


@pytest.mark.parametrize(("message", "offset", "value", "what"), FIXED, ids=[f"{r[3]}@{r[1]}" for r in FIXED])
def test_fixed_fields_are_checked(message: m.Message, offset: int, value: int, what: str) -> None:
    assert parse_frame(Frame(B, A, message).to_bytes()).message == message
    with pytest.raises(SlacError):
        parse_frame(changed(message, offset, value))


def test_amplitude_maps_may_come_with_the_header_of_homeplug_av_2() -> None:
    data = changed(pack(bytes([4] * 58)), 14, 2)
    assert parse_frame(data).message == pack(bytes([4] * 58))
    assert parse_frame(data).to_bytes() == data


def test_entries_of_an_amplitude_map_begin_with_the_low_half() -> None:
    assert pack(bytes([1, 2, 3])) == m.AmpMapReq(3, bytes([0x21, 0x03]))


def test_a_vlan_tag_is_kept() -> None:
    plain = Frame(B, A, m.SlacParmReq(RUN)).to_bytes()
    tagged = plain[:12] + b"\x81\x00\x60\x01" + plain[12:]
    read = parse_frame(tagged)
    assert read.message == m.SlacParmReq(RUN)
    assert read.vlan == b"\x81\x00\x60\x01"
    assert read.to_bytes() == tagged
    assert mmtype_in(tagged) == mmtype_in(plain) == 0x6064


def test_other_messages_pass_as_they_are() -> None:
    data = bytes.fromhex("00b052000001644d700103bf88e10138600000").ljust(60, b"\0")
    read = parse_frame(data)
    assert isinstance(read.message, m.Opaque)
    assert read.mmtype == 0x6038
    assert read.to_bytes() == data


def test_another_makers_message_under_a_known_number_is_not_ours() -> None:
    data = bytearray(Frame(B, A, m.QualcommLinkStatusCnf(1)).to_bytes())
    data[17:20] = b"\x00\x16\xe8"
    assert isinstance(parse_frame(bytes(data)).message, m.Opaque)


def test_a_giant_is_refused() -> None:
    with pytest.raises(SlacError):
        parse_frame(Frame(B, A, m.SlacParmReq(RUN)).to_bytes() + bytes(1500))


@pytest.mark.parametrize(
    "frame",
    [
        Frame(b"short", A, m.SlacParmReq(RUN)),
        Frame(BROADCAST, A, m.SlacParmReq(b"short")),
        Frame(BROADCAST, A, m.AttenCharInd(A, RUN, 300, bytes(58))),
        Frame(BROADCAST, A, m.AttenCharInd(A, RUN, 10, bytes(256))),
        Frame(BROADCAST, A, m.AmpMapReq(5, b"\x00")),
    ],
)
def test_values_that_do_not_fit_are_our_own_mistake(frame: Frame) -> None:
    with pytest.raises(MisuseError):
        frame.to_bytes()


def test_keys_are_not_shown() -> None:
    for message in (m.SlacMatchCnf(A, B, RUN, NID, NMK), m.SetKeyReq(b"nonc", NID, NMK)):
        frame = Frame(B, A, message)
        read = parse_frame(frame.to_bytes() + bytes(NMK))
        opaque = m.Opaque(0x600D, bytes(NMK))
        for shown in (frame, read, message, NMK, FrameReceived(frame.to_bytes()), opaque):
            for text in (repr(shown), str(shown), f"{shown}", f"{shown!r}"):
                assert bytes(NMK).hex() not in text
                assert repr(bytes(NMK))[2:-1] not in text
    assert bytes(NMK) == NMK  # it is there all the same


def test_construct_is_loaded_with_the_first_frame_only() -> None:
    code = (
        "import sys, iso15118.link.slac.ev, iso15118.link.slac.evse\n"
        "assert 'construct' not in sys.modules\n"
        "from iso15118.link.slac import parse_frame\n"
        "from iso15118.errors import SlacError\n"
        "try: parse_frame(bytes(12) + bytes.fromhex('88e1016460'))\n"
        "except SlacError: pass\n"
        "assert 'construct' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
