"""A file with a list of tables, ``[[connector]]`` or ``[[inlet]]``: each says what is different there, and
the rest of the file holds for all.

What is wrong is said where it is written: in the table, or in the common part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from copy import deepcopy
from typing import Any, Final, TypeVar

from iso15118.errors import ConfigError, Problems
from iso15118.settings.choice import shown
from iso15118.settings.link import LinkSettings

__all__ = ["NAME", "Cables", "has", "names_of", "over", "read_each", "tables_of"]

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_SOURCES: Final = ("pki", "store", "certificate", "key", "chain", "anchors", "key_password_file")
"""Keys of [tls] and [tls.iso2] that say where certificates are from: a table that has one of
them takes none of them over."""
T = TypeVar("T")


def tables_of(value: Any, table: str, most: int) -> list[dict[str, Any]]:
    """The tables of ``[[table]]``. Raises ``ConfigError`` for what is no list of them, for none, and for more
    than ``most``."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ConfigError(
            table, f"{shown(value)} is no list of tables", f"write each as [[{table}]] with its keys below"
        )
    if not 1 <= len(value) <= most:
        raise ConfigError(table, f"there are {len(value)}", f"1 to {most} tables [[{table}]]")
    return value


def names_of(tables: list[dict[str, Any]], table: str) -> list[str]:
    """The name of each, taken out of it; one without has its number, from 1 on. Raises ``ConfigError`` for
    what is no name, and for one that is there twice."""
    names = [
        _name(one.pop("name", str(number + 1)), f"{table}[{number}].name")
        for number, one in enumerate(tables)
    ]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ConfigError(
                f"{table}[{number}].name", f"{name!r} is the name of another one", "a name for each"
            )
    return names


def _name(name: Any, key: str) -> str:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError(
            key,
            f"{shown(name)} is no name",
            "1 to 32 letters, digits, dots, hyphens and underscores, the first a letter or a digit",
        )
    return name


def over(common: dict[str, Any], own: dict[str, Any], where: str = "") -> dict[str, Any]:
    """``own``, with what it does not say from ``common``; table by table."""
    merged = deepcopy(common)
    if where in ("tls", "tls.iso2") and any(key in own for key in _SOURCES):
        merged = {key: value for key, value in merged.items() if key not in _SOURCES}
    for key, value in own.items():
        there = merged.get(key)
        if isinstance(value, dict) and isinstance(there, dict):
            merged[key] = over(there, value, f"{where}.{key}" if where else key)
        else:
            merged[key] = deepcopy(value)
    return merged


def has(table: Any, key: str) -> bool:
    """``key``, dotted and perhaps with the place in a list, is written in this table."""
    for part in re.sub(r"\[\d+\]", "", key).split("."):
        if not isinstance(table, dict) or part not in table:
            return False
        table = table[part]
    return True


def read_each(
    read: Callable[[int, dict[str, Any]], T],
    common: dict[str, Any],
    tables: list[dict[str, Any]],
    names: list[str],
    table: str,
    elsewhere: Collection[str] = (),
) -> list[T]:
    """What ``read`` makes of the number of each table and of the table over the common part. A key that only
    the common part has, or that was said ``elsewhere``, is wrong there, though it may be right for another
    table. Raises ``ConfigError`` with all that is wrong in any of them."""
    found: list[T] = []
    wrong: dict[tuple[str, str, str], list[str]] = {}
    for number, (name, own) in enumerate(zip(names, tables, strict=True)):
        try:
            found.append(read(number, over(common, own)))
        except ConfigError as error:
            for one in error.each:
                if one.key.startswith(f"{table}[{number}]."):
                    wrong[one.key, one.reason, one.hint] = []
                elif one.key not in elsewhere and (has(own, one.key) or not has(common, one.key)):
                    wrong[f"{table}[{number}].{one.key}", one.reason, one.hint] = []
                else:
                    wrong.setdefault((one.key, one.reason, one.hint), []).append(name)
    problems = Problems()
    for (key, reason, hint), whose in wrong.items():
        some = whose and len(whose) < len(names)
        with problems.noted():
            of = f"for {table} {', '.join(map(repr, whose))}: " if some else ""
            raise ConfigError(key, f"{of}{reason}", hint)
    problems.tell()
    return found


class Cables:
    """What hangs on which cable: each table has an interface to look for the other end, and a modem or
    transceiver, of its own. ``table`` and ``what``: what they are called."""

    def __init__(self, table: str, what: str) -> None:
        self._table, self._what = table, what
        self._discovery: dict[tuple[str, int], str] = {}
        self._media: dict[str, str] = {}

    def check(
        self, number: int, name: str, interface: str, sdp_port: int, link: LinkSettings, why: str
    ) -> None:
        """Raises ``ConfigError`` if another one is there already; ``why`` that must not be."""
        where = f"{self._table}[{number}]"
        other = self._discovery.setdefault((interface, sdp_port), name)
        if other != name:
            raise ConfigError(
                f"{where}.interface",
                f"{self._what} {other!r} is on {interface!r} too: {why}",
                f"an interface for each {self._what}; for tests on one machine another sdp_port",
            )
        if link.plugged and link.backend != "none":
            medium = link.interface or interface
            if self._media.setdefault(medium, name) != name:
                raise ConfigError(
                    f"{where}.link.interface",
                    f"the modem or transceiver on {medium!r} is of {self._what} {self._media[medium]!r}",
                    f"one for each {self._what}",
                )
