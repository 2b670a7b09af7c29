"""Plug and Charge between a session and those who decide about contracts: what is
asked, and why the answer is no.

The same for every edition; which response code a refusal becomes is the edition's
business. No key is in here.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

__all__ = ["ContractClaim", "Refusal"]


class Refusal(Enum):
    """Why a contract, or a request for one, is refused."""

    CHAIN = "chain"
    """The certificates are not acceptable, and no name below says it better."""
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    REVOKED = "revoked"
    CHALLENGE = "challenge"
    """What was signed is not the challenge of this session."""
    SIGNATURE = "signature"
    """The signature of the message does not hold."""
    PROVIDER_UNKNOWN = "provider-unknown"
    """Nobody here has a contract with this mobility service provider."""
    REJECTED = "rejected"
    """Who decides about the contract says no."""
    NO_CONTRACT = "no-contract"
    """The provisioning service has no contract for this vehicle."""
    NOT_AVAILABLE = "not-available"
    """The provisioning service, or who decides about the contract or gives evidence about it, cannot
    be reached, or not in time."""


class ContractClaim(Struct, frozen=True, kw_only=True):
    """A vehicle says that this contract pays. Its signature over this session's challenge holds."""

    emaid: str
    """Common name of the contract certificate, as it stands there."""
    chain: tuple[bytes, ...]
    """Certificates as DER that the station judged, the contract's first, in order, without a root: what a
    backend needs for its own check. What the vehicle sent beside them is not in here."""
    evccid: str
    """How the vehicle introduced itself."""
    verified: bool = False
    """The chain is good and ends in a root that the station trusts. False: nothing is wrong with it but that
    its root is unknown here, and the backend has to judge it by roots of its own; anybody can make such a
    chain, for whatever EMAID."""
    certificate_name: str = ""
    """Common name of the certificate that the vehicle proved in TLS; empty without one."""
