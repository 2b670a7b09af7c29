"""A passive reader of TLS 1.3: the record layer of RFC 8446 with keys from a key log,
written apart from the stack."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

_APPLICATION_DATA = 23
_SUITES: dict[str, tuple[type[AESGCM] | type[ChaCha20Poly1305], HashAlgorithm]] = {
    "TLS_AES_256_GCM_SHA384": (AESGCM, SHA384()),
    "TLS_CHACHA20_POLY1305_SHA256": (ChaCha20Poly1305, SHA256()),
}


def secrets_of(key_log: str) -> dict[str, bytes]:
    """Label -> secret of the one connection in the log."""
    lines = [line.split() for line in key_log.splitlines()]
    assert len({random for _, random, _ in lines}) == 1
    return {label: bytes.fromhex(secret) for label, _, secret in lines}


def plaintext(stream: bytes, suite: str, handshake: bytes, application: bytes) -> tuple[bytes, bytes]:
    """Handshake messages and application data of one direction. Raises
    ``InvalidTag`` for the wrong secrets."""
    cipher, algorithm = _SUITES[suite]
    keys = [_keys(secret, algorithm) for secret in (handshake, application)]
    handshakes, data, epoch, number = bytearray(), bytearray(), 0, 0
    while stream:
        kind, length = stream[0], int.from_bytes(stream[3:5])
        header, body, stream = stream[:5], stream[5 : 5 + length], stream[5 + length :]
        assert len(body) == length, "the stream ends within a record"
        if kind != _APPLICATION_DATA:  # hellos, and the change of cipher that means nothing
            continue
        key, iv = keys[epoch]
        nonce = bytes(a ^ b for a, b in zip(iv, number.to_bytes(12), strict=True))
        inner = cipher(key).decrypt(nonce, body, header).rstrip(b"\0")
        number += 1
        content, inner_kind = inner[:-1], inner[-1]
        if inner_kind == _APPLICATION_DATA:
            data += content
        elif inner_kind == 22 and epoch == 0:
            handshakes += content
            if _ends_with_finished(bytes(handshakes)):
                epoch, number = 1, 0
    return bytes(handshakes), bytes(data)


def _ends_with_finished(messages: bytes) -> bool:
    while len(messages) >= 4:
        length = 4 + int.from_bytes(messages[1:4])
        if len(messages) == length:
            return messages[0] == 20
        messages = messages[length:]
    return False


def _keys(secret: bytes, algorithm: HashAlgorithm) -> tuple[bytes, bytes]:
    return _expand(secret, b"key", 32, algorithm), _expand(secret, b"iv", 12, algorithm)


def _expand(secret: bytes, label: bytes, length: int, algorithm: HashAlgorithm) -> bytes:
    full = b"tls13 " + label
    info = length.to_bytes(2) + bytes((len(full),)) + full + b"\0"
    return HKDFExpand(algorithm, length, info).derive(secret)
