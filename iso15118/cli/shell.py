"""What all commands share: finding them by name, importing them when they are called, and turning
every end into an exit status."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from iso15118 import __version__
from iso15118.cli import terminal
from iso15118.cli.ending import ExitStatus, report, report_interrupt, report_system
from iso15118.cli.options import choices, styled
from iso15118.cli.terminal import JsonFormatter, LineFormatter, echo
from iso15118.cli.usage import usage_error
from iso15118.errors import ConfigError, V2GError
from iso15118.settings import choose, nearest

__all__ = ["COMMANDS", "run"]

COMMANDS = {
    "loopback": "iso15118.cli.loopback",
    "secc": "iso15118.cli.secc",
    "evcc": "iso15118.cli.evcc",
    "scenario": "iso15118.cli.scenario",
    "campaign": "iso15118.cli.campaign",
    "slac": "iso15118.cli.slac",
    "config": "iso15118.cli.config",
    "exi": "iso15118.cli.exi",
    "decode": "iso15118.cli.decode",
    "report": "iso15118.cli.report",
    "diff": "iso15118.cli.diff",
    "anonymize": "iso15118.cli.anonymize",
    "codegen": "iso15118.cli.codegen",
    "pki": "iso15118.cli.pki",
    "completion": "iso15118.cli.completion",
}
"""Name -> module with a ``typer.Typer`` called ``app``. A new command is a new line and a new module."""

LEVELS = ["debug", "info", "warning", "error"]
FORMATS = ["text", "json"]


class LazyGroup(TyperGroup):
    """Commands that are imported when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:  # a shell asks what could follow: nothing
                return None
            raise ConfigError(
                "COMMAND",
                f"there is no command {cmd_name!r}",
                f"did you mean {nearest(cmd_name, COMMANDS)!r}? one of {', '.join(COMMANDS)}",
            )
        command = typer.main.get_command(import_module(COMMANDS[cmd_name]).app)
        return styled(command, cmd_name, shared=_shared(), warn=not ctx.resilient_parsing)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Names of commands, without importing one."""
        options = super(TyperGroup, self).shell_complete(ctx, incomplete)
        return [_completed(name) for name in COMMANDS if name.startswith(incomplete)] + options


def _completed(name: str) -> Any:
    core: Any = import_module("typer.core")
    item = getattr(core, "CompletionItem", None) or core.click.shell_completion.CompletionItem
    return item(name)


app = typer.Typer(
    name="iso15118",
    cls=LazyGroup,
    help="ISO 15118-20: charging stations (SECC) and electric vehicles (EVCC), both ends of the cable.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        echo(f"iso15118-stack {__version__}")
        raise typer.Exit


def _quiet(wanted: bool) -> None:
    if wanted:
        terminal.QUIET.set()
        _logged("error")


def _level(name: str | None) -> None:
    if name is not None:
        _logged(choose("--log-level", name, LEVELS))


def _formatted(name: str | None) -> None:
    if name is not None and choose("--log-format", name, FORMATS) == "json":
        for handler in logging.getLogger().handlers:
            if isinstance(handler.formatter, LineFormatter):
                handler.setFormatter(JsonFormatter())


def _logged(level: str) -> None:
    logging.getLogger().setLevel(level.upper())


Quiet = Annotated[
    bool,
    typer.Option(
        "-q",
        "--quiet",
        help="Nothing on stderr but errors.",
        callback=_quiet,
        envvar="ISO15118_QUIET",
        show_envvar=False,
    ),
]
Level = Annotated[
    str | None,
    typer.Option(
        help="What is logged on stderr: debug, info, warning or error (default: warning).",
        callback=_level,
        envvar="ISO15118_LOG_LEVEL",
        show_envvar=False,
        autocompletion=choices(*LEVELS),
    ),
]

Format = Annotated[
    str | None,
    typer.Option(
        help="Lines of the log: text, or json: one object a line (default: text).",
        callback=_formatted,
        envvar="ISO15118_LOG_FORMAT",
        show_envvar=False,
        autocompletion=choices(*FORMATS),
    ),
]


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    log_level: Level = None,
    quiet: Quiet = False,
    log_format: Format = None,
) -> None:
    """Options that stand before the command, or after it."""


def _both(quiet: Quiet = False, log_level: Level = None, log_format: Format = None) -> None:
    """Only for its options, which every command has."""


def _shared() -> list[Any]:
    bare = typer.Typer(add_completion=False, rich_markup_mode=None)
    bare.command()(_both)
    return list(typer.main.get_command(bare).params)


def run(arguments: Sequence[str] | None = None) -> int:
    """The whole command line; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    terminal.QUIET.clear()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level="WARNING", handlers=[handler])
    if os.environ.get("_ISO15118_COMPLETE"):  # a shell asks, by the script of `iso15118 completion`
        completion: Any = import_module("typer.completion")
        completion.completion_init()
    try:
        ended = app(args=given, prog_name="iso15118", standalone_mode=False)
    except SystemExit as end:  # of completion, and of a pipe that nobody reads any more
        return end.code if isinstance(end.code, int) else ExitStatus.OK
    except V2GError as error:
        return report(error, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        return report_interrupt(as_json=as_json)
    except OSError as error:  # TimeoutError is one
        return report_system(error, as_json=as_json)
    except Exception as error:
        told = usage_error(error)
        if told is None:
            raise
        if isinstance(told, str):  # a command that was called without anything: its help
            terminal.echo_lines(told, err=True)
            return ExitStatus.USAGE
        return report(told, as_json=as_json)
    return ended if isinstance(ended, int) else ExitStatus.OK
