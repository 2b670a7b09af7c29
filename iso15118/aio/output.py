"""What a command says while its event loop guards contactors: lines go to a thread, and only that one ever waits for a terminal or a pipe.

A full disk, a closed pipe or a name that cannot be printed costs the line.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, TextIO

from . import logs

__all__ = ["LineHandler", "by_thread", "flush", "lost", "say"]

_MOST_WAITING: Final = 10_000
_AT_EXIT_S: Final = 1.0


class _Writer:
    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[str, bool] | threading.Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.lost = 0

    def forget(self) -> None:
        """This is a child process now, without the threads of its parent: what it says is written by one of its own."""
        self.__init__()  # type: ignore[misc]  # all of it anew, its lock included

    def put(self, line: str, error: bool) -> None:
        if self._waiting.qsize() >= _MOST_WAITING:
            self.lost += 1
            return
        self._waiting.put((line, error))
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="iso15118 output", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads on this machine, or the interpreter ends
                return
            self._thread = thread

    def flush(self, timeout_s: float) -> bool:
        if self._thread is None:
            return True
        written = threading.Event()
        self._waiting.put(written)
        return written.wait(timeout_s)

    def _work(self) -> None:
        while True:
            item = self._waiting.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            line, error = item
            try:
                stream = sys.stderr if error else sys.stdout
                if stream is not None:  # there is none in a process without a terminal
                    _write(stream, line + "\n")
            except BaseException:  # whatever a stream, or what stands in its place, may raise
                self.lost += 1


def _write(stream: TextIO, text: str) -> None:
    if stream is not sys.__stdout__ and stream is not sys.__stderr__:
        stream.write(text)
        stream.flush()
        return
    # Not through the stream's buffer: a thread that waits in there would hold its lock when the interpreter ends.
    encoding, where = stream.encoding or "utf-8", stream.fileno()
    data = text.encode(encoding, "backslashreplace")
    while data:
        data = data[os.write(where, data) :]


_writer: Final = _Writer()
os.register_at_fork(after_in_child=_writer.forget)


def say(line: str, *, error: bool = False) -> None:
    """Write this line to stdout, or to stderr if ``error``. Returns at once, and never raises."""
    _writer.put(line, error)


def flush(timeout_s: float = _AT_EXIT_S) -> bool:
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
    """Within this block the log that goes to a terminal goes by the thread as well; at its end what was said is written, or given up."""
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


atexit.register(flush)
