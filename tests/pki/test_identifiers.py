"""EVCCID and SECCID: syntax and check digits."""

from __future__ import annotations

import pytest

from iso15118.pki.chain.identifiers import (
    emaid_check_digit,
    evccid_check_digit,
    is_emaid,
    is_evccid,
    is_pcid,
    is_seccid,
    mod_37_36_check_digit,
    normal_emaid,
)


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DE8AA001234567", True),
        ("DE8AA0012345670", True),
        ("DE-8AA-001234567-0", True),
        ("de-8aa-001234567", True),
        ("DE8AA0012345671", False),  # check digit
        ("DE-8AA001234567", False),  # hyphens stand everywhere or nowhere
        ("DE8AA00123456", False),
        ("D48AA001234567", False),
        ("DE8AA001234567\n", False),
        ("DE8AA00123456\u0667", False),
        ("", False),
        ("D" * 100_000, False),
    ],
)
def test_emaid(text: str, expected: bool) -> None:
    assert is_emaid(text) is expected


def test_the_check_digit_of_an_emaid_notices_what_people_get_wrong() -> None:
    good = "DE83DUIEN83QGZ"
    assert emaid_check_digit(good) == "D"  # a published example
    for place in range(14):
        for other in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ":
            changed = good[:place] + other + good[place + 1 :]
            assert (emaid_check_digit(changed) == "D") == (changed == good)
        swapped = list(good)
        if place < 13:
            swapped[place : place + 2] = reversed(swapped[place : place + 2])
            assert (emaid_check_digit("".join(swapped)) == "D") == ("".join(swapped) == good)
    for wrong in ("", "DE83DUIEN83QG", "DE83DUIEN83QGZZ", "DE83DUIEN83QG-", "DE83DUIEN83QG\u00c4"):
        with pytest.raises(ValueError, match="14 letters"):
            emaid_check_digit(wrong)


def test_spellings_of_one_emaid_are_equal() -> None:
    spellings = {"DE-8AA-001234567-0", "de8aa001234567", "DE8AA0012345670", "DE-8AA-001234567"}
    assert {normal_emaid(text) for text in spellings} == {"DE8AA001234567"}
    assert normal_emaid("no emaid") == "no emaid"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("WVW123456789ABCDE7", True),
        ("WVW123456789ABCDE", True),
        ("WVW-123456789ABCDE", False),
        ("WVW123456789ABCDE77", False),
        ("wvw123456789abcde7", False),
        ("WVW123456789ABCDE7\n", False),
    ],
)
def test_pcid(text: str, expected: bool) -> None:
    assert is_pcid(text) is expected


def test_check_digits_that_are_a_setting() -> None:
    stem = "WVW123456789ABCDE"
    assert is_pcid(stem + mod_37_36_check_digit(stem), "mod-37-36")
    assert not is_pcid(stem + "8", "mod-37-36")
    assert is_pcid(stem + evccid_check_digit(stem), "powers")
    elements = ("DE", "ABC", "S", "0" * 31 + "1")
    for check, digit in (
        ("mod-37-36", mod_37_36_check_digit("".join(elements))),
        ("powers", evccid_check_digit(*elements)),
    ):
        right = "DEABCS" + elements[3] + digit
        assert is_seccid(right, check)  # type: ignore[arg-type]
        assert is_seccid("-".join((*elements, digit)), check)  # type: ignore[arg-type]
        wrong = "0" if digit != "0" else "1"
        assert not is_seccid("DEABCS" + elements[3] + wrong, check)  # type: ignore[arg-type]
