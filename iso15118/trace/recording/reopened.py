"""A session folder read again, whole or cut off in mid-session: its messages, states and values, and a report of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from iso15118.errors import ConfigError
from iso15118.trace.entries import MessageEntry
from iso15118.trace.reading.messages import Dialogue
from iso15118.trace.recorder import Recorder
from iso15118.trace.report import report

from .folders import LINES, SUMMARY

__all__ = ["lines_of", "reopened", "report_of"]

_LONGEST: Final = 4 << 20
"""Octets of a line that are read; the longest message has 256 KiB."""


def lines_of(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of ``session.jsonl``; one that breaks off, as the last of a process that was killed may, is left out.

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
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            if isinstance(line, dict) and isinstance(line.get("t"), int | float):
                yield line


def reopened(folder: Path) -> tuple[Recorder, str]:
    """The record that a session folder holds, and why it is not whole; empty where it has its result. Times are Unix time in s.

    Raises ``ConfigError`` as ``lines_of``.
    """
    recorder, dialogue = Recorder(), Dialogue()
    number, over, why = 0, False, ""
    for line in lines_of(folder):
        t, layer = float(line["t"]), line.get("layer")
        if layer == "message" and isinstance(line.get("exi"), str):
            number += 1
            entry = _entry(dialogue, line, t, number)
            if isinstance(entry, MessageEntry):
                body = getattr(entry.value, "body", None)
                message = getattr(body, "body_element", None) or entry.value
                recorder.message(entry.sender, message, t)
        elif layer == "session" and isinstance(content := line.get("content"), dict):
            name, role = line.get("message"), str(line.get("from"))
            if name == "StateEntered" and role in recorder.states:
                recorder.state(role, str(content.get("state")), t)
            over = over or name == "SessionResult"
            if name == "RecordingEnded":
                why = f"the recording ended before the session: {content.get('reason')}"
    return recorder, why or ("" if over else "the recording breaks off before the end of the session")


def _entry(dialogue: Dialogue, line: dict[str, Any], t: float, number: int) -> Any:
    try:
        payload = bytes.fromhex(line["exi"])
    except ValueError:
        return None
    kind, sender = line.get("payload_type"), line.get("from")
    return dialogue.entry(
        kind if isinstance(kind, int) else None,
        payload,
        t=t,
        number=number,
        sender=sender if sender in ("evcc", "secc") else None,
    )


def report_of(folder: Path) -> str:
    """The page of a session folder, made of what is there: also where the process was killed and nobody wrote one.

    Raises ``ConfigError`` as ``lines_of``.
    """
    recorder, why = reopened(folder)
    summary: dict[str, Any] = {}
    try:
        told = json.loads((folder / SUMMARY).read_bytes())
        summary = told if isinstance(told, dict) else {}
    except (OSError, ValueError):
        pass
    return report(recorder, summary, failure=why if not summary else "")
