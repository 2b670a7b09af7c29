"""OCSP (RFC 6960): requests, responses made for tests, and the verdict on a response about one certificate.

Whatever bytes come from a responder or in a staple, the result is a status with its violations, never another
error.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from iso15118.errors import PkiError
from iso15118.pki.chain.parsed import Parsed, UnreadableError, parse
from iso15118.pki.chain.violations import Violation, violation
from iso15118.pki.issuing.build import PrivateKey
from iso15118.pki.status.ocsp_responder import signature_violations

__all__ = [
    "WEEK",
    "CertId",
    "HashName",
    "OcspVerdict",
    "Status",
    "cert_id",
    "ocsp_request",
    "ocsp_response",
    "says_revoked",
    "verify_response",
]

Status = Literal["good", "revoked", "unknown", "invalid"]
HashName = Literal["sha1", "sha256", "sha384", "sha512"]

WEEK = timedelta(days=7)
"""How long a response may be good for. [V2G20-2448]"""
_MAX_OCTETS = 32 * 1024
_NOT_PROVEN = frozenset({"ocsp-certificate", "ocsp-signature", "ocsp-responder", "ocsp-responder-usage"})
"""Violations with which nobody entitled has said anything about the certificate."""

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - names a certificate, protects nothing
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


class CertId(msgspec.Struct, frozen=True):
    """What a certificate is called in OCSP, and in OCPP's OCSPRequestData."""

    hash: HashName
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial_number: int


class OcspVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The status of a certificate; ``invalid`` with violations if the response proves nothing."""

    status: Status
    violations: tuple[Violation, ...] = ()
    this_update: datetime | None = None
    next_update: datetime | None = None
    revoked_at: datetime | None = None
    produced_at: datetime | None = None
    """A lower bound of the present time, for those without a clock."""


def cert_id(certificate_der: bytes, issuer_der: bytes, hash_name: HashName = "sha256") -> CertId:
    """Name of a certificate by its issuer. Raises PkiError if one of them is no certificate."""
    try:
        return _cert_id(parse(certificate_der), parse(issuer_der), hash_name)
    except UnreadableError as error:
        raise PkiError(f"no certificate: {error}") from error


def ocsp_request(
    certificate_der: bytes, issuer_der: bytes, *, nonce: bytes | None = None, hash_name: HashName = "sha256"
) -> bytes:
    """A request (DER) for one certificate, not signed. Raises PkiError as :func:`cert_id`."""
    name = cert_id(certificate_der, issuer_der, hash_name)
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        name.issuer_name_hash, name.issuer_key_hash, name.serial_number, _HASHES[hash_name]
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def ocsp_response(
    certificate_der: bytes,
    issuer_der: bytes,
    *,
    responder_der: bytes,
    key: PrivateKey,
    this_update: datetime,
    next_update: datetime | None,
    status: Literal["good", "revoked", "unknown"] = "good",
    nonce: bytes | None = None,
    hash_name: HashName = "sha256",
) -> bytes:
    """A response (DER) signed by ``key`` of ``responder_der``, which is sent along
    unless it is the issuer itself."""
    statuses = {
        "good": ocsp.OCSPCertStatus.GOOD,
        "revoked": ocsp.OCSPCertStatus.REVOKED,
        "unknown": ocsp.OCSPCertStatus.UNKNOWN,
    }
    responder = x509.load_der_x509_certificate(responder_der)
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=x509.load_der_x509_certificate(certificate_der),
            issuer=x509.load_der_x509_certificate(issuer_der),
            algorithm=_HASHES[hash_name],
            cert_status=statuses[status],
            this_update=this_update,
            next_update=next_update,
            revocation_time=this_update if status == "revoked" else None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder)
    )
    if responder_der != issuer_der:
        builder = builder.certificates([responder])
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.sign(key, _digest(key)).public_bytes(Encoding.DER)


def verify_response(
    response_der: bytes,
    *,
    certificate_der: bytes,
    issuer_der: bytes,
    at: datetime,
    nonce: bytes | None = None,
    nonce_demanded: bool = True,
    longest: timedelta | None = WEEK,
    place: int | None = 0,
) -> OcspVerdict:
    """Judge a response about ``certificate_der``, whose issuer must be verified already.

    ``nonce``: what was sent with the request; the response must repeat it, or where it is not demanded, may
    leave it out: responders that sign in advance do (RFC 5019). ``longest``: how long a response may be good
    for; None for any length. ``place``: the certificate's place in its chain, for the violations.
    """
    try:
        certificate, issuer = parse(certificate_der), parse(issuer_der)
    except UnreadableError as error:
        return OcspVerdict(status="invalid", violations=(violation("malformed", place, str(error)),))
    if not nonce_demanded and _leaves_nonce_out(response_der):
        nonce = None
    return judge(response_der, certificate, issuer, at=at, nonce=nonce, longest=longest, place=place)


def judge(
    response_der: bytes,
    certificate: Parsed,
    issuer: Parsed,
    *,
    at: datetime | None,
    nonce: bytes | None = None,
    longest: timedelta | None = WEEK,
    place: int | None = 0,
    skew: timedelta = timedelta(),
) -> OcspVerdict:
    """:func:`verify_response` for certificates that are parsed already; without a
    clock freshness is not judged."""
    try:
        return _judge(response_der, certificate, issuer, at, nonce, longest, place, skew)
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        found = violation("ocsp-malformed", place, str(error)[:100])
        return OcspVerdict(status="invalid", violations=(found,))


def says_revoked(response_der: bytes, certificate: Parsed) -> bool:
    """True if a response says, by its issuer's name and its serial number, that the certificate is revoked.
    Who signed the response is not looked at: that is for when the issuer's certificate is not there."""
    try:
        if len(response_der) > _MAX_OCTETS:
            return False
        response = ocsp.load_der_ocsp_response(response_der)
        return any(
            single.serial_number == certificate.serial_number
            and single.issuer_name_hash == _name_hash(certificate.issuer, single.hash_algorithm.name)
            and _status(single) == "revoked"
            for single in response.responses
        )
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.DuplicateExtension):
        return False


def _name_hash(name: x509.Name, hash_name: str) -> bytes:
    return hashlib.new(hash_name, name.public_bytes(), usedforsecurity=False).digest()


def _judge(
    response_der: bytes,
    certificate: Parsed,
    issuer: Parsed,
    at: datetime | None,
    nonce: bytes | None,
    longest: timedelta | None,
    place: int | None,
    skew: timedelta,
) -> OcspVerdict:
    if len(response_der) > _MAX_OCTETS:
        raise ValueError(f"{len(response_der)} octets")
    response = ocsp.load_der_ocsp_response(response_der)
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise ValueError(response.response_status.name.lower())
    singles = list(response.responses)
    if len(singles) != 1:
        found = violation("ocsp-not-one", place, f"{len(singles)} certificates")
        return OcspVerdict(status="invalid", violations=(found,))
    (single,) = singles
    wrong: list[Violation] = []
    if not _is_about(single, certificate, issuer):
        wrong.append(violation("ocsp-certificate", place, f"serial number {single.serial_number:x}"))
    wrong += signature_violations(response, certificate, issuer, at, place, skew)
    this_update, next_update = single.this_update_utc, single.next_update_utc
    if at is not None and this_update - at > skew:
        wrong.append(violation("ocsp-future", place, f"{this_update:%Y-%m-%d %H:%M} UTC"))
    if next_update is None:
        wrong.append(violation("ocsp-no-next-update", place))
    else:
        if at is not None and at - next_update > skew:
            wrong.append(violation("ocsp-stale", place, f"since {next_update:%Y-%m-%d %H:%M} UTC"))
        if longest is not None and next_update - this_update > longest:
            wrong.append(violation("ocsp-too-long", place, f"{(next_update - this_update).days} days"))
    if nonce is not None and _nonce(response) != nonce:
        wrong.append(violation("ocsp-nonce", place))
    status: Status = "invalid"
    if not wrong:
        status = _status(single)
        if status == "revoked":
            wrong.append(violation("revoked", place))
        elif status == "unknown":
            wrong.append(violation("status-unknown", place))
    elif _status(single) == "revoked" and not {one.code for one in wrong} & _NOT_PROVEN:
        # Too old to prove that all is well, and whoever tolerates that still does not take what was revoked.
        wrong.append(violation("revoked", place))
    return OcspVerdict(
        status=status,
        violations=tuple(wrong),
        this_update=this_update,
        next_update=next_update,
        revoked_at=single.revocation_time_utc,
        produced_at=response.produced_at_utc,
    )


def _status(single: ocsp.OCSPSingleResponse) -> Status:
    match single.certificate_status:
        case ocsp.OCSPCertStatus.GOOD:
            return "good"
        case ocsp.OCSPCertStatus.REVOKED:
            return "revoked"
        case _:
            return "unknown"


def _is_about(single: ocsp.OCSPSingleResponse, certificate: Parsed, issuer: Parsed) -> bool:
    name = single.hash_algorithm.name
    for known in ("sha1", "sha256", "sha384", "sha512"):
        if name == known:
            ours = _cert_id(certificate, issuer, known)
            theirs = (single.issuer_name_hash, single.issuer_key_hash, single.serial_number)
            return theirs == (ours.issuer_name_hash, ours.issuer_key_hash, ours.serial_number)
    return False


def _leaves_nonce_out(response_der: bytes) -> bool:
    try:
        return _nonce(ocsp.load_der_ocsp_response(response_der)) is None
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
        return False  # it is judged as it is


def _nonce(response: ocsp.OCSPResponse) -> bytes | None:
    """The nonce that a response repeats. Raises as the library does for extensions that cannot be read."""
    for extension in response.extensions:
        if isinstance(extension.value, x509.OCSPNonce):
            return extension.value.nonce
    return None


def _cert_id(certificate: Parsed, issuer: Parsed, hash_name: HashName) -> CertId:
    return CertId(
        hash_name,
        _name_hash(issuer.subject, hash_name),
        _key_hash(issuer, hash_name),
        certificate.serial_number,
    )


def _key_hash(one: Parsed, hash_name: HashName) -> bytes:
    return hashlib.new(hash_name, one.key_bits, usedforsecurity=False).digest()


def _digest(key: PrivateKey) -> hashes.HashAlgorithm | None:
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    return hashes.SHA512() if key.curve.name == "secp521r1" else hashes.SHA256()
