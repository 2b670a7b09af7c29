"""A process that is killed while it changes the store, at every step: the old state or the new one, no stray
key, nothing half removed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from iso15118.errors import PkiError
from iso15118.files import locked, sweep, write_whole
from iso15118.pki import Credential, Store, issue_test_pki
from iso15118.pki.issuing.issue import issue_leaf

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PKI = issue_test_pki("iso20", "ed448", at=NOW)
OLD = PKI.credential("contract")
NEW = issue_leaf(PKI, "contract", "newer", at=NOW + timedelta(days=1)).credential("newer")
EMAID = "DE8AACA2B3C4D5"
CALLS = ("open", "fsync", "link", "replace", "rename", "unlink", "rmdir", "mkdir", "close", "chmod", "fchmod")
"""What changes a file system, and what stands between two changes."""


def killed_at(step: int, after: bool, work: Callable[[], Any]) -> bool:
    """Do it in a child that is killed before (or after) its ``step``-th call to the system; False if it has
    fewer.
    """
    child = os.fork()
    if child == 0:
        count = 0

        def fatal(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **options: Any) -> Any:
                nonlocal count
                count += 1
                if count == step and not after:
                    os.kill(os.getpid(), signal.SIGKILL)
                number = count
                try:
                    return real(*args, **options)
                finally:
                    if number == step:
                        os.kill(os.getpid(), signal.SIGKILL)

            return call

        for name in CALLS:
            setattr(os, name, fatal(getattr(os, name)))
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def keys_in(directory: Path) -> list[Path]:
    return [one for one in directory.rglob("*") if one.is_file() and b"PRIVATE KEY" in one.read_bytes()]


def filled(directory: Path, *contracts: Credential) -> Store:
    store = Store(directory)
    store.add_anchor("mo", "root", PKI.certificates["mo-root"])
    for one in contracts:
        store.add_contract(one)
    return store


Change = tuple[tuple[Credential, ...], Callable[[Store], object], tuple[Credential | None, Credential | None]]
CHANGES: dict[str, Change] = {
    "first": ((), lambda store: store.add_contract(NEW), (None, NEW)),
    "replaced": ((OLD,), lambda store: store.add_contract(NEW), (OLD, NEW)),
    "removed": ((OLD,), lambda store: store.remove_contract(EMAID), (OLD, None)),
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_process_that_is_killed_leaves_the_old_or_the_new(tmp_path: Path, change: str, after: bool) -> None:
    before, work, outcomes = CHANGES[change]
    seen = []
    step = 0
    going = True
    while going:
        step += 1
        directory = tmp_path / str(step)
        store = filled(directory, *before)
        going = killed_at(step, after, partial(work, store))
        # What comes next, whoever it is, finds a whole state and puts the rest in order.
        contents = Store(directory).read()
        found = contents.contracts.get(EMAID)
        seen.append(found)
        assert found in outcomes, step
        assert contents.problems == (), step
        assert len(contents.anchors["MO"]) == 1
        assert keys_in(directory) == ([directory / "contracts" / EMAID / "key.pem"] if found else []), step
        assert not [one for one in directory.rglob(".*") if one.name != ".lock"], step
        # And what writes next completes it.
        Store(directory).add_anchor("v2g", "root", PKI.v2g_root)
        if found:
            chain = (directory / "contracts" / EMAID / "chain.pem").read_text()
            assert (directory / "contracts" / EMAID / "key.pem").read_text().endswith(chain)
    assert step > 8
    assert seen[0] == outcomes[0]
    assert seen[-1] == outcomes[1]


@pytest.mark.parametrize("before", [(), (OLD,)], ids=["first", "replaced"])
def test_a_key_that_is_being_written_has_no_name_until_it_is_whole(
    tmp_path: Path, before: tuple[Credential, ...]
) -> None:
    """What those see who look before anybody has put the store in order."""
    strays = []
    step = 1

    def work() -> None:
        filled(tmp_path / str(step), *before).add_contract(NEW)

    while killed_at(step, False, work):
        strays += [one for one in keys_in(tmp_path / str(step)) if one.name != "key.pem"]
        step += 1
    # Only a contract that replaces another one needs a second name, for the three calls before it takes the
    # first one's.
    assert len(strays) == 3 * len(before)
    assert all(b"END CERTIFICATE" in one.read_bytes() for one in strays)


def test_one_that_still_writes_is_not_swept_away(tmp_path: Path) -> None:
    filled(tmp_path, OLD)
    (tmp_path / "contracts" / ".new-0123").write_bytes(b"half a file")
    with locked(tmp_path):
        assert Store(tmp_path).read().contracts
        assert (tmp_path / "contracts" / ".new-0123").exists()
    assert Store(tmp_path).read().contracts
    assert not (tmp_path / "contracts" / ".new-0123").exists()


def test_without_nameless_files_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "O_TMPFILE")
    before = os.umask(0)
    try:
        write_whole(tmp_path / "secret", b"first")
        write_whole(tmp_path / "secret", b"second")
    finally:
        os.umask(before)
    assert (tmp_path / "secret").read_bytes() == b"second"
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["secret"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"untouched")
    (tmp_path / "secret").symlink_to(tmp_path / "elsewhere")
    write_whole(tmp_path / "secret", b"key")
    assert (tmp_path / "elsewhere").read_bytes() == b"untouched"
    assert not (tmp_path / "secret").is_symlink()


def test_a_contract_is_not_kept_behind_a_link_where_it_would_not_be_read(tmp_path: Path) -> None:
    store, elsewhere = Store(tmp_path / "store"), tmp_path / "elsewhere"
    emaid = store.add_contract(OLD)
    (tmp_path / "store" / "contracts" / emaid).rename(elsewhere)
    (tmp_path / "store" / "contracts" / emaid).symlink_to(elsewhere)
    assert [str(one.path.name) for one in store.read().problems] == [emaid]
    before = {one.name: one.read_bytes() for one in elsewhere.iterdir()}
    with pytest.raises(PkiError, match="link"):
        store.add_contract(OLD)
    assert {one.name: one.read_bytes() for one in elsewhere.iterdir()} == before
    # The store itself may be one: its owner said so.
    (tmp_path / "here").symlink_to(tmp_path / "store")
    Store(tmp_path / "here").add_crl("some", b"")


def test_sweeping_follows_no_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").write_bytes(b"")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / ".gone-1").symlink_to(tmp_path / "outside")
    sweep(tmp_path / "store")
    assert (tmp_path / "outside" / "kept").exists()
    assert not list((tmp_path / "store").iterdir())


def test_what_is_written_and_every_name_on_the_way_to_it_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that loses power keeps what it was told to keep."""
    real, synced = os.fsync, set()

    def fsync(handle: int) -> None:
        synced.add(os.fstat(handle).st_ino)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    directory = tmp_path / "new" / "store"
    Store(directory).add_contract(NEW)
    key = directory / "contracts" / EMAID / "key.pem"
    for path in (key, key.parent, *key.parent.parents[: len(key.parent.relative_to(tmp_path).parts)]):
        assert path.stat().st_ino in synced, path
