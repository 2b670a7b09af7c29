"""Reports of captures and session folders that lie on disk.

A folder is what a session wrote: its capture, and beside it what the run says of itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from iso15118.errors import ConfigError
from iso15118.trace.entries import CaptureFacts, Entry
from iso15118.trace.reading.files import entries_of, open_capture
from iso15118.trace.reading.fitting import AUTO
from iso15118.trace.reading.secrets import Secrets
from iso15118.trace.recording.folders import CAPTURE, LINES, SUMMARY
from iso15118.trace.recording.reread import entries_in

from .building import ReportBuilder
from .model import Report

__all__ = ["report_of_capture", "report_of_folder", "summary_in"]

_LONGEST_SUMMARY: Final = 1 << 20
_BATCH: Final = 512


def summary_in(folder: Path) -> dict[str, Any]:
    """What the run says of itself; empty where it says nothing that can be read."""
    try:
        with (folder / SUMMARY).open("rb") as file:
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


def report_of_folder(
    folder: Path, *, failure: str = "", secrets: Secrets | None = None, schema: str = AUTO
) -> Report:
    """Of a session folder: of its capture, or of its lines where the capture is missing or shows no message.
    ``failure``: why the run came to nothing. Raises ``ConfigError`` for a folder in which no session was
    recorded, and as ``report_of_capture``."""
    report = None
    if (folder / CAPTURE).is_file() and (folder / CAPTURE).stat().st_size:
        report = report_of_capture(folder / CAPTURE, source=folder.name, secrets=secrets, schema=schema)
    if report is None or not any(one.messages for one in report.sessions):
        report = _of_lines(folder, report)
    report.summary = summary_in(folder)
    report.failure = failure
    return report


def _of_lines(folder: Path, other: Report | None) -> Report:
    facts = CaptureFacts(kind="lines")
    builder = ReportBuilder()
    try:
        builder.see(_ledgered(entries_in(folder), facts))
    except ConfigError:
        if other is not None:
            return other
        raise ConfigError(
            str(folder),
            f"has neither {CAPTURE} nor {LINES}",
            "a folder that a session was recorded in, or a capture file",
        ) from None
    report = builder.finish(folder.name, facts, [])
    return report if other is None or report.sessions else other


def _ledgered(entries: Iterator[Entry], facts: CaptureFacts) -> Iterator[Entry]:
    for one in entries:
        facts.first = one.t if facts.first is None else facts.first
        facts.last = one.t
        facts.text_lines += 1
        yield one
