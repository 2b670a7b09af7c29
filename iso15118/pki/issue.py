"""Issuer of test PKIs: every certificate and key made at run time from a profile, nothing kept unless it is
written.

For tests, demonstrations and laboratories. It is no certification authority: keys are in memory, unprotected.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from iso15118.errors import ConfigError, PkiError
from iso15118.pki.credential import Credential
from iso15118.pki.profiles import CertificateProfile, PkiProfile, load_profile

__all__ = ["IssuedPki", "issue_test_pki", "load"]

PrivateKey = ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey

DEFAULT_SECCID = "DE-ABC-S-00000000000000000000000000000001"
DEFAULT_EVCCID = "WVWV000000000ABCDEF7"
_MANIFEST = "pki.json"
_BACKDATE = timedelta(days=1)
"""Certificates are valid a day earlier than asked, since clocks of peers differ."""

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


class IssuedPki(msgspec.Struct, frozen=True, kw_only=True):
    """Certificates (DER) and private keys (PKCS#8 DER) by the names of the profile: ``v2g-root``, ``secc``..."""

    edition: str
    certificates: dict[str, bytes]
    issuers: dict[str, str | None]
    """Who issued what; None for a root."""
    keys: dict[str, bytes]

    def __repr__(self) -> str:
        return f"IssuedPki({self.edition}, {', '.join(self.certificates)}, keys hidden)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("edition", self.edition), ("certificates", list(self.certificates))]

    def chain(self, name: str) -> tuple[bytes, ...]:
        """Certificates (DER) from this one up, without the root."""
        if name not in self.certificates:
            raise ConfigError(
                "certificate", f"{name!r} was not issued", f"one of {', '.join(self.certificates)}"
            )
        found = []
        at: str | None = name
        while at is not None and self.issuers[at] is not None:
            found.append(self.certificates[at])
            at = self.issuers[at]
        return tuple(found)

    def credential(self, name: str) -> Credential:
        """Chain and key of a leaf."""
        return Credential(chain=self.chain(name), key=self.keys[name])

    @property
    def secc(self) -> Credential:
        """The charging station's TLS credential."""
        return self.credential("secc")

    @property
    def vehicle(self) -> Credential:
        """The vehicle's TLS credential."""
        return self.credential("vehicle")

    @property
    def v2g_root(self) -> bytes:
        """What vehicles trust."""
        return self.certificates["v2g-root"]

    @property
    def oem_root(self) -> bytes:
        """What stations trust."""
        return self.certificates["oem-root"]

    def write(self, directory: Path) -> None:
        """Write each certificate as ``<name>.pem`` and each key as ``<name>.key`` (PKCS#8 PEM, readable by
        the owner only).
        """
        directory.mkdir(parents=True, exist_ok=True)
        for name, der in self.certificates.items():
            pem = x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
            (directory / f"{name}.pem").write_bytes(pem)
        for name, der in self.keys.items():
            _write_secret(directory / f"{name}.key", _key_pem(der))
        manifest = {"edition": self.edition, "issuers": self.issuers}
        (directory / _MANIFEST).write_bytes(
            msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
        )


class _Manifest(msgspec.Struct):
    edition: str
    issuers: dict[str, str | None]


def load(directory: Path) -> IssuedPki:
    """Read what :meth:`IssuedPki.write` wrote. Raises PkiError if something is missing or unreadable."""
    try:
        manifest = msgspec.json.decode((directory / _MANIFEST).read_bytes(), type=_Manifest)
        certificates, keys = {}, {}
        for name in manifest.issuers:
            certificate = x509.load_pem_x509_certificate((directory / f"{name}.pem").read_bytes())
            certificates[name] = certificate.public_bytes(serialization.Encoding.DER)
            key = serialization.load_pem_private_key((directory / f"{name}.key").read_bytes(), None)
            keys[name] = _key_der(key)
    except (OSError, ValueError, TypeError) as error:
        raise PkiError(f"no usable test PKI in {directory}: {error}") from error
    return IssuedPki(edition=manifest.edition, certificates=certificates, issuers=manifest.issuers, keys=keys)


def issue_test_pki(
    edition: str = "iso20",
    algorithm: str = "p521",
    *,
    at: datetime,
    vehicle_algorithm: str | None = None,
    organization: str = "Test",
    seccid: str = DEFAULT_SECCID,
    evccid: str = DEFAULT_EVCCID,
    profile: PkiProfile | None = None,
) -> IssuedPki:
    """Make a complete test PKI, valid from a day before ``at``.

    ``edition``: which profiles (``lab`` makes the certificates of ``iso20`` with its own algorithms).
    ``algorithm``: ``p521``,
    ``ed448``, or ``p256`` with ``lab``. ``vehicle_algorithm``: another one for the branch under the OEM root.
    ``profile``: a changed profile, for certificates that are wrong on purpose.

    Raises ConfigError for a name that the profile does not have.
    """
    rules = profile or load_profile(edition)
    rows = rules.certificates or load_profile("iso20").certificates
    names = {"seccid": seccid, "evccid": evccid}
    keys: dict[str, PrivateKey] = {}
    issued: dict[str, x509.Certificate] = {}
    branches: dict[str, str] = {}
    for name, row in rows.items():
        branches[name] = branches[row.issuer] if row.issuer else name
        wanted = (vehicle_algorithm or algorithm) if branches[name] == "oem-root" else algorithm
        keys[name] = _new_key(rules, wanted)
        subject = _name(row, organization, names)
        parent = issued[row.issuer] if row.issuer else None
        signer = keys[row.issuer or name]
        issued[name] = _sign(rules, row, subject, keys[name], parent, signer, at.astimezone(UTC))
    return IssuedPki(
        edition=rules.edition,
        certificates={name: one.public_bytes(serialization.Encoding.DER) for name, one in issued.items()},
        issuers={name: row.issuer for name, row in rows.items()},
        keys={name: _key_der(key) for name, key in keys.items()},
    )


def _new_key(rules: PkiProfile, algorithm: str) -> PrivateKey:
    if algorithm not in rules.algorithms:
        known = ", ".join(rules.algorithms)
        raise ConfigError(
            "algorithm", f"{algorithm!r} is not in the profile {rules.edition}", f"one of {known}"
        )
    match rules.algorithms[algorithm].key:
        case "secp256r1":
            return ec.generate_private_key(ec.SECP256R1())
        case "secp521r1":
            return ec.generate_private_key(ec.SECP521R1())
        case "ed448":
            return ed448.Ed448PrivateKey.generate()


def _name(row: CertificateProfile, organization: str, names: Mapping[str, str]) -> x509.Name:
    attributes = [
        x509.NameAttribute(NameOID.COMMON_NAME, row.common_name.format_map(names)),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
    ]
    if row.domain_component is not None:
        attributes.append(x509.NameAttribute(NameOID.DOMAIN_COMPONENT, row.domain_component))
    return x509.Name(attributes)


def _sign(
    rules: PkiProfile,
    row: CertificateProfile,
    subject: x509.Name,
    key: PrivateKey,
    parent: x509.Certificate | None,
    signer: PrivateKey,
    at: datetime,
) -> x509.Certificate:
    usages = {attribute: name in row.key_usage for name, attribute in _KEY_USAGES.items()}
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(parent.subject if parent else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _BACKDATE)
        .not_valid_after(at + timedelta(days=row.valid_days))
        .add_extension(x509.BasicConstraints(row.ca, row.path_length), critical=True)
        .add_extension(x509.KeyUsage(**usages, encipher_only=False, decipher_only=False), critical=True)
        .add_extension(_key_identifier(rules, key), critical=False)
    )
    if row.extended_key_usage:
        extended = x509.ExtendedKeyUsage([_EXTENDED_KEY_USAGES[name] for name in row.extended_key_usage])
        builder = builder.add_extension(extended, critical=row.extended_key_usage_critical)
    if parent is not None:
        # The key identifier alone: issuer and serial number are not to be there.
        authority = x509.AuthorityKeyIdentifier(_key_identifier(rules, signer).digest, None, None)
        builder = builder.add_extension(authority, critical=False)
    if row.ocsp:
        responder = x509.AccessDescription(
            AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(rules.ocsp_url)
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([responder]), critical=False)
    return builder.sign(signer, _digest(signer))


def _digest(signer: PrivateKey) -> hashes.SHA256 | hashes.SHA512 | None:
    if isinstance(signer, ed448.Ed448PrivateKey):
        return None
    return hashes.SHA512() if signer.curve.name == "secp521r1" else hashes.SHA256()


def _key_identifier(rules: PkiProfile, key: PrivateKey) -> x509.SubjectKeyIdentifier:
    full = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    if rules.ski == "long":
        return full
    last = full.digest[-8:]
    return x509.SubjectKeyIdentifier(bytes([0x40 | last[0] & 0x0F]) + last[1:])


def _key_der(key: object) -> bytes:
    if not isinstance(key, (ec.EllipticCurvePrivateKey, ed448.Ed448PrivateKey)):
        raise TypeError("neither an EC nor an Ed448 key")
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _key_pem(der: bytes) -> bytes:
    key = serialization.load_der_private_key(der, None)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_secret(path: Path, data: bytes) -> None:
    # Created with its final mode, so that there is no moment at which others may read it.
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
