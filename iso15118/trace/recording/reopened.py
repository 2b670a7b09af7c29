"""The page of a session folder, made of what is there: also where the process was
killed and nobody wrote one."""

from __future__ import annotations

from pathlib import Path

from .reread import why_not_whole

__all__ = ["report_of"]


def report_of(folder: Path) -> str:
    """The page as text. Raises ``ConfigError`` for a folder in which no session was recorded."""
    from iso15118.trace.report.files import report_of_folder  # it reads the files of this room
    from iso15118.trace.report.page import page

    why = why_not_whole(folder)
    report = report_of_folder(folder)
    report.failure = "" if report.summary else why
    return page(report)
