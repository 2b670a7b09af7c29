"""Certificate profiles: what each certificate looks like when we issue it, and what a role demands when we
check it.

The values are in ``certs/*.toml`` beside this file, one file per edition or policy.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

import msgspec

from iso15118.errors import ConfigError

__all__ = ["Algorithm", "CertificateProfile", "Edition", "PkiProfile", "RoleProfile", "load_profile"]

Edition = Literal["iso20", "iso2", "lab"]
KeyUsageName = Literal[
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
]
ExtendedKeyUsageName = Literal["serverAuth", "clientAuth", "OCSPSigning"]


class Algorithm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of key and the signatures made with it."""

    key: Literal["secp256r1", "secp521r1", "ed448"]
    signature: Literal["ecdsa-with-SHA256", "ecdsa-with-SHA512", "ed448"]


class CertificateProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the issuer makes one certificate."""

    issuer: str | None = None
    """Name of the issuing certificate; None for a root."""
    common_name: str
    """With {seccid} and {evccid} filled in."""
    domain_component: str | None = None
    ca: bool = False
    path_length: int | None = None
    key_usage: tuple[KeyUsageName, ...]
    extended_key_usage: tuple[ExtendedKeyUsageName, ...] = ()
    extended_key_usage_critical: bool = False
    valid_days: int
    ocsp: bool = True


class RoleProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a verifier demands of a leaf in this role and of its Sub-CAs; what is absent is not demanded."""

    anchors: tuple[Literal["V2G", "OEM", "MO", "CPS", "PE"], ...]
    """Kinds of root that the chain may end in (PE: a private environment's)."""
    identifier: Literal["EVCCID", "SECCID"] | None = None
    """What the common name is."""
    domain_component: str | None = None
    domain_component_suffix: bool = False
    """The domain component may have something before the value."""
    sub_ca_domain_components: tuple[str, ...] = ()
    """What a Sub-CA's domain component may be, if it has one."""
    sub_ca_without_extended_key_usage: bool = False
    organization: bool = False
    """The leaf names exactly one organization."""
    key_usage: tuple[KeyUsageName, ...] = ()
    extended_key_usage: tuple[ExtendedKeyUsageName, ...] = ()
    extended_key_usage_critical: bool = False
    ocsp: bool
    """Every certificate below the root names an OCSP responder, outside private environments."""


class PkiProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One edition or policy."""

    edition: Edition
    certificate_octets: int
    sub_cas: int
    """Greatest number of Sub-CAs between leaf and root."""
    ski: Literal["short", "long"]
    """Subject key identifiers of 8 or of 20 octets."""
    ocsp_url: str
    algorithms: dict[str, Algorithm]
    certificates: dict[str, CertificateProfile] = {}
    roles: dict[str, RoleProfile]


@cache
def load_profile(edition: str) -> PkiProfile:
    """The profile of an edition (``iso20``, ``iso2``) or policy (``lab``). Raises ConfigError for any other
    name.
    """
    folder = resources.files(__package__) / "certs"
    known = sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )
    if edition not in known:
        raise ConfigError("edition", f"no certificate profiles for {edition!r}", f"one of {', '.join(known)}")
    return msgspec.toml.decode((folder / f"{edition}.toml").read_bytes(), type=PkiProfile)
