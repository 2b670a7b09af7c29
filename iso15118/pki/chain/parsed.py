"""A certificate read completely and at once, so that nothing later can fail on its bytes.

``cryptography`` reads much of a certificate only when it is asked for, and objects then, with various
exceptions; here is the one place where they are caught.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, ExtensionOID, NameOID

from iso15118.pki.chain.der import children, head

__all__ = ["Parsed", "UnreadableError", "is_issued_by", "parse"]

MAX_OCTETS = 16 * 1024
"""No certificate of any edition comes near this; what is longer is not even looked at."""

_MOST_PARTS = 64
"""Extensions, attributes of a name, and uses: an honest certificate has about ten of each. Every rule looks
at all of them, on every path, before the peer has proven anything."""

_REMEMBERED = 128
"""Certificates, and signatures on those of Sub-CAs and OCSP responders, that are not read and verified again:
reading and signature depend on the octets alone. Validity, role and revocation are judged anew each time."""

_UNDERSTOOD = {
    ExtensionOID.BASIC_CONSTRAINTS: "basicConstraints",
    ExtensionOID.KEY_USAGE: "keyUsage",
    ExtensionOID.EXTENDED_KEY_USAGE: "extendedKeyUsage",
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: "subjectKeyIdentifier",
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: "authorityKeyIdentifier",
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: "authorityInfoAccess",
}
_VERSION_FIELD, _OBJECT_IDENTIFIER = 0xA0, 0x06
_NAMES = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.COUNTRY_NAME: "C",
}
_VERIFIABLE = frozenset({"secp256r1", "secp384r1", "secp521r1", "ed448", "ed25519"})
"""Kinds of key with which a signature is verified at all: any other is in no profile, and a huge RSA key
costs time.
"""
_EXTENDED_USES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSPSigning",
}
_SIGNATURES = {
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
    "1.3.101.112": "ed25519",
    "1.3.101.113": "ed448",
}


_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


class UnreadableError(Exception):
    """Bytes that are no certificate; the text says why."""


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks need of one certificate."""

    der: bytes
    certificate: x509.Certificate
    subject: x509.Name
    issuer: x509.Name
    version: int
    serial_number: int
    not_before: datetime
    not_after: datetime
    key: str
    """Curve or algorithm: ``secp521r1``, ``ed448``, ``rsa``..., ``unreadable``."""
    key_bits: bytes
    """The public key's bit string, which OCSP and SHA-1 key identifiers hash."""
    uncompressed: bool
    """An EC key names its curve and writes its point in full."""
    signature: str
    """Name of the signature algorithm, or its object identifier."""
    common_names: tuple[str, ...]
    organizations: tuple[str, ...]
    domain_components: tuple[str, ...]
    attributes: tuple[tuple[str, int, int], ...]
    """Of the subject: short name or object identifier, ASN.1 tag of the string, length in characters."""
    ca: bool | None
    """None without basicConstraints."""
    path_length: int | None
    key_usage: frozenset[str] | None
    """Names as in RFC 5280; None without the extension."""
    extended_key_usage: frozenset[str] | None
    critical: frozenset[str]
    """Names of those of the extensions above that are marked critical."""
    not_understood: tuple[str, ...]
    """Critical extensions that no check here looks at."""
    subject_key_identifier: bytes | None
    authority_key_identifier: bytes | None
    ocsp_urls: tuple[str, ...]
    access_methods: frozenset[str]
    """Object identifiers of all methods in authorityInfoAccess."""

    @property
    def name(self) -> str:
        """The subject, human-readable."""
        return self.subject.rfc4514_string()

    @property
    def issuer_name(self) -> str:
        """The issuer, human-readable."""
        return self.issuer.rfc4514_string()


def parse(der: bytes) -> Parsed:
    """Read a certificate. Raises UnreadableError, and nothing else, for whatever bytes."""
    return _remembered(bytes(der))


@lru_cache(maxsize=_REMEMBERED)
def _remembered(der: bytes) -> Parsed:
    if len(der) > MAX_OCTETS:
        raise UnreadableError(f"{len(der)} octets")
    try:
        with warnings.catch_warnings():
            # Warnings announce what a later version of the library will refuse; the checks judge for
            # themselves.
            warnings.simplefilter("ignore")
            return _read(der)
    except (ValueError, TypeError, OverflowError, x509.InvalidVersion) as error:
        raise UnreadableError(str(error)) from error
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm) as error:
        raise UnreadableError(str(error)) from error


def _read(der: bytes) -> Parsed:
    certificate = x509.load_der_x509_certificate(der)
    if der[-len(certificate.signature) - 1] != 0:
        # Not covered by the signature, and not looked at by the library: several
        # encodings of one certificate.
        raise ValueError("signature with unused bits")
    extensions = certificate.extensions
    _count("extensions", extensions)
    _count("attributes of a name", certificate.subject.rdns)
    _count("attributes of a name", certificate.issuer.rdns)
    constraints = _extension(extensions, x509.BasicConstraints)
    usage = _extension(extensions, x509.KeyUsage)
    extended = _extension(extensions, x509.ExtendedKeyUsage)
    subject_key = _extension(extensions, x509.SubjectKeyIdentifier)
    authority_key = _extension(extensions, x509.AuthorityKeyIdentifier)
    access = _extension(extensions, x509.AuthorityInformationAccess)
    _count("uses", extended or ())
    _count("places to ask at", access or ())
    key, uncompressed = _key(certificate)
    oid = certificate.signature_algorithm_oid.dotted_string
    return Parsed(
        der=der,
        certificate=certificate,
        subject=certificate.subject,
        issuer=certificate.issuer,
        version=certificate.version.value + 1,
        serial_number=certificate.serial_number,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key=key,
        key_bits=_key_bits(certificate),
        uncompressed=uncompressed,
        signature=_SIGNATURES.get(oid, oid),
        common_names=_attributes(certificate, NameOID.COMMON_NAME),
        organizations=_attributes(certificate, NameOID.ORGANIZATION_NAME),
        domain_components=_attributes(certificate, NameOID.DOMAIN_COMPONENT),
        attributes=_subject(certificate),
        ca=constraints.ca if constraints is not None else None,
        path_length=constraints.path_length if constraints is not None else None,
        key_usage=_usages(usage) if usage is not None else None,
        extended_key_usage=(
            frozenset(_EXTENDED_USES.get(use, use.dotted_string) for use in extended)
            if extended is not None
            else None
        ),
        critical=frozenset(
            _UNDERSTOOD[one.oid] for one in extensions if one.critical and one.oid in _UNDERSTOOD
        ),
        not_understood=tuple(
            one.oid.dotted_string for one in extensions if one.critical and one.oid not in _UNDERSTOOD
        ),
        subject_key_identifier=subject_key.digest if subject_key is not None else None,
        authority_key_identifier=authority_key.key_identifier if authority_key is not None else None,
        ocsp_urls=_ocsp_urls(access) if access is not None else (),
        access_methods=frozenset(one.access_method.dotted_string for one in access or ()),
    )


def _count(what: str, parts: Iterable[object]) -> None:
    if (count := len(list(parts))) > _MOST_PARTS:
        raise ValueError(f"{count} {what}")


def is_issued_by(child: Parsed, parent: Parsed) -> bool:
    """True if the parent's key made the child's signature; the names must be equal already."""
    if parent.key not in _VERIFIABLE:
        return False
    if child.ca or "OCSPSigning" in (child.extended_key_usage or ()):
        return _is_signed_by(child.der, parent.der)  # the same few for all vehicles
    return _verify(child, parent)


@lru_cache(maxsize=_REMEMBERED)
def _is_signed_by(child_der: bytes, parent_der: bytes) -> bool:
    return _verify(parse(child_der), parse(parent_der))


def _verify(child: Parsed, parent: Parsed) -> bool:
    try:
        child.certificate.verify_directly_issued_by(parent.certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _extension(extensions: x509.Extensions, kind: type[_Extension]) -> _Extension | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _key(certificate: x509.Certificate) -> tuple[str, bool]:
    try:
        key = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "unreadable", True
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return key.curve.name, _key_bits(certificate) == point and _names_curve(certificate)
    return type(key).__name__.removesuffix("PublicKey").lstrip("_").lower(), True


def _spki(certificate: x509.Certificate) -> list[bytes]:
    """Algorithm and bit string of the public key."""
    parts = children(certificate.tbs_certificate_bytes)
    # Version 1 has no version field; the key is the sixth or the seventh element.
    return children(parts[6 if parts[0][0] == _VERSION_FIELD else 5])


def _key_bits(certificate: x509.Certificate) -> bytes:
    bits = _spki(certificate)[1]
    return bits[head(bits)[1] + 1 :]


def _names_curve(certificate: x509.Certificate) -> bool:
    """The curve is called by its name; the library also takes one whose parameters are spelled out."""
    algorithm = children(_spki(certificate)[0])
    return len(algorithm) == 2 and algorithm[1][0] == _OBJECT_IDENTIFIER


def _subject(certificate: x509.Certificate) -> tuple[tuple[str, int, int], ...]:
    # The library gives the text of each attribute, and keeps to itself which kind of string it was.
    tags = []
    for group in children(certificate.subject.public_bytes()):
        for pair in children(group):
            tags.append(head(children(pair)[1])[0])
    pairs = [attribute for group in certificate.subject.rdns for attribute in _in_order(group)]
    if len(tags) != len(pairs):
        raise ValueError("a name with sets of attributes")
    return tuple(
        (_NAMES.get(one.oid, one.oid.dotted_string), tag, len(one.value))
        for one, tag in zip(pairs, tags, strict=True)
    )


def _in_order(group: x509.RelativeDistinguishedName) -> list[x509.NameAttribute[str | bytes]]:
    found = list(group)
    if len(found) > 1:
        raise ValueError("a relative distinguished name of several attributes")
    return found


def _attributes(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    values = (attribute.value for attribute in certificate.subject.get_attributes_for_oid(oid))
    return tuple(value if isinstance(value, str) else value.hex() for value in values)


def _usages(usage: x509.KeyUsage) -> frozenset[str]:
    named = {
        "digitalSignature": usage.digital_signature,
        "nonRepudiation": usage.content_commitment,
        "keyEncipherment": usage.key_encipherment,
        "dataEncipherment": usage.data_encipherment,
        "keyAgreement": usage.key_agreement,
        "keyCertSign": usage.key_cert_sign,
        "cRLSign": usage.crl_sign,
    }
    return frozenset(name for name, is_set in named.items() if is_set)


def _ocsp_urls(access: x509.AuthorityInformationAccess) -> tuple[str, ...]:
    return tuple(
        one.access_location.value
        for one in access
        if one.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(one.access_location, x509.UniformResourceIdentifier)
    )
