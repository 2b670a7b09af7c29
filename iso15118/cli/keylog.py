"""Where TLS secrets are written when somebody asks for it, and the warning that goes with
it. Nobody asks by default."""

from __future__ import annotations

import os
from pathlib import Path

from iso15118.cli.terminal import echo_soon

__all__ = ["KEYLOG_VARIABLE", "keylog_of_environment", "warn_of_keylog"]

KEYLOG_VARIABLE = "SSLKEYLOGFILE"
"""What browsers and TLS libraries listen to as well."""


def keylog_of_environment() -> Path | None:
    """The file that the environment asks for; None if it does not, or names nothing."""
    name = os.environ.get(KEYLOG_VARIABLE)
    return Path(name) if name else None


def warn_of_keylog(where: Path | str, *, sent: bool = False) -> None:
    """Say it where people look."""
    what = (
        f"sent to {where} in the clear: whoever hears them" if sent else f"written to {where}: whoever has it"
    )
    echo_soon(f"iso15118: TLS secrets are {what} can read the traffic", err=True)
