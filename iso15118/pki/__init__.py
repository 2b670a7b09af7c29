"""Certificates: profiles per role, an issuer for tests, the check of chains with every violation
named, revocation and the store.

Rooms: ``chain`` (profiles, reading, paths, rules, verdict), ``status`` (OCSP and lists), ``issuing`` (test
PKIs), ``keys`` (files, tokens, signers), ``store*`` (a directory of all of it), ``explain``, and ``cases``
(named negative cases). Contracts and signed messages are in ``iso15118.pnc``.
"""

from __future__ import annotations

from iso15118.pki.chain.peer import PeerVerifier, peer_verifier
from iso15118.pki.chain.profiles import PkiProfile, RoleProfile, load_profile
from iso15118.pki.chain.verify import verify_chain
from iso15118.pki.chain.violations import Verdict, Violation
from iso15118.pki.issuing.issue import IssuedPki, issue_leaf, issue_test_pki, load
from iso15118.pki.keys.credential import Credential
from iso15118.pki.status.revocation import Revocation
from iso15118.pki.store import Store

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
