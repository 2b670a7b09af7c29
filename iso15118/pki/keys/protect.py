"""Private keys at rest: encrypted with a passphrase at a cost that makes guessing slow, and read again
whatever made them.

The library's own encryption of PKCS#8 has a fixed cost of 2,048 rounds; the cost chosen here is written by
pyasn1 around the library's primitives (PBES2 of RFC 8018: PBKDF2 with HMAC-SHA-256, AES-256-CBC), so that
OpenSSL and every other tool still opens the file.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from iso15118.errors import ConfigError, PkiError
from iso15118.files import read_secret
from iso15118.pki.issuing.issue import key_der

__all__ = [
    "ROUNDS",
    "Passphrase",
    "PassphraseError",
    "Protection",
    "checked_passphrase",
    "encrypted_key",
    "encrypted_pkcs8",
    "opened_key",
    "passphrase_of",
    "protection_of",
]

Passphrase: TypeAlias = bytes | Callable[[], bytes]
"""What keys are encrypted with, or who is asked for it when it is first needed: a key ring, a person at a
terminal."""
Protection = Literal["none", "weak", "strong"]
"""``weak``: encrypted, at a cost that today's machines laugh at, or that cannot be told."""

ROUNDS: Final = 600_000
"""Of PBKDF2: what OWASP's Password Storage Cheat Sheet asks of HMAC-SHA-256. 0.07 s on a server's core, about
1 s on a small controller. scrypt would resist special hardware better, but OpenSSL opens no file that needs
more than 32 MiB for it."""
_LEAST_SCRYPT: Final = 2**14 * 8 * 5
"""N times r times p: the least of what the same source names for scrypt."""
_BEGIN, _END = b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"-----END ENCRYPTED PRIVATE KEY-----"
_PBES2, _PBKDF2, _SCRYPT = "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12", "1.3.6.1.4.1.11591.4.11"
_HMAC_SHA256, _AES256_CBC = "1.2.840.113549.2.9", "2.16.840.1.101.3.4.1.42"
_LONGEST_PASSPHRASE: Final = 1024


class PassphraseError(PkiError):
    """The passphrase of a key is missing or wrong."""


def checked_passphrase(passphrase: Passphrase | None) -> bytes | None:
    """The passphrase itself. Raises ConfigError for an empty one: it would mean keys in the clear."""
    value = passphrase() if callable(passphrase) else passphrase
    if value is None:
        return None
    if not isinstance(value, bytes):
        raise ConfigError("passphrase", f"{type(value).__name__}, not bytes", "encode it")
    if not value:
        raise ConfigError(
            "passphrase", "it is empty", "give one, or none at all for keys that are not encrypted"
        )
    if len(value) > _LONGEST_PASSPHRASE:
        raise ConfigError("passphrase", f"{len(value)} octets", f"at most {_LONGEST_PASSPHRASE}")
    return value


def passphrase_of(
    *,
    file: Path | None = None,
    variable: str | None = None,
    keys: tuple[str, str] = ("passphrase_file", "passphrase_variable"),
) -> bytes | None:
    """The passphrase in a file, without the line's end, or in a variable of the environment; None if neither
    is named.

    ``keys``: what the two settings are called. Raises ConfigError for both at once, a variable that is not
    set, an empty passphrase, and a file that others may read.
    """
    if file is not None and variable is not None:
        raise ConfigError(keys[0], f"{keys[1]} is set too", "name one of them")
    if file is not None:
        text = (
            read_secret(file, key=keys[0], limit=_LONGEST_PASSPHRASE).removesuffix(b"\n").removesuffix(b"\r")
        )
        if not text:
            raise ConfigError(keys[0], f"{file} is empty", "write the passphrase into its first line")
        return text
    if variable is None:
        return None
    value = os.environb.get(os.fsencode(variable))
    if not value:
        state = "is not set" if value is None else "is empty"
        raise ConfigError(keys[1], f"the variable {variable} {state}", f"set {variable} to the passphrase")
    return checked_passphrase(value)


def encrypted_key(key: object, passphrase: bytes, *, rounds: int = ROUNDS) -> bytes:
    """A private key as PEM of PKCS#8, encrypted. ``rounds``: of PBKDF2."""
    text = base64.b64encode(encrypted_pkcs8(key, passphrase, rounds=rounds))
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return b"\n".join((_BEGIN, *lines, _END, b""))


def encrypted_pkcs8(key: object, passphrase: bytes, *, rounds: int = ROUNDS) -> bytes:
    """:func:`encrypted_key` in DER."""
    from pyasn1.codec.der.encoder import encode
    from pyasn1.type.univ import Null
    from pyasn1_modules import rfc5958, rfc8018

    salt, vector = os.urandom(16), os.urandom(16)
    secret = PBKDF2HMAC(hashes.SHA256(), 32, salt, rounds).derive(passphrase)
    padder = padding.PKCS7(128).padder()
    padded = padder.update(key_der(key)) + padder.finalize()
    sealer = Cipher(algorithms.AES256(secret), modes.CBC(vector)).encryptor()

    derivation: Any = rfc8018.PBKDF2_params()
    derivation["salt"]["specified"] = salt
    derivation["iterationCount"] = rounds
    derivation["prf"]["algorithm"] = _HMAC_SHA256
    derivation["prf"]["parameters"] = encode(Null(""))
    scheme: Any = rfc8018.PBES2_params()
    scheme["keyDerivationFunc"]["algorithm"] = _PBKDF2
    scheme["keyDerivationFunc"]["parameters"] = encode(derivation)
    scheme["encryptionScheme"]["algorithm"] = _AES256_CBC
    scheme["encryptionScheme"]["parameters"] = encode(rfc8018.AES_IV(vector))
    info: Any = rfc5958.EncryptedPrivateKeyInfo()
    info["encryptionAlgorithm"]["algorithm"] = _PBES2
    info["encryptionAlgorithm"]["parameters"] = encode(scheme)
    info["encryptedData"] = sealer.update(padded) + sealer.finalize()
    made: bytes = encode(info)
    return made


def protection_of(data: bytes) -> Protection:
    """How well the key in a PEM or DER file is encrypted. Costs too high to be tried are ``strong``; what is
    no key is ``none``.
    """
    if _BEGIN in data:
        try:
            der = base64.b64decode(data.partition(_BEGIN)[2].partition(_END)[0])
        except ValueError:
            return "weak"
    elif b"-----BEGIN" in data:
        return "weak" if b"Proc-Type: 4,ENCRYPTED" in data else "none"
    else:
        der = data
    return _cost(der)


def opened_key(data: bytes, passphrase: bytes | None) -> bytes:
    """PKCS#8 (DER) without encryption, of a PEM or DER file. A passphrase is not used for a key in the clear.

    Raises PassphraseError if the passphrase is missing or wrong, PkiError if there is no key.
    """
    if protection_of(data) == "none":
        passphrase = None
    elif passphrase is None:
        raise PassphraseError("private key: it is encrypted (give the passphrase)")
    try:
        if b"-----BEGIN" in data:
            key = serialization.load_pem_private_key(data, passphrase)
        else:
            key = serialization.load_der_private_key(data, passphrase)
        return key_der(key)
    except TypeError as error:
        raise PkiError(f"private key: {error}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        wrong = passphrase is not None and "password" in str(error).lower()
        raise (PassphraseError if wrong else PkiError)(f"private key: {error}") from error


def _cost(der: bytes) -> Protection:
    from pyasn1.codec.der.decoder import decode
    from pyasn1.error import PyAsn1Error
    from pyasn1_modules import rfc5958, rfc7914, rfc8018

    try:
        info: Any = decode(der, asn1Spec=rfc5958.EncryptedPrivateKeyInfo())[0]
    except PyAsn1Error:
        return "none"
    try:
        if str(info["encryptionAlgorithm"]["algorithm"]) != _PBES2:
            return "weak"
        scheme: Any = decode(
            bytes(info["encryptionAlgorithm"]["parameters"]), asn1Spec=rfc8018.PBES2_params()
        )[0]
        kind = str(scheme["keyDerivationFunc"]["algorithm"])
        parameters = bytes(scheme["keyDerivationFunc"]["parameters"])
        if kind == _PBKDF2:
            rounds = int(decode(parameters, asn1Spec=rfc8018.PBKDF2_params())[0]["iterationCount"])
            return "strong" if rounds >= ROUNDS else "weak"
        if kind == _SCRYPT:
            found: Any = decode(parameters, asn1Spec=rfc7914.Scrypt_params())[0]
            cost = (
                int(found["costParameter"]) * int(found["blockSize"]) * int(found["parallelizationParameter"])
            )
            return "strong" if cost >= _LEAST_SCRYPT else "weak"
    except (PyAsn1Error, ValueError):
        return "weak"
    return "weak"
