"""Certificate revocation lists (RFC 5280 section 5): made for tests, and the
verdict of one on one certificate.

The fallback where no OCSP response is to be had. [V2G20-2457]
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import SignatureAlgorithmOID

from iso15118.pki.chain.der import children, head
from iso15118.pki.chain.parsed import Parsed, UnreadableError, parse
from iso15118.pki.chain.violations import Violation, violation
from iso15118.pki.issuing.build import PrivateKey

__all__ = ["LISTS_REMEMBERED", "crl", "judge_crl", "lists", "read_ahead", "verify_crl"]

_MAX_OCTETS = 4 * 1024 * 1024
_KEYS = frozenset({"secp256r1", "secp384r1", "secp521r1", "ed448"})
_STILL_COUNTS = frozenset({"crl-stale", "crl-future", "crl-partial"})
"""Violations of a list that proves nobody good, and yet revokes those whom it names."""
LISTS_REMEMBERED: Final = 256
"""Lists that are not read again for each chain, and signatures on them that are not verified again: both
depend on the octets alone. Freshness is judged anew each time."""
_ECDSA: Final[dict[x509.ObjectIdentifier, hashes.HashAlgorithm]] = {
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: hashes.SHA256(),
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: hashes.SHA384(),
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: hashes.SHA512(),
}
_INTEGER: Final = 0x02


def crl(
    issuer_der: bytes,
    key: PrivateKey,
    *,
    last_update: datetime,
    next_update: datetime,
    revoked: Iterable[int] = (),
    number: int = 1,
) -> bytes:
    """A list (DER) of serial numbers, signed by ``key``."""
    issuer = x509.load_der_x509_certificate(issuer_der)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(last_update)
        .next_update(next_update)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for serial in revoked:
        row = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(last_update).build()
        builder = builder.add_revoked_certificate(row)
    digest = None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        digest = hashes.SHA512() if key.curve.name == "secp521r1" else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(Encoding.DER)


def verify_crl(
    crl_der: bytes, *, certificate_der: bytes, issuer_der: bytes, at: datetime, place: int | None = 0
) -> tuple[Literal["good", "revoked", "invalid"], tuple[Violation, ...]]:
    """Status of a certificate, whose issuer must be verified already, by its issuer's list."""
    try:
        return judge_crl(crl_der, parse(certificate_der), parse(issuer_der), at=at, place=place)
    except UnreadableError as error:
        return "invalid", (violation("malformed", place, str(error)),)


def judge_crl(
    crl_der: bytes,
    certificate: Parsed,
    issuer: Parsed,
    *,
    at: datetime | None,
    place: int | None = 0,
    skew: timedelta = timedelta(),
) -> tuple[Literal["good", "revoked", "invalid"], tuple[Violation, ...]]:
    """:func:`verify_crl` for certificates that are parsed already; without a clock
    its freshness is not judged."""
    try:
        found, revoked = _judge(crl_der, certificate, issuer, at, place, skew)
    except _FAULTS as error:
        return "invalid", (violation("crl-malformed", place, str(error)[:100]),)
    if found:
        if revoked and {one.code for one in found} <= _STILL_COUNTS:
            found.append(
                violation("revoked", place)
            )  # what is on an old list, or on a part of one, is revoked
        return "invalid", tuple(found)
    return ("revoked", (violation("revoked", place),)) if revoked else ("good", ())


def lists(crl_der: bytes, certificate: Parsed) -> bool:
    """True if a list of ours names the certificate by its issuer's name and its serial number. Whether that
    issuer signed the list is not said: that is for when the issuer's certificate is not there."""
    try:
        listed = _read(bytes(crl_der))
    except _FAULTS:
        return False
    said, known = listed.key, certificate.authority_key_identifier
    namesake = said is not None and known is not None and said != known
    return (
        not namesake and listed.issuer == certificate.issuer and certificate.serial_number in listed.serials
    )


def read_ahead(crl_der: bytes) -> None:
    """Read a list before it is needed: a long one takes a tenth of a second, which no handshake has. Call it
    in a thread, or before the event loop runs. What is no list is said when it is judged."""
    with suppress(*_FAULTS):
        _read(bytes(crl_der))


_Scope = Literal["all", "CAs", "leaves"]
_FAULTS = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.DuplicateExtension)


class _List(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks need of a list."""

    issuer: x509.Name
    last_update: datetime
    next_update: datetime | None
    key: bytes | None
    """Identifier of the key that it says it is signed with."""
    scope: _Scope | None
    serials: frozenset[int]
    signature: bytes
    algorithm: x509.ObjectIdentifier | None
    """Of the signature; None where the list says two different ones."""
    digest: bytes
    """Of what is signed, where the algorithm signs a digest: so that its length does not matter
    when the issuer is known."""


@lru_cache(maxsize=LISTS_REMEMBERED)
def _read(crl_der: bytes) -> _List:
    """A list, read completely: a hundred thousand serial numbers are looked up in a moment, and read once."""
    if len(crl_der) > _MAX_OCTETS:
        raise ValueError(f"{len(crl_der)} octets")
    listed = x509.load_der_x509_crl(crl_der)
    scope = _scope(listed)
    algorithm = listed.signature_algorithm_oid if _says_one_algorithm(crl_der) else None
    return _List(
        issuer=listed.issuer,
        last_update=listed.last_update_utc,
        next_update=listed.next_update_utc,
        key=_key_of(listed),
        scope=scope,
        serials=_serials(listed, scope),
        signature=listed.signature,
        algorithm=algorithm,
        digest=_digest(_ECDSA[algorithm], _signed_part(crl_der)) if algorithm in _ECDSA else b"",
    )


def _signed_part(crl_der: bytes) -> bytes:
    _, start, _ = head(crl_der)
    return crl_der[start : head(crl_der, start)[2]]


def _says_one_algorithm(crl_der: bytes) -> bool:
    """The algorithm beside the signature is the one that is signed (RFC 5280 5.1.1.2)."""
    signed, beside, _ = children(crl_der)
    first, second = children(signed)[:2]
    return beside == (second if first[0] == _INTEGER else first)  # the version may be left out


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    made = hashes.Hash(algorithm)
    made.update(data)
    return made.finalize()


def _serials(listed: x509.CertificateRevocationList, scope: _Scope | None) -> frozenset[int]:
    """Those of its own issuer's certificates that it revokes: none of an indirect list, which names
    other issuers row by row."""
    if scope is not None:
        return frozenset(row.serial_number for row in listed)
    try:
        point = listed.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
        if point.indirect_crl or point.only_contains_attribute_certs:
            return frozenset()
    except x509.ExtensionNotFound:
        pass
    return frozenset(row.serial_number for row in listed if not _is_taken_back(row))


def _is_taken_back(row: x509.RevokedCertificate) -> bool:
    """A row of a delta list that says: no longer revoked (RFC 5280 5.3.1)."""
    try:
        return row.extensions.get_extension_for_class(x509.CRLReason).value.reason is (
            x509.ReasonFlags.remove_from_crl
        )
    except x509.ExtensionNotFound:
        return False


@lru_cache(maxsize=LISTS_REMEMBERED)
def _is_signed_by(crl_der: bytes, issuer_der: bytes) -> bool:
    issuer, listed = parse(issuer_der), _read(crl_der)
    if issuer.key not in _KEYS:
        return False
    key = issuer.certificate.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and listed.algorithm in _ECDSA:
            key.verify(listed.signature, listed.digest, ec.ECDSA(Prehashed(_ECDSA[listed.algorithm])))
        elif isinstance(key, ed448.Ed448PublicKey) and listed.algorithm == SignatureAlgorithmOID.ED448:
            key.verify(listed.signature, _signed_part(crl_der))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _judge(
    crl_der: bytes,
    certificate: Parsed,
    issuer: Parsed,
    at: datetime | None,
    place: int | None,
    skew: timedelta,
) -> tuple[list[Violation], bool]:
    crl_der = bytes(crl_der)
    listed = _read(crl_der)
    found: list[Violation] = []
    if listed.issuer != issuer.subject:
        return [violation("crl-issuer", place, listed.issuer.rfc4514_string()[:100])], False
    if (
        None not in (listed.key, issuer.subject_key_identifier)
        and listed.key != issuer.subject_key_identifier
    ):
        return [violation("crl-issuer", place, "another CA of that name")], False
    if not _is_signed_by(crl_der, issuer.der):
        found.append(violation("crl-signature", place))
    if issuer.key_usage is not None and "cRLSign" not in issuer.key_usage:
        found.append(violation("crl-usage", place, issuer.name[:100]))
    if at is not None and listed.last_update - at > skew:
        found.append(violation("crl-future", place))
    if listed.next_update is None or (at is not None and at - listed.next_update > skew):
        found.append(violation("crl-stale", place))
    if listed.scope is None:
        found.append(violation("crl-partial", place))
    elif listed.scope not in ("all", "CAs" if certificate.ca else "leaves"):
        return [violation("crl-issuer", place, f"a list of {listed.scope} only")], False
    return found, certificate.serial_number in listed.serials


def _key_of(listed: x509.CertificateRevocationList) -> bytes | None:
    """The key that a list says it is signed with, if it says so: another CA may have the same name."""
    try:
        return listed.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None


def _scope(listed: x509.CertificateRevocationList) -> _Scope | None:
    """Which certificates of its issuer a list is about (RFC 5280 5.2.5); None for one that is part of a list,
    or has what is not understood here."""
    scope: _Scope = "all"
    for one in listed.extensions:
        if not one.critical:
            continue
        point = one.value
        if (
            not isinstance(point, x509.IssuingDistributionPoint)
            or point.full_name
            or point.relative_name
            or point.only_some_reasons
            or point.indirect_crl
            or point.only_contains_attribute_certs
        ):
            return None
        if point.only_contains_ca_certs:
            scope = "CAs"
        elif point.only_contains_user_certs:
            scope = "leaves"
    return scope
