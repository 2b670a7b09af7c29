"""The command line, one module per command; this file knows none of them.

Importing it costs nothing, and starting a command imports that command only: a station listens a few tenths
of a second after its start.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line with ``arguments`` (default: those of the process) and return its exit status.

    0 as asked, 1 the session failed, 2 usage or configuration, 3 peer or transport, 4 TLS or PKI, 5 timeout.
    """
    from iso15118.cli.shell import run

    return run(arguments)
