"""The store: what is written is read back, nothing is half written, and what is unsafe or broken is refused."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from iso15118.errors import ConfigError, PkiError
from iso15118.pki import Credential, issue_test_pki, verify_chain
from iso15118.pki.crl import crl
from iso15118.pki.issue import load_key, pem
from iso15118.pki.ocsp import ocsp_response
from iso15118.pki.store import Store

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PKI = issue_test_pki("iso20", "ed448", at=NOW)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    made.add_anchor("v2g", "root", PKI.v2g_root)
    made.add_anchor("mo", "root", PKI.certificates["mo-root"])
    made.add_own("secc", PKI.secc)
    made.add_contract(PKI.credential("contract"))
    made.add_crl("v2g", b"a list")
    made.add_response(PKI.secc.chain[0], b"a response")
    return made


def test_what_is_added_is_read(store: Store) -> None:
    contents = store.read()
    assert contents.anchors["V2G"] == (PKI.v2g_root,)
    assert contents.anchors["MO"] == (PKI.certificates["mo-root"],)
    assert contents.anchors["OEM"] == ()
    assert contents.own["secc"] == PKI.secc
    assert list(contents.contracts) == ["DE8AACA2B3C4D5"]
    assert contents.crls == (b"a list",)
    assert contents.staples(PKI.secc.chain) == (b"a response", None, None)
    assert "key hidden" in repr(contents)
    assert PKI.secc.key.hex()[:16] not in repr(contents)


def test_keys_are_for_the_owner_only_and_refused_otherwise(store: Store) -> None:
    key = store.directory / "own" / "secc" / "key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o640)
    with pytest.raises(PkiError, match="chmod 600"):
        store.read()


def test_changes_are_noticed_and_a_broken_one_leaves_the_old(store: Store) -> None:
    before = store.read()
    assert store.refreshed() is before
    store.add_anchor("oem", "root", PKI.oem_root)
    after = store.refreshed()
    assert after.anchors["OEM"] == (PKI.oem_root,)
    assert before.anchors["OEM"] == ()
    (store.directory / "anchors" / "oem" / "root.pem").write_bytes(b"garbage")
    with pytest.raises(PkiError, match=r"root\.pem"):
        store.refreshed()
    with pytest.raises(PkiError):
        store.refreshed()
    assert after.anchors["OEM"] == (PKI.oem_root,)


def test_a_write_that_fails_leaves_what_was_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(PkiError, match="No space"):
            store.add_anchor("v2g", "root", PKI.certificates["pe-root"])
    assert store.read().anchors["V2G"] == (PKI.v2g_root,)
    assert not list(store.directory.rglob(".new-*"))


def test_encrypted_keys_need_their_passphrase(tmp_path: Path) -> None:
    sealed = Store(tmp_path, passphrase=b"correct horse")
    sealed.add_own("secc", PKI.secc)
    assert b"ENCRYPTED" in (tmp_path / "own" / "secc" / "key.pem").read_bytes()
    assert sealed.read().own["secc"] == PKI.secc
    assert "horse" not in repr(sealed)
    for wrong in (None, b"wrong"):
        with pytest.raises(PkiError, match="private key"):
            Store(tmp_path, passphrase=wrong).read()


def test_only_roots_are_trusted_and_only_keys_that_fit_are_kept(store: Store) -> None:
    for der in (PKI.secc.chain[0], PKI.secc.chain[1], b"garbage"):
        with pytest.raises(PkiError, match="trust anchor"):
            store.add_anchor("v2g", "sub", der)
    with pytest.raises(PkiError, match="not the one"):
        store.add_own("odd", Credential(chain=PKI.secc.chain, key=PKI.vehicle.key))
    with pytest.raises(PkiError):
        store.add_own("odd", Credential(chain=(), key=PKI.vehicle.key))
    with pytest.raises(ConfigError):
        store.add_anchor("csms", "root", PKI.v2g_root)
    for name in ("../secc", "", "a/b", ".hidden", "x" * 200):
        with pytest.raises(ConfigError):
            store.add_own(name, PKI.secc)


def test_contracts_are_replaced_and_removed_by_their_emaid(store: Store) -> None:
    again = issue_test_pki("iso20", "ed448", at=NOW, emaid="DE8AACA2B3C4D5").credential("contract")
    assert store.add_contract(again) == "DE8AACA2B3C4D5"
    assert store.read().contracts["DE8AACA2B3C4D5"] == again
    store.remove_contract("DE-8AA-CA2B3C4D5-L")
    assert not store.read().contracts
    with pytest.raises(PkiError, match="no contract"):
        store.remove_contract("DE-8AA-CA2B3C4D5-L")


def test_what_others_may_write_is_not_trusted(store: Store) -> None:
    for path in (
        store.directory / "anchors" / "v2g" / "root.pem",
        store.directory / "anchors" / "v2g",
        store.directory,
    ):
        mode = stat.S_IMODE(path.stat().st_mode)
        for bit in (stat.S_IWGRP, stat.S_IWOTH):
            path.chmod(mode | bit)
            with pytest.raises(PkiError, match=f"{path} may be written by others; chmod go-w"):
                store.read()
        path.chmod(mode)
    assert store.read().anchors["V2G"] == (PKI.v2g_root,)


def test_a_hidden_folder_is_looked_at_too(store: Store) -> None:
    hidden = store.directory / "anchors" / "v2g" / ".old"
    hidden.mkdir()
    (store.directory / "anchors" / "v2g" / "root.pem").rename(hidden / "root.pem")
    assert store.read().anchors["V2G"] == (PKI.v2g_root,)
    hidden.chmod(0o777)
    with pytest.raises(PkiError, match="may be written by others"):
        store.read()


def test_a_lax_umask_makes_no_lax_store(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = Store(tmp_path / "new" / "store")
        made.add_own("secc", PKI.secc)
    finally:
        os.umask(before)
    assert made.read().own["secc"] == PKI.secc
    assert stat.S_IMODE((tmp_path / "new" / "store" / "own").stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_somebody_else_is_not_trusted(store: Store) -> None:
    os.chown(store.directory / "anchors" / "v2g" / "root.pem", 12345, -1)
    with pytest.raises(PkiError, match="belongs to another user"):
        store.read()


def test_a_crash_between_key_and_chain_leaves_a_whole_credential(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = issue_test_pki("iso20", "ed448", at=NOW).secc
    written: list[int] = []

    def fails_second(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) == 2:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails_second)
        with pytest.raises(PkiError, match="No space"):
            store.add_own("secc", new)
    assert store.read().own["secc"] == new


def test_a_key_and_a_chain_in_two_files_are_taken_too(store: Store) -> None:
    folder = store.directory / "own" / "secc"
    text = (folder / "key.pem").read_text()
    (folder / "key.pem").write_text(text[: text.index("-----BEGIN CERTIFICATE")])
    assert store.read().own["secc"] == PKI.secc
    (folder / "chain.pem").write_text(pem(PKI.vehicle.chain[0]))
    with pytest.raises(PkiError, match=r"secc/key\.pem: the key is not the one"):
        store.read()


def test_what_is_removed_is_gone(store: Store) -> None:
    store.remove_own("secc")
    store.remove_anchor("mo", "root")
    contents = store.refreshed()
    assert not contents.own
    assert contents.anchors["MO"] == ()
    with pytest.raises(PkiError, match="no chain 'secc'"):
        store.remove_own("secc")
    with pytest.raises(PkiError, match="no anchor 'root' for mo"):
        store.remove_anchor("mo", "root")
    with pytest.raises(ConfigError, match="purpose"):
        store.remove_anchor("csms", "root")


def test_stale_evidence_is_pruned_and_the_rest_speaks_for_a_chain(store: Store) -> None:
    leaf, sub2, _ = PKI.secc.chain
    responder = PKI.responder("cpo-sub2")
    made = ocsp_response(
        leaf,
        sub2,
        responder_der=responder.chain[0],
        key=load_key(responder.key),
        this_update=NOW,
        next_update=NOW + timedelta(days=3),
        status="revoked",
    )
    store.add_response(leaf, made)
    listed = crl(
        PKI.v2g_root, load_key(PKI.keys["v2g-root"]), last_update=NOW, next_update=NOW + timedelta(days=1)
    )
    store.add_crl("v2g", listed)
    contents = store.read()
    verdict = verify_chain(
        PKI.secc.chain,
        role="secc",
        anchors_der=contents.anchors,
        at=NOW,
        edition="iso20",
        revocation=contents.revocation(PKI.secc.chain, required=False),
    )
    assert [one.code for one in verdict.violations] == ["revoked"]
    assert store.prune(NOW) == 0
    assert store.prune(NOW + timedelta(days=2)) == 1
    assert store.refreshed().crls == ()
    assert store.prune(NOW + timedelta(days=4)) == 1
    assert not store.refreshed().responses


def test_signers_come_by_name(store: Store) -> None:
    contents = store.read()
    assert contents.signer("secc").chain == PKI.secc.chain
    assert contents.signer("DE8AACA2B3C4D5").algorithm == "ed448"
    with pytest.raises(ConfigError, match="'nobody' is not in the store"):
        contents.signer("nobody")


def test_an_empty_or_absent_directory_is_an_empty_store(tmp_path: Path) -> None:
    contents = Store(tmp_path / "none").read()
    assert not contents.own
    assert not any(contents.anchors.values())
