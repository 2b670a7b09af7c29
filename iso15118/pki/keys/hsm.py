"""Keys in a hardware token (HSM, smart card, TPM with a PKCS#11 module): signing
and key agreement by PKCS#11.

Needs the extra ``pkcs11`` (package python-pkcs11). Keys made or kept here never leave the token; a signer
from here fits wherever a :class:`~iso15118.pki.keys.signer.Signer` is taken. TLS keys are the exception: the
TLS library takes them as bytes, see :func:`~iso15118.pki.keys.signer.credential_of`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self, get_args

from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from iso15118.errors import ConfigError, MisuseError
from iso15118.pki.chain.curves import CURVES
from iso15118.pki.issuing import asn1
from iso15118.pki.keys.raw import SigningKey, VerifyingKey, signature_octets
from iso15118.pki.keys.signer import (
    AgreementCurve,
    AgreementPublicKey,
    SignerAlgorithm,
    SignerError,
    algorithm_of,
    check_chain,
    on_curve,
)

__all__ = ["Pkcs11Signer", "Pkcs11Token"]

_PARAMETERS: dict[SignerAlgorithm, bytes] = {
    "secp256r1": bytes.fromhex("06082a8648ce3d030107"),
    "secp521r1": bytes.fromhex("06052b81040023"),
    "ed448": bytes.fromhex("06032b6571"),
}
"""CKA_EC_PARAMS: the object identifier of the curve (RFC 5480, RFC 8410)."""
_ED448_BY_NAME = b"\x13\x0aedwards448"
"""The other form that PKCS#11 3.0 allows for it."""
_POINTS = {57, *(1 + 2 * curve.octets for curve in CURVES.values())}
"""Lengths of public keys: Ed448, and the points of the two curves."""


class Pkcs11Token:
    """A token with a session open on it. ``module``: the maker's PKCS#11 library. ``token``: its label.

    ``pin``: of the user; None if the token asks for it by itself or needs none. It is used here and not kept.
    Raises ConfigError for a module that cannot be loaded, or without the extra; SignerError if the token is
    absent or refuses the PIN.
    """

    def __init__(self, *, module: str | Path, token: str, pin: str | None) -> None:
        self._p11 = _library()
        self._name = token
        try:
            library = self._p11.lib(str(module))
        except (self._p11.exceptions.PKCS11Error, RuntimeError, OSError) as error:
            raise ConfigError(
                "module", f"{module}: {error}", "the PKCS#11 library (.so) of the token"
            ) from error
        with self._told():
            found = library.get_token(token_label=token)
            try:
                self._session = found.open(rw=True, user_pin=pin)
            except self._p11.exceptions.UserAlreadyLoggedIn:  # by another session of this process
                self._session = found.open(rw=True)

    def __repr__(self) -> str:
        return f"Pkcs11Token({self._name!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session; its signers raise SignerError from now on."""
        with self._told():
            self._session.close()

    def signer(self, label: str, *, chain: tuple[bytes, ...] = ()) -> Pkcs11Signer:
        """The signer of the private key called ``label``. ``chain``: its certificates (DER), leaf first.

        Raises SignerError if there is no such key, MisuseError for a kind that no edition signs with,
        PkiError for a chain of another key.
        """
        with self._told():
            key = self._session.get_key(object_class=self._p11.ObjectClass.PRIVATE_KEY, label=label)
            public = self._session.get_key(object_class=self._p11.ObjectClass.PUBLIC_KEY, label=label)
            return Pkcs11Signer(self, key, self._public(public, label), label, chain)

    def generate(self, algorithm: SignerAlgorithm, label: str) -> Pkcs11Signer:
        """Make a key in the token, which stays there. Raises SignerError if the token
        cannot, or has one of that name."""
        self._new(algorithm, label)
        kinds, templates = self._p11.KeyType, self._templates(label)
        edwards = algorithm == "ed448"
        with self._told():
            parameters = self._session.create_domain_parameters(
                kinds.EC_EDWARDS if edwards else kinds.EC,
                {self._p11.Attribute.EC_PARAMS: _PARAMETERS[algorithm]},
                local=True,
            )
            mechanisms = self._p11.Mechanism
            parameters.generate_keypair(
                mechanism=mechanisms.EC_EDWARDS_KEY_PAIR_GEN if edwards else mechanisms.EC_KEY_PAIR_GEN,
                label=label,
                store=True,
                public_template=templates[0],
                private_template=templates[1],
            )
        return self.signer(label)

    def import_key(self, key: SigningKey, label: str, *, chain: tuple[bytes, ...] = ()) -> Pkcs11Signer:
        """Put a key into the token, such as that of a contract that was installed.
        Raises as :meth:`generate`."""
        algorithm = algorithm_of(key.public_key())
        self._new(algorithm, label)
        check_chain(key.public_key(), chain)
        attributes, classes, kinds = self._p11.Attribute, self._p11.ObjectClass, self._p11.KeyType
        if isinstance(key, ed448.Ed448PrivateKey):
            secret = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
            point = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        else:
            secret = key.private_numbers().private_value.to_bytes(CURVES[algorithm].octets, "big")
            point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        common = {
            attributes.KEY_TYPE: kinds.EC_EDWARDS if algorithm == "ed448" else kinds.EC,
            attributes.EC_PARAMS: _PARAMETERS[algorithm],
            attributes.LABEL: label,
            attributes.TOKEN: True,
        }
        public, private = self._templates(label)
        with self._told():
            self._session.create_object(
                {
                    attributes.CLASS: classes.PUBLIC_KEY,
                    attributes.EC_POINT: asn1.octet_string(point),
                }
                | common
                | public
            )
            self._session.create_object(
                {attributes.CLASS: classes.PRIVATE_KEY, attributes.VALUE: secret} | common | private
            )
        return self.signer(label, chain=chain)

    def _templates(self, label: str) -> tuple[dict[Any, Any], dict[Any, Any]]:
        attributes = self._p11.Attribute
        identifier = hashlib.sha256(label.encode() + os.urandom(16)).digest()[:8]
        public = {attributes.VERIFY: True, attributes.ID: identifier}
        private = {
            attributes.SIGN: True,
            attributes.DERIVE: True,
            attributes.SENSITIVE: True,
            attributes.EXTRACTABLE: False,
            attributes.PRIVATE: True,
            attributes.ID: identifier,
        }
        return public, private

    def _new(self, algorithm: str, label: str) -> None:
        """Refuses a kind that no edition has, and a label that is taken: whose key would sign?"""
        if algorithm not in _PARAMETERS:
            raise MisuseError(
                f"no message is signed with {algorithm}: {', '.join(get_args(SignerAlgorithm))} are"
            )
        with self._told():
            taken = list(self._session.get_objects({self._p11.Attribute.LABEL: label}))
        if taken:
            raise SignerError(f"token {self._name!r} has an object {label!r} already")

    def _public(self, found: Any, label: str) -> VerifyingKey:
        attributes = self._p11.Attribute
        parameters = bytes(found[attributes.EC_PARAMS])
        known = {octets: name for name, octets in _PARAMETERS.items()} | {_ED448_BY_NAME: "ed448"}
        if parameters not in known:
            raise MisuseError(
                f"key {label!r} is of no kind that messages are signed with: {', '.join(get_args(SignerAlgorithm))}"
            )
        try:
            point = _point(bytes(found[attributes.EC_POINT]))
            match known[parameters]:
                case "ed448":
                    return ed448.Ed448PublicKey.from_public_bytes(point)
                case "secp256r1":
                    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
                case _:
                    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP521R1(), point)
        except ValueError as error:
            raise SignerError(f"public key {label!r} of token {self._name!r}: {error}") from error

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the module raises as one kind of error, which says what to do and names no secret."""
        try:
            yield
        except self._p11.exceptions.PKCS11Error as error:
            name = type(error).__name__
            meant = _MEANINGS.get(name, "the token refuses")
            raise SignerError(f"token {self._name!r}: {meant} ({name})") from error


class Pkcs11Signer:
    """A key in a token, as :class:`~iso15118.pki.keys.signer.Signer` and, for a NIST curve, as key agreement.

    Get one from :meth:`Pkcs11Token.signer`.
    """

    def __init__(
        self, token: Pkcs11Token, key: Any, public: VerifyingKey, label: str, chain: tuple[bytes, ...]
    ) -> None:
        check_chain(public, chain)
        self._token = token
        self._key = key
        self._public = public
        self._label = label
        self._algorithm = algorithm_of(public)
        self._chain = chain

    def __repr__(self) -> str:
        return f"Pkcs11Signer({self._algorithm}, {self._label!r} in {self._token!r}, {len(self._chain)} certificates)"

    @property
    def algorithm(self) -> SignerAlgorithm:
        """Kind of key."""
        return self._algorithm

    @property
    def public_key(self) -> VerifyingKey:
        """The other half."""
        return self._public

    @property
    def chain(self) -> tuple[bytes, ...]:
        """Certificates as DER, leaf first."""
        return self._chain

    def sign(self, data: bytes) -> bytes:
        """As :meth:`~iso15118.pki.keys.signer.Signer.sign`; the hash is made here, since
        not every token has SHA-512."""
        p11 = self._token._p11
        with self._token._told():
            if self._algorithm == "ed448":
                value = self._key.sign(data, mechanism=p11.Mechanism.EDDSA)
            else:
                digest = "sha256" if self._algorithm == "secp256r1" else "sha512"
                hashed = hashlib.new(digest, data).digest()
                value = self._key.sign(hashed, mechanism=p11.Mechanism.ECDSA)
        if len(value) != signature_octets(self._public):
            raise SignerError(f"token {self._token._name!r}: a signature of {len(value)} octets")
        return bytes(value)

    @property
    def curve(self) -> AgreementCurve:
        """Of the key agreement. Raises MisuseError for an Ed448 key, which only signs."""
        if self._algorithm == "ed448":
            raise MisuseError(
                "an Ed448 key signs and agrees on nothing; X448 keys are not offered in a token"
            )
        return self._algorithm

    def agree(self, peer_public: AgreementPublicKey) -> bytes:
        """As :meth:`~iso15118.pki.keys.signer.KeyAgreement.agree`: the shared secret leaves
        the token, the key does not."""
        p11 = self._token._p11
        curve = self.curve
        if not on_curve(peer_public, curve):
            raise MisuseError(f"this key agrees on {curve} only")
        point = peer_public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        octets = CURVES[curve].octets
        with self._token._told():
            secret = self._key.derive_key(
                p11.KeyType.GENERIC_SECRET,
                octets * 8,
                mechanism=p11.Mechanism.ECDH1_DERIVE,
                mechanism_param=(p11.KDF.NULL, None, point),
                template={
                    p11.Attribute.TOKEN: False,
                    p11.Attribute.SENSITIVE: False,
                    p11.Attribute.EXTRACTABLE: True,
                },
            )
            value = bytes(secret[p11.Attribute.VALUE])
            secret.destroy()
        return value.rjust(octets, b"\0")


_MEANINGS = {
    "NoSuchToken": "there is no token of that label",
    "MultipleTokensReturned": "several tokens have that label",
    "NoSuchKey": "there is no such key, or not both halves of it",
    "MultipleObjectsReturned": "several keys have that label",
    "PinIncorrect": "the PIN is wrong",
    "PinLenRange": "the PIN is too short or too long",
    "PinLocked": "the PIN is locked after too many wrong ones",
    "UserNotLoggedIn": "its keys need the PIN",
    "MechanismInvalid": "it does not offer this algorithm",
    "FunctionNotSupported": "it does not offer this algorithm",
    "DomainParamsInvalid": "it does not offer this curve",
    "AttributeValueInvalid": "it does not offer this kind of key",
    "KeyTypeInconsistent": "the key is of another kind",
    "TokenNotPresent": "it was taken out",
    "DeviceRemoved": "it was taken out",
    "SessionHandleInvalid": "the session is closed",
    "SessionClosed": "the session is closed",
    "TokenWriteProtected": "it is write protected",
}


def _library() -> ModuleType:
    try:
        import pkcs11
    except ImportError as error:
        raise ConfigError(
            "pkcs11", "the package python-pkcs11 is not installed", "pip install 'iso15118-stack[pkcs11]'"
        ) from error
    return pkcs11


def _point(octets: bytes) -> bytes:
    """CKA_EC_POINT without its wrapping: an OCTET STRING by the standard, bare in older modules. Told apart
    by the length, since an uncompressed point begins with the octet that is also the tag.
    """
    return octets if len(octets) in _POINTS or not octets else asn1.octets_of(octets)
