"""The built-in simple types of XML Schema that message schemas use, as value spaces."""

from __future__ import annotations

from .model import QName, SimpleType

XS = "http://www.w3.org/2001/XMLSchema"

_INTEGERS: dict[str, tuple[int | None, int | None]] = {
    "integer": (None, None),
    "nonNegativeInteger": (0, None),
    "positiveInteger": (1, None),
    "nonPositiveInteger": (None, 0),
    "negativeInteger": (None, -1),
    "long": (-(2**63), 2**63 - 1),
    "int": (-(2**31), 2**31 - 1),
    "short": (-(2**15), 2**15 - 1),
    "byte": (-(2**7), 2**7 - 1),
    "unsignedLong": (0, 2**64 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "unsignedShort": (0, 2**16 - 1),
    "unsignedByte": (0, 2**8 - 1),
}
_STRINGS = ("string", "normalizedString", "token", "anyURI", "ID", "IDREF", "NCName", "NMTOKEN", "language")

BUILTIN: dict[str, SimpleType] = {
    "boolean": SimpleType(QName("boolean", XS), "boolean"),
    "hexBinary": SimpleType(QName("hexBinary", XS), "hexBinary"),
    "base64Binary": SimpleType(QName("base64Binary", XS), "base64Binary"),
    **{name: SimpleType(QName(name, XS), "string") for name in _STRINGS},
    **{name: SimpleType(QName(name, XS), "integer", low, high) for name, (low, high) in _INTEGERS.items()},
}
