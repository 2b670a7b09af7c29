"""Names that certificates carry as their common name: syntax and check digits.

Each function takes the text of a common name and says whether it is such an identifier; none raises on odd
text.
"""

from __future__ import annotations

import re

__all__ = ["evccid_check_digit", "is_evccid", "is_seccid"]

_MAX_OCTETS = 64
"""A common name has 64 characters at most (X.520 upper bound)."""

# World manufacturer identifier, "V", unique id, check digit; the letters I, O and Q do not occur. Hyphens
# stand between elements only.
_EVCCID = re.compile(r"([A-HJ-NPR-Z0-9]{3})-?(V)-?([A-HJ-NPR-Z0-9]{15,})-?([0-9X])", re.ASCII)

# Country, operator, "S", controller id. Whether the last character is a check digit, and by which rule, is
# not settled, so it is taken as a part of the controller id and not checked.
_SECCID = re.compile(r"[A-Z]{2}-?[A-Z0-9]{3}-?S-?[A-Z0-9]{32,}(-[A-Z0-9])?", re.ASCII)
_SECCID_MIN = 39


def is_evccid(text: str) -> bool:
    """True for an EVCCID of ISO 15118-20 (20 to 64 characters) with the right check digit. [V2G20-2598]"""
    if len(text) > _MAX_OCTETS or (match := _EVCCID.fullmatch(text)) is None:
        return False
    *elements, check = match.groups()
    return evccid_check_digit(*elements) == check


def evccid_check_digit(*elements: str) -> str:
    """Check digit of an EVCCID's elements: manufacturer, type letter and unique id, capitals and digits only.

    Leading zeros of an element do not count. Every character is its base-36 value in decimal digits; these
    are weighted with powers of two that start again after 28, and their sum is taken modulo 11, with X for
    ten.
    """
    digits = "".join(str(int(character, 36)) for element in elements for character in element.lstrip("0"))
    remainder = sum(int(digit) << (place % 28) for place, digit in enumerate(digits)) % 11
    return "X" if remainder == 10 else str(remainder)


def is_seccid(text: str) -> bool:
    """True for a SECCID of ISO 15118-20 (39 to 64 characters); a check digit is not verified."""
    return _SECCID_MIN <= len(text) <= _MAX_OCTETS and _SECCID.fullmatch(text) is not None
