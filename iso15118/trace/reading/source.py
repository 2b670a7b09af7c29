"""Where the input comes from, and what it is: an argument, a file or stdin; a capture, text,
or the octets of a message."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, cast

from iso15118.errors import ConfigError
from iso15118.trace.entries import CaptureFacts, Entry, StreamFacts
from iso15118.trace.reading.captures import is_capture
from iso15118.trace.reading.files import scan_for_secrets
from iso15118.trace.reading.fitting import V2GTP
from iso15118.trace.reading.reader import CaptureReader
from iso15118.trace.reading.secrets import Secrets
from iso15118.trace.reading.text import LONGEST_LINE, TextReader

__all__ = ["Source", "open_source"]

_CHUNK: Final = 256 * 1024
_EXI: Final = b"\x80"
_MOST_OCTETS: Final = 16 << 20
"""Of a file that is a message itself."""
_SUFFIXES: Final = (".pcap", ".pcapng", ".cap", ".gz", ".log", ".txt", ".hex")


class Source:
    """An input that was opened. ``live``: it may come slowly. ``one``: it is said to be
    messages and nothing else."""

    live = False
    one = False

    def __init__(self, facts: CaptureFacts) -> None:
        self.facts = facts

    @property
    def streams(self) -> list[StreamFacts]:
        """The TCP connections in it."""
        return []

    def batches(self) -> Iterator[list[Entry]]:
        """What is found, as it is found."""
        raise NotImplementedError

    def ended(self) -> list[Entry]:
        """It was interrupted: what was still waiting."""
        return []

    def summary(self) -> Iterator[str]:
        """What there is to say about the input as a whole."""
        facts = self.facts
        if facts.broken is not None:
            yield f"the capture is read up to packet {facts.packets}: {facts.broken}"
        if facts.cut_off:
            yield f"{facts.cut_off} of {facts.packets} packets were cut off by the capture"
        for link, count in sorted(facts.unread_links.items()):
            yield f"{count} packets are of link type {link}, which is not read"
        if facts.duplicates:
            yield f"{facts.duplicates} packets are in the capture twice"
        if facts.clock_steps:
            yield f"the capture's clock went back {facts.clock_steps} times, by {facts.greatest_step_back_s:.3f} s at most"
        if facts.other_streams:
            yield f"{facts.other_streams} TCP connections carry something else"


class _Captured(Source):
    def __init__(self, file: IO[bytes], reader: CaptureReader, beginning: bytes, *, live: bool) -> None:
        super().__init__(reader.facts)
        self._file, self._reader, self._beginning, self.live = file, reader, beginning, live

    @property
    def streams(self) -> list[StreamFacts]:
        return self._reader.streams

    def batches(self) -> Iterator[list[Entry]]:
        reader = self._reader
        yield reader.feed(self._beginning)
        for chunk in _chunks(self._file, self.live):
            yield reader.feed(chunk)
            if reader.facts.broken is not None:
                break
        yield reader.finish()

    def ended(self) -> list[Entry]:
        return self._reader.close()

    def summary(self) -> Iterator[str]:
        yield from super().summary()
        for one in self._reader.streams:
            closed = one.from_client.records_closed + one.from_server.records_closed
            if one.v2g and closed:
                yield f"connection {one.number}: {closed} TLS records stay closed"
            missing = one.from_client.missing + one.from_server.missing
            if one.v2g and missing:
                yield f"connection {one.number}: {missing} octets are missing"


class _Text(Source):
    def __init__(self, file: IO[bytes], reader: TextReader, beginning: bytes, *, live: bool) -> None:
        super().__init__(reader.facts)
        self._file, self._reader, self._beginning, self.live = file, reader, beginning, live

    @property
    def streams(self) -> list[StreamFacts]:
        return self._reader.capture.streams

    def batches(self) -> Iterator[list[Entry]]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        rest = ""
        for chunk in self._all():
            *lines, rest = (rest + decoder.decode(chunk)).split("\n")
            for line in lines:
                yield self._reader.line(line)
            if len(rest) > 2 * LONGEST_LINE:
                rest = rest[:LONGEST_LINE]
        yield self._reader.line(rest)
        yield self._reader.finish()

    def _all(self) -> Iterator[bytes]:
        yield self._beginning
        yield from _chunks(self._file, self.live)


class _Given(Source):
    """An argument, or a file with nothing but octets or digits of messages."""

    one = True

    def __init__(self, given: str | bytes, secrets: Secrets, schema: str) -> None:
        self._reader = TextReader(secrets=secrets, schema=schema, sure=True)
        super().__init__(self._reader.facts)
        self._given = given

    def batches(self) -> Iterator[list[Entry]]:
        given, reader = self._given, self._reader
        found = reader.octets(given) if isinstance(given, bytes) else reader.line(" ".join(given.split()))
        found += reader.finish()
        if not found:
            reason = "neither a file, nor hexadecimal digits, nor base64 of a message"
            if isinstance(given, str) and given.endswith(_SUFFIXES):
                reason = f"{given}: there is no such file"
            raise ConfigError(
                "INPUT",
                reason,
                "a message begins with 80, a V2GTP frame with 01fe; separators may be spaces, ':' ',' and 0x",
            )
        yield found


def _chunks(file: IO[bytes], live: bool) -> Iterator[bytes]:
    read = getattr(file, "read1", file.read) if live else file.read
    while chunk := cast("bytes", read(_CHUNK)):
        yield chunk


@contextmanager
def open_source(source: str, secrets: Secrets, schema: str) -> Iterator[Source]:
    """The input, open as long as the block. Raises ``ConfigError`` for one that cannot be opened."""
    if source == "-":
        yield _of_file(sys.stdin.buffer, secrets, schema, live=True)
        return
    if not os.path.exists(source.replace("\0", "")):  # Path.exists raises on long digits
        yield _Given(source, secrets, schema)
        return
    path = Path(source)
    try:
        file = path.open("rb")
    except OSError as error:
        raise ConfigError("INPUT", f"{source}: {error.strerror}") from None
    with file:
        regular = path.is_file()
        if regular:
            scan_for_secrets(path, secrets)
        yield _of_file(file, secrets, schema, live=not regular)


def _of_file(file: IO[bytes], secrets: Secrets, schema: str, *, live: bool) -> Source:
    try:
        beginning = _beginning(file, live)
    except OSError as error:
        raise ConfigError("INPUT", f"cannot be read: {error.strerror}") from None
    if is_capture(beginning):
        return _Captured(file, CaptureReader(secrets=secrets, schema=schema, live=live), beginning, live=live)
    if beginning[:1] == _EXI or beginning[:2] == V2GTP:
        return _Given(beginning + file.read(_MOST_OCTETS), secrets, schema)
    wrapped = _wrapped(beginning)
    if wrapped is not None and len(beginning) < _CHUNK and not file.read(1):
        return _Given(wrapped, secrets, schema)
    return _Text(file, TextReader(secrets=secrets, schema=schema), beginning, live=live)


def _beginning(file: IO[bytes], live: bool) -> bytes:
    """Enough to know what it is; of a stream not more than has come, if that says it."""
    beginning = b""
    for chunk in _chunks(file, live):
        beginning += chunk
        if len(beginning) >= 4:
            break
    return beginning


def _wrapped(beginning: bytes) -> str | None:
    """Digits of one message over several lines, as one line; None for anything else."""
    lines = [line.strip() for line in beginning.decode("ascii", "replace").splitlines() if line.strip()]
    if not lines:
        return None
    digits = ["".join(line.replace("0x", " ").split()).replace(":", "").replace(",", "") for line in lines]
    hexadecimal = all(one and not one.strip("0123456789abcdefABCDEF") for one in digits)
    if not hexadecimal or not digits[0].lower().startswith(("80", "01fe")):
        return None
    first = [one.lower().startswith(("80", "01fe")) for one in digits]
    if len(lines) == 1 or not all(first):
        return "".join(digits) if len("".join(digits)) % 2 == 0 and sum(first) == 1 else None
    return None
