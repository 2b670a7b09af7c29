"""One certificate from a row of a profile, good or with the flaws that the row asks for.

What the library's builder refuses to make is written by changing the encoding and signing again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, x448
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from iso15118.errors import ConfigError
from iso15118.pki.chain.curves import CURVES
from iso15118.pki.chain.profiles import CertificateProfile, PkiProfile
from iso15118.pki.issuing import asn1
from iso15118.pki.issuing.flaws import Flaws

__all__ = [
    "ALTERNATIVE_KEY",
    "PrivateKey",
    "certificate",
    "key_identifier",
    "new_key",
    "resigned",
    "sign",
    "subject",
]

PrivateKey: TypeAlias = (
    ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
)

ALTERNATIVE_KEY = x509.ObjectIdentifier("2.5.29.72")
"""subjectAltPublicKeyInfo of X.509: a second public key."""
_UNKNOWN = x509.ObjectIdentifier("1.3.6.1.4.1.55555.1")
_BACKDATE = timedelta(days=1)
"""Certificates are valid a day earlier than asked, since clocks of peers differ."""
_LONGEST_RSA = 2048

_KEY_USAGES = {
    "digitalSignature": "digital_signature",
    "nonRepudiation": "content_commitment",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
    "keyAgreement": "key_agreement",
    "keyCertSign": "key_cert_sign",
    "cRLSign": "crl_sign",
}
_EXTENDED_KEY_USAGES = {
    "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH,
    "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "OCSPSigning": ExtendedKeyUsageOID.OCSP_SIGNING,
}
_Hash: TypeAlias = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
_HASHES: dict[str, type[_Hash]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


def new_key(rules: PkiProfile, algorithm: str, flaws: Flaws | None = None) -> PrivateKey:
    """A fresh key of the algorithm, or of the kind that the flaws ask for. Raises
    ConfigError for an unknown one."""
    if algorithm not in rules.algorithms:
        known = ", ".join(rules.algorithms)
        raise ConfigError(
            "algorithm", f"{algorithm!r} is not in the profile {rules.edition}", f"one of {known}"
        )
    kind: str = rules.algorithms[algorithm].key
    if flaws is not None and flaws.key is not None:
        kind = flaws.key
    match kind:
        case "secp256r1":
            return ec.generate_private_key(ec.SECP256R1())
        case "secp384r1":
            return ec.generate_private_key(ec.SECP384R1())
        case "secp521r1":
            return ec.generate_private_key(ec.SECP521R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "rsa1024" | "rsa2048":
            bits = min(int(kind.removeprefix("rsa")), _LONGEST_RSA)
            return rsa.generate_private_key(65537, bits)
        case _:
            return ed448.Ed448PrivateKey.generate()


def subject(row: CertificateProfile, organization: str, names: Mapping[str, str]) -> x509.Name:
    """The name that the row gives."""
    flaws = row.flaws or Flaws()
    organizations = (organization,) if flaws.organizations is None else flaws.organizations
    pairs = [(NameOID.COMMON_NAME, row.common_name.format_map(names))]
    pairs += [(NameOID.COMMON_NAME, text) for text in flaws.more_common_names]
    pairs += [(NameOID.ORGANIZATION_NAME, text) for text in organizations]
    if flaws.country is not None:
        pairs.append((NameOID.COUNTRY_NAME, flaws.country))
    if row.domain_component is not None:
        pairs.append((NameOID.DOMAIN_COMPONENT, row.domain_component))
    pairs += [(NameOID.DOMAIN_COMPONENT, text) for text in flaws.more_domain_components]
    return x509.Name([x509.NameAttribute(oid, text, _validate=False) for oid, text in pairs])


def certificate(
    rules: PkiProfile,
    row: CertificateProfile,
    name: x509.Name,
    key: PrivateKey,
    parent: x509.Certificate | None,
    signer: PrivateKey,
    at: datetime,
    *,
    alternative: x448.X448PublicKey | None = None,
    no_check: bool = False,
) -> bytes:
    """The certificate (DER) of ``row`` with this name and key, issued by ``parent`` (None: by itself)."""
    flaws = row.flaws or Flaws()
    if flaws.self_signed:
        parent, signer = None, key
    if flaws.foreign_signer:
        signer = _another(signer)
    issuer = parent.subject if parent is not None else name
    if flaws.issuer_common_name is not None:
        issuer = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, flaws.issuer_common_name)]
            + [one for one in issuer if one.oid != NameOID.COMMON_NAME]
        )
    start = at - _BACKDATE if flaws.starts_days is None else at + timedelta(days=flaws.starts_days)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(at + timedelta(days=row.valid_days))
    )
    for extension, critical in _extensions(rules, row, flaws, key, parent, signer, alternative, no_check):
        builder = builder.add_extension(extension, critical)
    made = builder.sign(signer, _digest(signer, None)).public_bytes(serialization.Encoding.DER)
    for change in _changes(flaws, key):
        made = resigned(made, change, signer)
    if flaws.hash is not None and not isinstance(signer, (ed448.Ed448PrivateKey, ed25519.Ed25519PrivateKey)):
        made = builder.sign(signer, _digest(signer, flaws.hash)).public_bytes(serialization.Encoding.DER)
    if flaws.signature_altered:
        # The lowest bit of the last octet: still DER, still in range, another value.
        made = made[:-1] + bytes([made[-1] ^ 1])
    if flaws.unused_bits:
        place = len(made) - len(x509.load_der_x509_certificate(made).signature) - 1
        made = made[:place] + bytes([flaws.unused_bits]) + made[place + 1 :]
    return made + bytes(flaws.trailing_octets)


def key_identifier(rules: PkiProfile, key: PrivateKey) -> x509.SubjectKeyIdentifier:
    """Subject key identifier by the profile's method (RFC 5280 4.2.1.2, 1 or 2)."""
    full = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    if rules.ski == "long":
        return full
    last = full.digest[-8:]
    return x509.SubjectKeyIdentifier(bytes([0x40 | last[0] & 0x0F]) + last[1:])


def sign(key: PrivateKey, data: bytes) -> bytes:
    """A signature as certificates carry it."""
    match key:
        case ec.EllipticCurvePrivateKey():
            digest = _digest(key, None) or hashes.SHA256()
            return key.sign(data, ec.ECDSA(digest))
        case rsa.RSAPrivateKey():
            return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        case _:
            return key.sign(data)


def resigned(
    certificate_der: bytes, change: Callable[[list[bytes]], list[bytes]], signer: PrivateKey
) -> bytes:
    """The certificate with the elements of its signed part changed, signed again by ``signer``."""
    changed = asn1.sequence(*change(asn1.elements(asn1.elements(certificate_der)[0])))
    return asn1.signed(certificate_der, changed, sign(signer, changed))


def _extensions(
    rules: PkiProfile,
    row: CertificateProfile,
    flaws: Flaws,
    key: PrivateKey,
    parent: x509.Certificate | None,
    signer: PrivateKey,
    alternative: x448.X448PublicKey | None,
    no_check: bool,
) -> list[tuple[x509.ExtensionType, bool]]:
    found: list[tuple[x509.ExtensionType, bool]] = []
    if not flaws.no_basic_constraints:
        found.append(
            (x509.BasicConstraints(row.ca, row.path_length), not flaws.basic_constraints_not_critical)
        )
    if not flaws.no_key_usage:
        usages = {attribute: name in row.key_usage for name, attribute in _KEY_USAGES.items()}
        usage = x509.KeyUsage(**usages, encipher_only=False, decipher_only=False)
        found.append((usage, not flaws.key_usage_not_critical))
    if not flaws.no_subject_key_identifier:
        identifier = key_identifier(rules, key)
        if flaws.subject_key_identifier_octets is not None:
            identifier = x509.SubjectKeyIdentifier(
                (identifier.digest * 4)[: flaws.subject_key_identifier_octets]
            )
        found.append((identifier, False))
    if row.extended_key_usage:
        uses = x509.ExtendedKeyUsage([_EXTENDED_KEY_USAGES[name] for name in row.extended_key_usage])
        found.append((uses, row.extended_key_usage_critical))
    if parent is not None and flaws.authority_key_identifier != "absent":
        digest = _issuer_key_identifier(parent) or key_identifier(rules, signer).digest
        if flaws.authority_key_identifier == "wrong":
            digest = bytes(octet ^ 0xFF for octet in digest)
        if flaws.authority_key_identifier == "with-issuer":
            full = x509.AuthorityKeyIdentifier(
                digest, [x509.DirectoryName(parent.issuer)], parent.serial_number
            )
            found.append((full, False))
        else:
            # The key identifier alone: issuer and serial number are not to be there.
            found.append((x509.AuthorityKeyIdentifier(digest, None, None), False))
    access = []
    if row.ocsp:
        location = x509.UniformResourceIdentifier(rules.ocsp_url)
        access.append(x509.AccessDescription(AuthorityInformationAccessOID.OCSP, location))
    if row.same_key_as is not None:
        mark = x509.ObjectIdentifier(rules.cross_indication)
        access.append(x509.AccessDescription(mark, x509.UniformResourceIdentifier(rules.ocsp_url)))
    if access:
        found.append((x509.AuthorityInformationAccess(access), False))
    if alternative is not None:
        spki = alternative.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        found.append((x509.UnrecognizedExtension(ALTERNATIVE_KEY, spki), False))
    if no_check:
        found.append((x509.OCSPNoCheck(), False))
    if flaws.unknown_critical_extension:
        found.append((x509.UnrecognizedExtension(_UNKNOWN, b"\x05\x00"), True))
    if flaws.filler_octets:
        filler = asn1.octet_string(bytes(flaws.filler_octets))
        found.append(
            (x509.UnrecognizedExtension(x509.ObjectIdentifier(f"{_UNKNOWN.dotted_string}.2"), filler), False)
        )
    return found


def _issuer_key_identifier(parent: x509.Certificate) -> bytes | None:
    try:
        return parent.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _digest(signer: PrivateKey, wanted: str | None) -> _Hash | None:
    if isinstance(signer, (ed448.Ed448PrivateKey, ed25519.Ed25519PrivateKey)):
        return None
    if wanted is not None:
        return _HASHES[wanted]()
    if isinstance(signer, ec.EllipticCurvePrivateKey):
        if signer.curve.name == "secp521r1":
            return hashes.SHA512()
        return hashes.SHA384() if signer.curve.name == "secp384r1" else hashes.SHA256()
    return hashes.SHA256()


def _another(key: PrivateKey) -> PrivateKey:
    match key:
        case ec.EllipticCurvePrivateKey():
            return ec.generate_private_key(key.curve)
        case ed25519.Ed25519PrivateKey():
            return ed25519.Ed25519PrivateKey.generate()
        case rsa.RSAPrivateKey():
            return rsa.generate_private_key(65537, _LONGEST_RSA)
        case _:
            return ed448.Ed448PrivateKey.generate()


def _changes(flaws: Flaws, key: PrivateKey) -> list[Callable[[list[bytes]], list[bytes]]]:
    """Changes of the signed part; its elements: version, serial, algorithm, issuer, validity,
    subject, key, extensions."""
    found: list[Callable[[list[bytes]], list[bytes]]] = []
    if flaws.serial is not None:
        numbers = {"negative": -(2**100) - 1, "zero": 0, "long": 2**200 + 1}
        serial = asn1.integer(numbers[flaws.serial])
        found.append(lambda parts: [parts[0], serial, *parts[2:]])
    if flaws.printable_organization:
        found.append(lambda parts: [*parts[:5], _printable(parts[5]), *parts[6:]])
    if flaws.point is not None and isinstance(key, ec.EllipticCurvePrivateKey):
        spki = _compressed(key) if flaws.point == "compressed" else _explicit(key)
        found.append(lambda parts: [*parts[:6], spki, *parts[7:]])
    if flaws.duplicate_extension:
        found.append(lambda parts: [*parts[:7], _first_twice(parts[7])])
    if flaws.version_1:
        # No version field and no extensions, which only version 3 has.
        found.append(lambda parts: parts[1:7])
    return found


def _printable(name: bytes) -> bytes:
    """Organizations (2.5.4.10) as PrintableString."""
    oid = bytes.fromhex("060355040a")
    return name.replace(oid + b"\x0c", oid + b"\x13")


def _first_twice(extensions: bytes) -> bytes:
    return asn1.extensions_field(extensions, first_twice=True)


def _compressed(key: ec.EllipticCurvePrivateKey) -> bytes:
    public = key.public_key()
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    return asn1.public_key_info(spki, point=point)


def _explicit(key: ec.EllipticCurvePrivateKey) -> bytes:
    """RFC 3279 2.3.5 ECParameters in place of the curve's name, all values right."""
    public = key.public_key()
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    curve = CURVES[key.curve.name]
    generator = ec.derive_private_key(1, key.curve).public_key()
    base = generator.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    parameters = asn1.explicit_parameters(
        prime=curve.prime,
        a=(curve.prime - 3).to_bytes(curve.octets, "big"),
        b=curve.b.to_bytes(curve.octets, "big"),
        base=base,
        order=curve.order,
    )
    return asn1.public_key_info(spki, parameters=parameters)
