"""What a connection may agree on, one value per profile; names as IANA writes them, lists in order of
preference.

A profile is enforced as it stands or refused as a whole: nothing here is a wish.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["ISO20", "LAB", "PROFILES", "ClientCertificate", "TlsProfile", "TlsVersion"]

TlsVersion = Literal["TLSv1.2", "TLSv1.3"]
ClientCertificate = Literal["required", "optional", "none"]


class TlsProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one kind of TLS connection. Session tickets, PSK, early data, renegotiation and
    compression are off in all.
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

    def deviations(self) -> tuple[str, ...]:
        """Where this profile allows more or demands less than ``iso20``, in words for reports; empty if
        nowhere.
        """
        found = []
        if self.min_version != ISO20.min_version:
            found.append(f"{self.min_version} allowed")
        for what, mine, norm in (
            ("cipher suite", self.cipher_suites, ISO20.cipher_suites),
            ("group", self.groups, ISO20.groups),
            ("signature scheme", self.signature_schemes, ISO20.signature_schemes),
        ):
            found.extend(f"{what} {name} allowed" for name in mine if name not in norm)
        if self.client_certificate != ISO20.client_certificate:
            found.append(f"client certificate {self.client_certificate}")
        if not self.certificate_authorities:
            found.append("no certificate_authorities sent")
        if not self.named_authority_required:
            found.append("chain under another root than the named ones allowed")
        if not self.status_request:
            found.append("no OCSP responses asked for")
        return tuple(found)


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

PROFILES = {profile.name: profile for profile in (ISO20, LAB)}
"""The profiles by the name that configuration uses."""
