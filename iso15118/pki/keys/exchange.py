"""Chains and keys to and from the files that other tools use: PKCS#12, PEM and DER.

What is read is a :class:`~iso15118.pki.Credential`, or certificates alone; the leaf is the certificate that
the key belongs to, and the others are put in order behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from iso15118.errors import ConfigError, PkiError
from iso15118.pki.chain.parsed import UnreadableError, is_issued_by, parse
from iso15118.pki.issuing.build import PrivateKey
from iso15118.pki.issuing.issue import key_der, key_pem, load_key, pem
from iso15118.pki.keys.credential import Credential
from iso15118.pki.keys.protect import ROUNDS, checked_passphrase, encrypted_key, encrypted_pkcs8

__all__ = [
    "FORMATS",
    "Format",
    "export_credential",
    "export_key",
    "import_certificates",
    "import_credential",
    "join_credential",
]

Format = Literal["p12", "pem", "der"]
FORMATS: tuple[Format, ...] = get_args(Format)
_MAX_OCTETS = 1024 * 1024
_MAX_CERTIFICATES = 16


def export_credential(
    credential: Credential, kind: Format, *, passphrase: bytes | None = None, name: str = ""
) -> bytes:
    """The chain and its key as one file. DER holds the leaf alone, without key.

    ``passphrase`` encrypts the key; ``name`` is what PKCS#12 calls it. Raises PkiError for a key or a
    certificate that is none, ConfigError for an unknown format and an empty passphrase.
    """
    if kind == "der":
        return credential.chain[0]
    if kind not in FORMATS:
        raise ConfigError("format", f"{kind!r} is none", f"one of {', '.join(FORMATS)}")
    key = load_key(credential.key, credential.passphrase)
    passphrase = checked_passphrase(passphrase)
    if kind == "pem":
        text = key_pem(key_der(key)) if passphrase is None else encrypted_key(key, passphrase)
        return text + "".join(pem(der) for der in credential.chain).encode()
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        encryption = (
            serialization.PrivateFormat.PKCS12.encryption_builder()
            .kdf_rounds(ROUNDS)
            .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
            .hmac_hash(hashes.SHA256())
            .build(passphrase)
        )
    try:
        leaf, *others = (x509.load_der_x509_certificate(der) for der in credential.chain)
        return pkcs12.serialize_key_and_certificates(name.encode() or None, key, leaf, others, encryption)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError(f"PKCS#12: {error}") from error


def export_key(credential: Credential, *, passphrase: bytes | None = None) -> bytes:
    """The key alone, PKCS#8 in DER; ``passphrase`` encrypts it. Raises PkiError for a key that is none,
    ConfigError for an empty passphrase.
    """
    passphrase = checked_passphrase(passphrase)
    key = load_key(credential.key, credential.passphrase)
    return key_der(key) if passphrase is None else encrypted_pkcs8(key, passphrase)


def join_credential(
    certificates: Sequence[bytes], key: bytes, *, passphrase: bytes | None = None
) -> Credential:
    """Certificates (DER, in any order) and the key of one of them (PEM or DER). Raises
    PkiError if they do not fit."""
    _bounded(key)
    found = _pem_key(key, passphrase) if b"-----BEGIN" in key else load_key(key, passphrase)
    pkcs8 = found.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Credential(chain=_ordered(list(certificates), found), key=pkcs8)


def import_credential(data: bytes, *, passphrase: bytes | None = None) -> Credential:
    """A key with its chain from PKCS#12 or PEM. Raises PkiError if there are not both, or they do not fit."""
    _bounded(data)
    if b"-----BEGIN" in data:
        key = _pem_key(data, passphrase)
        certificates = import_certificates(data)
    else:
        try:
            found, leaf, others = pkcs12.load_key_and_certificates(data, passphrase)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise PkiError(
                f"PKCS#12: {error} (certificates in DER need their key in a second file)"
            ) from error
        if not isinstance(found, PrivateKey):
            raise PkiError("PKCS#12 without a key that is used here")
        key = found
        certificates = [
            one.public_bytes(serialization.Encoding.DER) for one in (*([leaf] if leaf else ()), *others)
        ]
    pkcs8 = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Credential(chain=_ordered(certificates, key), key=pkcs8)


def import_certificates(data: bytes) -> list[bytes]:
    """Certificates (DER) of a PEM or DER file, in its order. Raises PkiError if there are none."""
    _bounded(data)
    if b"-----BEGIN" not in data:
        try:
            parse(data)
        except UnreadableError as error:
            raise PkiError(f"certificate: {error}") from error
        return [data]
    try:
        found = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise PkiError(f"certificates: {error}") from error
    if len(found) > _MAX_CERTIFICATES:
        raise PkiError(f"{len(found)} certificates in one file")
    return [one.public_bytes(serialization.Encoding.DER) for one in found]


def _bounded(data: bytes) -> None:
    if len(data) > _MAX_OCTETS:
        raise PkiError(f"a file of {len(data)} octets")


def _pem_key(data: bytes, passphrase: bytes | None) -> PrivateKey:
    start = data.find(b"PRIVATE KEY-----")
    begin = data.rfind(b"-----BEGIN", 0, start) if start >= 0 else -1
    if begin < 0:
        raise PkiError("no private key in the file")
    try:
        key = serialization.load_pem_private_key(data[begin:], passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError(f"private key: {error}") from error
    if not isinstance(key, PrivateKey):
        raise PkiError("a private key of a kind that is not used here")
    return key


def _ordered(ders: list[bytes], key: PrivateKey) -> tuple[bytes, ...]:
    """The key's certificate, then its issuers as far as they are there, without a root."""
    if len(ders) > _MAX_CERTIFICATES:
        raise PkiError(f"{len(ders)} certificates in one file")
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        parsed = [parse(der) for der in ders]
        wanted = key.public_key().public_bytes(*form)
        leaf = next(
            (one for one in parsed if one.certificate.public_key().public_bytes(*form) == wanted), None
        )
    except (UnreadableError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError(f"certificate: {error}") from error
    if leaf is None:
        raise PkiError("no certificate of the key in the file")
    chain = [leaf]
    while len(chain) <= len(parsed):
        below = chain[-1]
        above = [one for one in parsed if one.subject == below.issuer and one not in chain]
        # Another CA may have the issuer's name: the one whose key signed is meant, if there is one.
        above.sort(key=lambda one, below=below: not is_issued_by(below, one))  # type: ignore[misc]
        if not above or above[0].subject == above[0].issuer:
            break
        chain.append(above[0])
    return tuple(one.der for one in chain)
