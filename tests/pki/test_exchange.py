"""PKCS#12, PEM and DER: what is exported is imported again, by us and by the openssl command."""

from __future__ import annotations

import random
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from iso15118.errors import ConfigError, PkiError
from iso15118.pki import Credential, issue_test_pki
from iso15118.pki.issuing.issue import pem
from iso15118.pki.keys.exchange import (
    export_credential,
    import_certificates,
    import_credential,
    join_credential,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PKIS = {
    "p256": issue_test_pki("iso2", "p256", at=NOW),
    "p521": issue_test_pki("iso20", "p521", at=NOW),
    "ed448": issue_test_pki("iso20", "ed448", at=NOW),
}


@pytest.mark.parametrize("algorithm", PKIS)
@pytest.mark.parametrize("kind", ["p12", "pem"])
@pytest.mark.parametrize("passphrase", [None, b"secret"])
def test_what_is_exported_is_imported(algorithm: str, kind: str, passphrase: bytes | None) -> None:
    credential = PKIS[algorithm].credential("contract")
    data = export_credential(credential, kind, passphrase=passphrase)  # type: ignore[arg-type]
    assert import_credential(data, passphrase=passphrase) == credential
    if passphrase:
        for wrong in (None, b"wrong"):
            with pytest.raises(PkiError):
                import_credential(data, passphrase=wrong)


def test_certificates_in_any_order_with_the_root_become_a_chain() -> None:
    pki = PKIS["p521"]
    key, leaf = export_credential(pki.secc, "pem").split(b"-----END PRIVATE KEY-----\n")[0], pki.secc.chain[0]
    text = pem(pki.v2g_root) + pem(pki.secc.chain[2]) + pem(leaf) + pem(pki.secc.chain[1])
    data = key + b"-----END PRIVATE KEY-----\n" + text.encode()
    assert import_credential(data) == pki.secc
    assert import_certificates(text.encode())[2] == leaf
    assert import_certificates(export_credential(pki.secc, "der")) == [leaf]


def test_what_does_not_fit_is_refused() -> None:
    pki = PKIS["ed448"]
    odd = Credential(chain=pki.vehicle.chain, key=pki.secc.key)
    with pytest.raises(PkiError):
        import_credential(export_credential(odd, "pem"))
    with pytest.raises(PkiError):
        export_credential(odd, "p12")
    with pytest.raises(PkiError, match="no private key"):
        import_credential(pem(pki.v2g_root).encode())
    with pytest.raises(ConfigError):
        export_credential(pki.secc, "jks")  # type: ignore[arg-type]
    generator = random.Random(11)
    good = export_credential(pki.secc, "p12", passphrase=b"x")
    for _ in range(40):
        changed = bytearray(good)
        changed[generator.randrange(len(good))] ^= 1 << generator.randrange(8)
        try:
            read = import_credential(bytes(changed), passphrase=b"x")
        except PkiError:
            continue
        assert read.key == pki.secc.key  # a bit that means nothing, such as of a friendly name
    for data in (b"", b"\x30\x80", b"-----BEGIN CERTIFICATE-----\n!", bytes(2_000_000)):
        with pytest.raises(PkiError):
            import_credential(data)
        with pytest.raises(PkiError):
            import_certificates(data)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
@pytest.mark.parametrize("algorithm", PKIS)
def test_the_openssl_command_reads_our_pkcs12(tmp_path: Path, algorithm: str) -> None:
    file = tmp_path / "secc.p12"
    file.write_bytes(export_credential(PKIS[algorithm].secc, "p12", passphrase=b"secret", name="secc"))
    done = subprocess.run(
        ["openssl", "pkcs12", "-in", str(file), "-passin", "pass:secret", "-nodes"],
        capture_output=True,
        check=True,
    )
    assert import_credential(done.stdout) == PKIS[algorithm].secc


def test_a_chain_is_ordered_by_keys_and_not_by_names_only() -> None:
    """Another CA may have the issuer's name, as here where two PKIs have the same names."""
    twin = issue_test_pki("iso20", "ed448", at=NOW)
    ours = PKIS["ed448"].secc
    for strangers in (twin.secc.chain[1:], reversed(twin.secc.chain[1:])):
        mixed = [*strangers, *reversed(ours.chain)]
        assert join_credential(mixed, ours.key).chain == ours.chain
