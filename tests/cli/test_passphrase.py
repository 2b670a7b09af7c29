"""Passphrases that somebody types at a terminal: asked for where nothing else says them, once for each file,
and never shown."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.rig import iso15118
from tests.cli.test_tls_files import PASSWORD
from tests.cli.test_tls_files import folder as folder
from tests.cli.test_two_processes import PATIENCE_S, evcc_toml, secc_toml

STORE_ONLY = 'store = "store"\nrevocation = "none"'


class Terminal:
    """A command whose controlling terminal is ours: all that is shown there."""

    def __init__(self, ours: int, process: subprocess.Popen[bytes]) -> None:
        self.process, self._ours = process, ours
        self.shown = ""

    def wait_for(self, words: str, *, after: int = 0) -> None:
        """Until these are shown."""
        while words not in self.shown[after:]:
            if not select.select([self._ours], [], [], PATIENCE_S)[0]:
                pytest.fail(f"{words!r} was not shown: {self.shown}")
            try:
                piece = os.read(self._ours, 4096)
            except OSError:  # how a terminal ends on Linux
                piece = b""
            if not piece:
                pytest.fail(f"it ended without {words!r}: {self.shown}")
            self.shown += piece.decode()

    def type(self, text: str) -> None:
        """Somebody types a line."""
        os.write(self._ours, text.encode() + b"\n")

    def end(self) -> int:
        """Read on until it has ended; its exit status."""
        while select.select([self._ours], [], [], PATIENCE_S)[0]:
            try:
                piece = os.read(self._ours, 4096)
            except OSError:
                break
            if not piece:
                break
            self.shown += piece.decode()
        return self.process.wait(PATIENCE_S)


@contextmanager
def terminal(*words: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "iso15118", "--log-level", "debug", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no thread of ours runs
    ) as process:
        os.close(theirs)
        seen = Terminal(ours, process)
        try:
            yield seen
        finally:
            process.kill()
            os.close(ours)
    assert PASSWORD not in seen.shown


def test_a_station_asks_for_the_passphrase_of_its_key(folder: Path) -> None:
    file = secc_toml(folder, 'key = "secc.p12"\nanchors = ["oem-root.pem"]')
    with terminal("secc", "-c", str(file)) as seen:
        seen.wait_for(f"passphrase of {folder / 'secc.p12'}: ")
        seen.type(PASSWORD)
        seen.wait_for("listening at")
        seen.process.send_signal(signal.SIGINT)
        assert seen.end() == 0


def test_a_vehicle_asks_once_for_the_store_of_its_certificates_and_contracts(folder: Path) -> None:
    file = evcc_toml(folder, f'{STORE_ONLY}\n[contracts]\nuse = true\nstore = "store"\n')
    with terminal("evcc", "-c", str(file)) as seen:
        seen.wait_for(f"passphrase of {folder / 'store'}: ")
        seen.type(PASSWORD)
        assert seen.end() == 2
    # Opened by both, and asked for once; there is no contract in it.
    assert "contracts.store" in seen.shown
    assert "has no contract" in seen.shown
    assert seen.shown.count("passphrase of") == 1


def test_a_store_is_listed_with_a_passphrase_that_is_typed(folder: Path) -> None:
    with terminal("pki", "store", str(folder / "store")) as seen:
        seen.wait_for(f"passphrase of {folder / 'store'}: ")
        seen.type(PASSWORD)
        assert seen.end() == 0
    assert "vehicle" in seen.shown
    with terminal("pki", "store", str(folder / "store")) as seen:
        seen.wait_for("passphrase of ")
        os.write(seen._ours, b"\x03")  # Ctrl-C
        assert seen.end() == 130
    assert "Traceback" not in seen.shown


def test_where_nobody_can_be_asked_it_is_an_error_that_says_how_to_give_it(folder: Path) -> None:
    """The tests have no terminal on standard input."""
    assert not sys.stdin.isatty()
    secc = iso15118("secc", "-c", str(secc_toml(folder, 'key = "secc.p12"\nanchors = ["oem-root.pem"]')))
    evcc = iso15118("evcc", "-c", str(evcc_toml(folder, STORE_ONLY)))
    for refusal in (secc.refusal, evcc.refusal):
        for way in ("tls.key_password_file", "ISO15118_KEY_PASSWORD", "be there to type it"):
            assert way in refusal
    listed = iso15118("pki", "store", str(folder / "store"))
    assert listed.status == 4
    assert "--store-passphrase-file or ISO15118_STORE_PASSPHRASE" in listed.err
