"""Who may sign an OCSP response: the issuer of the certificate, or a responder that it appointed
with a certificate of its own.

The certificate of a responder is judged in full, like any other; it vouches for nobody who has its key.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from iso15118.pki.chain.parsed import Parsed, UnreadableError, is_issued_by, parse
from iso15118.pki.chain.rules import outside
from iso15118.pki.chain.violations import Violation, violation

__all__ = ["signature_violations"]

_MAX_CERTIFICATES = 4
_KEYS = frozenset({"secp256r1", "secp384r1", "secp521r1", "ed448"})
_DIGESTS = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
"""With which a response may be signed."""


def signature_violations(
    response: ocsp.OCSPResponse,
    certificate: Parsed,
    issuer: Parsed,
    at: datetime | None,
    place: int | None,
    skew: timedelta,
) -> list[Violation]:
    """The issuer itself, or one that it appointed with a certificate of its own. (RFC 6960 4.2.2.2)"""
    if _is_responder(response, issuer):
        return [] if _signed(response, issuer) else [violation("ocsp-signature", place)]
    candidates = [
        parsed
        for one in response.certificates[:_MAX_CERTIFICATES]
        if _is_responder(response, parsed := _parse(one))
    ]
    if not candidates:
        return [violation("ocsp-responder", place, "its certificate is not there")]
    signers = [one for one in candidates if _signed(response, one)]
    if not signers:
        return [violation("ocsp-signature", place)]
    # Several certificates may have the responder's name and key: the one with the
    # fewest faults is the one it meant.
    return min((_delegated(one, certificate, issuer, at, place, skew) for one in signers), key=len)


def _delegated(
    responder: Parsed,
    certificate: Parsed,
    issuer: Parsed,
    at: datetime | None,
    place: int | None,
    skew: timedelta,
) -> list[Violation]:
    """What is wrong with a responder that is not the issuer itself."""
    name = responder.name[:100]
    found = []
    if responder.key_bits == certificate.key_bits:
        found.append(violation("ocsp-responder", place, f"{name} vouches for itself"))
    if responder.issuer != issuer.subject or not is_issued_by(responder, issuer):
        found.append(violation("ocsp-responder", place, name))
    usages = responder.key_usage
    if "OCSPSigning" not in (responder.extended_key_usage or ()) or (
        usages is not None and "digitalSignature" not in usages
    ):
        found.append(violation("ocsp-responder-usage", place, name))
    if responder.version != 3 or responder.not_understood:
        found.append(violation("ocsp-responder", place, f"{name}: not a certificate that can be judged"))
    if outside(responder, at, skew):
        found.append(violation("ocsp-responder-expired", place, name))
    return found


def _parse(certificate: x509.Certificate) -> Parsed:
    try:
        return parse(certificate.public_bytes(Encoding.DER))
    except UnreadableError as error:
        raise ValueError(f"certificate of the responder: {error}") from error


def _is_responder(response: ocsp.OCSPResponse, one: Parsed) -> bool:
    if response.responder_name is not None:
        return response.responder_name == one.subject
    return response.responder_key_hash == hashlib.sha1(one.key_bits, usedforsecurity=False).digest()


def _signed(response: ocsp.OCSPResponse, one: Parsed) -> bool:
    if one.key not in _KEYS:
        return False
    key = one.certificate.public_key()
    try:
        if isinstance(key, ed448.Ed448PublicKey):
            if response.signature_algorithm_oid.dotted_string != "1.3.101.113":
                return False
            key.verify(response.signature, response.tbs_response_bytes)
            return True
        digest = response.signature_hash_algorithm
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(digest, _DIGESTS):
            return False
        if not response.signature_algorithm_oid.dotted_string.startswith("1.2.840.10045.4.3."):
            return False
        key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(digest))
    except InvalidSignature:
        return False
    return True
