"""Certificates: profiles per role, a small issuer for tests, and the check of chains with every violation
named.
"""

from __future__ import annotations

from iso15118.pki.credential import Credential
from iso15118.pki.issue import IssuedPki, issue_test_pki, load
from iso15118.pki.profiles import PkiProfile, RoleProfile, load_profile
from iso15118.pki.verify import peer_verifier, verify_chain
from iso15118.pki.violations import Verdict, Violation

__all__ = [
    "Credential",
    "IssuedPki",
    "PkiProfile",
    "RoleProfile",
    "Verdict",
    "Violation",
    "issue_test_pki",
    "load",
    "load_profile",
    "peer_verifier",
    "verify_chain",
]
