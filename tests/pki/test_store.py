"""The store: what is written is read back, nothing is half written, and what is unsafe or broken is
refused."""

from __future__ import annotations

import os
import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from iso15118.errors import ConfigError, PkiError
from iso15118.pki import Credential, issue_test_pki, verify_chain
from iso15118.pki.issuing.issue import issue_leaf, load_key, pem
from iso15118.pki.status.crl import crl
from iso15118.pki.status.ocsp import ocsp_request, ocsp_response
from iso15118.pki.status.responder import OcspResponder
from iso15118.pki.store import Store
from iso15118.pnc.vehicle_contracts import StoredContracts

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PKI = issue_test_pki("iso20", "ed448", at=NOW)
LIST = crl(PKI.v2g_root, load_key(PKI.keys["v2g-root"]), last_update=NOW, next_update=NOW + timedelta(days=9))
RESPONSE = OcspResponder(PKI).respond(ocsp_request(*PKI.secc.chain[:2]), NOW)
EMAID = "DE8AACA2B3C4D5"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    made.add_anchor("v2g", "root", PKI.v2g_root)
    made.add_anchor("mo", "root", PKI.certificates["mo-root"])
    made.add_own("secc", PKI.secc)
    made.add_contract(PKI.credential("contract"))
    made.add_crl("v2g", LIST)
    made.add_response(PKI.secc.chain[0], RESPONSE)
    return made


def test_what_is_added_is_read(store: Store) -> None:
    contents = store.read()
    assert contents.anchors["V2G"] == (PKI.v2g_root,)
    assert contents.anchors["MO"] == (PKI.certificates["mo-root"],)
    assert contents.anchors["OEM"] == ()
    assert contents.own["secc"] == PKI.secc
    assert list(contents.contracts) == ["DE8AACA2B3C4D5"]
    assert contents.crls == (LIST,)
    assert contents.staples(PKI.secc.chain) == (RESPONSE, None, None)
    assert "key hidden" in repr(contents)
    assert PKI.secc.key.hex()[:16] not in repr(contents)


@pytest.mark.parametrize("bits", [0o040, 0o004, 0o020, 0o002, 0o066])
def test_a_key_that_others_may_read_or_write_is_refused_with_the_command_that_mends_it(
    store: Store, bits: int, caplog: pytest.LogCaptureFixture
) -> None:
    key = store.directory / "own" / "secc" / "key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o600 | bits)
    contents = store.read()
    assert not contents.own
    (problem,) = contents.problems
    assert problem.path == key
    assert f"{'go-w' if bits & 0o022 else '600'} {key}`" in problem.reason
    assert str(key) in caplog.text
    assert list(contents.contracts) == [EMAID]
    key.chmod(0o600)
    assert store.refreshed().own["secc"] == PKI.secc


BAD = {
    "contracts/DE8AACA2B3C4D5/key.pem": "no private key|private key",
    "own/secc/key.pem": "private key",
    "anchors/v2g/root.pem": "certificate|PEM|Unable",
    "crl/v2g.crl": "no revocation list",
}


@pytest.mark.parametrize(
    "content", [b"", b"garbage", bytes(5 * 1024 * 1024)], ids=["empty", "garbage", "endless"]
)
@pytest.mark.parametrize("name", BAD)
def test_one_bad_file_costs_that_file(store: Store, name: str, content: bytes) -> None:
    good = store.read()
    (store.directory / name).write_bytes(content)
    contents = store.refreshed()
    (problem,) = contents.problems
    assert problem.path == store.directory / name
    assert problem.reason
    kept = {
        "contracts": (contents.contracts, good.contracts),
        "own": (contents.own, good.own),
        "anchors": (contents.anchors["V2G"], good.anchors["V2G"]),
        "crl": (contents.crls, good.crls),
    }
    for kind, (now, before) in kept.items():
        assert (now == before) is (not name.startswith(kind)), kind
    assert contents.anchors["MO"] == good.anchors["MO"]
    assert contents.responses == good.responses


def test_what_is_out_of_place_is_said(store: Store) -> None:
    contracts, anchors = store.directory / "contracts", store.directory / "anchors"
    (contracts / EMAID).rename(contracts / "DE8AAC00000001")
    (anchors / "csms").mkdir()
    (anchors / "csms" / "root.pem").write_text(pem(PKI.v2g_root))
    (anchors / "oem").mkdir()
    (anchors / "oem" / "leaf.pem").write_text(pem(PKI.secc.chain[0]))
    contents = store.read()
    assert not contents.contracts
    assert contents.anchors["OEM"] == ()
    said = "\n".join(map(str, contents.problems))
    assert f"it is the contract {EMAID}, in the folder of another one" in said
    assert "trusted for nothing" in said
    assert "is no root" in said
    assert len(contents.problems) == 3


def test_a_folder_of_another_contract_is_refused_beside_the_right_one(store: Store) -> None:
    shutil.copytree(store.directory / "contracts" / EMAID, store.directory / "contracts" / "DE8AAC00000001")
    contents = store.read()
    assert list(contents.contracts) == [EMAID]
    assert len(contents.problems) == 1


def test_changes_are_noticed(store: Store) -> None:
    before = store.read()
    assert store.refreshed() is before
    store.add_anchor("oem", "root", PKI.oem_root)
    after = store.refreshed()
    assert after.anchors["OEM"] == (PKI.oem_root,)
    assert before.anchors["OEM"] == ()


def test_a_write_that_fails_leaves_what_was_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(PkiError, match="No space"):
            store.add_anchor("v2g", "root", PKI.certificates["pe-root"])
    assert store.read().anchors["V2G"] == (PKI.v2g_root,)
    assert not list(store.directory.rglob(".new-*"))


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
    newer = issue_leaf(PKI, "contract", "newer", at=NOW + timedelta(days=2)).credential("newer")
    store.add_contract(newer)
    for older in (again, PKI.credential("contract")):
        with pytest.raises(
            PkiError, match="the store has a newer one, valid from 2027-01-02; remove it first"
        ):
            store.add_contract(older)
    assert store.read().contracts["DE8AACA2B3C4D5"] == newer
    store.remove_contract("DE-8AA-CA2B3C4D5-L")
    assert not store.read().contracts
    with pytest.raises(PkiError, match="no contract"):
        store.remove_contract("DE-8AA-CA2B3C4D5-L")
    store.add_contract(again)
    assert store.read().contracts["DE8AACA2B3C4D5"] == again


OLDER = issue_test_pki("iso2", "p256", at=NOW, emaid=EMAID).credential("contract")
"""A contract of ISO 15118-2 with the EMAID of that of ISO 15118-20."""


def test_a_contract_of_each_edition_may_have_the_same_emaid(store: Store) -> None:
    newer = PKI.credential("contract")
    assert store.add_contract(OLDER) == EMAID
    assert dict(store.read().contracts) == {EMAID: newer, f"{EMAID}.p256": OLDER}
    assert {one.name for one in (store.directory / "contracts").iterdir()} == {EMAID, f"{EMAID}.p256"}
    held = StoredContracts(store).present
    assert {one.chain for one in held.signers} == {newer.chain, OLDER.chain}
    (of_iso20,), (of_iso2,) = held.usable(), held.usable(edition="iso2")
    assert (of_iso20.signer.chain, of_iso2.signer.chain) == (newer.chain, OLDER.chain)


def test_one_of_the_two_or_both_are_removed(store: Store) -> None:
    store.add_contract(OLDER)
    store.remove_contract(f"{EMAID}.p256")
    assert dict(store.read().contracts) == {EMAID: PKI.credential("contract")}
    store.add_contract(OLDER)
    store.remove_contract(EMAID)
    assert not store.read().contracts
    store.add_contract(OLDER)
    assert dict(store.read().contracts) == {EMAID: OLDER}, "alone it has the plain name"
    store.remove_contract(EMAID)
    with pytest.raises(PkiError, match="no contract"):
        store.remove_contract(f"{EMAID}.p256")


def test_a_store_of_an_older_release_is_read_as_it_is_and_put_in_order_when_it_is_written(
    tmp_path: Path,
) -> None:
    """There a contract of ISO 15118-2 had the folder that is now that of ISO 15118-20."""
    store = Store(tmp_path / "store")
    store.add_contract(OLDER)
    folder = store.directory / "contracts"
    (folder / f"{EMAID}.p256").rename(folder / EMAID)
    assert dict(Store(store.directory).read().contracts) == {EMAID: OLDER}
    assert (folder / EMAID).is_dir(), "who only reads changes nothing"
    again = Store(store.directory)
    again.add_contract(PKI.credential("contract"))
    assert dict(again.read().contracts) == {EMAID: PKI.credential("contract"), f"{EMAID}.p256": OLDER}
    assert again.read().problems == ()


def test_where_both_names_are_taken_nothing_is_lost(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.add_contract(OLDER)
    folder = store.directory / "contracts"
    shutil.copytree(folder / f"{EMAID}.p256", folder / EMAID)
    store.add_anchor("v2g", "root", PKI.v2g_root)
    assert set(store.read().contracts) == {EMAID, f"{EMAID}.p256"}


def test_what_others_may_write_is_not_trusted(store: Store) -> None:
    for path in (store.directory / "anchors" / "v2g" / "root.pem", store.directory / "anchors" / "v2g"):
        mode = stat.S_IMODE(path.stat().st_mode)
        for bit in (stat.S_IWGRP, stat.S_IWOTH):
            path.chmod(mode | bit)
            contents = store.refreshed()
            assert [str(one) for one in contents.problems] == [
                f"{path}: it may be written by others; `chmod go-w {path}` mends it"
            ]
            assert contents.anchors["V2G"] == ()
            assert contents.anchors["MO"] == (PKI.certificates["mo-root"],)
        path.chmod(mode)
    assert store.refreshed().anchors["V2G"] == (PKI.v2g_root,)
    store.directory.chmod(0o777)
    with pytest.raises(PkiError, match="may be written by others; `chmod go-w"):
        store.read()


def test_what_is_hidden_is_not_read(store: Store) -> None:
    hidden = store.directory / "anchors" / "v2g" / ".old"
    hidden.mkdir()
    (store.directory / "anchors" / "v2g" / "root.pem").rename(hidden / "root.pem")
    contents = store.read()
    assert contents.anchors["V2G"] == ()
    assert contents.problems == ()


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
    (problem,) = store.read().problems
    assert "belongs to another user (12345); `chown" in problem.reason


def test_a_key_and_a_chain_in_two_files_are_taken_too(store: Store) -> None:
    folder = store.directory / "own" / "secc"
    text = (folder / "key.pem").read_text()
    (folder / "key.pem").write_text(text[: text.index("-----BEGIN CERTIFICATE")])
    assert store.read().own["secc"] == PKI.secc
    (folder / "chain.pem").write_text(pem(PKI.vehicle.chain[0]))
    (problem,) = store.refreshed().problems
    assert str(problem).endswith("secc/key.pem: the key is not the one of the certificate")


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
