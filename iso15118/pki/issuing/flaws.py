"""What can be wrong with one certificate on purpose: the vocabulary of the negative cases.

Each field is one defect that the issuer builds into an otherwise good certificate; the defaults build none.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Flaws"]


class Flaws(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Defects of one certificate."""

    # Keys and signatures.
    key: Literal["secp256r1", "secp384r1", "secp521r1", "ed25519", "ed448", "rsa2048", "rsa1024"] | None = (
        None
    )
    """Another kind of key than the hierarchy's."""
    hash: Literal["sha256", "sha384", "sha512"] | None = None
    """Signed (by an elliptic curve or RSA key) with this hash."""
    signature_altered: bool = False
    foreign_signer: bool = False
    """Signed with a key that is in no certificate."""
    self_signed: bool = False
    """Its own issuer, although it stands in the place of a leaf or Sub-CA."""
    point: Literal["compressed", "explicit"] | None = None
    """The elliptic curve key is written in compressed form, or with explicit parameters."""
    # The frame.
    version_1: bool = False
    serial: Literal["negative", "zero", "long"] | None = None
    trailing_octets: int = 0
    unused_bits: int = 0
    """Unused bits announced in the signature's bit string."""
    starts_days: float | None = None
    """Valid from that many days after now (negative: before)."""
    # Names.
    issuer_common_name: str | None = None
    organizations: tuple[str, ...] | None = None
    printable_organization: bool = False
    more_domain_components: tuple[str, ...] = ()
    more_common_names: tuple[str, ...] = ()
    country: str | None = None
    # Extensions.
    no_basic_constraints: bool = False
    basic_constraints_not_critical: bool = False
    no_key_usage: bool = False
    key_usage_not_critical: bool = False
    no_subject_key_identifier: bool = False
    subject_key_identifier_octets: int | None = None
    authority_key_identifier: Literal["absent", "wrong", "with-issuer"] | None = None
    unknown_critical_extension: bool = False
    duplicate_extension: bool = False
    filler_octets: int = 0
    """An unknown extension of this size, not critical."""
