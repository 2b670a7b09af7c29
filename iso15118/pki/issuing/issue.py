"""Issuer of test PKIs: every certificate and key made at run time from a profile, nothing kept unless it is
written.

For tests, demonstrations and laboratories. It is no certification authority: keys are in memory, unprotected.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x448

from iso15118.errors import ConfigError, PkiError
from iso15118.files import make_folder, not_private, write_whole
from iso15118.pki.chain.profiles import CertificateProfile, PkiProfile, load_profile
from iso15118.pki.issuing import asn1, build
from iso15118.pki.issuing.build import PrivateKey
from iso15118.pki.keys.credential import Credential

__all__ = ["IssuedPki", "issue_leaf", "issue_test_pki", "load", "load_key", "load_public_key"]

DEFAULT_SECCID = "DE-ABC-S-00000000000000000000000000000001"
DEFAULT_EVCCID = "WVWV123456789ABCDEF7"
DEFAULT_EMAID = "DE-8AA-CA2B3C4D5-L"
DEFAULT_PCID = "WVW123456789ABCDE7"
_MANIFEST = "pki.json"


class IssuedPki(msgspec.Struct, frozen=True, kw_only=True):
    """Certificates (DER) and private keys (PKCS#8 DER) by the names of the profile:
    ``v2g-root``, ``secc``..."""

    edition: str
    certificates: dict[str, bytes]
    issuers: dict[str, str | None]
    """Who issued what; None for a root."""
    keys: Mapping[str, bytes]
    alternative_keys: Mapping[str, bytes] = {}
    """X448 private keys of those that have a second key. [V2G20-2534]"""

    def __repr__(self) -> str:
        return f"IssuedPki({self.edition}, {', '.join(self.certificates)}, keys hidden)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("edition", self.edition), ("certificates", list(self.certificates))]

    def chain(self, name: str) -> tuple[bytes, ...]:
        """Certificates (DER) from this one up, without the root. Raises ``ConfigError`` for a
        name that it does not have."""
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

    def responder(self, ca: str) -> Credential:
        """The OCSP responder that this CA delegates to, if responders were issued, else the CA itself."""
        name = f"ocsp-{ca}" if f"ocsp-{ca}" in self.certificates else ca
        return Credential(chain=(self.certificates[name],), key=self.keys[name])

    def write(self, directory: Path) -> None:
        """Write each certificate as ``<name>.pem`` and each key as ``<name>.key`` (PKCS#8 PEM, readable by
        the owner only). A folder that is not there is made for the owner only.
        """
        make_folder(directory, durable=False)
        for name, der in self.certificates.items():
            write_whole(directory / f"{name}.pem", pem(der).encode(), mode=0o644, durable=False)
        for name, der in self.keys.items():
            write_secret(directory / f"{name}.key", key_pem(der))
        for name, der in self.alternative_keys.items():
            write_secret(directory / f"{name}.x448.key", key_pem(der))
        manifest = _Manifest(
            edition=self.edition, issuers=self.issuers, alternative_keys=sorted(self.alternative_keys)
        )
        told = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
        write_whole(directory / _MANIFEST, told, mode=0o644, durable=False)


class _Manifest(msgspec.Struct):
    edition: str
    issuers: dict[str, str | None]
    alternative_keys: list[str] = []


def load(directory: Path, *, keys_when_used: bool = False) -> IssuedPki:
    """Read what :meth:`IssuedPki.write` wrote. ``keys_when_used``: each private key is read when it is first
    asked for, so that a station does not open the keys of its authorities; the folder has to stay. Raises
    PkiError if something is missing or unreadable.
    """
    try:
        manifest = msgspec.json.decode((directory / _MANIFEST).read_bytes(), type=_Manifest)
        certificates = {
            name: _unarmoured((directory / f"{name}.pem").read_text()) for name in manifest.issuers
        }
        keys = _KeyFiles({name: directory / f"{name}.key" for name in manifest.issuers})
        alternative = _KeyFiles({name: directory / f"{name}.x448.key" for name in manifest.alternative_keys})
    except (OSError, ValueError, TypeError) as error:
        raise PkiError(f"no usable test PKI in {directory}: {error}") from error
    return IssuedPki(
        edition=manifest.edition,
        certificates=certificates,
        issuers=manifest.issuers,
        keys=keys if keys_when_used else dict(keys),
        alternative_keys=alternative if keys_when_used else dict(alternative),
    )


class _KeyFiles(Mapping[str, bytes]):
    """Keys (PKCS#8 DER) by name, each read when it is first asked for. Raises OSError if a file is not there,
    PkiError if others may read one."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self._paths = paths
        self._read: dict[str, bytes] = {}
        for path in paths.values():
            if why := not_private(path.stat(), path):
                raise PkiError(f"{path}: {why}")

    def __getitem__(self, name: str) -> bytes:
        if name not in self._read:
            path = self._paths[name]
            try:
                self._read[name] = _read_key(path)
            except (OSError, ValueError, TypeError) as error:
                raise PkiError(f"no usable private key in {path}: {error}") from error
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __repr__(self) -> str:
        return f"<keys of {', '.join(self._paths)}, hidden>"


def issue_test_pki(
    edition: str = "iso20",
    algorithm: str = "p521",
    *,
    at: datetime,
    vehicle_algorithm: str | None = None,
    algorithms: Mapping[str, str] | None = None,
    organization: str = "Test",
    seccid: str = DEFAULT_SECCID,
    evccid: str = DEFAULT_EVCCID,
    emaid: str = DEFAULT_EMAID,
    pcid: str = DEFAULT_PCID,
    responders: bool = False,
    profile: PkiProfile | None = None,
) -> IssuedPki:
    """Make a complete test PKI, valid from a day before ``at``.

    ``edition``: which profiles. ``algorithm``: one of the profile's, ``p521`` or ``ed448`` of
    ``iso20``, ``p256`` of ``iso2``, any of ``lab``. ``algorithms``: other ones by the name of a
    certificate, for it and all that are issued under it; ``vehicle_algorithm`` is short for that of
    ``oem-root``. Chains of several algorithms are issued and then refused, unless ``mixed-algorithms``
    is tolerated. [V2G20-2320] ``responders``: with an OCSP responder for every CA. ``profile``: a
    changed profile, for certificates that are wrong on purpose.

    Raises ConfigError for a name that the profile does not have.
    """
    rules = profile or load_profile(edition)
    names = {"seccid": seccid, "evccid": evccid, "emaid": emaid, "pcid": pcid}
    wanted = {**({"oem-root": vehicle_algorithm} if vehicle_algorithm else {}), **(algorithms or {})}
    if unknown := set(wanted) - set(rules.certificates):
        raise ConfigError(
            "algorithms", f"no certificate {min(unknown)!r}", f"one of {', '.join(rules.certificates)}"
        )
    chosen: dict[str, str] = {}
    keys: dict[str, PrivateKey] = {}
    alternative: dict[str, x448.X448PrivateKey] = {}
    issued: dict[str, bytes] = {}
    rows = dict(rules.certificates)
    if responders and rules.responder is not None:
        rows |= {
            f"ocsp-{name}": _responder(rules, name, row) for name, row in rows.items() if _delegates(row)
        }
    for name, row in rows.items():
        chosen[name] = wanted.get(name, chosen[row.issuer] if row.issuer else algorithm)
        keys[name] = (
            keys[row.same_key_as] if row.same_key_as else build.new_key(rules, chosen[name], row.flaws)
        )
        second = None
        if row.alternative_key == "x448":
            alternative[name] = x448.X448PrivateKey.generate()
            second = alternative[name].public_key()
        issued[name] = build.certificate(
            rules,
            row,
            build.subject(row, organization, names),
            keys[name],
            x509.load_der_x509_certificate(_clean(issued[row.issuer])) if row.issuer else None,
            keys[row.issuer or name],
            at.astimezone(UTC),
            alternative=second,
            no_check=name.startswith("ocsp-") and rules.responder is not None and rules.responder.no_check,
        )
    return IssuedPki(
        edition=rules.edition,
        certificates=issued,
        issuers={name: row.issuer for name, row in rows.items()},
        keys={name: key_der(key) for name, key in keys.items()},
        alternative_keys={name: key_der(key) for name, key in alternative.items()},
    )


def issue_leaf(
    pki: IssuedPki,
    like: str,
    name: str,
    *,
    at: datetime,
    names: Mapping[str, str] | None = None,
    organization: str = "Test",
    row: CertificateProfile | None = None,
    algorithm: str | None = None,
    key: bytes | None = None,
) -> IssuedPki:
    """The same PKI with one more leaf: of the profile of ``like`` (``contract``,
    ``secc``...), under ``name``.

    ``names``: identifiers to fill in (``emaid``, ``seccid``, ``evccid``, ``pcid``). ``row``: a changed
    profile. ``algorithm``: another one than its issuer's. ``key``: PKCS#8 of a key to certify instead of a
    fresh one.

    Raises ConfigError for a row, an issuer or an algorithm that does not exist.
    """
    rules = load_profile(pki.edition)
    if row is None:
        if like not in rules.certificates:
            raise ConfigError("like", f"no certificate {like!r}", f"one of {', '.join(rules.certificates)}")
        row = rules.certificates[like]
    if row.issuer is None or row.issuer not in pki.keys:
        raise ConfigError("like", f"the issuer of {like!r} is not in this PKI", "pki init makes all of them")
    signer = load_key(pki.keys[row.issuer])
    filled = {
        "seccid": DEFAULT_SECCID,
        "evccid": DEFAULT_EVCCID,
        "emaid": DEFAULT_EMAID,
        "pcid": DEFAULT_PCID,
        **(names or {}),
    }
    own = (
        load_key(key)
        if key is not None
        else build.new_key(rules, algorithm or _algorithm(rules, signer), row.flaws)
    )
    second = x448.X448PrivateKey.generate() if row.alternative_key == "x448" else None
    made = build.certificate(
        rules,
        row,
        build.subject(row, organization, filled),
        own,
        x509.load_der_x509_certificate(_clean(pki.certificates[row.issuer])),
        signer,
        at.astimezone(UTC),
        alternative=second.public_key() if second is not None else None,
    )
    alternative = {name: key_der(second)} if second is not None else {}
    return msgspec.structs.replace(
        pki,
        certificates={**pki.certificates, name: made},
        issuers={**pki.issuers, name: row.issuer},
        keys={**pki.keys, name: key_der(own)},
        alternative_keys={**pki.alternative_keys, **alternative},
    )


def load_key(der: bytes, passphrase: bytes | None = None) -> PrivateKey:
    """A private key (PKCS#8, DER or PEM). ``passphrase``: what it is encrypted with, if it is.

    Raises PkiError if it is none, does not open, or is of a kind that signs nothing.
    """
    try:
        if der.startswith(b"-----BEGIN"):
            key = serialization.load_pem_private_key(der, passphrase)
        else:
            key = serialization.load_der_private_key(der, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError(f"no private key: {error}") from error
    if not isinstance(key, PrivateKey):
        raise PkiError("a private key of a kind that is not used here")
    return key


def load_public_key(certificate_der: bytes) -> Any:
    """The public key of a certificate. Raises PkiError if there is none to be read."""
    try:
        return x509.load_der_x509_certificate(certificate_der).public_key()
    except (ValueError, TypeError) as error:
        raise PkiError(f"no public key: {error}") from error


def pem(der: bytes) -> str:
    """A certificate's PEM; made here, since bad certificates must pass as well."""
    text = b64encode(der).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def _unarmoured(text: str) -> bytes:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    if begin not in text or end not in text:
        raise ValueError("no PEM certificate")
    return b64decode("".join(text.split(begin, 1)[1].split(end, 1)[0].split()), validate=True)


def _delegates(row: CertificateProfile) -> bool:
    return row.ca and row.same_key_as is None


def _responder(rules: PkiProfile, ca: str, row: CertificateProfile) -> CertificateProfile:
    days = rules.responder.valid_days if rules.responder is not None else row.valid_days
    return CertificateProfile(
        issuer=ca,
        common_name=f"OCSP {row.common_name}",
        domain_component=row.domain_component,
        key_usage=("digitalSignature",),
        extended_key_usage=("OCSPSigning",),
        valid_days=days,
        ocsp=False,
    )


def _clean(der: bytes) -> bytes:
    """A certificate without what a flaw may have put behind it."""
    try:
        x509.load_der_x509_certificate(der)
    except ValueError:
        return asn1.whole(der)
    return der


def _algorithm(rules: PkiProfile, key: PrivateKey) -> str:
    kind = getattr(getattr(key, "curve", None), "name", "ed448")
    return next(
        (name for name, row in rules.algorithms.items() if row.key == kind), next(iter(rules.algorithms))
    )


def _read_key(path: Path) -> bytes:
    if why := not_private(path.stat(), path):
        raise PkiError(f"{path}: {why}")
    return key_der(serialization.load_pem_private_key(path.read_bytes(), None))


def key_der(key: object) -> bytes:
    """PKCS#8 (DER) of a key, unencrypted."""
    if not isinstance(key, (PrivateKey, x448.X448PrivateKey)):
        raise TypeError("a key of a kind that is not used here")
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def key_pem(der: bytes) -> bytes:
    """PKCS#8 as PEM, unencrypted."""
    key = serialization.load_der_private_key(der, None)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_secret(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file that only its owner may read, whole or not at all. Raises OSError. ``durable``:
    see ``files.write_whole``."""
    write_whole(path, data, durable=durable)
