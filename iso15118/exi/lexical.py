"""Simple values as text and back, as XML writes them."""

from __future__ import annotations

import base64
import binascii
import enum
import re
from typing import TypeAlias

from .structure import Datatype, Kind

Simple: TypeAlias = bool | int | str | bytes | enum.Enum
_INTEGER = re.compile(r"[+-]?[0-9]{1,160}")  # the longest that the engine takes has 155 digits
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_SPACE = " \t\r\n"  # white space of XML, which is less than Python's


def to_text(value: Simple, datatype: Datatype) -> str:
    """The lexical form of a value; ValueError if the value is not of the type."""
    kind = datatype.kind
    if kind is Kind.ENUMERATION and isinstance(value, enum.Enum):
        return str(value.value)
    if kind is Kind.BOOLEAN and isinstance(value, bool):
        return "true" if value else "false"
    if kind in (Kind.HEX, Kind.BASE64) and isinstance(value, bytes):
        return value.hex().upper() if kind is Kind.HEX else base64.b64encode(value).decode()
    if kind is Kind.STRING and isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and kind in _NUMBERS:
        return str(value)
    raise ValueError(f"a {type(value).__name__} is no {kind.name.lower()}")


def from_text(text: str, datatype: Datatype) -> Simple:
    """The value of a lexical form; ValueError if it is none. Ranges and lengths are left to the engine."""
    kind = datatype.kind
    if kind is Kind.STRING:
        return text
    if datatype.enumeration is not None:
        return datatype.enumeration(text)
    text = text.strip(_SPACE)
    if kind is Kind.BOOLEAN:
        if text not in _BOOLEANS:
            raise ValueError(f"{text[:20]!r} is no boolean")
        return _BOOLEANS[text]
    if kind is Kind.HEX:
        return binascii.unhexlify(text)
    if kind is Kind.BASE64:
        return base64.b64decode("".join(text.split()), validate=True)
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"{text[:20]!r} is no integer")
    return int(text)


_NUMBERS = (Kind.NBIT, Kind.UNSIGNED, Kind.SIGNED, Kind.INTEGER)
