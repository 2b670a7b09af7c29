"""Cipher suites that a passive reader can open, by number, and the keys that TLS 1.2
and TLS 1.3 make of a secret.

Key derivation only: RFC 5246 section 5 and 6.3, RFC 8446 section 7.
"""

from __future__ import annotations

import hmac
from typing import Final, Literal, TypeAlias

from msgspec import Struct

__all__ = ["SUITES", "Suite", "expand_label", "key_block", "suite_name"]

Cipher: TypeAlias = Literal["gcm", "ccm", "ccm8", "chacha20", "cbc"]


class Suite(Struct, frozen=True):
    """``digest``: of the key derivation. ``mac``: of the records of a CBC suite."""

    name: str
    version: Literal["TLSv1.2", "TLSv1.3"]
    cipher: Cipher
    key_octets: int
    digest: str = "sha256"
    mac: str = ""


def _cbc(name: str, key_octets: int, mac: str, digest: str = "sha256") -> Suite:
    return Suite(name, "TLSv1.2", "cbc", key_octets, digest, mac)


def _aead(name: str, cipher: Cipher, key_octets: int, digest: str = "sha256") -> Suite:
    return Suite(name, "TLSv1.2", cipher, key_octets, digest)


SUITES: Final[dict[int, Suite]] = {
    0x1301: Suite("TLS_AES_128_GCM_SHA256", "TLSv1.3", "gcm", 16),
    0x1302: Suite("TLS_AES_256_GCM_SHA384", "TLSv1.3", "gcm", 32, "sha384"),
    0x1303: Suite("TLS_CHACHA20_POLY1305_SHA256", "TLSv1.3", "chacha20", 32),
    0x1304: Suite("TLS_AES_128_CCM_SHA256", "TLSv1.3", "ccm", 16),
    0x1305: Suite("TLS_AES_128_CCM_8_SHA256", "TLSv1.3", "ccm8", 16),
    0xC023: _cbc("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", 16, "sha256"),
    0xC024: _cbc("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", 32, "sha384", "sha384"),
    0xC025: _cbc("TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256", 16, "sha256"),
    0xC026: _cbc("TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA384", 32, "sha384", "sha384"),
    0xC027: _cbc("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", 16, "sha256"),
    0xC028: _cbc("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", 32, "sha384", "sha384"),
    0xC009: _cbc("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", 16, "sha1"),
    0xC00A: _cbc("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", 32, "sha1"),
    0xC013: _cbc("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", 16, "sha1"),
    0xC014: _cbc("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", 32, "sha1"),
    0x002F: _cbc("TLS_RSA_WITH_AES_128_CBC_SHA", 16, "sha1"),
    0x0035: _cbc("TLS_RSA_WITH_AES_256_CBC_SHA", 32, "sha1"),
    0x003C: _cbc("TLS_RSA_WITH_AES_128_CBC_SHA256", 16, "sha256"),
    0x003D: _cbc("TLS_RSA_WITH_AES_256_CBC_SHA256", 32, "sha256"),
    0xC02B: _aead("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "gcm", 16),
    0xC02C: _aead("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "gcm", 32, "sha384"),
    0xC02D: _aead("TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256", "gcm", 16),
    0xC02F: _aead("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "gcm", 16),
    0xC030: _aead("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "gcm", 32, "sha384"),
    0x009C: _aead("TLS_RSA_WITH_AES_128_GCM_SHA256", "gcm", 16),
    0x009D: _aead("TLS_RSA_WITH_AES_256_GCM_SHA384", "gcm", 32, "sha384"),
    0xCCA8: _aead("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "chacha20", 32),
    0xCCA9: _aead("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "chacha20", 32),
    0xC0AC: _aead("TLS_ECDHE_ECDSA_WITH_AES_128_CCM", "ccm", 16),
    0xC0AE: _aead("TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", "ccm8", 16),
}


def suite_name(number: int) -> str:
    """IANA's name, or the number in hexadecimal."""
    suite = SUITES.get(number)
    return suite.name if suite is not None else f"{number:04x}"


def expand_label(secret: bytes, label: bytes, length: int, digest: str) -> bytes:
    """HKDF-Expand-Label of TLS 1.3 without context."""
    full = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes((len(full),)) + full + b"\0"
    made, block, count = b"", b"", 0
    while len(made) < length:
        count += 1
        block = hmac.digest(secret, block + info + bytes((count,)), digest)
        made += block
    return made[:length]


def key_block(suite: Suite, master: bytes, client: bytes, server: bytes) -> list[bytes]:
    """What TLS 1.2 makes of its master secret and both randoms: the keys of the MAC, the keys of the cipher
    and the initial vectors, each of the client and then of the server."""
    if suite.cipher == "cbc":
        sizes = ({"sha1": 20, "sha256": 32, "sha384": 48}[suite.mac], suite.key_octets, 0)
    else:
        sizes = (0, suite.key_octets, 12 if suite.cipher == "chacha20" else 4)
    needed = 2 * sum(sizes)
    seed = b"key expansion" + server + client
    made, link = b"", seed
    while len(made) < needed:
        link = hmac.digest(master, link, suite.digest)
        made += hmac.digest(master, link + seed, suite.digest)
    found, at = [], 0
    for size in sizes:
        for _ in range(2):
            found.append(made[at : at + size])
            at += size
    return found
