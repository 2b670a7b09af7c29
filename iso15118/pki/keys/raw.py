"""Signatures in the form that messages carry: r and s side by side at full width, or Ed448's value as it is.

Never DER. [V2G20-2473] Which hash goes with which key is fixed by the curve.
"""

from __future__ import annotations

from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from iso15118.errors import MisuseError
from iso15118.pki.chain.curves import CURVES

__all__ = ["SigningKey", "VerifyingKey", "sign_raw", "signature_octets", "verify_raw"]

SigningKey: TypeAlias = ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey
VerifyingKey: TypeAlias = ec.EllipticCurvePublicKey | ed448.Ed448PublicKey

_HASHES: dict[str, hashes.SHA256 | hashes.SHA512] = {
    "secp256r1": hashes.SHA256(),
    "secp521r1": hashes.SHA512(),
}
_ED448_OCTETS = 114


def signature_octets(key: SigningKey | VerifyingKey) -> int:
    """Length of a signature of this key: 64 (P-256), 132 (P-521) or 114 (Ed448). Raises
    MisuseError for any other curve."""
    if isinstance(key, (ed448.Ed448PrivateKey, ed448.Ed448PublicKey)):
        return _ED448_OCTETS
    if key.curve.name not in _HASHES:
        raise MisuseError(f"no signatures with {key.curve.name}")
    return 2 * CURVES[key.curve.name].octets


def sign_raw(key: SigningKey, message: bytes) -> bytes:
    """Signature of ``message``. Raises MisuseError for a curve that is in no edition."""
    octets = signature_octets(key)
    if isinstance(key, ed448.Ed448PrivateKey):
        return key.sign(message)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(_HASHES[key.curve.name])))
    return r.to_bytes(octets // 2, "big") + s.to_bytes(octets // 2, "big")


def verify_raw(key: VerifyingKey, message: bytes, signature: bytes) -> bool:
    """True if ``signature`` has the exact length, r and s are in range, and it is the key's
    signature of ``message``."""
    try:
        if len(signature) != signature_octets(key):
            return False
        if isinstance(key, ed448.Ed448PublicKey):
            key.verify(signature, message)
            return True
        half = len(signature) // 2
        r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        order = CURVES[key.curve.name].order
        if not (0 < r < order and 0 < s < order):
            return False
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(_HASHES[key.curve.name]))
    except (InvalidSignature, UnsupportedAlgorithm, MisuseError):
        return False
    return True
