"""One file of a certificate store: the octets and what they have to be. Whatever is wrong is a PkiError
without the file's name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import ocsp

from iso15118.errors import PkiError
from iso15118.pki.chain.identifiers import is_emaid, normal_emaid
from iso15118.pki.chain.parsed import UnreadableError, parse
from iso15118.pki.issuing.build import PrivateKey

__all__ = [
    "CERTIFICATE",
    "MAX_CRL_OCTETS",
    "MAX_OCTETS",
    "OF_ISO2",
    "bounded",
    "certificates",
    "check_root",
    "contract_folder",
    "contract_name",
    "crl_der",
    "match",
    "ocsp_der",
    "split_key",
]

CERTIFICATE: Final = b"-----BEGIN CERTIFICATE"
MAX_OCTETS: Final = 256 * 1024
MAX_CRL_OCTETS: Final = 4 * 1024 * 1024
_CERTIFICATES: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)
OF_ISO2: Final = ".p256"
"""Ends the name of the folder of a contract with a key of ISO 15118-2."""
_CRL_PEM: Final = b"-----BEGIN X509 CRL"


def contract_name(chain: Sequence[bytes]) -> str:
    """The EMAID, 14 capitals and digits, that a chain is a contract of. Raises PkiError if it is none."""
    try:
        names = parse(chain[0]).common_names
    except (IndexError, UnreadableError) as error:
        raise PkiError(f"contract: {error}") from error
    if len(names) != 1 or not is_emaid(names[0]):
        raise PkiError(
            f"contract: its name {' '.join(names)[:80]!r} is no EMAID; a chain of our own needs a name"
        )
    return normal_emaid(names[0])


def contract_folder(chain: Sequence[bytes]) -> str:
    """The folder of a contract: its EMAID, and an ending for the P-256 of ISO 15118-2, of which a vehicle may
    have one with the same EMAID beside that of ISO 15118-20. Raises as ``contract_name``."""
    emaid = contract_name(chain)
    return emaid + OF_ISO2 if parse(chain[0]).key == "secp256r1" else emaid


def check_root(der: bytes) -> None:
    """Raises PkiError for what is no self-signed CA certificate: trust in anything else is a mistake."""
    try:
        one = parse(der)
    except UnreadableError as error:
        raise PkiError(str(error)) from error
    if one.subject != one.issuer or not one.ca:
        raise PkiError(f"{one.name} is no root")


def bounded(path: Path, limit: int) -> bytes:
    """A file. Raises PkiError if it is longer than ``limit`` octets."""
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise PkiError(f"more than {limit} octets")
    return data


def certificates(path: Path) -> list[bytes]:
    """Certificates (DER) of a PEM file, in its order. Raises PkiError."""
    try:
        found = x509.load_pem_x509_certificates(bounded(path, MAX_OCTETS))
        ders = [one.public_bytes(serialization.Encoding.DER) for one in found]
        for der in ders:
            parse(der)
    except (ValueError, TypeError, UnreadableError) as error:
        raise PkiError(str(error)) from error
    return ders


def split_key(text: bytes) -> tuple[bytes, bytes]:
    """The key and the certificates (PEM) of a file that has both."""
    return _CERTIFICATES.sub(b"", text), b"".join(
        one.rstrip(b"\n") + b"\n" for one in _CERTIFICATES.findall(text)
    )


def crl_der(data: bytes) -> bytes:
    """A revocation list (DER) from DER or PEM. Raises PkiError if it is none."""
    try:
        if data.startswith(_CRL_PEM):
            return x509.load_pem_x509_crl(data).public_bytes(serialization.Encoding.DER)
        x509.load_der_x509_crl(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError(f"no revocation list: {error}") from error
    return data


def ocsp_der(data: bytes) -> bytes:
    """An OCSP response (DER). Raises PkiError if it is none."""
    try:
        ocsp.load_der_ocsp_response(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError(f"no OCSP response: {error}") from error
    return data


def match(chain: Sequence[bytes], key: PrivateKey) -> None:
    """Raises PkiError unless the first certificate is of this key."""
    if not chain:
        raise PkiError("a chain without certificates")
    try:
        public = x509.load_der_x509_certificate(chain[0]).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PkiError(f"certificate: {error}") from error
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if public.public_bytes(*form) != key.public_key().public_bytes(*form):
        raise PkiError("the key is not the one of the certificate")
