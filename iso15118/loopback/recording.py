"""The session folder: every message as a line of JSON as it passes, and the summary at the end."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from iso15118.errors import ConfigError
from iso15118.loopback.summary import LoopbackSummary

__all__ = ["SessionFolder"]


class SessionFolder:
    """``session.jsonl`` and ``summary.json`` in ``directory``, which is made. Use it as a context manager.

    Raises ``ConfigError`` if the directory cannot be written to.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._encoder = msgspec.json.Encoder()
        self._began: float | None = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = (directory / "session.jsonl").open("wb")
        except OSError as error:
            raise ConfigError(
                "out", f"{directory}: {error.strerror}", "a folder that can be written to"
            ) from error

    def watch(self, sender: str, message: Any, now: float) -> None:
        """One message: seconds since the first one on the protocol's clock, who sent it, its type and its content (binary as base64)."""
        if self._began is None:
            self._began = now
        line = {
            "t": round(now - self._began, 6),
            "from": sender,
            "message": type(message).__name__,
            "content": message,
        }
        self._file.write(self._encoder.encode(line) + b"\n")

    def conclude(self, summary: LoopbackSummary) -> None:
        """The run is over."""
        text = msgspec.json.format(msgspec.json.encode(summary), indent=2)
        (self.directory / "summary.json").write_bytes(text + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
