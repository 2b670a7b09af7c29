"""The results of a campaign on the disk, a line of JSON each, which are also what an
interrupted campaign goes on from.

A line counts when it is whole. One process at a time writes; one that is killed at any moment leaves whole
lines and at most a part of one, which the next process cuts off.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
from msgspec import Struct

from iso15118 import __version__
from iso15118.campaign.results import Result
from iso15118.errors import ConfigError
from iso15118.files import locked, make_folder

__all__ = ["Journal"]

_NAME: Final = "results.jsonl"
_FORM: Final = 1
_LONGEST: Final = 1 << 30
"""Octets; a million cells have about half of that."""


class _Head(Struct, frozen=True, kw_only=True):
    """The first line."""

    campaign: str
    form: int
    version: str
    """Of the package that the results are of."""


class Journal:
    """``results.jsonl`` in ``directory``, which is made; a context manager. ``found`` has the results that
    were there by the id of their cell.

    ``afresh``: what was there is removed. Raises ``ConfigError`` if the file is not ours, of another campaign
    or version, or if another process is at work on it.
    """

    def __init__(self, directory: Path, name: str, *, afresh: bool = False) -> None:
        self.directory, self.path = directory, directory / _NAME
        self.found: dict[str, Result] = {}
        self._head = _Head(campaign=name, form=_FORM, version=__version__)
        self._afresh = afresh
        self._stack = ExitStack()
        self._handle = -1

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            try:
                make_folder(self.directory, durable=False)
                stack.enter_context(locked(self.directory, wait_s=0.2))
                flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
                if self._afresh:
                    flags |= os.O_TRUNC
                self._handle = os.open(self.path, flags, 0o600)
                stack.callback(os.close, self._handle)
                self._read()
            except BlockingIOError as error:
                raise ConfigError(
                    "--out", f"another process is at work in {self.directory}", "wait for it"
                ) from error
            except OSError as error:
                raise ConfigError(
                    "--out", f"{self.path}: {error.strerror}", "a folder that can be written to"
                ) from error
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def add(self, result: Result) -> None:
        """Keep it. Raises ``OSError`` if the disk is full; the line is then not there."""
        self._write(result)
        self.found[result.cell] = result

    def _read(self) -> None:
        if os.fstat(self._handle).st_size > _LONGEST:
            raise ConfigError("--out", f"{self.path} is longer than {_LONGEST} octets", "another folder")
        with open(self._handle, "rb", closefd=False) as file:
            whole, _, part = file.read().rpartition(b"\n")
        if part:
            os.ftruncate(self._handle, len(whole) + 1 if whole else 0)
        lines = whole.split(b"\n") if whole else []
        if not lines:
            self._write(self._head)
            return
        try:
            head = msgspec.json.decode(lines[0], type=_Head)
        except msgspec.DecodeError as error:
            raise ConfigError(
                "--out", f"{self.path} is no journal of a campaign: {error}", "another folder"
            ) from error
        if head != self._head:
            raise ConfigError(
                "--out",
                f"{self.path} is of campaign {head.campaign!r} and version {head.version} (here: {self._head.campaign!r}, {__version__})",
                "another folder, or --afresh to remove what is there",
            )
        for number, line in enumerate(lines[1:], 2):
            try:
                result = msgspec.json.decode(line, type=Result)
            except msgspec.DecodeError as error:
                raise ConfigError(
                    "--out", f"{self.path}, line {number}: {error}", "--afresh removes what is there"
                ) from error
            self.found[result.cell] = result

    def _write(self, what: Struct) -> None:
        line = msgspec.json.encode(what) + b"\n"
        before = os.fstat(self._handle).st_size
        if os.write(self._handle, line) != len(line):
            os.ftruncate(self._handle, before)
            raise OSError(28, "No space left on device", str(self.path))
