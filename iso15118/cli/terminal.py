"""The one way to a terminal: every command prints through here, so that a name in a certificate or a
message is shown, not obeyed.

Text goes out line by line with what is not printed escaped; JSON and XML keep their
meaning, with escapes of their own.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

import msgspec

from iso15118.printable import escaped

__all__ = [
    "QUIET",
    "JsonFormatter",
    "LineFormatter",
    "echo",
    "echo_lines",
    "echo_soon",
    "json_line",
    "json_text",
    "print_json",
    "write_out",
    "xml_text",
]


class Quiet:
    """Whether stderr is for errors alone: ``--quiet``."""

    def __init__(self) -> None:
        self._wanted = False

    def __bool__(self) -> bool:
        return self._wanted

    def set(self) -> None:
        """From now on."""
        self._wanted = True

    def clear(self) -> None:
        """No more: the next command line in this process says it anew."""
        self._wanted = False


QUIET: Final = Quiet()


def echo(text: object = "", *, err: bool = False, flush: bool = False, error: bool = False) -> None:
    """Print a line on stdout or stderr. Whatever is in it, it stays one line. ``error``: it is why the
    command fails, on stderr, which is said to those who want it quiet, too."""
    err = err or error
    if err and QUIET and not error:
        return
    print(escaped(str(text)), file=sys.stderr if err else sys.stdout, flush=flush)


def echo_lines(text: str, *, err: bool = False, flush: bool = False) -> None:
    """Print lines that are ours, such as a file of settings; what stands in them is escaped line by line."""
    for line in text.splitlines():
        echo(line, err=err)
    if flush:
        (sys.stderr if err else sys.stdout).flush()


def echo_soon(text: object = "", *, err: bool = False) -> None:
    """Print a line by the thread that ``aio`` has for it: for commands whose event loop
    must not wait for a terminal."""
    if err and QUIET:
        return
    from iso15118.aio.output import say  # here: commands without a loop load none

    say(escaped(str(text)), error=err)


def write_out(text: str, *, flush: bool = False) -> None:
    """Text on stdout that was escaped where it was made: many lines at once."""
    sys.stdout.write(text)
    if flush:
        sys.stdout.flush()


def print_json(value: Any) -> None:
    """One line of JSON on stdout."""
    print(json_line(value))


def json_line(value: Any) -> str:
    """The same as a text."""
    return json_text(msgspec.json.encode(value).decode())


def json_text(text: str) -> str:
    r"""JSON that says the same in characters that are printed: the others stand in strings only, and
    are written as ``\u202e``."""
    return _replaced(text, lambda code: "".join(f"\\u{unit:04x}" for unit in _utf16(code)))


def xml_text(text: str) -> str:
    """XML that says the same in characters that are printed: the others are written as ``&#x202e;``."""
    return _replaced(text, lambda code: f"&#x{code:x};")


def _replaced(text: str, written: Any) -> str:
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else written(ord(letter)) for letter in text
    )


def _utf16(code: int) -> tuple[int, ...]:
    if code < 0x10000:
        return (code,)
    return 0xD800 + ((code - 0x10000) >> 10), 0xDC00 + ((code - 0x10000) & 0x3FF)


class LineFormatter(logging.Formatter):
    """Log lines for a terminal: what a peer said in them is shown, not obeyed."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """As the base class does it, on one line."""
        return escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the library's name
        """As the base class does it, each line of the traceback escaped."""
        return "\n".join(escaped(line) for line in super().formatException(ei).splitlines())


class JsonFormatter(logging.Formatter):
    """Log lines for programs: ``t`` (Unix s), ``level``, ``logger``, ``message``, and
    ``exception`` with a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """One object."""
        line: dict[str, Any] = {
            "t": round(record.created, 6),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json_line(line)
