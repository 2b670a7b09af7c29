"""Methods of ports take the values that they will be called with, which is found out when a station or a
vehicle is put together, and not when it has to be made safe."""

from __future__ import annotations

import functools
import inspect
from typing import Any
from unittest.mock import AsyncMock

import pytest

from iso15118.errors import ConfigError
from iso15118.session import ports
from iso15118.session.port_checks import Kind, not_to_be_told
from tests.aio.test_port_checks import CALLED, bundle_of, protocols, replaced

MAY = [
    ("energy", "schedules", ports.SchedulingEnergyPort),
    ("energy", "display", ports.DisplayEnergyPort),
    ("authorizer", "authorize_vehicle", ports.VehicleAuthorizer),
    ("authorizer", "authorize_autocharge", ports.AutochargeAuthorizer),
]


def values_of(protocol: type, attribute: str) -> list[str]:
    return list(inspect.signature(getattr(protocol, attribute)).parameters)[1:]


def taking(count: int, kind: Kind) -> Any:
    """A method that takes so many values, and no other number of them."""
    names = ", ".join(f"value_{number}" for number in range(count))
    made: dict[str, Any] = {}
    exec(f"{'async ' if kind is Kind.ASKED else ''}def method({names}): return True", made)
    return made["method"]


def test_it_is_said_why_a_cable_check_cannot_be_called() -> None:
    """It may take one value less."""
    place = next(one for one in CALLED if one[1:3] == ("cable_check", "run"))
    values = values_of(protocols(getattr(ports, place[0]))["cable_check"], "run")
    replaced(place, taking(len(values) - 1, place[3]))
    for count, words in ((len(values) - 2, "too many positional arguments"), (len(values) + 1, "missing a")):
        with pytest.raises(ConfigError, match=words):
            replaced(place, taking(count, place[3]))


@pytest.mark.parametrize("place", CALLED)
def test_one_that_takes_too_few_or_too_many_is_refused_by_name(place: tuple[str, str, str, Kind]) -> None:
    name, port, attribute, kind = place
    values = values_of(protocols(getattr(ports, name))[port], attribute)
    replaced(place, taking(len(values), kind))
    older = 1 if (port, attribute) == ("cable_check", "run") else 0
    for count in {*range(len(values) - older), len(values) + 1, len(values) + 2}:
        with pytest.raises(ConfigError) as refused:
            replaced(place, taking(count, kind))
        assert str(refused.value).startswith(
            f"{port}.{attribute}: it is called with ({', '.join(values)}), and takes ("
        )
        start = "async def" if kind is Kind.ASKED else "def"
        assert f"write `{start} {attribute}({', '.join(('self', *values))})`" in str(refused.value)


def test_a_cable_check_of_an_older_kind_passes() -> None:
    replaced(("Station", "cable_check", "run", Kind.ASKED), taking(1, Kind.ASKED))


@pytest.mark.parametrize(("port", "attribute", "protocol"), MAY)
def test_so_it_is_with_methods_that_a_port_may_have(port: str, attribute: str, protocol: type) -> None:
    kind = Kind.TOLD if attribute == "display" else Kind.ASKED
    values = values_of(protocol, attribute)
    whole = getattr(bundle_of("Station"), port)
    setattr(whole, attribute, taking(len(values), kind))
    bundle_of("Station", **{port: whole})
    setattr(whole, attribute, taking(len(values) - 1, kind))
    with pytest.raises(ConfigError, match=rf"{port}\.{attribute}: it is called with"):
        bundle_of("Station", **{port: whole})


async def with_default(urgency: Any, reason: str = "", *more: Any, **names: Any) -> None:
    """Takes more than it is given."""


async def by_name(*, urgency: Any, reason: str) -> None:
    """Takes values by name only, and is given none by name."""


class Unsaid:
    """Says nonsense of what it takes."""

    __signature__ = 5

    def __call__(self, *values: Any) -> Any:
        return None


@pytest.mark.parametrize(
    "good",
    [
        with_default,
        functools.partial(with_default, reason="x"),
        AsyncMock(),
        lambda *_: None,
        min,
        Unsaid(),
    ],
    ids=["defaults", "partial", "mock", "any", "builtin", "nonsense"],
)
def test_what_can_be_called_so_passes_and_so_does_what_does_not_say(good: Any) -> None:
    place = ("Station", "power", "stop", Kind.ASKED)
    if inspect.isfunction(good) and not inspect.iscoroutinefunction(good):
        good = Unsaid()
    replaced(place, good)


@pytest.mark.parametrize("error", [RuntimeError("no"), ValueError("no"), TypeError("nonsense")])
def test_one_whose_signature_cannot_be_looked_at_is_believed(error: Exception) -> None:
    class Odd:
        @property
        def __signature__(self) -> Any:
            raise error

        def __call__(self, *values: Any) -> Any:
            return None

    replaced(("Station", "power", "stop", Kind.ASKED), Odd())
    assert not_to_be_told(Odd(), "a result") is None


def test_values_come_in_their_order_and_not_by_name() -> None:
    with pytest.raises(ConfigError, match=r"contactors\.open: it is called with"):
        replaced(("Vehicle", "contactors", "open", Kind.ASKED), by_name)


def with_bus(method: Any) -> Any:
    """A decorator that adds a value of its own."""

    @functools.wraps(method)
    async def call(self: Any, *values: Any) -> Any:
        return await method(self, "bus", *values)

    return call


def awaited(method: Any) -> Any:
    """One that makes a coroutine of a plain function."""

    @functools.wraps(method)
    async def call(*values: Any) -> Any:
        return method(*values)

    return call


class Decorated:
    """Contactors whose methods are decorated."""

    closed = False

    @with_bus
    async def close(self, bus: str) -> bool:
        return bool(bus)

    @with_bus
    async def open(self, bus: str, urgency: Any, reason: str) -> None: ...


class Plain:
    """Contactors whose methods are plain functions, which a decorator runs."""

    closed = False

    @awaited
    def close(self) -> bool:
        return True

    @awaited
    def open(self, urgency: Any, reason: str) -> None: ...


@pytest.mark.parametrize("contactors", [Decorated(), Plain()])
def test_of_a_decorated_method_counts_what_the_decorator_takes(contactors: Any) -> None:
    bundle_of("Station", contactors=contactors)


@pytest.mark.parametrize(
    ("names", "gets"),
    [(("current_a", "voltage_v", "power_w"), "current_a would get voltage_v"),
     (("volts", "power_w", "amperes"), "power_w would get current_a")],
)  # fmt: skip
def test_a_parameter_that_would_get_another_value_is_refused_by_name(
    names: tuple[str, ...], gets: str
) -> None:
    """Amperes for volts: their number is right, and nothing else would tell."""
    made: dict[str, Any] = {}
    exec(f"async def set_power({', '.join(names)}): ...", made)
    with pytest.raises(ConfigError, match=rf"power\.set_power: .*{gets}"):
        replaced(("Station", "power", "set_power", Kind.ASKED), made["set_power"])
