"""DER where no handshake waits for it: what builders refuse to make, for negative cases, and what tokens
store.

Thin over pyasn1, which is loaded with the first call, so that starting a station does not pay for it. Readers
raise ValueError for anything that is not DER.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "elements",
    "explicit_parameters",
    "extensions_field",
    "integer",
    "octet_string",
    "octets_of",
    "public_key_info",
    "sequence",
    "signed",
    "whole",
]


def elements(data: bytes) -> list[bytes]:
    """The elements of the SEQUENCE that ``data`` is, each as it is encoded."""
    from pyasn1.type.univ import Any as AnyElement
    from pyasn1.type.univ import SequenceOf

    return [bytes(one) for one in _decoded(data, SequenceOf(componentType=AnyElement()))]


def sequence(*encoded: bytes) -> bytes:
    """A SEQUENCE of elements that are encoded already."""
    from pyasn1.type.univ import Any as AnyElement
    from pyasn1.type.univ import SequenceOf

    made = SequenceOf(componentType=AnyElement())
    made.extend(encoded)
    return _encoded(made)


def integer(value: int) -> bytes:
    """An INTEGER, of either sign."""
    from pyasn1.type.univ import Integer

    return _encoded(Integer(value))


def octet_string(value: bytes) -> bytes:
    """An OCTET STRING."""
    from pyasn1.type.univ import OctetString

    return _encoded(OctetString(value))


def octets_of(data: bytes) -> bytes:
    """What is in an OCTET STRING."""
    from pyasn1.type.univ import OctetString

    return bytes(_decoded(data, OctetString()))


def whole(data: bytes) -> bytes:
    """The first element of ``data``, without what is behind it."""
    from pyasn1.codec.der.decoder import decode
    from pyasn1.error import PyAsn1Error
    from pyasn1.type.univ import Any as AnyElement

    try:
        _, rest = decode(data, asn1Spec=AnyElement())
    except PyAsn1Error as error:
        raise ValueError(f"no DER: {error}") from error
    return data[: len(data) - len(rest)]


def signed(certificate_der: bytes, tbs: bytes, signature: bytes) -> bytes:
    """The certificate with another signed part and signature."""
    from pyasn1.type.univ import BitString

    _, algorithm, _ = elements(certificate_der)
    return sequence(tbs, algorithm, _encoded(BitString.fromOctetString(signature)))


def extensions_field(field: bytes, *, first_twice: bool = False) -> bytes:
    """The extensions field of a certificate, decoded and encoded again, with its first extension doubled if
    that is wanted.
    """
    from pyasn1.type.tag import Tag, tagClassContext, tagFormatConstructed
    from pyasn1.type.univ import Any as AnyElement
    from pyasn1.type.univ import SequenceOf

    element: Any = SequenceOf(componentType=AnyElement())
    kind = element.subtype(explicitTag=Tag(tagClassContext, tagFormatConstructed, 3))
    rows = [bytes(one) for one in _decoded(field, kind)]
    made = kind.clone()
    made.extend([*rows[:first_twice], *rows])
    return _encoded(made)


def public_key_info(spki: bytes, *, point: bytes | None = None, parameters: bytes | None = None) -> bytes:
    """A SubjectPublicKeyInfo with another point or other parameters of its algorithm (DER)."""
    from pyasn1.type.univ import BitString
    from pyasn1_modules import rfc5280

    info: Any = _decoded(spki, rfc5280.SubjectPublicKeyInfo())
    if point is not None:
        info["subjectPublicKey"] = BitString.fromOctetString(point)
    if parameters is not None:
        info["algorithm"]["parameters"] = parameters
    return _encoded(info)


def explicit_parameters(*, prime: int, a: bytes, b: bytes, base: bytes, order: int) -> bytes:
    """A curve spelled out instead of named: ECParameters of RFC 3279 2.3.5 over a prime field, cofactor 1."""
    from pyasn1.type.univ import Integer
    from pyasn1_modules import rfc3279

    made: Any = rfc3279.ECParameters()
    made["version"] = 1
    made["fieldID"]["fieldType"] = rfc3279.prime_field
    made["fieldID"]["parameters"] = _encoded(Integer(prime))
    made["curve"]["a"] = a
    made["curve"]["b"] = b
    made["base"] = base
    made["order"] = order
    made["cofactor"] = 1
    return _encoded(made)


def _decoded(data: bytes, kind: Any) -> Any:
    from pyasn1.codec.der.decoder import decode
    from pyasn1.error import PyAsn1Error

    try:
        value, rest = decode(data, asn1Spec=kind)
    except PyAsn1Error as error:
        raise ValueError(f"no DER: {error}") from error
    if rest:
        raise ValueError("octets after the element")
    return value


def _encoded(value: Any) -> bytes:
    from pyasn1.codec.der.encoder import encode

    made: bytes = encode(value)
    return made
