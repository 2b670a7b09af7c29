"""The settings of ``secc``, ``evcc`` and ``config``: a file, what the environment says over it, and
``--set``; and passphrases that people are asked for."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from iso15118.settings.connectors import OneConnector, load_connectors
from iso15118.settings.inlets import VehicleInlets, load_inlets
from iso15118.settings.overrides import keys_of, overrides_of
from iso15118.settings.roles import ROLES

__all__ = [
    "Asking",
    "Sets",
    "SetsOfEvcc",
    "SetsOfSecc",
    "asked",
    "evcc_settings",
    "secc_settings",
]


def _keys(*roles: str) -> Callable[[str], list[str]]:
    """What a shell may complete ``--set`` with."""

    def found(incomplete: str) -> list[str]:
        keys = dict.fromkeys(f"{key}=" for role in roles for key in keys_of(ROLES[role]))
        return [key for key in keys if key.startswith(incomplete)]

    return found


_option = partial(
    typer.Option,
    "--set",
    metavar="KEY=VALUE",
    help="A key of the file, as tls.store=store, over what the file says; may be given again.",
)
Sets = Annotated[list[str] | None, _option(autocompletion=_keys("secc", "evcc"))]
SetsOfSecc = Annotated[list[str] | None, _option(autocompletion=_keys("secc"))]
SetsOfEvcc = Annotated[list[str] | None, _option(autocompletion=_keys("evcc"))]


def secc_settings(path: Path, sets: Sequence[str] | None) -> tuple[OneConnector, ...]:
    """Of each connector of a station. Raises ``ConfigError``."""
    return load_connectors(path, overrides_of("secc", sets or (), os.environ))


def evcc_settings(path: Path, sets: Sequence[str] | None) -> VehicleInlets:
    """Of each inlet of a vehicle. Raises ``ConfigError``."""
    return load_inlets(path, overrides_of("evcc", sets or (), os.environ))


def asked(what: str) -> bytes | None:
    """A passphrase that somebody types at the terminal, unseen; None where there is nobody to
    ask, or nothing is typed."""
    if not sys.stdin.isatty():
        return None
    try:
        typed = getpass.getpass(f"passphrase of {what}: ", stream=sys.stderr)
    except EOFError:
        return None
    return typed.encode() or None


class Asking:
    """``asked``, once for each thing, and from ``over`` on only what was said before: nobody waits for a
    person while sessions run."""

    def __init__(self) -> None:
        self._known: dict[str, bytes | None] = {}
        self._over = False

    def __call__(self, what: str) -> bytes | None:
        """The passphrase of ``what``, a file or a folder."""
        if what not in self._known and not self._over:
            self._known[what] = asked(what)
        return self._known.get(what)

    def over(self) -> None:
        """Nobody is asked any more."""
        self._over = True
