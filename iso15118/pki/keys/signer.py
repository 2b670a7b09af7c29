"""Who signs: a private key behind a small interface, so that it may be in memory, in an HSM or in a TPM.

Signing of messages and the key agreement of contract installation go through these two protocols; the rest of
the code never sees a private key. ``hsm`` offers the same over a hardware token.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias, TypeGuard, get_args

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x448
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from iso15118.errors import MisuseError, PkiError
from iso15118.pki.issuing.issue import load_key, load_public_key
from iso15118.pki.keys.credential import Credential
from iso15118.pki.keys.raw import SigningKey, VerifyingKey, sign_raw

__all__ = [
    "AgreementCurve",
    "AgreementPublicKey",
    "KeyAgreement",
    "Signer",
    "SignerAlgorithm",
    "SignerError",
    "SoftwareAgreement",
    "SoftwareSigner",
    "algorithm_of",
    "check_chain",
    "credential_of",
    "on_curve",
    "signer_of",
]

SignerAlgorithm = Literal["secp256r1", "secp521r1", "ed448"]
"""Kind of key, which fixes the hash: SHA-256, SHA-512, or Ed448 as it is. [V2G20-2674] [V2G20-2319]"""
AgreementCurve = Literal["secp256r1", "secp521r1", "x448"]
"""Curves on which contract keys are agreed."""
AgreementPublicKey: TypeAlias = ec.EllipticCurvePublicKey | x448.X448PublicKey
"""The other side's public key."""


class SignerError(PkiError):
    """A key that cannot be used now: a token taken out, a session that ended, a mechanism that is refused."""


class Signer(Protocol):
    """A private key that signs, and the certificates that speak for it."""

    @property
    def algorithm(self) -> SignerAlgorithm:
        """Kind of key."""

    @property
    def public_key(self) -> VerifyingKey:
        """The other half; known without touching the private key."""

    @property
    def chain(self) -> tuple[bytes, ...]:
        """Certificates as DER, leaf first, without the root; empty if the key has none yet."""

    def sign(self, data: bytes) -> bytes:
        """Signature of ``data``, hashed here: r and s side by side at full width (64 octets for P-256, 132
        for P-521), or Ed448's 114 octets. Never DER. [V2G20-2473] Drivers call it in a thread, and wait no
        longer than ``EvccConfig.key_use_s``, or ``ScheduleSeccSettings.key_use_s`` where a station signs
        prices. Raises SignerError if the key cannot be used.
        """


class KeyAgreement(Protocol):
    """A private key that agrees on a secret, as contract installation needs. A signer
    of a NIST curve is one too."""

    @property
    def curve(self) -> AgreementCurve:
        """Of the agreement."""

    def agree(self, peer_public: AgreementPublicKey) -> bytes:
        """The shared secret as it comes out of the agreement, before any key derivation: the x coordinate at
        full width, or X448's 56 octets.

        Raises ValueError for a point of small order, MisuseError for a key of another curve or a key that
        does not agree, SignerError if the key cannot be used.
        """


class SoftwareSigner:
    """A key in memory. ``chain``: its certificates (DER), leaf first.

    Raises MisuseError for a kind of key that no edition signs with, PkiError for a chain of another key.
    """

    __slots__ = ("_algorithm", "_chain", "_key")

    def __init__(self, key: SigningKey, chain: tuple[bytes, ...] = ()) -> None:
        self._algorithm = algorithm_of(key.public_key())
        self._key = key
        self._chain = chain
        check_chain(key.public_key(), chain)

    @property
    def algorithm(self) -> SignerAlgorithm:
        """Kind of key."""
        return self._algorithm

    @property
    def public_key(self) -> VerifyingKey:
        """The other half."""
        return self._key.public_key()

    @property
    def chain(self) -> tuple[bytes, ...]:
        """Certificates as DER, leaf first."""
        return self._chain

    def sign(self, data: bytes) -> bytes:
        """As :meth:`Signer.sign`."""
        return sign_raw(self._key, data)

    @property
    def curve(self) -> AgreementCurve:
        """Of the key agreement. Raises MisuseError for an Ed448 key, which only signs."""
        if self._algorithm == "ed448":
            raise MisuseError("an Ed448 key signs and agrees on nothing: the X448 key beside it does")
        return self._algorithm

    def agree(self, peer_public: AgreementPublicKey) -> bytes:
        """As :meth:`KeyAgreement.agree`."""
        curve = self.curve
        own = self._key
        if not isinstance(own, ec.EllipticCurvePrivateKey) or not on_curve(peer_public, curve):
            raise MisuseError(f"this key agrees on {curve} only")
        return own.exchange(ec.ECDH(), peer_public)

    def credential(self) -> Credential:
        """Chain and key as bytes."""
        pkcs8 = self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return Credential(chain=self._chain, key=pkcs8)

    def __repr__(self) -> str:
        return f"SoftwareSigner({self._algorithm}, {len(self._chain)} certificates, key hidden)"

    def __reduce__(self) -> str:
        raise TypeError("a signer is not copied to other processes: its key would go with it")


class SoftwareAgreement:
    """An X448 key in memory: the second key of a provisioning certificate. [V2G20-2534]"""

    __slots__ = ("_key",)

    curve: AgreementCurve = "x448"

    def __init__(self, key: x448.X448PrivateKey) -> None:
        self._key = key

    def agree(self, peer_public: AgreementPublicKey) -> bytes:
        """As :meth:`KeyAgreement.agree`."""
        if not isinstance(peer_public, x448.X448PublicKey):
            raise MisuseError("this key agrees on x448 only")
        return self._key.exchange(peer_public)

    def __repr__(self) -> str:
        return "SoftwareAgreement(x448, key hidden)"

    def __reduce__(self) -> str:
        raise TypeError("a key agreement is not copied to other processes: its key would go with it")


def signer_of(credential: Credential) -> SoftwareSigner:
    """The signer of a chain with its key. Raises PkiError if the key is unreadable, or
    not the first certificate's."""
    key = load_key(credential.key, credential.passphrase)
    if not isinstance(key, SigningKey):
        raise PkiError("a private key that signs no messages")
    return SoftwareSigner(key, credential.chain)


def credential_of(signer: Signer) -> Credential:
    """Chain and key as bytes, which TLS needs. Raises MisuseError for a key that does not leave its token:
    the TLS library signs by itself, and a callback for keys elsewhere is not offered.
    """
    if not isinstance(signer, SoftwareSigner):
        raise MisuseError(
            f"{signer!r} cannot be a TLS key: TLS needs it in memory. Keys of contracts and of provisioning "
            "certificates may stay in a token; give TLS a key of its own"
        )
    return signer.credential()


def algorithm_of(key: VerifyingKey) -> SignerAlgorithm:
    """Kind of key. Raises MisuseError for a curve of no edition."""
    if isinstance(key, ed448.Ed448PublicKey):
        return "ed448"
    for known in get_args(SignerAlgorithm):
        if key.curve.name == known:
            found: SignerAlgorithm = known
            return found
    raise MisuseError(
        f"no message is signed with {key.curve.name}: {', '.join(get_args(SignerAlgorithm))} are"
    )


def on_curve(key: AgreementPublicKey, curve: str) -> TypeGuard[ec.EllipticCurvePublicKey]:
    """True if the key belongs to the named NIST curve."""
    return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == curve


def check_chain(public: VerifyingKey, chain: tuple[bytes, ...]) -> None:
    """Raises PkiError unless the first certificate, if there is one, is of this key."""
    if not chain:
        return
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        same = load_public_key(chain[0]).public_bytes(*form) == public.public_bytes(*form)
    except UnsupportedAlgorithm as error:
        raise PkiError(f"certificate: {error}") from error
    if not same:
        raise PkiError("the first certificate of the chain is not the signing key's")
