"""What all commands share: finding them by name, importing them when they are called, and turning every end into an exit status."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from iso15118 import __version__
from iso15118.cli.ending import ExitStatus, report
from iso15118.cli.options import given_once
from iso15118.cli.terminal import JsonFormatter, LineFormatter, echo
from iso15118.errors import ConfigError, V2GError
from iso15118.settings import choose, nearest

__all__ = ["run"]

COMMANDS = {
    "loopback": "iso15118.cli.loopback",
    "secc": "iso15118.cli.secc",
    "evcc": "iso15118.cli.evcc",
    "scenario": "iso15118.cli.scenario",
    "slac": "iso15118.cli.slac",
    "config": "iso15118.cli.config",
    "exi": "iso15118.cli.exi",
    "decode": "iso15118.cli.decode",
    "report": "iso15118.cli.report",
    "diff": "iso15118.cli.diff",
    "anonymize": "iso15118.cli.anonymize",
    "codegen": "iso15118.cli.codegen",
    "pki": "iso15118.cli.pki",
}
"""Name -> module with a ``typer.Typer`` called ``app``. A new command is a new line and a new module."""

LEVELS = ["debug", "info", "warning", "error"]


class LazyGroup(TyperGroup):
    """Commands that are imported when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            raise ConfigError(
                cmd_name, "there is no such command", f"did you mean {nearest(cmd_name, COMMANDS)!r}?"
            )
        command = typer.main.get_command(import_module(COMMANDS[cmd_name]).app)
        command.name = cmd_name
        return given_once(command)


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


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    log_level: Annotated[
        str, typer.Option(help="What is logged on stderr: debug, info, warning or error.")
    ] = "warning",
    log_format: Annotated[str, typer.Option(help="text, or json: one object a line.")] = "text",
) -> None:
    """Options that stand before the command."""
    level = choose("--log-level", log_level, LEVELS)
    handler = logging.StreamHandler(sys.stderr)
    if choose("--log-format", log_format, ["text", "json"]) == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def run(arguments: Sequence[str] | None = None) -> int:
    """The whole command line; returns the exit status."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="iso15118")
    except SystemExit as end:  # what click makes of --help, of a usage error and of typer.Exit
        return end.code if isinstance(end.code, int) else ExitStatus.OK
    except V2GError as error:
        return report(error)
    except TimeoutError as error:
        echo(f"iso15118: {error}", err=True)
        return ExitStatus.TIMEOUT
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    return ExitStatus.OK
