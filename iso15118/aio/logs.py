"""The log of the drivers: what they say is written by a thread of its own, so that a handler that blocks or
fails costs a line and nothing else.

The loop that guards the contactors never waits for stderr, for a full disk or for somebody's filter.
"""

from __future__ import annotations

import logging
import threading
import time
from contextvars import ContextVar
from typing import Any, Final

from .writer import AT_EXIT_S, WriterThread

__all__ = ["Log", "connector", "flush"]

connector: Final[ContextVar[str]] = ContextVar("iso15118 connector", default="")
"""Name of the connector that what runs here is part of, where one process has several: tasks and timers take
it over from who made them. It stands before each line, and records have it as ``connector``."""


class _Said:
    """What was said, when and from which thread: a record is made of it by the writer, for an application may
    have a factory of its own for records, which may fail or block like its handlers."""

    __slots__ = ("at", "connector", "level", "logger", "text", "thread", "trouble", "values")

    def __init__(
        self, logger: logging.Logger, level: int, text: str, values: tuple[Any, ...], trouble: Any
    ) -> None:
        self.logger, self.level, self.text, self.values, self.trouble = logger, level, text, values, trouble
        self.at, self.thread = time.time(), threading.current_thread()
        self.connector = connector.get()

    def record(self) -> logging.LogRecord:
        """For the handlers of the logger."""
        name = self.connector
        made = self.logger.makeRecord(
            self.logger.name,
            self.level,
            "",
            0,
            # The text of a record without values is no pattern.
            f"{name.replace('%', '%%') if self.values else name}: {self.text}" if name else self.text,
            self.values,
            self.trouble,
        )
        made.connector = name
        made.relativeCreated -= (made.created - self.at) * 1000.0
        made.created, made.msecs = self.at, float(int(self.at % 1.0 * 1000.0))
        made.thread, made.threadName = self.thread.ident, self.thread.name
        return made


def _handle(said: _Said) -> None:
    said.logger.handle(said.record())
    if _writer.idle and (dropped := _writer.taken_dropped()):
        said.logger.warning("%d lines of the log were dropped: its handlers are too slow", dropped)


_writer: Final = WriterThread("iso15118 log", _handle)


def flush(timeout_s: float = AT_EXIT_S) -> bool:
    """Wait until all that was said so far is written, at most ``timeout_s``. False if it is not."""
    return _writer.flush(timeout_s)


class Log:
    """The logger of one module. No method raises or blocks, whatever handlers, filters and arguments do."""

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    @property
    def tells_debug(self) -> bool:
        """Lines for who looks for a fault go somewhere."""
        return self._logger.isEnabledFor(logging.DEBUG)

    @property
    def tells_info(self) -> bool:
        """Lines about what goes as it should do."""
        return self._logger.isEnabledFor(logging.INFO)

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
