"""EVCCID and SECCID: syntax and check digits."""

from __future__ import annotations

import pytest

from iso15118.pki.identifiers import evccid_check_digit, is_evccid, is_seccid


@pytest.mark.parametrize(
    "text",
    [
        "WVWV123456789ABCDEF7",
        "WVW-V-123456789ABCDEF-7",
        "WVWV000000000ABCDEF7",
        "WVWV0ZYXWVUTSRPNMLK5",
        "WVWV" + "1" * 59 + "0",
    ],
)
def test_an_evccid_with_the_right_check_digit(text: str) -> None:
    assert is_evccid(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "WVWV123456789ABCDEF1",  # check digit
        "WVWS123456789ABCDEF7",  # a station's letter
        "WVWV123456789ABCDE",  # too short
        "WVWV12345678IABCDEF7",  # a letter that does not occur
        "wvwv123456789abcdef7",
        "WVWV123456789-ABCDEF7",  # a hyphen within an element
        "WVWV123456789ABCDEF7\n",
        "WVWV" + "1" * 60 + "0",  # too long
        "WVWV\uff1123456789ABCDEF7",
    ],
)
def test_no_evccid(text: str) -> None:
    assert not is_evccid(text)


def test_the_sum_that_a_public_vector_states() -> None:
    # 32 31 32 31 1 2 ... 9 10 11 12 13 14 15 as digits, weighted with powers of two: 508166864, which leaves
    # 7.
    assert evccid_check_digit("WVW", "V", "123456789ABCDEF") == "7"


def test_leading_zeros_of_an_element_do_not_count() -> None:
    assert evccid_check_digit("WVW", "V", "000000000ABCDEF") == evccid_check_digit("WVW", "V", "ABCDEF")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DE-ABC-S-" + "0" * 31 + "1", True),
        ("DEABCS" + "A" * 33, True),
        ("DEABCS" + "A" * 32, False),  # 38 characters
        ("DE-ABC-V-" + "0" * 31 + "1", False),
        ("DE-ABC-S-" + "0" * 56, False),  # 65 characters
        ("SECCCert", False),
    ],
)
def test_seccid(text: str, expected: bool) -> None:
    assert is_seccid(text) is expected
