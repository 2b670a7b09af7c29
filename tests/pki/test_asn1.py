"""What is made and read with pyasn1: the same octets that OpenSSL understands, and ValueError for what is no
DER."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from iso15118.pki import issue_test_pki
from iso15118.pki.chain.curves import CURVES
from iso15118.pki.issuing import asn1
from iso15118.pki.issuing.build import resigned
from iso15118.pki.issuing.issue import load_key

PKI = issue_test_pki("iso20", "p521", at=datetime(2027, 1, 1, tzinfo=UTC))
LEAF = PKI.secc.chain[0]


def test_a_certificate_is_taken_apart_and_put_together_again() -> None:
    tbs, algorithm, signature = asn1.elements(LEAF)
    assert asn1.sequence(tbs, algorithm, signature) == LEAF
    assert asn1.sequence(*asn1.elements(tbs)) == tbs
    assert asn1.signed(LEAF, tbs, x509.load_der_x509_certificate(LEAF).signature) == LEAF
    field = asn1.elements(tbs)[7]
    assert asn1.extensions_field(field) == field
    assert len(asn1.extensions_field(field, first_twice=True)) > len(field)


def test_one_that_is_changed_is_signed_anew() -> None:
    key = load_key(PKI.keys["cpo-sub2"])
    again = resigned(LEAF, lambda parts: [parts[0], asn1.integer(7), *parts[2:]], key)
    certificate = x509.load_der_x509_certificate(again)
    assert certificate.serial_number == 7
    certificate.verify_directly_issued_by(x509.load_der_x509_certificate(PKI.secc.chain[1]))


def test_a_curve_that_is_spelled_out_is_the_one_that_openssl_knows() -> None:
    curve, key = CURVES["secp256r1"], ec.generate_private_key(ec.SECP256R1()).public_key()
    base = ec.derive_private_key(1, ec.SECP256R1()).public_key()
    spki = asn1.public_key_info(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        parameters=asn1.explicit_parameters(
            prime=curve.prime,
            a=(curve.prime - 3).to_bytes(32, "big"),
            b=curve.b.to_bytes(32, "big"),
            base=base.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
            order=curve.order,
        ),
    )
    command = ["openssl", "pkey", "-pubin", "-inform", "DER", "-noout", "-text"]
    told = subprocess.run(command, input=spki, capture_output=True, check=True).stdout.decode()
    assert "Field Type: prime-field" in told
    assert "Cofactor:  1 (0x1)" in told
    compressed = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    short = asn1.public_key_info(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), point=compressed
    )
    told = subprocess.run(command, input=short, capture_output=True, check=True).stdout.decode()
    assert "NIST CURVE: P-256" in told


@pytest.mark.parametrize("value", [0, 1, 127, 128, -1, -128, -(2**100) - 1, 2**200 + 1])
def test_whole_numbers_of_either_sign(value: int) -> None:
    made = asn1.integer(value)
    assert int.from_bytes(made[2:], "big", signed=True) == value
    assert made[:2] == bytes([2, len(made) - 2])


def test_what_tokens_store() -> None:
    assert asn1.octet_string(b"point") == b"\x04\x05point"
    assert asn1.octets_of(b"\x04\x05point") == b"point"
    assert asn1.whole(LEAF + b"behind it") == LEAF


@pytest.mark.parametrize("read", [asn1.elements, asn1.octets_of, asn1.whole], ids=lambda one: one.__name__)
@pytest.mark.parametrize(
    "data", [b"", b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x04\x05shor", b"\x30\x03\x02\x05\x00"]
)
def test_what_is_no_der_is_a_value_error(read: Callable[[bytes], object], data: bytes) -> None:
    if read is asn1.whole and data == b"\x30\x03\x02\x05\x00":
        assert read(data) == data  # what is inside is not looked at
        return
    with pytest.raises(ValueError, match=r"DER|octets"):
        read(data)
