"""TLS handshake messages and alerts read one by one: what each says as JSON values, and what our
own rules find wrong with it.

Message in, ``Told`` out; whatever the octets, nothing is raised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct, field

from iso15118.errors import TlsError
from iso15118.tls.client_hello import ISO2_SUITES, ClientHello, ClientHelloReader, x509_name
from iso15118.tls.profiles import ISO20

from .suites import suite_name

__all__ = ["ALERTS", "Told", "alert", "handshake_name", "tell"]

_NAMES: Final = {
    0: "HelloRequest",
    1: "ClientHello",
    2: "ServerHello",
    4: "NewSessionTicket",
    5: "EndOfEarlyData",
    8: "EncryptedExtensions",
    11: "Certificate",
    12: "ServerKeyExchange",
    13: "CertificateRequest",
    14: "ServerHelloDone",
    15: "CertificateVerify",
    16: "ClientKeyExchange",
    20: "Finished",
    22: "CertificateStatus",
    24: "KeyUpdate",
}
_VERSIONS: Final = {
    0x0304: "TLSv1.3",
    0x0303: "TLSv1.2",
    0x0302: "TLSv1.1",
    0x0301: "TLSv1.0",
    0x0300: "SSLv3",
}
_GROUPS: Final = {
    23: "secp256r1",
    24: "secp384r1",
    25: "secp521r1",
    29: "x25519",
    30: "x448",
    26: "brainpoolP256r1",
    4588: "X25519MLKEM768",
}
_SCHEMES: Final = {
    0x0403: "ecdsa_secp256r1_sha256",
    0x0503: "ecdsa_secp384r1_sha384",
    0x0603: "ecdsa_secp521r1_sha512",
    0x0203: "ecdsa_sha1",
    0x0303: "ecdsa_sha224",
    0x0807: "ed25519",
    0x0808: "ed448",
    0x0401: "rsa_pkcs1_sha256",
    0x0501: "rsa_pkcs1_sha384",
    0x0601: "rsa_pkcs1_sha512",
    0x0804: "rsa_pss_rsae_sha256",
    0x0805: "rsa_pss_rsae_sha384",
    0x0806: "rsa_pss_rsae_sha512",
}
_RETRY: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random that makes a ServerHello a HelloRetryRequest [RFC 8446 4.1.3]."""
ALERTS: Final = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    22: "record_overflow",
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}
_MOST_ROWS: Final = 512


class Told(Struct, kw_only=True):
    """What a handshake message says. ``random`` and the fields below it are for the reader
    of the records behind it."""

    name: str
    content: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    certificates: tuple[bytes, ...] = ()
    staples: tuple[bytes, ...] = ()
    random: bytes | None = None
    version: str | None = None
    suite: int | None = None
    encrypt_then_mac: bool = False
    retry: bool = False


class _Short(Exception):  # noqa: N818 - control flow in here
    pass


class _Octets:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise _Short
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, octets: int) -> int:
        return int.from_bytes(self.take(octets), "big")

    def vector(self, octets: int) -> _Octets:
        return _Octets(self.take(self.number(octets)))

    def numbers(self, octets: int) -> list[int]:
        return [self.number(octets) for _ in range(min(len(self.data) // octets, _MOST_ROWS))]

    @property
    def left(self) -> int:
        return len(self.data) - self.at


def handshake_name(kind: int) -> str:
    """As the RFCs call it, or its number."""
    return _NAMES.get(kind, f"handshake {kind}")


def tell(message: bytes, version: str | None) -> Told:
    """A handshake message with its four octets of head; ``version`` is what was agreed so far."""
    told = Told(name=handshake_name(message[0]))
    read = _READ.get(message[0])
    if read is None:
        return told
    try:
        read(told, _Octets(message[4:]), version)
    except _Short:
        told.notes.append(f"{told.name} is malformed: it ends too early")
    return told


def alert(body: bytes) -> Told:
    """An alert."""
    told = Told(name="Alert")
    if len(body) != 2:
        told.notes.append("malformed alert")
        return told
    description = ALERTS.get(body[1], f"alert {body[1]}")
    told.content = {
        "level": {1: "warning", 2: "fatal"}.get(body[0], str(body[0])),
        "description": description,
    }
    return told


def _client_hello(told: Told, body: _Octets, version: str | None) -> None:
    message = b"\x01" + len(body.data).to_bytes(3, "big") + body.data
    told.random = body.data[2:34] if len(body.data) >= 34 else None
    try:
        hello = _parsed(message)
    except TlsError as error:
        told.notes.append(f"malformed: {error}")
        return
    if hello is None:
        raise _Short
    told.content = {
        "versions": list(hello.versions),
        "cipher_suites": [_suite(one) for one in hello.cipher_suites],
        "groups": list(hello.groups),
        "signature_schemes": list(hello.signature_schemes),
        "certificate_authorities": [x509_name(one) for one in hello.certificate_authorities],
        "trusted_ca_keys": [f"{one.kind.name.lower()} {one.value.hex()}" for one in hello.trusted_ca_keys],
        "status_request": hello.status_request,
    }
    if hello.max_fragment_length is not None:
        told.content["max_fragment_length"] = hello.max_fragment_length
    told.notes += hello.objections()


def _suite(name: str) -> str:
    return name if name.startswith("TLS_") else suite_name(int(name, 16))


def _parsed(message: bytes) -> ClientHello | None:
    reader, hello = ClientHelloReader(), None
    for at in range(0, len(message), 1 << 14):
        piece = message[at : at + (1 << 14)]
        hello = reader.feed(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece)
    return hello


def _server_hello(told: Told, body: _Octets, version: str | None) -> None:
    legacy = body.number(2)
    random = body.take(32)
    body.vector(1)
    suite = body.number(2)
    body.take(1)
    extensions = _extensions(body)
    agreed = extensions[43].number(2) if 43 in extensions else legacy
    told.random, told.suite = random, suite
    told.version = _VERSIONS.get(agreed, f"{agreed:04x}")
    told.encrypt_then_mac = 22 in extensions
    told.retry = random == _RETRY
    if told.retry:
        told.name = "HelloRetryRequest"
    told.content = {"version": told.version, "cipher_suite": suite_name(suite)}
    if 51 in extensions:
        told.content["group"] = _group(extensions[51].number(2))
    allowed = ISO20.cipher_suites if told.version == "TLSv1.3" else ISO2_SUITES
    edition = "ISO 15118-20" if told.version == "TLSv1.3" else "ISO 15118-2"
    if told.version not in ("TLSv1.3", "TLSv1.2"):
        told.notes.append(
            f"{told.version} is of no edition: ISO 15118-2 has TLS 1.2, ISO 15118-20 has TLS 1.3"
        )
    elif suite_name(suite) not in allowed:
        told.notes.append(f"{suite_name(suite)} is no cipher suite of {edition}: {' or '.join(allowed)}")
    group = told.content.get("group")
    if group is not None and told.version == "TLSv1.3" and group not in ISO20.groups:
        told.notes.append(f"{group} is no group of {edition}: {' or '.join(ISO20.groups)}")


def _extensions(body: _Octets) -> dict[int, _Octets]:
    found: dict[int, _Octets] = {}
    if body.left:
        rows = body.vector(2)
        while rows.left and len(found) < _MOST_ROWS:
            kind = rows.number(2)
            found[kind] = rows.vector(2)
    return found


def _group(number: int) -> str:
    return _GROUPS.get(number, f"{number:04x}")


def _scheme(number: int) -> str:
    return _SCHEMES.get(number, f"{number:04x}")


def _certificate(told: Told, body: _Octets, version: str | None) -> None:
    certificates: list[bytes] = []
    staples: list[bytes] = []
    if version == "TLSv1.3":
        body.vector(1)
        rows = body.vector(3)
        while rows.left and len(certificates) < _MOST_ROWS:
            certificates.append(rows.vector(3).data)
            for kind, value in _extensions(_Octets(rows.data[rows.at :])).items():
                if kind == 5 and value.number(1) == 1:
                    staples.append(value.vector(3).data)
            rows.vector(2)
    else:
        rows = body.vector(3)
        while rows.left and len(certificates) < _MOST_ROWS:
            certificates.append(rows.vector(3).data)
    told.certificates, told.staples = tuple(certificates), tuple(staples)


def _certificate_status(told: Told, body: _Octets, version: str | None) -> None:
    kind = body.number(1)
    if kind == 1:
        told.staples = (body.vector(3).data,)
    elif kind == 2:
        rows = body.vector(3)
        found: list[bytes] = []
        while rows.left and len(found) < _MOST_ROWS:
            found.append(rows.vector(3).data)
        told.staples = tuple(one for one in found if one)


def _server_key_exchange(told: Told, body: _Octets, version: str | None) -> None:
    if body.number(1) == 3:
        group = _group(body.number(2))
        body.vector(1)
        told.content = {"group": group}
        if group != "secp256r1":
            told.notes.append(f"{group} is no group of ISO 15118-2: secp256r1")
        if body.left:
            told.content["signature_scheme"] = _scheme(body.number(2))


def _certificate_request(told: Told, body: _Octets, version: str | None) -> None:
    names: list[bytes] = []
    if version == "TLSv1.3":
        body.vector(1)
        extensions = _extensions(body)
        schemes = extensions[13].vector(2).numbers(2) if 13 in extensions else []
        rows = extensions[47].vector(2) if 47 in extensions else _Octets(b"")
    else:
        body.vector(1)
        schemes = body.vector(2).numbers(2)
        rows = body.vector(2)
    while rows.left and len(names) < _MOST_ROWS:
        names.append(rows.vector(2).data)
    told.content = {
        "signature_schemes": [_scheme(one) for one in schemes],
        "certificate_authorities": [x509_name(one) for one in names],
    }


def _certificate_verify(told: Told, body: _Octets, version: str | None) -> None:
    scheme = _scheme(body.number(2))
    told.content = {"signature_scheme": scheme}
    if version == "TLSv1.3" and scheme not in ISO20.signature_schemes:
        told.notes.append(
            f"{scheme} is no signature scheme of ISO 15118-20: {' or '.join(ISO20.signature_schemes)}"
        )


def _key_update(told: Told, body: _Octets, version: str | None) -> None:
    told.content = {"update_requested": body.number(1) == 1}


_READ: Final[dict[int, Callable[[Told, _Octets, str | None], None]]] = {
    1: _client_hello,
    2: _server_hello,
    11: _certificate,
    12: _server_key_exchange,
    13: _certificate_request,
    15: _certificate_verify,
    22: _certificate_status,
    24: _key_update,
}
