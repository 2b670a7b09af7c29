"""Files that hold secrets or decide whom we trust: written whole or not at all, for their owner only, and
removed in one step.

A process that is killed, or a machine that loses power, leaves the old file or the new one, never a part.
What such an end may leave behind has a hidden name; ``sweep`` removes it when nobody is at work in the
folder. POSIX file systems only.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from iso15118.errors import ConfigError

__all__ = [
    "locked",
    "make_folder",
    "new_secret",
    "not_private",
    "read_secret",
    "remove_whole",
    "sweep",
    "write_whole",
]

NEW, GONE = ".new-", ".gone-"
"""Beginnings of the hidden names of what is not yet there, and of what is there no more."""
_LOCK: Final = ".lock"
_LOCK_S: Final = 2.0
"""How long to wait for another process that writes into the same folder; it needs milliseconds."""
_FILE, _FOLDER = 0o600, 0o700
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_DESCRIPTORS: Final = Path("/proc/self/fd")
_UNSUPPORTED: Final = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.EISDIR, errno.ENOSYS})


def write_whole(path: Path, data: bytes, *, mode: int = _FILE, durable: bool = True) -> None:
    """Write a file, or replace it in one step; it never exists with part of the data or with another mode.
    Raises OSError.

    Without ``durable`` the loss of power may undo it; for many files that can be made again.
    """
    temporary = path.with_name(f"{NEW}{secrets.token_hex(8)}")
    nameless = _without_name(path.parent, mode)
    handle = nameless
    if handle is None:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            os.fchmod(handle, mode)
            with open(handle, "wb", closefd=False) as file:
                file.write(data)
            if durable:
                os.fsync(handle)
            done = nameless is not None and _named(handle, path, temporary)
        finally:
            os.close(handle)
        if not done:
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _sync(path.parent)


def new_secret(path: Path) -> BinaryIO:
    """A new file to be written bit by bit, which only its owner may read (mode 0600). What was there is
    replaced, never followed or shared. Raises OSError.
    """
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE)
    os.fchmod(handle, _FILE)
    return os.fdopen(handle, "wb")


def make_folder(folder: Path, *, durable: bool = True) -> None:
    """The folder and what is missing above it, each for the owner only (mode 0700), whatever the umask, and
    there to stay. Raises OSError. ``durable``: as for :func:`write_whole`.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        try:
            one.mkdir(mode=_FOLDER)
        except FileExistsError:
            if not one.is_dir():
                raise
            continue  # somebody else was faster: it is theirs
        one.chmod(_FOLDER)  # a umask may have taken the owner's own permissions away
        if durable:
            _sync(one.parent)


def remove_whole(path: Path) -> None:
    """Remove a file, or a folder of files, in one step. Raises OSError;
    FileNotFoundError if it is not there."""
    aside = path.with_name(f"{GONE}{secrets.token_hex(8)}")
    path.rename(aside)
    _sync(path.parent)
    _delete(aside)


def sweep(directory: Path) -> None:
    """Remove what a killed process left in a folder and those below it. For the holder of its lock only.
    Raises OSError.
    """
    for folder, folders, names in os.walk(directory):
        for name in (*names, *folders):
            if name.startswith((NEW, GONE)):
                _delete(Path(folder, name))
        folders[:] = [name for name in folders if not name.startswith(".")]


@contextmanager
def locked(directory: Path, *, wait_s: float = _LOCK_S) -> Iterator[None]:
    """Only one process and one thread writes into a folder at a time; the lock ends with its holder, however
    that ends.

    Raises OSError: BlockingIOError if somebody else is still at work after ``wait_s``.
    """
    handle = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _FILE)
    try:
        told = os.fstat(handle)
        if stat.S_IMODE(told.st_mode) != _FILE and told.st_uid == os.geteuid():
            os.fchmod(handle, _FILE)  # a umask may have left nothing of it: then nobody could open it again
        end = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise
                time.sleep(0.01)
        yield
    finally:
        os.close(handle)


def not_private(told: os.stat_result, path: Path) -> str:
    """Why a file with a secret must not be used, with the command that mends it; empty if it is its owner's
    alone.
    """
    if told.st_mode & _OTHERS:
        kind = "700" if stat.S_ISDIR(told.st_mode) else "600"
        return f"group or others may read or write it; `chmod {kind} {path}` mends it"
    if told.st_uid not in (0, os.geteuid()):
        return f"it belongs to another user ({told.st_uid}); `chown {os.geteuid()} {path}` mends it"
    return ""


def read_secret(path: Path, *, key: str, limit: int = 64 * 1024) -> bytes:
    """A file with a secret. ``key``: the setting that names it, for the error.

    Raises ConfigError if it cannot be read, is longer than ``limit`` octets, or is not its owner's alone.
    """
    try:
        # Without waiting: what has the name may be a pipe that nobody writes into.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            told = os.fstat(file.fileno())
            why = not_private(told, path)
            if not why and not stat.S_ISREG(told.st_mode):
                raise ConfigError(key, f"{path} is no ordinary file", "name another file")
            data = b"" if why else file.read(limit + 1)
    except OSError as error:
        raise ConfigError(key, f"{path}: {error.strerror}", "name a file that can be read") from error
    if why:
        command = why.rpartition("; ")
        raise ConfigError(key, f"{path}: {command[0]}", command[2])
    if len(data) > limit:
        raise ConfigError(key, f"{path}: more than {limit} octets", "name another file")
    return data


def _without_name(folder: Path, mode: int) -> int | None:
    """A file in ``folder`` that vanishes with its process; None where the system has no such thing."""
    flag = getattr(os, "O_TMPFILE", 0)
    if not flag or not _DESCRIPTORS.is_dir():
        return None
    try:
        return os.open(folder, flag | os.O_WRONLY | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        raise


def _named(handle: int, path: Path, temporary: Path) -> bool:
    """Gives a file without a name, which is whole and on the disk, its own name, or a temporary one (False)
    if that is taken.
    """
    # With a folder's descriptor, since only then the interpreter asks the system to follow the link in /proc.
    folder = os.open(_DESCRIPTORS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.link(str(handle), path, src_dir_fd=folder, follow_symlinks=True)
    except FileExistsError:
        os.link(str(handle), temporary, src_dir_fd=folder, follow_symlinks=True)
        return False
    finally:
        os.close(folder)
    return True


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        # Keys first: certificates alone give nothing away.
        for one in sorted(path.iterdir(), key=lambda one: one.name != "key.pem"):
            _delete(one)
        with suppress(FileNotFoundError):
            path.rmdir()
    else:
        path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Puts the names in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
