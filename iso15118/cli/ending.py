"""Exit statuses, and the words on stderr that go with them."""

from __future__ import annotations

from enum import IntEnum

from iso15118.cli.terminal import echo
from iso15118.errors import (
    ConfigError,
    LinkError,
    LinkTimeoutError,
    MisuseError,
    PeerError,
    TrustError,
    V2GError,
)

__all__ = ["ExitStatus", "report"]


class ExitStatus(IntEnum):
    """What the shell is told; the numbers are a contract."""

    OK = 0
    FAILED = 1
    USAGE = 2
    LINK = 3
    TRUST = 4
    TIMEOUT = 5
    INTERRUPTED = 130
    """As shells say it: ended by SIGINT before anything was asked of a session."""


_HINTS = {
    "whether it is revoked": 'tls.revocation in the file says which certificates must be vouched for: "all", "leaf" or "none"',
    "unknown_ca": "the roots come from the folder in tls.pki: both ends need the same ones",
}
"""Words of an error -> what to look at in the file."""


def report(error: V2GError) -> ExitStatus:
    """Tell ``error`` on stderr; the exit status that it means."""
    if isinstance(error, ConfigError):
        echo(f"iso15118: {error.key}: {error.reason}", err=True)
        if error.hint:
            echo(f"  {error.hint}", err=True)
    else:
        echo(f"iso15118: {error}", err=True)
        for words, hint in _HINTS.items():
            if words in str(error):
                echo(f"  {hint}", err=True)
    match error:
        case MisuseError():
            return ExitStatus.USAGE
        case TrustError():
            return ExitStatus.TRUST
        case LinkTimeoutError():
            return ExitStatus.TIMEOUT
        case LinkError() | PeerError():
            return ExitStatus.LINK
        case _:
            return ExitStatus.FAILED
