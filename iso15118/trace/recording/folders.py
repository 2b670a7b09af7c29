"""Where a recording goes: folders for their owner only, numbered, so that no session takes the place of an
older one; and their files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from iso15118.errors import ConfigError
from iso15118.files import make_folder

__all__ = ["CAPTURE", "LINES", "REPORT", "SUMMARY", "OutputFile", "new_folder", "only_folder", "whole_lines"]

LINES: Final = "session.jsonl"
CAPTURE: Final = "session.pcapng"
SUMMARY: Final = "summary.json"
REPORT: Final = "report.html"
_ALL: Final = (LINES, CAPTURE, SUMMARY, REPORT)
_MOST_ATTEMPTS: Final = 10_000


def new_folder(parent: Path, name: str) -> Path:
    """A new folder ``name-0001``, ``name-0002`` ... in ``parent``, which is made; one more than the highest
    that is there. Several processes may do so at the same time. Raises OSError."""
    make_folder(parent, durable=False)
    pattern = re.compile(rf"{re.escape(name)}-(\d{{4,9}})")
    taken = [int(found[1]) for one in os.listdir(parent) if (found := pattern.fullmatch(one))]
    number = max(taken, default=0) + 1
    for attempt in range(number, number + _MOST_ATTEMPTS):
        folder = parent / f"{name}-{attempt:04}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            folder.chmod(0o700)  # a umask may have taken the owner's own permissions away
            return folder
    raise FileExistsError(17, f"{name}-{number:04} and what follows are taken", str(parent))


def only_folder(folder: Path, *, numbered: bool = False) -> Path:
    """``folder`` itself, made if it is missing. With a recording in it, it is an error, or with ``numbered``
    the first of ``folder-2``, ``folder-3`` ... without one.

    Raises OSError, and ``ConfigError`` for the key ``out`` where a recording would be lost.
    """
    wanted, number = folder, 1
    while any(os.path.lexists(folder / one) for one in _ALL):
        if not numbered:
            raise ConfigError(
                "out", f"{folder} has a recording already", "name another folder, or delete that one"
            )
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    make_folder(folder, durable=False)
    return folder


def whole_lines(data: bytes) -> int:
    """How many octets of this are whole lines."""
    return data.rfind(b"\n") + 1


class OutputFile:
    """A new file, only for its owner (mode 0600), that is written piece by piece and holds whole pieces
    only, as long as it can be cut. ``whole``: how many octets of a beginning are whole pieces.

    Raises OSError: FileExistsError for a name that is taken, also by a link.
    """

    def __init__(self, path: Path, whole: Callable[[bytes], int]) -> None:
        self.path, self._whole = path, whole
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        os.fchmod(self._file, 0o600)
        self._length = 0

    def write(self, data: bytes) -> None:
        """Add this. Raises OSError; what was written of it stays as far as its pieces are whole."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            self._length += self._whole(data[: len(data) - len(rest)])
            with suppress(OSError):
                os.ftruncate(self._file, self._length)
                os.lseek(self._file, self._length, os.SEEK_SET)  # or the next piece stands behind a hole
            raise
        self._length += len(data)

    @property
    def removed(self) -> bool:
        """Nobody can find it any more: what is written goes nowhere."""
        return os.fstat(self._file).st_nlink == 0

    def close(self) -> None:
        """Once."""
        os.close(self._file)
