"""Secret files and folders are their owner's alone, and are usable by that owner, whatever
the umask of the process."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from iso15118.files import locked, make_folder, write_whole
from iso15118.loopback.recording import SessionFolder
from iso15118.pki import Store, issue_test_pki
from iso15118.pki.issuing.fleet import issue_fleet, write_fleet

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PKI = issue_test_pki("iso20", "ed448", at=NOW)


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def fleet(folder: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        write_fleet(issue_fleet(PKI, 1, contracts=1, at=NOW, executor=executor), folder)


def store(folder: Path) -> None:
    made = Store(folder)
    made.add_own("secc", PKI.secc)
    made.add_anchor("v2g", "root", PKI.v2g_root)


def recording(folder: Path) -> None:
    made = SessionFolder(folder, memory=True)
    made.__enter__()
    made.__exit__(None, None, None)


MAKERS: dict[str, Callable[[Path], object]] = {
    "make_folder": make_folder,
    "store": store,
    "pki": PKI.write,
    "fleet": fleet,
    "recording": recording,
}


@pytest.mark.parametrize("mask", [0, 0o022, 0o277, 0o777], ids=oct)
@pytest.mark.parametrize("maker", MAKERS)
def test_folders_and_secret_files_are_the_owners_alone(maker: str, mask: int, tmp_path: Path) -> None:
    with umask(mask):
        MAKERS[maker](tmp_path / "above" / "there")
    made = sorted(tmp_path.rglob("*"))
    assert tmp_path / "above" / "there" in made
    for one in made:
        mode = stat.S_IMODE(one.stat().st_mode)
        if one.is_dir():
            assert mode == 0o700, one
        elif maker == "pki" and one.suffix in (".pem", ".json"):
            assert mode == 0o644, one
        else:
            assert mode == 0o600, one


@pytest.mark.parametrize("mask", [0, 0o777], ids=oct)
def test_a_file_and_its_lock(mask: int, tmp_path: Path) -> None:
    with umask(mask):
        write_whole(tmp_path / "secret", b"1")
        with locked(tmp_path):
            pass
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / ".lock").stat().st_mode) == 0o600


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o750)
    make_folder(tmp_path / "there" / "below")
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "there" / "below").stat().st_mode) == 0o700
