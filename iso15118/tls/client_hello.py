"""The ClientHello read before any TLS library sees it: what a vehicle offers, and which edition that fits.

It comes in the clear, in one or several records. Whatever the octets, the result is a value or TlsError.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from iso15118.errors import TlsError
from iso15118.tls.profiles import ISO20
from iso15118.tls.trusted_ca_keys import TrustedAuthority, parse_trusted_ca_keys

__all__ = ["ClientHello", "ClientHelloReader", "TooMuchError", "parse_client_hello"]

MAX_OCTETS = 16 * 1024
"""A ClientHello of the field has a few hundred octets, and one that names fifty roots a few thousand; the
protocol allows 16 MiB. It is read before anybody has proven anything, so it must not cost much."""
_MOST_NUMBERS = 512
"""Cipher suites, groups or schemes in a list: several times all that there are."""
_MOST_NAMES = 256
"""Roots that a client names: up to ten of each root CA while roots roll over [V2G2-878],
of more CAs than there are."""
_MOST_EXTENSIONS = 128

_HANDSHAKE, _CLIENT_HELLO = 22, 1
_VERSIONS = {0x0304: "TLSv1.3", 0x0303: "TLSv1.2", 0x0302: "TLSv1.1", 0x0301: "TLSv1.0", 0x0300: "SSLv3"}
_SUITES = {
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0xC023: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    0xC025: "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256",
    0xC02B: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    0xC02C: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    0x00FF: "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",
}
_GROUPS = {23: "secp256r1", 24: "secp384r1", 25: "secp521r1", 29: "x25519", 30: "x448"}
_SCHEMES = {
    0x0403: "ecdsa_secp256r1_sha256",
    0x0503: "ecdsa_secp384r1_sha384",
    0x0603: "ecdsa_secp521r1_sha512",
    0x0807: "ed25519",
    0x0808: "ed448",
}
_FRAGMENTS = {1: 512, 2: 1024, 3: 2048, 4: 4096}
ISO2_SUITES = ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256")


class TooMuchError(TlsError):
    """A ClientHello that nobody needs, and that would cost more than a stranger may: it is not handed
    to any TLS library either."""


class ClientHello(msgspec.Struct, frozen=True, kw_only=True):
    """What a client offers; names as IANA writes them, numbers in hexadecimal where
    they are not of any profile."""

    versions: tuple[str, ...]
    cipher_suites: tuple[str, ...]
    groups: tuple[str, ...] = ()
    signature_schemes: tuple[str, ...] = ()
    certificate_authorities: tuple[bytes, ...] = ()
    """Names (DER) of the roots the client trusts; TLS 1.3. [V2G20-1006]"""
    trusted_ca_keys: tuple[TrustedAuthority, ...] = ()
    """The same for TLS 1.2. [V2G2-651]"""
    status_request: bool = False
    max_fragment_length: int | None = None
    pre_shared_key: bool = False
    early_data: bool = False
    extensions: tuple[int, ...] = ()

    @property
    def edition(self) -> str:
        """``iso20`` if TLS 1.3 is offered, else ``iso2``. [V2G20-2356]"""
        return "iso20" if "TLSv1.3" in self.versions else "iso2"

    def objections(self) -> tuple[str, ...]:
        """What stands between this client and the edition it fits best, in words."""
        return tuple(self._iso20() if self.edition == "iso20" else self._iso2())

    def _iso20(self) -> Iterator[str]:
        for what, theirs, ours in (
            ("cipher suite", self.cipher_suites, ISO20.cipher_suites),
            ("group", self.groups, ISO20.groups),
            ("signature scheme", self.signature_schemes, ISO20.signature_schemes),
        ):
            if not set(theirs) & set(ours):
                yield f"no {what} of ISO 15118-20: neither {' nor '.join(ours)}"
        if not self.certificate_authorities:
            yield "no certificate_authorities: the station cannot know which roots are trusted [V2G20-1006]"
        if not self.status_request:
            yield "no status_request: no OCSP responses are asked for [V2G20-2372]"
        if self.pre_shared_key or self.early_data:
            yield "wants to resume a session, which is refused"

    def _iso2(self) -> Iterator[str]:
        if "TLSv1.2" not in self.versions:
            yield f"no TLS 1.2 or 1.3, only {', '.join(self.versions) or 'nothing'}"
        if not set(self.cipher_suites) & set(ISO2_SUITES):
            yield f"no cipher suite of ISO 15118-2: neither {' nor '.join(ISO2_SUITES)}"
        if self.groups and "secp256r1" not in self.groups:
            yield "no group secp256r1"
        if self.signature_schemes and "ecdsa_secp256r1_sha256" not in self.signature_schemes:
            yield "no signature scheme ecdsa_secp256r1_sha256"
        if not self.trusted_ca_keys:
            yield "no trusted_ca_keys: the station cannot know which roots are trusted [V2G2-651]"

    def describe(self) -> tuple[str, ...]:
        """The offer in plain words, a line each."""
        roots = [x509_name(name) for name in self.certificate_authorities]
        roots += [f"{one.kind.name.lower()} {one.value.hex()[:40]}" for one in self.trusted_ca_keys]
        return (
            f"versions: {', '.join(self.versions)}",
            f"cipher suites: {', '.join(self.cipher_suites)}",
            f"groups: {', '.join(self.groups) or 'none'}",
            f"signature schemes: {', '.join(self.signature_schemes) or 'none'}",
            f"roots it trusts: {'; '.join(roots) or 'none named'}",
            f"asks for OCSP responses: {'yes' if self.status_request else 'no'}",
            f"fits: ISO 15118-{'20' if self.edition == 'iso20' else '2'}",
        )


def x509_name(der: bytes) -> str:
    """A name for people; hexadecimal digits if it is none."""
    # The library reads names in certificates only, so the texts are cut out.
    texts, at = [], 0
    while at + 2 < len(der):
        tag, length = der[at], der[at + 1]
        if tag in (12, 19, 22) and at + 2 + length <= len(der):
            texts.append(der[at + 2 : at + 2 + length].decode("utf-8", "replace"))
            at += 2 + length
        else:
            at += 2 + length if tag == 6 else 2
    return ", ".join(texts) or der.hex()[:40]


class ClientHelloReader:
    """Reads the first octets of a connection as they come, each of them once: a peer that sends them one by
    one, in records of one octet, costs no more than another.
    """

    __slots__ = ("_message", "_waiting")

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._message = bytearray()

    def feed(self, data: bytes) -> ClientHello | None:
        """Take more octets; None if the ClientHello is not complete yet.

        Raises TlsError if they cannot become one; then the reader is of no more use.
        """
        waiting, message = self._waiting, self._message
        waiting += data
        at = 0
        while not (whole := self._length) or len(message) < whole:
            if waiting[at : at + 1] not in (b"", bytes([_HANDSHAKE])):
                raise TlsError("not a TLS handshake", alert="unexpected_message")
            if len(waiting) < at + 5:
                break
            length = int.from_bytes(waiting[at + 3 : at + 5], "big")
            if waiting[at + 1] != 3 or not 0 < length <= 1 << 14:
                raise TlsError("not a TLS record", alert="protocol_version")
            if len(waiting) < at + 5 + length:
                break
            message += waiting[at + 5 : at + 5 + length]
            at += 5 + length
            if message[0] != _CLIENT_HELLO:
                raise TlsError("not a ClientHello", alert="unexpected_message")
            if self._length > 4 + MAX_OCTETS:
                raise TooMuchError(
                    f"a ClientHello of more than {MAX_OCTETS} octets", alert="illegal_parameter"
                )
        else:
            return _hello(_Reader(bytes(message[4:whole])))
        del waiting[:at]
        return None

    @property
    def _length(self) -> int:
        """Octets of the message with its head; 0 if that is not there yet."""
        return 4 + int.from_bytes(self._message[1:4], "big") if len(self._message) >= 4 else 0


def parse_client_hello(data: bytes) -> ClientHello | None:
    """Read the first octets of a connection; None if the ClientHello is not complete yet.

    Raises TlsError if they cannot become one.
    """
    return ClientHelloReader().feed(data)


class _Reader:
    """Octets with a place, and an error at their end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise TlsError("ClientHello cut short", alert="decode_error")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, octets: int) -> int:
        return int.from_bytes(self.take(octets), "big")

    def vector(self, octets: int) -> _Reader:
        return _Reader(self.take(self.number(octets)))

    def numbers(self, octets: int) -> list[int]:
        if len(self.data) % octets:
            raise TlsError("a list with half an entry", alert="decode_error")
        if len(self.data) > octets * _MOST_NUMBERS:
            raise TooMuchError(f"a list of more than {_MOST_NUMBERS} entries", alert="illegal_parameter")
        return [self.number(octets) for _ in range(len(self.data) // octets)]

    @property
    def left(self) -> int:
        return len(self.data) - self.at


def _hello(body: _Reader) -> ClientHello:
    legacy = body.number(2)
    body.take(32)
    body.vector(1)
    suites = body.vector(2).numbers(2)
    body.vector(1)
    found: dict[int, _Reader] = {}
    if body.left:
        rows = body.vector(2)
        while rows.left:
            kind = rows.number(2)
            if kind in found:
                raise TlsError(f"extension {kind} twice", alert="illegal_parameter")
            if len(found) >= _MOST_EXTENSIONS:
                raise TooMuchError(f"more than {_MOST_EXTENSIONS} extensions", alert="illegal_parameter")
            found[kind] = rows.vector(2)
        if body.left:
            raise TlsError("octets after the ClientHello", alert="decode_error")
    versions = found[43].vector(1).numbers(2) if 43 in found else [legacy]
    return ClientHello(
        versions=_named(_VERSIONS, versions),
        cipher_suites=_named(_SUITES, suites),
        groups=_named(_GROUPS, found[10].vector(2).numbers(2)) if 10 in found else (),
        signature_schemes=_named(_SCHEMES, found[13].vector(2).numbers(2)) if 13 in found else (),
        certificate_authorities=_names(found[47]) if 47 in found else (),
        trusted_ca_keys=parse_trusted_ca_keys(found[3].data) if 3 in found else (),
        status_request=5 in found,
        max_fragment_length=_FRAGMENTS.get(found[1].number(1)) if 1 in found else None,
        pre_shared_key=41 in found,
        early_data=42 in found,
        extensions=tuple(found),
    )


def _named(table: dict[int, str], numbers: list[int]) -> tuple[str, ...]:
    # Values of the form ?A?A are there to keep implementations honest (RFC 8701) and mean nothing.
    return tuple(table.get(one, f"{one:04x}") for one in numbers if one & 0x0F0F != 0x0A0A)


def _names(data: _Reader) -> tuple[bytes, ...]:
    rows = data.vector(2)
    found: list[bytes] = []
    while rows.left:
        if len(found) >= _MOST_NAMES:
            raise TooMuchError(f"more than {_MOST_NAMES} certificate_authorities", alert="illegal_parameter")
        found.append(rows.vector(2).data)
    return tuple(found)
