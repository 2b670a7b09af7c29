"""Keys of the library as the command line writes them: ``soc_target`` is typed ``--soc-target``."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from iso15118.errors import ConfigError

__all__ = ["ConfigKeys"]


class ConfigKeys:
    """A ``with`` block in which a ``ConfigError`` about one of these keys comes out as one about the option."""

    def __init__(self, *keys: str) -> None:
        self._keys = keys

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, ConfigError) and error.key in self._keys:
            option = "--" + error.key.replace("_", "-")
            raise ConfigError(option, error.reason, error.hint) from error
