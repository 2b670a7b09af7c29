"""Transport of a contract's private key from the provisioning service to the vehicle, for both editions.

A key agreement with the vehicle's provisioning key, a key derivation, and a cipher around the key. Public
stacks disagree on nearly every parameter, so all of them stand in one profile object, :class:`KeyTransport`.
"""

from __future__ import annotations

import os
from typing import Literal, TypeAlias

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x448
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from iso15118.errors import MisuseError, PkiError
from iso15118.pki.chain.curves import CURVES
from iso15118.pki.keys.signer import AgreementPublicKey, KeyAgreement, SoftwareAgreement, SoftwareSigner

__all__ = [
    "ISO2",
    "ISO20_P521",
    "ISO20_X448",
    "TRANSPORTS",
    "AgreementKey",
    "AgreementPublicKey",
    "ContractKey",
    "ContractKeyError",
    "KeyTransport",
    "WrappedKey",
    "additional_data",
    "cbc",
    "new_contract_key",
    "open_payload",
    "session_key",
    "unwrap",
    "wrap",
]

AgreementKey: TypeAlias = ec.EllipticCurvePrivateKey | x448.X448PrivateKey
"""The vehicle's private key: the provisioning certificate's, or the X448 one beside it."""
ContractKey: TypeAlias = ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey
"""Private key of a contract."""
ContractPublicKey: TypeAlias = ec.EllipticCurvePublicKey | ed448.Ed448PublicKey
"""Public key of a contract."""

Fault = Literal["length", "point", "key-type", "additional-data", "tag", "padding-bits", "range", "mismatch"]


class ContractKeyError(PkiError):
    """A transported key that must not be used. ``fault`` names the check that failed. [V2G20-2504]"""

    def __init__(self, fault: Fault, reason: str) -> None:
        self.fault = fault
        super().__init__(f"contract key: {reason}")


class KeyTransport(msgspec.Struct, frozen=True, kw_only=True):
    """Every parameter of one way to transport a contract key."""

    name: str
    curve: Literal["secp256r1", "secp521r1", "x448"]
    """Of the key agreement."""
    digest: Literal["sha256", "sha512"]
    """Hash of the concatenation key derivation."""
    other_info: bytes = bytes.fromhex("015556")
    """Algorithm 01, party U 55, party V 56. One public stack leaves it empty."""
    key_octets: int
    cipher: Literal["aes-cbc", "aes-gcm"]
    additional_data: Literal["pcid-ski", "none"]
    """``pcid-ski``: the PCID as 18 ASCII characters and the contract's subject key identifier of 8 octets
    as 16 capital hexadecimal digits. [V2G20-2492] What applies to an identifier of 20 octets is not
    settled: it is refused here.
    """
    payload_octets: int
    ed448_seed: Literal["last-octet-zero", "none"] = "none"
    """How an Ed448 seed of 57 octets fits a payload of 56, which no source settles: by default only seeds
    that end in a zero octet are made and transported, so that nothing is lost.
    """

    @property
    def iv_octets(self) -> int:
        """Initialisation vector, sent before the ciphertext."""
        return 16 if self.cipher == "aes-cbc" else 12

    @property
    def blob_octets(self) -> int:
        """Length of the encrypted key as a whole."""
        return self.iv_octets + self.payload_octets + (0 if self.cipher == "aes-cbc" else 16)

    @property
    def public_key_octets(self) -> int:
        """Length of the other side's public key: an uncompressed point, or an X448 value."""
        return 56 if self.curve == "x448" else 1 + 2 * CURVES[self.curve].octets


ISO2 = KeyTransport(
    name="iso2",
    curve="secp256r1",
    digest="sha256",
    key_octets=16,
    cipher="aes-cbc",
    additional_data="none",
    payload_octets=32,
)
"""ISO 15118-2: 48 octets. [V2G2-818]"""

ISO20_P521 = KeyTransport(
    name="iso20-p521",
    curve="secp521r1",
    digest="sha512",
    key_octets=32,
    cipher="aes-gcm",
    additional_data="pcid-ski",
    payload_octets=66,
)
"""ISO 15118-20 with a P-521 provisioning key: 94 octets. [V2G20-2492] to [V2G20-2535]"""

ISO20_X448 = KeyTransport(
    name="iso20-x448",
    curve="x448",
    digest="sha512",
    key_octets=32,
    cipher="aes-gcm",
    additional_data="pcid-ski",
    payload_octets=56,
    ed448_seed="last-octet-zero",
)
"""ISO 15118-20 with the alternative X448 key: 84 octets; the public key is not padded. [V2G20-2495]"""

TRANSPORTS = {one.name: one for one in (ISO2, ISO20_P521, ISO20_X448)}
"""The transports by name."""


class WrappedKey(msgspec.Struct, frozen=True):
    """What goes into the message."""

    dh_public_key: bytes
    encrypted_private_key: bytes


def new_contract_key(transport: KeyTransport) -> ContractKey:
    """A fresh contract key that the transport can carry."""
    if transport.curve == "x448":
        return ed448.Ed448PrivateKey.from_private_bytes(os.urandom(56) + b"\0")
    return ec.generate_private_key(ec.SECP256R1() if transport.curve == "secp256r1" else ec.SECP521R1())


def wrap(
    transport: KeyTransport,
    key: ContractKey,
    receiver: AgreementPublicKey,
    *,
    pcid: str = "",
    contract_ski: bytes = b"",
    ephemeral: AgreementKey | None = None,
    iv: bytes | None = None,
) -> WrappedKey:
    """Encrypt a contract key for a vehicle. ``ephemeral`` and ``iv`` are fresh unless a test gives them.

    Raises MisuseError for keys that the transport does not carry, ContractKeyError for a PCID or key
    identifier that cannot be authenticated.
    """
    payload = _payload(transport, key)
    if ephemeral is None:
        ephemeral = _fresh(transport)
    if isinstance(ephemeral, x448.X448PrivateKey):
        public = ephemeral.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    else:
        public = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    secret = session_key(transport, ephemeral, receiver)
    iv = os.urandom(transport.iv_octets) if iv is None else iv
    if transport.cipher == "aes-cbc":
        return WrappedKey(public, iv + cbc(secret, iv, payload))
    return WrappedKey(
        public, iv + AESGCM(secret).encrypt(iv, payload, additional_data(transport, pcid, contract_ski))
    )


def open_payload(
    transport: KeyTransport,
    wrapped: WrappedKey,
    receiver: AgreementKey | KeyAgreement,
    *,
    pcid: str = "",
    contract_ski: bytes = b"",
) -> bytes:
    """Decrypt, and nothing more: the octets are not yet known to be a key. Raises ContractKeyError."""
    blob, public = wrapped.encrypted_private_key, wrapped.dh_public_key
    if len(blob) != transport.blob_octets:
        raise ContractKeyError("length", f"{len(blob)} octets, not {transport.blob_octets}")
    if len(public) != transport.public_key_octets:
        raise ContractKeyError(
            "point", f"public key of {len(public)} octets, not {transport.public_key_octets}"
        )
    secret = session_key(transport, receiver, _public_key(transport, public))
    iv, rest = blob[: transport.iv_octets], blob[transport.iv_octets :]
    if transport.cipher == "aes-cbc":
        decryptor = Cipher(algorithms.AES(secret), modes.CBC(iv)).decryptor()
        return decryptor.update(rest) + decryptor.finalize()
    try:
        return AESGCM(secret).decrypt(iv, rest, additional_data(transport, pcid, contract_ski))
    except InvalidTag as error:
        raise ContractKeyError("tag", "the key or its additional data were changed") from error


def unwrap(
    transport: KeyTransport,
    wrapped: WrappedKey,
    receiver: AgreementKey | KeyAgreement,
    *,
    contract: ContractPublicKey,
    pcid: str = "",
    contract_ski: bytes = b"",
) -> ContractKey:
    """Decrypt a contract key and check that it belongs to the contract certificate's public key.

    Raises ContractKeyError: on any of these faults the whole installation is refused. [V2G20-2504]
    """
    payload = open_payload(transport, wrapped, receiver, pcid=pcid, contract_ski=contract_ski)
    key: ContractKey
    if transport.curve == "x448":
        key = ed448.Ed448PrivateKey.from_private_bytes(payload + b"\0")
    else:
        key = _scalar(transport.curve, payload)
    if _octets(key.public_key()) != _octets(contract):
        raise ContractKeyError("mismatch", "not the key of the contract certificate")
    return key


def _scalar(curve: str, payload: bytes) -> ec.EllipticCurvePrivateKey:
    value = int.from_bytes(payload, "big")
    parameters = CURVES[curve]
    if value >> parameters.order.bit_length():  # [V2G20-2678]
        raise ContractKeyError("padding-bits", "a bit above the key is set")
    if not 0 < value < parameters.order:  # [V2G20-2507]
        raise ContractKeyError("range", "not a private key of the curve")
    return ec.derive_private_key(value, ec.SECP256R1() if curve == "secp256r1" else ec.SECP521R1())


def _payload(transport: KeyTransport, key: ContractKey) -> bytes:
    if isinstance(key, ed448.Ed448PrivateKey):
        seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        if transport.ed448_seed != "last-octet-zero" or seed[-1] != 0:
            raise MisuseError(f"{transport.name} cannot carry this Ed448 key: make it with new_contract_key")
        return seed[:-1]
    if key.curve.name != transport.curve:
        raise MisuseError(f"{transport.name} carries no key of {key.curve.name}")
    return key.private_numbers().private_value.to_bytes(transport.payload_octets, "big")


def _fresh(transport: KeyTransport) -> AgreementKey:
    if transport.curve == "x448":
        return x448.X448PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1() if transport.curve == "secp256r1" else ec.SECP521R1())


def _public_key(transport: KeyTransport, octets: bytes) -> AgreementPublicKey:
    try:
        if transport.curve == "x448":
            return x448.X448PublicKey.from_public_bytes(octets)
        curve = ec.SECP256R1() if transport.curve == "secp256r1" else ec.SECP521R1()
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, octets)
    except ValueError as error:
        raise ContractKeyError("point", "the public key is no point of the curve") from error


def cbc(secret: bytes, iv: bytes, payload: bytes) -> bytes:
    """AES-CBC without padding."""
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(iv)).encryptor()
    return encryptor.update(payload) + encryptor.finalize()


def session_key(
    transport: KeyTransport, own: AgreementKey | KeyAgreement, other: AgreementPublicKey
) -> bytes:
    """The cipher's key, agreed on by one side's private key and the other side's public one. Raises
    ``ContractKeyError`` for a key of another curve, and where the agreement fails."""
    agreement = _agreement(own)
    try:
        if agreement.curve != transport.curve:
            raise ContractKeyError("key-type", f"{transport.name} agrees on {transport.curve}")
        secret = agreement.agree(other)
    except ValueError as error:  # a point of small order: the secret would be known to anybody
        raise ContractKeyError("point", "the public key is of small order") from error
    except MisuseError as error:
        raise ContractKeyError("key-type", str(error)) from error
    digest = hashes.SHA256() if transport.digest == "sha256" else hashes.SHA512()
    return ConcatKDFHash(digest, transport.key_octets, transport.other_info).derive(secret)


def _agreement(own: AgreementKey | KeyAgreement) -> KeyAgreement:
    if isinstance(own, x448.X448PrivateKey):
        return SoftwareAgreement(own)
    if isinstance(own, ec.EllipticCurvePrivateKey):
        try:
            return SoftwareSigner(own)
        except MisuseError as error:
            raise ContractKeyError("key-type", str(error)) from error
    return own


def additional_data(transport: KeyTransport, pcid: str, contract_ski: bytes) -> bytes | None:
    """What the cipher authenticates beside the key; None where the transport has nothing. Raises
    ``ContractKeyError`` for values of a wrong length."""
    if transport.additional_data == "none":
        return None
    if len(pcid) != 18 or not pcid.isascii():
        raise ContractKeyError("additional-data", f"a PCID of {len(pcid)} characters, not 18")
    if len(contract_ski) != 8:
        raise ContractKeyError("additional-data", f"a key identifier of {len(contract_ski)} octets, not 8")
    return pcid.encode("ascii") + contract_ski.hex().upper().encode("ascii")


def _octets(key: ContractPublicKey) -> bytes:
    if isinstance(key, ed448.Ed448PublicKey):
        return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
