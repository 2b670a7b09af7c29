"""Names that certificates carry as their common name: syntax and check digits.

Each ``is_`` function takes the text of a common name and says whether it is such an identifier; none raises
on odd text. What a check digit is computed by is settled for EMAID and EVCCID only; for PCID and SECCID it is
a setting of the profile (:data:`CheckDigit`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

__all__ = [
    "IDENTIFIERS",
    "CheckDigit",
    "emaid_check_digit",
    "evccid_check_digit",
    "fault_of",
    "is_emaid",
    "is_evccid",
    "is_pcid",
    "is_seccid",
    "mod_37_36_check_digit",
    "normal_emaid",
]

CheckDigit = Literal["any", "mod-37-36", "powers"]
"""How the last character of a PCID or SECCID is judged: not at all, by ISO 7064 MOD
37,36, or as in an EVCCID."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MAX_OCTETS = 64
"""A common name has 64 characters at most (X.520 upper bound)."""

# Country, provider, instance, check digit; hyphens stand everywhere or nowhere. Letters of either case.
_EMAID = re.compile(r"([A-Z]{2})(-?)([A-Z0-9]{3})\2([A-Z0-9]{9})(?:\2([A-Z0-9]))?", re.ASCII | re.IGNORECASE)

# World manufacturer identifier, the maker's own id, and a check digit that some makers leave out.
_PCID = re.compile(r"[A-Z0-9]{17}[A-Z0-9]?", re.ASCII)

# World manufacturer identifier, "V", unique id, check digit; the letters I, O and Q do not occur. Hyphens
# stand between elements only.
_EVCCID = re.compile(r"([A-HJ-NPR-Z0-9]{3})-?(V)-?([A-HJ-NPR-Z0-9]{15,})-?([0-9X])", re.ASCII)

# Country, operator, "S", controller id. Whether the last character is a check digit is not settled.
_SECCID = re.compile(r"([A-Z]{2})-?([A-Z0-9]{3})-?(S)-?([A-Z0-9]{32,})(-[A-Z0-9])?", re.ASCII)
_SECCID_MIN = 39


def is_emaid(text: str, check: CheckDigit = "any") -> bool:
    """True for an EMAID of 14 characters, or of 15 with the right check digit, hyphens not counted.

    ``check`` is ignored: this check digit is settled.
    """
    if len(text) > _MAX_OCTETS or (match := _EMAID.fullmatch(text)) is None:
        return False
    country, _, provider, instance, digit = match.groups()
    return digit is None or emaid_check_digit(country + provider + instance) == digit.upper()


def normal_emaid(text: str) -> str:
    """The 14 capitals and digits by which two spellings of one EMAID are equal; other
    text comes back as it is."""
    match = _EMAID.fullmatch(text) if len(text) <= _MAX_OCTETS else None
    return (match[1] + match[3] + match[4]).upper() if match else text


def emaid_check_digit(text: str) -> str:
    """Check character of the 14 letters and digits of an EMAID (ISO 15118-1 Annex H).

    A character's value in base 36 is written with the digits a, b (base 2) and c, d (base 3). Both pairs are
    row vectors; over all places i from 1 to 15, the sum of vector times P**i is zero, with P of the rows (0
    1), (1 1) modulo 2, and (0 1), (1 2) modulo 3. Raises ValueError for anything but 14 letters and digits.
    """
    if len(text) != 14 or not text.isascii() or not text.isalnum():
        raise ValueError("an EMAID has 14 letters and digits before its check digit")
    a = b = c = d = 0
    # Horner's rule from the last place to the first, so that P is applied 14 times to the first vector's
    # successors and the sum ends up multiplied by P**1 .. P**14.
    for character in reversed(text.upper()):
        value = int(character, 36)
        a, b = a + value // 18, b + value // 9 % 2
        c, d = c + value // 3 % 3, d + value % 3
        a, b = b % 2, (a + b) % 2
        c, d = d % 3, (c + 2 * d) % 3
    # P has the order 3 modulo 2 and 8 modulo 3: P**-15 is the identity for one, and P for the other.
    c, d = -d % 3, -(c + 2 * d) % 3
    return _ALPHABET[18 * a + 9 * b + 3 * c + d]


def is_pcid(text: str, check: CheckDigit = "any") -> bool:
    """True for a provisioning certificate identifier: 17 capitals and digits and a check
    digit, which may be absent."""
    if _PCID.fullmatch(text) is None:
        return False
    if len(text) == 17 or check == "any":
        return True
    rule = mod_37_36_check_digit if check == "mod-37-36" else evccid_check_digit
    return rule(text[:-1]) == text[-1]


def is_evccid(text: str, check: CheckDigit = "powers") -> bool:
    """True for an EVCCID of ISO 15118-20 (20 to 64 characters) with the right check digit. [V2G20-2598]

    ``check`` is ignored: this check digit is settled.
    """
    if len(text) > _MAX_OCTETS or (match := _EVCCID.fullmatch(text)) is None:
        return False
    *elements, digit = match.groups()
    return evccid_check_digit(*elements) == digit


def evccid_check_digit(*elements: str) -> str:
    """Check digit of an EVCCID's elements: manufacturer, type letter and unique id, capitals and digits only.

    Leading zeros of an element do not count. Every character is its base-36 value in decimal digits; these
    are weighted with powers of two that start again after 28, and their sum is taken modulo 11, with X for
    ten.
    """
    digits = "".join(str(int(character, 36)) for element in elements for character in element.lstrip("0"))
    remainder = sum(int(digit) << (place % 28) for place, digit in enumerate(digits)) % 11
    return "X" if remainder == 10 else str(remainder)


def is_seccid(text: str, check: CheckDigit = "any") -> bool:
    """True for a SECCID of ISO 15118-20 (39 to 64 characters)."""
    if not _SECCID_MIN <= len(text) <= _MAX_OCTETS or (match := _SECCID.fullmatch(text)) is None:
        return False
    if check == "any":
        return True
    *elements, digit = match.groups()
    if digit is None:
        elements[-1], digit = elements[-1][:-1], elements[-1][-1]
    digit = digit.removeprefix("-")
    if check == "powers":
        return evccid_check_digit(*elements) == digit
    return mod_37_36_check_digit("".join(elements)) == digit


def mod_37_36_check_digit(text: str) -> str:
    """Check character of capitals and digits by ISO 7064 MOD 37,36."""
    product = 36
    for character in text:
        product = ((product + int(character, 36)) % 36 or 36) * 2 % 37
    return _ALPHABET[(37 - product) % 36]


IDENTIFIERS: dict[str, Callable[[str, CheckDigit], bool]] = {
    "EMAID": is_emaid,
    "PCID": is_pcid,
    "EVCCID": is_evccid,
    "SECCID": is_seccid,
}
"""The checks by the names that profiles use."""


def fault_of(kind: str, text: str, check: CheckDigit = "any") -> str:
    """Why a text is no such identifier, in words, with the check digit that it should have if only that is
    wrong. Empty if it is one."""
    if IDENTIFIERS[kind](text, check):
        return ""
    right = _right_digit(kind, text, check)
    return _SHAPES[kind] if right is None else f"its check digit is {right}"


_SHAPES = {
    "EMAID": "two letters for the country, three characters for the provider, nine more, and perhaps a check digit",
    "PCID": "17 capitals and digits, and perhaps a check digit",
    "EVCCID": "three characters for the maker, V, 15 or more characters, and a check digit, without I, O and Q",
    "SECCID": "two letters for the country, three characters for the operator, S, and 32 or more characters",
}


def _right_digit(kind: str, text: str, check: CheckDigit) -> str | None:
    """The check digit of a text that is an identifier but for this one; None if more is wrong."""
    if len(text) > _MAX_OCTETS:
        return None
    if kind == "EMAID" and (match := _EMAID.fullmatch(text)) is not None:
        return emaid_check_digit(match[1] + match[3] + match[4])
    if kind == "EVCCID" and (match := _EVCCID.fullmatch(text)) is not None:
        return evccid_check_digit(*match.groups()[:-1])
    rules = {"mod-37-36": _ALPHABET, "powers": "0123456789X"}
    if kind in ("PCID", "SECCID") and check in rules and text:
        return next((one for one in rules[check] if IDENTIFIERS[kind](text[:-1] + one, check)), None)
    return None
