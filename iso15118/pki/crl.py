"""Certificate revocation lists (RFC 5280 section 5): made for tests, and the verdict of one on one certificate.

The fallback where no OCSP response is to be had. [V2G20-2457]
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from iso15118.pki.build import PrivateKey
from iso15118.pki.parsed import Parsed, UnreadableError, parse
from iso15118.pki.violations import Violation, violation

__all__ = ["crl", "judge_crl", "verify_crl"]

_MAX_OCTETS = 4 * 1024 * 1024
_KEYS = frozenset({"secp256r1", "secp384r1", "secp521r1", "ed448"})
_OLD = frozenset({"crl-stale", "crl-future"})


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
    """:func:`verify_crl` for certificates that are parsed already; without a clock its freshness is not judged."""
    try:
        found, revoked = _judge(crl_der, certificate, issuer, at, place, skew)
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        return "invalid", (violation("crl-malformed", place, str(error)[:100]),)
    if found:
        if revoked and {one.code for one in found} <= _OLD:
            found.append(violation("revoked", place))  # what is on an old list stays revoked
        return "invalid", tuple(found)
    return ("revoked", (violation("revoked", place),)) if revoked else ("good", ())


def _judge(
    crl_der: bytes,
    certificate: Parsed,
    issuer: Parsed,
    at: datetime | None,
    place: int | None,
    skew: timedelta,
) -> tuple[list[Violation], bool]:
    if len(crl_der) > _MAX_OCTETS:
        raise ValueError(f"{len(crl_der)} octets")
    listed = x509.load_der_x509_crl(crl_der)
    found: list[Violation] = []
    if listed.issuer != issuer.subject:
        return [violation("crl-issuer", place, listed.issuer.rfc4514_string()[:100])], False
    if _is_namesakes(listed, issuer):
        return [violation("crl-issuer", place, "another CA of that name")], False
    key = issuer.certificate.public_key()
    try:
        valid = issuer.key in _KEYS and listed.is_signature_valid(key)  # type: ignore[arg-type]
    except InvalidSignature:
        valid = False
    if not valid:
        found.append(violation("crl-signature", place))
    if issuer.key_usage is not None and "cRLSign" not in issuer.key_usage:
        found.append(violation("crl-usage", place, issuer.name[:100]))
    if at is not None and listed.last_update_utc > at + skew:
        found.append(violation("crl-future", place))
    if listed.next_update_utc is None or (at is not None and listed.next_update_utc < at - skew):
        found.append(violation("crl-stale", place))
    scope = _scope(listed)
    if scope is None:
        found.append(violation("crl-partial", place))
    elif scope not in ("all", "CAs" if certificate.ca else "leaves"):
        return [violation("crl-issuer", place, f"a list of {scope} only")], False
    return found, listed.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None


def _is_namesakes(listed: x509.CertificateRevocationList, issuer: Parsed) -> bool:
    """True if the list names its key, and that is not this issuer's: another CA may have the same name."""
    try:
        said = listed.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return False
    ours = issuer.subject_key_identifier
    return said is not None and ours is not None and said != ours


def _scope(listed: x509.CertificateRevocationList) -> Literal["all", "CAs", "leaves"] | None:
    """Which certificates of its issuer a list is about (RFC 5280 5.2.5); None for one that is part of a list, or
    has what is not understood here."""
    scope: Literal["all", "CAs", "leaves"] = "all"
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
