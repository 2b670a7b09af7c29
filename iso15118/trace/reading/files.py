"""Captures in files: opened, scanned for TLS secrets wherever they stand in them,
and read from the beginning.

The only module of the reader that opens anything; it opens for reading only.
"""

from __future__ import annotations

import gzip
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, cast

from iso15118.errors import ConfigError
from iso15118.trace.entries import CaptureFacts, Entry

from .captures import CaptureFile
from .fitting import AUTO
from .pcapng import SecretLines
from .reader import CaptureReader
from .secrets import Secrets

__all__ = ["entries_of", "frames_in", "open_capture", "read_key_log", "scan_for_secrets"]

_CHUNK: Final = 256 * 1024
_ETHERNET: Final = 1
_GZIP: Final = b"\x1f\x8b"
_LARGEST_KEY_LOG: Final = 64 << 20


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _plain_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        source = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if packed else file
        try:
            while chunk := source.read(_CHUNK):
                yield chunk
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return  # whoever reads the packets says so


def read_key_log(path: Path, secrets: Secrets) -> int:
    """Take the lines of a key log file; how many there were. Raises ``ConfigError`` for a file that
    cannot be read, or has none."""
    try:
        if stat.S_ISCHR(path.stat().st_mode):  # it may be endless
            raise ConfigError("--keylog", f"{path} is a device", "a file")
        with path.open("rb") as file:
            data = file.read(_LARGEST_KEY_LOG)
    except OSError as error:
        raise ConfigError("--keylog", f"{path}: {error.strerror}") from None
    if not (new := secrets.add(data, "keylog")):
        raise ConfigError(
            "--keylog",
            f"{path} has no line of TLS secrets",
            "lines of an NSS key log: CLIENT_RANDOM, or CLIENT_TRAFFIC_SECRET_0 and the like, as SSLKEYLOGFILE has them",
        )
    return new


def scan_for_secrets(path: Path, secrets: Secrets) -> int:
    """Take the secrets that stand anywhere in a capture, so that they are there before the packets that they
    open. Returns how many. Raises ``ConfigError`` where it cannot be read."""
    try:
        return secrets.scan(_plain_chunks(path), "capture")
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from None


def open_capture(path: Path, *, secrets: Secrets | None = None, schema: str = AUTO) -> CaptureReader:
    """A reader that knows the secrets of this file already; feed it the file, or let ``entries_of`` do so."""
    known = Secrets() if secrets is None else secrets
    scan_for_secrets(path, known)
    return CaptureReader(secrets=known, schema=schema, live=False)


def entries_of(
    path: Path, *, secrets: Secrets | None = None, schema: str = AUTO, reader: CaptureReader | None = None
) -> Iterator[Entry]:
    """All that a capture file says, in order. ``reader``: one of ``open_capture``, whose ledgers are wanted.

    Raises ``ConfigError`` for a file that cannot be opened, or is no capture; one that
    breaks off is read up to there.
    """
    if reader is None:
        reader = open_capture(path, secrets=secrets, schema=schema)
    try:
        for chunk in _chunks(path):
            yield from reader.feed(chunk)
            if reader.facts.broken is not None:
                break
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from None
    if not reader.known:
        raise ConfigError(str(path), "is no capture file", "a pcap or pcapng file")
    yield from reader.finish()


def frames_in(path: Path) -> Iterator[tuple[float, bytes]]:
    """Time in seconds since 1970 and octets of every Ethernet frame, in the order of the file.

    Raises ``ConfigError`` for a file that cannot be read, is no capture, or has something else
    than Ethernet in it: who matches with whom is said by the addresses of the frames, and other
    link types do not keep them.
    """
    facts = CaptureFacts()
    file = CaptureFile(facts)
    try:
        for chunk in _chunks(path):
            for found in file.feed(chunk):
                if isinstance(found, SecretLines):
                    continue
                if found.link != _ETHERNET:
                    raise ConfigError(
                        str(path),
                        f"has frames of link type {found.link}",
                        "capture on one interface, not on 'any': only Ethernet keeps both addresses",
                    )
                yield found.t or 0.0, found.data
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error}") from error
    if not file.known:
        raise ConfigError(str(path), "is no capture file", "a pcap or pcapng file")
