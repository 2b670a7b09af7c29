"""Certificate profiles: what each certificate looks like when we issue it, and what a role demands when we
check it.

The values are in ``certs/*.toml`` beside this file, one file per edition or
policy; a file may extend another.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any, Literal

import msgspec

from iso15118.errors import ConfigError
from iso15118.pki.chain.identifiers import CheckDigit
from iso15118.pki.issuing.flaws import Flaws

__all__ = [
    "Algorithm",
    "AnchorRole",
    "CertificateProfile",
    "Edition",
    "ExtendedKeyUsageName",
    "KeyUsageName",
    "PkiProfile",
    "Responder",
    "RoleProfile",
    "load_profile",
]

Edition = Literal["iso20", "iso20amd1", "iso2", "lab"]
AnchorRole = Literal["V2G", "OEM", "MO", "CPS", "PE"]
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
    same_key_as: str | None = None
    """A cross-certificate: subject, key and key identifier of this other
    certificate, under another issuer."""
    common_name: str
    """With {seccid}, {evccid}, {emaid} and {pcid} filled in."""
    domain_component: str | None = None
    ca: bool = False
    path_length: int | None = None
    key_usage: tuple[KeyUsageName, ...]
    extended_key_usage: tuple[ExtendedKeyUsageName, ...] = ()
    extended_key_usage_critical: bool = False
    alternative_key: Literal["none", "x448"] = "none"
    """A second public key in the X.509 extension subjectAltPublicKeyInfo. [V2G20-2534]"""
    valid_days: float
    ocsp: bool = True
    flaws: Flaws | None = None
    """What is wrong with it on purpose."""


class Responder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The OCSP responder that each CA delegates to: ``ocsp-<name of the CA>``."""

    valid_days: float
    no_check: bool = True
    """With the extension that says: do not ask for the responder's own status."""


class RoleProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a verifier demands of a leaf in this role and of its Sub-CAs; what is absent is not demanded."""

    anchors: tuple[AnchorRole, ...]
    """Kinds of root that the chain may end in (PE: a private environment's)."""
    identifier: Literal["EVCCID", "SECCID", "EMAID", "PCID"] | None = None
    """What the common name is."""
    check_digit: CheckDigit = "any"
    """How the check digit of a PCID or SECCID is judged; no public source settles either,
    so by default not at all."""
    domain_component: str | None = None
    unsettled_domain_components: tuple[str, ...] = ()
    """Others that some documents name for the role: a violation of its own,
    ``domain-component-unsettled``."""
    domain_component_suffix: bool = False
    """The domain component may have something before the value."""
    sub_ca_domain_components: tuple[str, ...] = ()
    """What a Sub-CA's domain component may be, if it has one."""
    sub_ca_without_extended_key_usage: bool = False
    sub_ca_extended_key_usage: tuple[ExtendedKeyUsageName, ...] = ()
    """What a Sub-CA's extended key usage has among others, if it has the extension at all."""
    organization: bool = False
    """The leaf names exactly one organization."""
    subject: tuple[str, ...] = ()
    """The attributes (CN, O, DC, C...) that the leaf's name has, each once and no other; () for any."""
    key_usage: tuple[KeyUsageName, ...] = ()
    extended_key_usage: tuple[ExtendedKeyUsageName, ...] = ()
    extended_key_usage_critical: bool = False
    refused_extended_key_usage: tuple[ExtendedKeyUsageName, ...] = ()
    """Usages that mark a certificate of another role."""
    ocsp: bool
    """Outside private environments every certificate names an OCSP responder."""


class PkiProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One edition or policy."""

    edition: Edition
    certificate_octets: int
    sub_cas: int
    """Greatest number of Sub-CAs between leaf and root; cross-certificates do not count."""
    ski: Literal["short", "long"]
    """Subject key identifiers of 8 or of 20 octets."""
    ski_octets: tuple[int, ...] = ()
    """Lengths of subject key identifiers that a verifier takes; () for any."""
    utf8_names: bool = False
    """CN, O and OU are UTF8String, DC is IA5String, C is PrintableString."""
    ocsp_url: str
    cross_indication: str = "1.0.15118.20.0.6"
    """Access method in authorityInfoAccess that marks a cross-certificate."""
    self_signed_anchors: bool = True
    """A trust anchor is a root: self-signed."""
    tolerated: tuple[str, ...] = ()
    """Codes of violations that are reported and accepted, since the rule is not one of this edition, or not
    settled; ``refuse=`` of ``verify_chain`` makes one of them count."""
    algorithms: dict[str, Algorithm]
    certificates: dict[str, CertificateProfile] = {}
    responder: Responder | None = None
    roles: dict[str, RoleProfile]


@cache
def load_profile(edition: str) -> PkiProfile:
    """The profile of an edition (``iso20``, ``iso20amd1``, ``iso2``) or policy (``lab``). Raises ConfigError
    for any other name.
    """
    folder = resources.files(__package__) / "certs"
    known = sorted(
        entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")
    )
    if edition not in known:
        raise ConfigError("edition", f"no certificate profiles for {edition!r}", f"one of {', '.join(known)}")
    return msgspec.convert(_read(edition), type=PkiProfile)


def _read(edition: str) -> dict[str, Any]:
    file = resources.files(__package__) / "certs" / f"{edition}.toml"
    values = tomllib.loads(file.read_text(encoding="utf-8"))
    base = values.pop("extends", None)
    if base is None:
        return values
    inherited = _read(base)
    for dropped in (*values.pop("replaces", ()), *values.pop("without", ())):
        *tables, name = dropped.split(".")
        table = inherited
        for step in tables:
            table = table[step]
        del table[name]
    return _merged(inherited, values)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Tables are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        known = base.get(key)
        merged[key] = _merged(known, value) if isinstance(value, dict) and isinstance(known, dict) else value
    return merged
