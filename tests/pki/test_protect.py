"""Keys at rest: what encrypts them, what that costs who guesses, and where passphrases come from."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from iso15118.errors import ConfigError, PkiError
from iso15118.pki import Store, issue_test_pki
from iso15118.pki.issuing.issue import load_key, pem
from iso15118.pki.keys.exchange import FORMATS, Format, export_credential, export_key, import_credential
from iso15118.pki.keys.protect import (
    ROUNDS,
    PassphraseError,
    encrypted_key,
    opened_key,
    passphrase_of,
    protection_of,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PKI = issue_test_pki("iso20", "p521", at=NOW)
KEY = load_key(PKI.secc.key)
WORD = b"correct horse"


def library_encrypted() -> bytes:
    """As the store wrote keys before: 2,048 rounds."""
    return KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(WORD))


def test_other_tools_open_what_is_encrypted_here(tmp_path: Path) -> None:
    made = encrypted_key(KEY, WORD)
    assert opened_key(made, WORD) == PKI.secc.key
    (tmp_path / "key.pem").write_bytes(made)
    command = [
        "openssl",
        "pkey",
        "-in",
        str(tmp_path / "key.pem"),
        "-passin",
        "pass:correct horse",
        "-outform",
        "DER",
    ]
    told = subprocess.run(command, capture_output=True, check=True)
    assert load_key(told.stdout).private_numbers() == KEY.private_numbers()  # type: ignore[union-attr]
    parsed = subprocess.run(
        ["openssl", "asn1parse", "-in", str(tmp_path / "key.pem")], capture_output=True, check=True, text=True
    )
    assert f":{ROUNDS:X}" in parsed.stdout.replace(":0", ":")
    assert ROUNDS >= 600_000


def test_the_cost_of_a_file_is_told(tmp_path: Path) -> None:
    plain = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert protection_of(encrypted_key(KEY, WORD)) == "strong"
    assert protection_of(encrypted_key(KEY, WORD, rounds=ROUNDS - 1)) == "weak"
    assert protection_of(library_encrypted()) == "weak"
    assert protection_of(plain) == "none"
    assert protection_of(PKI.secc.key) == "none"
    (tmp_path / "plain.pem").write_bytes(plain)
    for option, kind in (("-scrypt", "weak"), ("-v1", "weak")):
        arguments = [option] if option == "-scrypt" else [option, "PBE-SHA1-3DES"]
        made = subprocess.run(
            [
                "openssl",
                "pkcs8",
                "-topk8",
                "-in",
                str(tmp_path / "plain.pem"),
                *arguments,
                "-passout",
                "pass:x",
            ],
            capture_output=True,
            check=True,
        )
        assert protection_of(made.stdout) == kind


def test_encrypted_stores_need_their_passphrase(tmp_path: Path) -> None:
    sealed = Store(tmp_path, passphrase=WORD)
    sealed.add_own("secc", PKI.secc)
    sealed.add_anchor("v2g", "root", PKI.v2g_root)
    assert protection_of((tmp_path / "own" / "secc" / "key.pem").read_bytes()) == "strong"
    assert sealed.read().own["secc"] == PKI.secc
    assert sealed.read().warnings == ()
    assert "horse" not in repr(sealed)
    for wrong, why in ((None, "is needed"), (b"wrong", "is wrong")):
        with pytest.raises(PkiError, match=f"secc/key.pem is encrypted, and the passphrase {why}"):
            Store(tmp_path, passphrase=wrong).read()
        contents = Store(tmp_path, passphrase=wrong).read(keys=False)
        assert contents.anchors["V2G"] == (PKI.v2g_root,)
        assert not contents.own


def test_a_passphrase_is_asked_for_once_and_only_when_it_is_needed(tmp_path: Path) -> None:
    asked: list[int] = []

    def ask() -> bytes:
        asked.append(1)
        return WORD

    Store(tmp_path).add_anchor("v2g", "root", PKI.v2g_root)
    store = Store(tmp_path, passphrase=ask)
    store.read()
    assert not asked
    store.add_own("secc", PKI.secc)
    assert store.read().own["secc"] == PKI.secc
    store.read()
    assert len(asked) == 1


def test_keys_of_yesterday_are_read_with_a_warning_and_encrypted_anew_with_the_next_write(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("old", "open"):
        Store(tmp_path).add_own(name, PKI.secc)
    chain = "".join(pem(der) for der in PKI.secc.chain).encode()
    (tmp_path / "own" / "old" / "key.pem").write_bytes(library_encrypted() + chain)
    store = Store(tmp_path, passphrase=WORD)
    contents = store.read()
    assert set(contents.own) == {"old", "open"}
    assert ["easily guessed" in one.reason for one in contents.warnings] == [True, False]
    assert "is not encrypted" in caplog.text
    store.add_anchor("v2g", "root", PKI.v2g_root)
    for name in ("old", "open"):
        assert protection_of((tmp_path / "own" / name / "key.pem").read_bytes()) == "strong"
    contents = store.refreshed()
    assert contents.warnings == ()
    assert contents.own == {"old": PKI.secc, "open": PKI.secc}


def test_an_unchanged_key_is_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path, passphrase=WORD)
    store.add_own("secc", PKI.secc)
    before = store.read()
    with monkeypatch.context() as patched:
        patched.setattr("iso15118.pki.store_reading.opened_key", None)
        store.add_anchor("v2g", "root", PKI.v2g_root)
        assert store.refreshed().own == before.own
    store.add_own("secc", PKI.credential("cps"))
    assert store.refreshed().own["secc"] == PKI.credential("cps")


def test_an_empty_passphrase_is_an_error_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="it is empty"):
        Store(tmp_path, passphrase=b"")
    with pytest.raises(ConfigError, match="it is empty"):
        Store(tmp_path, passphrase=lambda: b"").add_own("secc", PKI.secc)
    for kind in FORMATS[:2]:
        with pytest.raises(ConfigError, match="it is empty"):
            export_credential(PKI.secc, kind, passphrase=b"")
    with pytest.raises(ConfigError, match="it is empty"):
        export_key(PKI.secc, passphrase=b"")
    assert not list(tmp_path.iterdir())
    empty = tmp_path / "empty"
    empty.touch(0o600)
    empty.write_bytes(b"\n")
    with pytest.raises(ConfigError, match="is empty"):
        passphrase_of(file=empty)
    monkeypatch.setenv("SOME_WORD", "")
    with pytest.raises(ConfigError, match="SOME_WORD is empty"):
        passphrase_of(variable="SOME_WORD")


def test_a_passphrase_comes_from_a_file_or_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "word"
    file.touch(0o600)
    file.write_bytes(b"correct horse\r\n")
    assert passphrase_of(file=file) == WORD
    file.chmod(0o640)
    with pytest.raises(ConfigError, match=f"contracts.passphrase_file: .*chmod 600 {file}"):
        passphrase_of(file=file, keys=("contracts.passphrase_file", ""))
    os.mkfifo(tmp_path / "pipe", 0o600)
    for odd in (tmp_path / "pipe", tmp_path):
        with pytest.raises(ConfigError, match=r"no ordinary file|Is a directory|chmod 700"):
            passphrase_of(file=odd)
    with pytest.raises(ConfigError, match="No such file"):
        passphrase_of(file=tmp_path / "none")
    monkeypatch.setenv("SOME_WORD", "correct horse")
    assert passphrase_of(variable="SOME_WORD") == WORD
    with pytest.raises(ConfigError, match="NO_WORD is not set"):
        passphrase_of(variable="NO_WORD")
    with pytest.raises(ConfigError, match="name one of them"):
        passphrase_of(file=file, variable="SOME_WORD")
    assert passphrase_of() is None


@pytest.mark.parametrize("kind", ["pem", "p12"])
def test_exports_cost_who_guesses_as_much(kind: Format) -> None:
    made = export_credential(PKI.secc, kind, passphrase=WORD)
    assert import_credential(made, passphrase=WORD) == PKI.secc
    if kind == "pem":
        assert protection_of(made) == "strong"
    assert protection_of(export_key(PKI.secc, passphrase=WORD)) == "strong"


def test_a_missing_or_wrong_passphrase_has_an_error_of_its_own() -> None:
    made = encrypted_key(KEY, WORD, rounds=1000)
    for wrong in (None, b"wrong"):
        with pytest.raises(PassphraseError, match="private key"):
            opened_key(made, wrong)
