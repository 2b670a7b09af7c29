"""``iso15118 config``: what a configuration file may say, whether one is right, and what it
comes to with all defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iso15118.cli.configured import Sets, evcc_settings, secc_settings
from iso15118.cli.options import choices
from iso15118.cli.show import print_json
from iso15118.cli.terminal import echo, echo_lines
from iso15118.errors import ConfigError
from iso15118.settings import choose
from iso15118.settings.connectors import (
    OneConnector,
    connectors_schema,
    connectors_to_builtins,
    connectors_to_toml,
)
from iso15118.settings.inlets import (
    OneInlet,
    VehicleInlets,
    inlets_schema,
    inlets_to_builtins,
    inlets_to_toml,
)
from iso15118.settings.reading import read_toml
from iso15118.settings.roles import ELSEWHERE, ROLES, EvccSettings, SeccSettings
from iso15118.settings.writing import json_schema

__all__ = ["app"]

_WITHOUT = frozenset(ELSEWHERE)
_TABLES = {"station": "secc", "connector": "secc", "vehicle": "evcc", "inlet": "evcc", "inlets": "evcc"}
"""Tables that only one role has."""

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Configuration files: show, validate, describe.",
)

File = Annotated[Path | None, typer.Argument(help="A TOML file.")]
Option = Annotated[
    Path | None, typer.Option("-c", "--config", help="The same, as the other commands have it.")
]
Role = Annotated[
    str | None,
    typer.Option(
        help="secc or evcc (default: what the file looks like).", autocompletion=choices("secc", "evcc")
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def show(
    file: File = None, config: Option = None, role: Role = None, sets: Sets = None, as_json: AsJson = False
) -> None:
    """Print a file with every key, its value, unit and meaning; without a file: the defaults of --role."""
    path = _one(file, config)
    if path is None and sets:
        raise ConfigError("--set", "says something over a file, and there is none", "name a file")
    which = _named(role) if path is None else _role(path, role)
    if which == "secc":
        stations = (OneConnector("", SeccSettings()),) if path is None else secc_settings(path, sets)
        if as_json:
            print_json(connectors_to_builtins(stations))
        else:
            echo_lines(connectors_to_toml(stations))
    else:
        vehicle = (
            VehicleInlets((OneInlet("", EvccSettings()),)) if path is None else evcc_settings(path, sets)
        )
        if as_json:
            print_json(inlets_to_builtins(vehicle))
        else:
            echo_lines(inlets_to_toml(vehicle))


@app.command()
def validate(
    file: File = None,
    config: Option = None,
    role: Role = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Check a file: exit status 0 if it is right, 2 with the key and the reason if it is not."""
    path = _one(file, config)
    if path is None:
        raise ConfigError("FILE", "is missing", "the file to check")
    which = _role(path, role)
    names: list[str] = []
    if which == "secc":
        names = [one.name for one in secc_settings(path, sets) if one.name]
    else:
        names = [one.name for one in evcc_settings(path, sets).inlets if one.name]
    what = "connectors" if which == "secc" else "inlets"
    if as_json:
        several = {what: names} if names else {}
        print_json({"file": str(path), "role": which, "valid": True, **several})
    else:
        of = f", {what} {', '.join(names)}" if names else ""
        echo(f"{path}: a valid configuration of the {which.upper()}{of}")


@app.command()
def schema(role: Role = None, as_json: AsJson = False) -> None:
    """Print the JSON Schema of the files, with units and defaults."""
    del as_json  # it is JSON in any case
    schemas = {name: json_schema(kind, without=_WITHOUT) for name, kind in ROLES.items()}
    schemas["secc"] = connectors_schema(schemas["secc"])
    schemas["evcc"] = inlets_schema(schemas["evcc"])
    print_json(schemas if role is None else schemas[_named(role)])


def _one(file: Path | None, config: Path | None) -> Path | None:
    if file is not None and config is not None:
        raise ConfigError("-c/--config", f"{file} is given too", "one of them")
    return file or config


def _named(role: str | None) -> str:
    if role is None:
        raise ConfigError("--role", "is missing", f"one of {', '.join(ROLES)}")
    return choose("--role", role, ROLES)


def _role(path: Path, role: str | None) -> str:
    """The role asked for, or the one whose tables the file has, or the one in its name."""
    if role is not None:
        return choose("--role", role, ROLES)
    found = [_TABLES[table] for table in read_toml(path) if table in _TABLES]
    found += [name for name in ROLES if name in path.stem.lower()]
    if not found:
        raise ConfigError(
            "--role", f"{path} does not show whose configuration it is", f"one of {', '.join(ROLES)}"
        )
    return found[0]
