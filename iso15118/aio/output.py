"""What a command says while its event loop guards contactors: lines go to a thread, and only that one ever
waits for a terminal or a pipe.

A full disk, a closed pipe or a name that cannot be printed costs the line.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, TextIO

from . import logs
from .writer import AT_EXIT_S, WriterThread

__all__ = ["LineHandler", "by_thread", "flush", "lost", "say"]


def _line(item: tuple[str, bool]) -> None:
    line, error = item
    stream = sys.stderr if error else sys.stdout
    if stream is not None:  # there is none in a process without a terminal
        _write(stream, line + "\n")


def _write(stream: TextIO, text: str) -> None:
    if stream is not sys.__stdout__ and stream is not sys.__stderr__:
        stream.write(text)
        stream.flush()
        return
    # Not through the stream's buffer: a thread that waits in there would hold its
    # lock when the interpreter ends.
    encoding, where = stream.encoding or "utf-8", stream.fileno()
    data = text.encode(encoding, "backslashreplace")
    while data:
        data = data[os.write(where, data) :]


_writer: Final = WriterThread("iso15118 output", _line)


def say(line: str, *, error: bool = False) -> None:
    """Write this line to stdout, or to stderr if ``error``. Returns at once, and never raises."""
    _writer.put((line, error))


def flush(timeout_s: float = AT_EXIT_S) -> bool:
    """Wait until all lines are written, at most ``timeout_s``. False if somebody does not read them."""
    return _writer.flush(timeout_s)


def lost() -> int:
    """How many lines could not be written."""
    return _writer.lost


class LineHandler(logging.Handler):
    """Log records as lines on stderr, by the same thread."""

    def emit(self, record: logging.LogRecord) -> None:
        """Format it here, write it there."""
        with suppress(Exception):  # an argument without a text costs this line
            say(self.format(record), error=True)


@contextmanager
def by_thread() -> Iterator[None]:
    """Within this block the log that goes to a terminal goes by the thread as well; at its end what was
    said is written, or given up."""
    root = logging.getLogger()
    before = {handler: LineHandler() for handler in root.handlers if type(handler) is logging.StreamHandler}
    for handler, ours in before.items():
        ours.setFormatter(handler.formatter)
        ours.setLevel(handler.level)
        root.removeHandler(handler)
        root.addHandler(ours)
    try:
        yield
    finally:
        logs.flush()
        flush()
        for handler, ours in before.items():
            root.removeHandler(ours)
            root.addHandler(handler)
