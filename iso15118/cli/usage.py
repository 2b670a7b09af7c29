"""Wrong use of a command, as the parser of its options says it, in the words that all errors have: what is
wrong, why, and what to type."""

from __future__ import annotations

from typing import Any, Final

import typer

from iso15118.errors import ConfigError
from iso15118.settings import nearest

__all__ = ["usage_error"]

_PARSER: Final = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""What the parser raises, whichever library typer has it from."""


def usage_error(error: Exception) -> ConfigError | str | None:
    """The error of the parser in our words; the text of a help that was asked for by giving nothing;
    None for any other error."""
    if not isinstance(error, _PARSER):
        return None
    told: Any = error
    context: Any = getattr(told, "ctx", None)
    kind = type(error).__name__
    command = context.command_path if context is not None else "iso15118"
    see = f"{command} -h lists what there is"
    if kind == "NoArgsIsHelpError":
        return str(context.get_help())
    if kind == "NoSuchOption":
        names = [
            name for one in context.command.get_params(context) for name in (*one.opts, *one.secondary_opts)
        ]
        return ConfigError(
            told.option_name,
            "there is no such option",
            f"did you mean {_like(told.option_name, names)}? {see}",
        )
    if kind == "MissingParameter":
        help_ = getattr(told.param, "help", None) or see
        return ConfigError(_name(told.param), "is missing", str(help_))
    if kind == "BadOptionUsage":
        return ConfigError(told.option_name, _plain(told.message, told.option_name), see)
    if kind == "NoSuchCommand" or told.message.startswith("No such command"):
        commands = context.command.list_commands(context)
        wrong = told.message.partition("'")[2].partition("'")[0]
        return ConfigError(
            "COMMAND",
            f"there is no command {wrong!r}",
            f"did you mean {nearest(wrong, commands)!r}? one of {', '.join(commands)}",
        )
    parameter = getattr(told, "param", None)
    if parameter is not None:
        return ConfigError(
            _name(parameter), _plain(told.message), str(getattr(parameter, "help", None) or see)
        )
    return ConfigError(command, _plain(told.message), see)


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "option":
        return "/".join(parameter.opts)
    return str(parameter.metavar or parameter.name.upper())


def _like(name: str, names: list[str]) -> str:
    """Long names for long ones, short ones for short ones."""
    alike = [one for one in names if one.startswith("--") is name.startswith("--")]
    return repr(nearest(name, alike or names))


def _plain(message: str, name: str = "") -> str:
    text = message.removeprefix(f"Option {name!r} ").rstrip(".")
    return text[:1].lower() + text[1:]
