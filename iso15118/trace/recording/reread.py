"""The lines of a session folder read again, whole or cut off in mid-session: its messages as
entries, and why it is not whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from iso15118.errors import ConfigError
from iso15118.trace.entries import EVCC, SECC, Entry
from iso15118.trace.reading.messages import Dialogue

from .folders import LINES

__all__ = ["entries_in", "lines_of", "why_not_whole"]

_LONGEST: Final = 4 << 20
"""Octets of a line that are read; the longest message has 256 KiB."""


def lines_of(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of ``session.jsonl``; one that breaks off, as the last of a process that
    was killed may, is left out.

    Raises ``ConfigError`` if there is no such file.
    """
    path = folder / LINES
    try:
        file = path.open("rb")
    except OSError as error:
        raise ConfigError(
            "folder", f"{path}: {error.strerror}", "a folder that a session was recorded in"
        ) from None
    with file:
        while text := file.readline(_LONGEST):
            try:
                line = msgspec.json.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
            if isinstance(line, dict) and isinstance(line.get("t"), int | float):
                yield line


def entries_in(folder: Path) -> Iterator[Entry]:
    """The messages of a folder, decoded again from their octets. Raises ``ConfigError`` as ``lines_of``."""
    dialogue = Dialogue()
    number = 0
    for line in lines_of(folder):
        if line.get("layer") != "message" or not isinstance(text := line.get("exi"), str):
            continue
        number += 1
        try:
            payload = bytes.fromhex(text)
        except ValueError:
            continue
        kind, sender = line.get("payload_type"), line.get("from")
        yield dialogue.entry(
            kind if isinstance(kind, int) and 0 <= kind < 1 << 16 else None,
            payload,
            t=float(line["t"]),
            number=number,
            sender=sender if sender in (EVCC, SECC) else None,
        )


def why_not_whole(folder: Path) -> str:
    """Why a folder has no result; empty where it has. Raises ``ConfigError`` as ``lines_of``."""
    for line in lines_of(folder):
        name, content = line.get("message"), line.get("content")
        if line.get("layer") != "session":
            continue
        if name == "SessionResult":
            return ""
        if name == "RecordingEnded" and isinstance(content, dict):
            return f"the recording ended before the session: {content.get('reason')}"
    return "the recording breaks off before the end of the session"
