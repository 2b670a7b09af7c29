"""The log of the drivers: what they say is written by a thread of its own, so that a handler that blocks or fails
costs a line and nothing else.

The loop that guards the contactors never waits for stderr, for a full disk or for somebody's filter.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
import time
from typing import Any, Final

__all__ = ["Log", "flush"]

_MOST_WAITING: Final = 10_000
"""Records that may wait to be written; what comes beyond them is counted and dropped."""
_AT_EXIT_S: Final = 1.0


class _Said:
    """What was said, when and from which thread: a record is made of it by the writer, for an application may have a factory of its own
    for records, which may fail or block like its handlers."""

    __slots__ = ("at", "level", "logger", "text", "thread", "trouble", "values")

    def __init__(
        self, logger: logging.Logger, level: int, text: str, values: tuple[Any, ...], trouble: Any
    ) -> None:
        self.logger, self.level, self.text, self.values, self.trouble = logger, level, text, values, trouble
        self.at, self.thread = time.time(), threading.current_thread()

    def record(self) -> logging.LogRecord:
        """For the handlers of the logger."""
        made = self.logger.makeRecord(
            self.logger.name, self.level, "", 0, self.text, self.values, self.trouble
        )
        made.relativeCreated -= (made.created - self.at) * 1000.0
        made.created, made.msecs = self.at, float(int(self.at % 1.0 * 1000.0))
        made.thread, made.threadName = self.thread.ident, self.thread.name
        return made


class _Writer:
    """Hands records to their loggers, in order, on a daemon thread that is made with the first record."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[_Said | threading.Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._dropped = 0

    def forget(self) -> None:
        """This is a child process now, without the threads of its parent: what it says is written by one of its own."""
        self.__init__()  # type: ignore[misc]  # all of it anew, its lock included

    def put(self, said: _Said) -> None:
        """Write this when its turn comes."""
        if self._waiting.qsize() >= _MOST_WAITING:
            self._dropped += 1
            return
        self._waiting.put(said)
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="iso15118 log", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads on this machine, or the interpreter ends
                return
            self._thread = thread

    def flush(self, timeout_s: float) -> bool:
        """Wait until what was said so far is written. False if that takes longer than ``timeout_s``."""
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
            try:
                item.logger.handle(item.record())
                if self._dropped and self._waiting.empty():
                    dropped, self._dropped = self._dropped, 0
                    item.logger.warning(
                        "%d lines of the log were dropped: its handlers are too slow", dropped
                    )
            except BaseException:  # noqa: S112 - a handler of the application failed: there is nobody to tell
                continue


_writer = _Writer()


os.register_at_fork(after_in_child=_writer.forget)


def flush(timeout_s: float = _AT_EXIT_S) -> bool:
    """Wait until all that was said so far is written, at most ``timeout_s``. False if it is not."""
    return _writer.flush(timeout_s)


atexit.register(flush)


class Log:
    """The logger of one module. No method raises or blocks, whatever handlers, filters and arguments do."""

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, text: str, *values: Any) -> None:
        """For who looks for a fault."""
        self._say(logging.DEBUG, text, values, None)

    def info(self, text: str, *values: Any) -> None:
        """What goes as it should."""
        self._say(logging.INFO, text, values, None)

    def warning(self, text: str, *values: Any) -> None:
        """What somebody should look at."""
        self._say(logging.WARNING, text, values, None)

    def error(self, text: str, *values: Any, error: BaseException | None = None) -> None:
        """What failed, with the traceback of ``error``."""
        self._say(logging.ERROR, text, values, error)

    def critical(self, text: str, *values: Any) -> None:
        """What may be dangerous."""
        self._say(logging.CRITICAL, text, values, None)

    def _say(self, level: int, text: str, values: tuple[Any, ...], error: BaseException | None) -> None:
        try:
            logger = self._logger
            if logger.isEnabledFor(level):
                trouble = None if error is None else (type(error), error, error.__traceback__)
                _writer.put(_Said(logger, level, text, values, trouble))
        except Exception:  # noqa: S110 - a log that cannot be written costs its line
            pass
