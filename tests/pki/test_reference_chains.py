"""Chains with known verdicts from the reference folder beside the project; left out where that is absent."""

from __future__ import annotations

import base64
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from iso15118.pki import load_profile, verify_chain

pytestmark = pytest.mark.reference

FOLDER = Path(os.environ.get("ISO15118_REFERENCE", Path(__file__).parents[3] / "shared" / "reference"))
VECTORS = FOLDER / "vectors" / "crypto.jsonl"

# What the reference calls the fault, and the violation that must be among those found for it.
REASONS = {
    "no intermediates sent": "issuer-unknown",
    "intermediate not sent": "issuer-unknown",
    "leaf larger than the schema limit": "oversize",
    "issuer lacks keyCertSign": "no-key-cert-sign",
    "no OCSP locator in a public chain": "no-ocsp-url",
    "leaf lacks keyUsage": "key-usage-missing",
    "Sub-CA lacks SKI": "no-subject-key-identifier",
    "leaf past notAfter": "expired",
    "anchor past notAfter": "anchor-expired",
    "vehicle leaf without ExtendedKeyUsage": "extended-key-usage",
    "chain ends in a root of another kind than the use needs": "anchor-role",
    "leaf signature altered": "signature",
    "Sub-CA 2 signature altered": "signature",
    "issuer has cA false": "not-a-ca",
    "domainComponent of another role": "domain-component",
    "unknown critical extension": "critical-extension",
    "issued by an end-entity certificate": "not-a-ca",
    "root not in trust store": "root-mismatch",
    "signature hash or key outside the edition's profile": "signature-algorithm",
    "leaf has cA true": "leaf-is-ca",
    "Sub-CA 1 before notBefore": "not-yet-valid",
    "Sub-CA 2 past notAfter": "expired",
    "keyUsage not critical": "key-usage-not-critical",
    "basicConstraints of a CA not critical": "basic-constraints-not-critical",
    "issuer DN does not match Sub-CA 2 subject": "issuer-unknown",
    "Sub-CA 1 path length 0 but issues Sub-CA 2": "path-length",
    "required domainComponent absent": "no-domain-component",
    "SECC leaf without serverAuth": "extended-key-usage",
    "vehicle leaf without clientAuth": "extended-key-usage",
    "leaf lacks digitalSignature": "key-usage",
    "AKI does not match issuer SKI": "authority-key-identifier",
    "leaf before notBefore": "not-yet-valid",
    "trusted root has the same DN but another key": "root-mismatch",
    "issuer lacks basicConstraints": "not-a-ca",
    "three Sub-CAs exceed the profile's two": "too-many-sub-cas",
    "no Sub-CA outside a private environment": "no-sub-ca",
    "secp256r1 leaf in a -20 chain": "key-type",
    "Ed448 leaf under secp521r1 chain": "mixed-algorithms",
    "ECDH needs keyAgreement": "key-usage",
    "leaf expired": "expired",
}


def expected_code(why: str) -> str:
    if why.startswith("CN is not a valid"):
        return "identifier"
    if why.startswith("leaf key "):
        return "key-type"
    return REASONS[why]


def records() -> list[dict[str, Any]]:
    rows = (json.loads(line) for line in VECTORS.read_text().splitlines())
    return [
        row
        for row in rows
        if row["kind"] == "x509-chain" and row["role"] in load_profile(f"iso{row['edition']}").roles
    ]


@pytest.mark.skipif(not VECTORS.exists(), reason=f"no reference vectors at {VECTORS}")
def test_every_chain_of_our_roles_gets_the_known_verdict_for_the_known_reason() -> None:
    rows = records()
    assert len(rows) == 168
    wrong = []
    for row in rows:
        verdict = verify_chain(
            [base64.b64decode(text) for text in row["chain"]],
            role=row["role"],
            anchors_der=[base64.b64decode(text) for text in row["anchors"]],
            anchor_role=row["anchor_role"],
            at=datetime.fromisoformat(row["at"]),
            edition=f"iso{row['edition']}",
            environment=row["env"],
        )
        found = {one.code for one in verdict.violations}
        if row["expect"] == "accept":
            right = verdict.ok
        else:
            right = expected_code(row["why"]) in found
        if not right:
            wrong.append((row["id"], row["why"], str(verdict)))
    assert wrong == []
