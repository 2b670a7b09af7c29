"""Which root a chain ends in, among those that one has. Who may be trusted is not decided here."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["issuer_of", "root_of"]


def root_of(chain: Sequence[bytes], roots_der: Sequence[bytes]) -> bytes | None:
    """The root (DER) that issued a certificate of the chain (DER, leaf first); None if none of these did.

    Names decide; of several roots with one name it is the one whose key signed.
    """
    if not roots_der:
        return None
    from cryptography import x509  # here: without TLS nothing of it is needed, and it takes a while to load
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    for der in reversed(chain):
        certificate = _read(der)
        if certificate is None:
            continue
        issuer = certificate.issuer
        named = [root for root in roots_der if _subject(root) == issuer]
        if len(named) == 1:
            return named[0]
        for root in named:
            try:
                certificate.verify_directly_issued_by(x509.load_der_x509_certificate(root))
            except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
                continue
            return root
    return None


def issuer_of(der: bytes) -> bytes:
    """Name (DER) of whoever issued a certificate (DER); empty if it is none."""
    certificate = _read(der)
    return certificate.issuer.public_bytes() if certificate is not None else b""


def _subject(root: bytes) -> x509.Name | None:
    certificate = _read(root)
    return certificate.subject if certificate is not None else None


def _read(der: bytes) -> x509.Certificate | None:
    from cryptography import x509  # as above

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of oddities that are not for here to judge
            certificate = x509.load_der_x509_certificate(der)
            _ = certificate.issuer, certificate.subject
            return certificate
    except ValueError:
        return None
