"""``--record`` of ``secc`` and ``evcc``: sessions are written into a folder while they run,
and the user is told where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from iso15118.cli.options import ConfigKeys
from iso15118.cli.terminal import echo_soon

if TYPE_CHECKING:
    from iso15118.aio.recording import Recorder

__all__ = ["Kept", "recorder_in", "recording"]


@dataclass(frozen=True)
class Kept:
    """What is kept of the sessions: the TLS secrets in a file, or sent as datagrams, and
    the sessions in a folder."""

    keylog: Path | None = None
    keylog_udp: str | None = None
    record: Path | None = None

    def folder(self, name: str) -> Path | None:
        """Where the sessions of the connector or inlet ``name`` are recorded, if they are; one that is alone
        has no name."""
        return self.record / name if self.record is not None and name else self.record


def recorder_in(directory: Path | None) -> Recorder | None:
    """What records in ``directory``; None where nothing is wanted. Raises ``ConfigError`` for one
    that cannot be written to."""
    if directory is None:
        return None
    # Loaded where it is asked for: a station that records nothing starts without it.
    from iso15118.aio.recording import Recorder

    with ConfigKeys("record"):
        return Recorder(directory)


@contextmanager
def recording(recorder: Recorder | None) -> Iterator[None]:
    """At the end of the block all is written, and what was recorded is named on stderr."""
    if recorder is None:
        yield
        return
    try:
        yield
    finally:
        recorder.close()
        for folder in recorder.folders:
            echo_soon(f"iso15118: recorded in {folder}", err=True)
        if recorder.failed:
            echo_soon(f"iso15118: a recording is not whole: {recorder.failed}", err=True)
