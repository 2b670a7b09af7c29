"""The session folder: ``session.jsonl``, ``session.pcapng``, ``summary.json`` and ``report.html`` of one
session (docs/session-folder.md).

Files are written here, by whoever calls; no thread, no socket and no clock. ``iso15118.aio.recording``
does so on a thread of its own.
"""

from __future__ import annotations

from .folders import new_folder, only_folder
from .record import SessionRecord
from .reopened import report_of

__all__ = ["SessionRecord", "new_folder", "only_folder", "report_of"]
