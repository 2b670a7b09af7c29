"""Options as all commands have them: named as the keys of the library, given once, from the
environment, and listed in one style.

A key ``soc_target`` is typed ``--soc-target``, and of ``iso15118 loopback`` it is taken from
``ISO15118_LOOPBACK_SOC_TARGET``, too.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Final, Self

import typer

from iso15118.cli.terminal import echo
from iso15118.errors import ConfigError
from iso15118.settings import nearest

__all__ = ["ConfigKeys", "KeylogUdp", "Record", "choices", "given_once", "styled"]

PREFIX: Final = "ISO15118_"

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


def choices(*names: str) -> Callable[[str], list[str]]:
    """What a shell may complete an option with."""

    def found(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return found


def styled(command: Any, name: str, *, shared: Iterable[Any], warn: bool = True) -> Any:
    """The command, and those below it, in the style of all: plain help, ``-h``, options from the environment
    and given once, and the ``shared`` ones. ``warn``: of variables for options that there are not."""
    shared = list(shared)
    known: set[str] = set()
    for path, leaf in _leaves(command, name):
        leaf.params += [option for option in shared if not _has(leaf, option)]
        for option in leaf.params:
            option.expose_value = option.expose_value and option not in shared
            if option.param_type_name == "option" and option not in shared:
                option.envvar = option.envvar or _variable(path, option)
                option.show_envvar = False  # all of them: docs/command-line.md
                known.add(option.envvar)
            elif option.param_type_name == "argument":
                option.metavar = option.metavar or option.name.upper()
    below = f"{PREFIX}{name.upper()}_"
    for variable in sorted(os.environ) if warn else ():
        if variable.startswith(below) and not variable.startswith(f"{below}_") and variable not in known:
            like = nearest(variable, [one.lower() for one in known]).upper()
            echo(f"iso15118: {variable} is for no option of {name}; did you mean {like}?", err=True)
    return given_once(command)


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    command.rich_markup_mode = None
    command.context_settings["help_option_names"] = ["-h", "--help"]
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
    for name, one in (below or {}).items():
        yield from _leaves(one, f"{path}_{name}")


def _has(command: Any, option: Any) -> bool:
    return any(set(one.opts) & set(option.opts) for one in command.params)


def _variable(path: str, option: Any) -> str:
    longest = max(option.opts, key=len).lstrip("-")
    return f"{PREFIX}{path}_{longest}".replace("-", "_").upper()


def given_once(command: Any) -> Any:
    """The command, and those below it, refuse an option that has one value and is given twice: the first
    would be dropped in silence.

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
