"""Certificates: profiles per role, an issuer for tests, the check of chains with every violation named, revocation
and the store.

Beside what is here: ``identifiers``, ``raw``, ``signature`` and ``signer`` (message signatures), ``authorization`` and
``vehicle_contracts`` (Plug and Charge on both sides), ``contract_key``, ``installation`` and ``contract_service`` (contracts
on their way), ``iso2`` and ``installation_iso2`` (the same for -2), ``ocsp``, ``crl`` and ``responder``, ``fleet``, ``exchange``
(PKCS#12), ``explain``, and ``cases`` (named negative cases).
"""

from __future__ import annotations

from iso15118.pki.credential import Credential
from iso15118.pki.issue import IssuedPki, issue_leaf, issue_test_pki, load
from iso15118.pki.peer import PeerVerifier, peer_verifier
from iso15118.pki.profiles import PkiProfile, RoleProfile, load_profile
from iso15118.pki.revocation import Revocation
from iso15118.pki.store import Store
from iso15118.pki.verify import verify_chain
from iso15118.pki.violations import Verdict, Violation

__all__ = [
    "Credential",
    "IssuedPki",
    "PeerVerifier",
    "PkiProfile",
    "Revocation",
    "RoleProfile",
    "Store",
    "Verdict",
    "Violation",
    "issue_leaf",
    "issue_test_pki",
    "load",
    "load_profile",
    "peer_verifier",
    "verify_chain",
]
