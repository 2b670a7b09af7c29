"""The extension trusted_ca_keys of TLS 1.2 (RFC 6066 section 6): how a vehicle names
the roots it trusts. [V2G2-651]

Vehicles in the field use hashes of certificates or of keys; all four kinds of identifier are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

import msgspec

from iso15118.errors import TlsError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

__all__ = ["IdentifierType", "TrustedAuthority", "choose_chain", "parse_trusted_ca_keys", "trusted_ca_keys"]

_SHA1_OCTETS = 20
_MAX_OCTETS = 1 << 14
"""Far above what twenty names need."""
_MOST_ENTRIES = 256
"""Roots in one list: up to ten of each root CA while roots roll over [V2G2-878], of more CAs than there are.
An entry may have one octet only, so that the length alone bounds nothing."""
_KINDS = frozenset({0, 1, 2, 3})


class IdentifierType(IntEnum):
    """How a root is named."""

    PRE_AGREED = 0
    KEY_SHA1_HASH = 1
    X509_NAME = 2
    CERT_SHA1_HASH = 3


_TELLING = (IdentifierType.KEY_SHA1_HASH, IdentifierType.X509_NAME, IdentifierType.CERT_SHA1_HASH)


class TrustedAuthority(msgspec.Struct, frozen=True):
    """One root, as the peer names it."""

    kind: IdentifierType
    value: bytes

    def names(self, root_der: bytes) -> bool:
        """True if this is the root meant. PRE_AGREED means none in particular: never."""
        if self.kind is IdentifierType.PRE_AGREED:
            return False
        return self.value == _identify(self.kind, root_der)


def trusted_ca_keys(
    roots_der: Iterable[bytes], kind: IdentifierType = IdentifierType.CERT_SHA1_HASH
) -> bytes:
    """The extension's data for these roots."""
    entries = b"".join(_entry(kind, _identify(kind, root)) for root in roots_der)
    return len(entries).to_bytes(2, "big") + entries


def parse_trusted_ca_keys(data: bytes) -> tuple[TrustedAuthority, ...]:
    """Read the extension's data. Raises TlsError (alert decode_error) for anything that is not just that."""
    if len(data) < 2 or len(data) > _MAX_OCTETS or int.from_bytes(data[:2], "big") != len(data) - 2:
        raise TlsError("trusted_ca_keys without its length", alert="decode_error")
    found: list[TrustedAuthority] = []
    at = 2
    while at < len(data):
        code = data[at]
        at += 1
        if len(found) >= _MOST_ENTRIES:
            raise TlsError(f"trusted_ca_keys of more than {_MOST_ENTRIES} roots", alert="decode_error")
        if code not in _KINDS:
            raise TlsError(f"trusted_ca_keys with an identifier of type {code}", alert="decode_error")
        kind = IdentifierType(code)
        octets = 0 if kind is IdentifierType.PRE_AGREED else _SHA1_OCTETS
        if kind is IdentifierType.X509_NAME:
            octets = int.from_bytes(data[at : at + 2], "big")
            at += 2
        value = data[at : at + octets]
        at += octets
        if at > len(data) or (kind is IdentifierType.X509_NAME and not octets):
            raise TlsError("trusted_ca_keys cut short", alert="decode_error")
        found.append(TrustedAuthority(kind, value))
    return tuple(found)


def choose_chain(authorities: Sequence[TrustedAuthority], roots_der: Sequence[bytes | None]) -> int | None:
    """Place of the first of our roots that the peer trusts; None if there is none. [V2G2-871]"""
    named = frozenset(authorities)  # a peer may name thousands, and each of our roots is hashed once
    for place, root in enumerate(roots_der):
        if root is not None and any(
            TrustedAuthority(kind, _identify(kind, root)) in named for kind in _TELLING
        ):
            return place
    return None


def _entry(kind: IdentifierType, value: bytes) -> bytes:
    length = len(value).to_bytes(2, "big") if kind is IdentifierType.X509_NAME else b""
    return bytes([kind]) + length + value


def _identify(kind: IdentifierType, root_der: bytes) -> bytes:
    match kind:
        case IdentifierType.PRE_AGREED:
            return b""
        case IdentifierType.CERT_SHA1_HASH:
            return hashlib.sha1(root_der, usedforsecurity=False).digest()
        case IdentifierType.X509_NAME:
            return _read(root_der).subject.public_bytes()
        case IdentifierType.KEY_SHA1_HASH:
            from cryptography.x509 import SubjectKeyIdentifier  # as in _read

            # Over the key's bits, as in a subject key identifier.
            return SubjectKeyIdentifier.from_public_key(_read(root_der).public_key()).digest


def _read(root_der: bytes) -> Certificate:
    # Here: without TLS nothing of it is needed, and it takes a while to load.
    from cryptography.x509 import load_der_x509_certificate

    return load_der_x509_certificate(root_der)
