"""Protected TLS records opened with known secrets: one direction each, for TLS 1.3 and TLS 1.2, also
behind a gap in the capture.

Every suite proves what it opens (AEAD tag or MAC), so that a record number lost in a gap can be searched for.
"""

from __future__ import annotations

import hmac
from typing import Any, Final

from .suites import SUITES, Suite, expand_label, key_block

__all__ = ["Budget", "ClosedError", "Keys", "Keys12", "Keys13", "candidates_13"]

_MOST_PER_GAP: Final = 1 << 16


class ClosedError(Exception):
    """These keys do not open this record."""


class Budget:
    """How many attempts are left in a capture: whoever made it decides how often it is searched. It grows
    with what was read, so that a long capture with many gaps is opened too."""

    def __init__(self, attempts: int = 40_000, each: int = 16) -> None:
        self.left = attempts
        self._each = each

    def packet(self) -> None:
        """One more packet was read."""
        self.left += self._each


class Keys:
    """Of one direction. ``number`` is that of the next record."""

    _costs = 1
    """Of one attempt, in those of an AEAD."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.number = 0

    def open(self, kind: int, header: bytes, body: bytes) -> tuple[int, bytes]:
        """Content type and content. Raises ``ClosedError``; the number counts up with
        a record that was opened."""
        found = self._tried(self.number, kind, header, body)
        if found is None:
            raise ClosedError
        self.number += 1
        return found

    def _tried(self, number: int, kind: int, header: bytes, body: bytes) -> tuple[int, bytes] | None:
        try:
            return self._open(number, kind, header, body)
        except Exception:  # the library raises several kinds; none says more than that it is not this record
            return None

    def _open(self, number: int, kind: int, header: bytes, body: bytes) -> tuple[int, bytes]:
        raise NotImplementedError

    def search(
        self, kind: int, header: bytes, body: bytes, most: int, budget: Budget
    ) -> tuple[int, bytes] | None:
        """Try the next ``most`` numbers; None if it is none of them."""
        for number in range(self.number, self.number + min(most, _MOST_PER_GAP)):
            if budget.left <= 0:
                return None
            budget.left -= self._costs
            found = self._tried(number, kind, header, body)
            if found is not None:
                self.number = number + 1
                return found
        return None


def _aead(suite: Suite, key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers import aead

    if suite.cipher == "gcm":
        return aead.AESGCM(key)
    if suite.cipher == "chacha20":
        return aead.ChaCha20Poly1305(key)
    return aead.AESCCM(key, tag_length=8 if suite.cipher == "ccm8" else 16)


class Keys13(Keys):
    """TLS 1.3: made of a traffic secret."""

    def __init__(self, suite: Suite, secret: bytes) -> None:
        super().__init__(suite)
        self._secret = secret
        key = expand_label(secret, b"key", suite.key_octets, suite.digest)
        self._iv = int.from_bytes(expand_label(secret, b"iv", 12, suite.digest), "big")
        self._decrypt = _aead(suite, key).decrypt

    def _open(self, number: int, kind: int, header: bytes, body: bytes) -> tuple[int, bytes]:
        inner: bytes = self._decrypt((self._iv ^ number).to_bytes(12, "big"), body, header)
        if inner[-1] == 0:
            inner = inner.rstrip(b"\0")
        return inner[-1], inner[:-1]

    def updated(self) -> Keys13:
        """Behind a KeyUpdate."""
        suite = self.suite
        size = 48 if suite.digest == "sha384" else 32
        return Keys13(suite, expand_label(self._secret, b"traffic upd", size, suite.digest))


class Keys12(Keys):
    """TLS 1.2: made of the master secret and both randoms. ``encrypt_then_mac``: RFC 7366 was agreed."""

    def __init__(
        self, suite: Suite, session: tuple[bytes, bytes, bytes], from_client: bool, encrypt_then_mac: bool
    ) -> None:
        super().__init__(suite)
        block = key_block(suite, *session)
        side = 0 if from_client else 1
        self._mac, self._key, self._iv = block[side], block[2 + side], block[4 + side]
        self._encrypt_then_mac = encrypt_then_mac
        self._costs = 6 if suite.cipher == "cbc" else 1
        self._decrypt = None if suite.cipher == "cbc" else _aead(suite, self._key).decrypt

    def _open(self, number: int, kind: int, header: bytes, body: bytes) -> tuple[int, bytes]:
        if self._decrypt is None:
            return kind, self._open_cbc(number, header, body)
        sequence = number.to_bytes(8, "big")
        if self.suite.cipher == "chacha20":
            nonce, sealed, overhead = self._exclusive(sequence), body, 16
        else:
            nonce, sealed = self._iv + body[:8], body[8:]
            overhead = 8 if self.suite.cipher == "ccm8" else 16
        associated = sequence + header[:3] + (len(sealed) - overhead).to_bytes(2, "big")
        plain: bytes = self._decrypt(nonce, sealed, associated)
        return kind, plain

    def _exclusive(self, sequence: bytes) -> bytes:
        return (int.from_bytes(self._iv, "big") ^ int.from_bytes(sequence, "big")).to_bytes(12, "big")

    def _open_cbc(self, number: int, header: bytes, body: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
        from cryptography.hazmat.primitives.ciphers.modes import CBC

        size = len(self._mac)
        tag = b""
        if self._encrypt_then_mac:
            body, tag = body[:-size], body[-size:]
        sealed = body[16:]
        if not sealed or len(sealed) % 16:
            raise ClosedError
        if self._encrypt_then_mac and not self._proven(number, header, body, tag):
            raise ClosedError
        decryptor = Cipher(AES(self._key), CBC(body[:16])).decryptor()
        plain = decryptor.update(sealed) + decryptor.finalize()
        padding = plain[-1]
        if len(plain) <= padding or plain[-padding - 1 :] != bytes((padding,)) * (padding + 1):
            raise ClosedError
        plain = plain[: -padding - 1]
        if self._encrypt_then_mac:
            return plain
        if len(plain) < size or not self._proven(number, header, plain[:-size], plain[-size:]):
            raise ClosedError
        return plain[:-size]

    def _proven(self, number: int, header: bytes, content: bytes, tag: bytes) -> bool:
        head = number.to_bytes(8, "big") + header[:3] + len(content).to_bytes(2, "big")
        return hmac.compare_digest(hmac.digest(self._mac, head + content, self.suite.mac), tag)


def candidates_13(secret: bytes) -> list[Suite]:
    """Suites that a traffic secret may belong to where the hello that says so is not in the capture."""
    digest = {32: "sha256", 48: "sha384"}.get(len(secret))
    return [one for one in SUITES.values() if one.version == "TLSv1.3" and one.digest == digest]
