"""A TLS 1.3 end (RFC 8446) that can lie: one suite, one group, no checks, and a say in every
message it sends. For tests only.

``MiniCar`` and ``MiniStation`` are fed and drained like a ``TlsConnection``. What they sign, claim
and append is up to the test.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Iterator, Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from iso15118.pki import Credential
from iso15118.pki.issuing.issue import load_key

P521_SHA512, ED448, P256_SHA256 = 0x0603, 0x0808, 0x0403
CLIENT_CONTEXT, SERVER_CONTEXT = b"TLS 1.3, client CertificateVerify", b"TLS 1.3, server CertificateVerify"
_SUITE, _GROUP = 0x1302, 0x0019  # TLS_AES_256_GCM_SHA384, secp521r1
_HELLO, _SERVER_HELLO, _EXTENSIONS, _CERTIFICATE, _REQUEST, _VERIFY, _FINISHED = 1, 2, 8, 11, 13, 15, 20
KEY_UPDATE = 24


def vector(octets: int, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return len(data).to_bytes(octets, "big") + data


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + vector(3, body)


def extension(kind: int, data: bytes) -> bytes:
    return kind.to_bytes(2, "big") + vector(2, data)


def expand(secret: bytes, label: str, context: bytes, length: int) -> bytes:
    info = length.to_bytes(2, "big") + vector(1, b"tls13 " + label.encode()) + vector(1, context)
    return HKDFExpand(hashes.SHA384(), length, info).derive(secret)


def extract(salt: bytes, secret: bytes) -> bytes:
    return hmac.digest(salt, secret, "sha384")


class Keys:
    """One direction under one secret."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self._cipher = AESGCM(expand(secret, "key", b"", 32))
        self._iv = expand(secret, "iv", b"", 12)
        self._count = 0

    def _nonce(self) -> bytes:
        count = self._count.to_bytes(12, "big")
        self._count += 1
        return bytes(a ^ b for a, b in zip(self._iv, count, strict=True))

    def seal(self, kind: int, data: bytes) -> bytes:
        inner = data + bytes([kind])
        header = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
        return header + self._cipher.encrypt(self._nonce(), inner, header)

    def open(self, record: bytes) -> tuple[int, bytes]:
        inner = self._cipher.decrypt(self._nonce(), record[5:], record[:5]).rstrip(b"\0")
        return inner[-1], inner[:-1]

    def next(self) -> Keys:
        return Keys(expand(self.secret, "traffic upd", b"", 48))

    def finished(self, transcript: bytes) -> bytes:
        return hmac.digest(expand(self.secret, "finished", b"", 48), transcript, "sha384")


Sign = Callable[[bytes], tuple[int, bytes]]
"""Gets the hash of the transcript; gives scheme and signature of the CertificateVerify."""


def signer(credential: Credential, context: bytes, *, scheme: int | None = None) -> Sign:
    """An honest signature, unless credential, context or claimed scheme are somebody else's."""
    key = load_key(credential.key)

    def sign(transcript: bytes) -> tuple[int, bytes]:
        text = b" " * 64 + context + b"\0" + transcript
        if isinstance(key, ed448.Ed448PrivateKey):
            return scheme or ED448, key.sign(text)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return scheme or P521_SHA512, key.sign(text, ec.ECDSA(hashes.SHA512()))

    return sign


class _Mini:
    """What both ends share. A generator reads messages and appends what goes out."""

    def __init__(self, chain: Sequence[bytes], sign: Sign | None) -> None:
        self.chain, self.sign = chain, sign
        self.outgoing = b""
        self.alert: int | None = None
        """Code of the alert that came in."""
        self.plain = b""
        self.complete = False
        self._said = b""
        self._key = ec.generate_private_key(ec.SECP521R1())
        self._bytes = self._pending = b""
        self._reads: Keys | None = None
        self._writes: Keys | None = None
        self._talk = self._script()
        next(self._talk)

    def _script(self) -> Iterator[None]:
        raise NotImplementedError

    # -- driven like a connection

    def receive_data(self, data: bytes) -> bytes:
        self._bytes += data
        while len(self._bytes) >= 5 and len(self._bytes) >= 5 + int.from_bytes(self._bytes[3:5], "big"):
            size = 5 + int.from_bytes(self._bytes[3:5], "big")
            record, self._bytes = self._bytes[:size], self._bytes[size:]
            kind, body = record[0], record[5:]
            if kind == 23 and self._reads is not None:
                kind, body = self._reads.open(record)
            if kind == 21:
                self.alert = body[1]
            elif kind == 22:
                self._pending += body
                next(self._talk, None)
            elif kind == 23:
                self.plain += body
        return b""

    def data_to_send(self) -> bytes:
        data, self.outgoing = self.outgoing, b""
        return data

    def send(self, kind: int, data: bytes) -> None:
        """A record: encrypted as soon as there are keys."""
        if self._writes is None:
            self.outgoing += bytes([kind]) + b"\x03\x03" + vector(2, data)
        else:
            self.outgoing += self._writes.seal(kind, data)

    def update_keys(self, request: int = 0) -> None:
        assert self._writes is not None
        self.send(22, message(KEY_UPDATE, bytes([request])))
        self._writes = self._writes.next()

    # -- parts

    def _take(self) -> tuple[int, bytes] | None:
        size = 4 + int.from_bytes(self._pending[1:4], "big")
        if len(self._pending) < 4 or len(self._pending) < size:
            return None
        whole, self._pending = self._pending[:size], self._pending[size:]
        self._said += whole
        return whole[0], whole[4:]

    def _say(self, kind: int, body: bytes) -> None:
        whole = message(kind, body)
        self._said += whole
        self.send(22, whole)

    def _hash(self) -> bytes:
        return hashlib.sha384(self._said).digest()

    @property
    def _share(self) -> bytes:
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return _GROUP.to_bytes(2, "big") + vector(2, point)

    def _agree(self, point: bytes) -> tuple[Keys, Keys, bytes]:
        """Keys of client and server for the handshake, and the master secret."""
        shared = self._key.exchange(
            ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP521R1(), point)
        )
        nothing, zeros = hashlib.sha384().digest(), bytes(48)
        secret = extract(expand(extract(zeros, zeros), "derived", nothing, 48), shared)
        client = Keys(expand(secret, "c hs traffic", self._hash(), 48))
        server = Keys(expand(secret, "s hs traffic", self._hash(), 48))
        return client, server, extract(expand(secret, "derived", nothing, 48), zeros)

    def _prove(self) -> None:
        """Certificate and CertificateVerify."""
        entries = b"".join(vector(3, der) + vector(2) for der in self.chain)
        self._say(_CERTIFICATE, vector(1) + vector(3, entries))
        if self.sign is not None:
            scheme, signature = self.sign(self._hash())
            self._say(_VERIFY, scheme.to_bytes(2, "big") + vector(2, signature))


class MiniCar(_Mini):
    """A client. ``extra``: further extensions of its ClientHello."""

    def __init__(self, chain: Sequence[bytes] = (), sign: Sign | None = None, *, extra: bytes = b"") -> None:
        self._extra = extra
        super().__init__(chain, sign)

    def _script(self) -> Iterator[None]:
        schemes = b"".join(one.to_bytes(2, "big") for one in (P521_SHA512, ED448))
        extensions = (
            extension(43, vector(1, b"\x03\x04"))
            + extension(10, vector(2, _GROUP.to_bytes(2, "big")))
            + extension(13, vector(2, schemes))
            + extension(51, vector(2, self._share))
            + self._extra
        )
        hello = (
            b"\x03\x03" + os.urandom(32) + vector(1) + vector(2, _SUITE.to_bytes(2, "big")) + vector(1, b"\0")
        )
        self._say(_HELLO, hello + vector(2, extensions))
        client = server = master = None
        while True:
            yield
            while (taken := self._take()) is not None:
                kind, body = taken
                if kind == _SERVER_HELLO:
                    at = body.index(_GROUP.to_bytes(2, "big") + (133).to_bytes(2, "big")) + 4
                    client, server, master = self._agree(body[at : at + 133])
                    self._reads = server
                elif kind == _FINISHED:
                    assert client is not None
                    assert master is not None
                    reads = Keys(expand(master, "s ap traffic", self._hash(), 48))
                    writes = Keys(expand(master, "c ap traffic", self._hash(), 48))
                    self._writes = client
                    self._prove()
                    self._say(_FINISHED, client.finished(self._hash()))
                    self._reads, self._writes, self.complete = reads, writes, True
                elif kind == KEY_UPDATE and self._reads is not None:
                    self._reads = self._reads.next()


class MiniStation(_Mini):
    """A server, which asks for no certificate."""

    def _script(self) -> Iterator[None]:
        while True:
            yield
            while (taken := self._take()) is not None:
                kind, body = taken
                if kind == _HELLO:
                    self._answer(body)

    def _answer(self, hello: bytes) -> None:
        session = hello[35 : 35 + hello[34]]
        at = hello.index(_GROUP.to_bytes(2, "big") + (133).to_bytes(2, "big")) + 4
        extensions = extension(43, b"\x03\x04") + extension(51, self._share)
        body = b"\x03\x03" + os.urandom(32) + vector(1, session) + _SUITE.to_bytes(2, "big") + b"\0"
        self._say(_SERVER_HELLO, body + vector(2, extensions))
        self._reads, self._writes, _ = self._agree(hello[at : at + 133])
        self._say(_EXTENSIONS, vector(2))
        self._prove()
        self._say(_FINISHED, self._writes.finished(self._hash()))
