"""Inputs as the field has them, at the command line: each was once refused or misread."""

from __future__ import annotations

import pytest

from tests.cli.rig import iso15118

EMPTY_SCHEDULES = "809a02004080c1014181c21080004820400000c99002062050193080c0c802064c8010190140c80a20"  # DIN, from a charger in use
CONTROL_CHARACTERS = "8098004011e0002804080c1014181c2012b35de740"


@pytest.mark.parametrize("command", [("exi", "decode"), ("decode", "--xml")])
def test_an_abstract_head_that_stands_empty_is_left_out_and_named(command: tuple[str, ...]) -> None:
    printed = iso15118(*command, EMPTY_SCHEDULES)
    assert printed.status == 0
    assert "ChargeParameterDiscoveryRes" in printed.out
    assert "EVSEMaximumVoltageLimit" in printed.out
    assert "empty-abstract: an abstract element without content left out" in printed.err
    assert "read as a message of din, which fits best" in printed.err


def test_a_strict_reader_refuses_it() -> None:
    from iso15118 import exi
    from iso15118.errors import ExiError

    with pytest.raises(ExiError, match="empty-abstract"):
        exi.decode("din", bytes.fromhex(EMPTY_SCHEDULES), strict=True)


@pytest.mark.parametrize("command", [("exi", "decode"), ("decode", "--xml"), ("decode",)])
def test_characters_that_xml_does_not_have_are_shown_escaped(command: tuple[str, ...]) -> None:
    printed = iso15118(*command, CONTROL_CHARACTERS)
    assert printed.status == 0
    assert r"\x01\x02\x03\x04\x05\x06\x07\x08" in printed.out
    if command[-1] != "decode" or command[0] == "exi":
        assert r"what XML cannot say is written as \x01" in printed.err


@pytest.mark.parametrize(
    "given",
    [
        "01fe80010000000e809a004011d01800608c44000000",
        "gJoAQBHQGABgjEQAAAA=",
        "80:9a:00:40:11:d0:18:00:60:8c:44:00:00:00",
        "80,9a,00,40,11,d0,18,00,60,8c,44,00,00,00",
        "0x80 0x9A 0x00 0x40 0x11 0xD0 0x18 0x00 0x60 0x8C 0x44 0x00 0x00 0x00",
        r"\x80\x9a\x00\x40\x11\xd0\x18\x00\x60\x8c\x44\x00\x00\x00",
    ],
)
def test_a_message_is_read_as_people_paste_it(given: str) -> None:
    printed = iso15118("decode", given)
    assert printed.status == 0, printed.err
    assert "SessionSetupReq (din)" in printed.out
    assert "EVCCID 001823110000" in printed.out
    assert "read as a message of din, which fits best" in printed.out
    assert "SessionSetupReq" in iso15118("exi", "decode", given).out
