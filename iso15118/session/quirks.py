"""Peers that are treated otherwise than all others: known by the beginning of the name that they give
themselves, and given settings of their own.

A name that a peer gives itself proves nothing, so nothing that trust or safety depend
on can be changed in this way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from iso15118.errors import ConfigError
from iso15118.printable import printable

from .actions import QuirkApplied

__all__ = ["MOST_QUIRKS", "Quirk", "begins", "changed", "check_quirks", "told"]

C = TypeVar("C", bound=Struct)
Q = TypeVar("Q", bound="Quirk")

MOST_QUIRKS: Final = 100
"""Of one role: each is looked at when a session begins."""
_MOST_NAMES: Final = 100


class Quirk(Struct, frozen=True, kw_only=True):
    """What is common to those of both roles."""

    name: str = ""
    """What it is called in the log; absent: ``like``, or the first of the names."""

    def _changes(self, known: Mapping[str, Mapping[str, Any]], like: str | None) -> dict[str, Any]:
        """What is set here, on top of what ``like`` means; names of fields and their values."""
        found = dict(known[like]) if like else {}
        for key in self.__struct_fields__:
            value = getattr(self, key)
            if key not in _NO_SETTINGS and value is not None:
                found[key] = value
        return found

    def _check(self, key: str, beginnings: tuple[str, ...], changes: Mapping[str, Any]) -> None:
        """Raises ``ConfigError`` for one that can meet nobody, or changes nothing."""
        if not beginnings or len(beginnings) > _MOST_NAMES or not all(plain(one) for one in beginnings):
            raise ConfigError(
                key,
                "whom it is about is not said",
                f"1 to {_MOST_NAMES} beginnings of names, such as 00:7D:FA",
            )
        if not changes:
            raise ConfigError("name", f"{self.name or beginnings[0]!r} changes nothing", "a setting, or like")


_NO_SETTINGS: Final = frozenset({"name", "evccid", "evse_id", "like"})


def told(title: str, peer: str, changes: Mapping[str, Any]) -> QuirkApplied:
    """The news that this one holds."""
    values = (
        (key, value.name.lower() if isinstance(value, Enum) else value) for key, value in changes.items()
    )
    return QuirkApplied(title, printable(peer), tuple(f"{key} = {value}" for key, value in values))


def plain(name: str) -> str:
    """A name without what people put between its parts: letters and digits alone, in capitals."""
    return "".join(one for one in name.upper() if one.isalnum())


def begins(name: str, beginnings: Iterable[str]) -> bool:
    """``name`` begins like one of these, however either is written."""
    own = plain(name)
    return bool(own) and any(own.startswith(plain(one)) for one in beginnings)


def changed(config: C, changes: Mapping[str, Any], places: Mapping[str, tuple[str, ...]]) -> C:
    """``config`` with these settings. ``places``: the dotted names of each in it. Raises ``ConfigError`` for
    what does not go together."""
    tables: dict[str, dict[str, Any]] = {}
    for key, value in changes.items():
        for place in places[key]:
            table, _, name = place.rpartition(".")
            tables.setdefault(table, {})[name] = value
    inner = {table: replace(getattr(config, table), **values) for table, values in tables.items() if table}
    return replace(config, **tables.get("", {}), **inner, quirks=())


def check_quirks(config: C, quirks: tuple[Q, ...], made: Callable[[C, Q], C]) -> None:
    """Raises ``ConfigError``, naming the quirk, if what one of them sets does not
    go with the other settings."""
    if len(quirks) > MOST_QUIRKS:
        raise ConfigError("quirks", f"there are {len(quirks)}", f"at most {MOST_QUIRKS}")
    for place, one in enumerate(quirks):
        try:
            made(config, one)
        except ConfigError as error:
            raise ConfigError(f"quirks[{place}]", f"{error.key}: {error.reason}", error.hint) from error
