"""Raw signatures of all three kinds of key, and every way to get them wrong."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448

from iso15118.errors import MisuseError
from iso15118.pki.chain.curves import CURVES
from iso15118.pki.keys.raw import SigningKey, sign_raw, signature_octets, verify_raw

KEYS: dict[str, SigningKey] = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "ed448": ed448.Ed448PrivateKey.generate(),
}


@pytest.mark.parametrize(("kind", "octets"), [("p256", 64), ("p521", 132), ("ed448", 114)])
def test_a_signature_has_its_length_and_verifies(kind: str, octets: int) -> None:
    key = KEYS[kind]
    for message in (b"", b"AuthorizationReq", bytes(5000)):
        signature = sign_raw(key, message)
        assert len(signature) == octets == signature_octets(key.public_key())
        assert verify_raw(key.public_key(), message, signature)
        assert not verify_raw(key.public_key(), message + b"\0", signature)


@pytest.mark.parametrize("kind", KEYS)
def test_any_changed_octet_and_any_other_length_is_refused(kind: str) -> None:
    key = KEYS[kind]
    signature = sign_raw(key, b"m")
    for place in range(0, len(signature), 3):
        changed = signature[:place] + bytes([signature[place] ^ 4]) + signature[place + 1 :]
        assert not verify_raw(key.public_key(), b"m", changed)
    for wrong in (b"", signature[:-1], signature + b"\0", b"\0" + signature, b"\0" * len(signature)):
        assert not verify_raw(key.public_key(), b"m", wrong)


@pytest.mark.parametrize("kind", ["p256", "p521"])
def test_der_and_numbers_out_of_range_are_refused(kind: str) -> None:
    key = KEYS[kind]
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    digest = hashes.SHA256() if kind == "p256" else hashes.SHA512()
    assert not verify_raw(key.public_key(), b"m", key.sign(b"m", ec.ECDSA(digest)))
    curve = CURVES[key.curve.name]
    good = sign_raw(key, b"m")
    r, s = good[: curve.octets], good[curve.octets :]
    for number in (0, curve.order, curve.order + 1):
        bad = number.to_bytes(curve.octets, "big")
        assert not verify_raw(key.public_key(), b"m", bad + s)
        assert not verify_raw(key.public_key(), b"m", r + bad)
    # The same signature with r + n, where it fits: one value, one form.
    beyond = int.from_bytes(r, "big") + curve.order
    if beyond.bit_length() <= 8 * curve.octets:
        assert not verify_raw(key.public_key(), b"m", beyond.to_bytes(curve.octets, "big") + s)


def test_the_key_of_another_kind_verifies_nothing() -> None:
    for one in KEYS:
        for other in KEYS:
            signature = sign_raw(KEYS[one], b"m")
            assert verify_raw(KEYS[other].public_key(), b"m", signature) == (one == other)


def test_curves_of_no_edition_are_refused() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(MisuseError):
        sign_raw(key, b"m")
    assert not verify_raw(key.public_key(), b"m", bytes(96))


def test_the_parameters_are_those_of_the_library() -> None:
    for kind in (ec.SECP256R1(), ec.SECP521R1()):
        curve = CURVES[kind.name]
        assert curve.order == kind.group_order
        base = ec.derive_private_key(1, kind).public_key().public_numbers()
        assert (base.y**2 - base.x**3 + 3 * base.x - curve.b) % curve.prime == 0
