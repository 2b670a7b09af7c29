"""Value-added services: what a station offers a vehicle beside energy, such as access to the internet, and what the vehicle chose of it.

Plain frozen values, checked when they are made. ISO 15118-2 offers them in ServiceDiscoveryRes.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from iso15118.errors import ConfigError

__all__ = ["MOST_SERVICES", "ServiceParameters", "ValueAddedService", "check_value_added"]

Value: TypeAlias = bool | int | str

MOST_SERVICES = 7
"""A list has room for eight, and one is that which brings contracts."""
_FIRST_ID, _LAST_ID = 3, 65_535
_MOST_SETS, _MOST_VALUES, _LARGEST = 255, 16, 2**31 - 1
_NAME, _SCOPE = 32, 64


class ServiceParameters(Struct, frozen=True, kw_only=True):
    """One variant of a service. Raises ``ConfigError``."""

    id: int
    """1 to 32767; a vehicle chooses by it."""
    values: tuple[tuple[str, Value], ...]
    """Names with a truth, a whole number of 32 bits, or a text; 1 to 16 of them."""

    def __post_init__(self) -> None:
        if type(self.id) is not int or not 1 <= self.id <= 32_767:
            raise ConfigError("parameter_sets.id", f"{self.id!r} is no id", "1 to 32767")
        if not 1 <= len(self.values) <= _MOST_VALUES:
            raise ConfigError(
                "parameter_sets.values",
                f"{len(self.values)} of them",
                f"1 to {_MOST_VALUES} names with values",
            )
        for name, value in self.values:
            if not name or len(name) > _NAME:
                raise ConfigError("parameter_sets.values", f"{name!r} is no name", f"1 to {_NAME} characters")
            if type(value) not in (bool, int, str) or (type(value) is int and abs(value) > _LARGEST):
                raise ConfigError(
                    "parameter_sets.values", f"{name} = {value!r}", "True or False, a whole number, a text"
                )


class ValueAddedService(Struct, frozen=True, kw_only=True):
    """One service. Raises ``ConfigError``."""

    id: int
    """3 is access to the internet, 4 use-case information; 60000 and above are free for services of one's own."""
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
