"""What a connection may agree on, one value per profile; names as IANA writes them, lists in order of
preference.

A profile is enforced as it stands or refused as a whole: nothing here is a wish.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from iso15118.ranges import check_fields

__all__ = ["DUAL", "ISO2", "ISO20", "LAB", "PROFILES", "ClientCertificate", "TlsProfile", "TlsVersion"]

TlsVersion = Literal["TLSv1.2", "TLSv1.3"]
"""Versions that a profile may name."""
ClientCertificate = Literal["required", "optional", "none"]
"""What a profile wants of the vehicle."""


class TlsProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one kind of TLS connection. Session tickets, PSK, early data, renegotiation and
    compression are off in all. Raises ``ConfigError`` for a field of another type.
    """

    name: str
    min_version: TlsVersion
    max_version: TlsVersion
    cipher_suites: tuple[str, ...]
    """Suites of TLS 1.2 are those with ``WITH`` in their names, and belong only where that version is
    allowed.
    """
    groups: tuple[str, ...]
    """Groups of the key exchange."""
    signature_schemes: tuple[str, ...]
    client_certificate: ClientCertificate
    """Whether a server asks for a certificate, and whether it goes on without one."""
    certificate_authorities: bool
    """Send the names of the trust anchors, so that the peer can pick a chain under one of them."""
    named_authority_required: bool
    """A server that has no chain under a root that the client named refuses it."""
    status_request: bool
    """A client asks for OCSP responses with the certificates."""
    max_fragment_length: Literal[512, 1024, 2048, 4096] | None = None
    """Octets of plaintext a record may have, if a client asks for less than TLS allows; servers follow any
    wish. [V2G20-2446]
    """
    edition: Literal["iso20", "iso2"] = "iso20"
    """Which edition of the standard the lists are held against."""
    trusted_ca_keys: Literal["cert_sha1_hash", "key_sha1_hash", "x509_name"] | None = None
    """How a client of TLS 1.2 names the roots it trusts; None: it does not. Servers of TLS 1.2
    read every kind. [V2G2-651]"""
    older: TlsProfile | None = None
    """For a client that speaks both editions: what it agrees on with a station that has
    TLS 1.2 only. [V2G20-2062]"""

    def __post_init__(self) -> None:
        check_fields(self, "profile")

    def deviations(self) -> tuple[str, ...]:
        """Where this profile allows more or demands less than its edition, in words for reports; empty if
        nowhere.
        """
        norm = ISO20 if self.edition == "iso20" else _ISO2_AS_WRITTEN
        found = []
        if self.min_version != norm.min_version and self.older is None:
            found.append(f"{self.min_version} allowed")
        for what, mine, theirs in (
            ("cipher suite", self.cipher_suites, norm.cipher_suites),
            ("group", self.groups, norm.groups),
            ("signature scheme", self.signature_schemes, norm.signature_schemes),
        ):
            found.extend(f"{what} {name} allowed" for name in mine if name not in theirs)
        found.extend(
            f"no {name}: OpenSSL has no static ECDH"
            for name in norm.cipher_suites
            if name.startswith("TLS_ECDH_") and name not in self.cipher_suites
        )
        if self.client_certificate != norm.client_certificate:
            found.append(f"client certificate {self.client_certificate}")
        if norm.certificate_authorities and not self.certificate_authorities:
            found.append("no certificate_authorities sent")
        if norm.trusted_ca_keys and not self.trusted_ca_keys:
            found.append("no trusted_ca_keys sent")
        if norm.named_authority_required and not self.named_authority_required:
            found.append("chain under another root than the named ones allowed")
        if not self.status_request:
            found.append("no OCSP responses asked for")
        return (*found, *(self.older.deviations() if self.older is not None else ()))


ISO20 = TlsProfile(
    name="iso20",
    min_version="TLSv1.3",  # [V2G20-1237, V2G20-2356]
    max_version="TLSv1.3",
    cipher_suites=(
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
    ),  # [V2G20-2458, V2G20-2459, V2G20-1856]
    groups=("secp521r1", "x448"),  # [V2G20-1634, V2G20-1637, V2G20-2460]
    signature_schemes=("ecdsa_secp521r1_sha512", "ed448"),  # [V2G20-1667, V2G20-1668]
    client_certificate="required",  # [V2G20-1264, V2G20-2400]
    certificate_authorities=True,  # [V2G20-1006, V2G20-2401]
    named_authority_required=True,  # [V2G20-2379]
    status_request=True,  # [V2G20-2372]
)
"""ISO 15118-20 as it is written."""

LAB = msgspec.structs.replace(
    ISO20,
    name="lab",
    cipher_suites=(*ISO20.cipher_suites, "TLS_AES_128_GCM_SHA256"),
    groups=(*ISO20.groups, "secp256r1"),
    signature_schemes=(*ISO20.signature_schemes, "ecdsa_secp256r1_sha256"),
    named_authority_required=False,
)
"""For today's test peers, whose -20 certificates are still on P-256. Never the default; its deviations are
reported.

Set ``client_certificate="optional"`` with :func:`msgspec.structs.replace` for peers that have none.
"""

_ISO2_AS_WRITTEN = TlsProfile(
    name="iso2",
    edition="iso2",
    min_version="TLSv1.2",
    max_version="TLSv1.2",
    cipher_suites=(
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
        "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256",
    ),
    groups=("secp256r1",),
    signature_schemes=("ecdsa_secp256r1_sha256",),
    client_certificate="none",
    certificate_authorities=False,  # TLS 1.2 has it in the CertificateRequest only, which there is none of
    named_authority_required=False,  # another root only if none of the named ones fits [V2G2-923]
    status_request=True,  # [V2G2-873]
    trusted_ca_keys="cert_sha1_hash",  # what vehicles in the field use most
)

ISO2 = msgspec.structs.replace(_ISO2_AS_WRITTEN, cipher_suites=_ISO2_AS_WRITTEN.cipher_suites[:1])
"""ISO 15118-2, as far as OpenSSL goes: static ECDH was taken out of it, so one of the two suites is left.
That is reported as a deviation; no station or vehicle is known that has the other one only.
"""

DUAL = msgspec.structs.replace(ISO20, name="dual", min_version="TLSv1.2", older=ISO2)
"""A vehicle that speaks both editions: TLS 1.3 by ``iso20`` where the station has it, otherwise TLS 1.2
by ``iso2``. [V2G20-2365]"""

PROFILES = {profile.name: profile for profile in (ISO20, ISO2, DUAL, LAB)}
"""The profiles by the name that configuration uses."""
