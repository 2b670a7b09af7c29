"""Keystores of RISE-V2G from a test PKI: what its own script makes with certificates of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from iso15118.pki import IssuedPki
from tests.interop.peer import pem_key

__all__ = ["write_stores"]

_PASSPHRASE = b"123456"
"""Built into its programs."""


def write_stores(pki: IssuedPki, folder: Path, *, contract: bool) -> None:
    """Everything that either program looks for in the folder it runs in. ``contract``: its
    vehicle has one from the start."""
    own = {
        "secc": "secc_cert",
        "oemprov": "oem_prov_cert",
        "contract": "contract_cert",
        "cps": "cps_leaf_cert",
    }
    for name, alias in own.items():
        (folder / f"{name}.p12").write_bytes(_chain(pki, name, alias))
    (folder / "moCertChain.p12").write_bytes((folder / "contract.p12").read_bytes())
    (folder / "cpsCertChain.p12").write_bytes((folder / "cps.p12").read_bytes())
    names = ("secc",), ("oemprov", "contract") if contract else ("oemprov",)
    for store, members in zip(("seccKeystore.jks", "evccKeystore.jks"), names, strict=True):
        for name in members:
            source = ["-srckeystore", f"{name}.p12", "-srcstoretype", "PKCS12", "-srcstorepass", "123456"]
            _keytool(folder, store, "-importkeystore", *source, "-deststorepass", "123456", "-destkeystore")
    for store, roots in (
        ("evccTruststore.jks", ("v2g-root",)),
        ("seccTruststore.jks", ("v2g-root", "mo-root")),
    ):
        for name in roots:
            (folder / f"{name}.der").write_bytes(pki.certificates[name])
            entry = ["-alias", name, "-file", f"{name}.der", "-storepass", "123456"]
            _keytool(folder, store, "-importcert", *entry, "-keystore")
    # The key that signs tariffs, ciphered in the only way that it reads.
    command = [
        "openssl",
        "pkcs8",
        "-topk8",
        "-outform",
        "DER",
        "-v1",
        "PBE-SHA1-3DES",
        "-passout",
        "pass:123456",
    ]
    made = folder / "moSubCA2.pkcs8.der"
    subprocess.run(
        [*command, "-out", str(made)], input=pem_key(pki, "mo-sub2"), check=True, capture_output=True
    )


def _chain(pki: IssuedPki, name: str, alias: str) -> bytes:
    leaf, *others = (x509.load_der_x509_certificate(one) for one in pki.chain(name))
    key = serialization.load_der_private_key(pki.keys[name], None)
    return pkcs12.serialize_key_and_certificates(
        alias.encode(),
        key,  # type: ignore[arg-type]
        leaf,
        others,
        serialization.BestAvailableEncryption(_PASSPHRASE),
    )


def _keytool(folder: Path, store: str, *arguments: str) -> None:
    command = ["keytool", *arguments, store, "-noprompt"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
