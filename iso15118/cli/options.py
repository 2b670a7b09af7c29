"""Keys of the library as the command line writes them (``soc_target`` is typed ``--soc-target``), and options that are given twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self

import typer

from iso15118.errors import ConfigError

__all__ = ["ConfigKeys", "KeylogUdp", "Record", "given_once"]

Record = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Record each session in a new folder in DIR; its capture holds the TLS secrets.",
    ),
]
KeylogUdp = Annotated[
    str | None,
    typer.Option(
        "--keylog-udp",
        metavar="HOST:PORT",
        help="Send the TLS secrets there, as Wireshark plugins for V2G read them: who hears them reads the traffic.",
    ),
]
"""Options of ``secc`` and ``evcc``."""


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


def given_once(command: Any) -> Any:
    """The command, and those below it, refuse an option that has one value and is given twice: the first would be dropped in silence.

    Raises ``ConfigError`` when arguments are parsed.
    """
    for below in getattr(command, "commands", {}).values():
        given_once(below)
    parse_args = command.parse_args

    def parse(ctx: Any, args: list[str]) -> Any:
        _, _, order = command.make_parser(ctx).parse_args(args=list(args))
        for parameter, times in Counter(order).items():
            if times > 1 and parameter.param_type_name == "option" and _has_one_value(parameter):
                raise ConfigError(
                    "/".join(parameter.opts),
                    f"is given {times} times",
                    "once; for several stations or vehicles start a process for each"
                    if "--config" in parameter.opts
                    else "once",
                )
        return parse_args(ctx, args)

    command.parse_args = parse
    return command


def _has_one_value(parameter: Any) -> bool:
    return not (parameter.multiple or parameter.is_flag or getattr(parameter, "count", False))
