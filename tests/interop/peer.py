"""The peer's own environment and its certificates, in a folder outside the project:
made once, used by every run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from iso15118.pki import IssuedPki

__all__ = [
    "CACHE",
    "PACKAGES",
    "environment",
    "lay_out_iso2",
    "lay_out_pki",
    "own_surroundings",
    "pem",
    "pem_key",
    "their_pki",
]

PACKAGES = ("iso15118==0.31.2", "aiofile<4")
"""The peer; it does not start with aiofile 4."""


CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "iso15118-interop"
"""Where the peer's environment is unless another place is named."""


def own_surroundings() -> dict[str, str]:
    """Environment variables for the peer's Python: with a PYTHONPATH of ours it would find this
    package by the same name."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}


def environment(folder: Path) -> Path:
    """The peer's Python, installed at the first call. Raises ``OSError`` with what is missing."""
    if shutil.which("java") is None:
        raise OSError("the peer needs a Java runtime (java, 8 or later) for its EXI codec")
    python = folder / "venv" / "bin" / "python"
    ready = folder / "venv" / "ready"
    if not ready.exists():
        print(f"making the peer's environment in {folder / 'venv'}", file=sys.stderr, flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder / "venv")], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES], check=True, env=own_surroundings())
        ready.touch()
    return python


def lay_out_pki(pki: IssuedPki, ours: Path, folder: Path) -> None:
    """Our certificates, written to ``ours`` by our issuer, under the names the peer looks
    for in its PKI_PATH ``folder``.

    As EVCC the peer calls its TLS certificate the OEM's; it gets the vehicle
    certificate there, as -20 wants it.
    """
    certificates, keys = _folders(folder)
    for made in (certificates, keys):
        made.mkdir(parents=True)

    def chain(name: str) -> str:
        names, at = [], name
        while (issuer := pki.issuers[at]) is not None:
            names.append(at)
            at = issuer
        return "".join((ours / f"{one}.pem").read_text() for one in names)

    (certificates / "v2gRootCACert.pem").write_text((ours / "v2g-root.pem").read_text())
    (certificates / "oemRootCACert.pem").write_text((ours / "oem-root.pem").read_text())
    (certificates / "cpoCertChain.pem").write_text(chain("secc"))
    (certificates / "oemCertChain.pem").write_text(chain("vehicle"))
    for name, theirs in (("secc", "seccLeaf"), ("vehicle", "oemLeaf"), ("contract", "contractLeaf")):
        key = keys / f"{theirs}.key"
        key.touch(mode=0o600)
        key.write_text((ours / f"{name}.key").read_text())
        (keys / f"{theirs}Password.txt").write_text("\n")  # the keys of our issuer have no password
    for name, theirs in (
        ("contract", "contractLeaf"),
        ("mo-sub2", "moSubCA2"),
        ("mo-sub1", "moSubCA1"),
        ("mo-root", "moRootCA"),
    ):
        (certificates / f"{theirs}Cert.der").write_bytes(pki.certificates[name])


_ISO2 = {
    "v2g-root": "v2gRootCA",
    "cpo-sub1": "cpoSubCA1",
    "cpo-sub2": "cpoSubCA2",
    "secc": "seccLeaf",
    "cps-sub1": "cpsSubCA1",
    "cps-sub2": "cpsSubCA2",
    "cps": "cpsLeaf",
    "oem-root": "oemRootCA",
    "oem-sub1": "oemSubCA1",
    "oem-sub2": "oemSubCA2",
    "oemprov": "oemLeaf",
    "mo-root": "moRootCA",
    "mo-sub1": "moSubCA1",
    "mo-sub2": "moSubCA2",
    "contract": "contractLeaf",
}
"""Our names of an ``iso2`` test PKI, and theirs."""


def lay_out_iso2(pki: IssuedPki, folder: Path) -> None:
    """Our certificates of ISO 15118-2 under the names the peer looks for in its PKI_PATH
    ``folder``, all with their keys."""
    certificates, keys = _folders(folder)
    for made in (certificates, keys):
        made.mkdir(parents=True)
    for name, theirs in _ISO2.items():
        (certificates / f"{theirs}Cert.der").write_bytes(pki.certificates[name])
        (certificates / f"{theirs}Cert.pem").write_text(pem([pki.certificates[name]]))
        key = keys / f"{theirs}.key"
        key.touch(mode=0o600)
        key.write_bytes(pem_key(pki, name))
        (keys / f"{theirs}Password.txt").write_text("\n")  # none
    (certificates / "cpoCertChain.pem").write_text(pem(pki.chain("secc")))
    (certificates / "oemCertChain.pem").write_text(pem(pki.chain("oemprov")))


def pem_key(pki: IssuedPki, name: str) -> bytes:
    """The private key as PEM without a password."""
    return serialization.load_der_private_key(pki.keys[name], None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def pem(chain: Sequence[bytes]) -> str:
    """Certificates (DER) as one file of PEM."""
    return "".join(
        x509.load_der_x509_certificate(one).public_bytes(serialization.Encoding.PEM).decode() for one in chain
    )


_THEIRS = {
    "v2g-root": ("v2gRootCA", None),
    "cpo-sub1": ("cpoSubCA1", "v2g-root"),
    "cpo-sub2": ("cpoSubCA2", "cpo-sub1"),
    "secc": ("seccLeaf", "cpo-sub2"),
    "oem-root": ("oemRootCA", None),
    "oem-sub1": ("oemSubCA1", "oem-root"),
    "oem-sub2": ("oemSubCA2", "oem-sub1"),
    "vehicle": ("oemLeaf", "oem-sub2"),
}
"""Our names, theirs, and the issuer. The peer has no vehicle certificate: it shows its
provisioning certificate."""


def their_pki(python: Path, ours: Path, folder: Path) -> None:
    """Certificates made by the peer's own script, in ``folder`` for the peer and in ``ours`` for us."""
    where = [
        str(python),
        "-c",
        "import iso15118.shared, os; print(os.path.dirname(iso15118.shared.__file__))",
    ]
    said = subprocess.run(where, cwd="/", env=own_surroundings(), check=True, capture_output=True, text=True)
    package = Path(said.stdout.strip())
    folder.mkdir(parents=True)
    (folder / "configs").symlink_to(package / "pki" / "configs")
    # Its keys are ciphered with the password that its documentation gives.
    script = ["bash", str(package / "pki" / "create_certs.sh"), "-v", "iso-2"]
    subprocess.run(script, cwd=folder, check=True, capture_output=True)
    certificates, keys = _folders(folder)
    made, secret = {}, {}
    for name, (theirs, _) in _THEIRS.items():
        pem = (certificates / f"{theirs}Cert.pem").read_bytes()
        made[name] = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
        key = serialization.load_pem_private_key((keys / f"{theirs}.key").read_bytes(), b"12345")
        secret[name] = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    issuers = {name: issuer for name, (_, issuer) in _THEIRS.items()}
    IssuedPki(edition="lab", certificates=made, issuers=issuers, keys=secret).write(ours)


def _folders(folder: Path) -> tuple[Path, Path]:
    return folder / "iso15118_2" / "certs", folder / "iso15118_2" / "private_keys"
