"""The TLS secrets of a connection in a file, for Wireshark. Whoever has the file can read the traffic, so
nothing writes it unless it is asked for by its path.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from iso15118.aio.logs import Log
from iso15118.errors import ConfigError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["KeyLogFile"]

_log = Log(__name__)


class KeyLogFile:
    """A key log in NSS format at ``path``, readable by its owner only (mode 0600); give it to a
    ``TlsContext`` as ``keylog``.

    Lines are added to a file that is there. Raises ``ConfigError`` if it cannot be written, is a
    link, or is no ordinary file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            self._file: int | None = os.open(path, flags, 0o600)
        except OSError as error:
            raise ConfigError(
                "keylog", f"{os.fspath(path)}: {os.strerror(error.errno or 0)}", "a path that can be written"
            ) from error
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            self.close()
            raise ConfigError("keylog", f"{os.fspath(path)} is no ordinary file", "another path")
        os.fchmod(self._file, 0o600)  # it may have been there with another mode
        _log.warning("TLS secrets are written to %s: whoever has it can read the traffic", path)

    def __call__(self, line: str) -> None:
        """Write one line. A disk that is full ends the log, not the session."""
        if self._file is not None:
            try:
                os.write(self._file, line.encode() + b"\n")
            except OSError as error:
                _log.error("no more TLS secrets are written: %s", os.strerror(error.errno or 0))
                self.close()

    def close(self) -> None:
        """Write no more."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> KeyLogFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
