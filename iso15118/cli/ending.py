"""Exit statuses, and the words on stderr that go with them; with ``--json`` an error is a
line of JSON on stdout, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final

from iso15118.cli.terminal import echo, print_json
from iso15118.errors import (
    ConfigError,
    LinkError,
    LinkTimeoutError,
    MisuseError,
    PeerError,
    TrustError,
    V2GError,
)

__all__ = ["ExitStatus", "InputError", "of_the_input", "report", "report_interrupt", "report_system"]


class ExitStatus(IntEnum):
    """What the shell is told; the numbers are a contract."""

    OK = 0
    FAILED = 1
    USAGE = 2
    LINK = 3
    TRUST = 4
    TIMEOUT = 5
    INCONCLUSIVE = 6
    """Of scenarios and campaigns: what it is about did not happen."""
    INPUT = 7
    """What was given to be decoded or encoded is none."""
    INTERRUPTED = 130
    """As shells say it: ended by SIGINT before anything was asked of a session."""


class InputError(V2GError):
    """A message, a log or a capture that was given cannot be decoded or encoded: no peer sent it to
    us, and no option is wrong."""


@contextmanager
def of_the_input() -> Iterator[None]:
    """What a message that our user gave does wrong is about his input. Raises
    ``InputError`` for any ``PeerError``."""
    try:
        yield
    except PeerError as error:
        raise InputError(str(error)) from error


_HINTS = {
    "whether it is revoked": 'tls.revocation in the file says which certificates must be vouched for: "all", "leaf" or "none"',
    "unknown_ca": "the roots come from the folder in tls.pki: both ends need the same ones",
}
"""Words of an error -> what to look at in the file."""
_KINDS: Final = {
    ExitStatus.FAILED: "failed",
    ExitStatus.USAGE: "configuration",
    ExitStatus.LINK: "link",
    ExitStatus.TRUST: "trust",
    ExitStatus.TIMEOUT: "timeout",
    ExitStatus.INPUT: "input",
    ExitStatus.INTERRUPTED: "interrupted",
}
_SHOWN: Final = 20
"""Wrong keys that are told one by one."""


def report(error: V2GError, *, as_json: bool = False) -> ExitStatus:
    """Tell ``error`` on stderr, and on stdout ``as_json``; the exit status that it means."""
    status = _status(error)
    each = error.each if isinstance(error, ConfigError) else ()
    for one in each[:_SHOWN]:
        echo(f"iso15118: {one.key}: {one.reason}", error=True)
        if one.hint:
            echo(f"  {one.hint}", error=True)
    if len(each) > _SHOWN:
        echo(f"iso15118: and {len(each) - _SHOWN} more", error=True)
    hint = ""
    if not each:
        echo(f"iso15118: {error}", error=True)
        hint = next((text for words, text in _HINTS.items() if words in str(error)), "")
        if hint:
            echo(f"  {hint}", error=True)
    if as_json:
        _as_json(
            status,
            str(error),
            hint,
            [{"key": one.key, "reason": one.reason, "hint": one.hint} for one in each],
        )
    return status


def report_system(error: OSError, *, as_json: bool = False) -> ExitStatus:
    """The same for an error of the system: time that ran out, or a file that cannot be read or written."""
    if isinstance(error, TimeoutError):
        status, text = ExitStatus.TIMEOUT, str(error)
    else:
        status = ExitStatus.USAGE
        named = error.filename is not None and error.strerror
        text = f"{error.filename}: {error.strerror}" if named else str(error)
    echo(f"iso15118: {text}", error=True)
    if as_json:
        _as_json(status, text)
    return status


def report_interrupt(*, as_json: bool = False) -> ExitStatus:
    """Somebody pressed Ctrl-C: he knows."""
    if as_json:
        _as_json(ExitStatus.INTERRUPTED, "interrupted")
    return ExitStatus.INTERRUPTED


def _status(error: V2GError) -> ExitStatus:
    match error:
        case MisuseError():
            return ExitStatus.USAGE
        case InputError():
            return ExitStatus.INPUT
        case TrustError():
            return ExitStatus.TRUST
        case LinkTimeoutError():
            return ExitStatus.TIMEOUT
        case LinkError() | PeerError():
            return ExitStatus.LINK
        case _:
            return ExitStatus.FAILED


def _as_json(
    status: ExitStatus, message: str, hint: str = "", problems: list[dict[str, str]] | None = None
) -> None:
    print_json(
        {
            "error": {
                "kind": _KINDS[status],
                "message": message,
                "hint": hint,
                "problems": problems or [],
                "exit_status": int(status),
            }
        }
    )
