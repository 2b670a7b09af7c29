"""What a peer may cost before it has proven anything: certificates with far more in
them than any honest one has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type

from iso15118.pki import Verdict, issue_test_pki, verify_chain
from iso15118.pki.issuing.issue import load_key

NOW = datetime(2027, 1, 1, tzinfo=UTC)
ED448 = issue_test_pki("iso20", "ed448", at=NOW)


def check(chain: list[bytes]) -> Verdict:
    return verify_chain(chain, role="secc", anchors_der={"V2G": [ED448.v2g_root]}, at=NOW, edition="iso20")


@pytest.mark.parametrize("kind", ["extensions", "names", "uses", "responders"])
def test_how_much_is_wrong_with_certificates_is_not_for_their_sender_to_say(kind: str) -> None:
    """Before it has proven anything, a peer may send eight certificates, each with a
    thousand things to say about it."""
    key = load_key(ED448.keys["secc"])
    oids = [x509.ObjectIdentifier(f"1.2.3.{number}") for number in range(500)]
    one = x509.NameAttribute(x509.NameOID.COMMON_NAME, "x", _ASN1Type.PrintableString)
    name = x509.Name([one] * (150 if kind == "names" else 50))
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    if kind == "uses":
        builder = builder.add_extension(x509.ExtendedKeyUsage(oids), critical=True)
    if kind == "responders":
        place = x509.UniformResourceIdentifier("http://x")
        rows = [x509.AccessDescription(oid, place) for oid in oids]
        builder = builder.add_extension(x509.AuthorityInformationAccess(rows), critical=False)
    for oid in oids if kind == "extensions" else oids[:50]:
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, b"x"), critical=True)
    chain = [
        builder.serial_number(number).sign(key, None).public_bytes(Encoding.DER) for number in range(1, 9)
    ]
    verdict = check(chain)
    assert {one.code for one in verdict.violations} >= {"malformed"}
    assert len(verdict.violations) < 100
    assert len(str(verdict)) < 16_000
    few = check([made_small(key)])
    assert [one.code for one in few.violations].count("critical-extension") == 1


def made_small(key: Any) -> bytes:
    """With as many names and critical extensions as are read at all."""
    one = x509.NameAttribute(x509.NameOID.COMMON_NAME, "x", _ASN1Type.PrintableString)
    name = x509.Name([one] * 60)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    for number in range(60):
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(f"1.2.3.{number}"), b"x")
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(key, None).public_bytes(Encoding.DER)
