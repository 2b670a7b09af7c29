"""Keys of the library as the command line writes them: ``soc_target`` is typed ``--soc-target``."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from iso15118.errors import ConfigError

__all__ = ["ConfigKeys"]


class ConfigKeys:
    """A ``with`` block in which a ``ConfigError`` about one of these keys comes out as one about the option.

    ``written``: the way that the user writes such a key, where it is no option.
    """

    def __init__(self, *keys: str, written: str = "") -> None:
        self._keys = keys
        self._written = written

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, ConfigError) and error.key in self._keys:
            key = self._written.format(error.key) if self._written else "--" + error.key.replace("_", "-")
            raise ConfigError(key, error.reason, error.hint) from error
