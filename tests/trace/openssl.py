"""Connections of Python's own TLS in memory, for suites and habits that our own ends do not have."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.trace.made import Made

__all__ = ["spoken_by_openssl"]


@cache
def _certificate() -> tuple[bytes, bytes]:
    """A self-signed certificate and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "station")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return made.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM, form, plain
    )


def spoken_by_openssl(version: str, frames: Sequence[tuple[bool, bytes]], cipher: str = "") -> Made:
    """A connection in which these were said; ``cipher`` by OpenSSL's name, or IANA's for TLS 1.3."""
    made = Made(None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificate, key = _certificate()
        (folder / "both.pem").write_bytes(certificate + key)
        client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        client.check_hostname = False
        client.verify_mode = ssl.CERT_NONE
        server.load_cert_chain(folder / "both.pem")
        client.keylog_filename = str(folder / "keys")
        chosen = ssl.TLSVersion.TLSv1_3 if version == "TLSv1.3" else ssl.TLSVersion.TLSv1_2
        for context in (client, server):
            context.minimum_version = context.maximum_version = chosen
            if cipher and version == "TLSv1.2":
                context.set_ciphers(f"{cipher}:@SECLEVEL=0")
        buffers = [ssl.MemoryBIO() for _ in range(4)]
        ends = (
            client.wrap_bio(buffers[0], buffers[1], server_side=False),
            server.wrap_bio(buffers[2], buffers[3], server_side=True),
        )
        inward, outward = (buffers[0], buffers[2]), (buffers[1], buffers[3])

        def carry(side: int) -> bool:
            data = outward[side].read()
            if data:
                made.add(made.tcp.data(side == 0, data))
                inward[1 - side].write(data)
            return bool(data)

        done = [False, False]
        while not all(done):
            for side in (0, 1):
                try:
                    ends[side].do_handshake()
                    done[side] = True
                except ssl.SSLWantReadError:
                    pass
                carry(side)
        for from_vehicle, frame in frames:
            side = 0 if from_vehicle else 1
            ends[side].write(frame)
            carry(side)
        made.close()
        made.secrets = (folder / "keys").read_text().splitlines()
        made.agreed = (ends[0].cipher() or ("",))[0]
    return made
