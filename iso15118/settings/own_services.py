"""Value-added services of one's own in the files: their ids and parameter sets at a station, and what a
vehicle wants of them.

A value is written as a line of TOML in a text, since its name is the service's own: ``"Format = \"cells\""``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from iso15118.errors import ConfigError
from iso15118.ranges import Ranged
from iso15118.session.value_added import (
    MOST_SERVICES,
    ServiceParameters,
    Value,
    ValueAddedService,
    WantedService,
)

__all__ = ["OwnParameterSet", "OwnService", "OwnWish", "check_own", "check_wishes", "offered", "wanted"]

FIRST_OWN = 60_001
"""Ids from here on are free in both editions."""
OwnId = Annotated[int, Meta(ge=FIRST_OWN, le=65_535)]


class OwnParameterSet(Ranged, frozen=True, kw_only=True):
    """One variant of a service of one's own."""

    id: Annotated[int, Meta(ge=1, le=32_767)]
    """A vehicle chooses by it."""
    values: tuple[str, ...]
    """1 to 16 lines such as "Cells = true", "Interval = 5" or 'Format = "json"': a truth, a number, or a text
    of at most 64 characters."""


class OwnService(Ranged, frozen=True, kw_only=True):
    """A service of one's own that a station offers beside energy."""

    id: OwnId
    """Its number in both editions."""
    name: str = ""
    """At most 32 characters; empty: none is told."""
    scope: str = ""
    """Whose service it is, at most 64 characters."""
    free: bool = True
    """It costs nothing."""
    parameter_sets: tuple[OwnParameterSet, ...] = ()
    """Its variants, at most 32; without any the vehicle chooses the service alone."""


class OwnWish(Ranged, frozen=True, kw_only=True):
    """A service of one's own that a vehicle takes where a station offers it."""

    id: OwnId
    """Its number."""
    values: tuple[str, ...] = ()
    """What a parameter set has to say to be taken, each as the station's file has it; of several the first
    one is. Empty: the first there is."""


def offered(services: Iterable[OwnService], where: str = "station.own_services") -> list[ValueAddedService]:
    """What a station offers. Raises ``ConfigError`` naming the key below ``where``."""
    found = []
    for place, one in enumerate(services):
        at = f"{where}[{place}]"
        if len(one.parameter_sets) > _MOST_SETS:
            raise ConfigError(
                f"{at}.parameter_sets", f"{len(one.parameter_sets)} of them", f"at most {_MOST_SETS}"
            )
        try:
            found.append(
                ValueAddedService(
                    id=one.id,
                    name=one.name,
                    scope=one.scope,
                    free=one.free,
                    parameter_sets=tuple(
                        ServiceParameters(
                            id=variant.id, values=_read(variant.values, f"{at}.parameter_sets[{number}]")
                        )
                        for number, variant in enumerate(one.parameter_sets)
                    ),
                )
            )
        except ConfigError as error:
            key = error.key if error.key.startswith(where) else f"{at}.{error.key}"
            raise ConfigError(key, error.reason, error.hint) from error
    return found


def wanted(wishes: Iterable[OwnWish], where: str = "vehicle.own_services") -> list[WantedService]:
    """What a vehicle wants. Raises ``ConfigError`` naming the key below ``where``."""
    return [
        WantedService(id=one.id, values=_read(one.values, f"{where}[{place}]"))
        for place, one in enumerate(wishes)
    ]


def check_own(services: tuple[OwnService, ...], others: int) -> None:
    """With ``others`` services of the standard beside them there is room for all, and each id is there once.
    Raises ``ConfigError``."""
    offered(services)
    _once("station.own_services", [one.id for one in services])
    if len(services) + others > MOST_SERVICES:
        raise ConfigError(
            "station.own_services",
            f"{len(services)} beside {others} of station.value_added are too many",
            f"at most {MOST_SERVICES} in all",
        )


def check_wishes(wishes: tuple[OwnWish, ...], others: int) -> None:
    """The same of a vehicle, which can select 16."""
    wanted(wishes)
    _once("vehicle.own_services", [one.id for one in wishes])
    if len(wishes) + others > _MOST_SELECTED:
        raise ConfigError(
            "vehicle.own_services",
            f"{len(wishes)} beside {others} of vehicle.value_added are too many",
            f"at most {_MOST_SELECTED} in all",
        )


_MOST_SETS = 32
"""In ISO 15118-20."""
_MOST_SELECTED = 16


def _once(key: str, ids: list[int]) -> None:
    for place, one in enumerate(ids):
        if one in ids[:place]:
            raise ConfigError(f"{key}[{place}].id", f"{one} is the id of another one", "an id for each")


def _read(lines: tuple[str, ...], where: str) -> tuple[tuple[str, Value], ...]:
    found: list[tuple[str, Value]] = []
    for place, line in enumerate(lines):
        key = f"{where}.values[{place}]"
        try:
            pairs = list(tomllib.loads(line).items())
        except (tomllib.TOMLDecodeError, ValueError, RecursionError):
            pairs = []
        if len(pairs) != 1 or type(pairs[0][1]) not in (bool, int, float, str):
            raise ConfigError(
                key,
                f"{line!r:.60} is no name with a value",
                "such as 'Interval = 5', 'Cells = true' or 'Format = \"json\"'",
            )
        if any(pairs[0][0] == name for name, _ in found):
            raise ConfigError(key, f"{pairs[0][0]!r:.40} is there twice", "each name once")
        found.append(pairs[0])
    return tuple(found)
