"""``--record`` of ``secc`` and ``evcc``: sessions are written into a folder while they run,
and the user is told where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from iso15118.cli.options import ConfigKeys
from iso15118.cli.terminal import echo_soon

if TYPE_CHECKING:
    from iso15118.aio.recording import Recorder

__all__ = ["recorder_in", "recording"]


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
