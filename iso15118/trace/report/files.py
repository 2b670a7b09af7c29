"""Reports of captures and session folders that lie on disk.

A folder is what a session wrote: its capture, and beside it what the run says of itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from iso15118.errors import ConfigError
from iso15118.trace.reading.files import entries_of, open_capture
from iso15118.trace.reading.fitting import AUTO
from iso15118.trace.reading.secrets import Secrets

from .building import ReportBuilder
from .model import Report

__all__ = ["CAPTURE", "capture_in", "report_of_capture", "report_of_folder", "summary_in"]

CAPTURE: Final = "session.pcapng"
_LINES: Final = "session.jsonl"
_SUMMARY: Final = "summary.json"
_LONGEST_SUMMARY: Final = 1 << 20
_BATCH: Final = 512


def capture_in(folder: Path) -> Path:
    """The capture in a session folder; its lines where there is none. Raises ``ConfigError`` for a folder without either."""
    for name in (CAPTURE, _LINES):
        if (folder / name).is_file():
            return folder / name
    raise ConfigError(
        str(folder),
        f"has neither {CAPTURE} nor {_LINES}",
        "a folder that a session was recorded into, or a capture file",
    )


def summary_in(folder: Path) -> dict[str, Any]:
    """What the run says of itself; empty where it says nothing that can be read."""
    try:
        with (folder / _SUMMARY).open("rb") as file:
            found = msgspec.json.decode(file.read(_LONGEST_SUMMARY))
    except (OSError, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def report_of_capture(
    path: Path, *, secrets: Secrets | None = None, schema: str = AUTO, source: str = ""
) -> Report:
    """Of a capture file. Raises ``ConfigError`` for a file that cannot be opened, or is no capture."""
    reader = open_capture(path, secrets=secrets, schema=schema)
    builder = ReportBuilder()
    batch = []
    for entry in entries_of(path, reader=reader):
        batch.append(entry)
        if len(batch) >= _BATCH:
            builder.see(batch)
            batch = []
    builder.see(batch)
    return builder.finish(source or path.name, reader.facts, reader.streams)


def report_of_folder(folder: Path, *, failure: str = "") -> Report:
    """Of a session folder with a capture. ``failure``: why the run came to nothing. Raises ``ConfigError`` as ``report_of_capture``."""
    report = report_of_capture(folder / CAPTURE, source=folder.name)
    report.summary = summary_in(folder)
    report.failure = failure
    return report
