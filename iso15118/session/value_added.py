"""Value-added services: what a station offers a vehicle beside energy, such as access to the internet, and
what the vehicle chose of it.

Plain frozen values, checked when they are made; both editions offer them in ServiceDiscoveryRes,
and each has ids of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, TypeAlias

from msgspec import Struct

from iso15118.errors import ConfigError
from iso15118.ranges import shown

__all__ = [
    "INTERNET",
    "MOST_SERVICES",
    "PARKING_STATUS",
    "Guidance",
    "ServiceParameters",
    "ValueAddedService",
    "WantedService",
    "check_value_added",
    "check_wanted",
    "internet",
    "number_in_iso2",
    "offered_in_iso2",
    "offered_in_iso20",
    "parking_status",
]

Value: TypeAlias = bool | int | float | str

INTERNET, PARKING_STATUS = 65, 66
"""Ids of ISO 15118-20. Access to the internet is 3 in ISO 15118-2, which knows no parking status."""

MOST_SERVICES = 7
"""A list has room for eight, and one is that which brings contracts."""
_FIRST_ID, _LAST_ID = 3, 65_535
_INTERNET_IN_ISO2 = 3
_FIRST_OF_ISO20 = 64
"""Lower ids are energy services there, or may become some."""
_MOST_SETS, _MOST_VALUES, _LARGEST = 255, 16, 2**31 - 1
_MOST_SETS_IN_ISO20 = 32
_NAME, _SCOPE, _TEXT = 32, 64, 64


class ServiceParameters(Struct, frozen=True, kw_only=True):
    """One variant of a service. Raises ``ConfigError``."""

    id: int
    """1 to 32767; a vehicle chooses by it."""
    values: tuple[tuple[str, Value], ...]
    """Names with a truth, a whole number of 32 bits, another number, or a text of at most 64 characters; 1 to
    16 of them. ISO 15118-2 is told a number that is not whole as a text."""

    def __post_init__(self) -> None:
        if type(self.id) is not int or not 1 <= self.id <= 32_767:
            raise ConfigError("parameter_sets.id", f"{self.id!r} is no id", "1 to 32767")
        if not _are_pairs(self.values) or not 1 <= len(self.values) <= _MOST_VALUES:
            raise ConfigError(
                "parameter_sets.values",
                f"{shown(self.values)} is no list of them",
                f"a tuple of 1 to {_MOST_VALUES} pairs of a name and a value",
            )
        for name, value in self.values:
            if not 1 <= len(name) <= _NAME:
                raise ConfigError("parameter_sets.values", f"{name!r} is no name", f"1 to {_NAME} characters")
            if not _possible(value):
                raise ConfigError(
                    "parameter_sets.values",
                    f"{name} = {value!r}",
                    f"True or False, a number up to {_LARGEST}, a text of at most {_TEXT} characters",
                )


def _are_pairs(values: object) -> bool:
    """A tuple of names with something each."""
    return type(values) is tuple and all(
        type(one) is tuple and len(one) == 2 and type(one[0]) is str for one in values
    )


def _possible(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _TEXT
    if type(value) is float:
        return math.isfinite(value) and abs(value) <= _LARGEST
    return type(value) is bool or (type(value) is int and abs(value) <= _LARGEST)


class ValueAddedService(Struct, frozen=True, kw_only=True):
    """One service. Raises ``ConfigError``."""

    id: int
    """65 is access to the internet and 66 parking status (``internet``, ``parking_status``); 3 and 4 are
    access to the internet and use-case information of ISO 15118-2 alone; 60001 and above are free for
    services of one's own in both editions."""
    name: str = ""
    """At most 32 characters; empty: none is told."""
    category: Literal["Internet", "OtherCustom"] = "OtherCustom"
    """ServiceCategory; a vehicle may ask for one category alone."""
    scope: str = ""
    """Whose service it is, at most 64 characters; a vehicle may ask for one scope alone."""
    free: bool = True
    """It costs nothing."""
    parameter_sets: tuple[ServiceParameters, ...] = ()
    """Its variants; without any the vehicle chooses the service alone."""

    def __post_init__(self) -> None:
        if type(self.id) is not int or not _FIRST_ID <= self.id <= _LAST_ID:
            raise ConfigError("id", f"{self.id!r} is no value-added service", f"{_FIRST_ID} to {_LAST_ID}")
        for key, most in (("name", _NAME), ("scope", _SCOPE)):
            if type(getattr(self, key)) is not str:
                wanted = f"a text of at most {most} characters"
                raise ConfigError(key, f"{shown(getattr(self, key))} is no text", wanted)
        if type(self.free) is not bool:
            raise ConfigError("free", f"{shown(self.free)} is neither", "True or False")
        if type(self.parameter_sets) is not tuple or not all(
            isinstance(one, ServiceParameters) for one in self.parameter_sets
        ):
            wanted = "a tuple of ServiceParameters"
            raise ConfigError("parameter_sets", f"{shown(self.parameter_sets)} is none", wanted)
        if len(self.name) > _NAME or len(self.scope) > _SCOPE:
            raise ConfigError(
                "name", f"name or scope of service {self.id} is too long", f"{_NAME} and {_SCOPE} characters"
            )
        if self.category not in ("Internet", "OtherCustom"):
            raise ConfigError("category", f"{self.category!r} is none", "Internet or OtherCustom")
        ids = {one.id for one in self.parameter_sets}
        if len(ids) != len(self.parameter_sets) or len(ids) > _MOST_SETS:
            raise ConfigError(
                "parameter_sets", f"service {self.id} has an id twice, or too many", f"at most {_MOST_SETS}"
            )

    def has(self, parameter_set: int | None) -> bool:
        """The vehicle may choose this variant; None where there are none to choose among."""
        if not self.parameter_sets:
            return parameter_set is None
        return any(one.id == parameter_set for one in self.parameter_sets)


def check_value_added(services: object) -> tuple[ValueAddedService, ...]:
    """What a session can offer. Raises ``ConfigError``."""
    if not isinstance(services, (tuple, list)) or not all(
        isinstance(one, ValueAddedService) for one in services
    ):
        raise ConfigError(
            "value_added", f"a {type(services).__name__} of something else", "ValueAddedService(...)"
        )
    if len(services) > MOST_SERVICES or len({one.id for one in services}) != len(services):
        raise ConfigError("value_added", "too many, or an id twice", f"at most {MOST_SERVICES} services")
    return tuple(services)


def internet(*protocols: Literal["ftp20", "ftp21", "http", "https"], free: bool = True) -> ValueAddedService:
    """Access to the internet with the parameter sets of the standard: 1 ftp over port 20, 2 ftp over 21, 3
    http, 4 https; without ``protocols`` the last two. What it takes to route is the charger's business.
    Raises ``ConfigError`` for what is not offered in this form."""
    known = {
        "ftp20": (1, "ftp", 20),
        "ftp21": (2, "ftp", 21),
        "http": (3, "http", 80),
        "https": (4, "https", 443),
    }
    wanted = protocols or ("http", "https")
    for name in wanted:
        if name not in known:
            raise ConfigError("protocols", f"{name!r} is none", ", ".join(known))
    sets = (known[name] for name in wanted)
    return ValueAddedService(
        id=INTERNET,
        name="InternetAccess",
        category="Internet",
        free=free,
        parameter_sets=tuple(
            ServiceParameters(id=number, values=(("Protocol", protocol), ("Port", port)))
            for number, protocol, port in sets
        ),
    )


CHECK_IN, CHECK_OUT = 1, 2
"""IntendedService of parking status."""


def parking_status(
    *, check_in: bool = True, check_out: bool = True, status_type: Literal[1, 2, 3, 4] = 1
) -> ValueAddedService:
    """Check-in and check-out of a parking space. ``status_type`` (ParkingStatusType): 1 automatic and
    internal, 2 automatic and external, 3 manual and internal, 4 manual and external. Raises ``ConfigError``
    for what is not offered in this form."""
    if status_type not in (1, 2, 3, 4) or not (check_in or check_out):
        raise ConfigError("status_type", f"{status_type!r}, or neither way", "1 to 4, and one way at least")
    return ValueAddedService(
        id=PARKING_STATUS,
        name="ParkingStatus",
        parameter_sets=tuple(
            ServiceParameters(
                id=way, values=(("IntendedService", way), ("ParkingStatusType", int(status_type)))
            )
            for way, there in ((CHECK_IN, check_in), (CHECK_OUT, check_out))
            if there
        ),
    )


def offered_in_iso20(services: Iterable[ValueAddedService]) -> tuple[ValueAddedService, ...]:
    """Those that ISO 15118-20 can offer: ids below 64 are energy services there, and a list of
    variants has room for 32."""
    return tuple(
        one
        for one in services
        if one.id >= _FIRST_OF_ISO20 and len(one.parameter_sets) <= _MOST_SETS_IN_ISO20
    )


def offered_in_iso2(services: Iterable[ValueAddedService]) -> tuple[tuple[int, ValueAddedService], ...]:
    """Those that ISO 15118-2 can offer, with their ids there, each once: a service of id 3 is meant for this
    edition alone, and stands there in the place of 65."""
    every = tuple(services)
    own = {one.id for one in every}
    numbered = ((number_in_iso2(one.id), one) for one in every)
    return tuple(
        (number, one)
        for number, one in numbered
        if number is not None and (number == one.id or number not in own)
    )


def number_in_iso2(service: int) -> int | None:
    """The id that ISO 15118-2 offers the service of this id by; None: it does not know such a service."""
    if service == INTERNET:
        return _INTERNET_IN_ISO2
    return None if service == PARKING_STATUS else service


class Guidance(Struct, frozen=True, kw_only=True):
    """Where a vehicle that checks in is to go; None: not said. Raises ``ConfigError``."""

    parking_space: int | None = None
    """Number of the space."""
    device_location: int | None = None
    """Where in it the charging device is, by the numbering of the site."""
    target_distance_cm: int | None = None
    """How far it is to go, in cm; no public source names the unit."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is not None and (type(value) is not int or not -32_768 <= value <= 32_767):
                raise ConfigError(name, f"{value!r} does not fit", "a whole number of 16 bits, or None")


class WantedService(Struct, frozen=True, kw_only=True):
    """A value-added service that a vehicle takes where a station offers it. Raises ``ConfigError``."""

    id: int
    """As in ``ValueAddedService``."""
    values: tuple[tuple[str, Value], ...] = ()
    """What a parameter set has to say to be taken; of several the first one is. Empty: the first there is."""

    def __post_init__(self) -> None:
        if type(self.id) is not int or not _FIRST_OF_ISO20 <= self.id <= _LAST_ID:
            raise ConfigError(
                "value_added.id",
                f"{self.id!r} is no value-added service",
                f"{_FIRST_OF_ISO20} to {_LAST_ID}",
            )
        if not _are_pairs(self.values):
            wanted = "a tuple of pairs of a name and a value"
            raise ConfigError("value_added.values", f"{shown(self.values)} is none", wanted)

    def fits(self, values: Iterable[tuple[str, Value]]) -> bool:
        """A parameter set with these values will do."""
        said = dict(values)
        return all(name in said and said[name] == value for name, value in self.values)


def check_wanted(wishes: object) -> tuple[WantedService, ...]:
    """What a vehicle can want: 16 services at most, since so many can be selected. Raises ``ConfigError``."""
    if not isinstance(wishes, (tuple, list)) or not all(isinstance(one, WantedService) for one in wishes):
        raise ConfigError("value_added", f"{type(wishes).__name__} of something else", "WantedService(...)")
    if len(wishes) > _MOST_SELECTED:
        raise ConfigError("value_added", f"{len(wishes)} services", f"at most {_MOST_SELECTED}")
    return tuple(wishes)


_MOST_SELECTED = 16
