"""The parts of a station and a vehicle are looked at when they are put together: what is wrong is named, what
is unusual is not refused."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest

from iso15118.errors import ConfigError
from iso15118.session import ports
from iso15118.session.port_checks import Kind, refuse_common_ports

TABLES = {"Station": (ports.Station, ports._STATION), "Vehicle": (ports.Vehicle, ports._VEHICLE)}
DIRECT = {"Station": ("power", "cable_check"), "Vehicle": ("contactors", "inlet")}
"""The ports of direct current, which go together."""
NOT_WANTED = {("Station", "signal"): {"set_ready"}}
"""A station's signal port need not have what a station ignores."""

MAY_BE_SHARED = {
    "Station": {
        "authorizer",
        "cable_check",
        "contract_authorizer",
        "contract_certificates",
        "energy",
        "meter",
        "value_added",
        "vehicle_position",
    },
    "Vehicle": {"battery", "contracts", "inverter", "mobility", "value_added"},
}
"""By two connectors of a site, or two inlets of a vehicle. One monitor may look at several outputs in
turn, and one meter at the grid counts for several."""


def protocols(bundle: type) -> dict[str, type]:
    """The protocol of each port, as the dataclass names it."""
    found = {}
    for name, says in bundle.__annotations__.items():
        found[name] = getattr(ports, says.split(" ")[0])
    return found


def attributes(protocol: type) -> dict[str, Kind]:
    """What the protocol wants, and how it is used."""
    found = {}
    for name, value in vars(protocol).items():
        if name.startswith("_"):
            continue
        if isinstance(value, property):
            found[name] = Kind.READ
        elif inspect.iscoroutinefunction(value):
            found[name] = Kind.ASKED
        elif inspect.isfunction(value):
            found[name] = Kind.TOLD
    return found


def good(kind: Kind) -> Any:
    async def asked(*_: object) -> bool:
        return True

    return {Kind.ASKED: asked, Kind.TOLD: lambda *_: None, Kind.READ: 1.0}[kind]


def bundle_of(name: str, **ports_of_it: Any) -> Any:
    """A station or a vehicle in which everything is there, but for what is given."""
    made, table = TABLES[name]
    parts = {
        port: types.SimpleNamespace(**{a: good(k) for a, k in wanted.items()})
        for port, wanted in table.items()
    }
    return made(**(parts | ports_of_it))


PLACES = [
    (name, port, attribute, kind)
    for name, (_, table) in TABLES.items()
    for port, wanted in table.items()
    for attribute, kind in wanted.items()
]
CALLED = [place for place in PLACES if place[3] is not Kind.READ]
ASKED = [place for place in PLACES if place[3] is Kind.ASKED]


def replaced(place: tuple[str, str, str, Kind], value: Any) -> Any:
    """That port with another attribute, or without it."""
    name, port, attribute, _ = place
    wanted = TABLES[name][1][port]
    parts = {a: good(k) for a, k in wanted.items()}
    if value is missing:
        del parts[attribute]
    else:
        parts[attribute] = value
    return bundle_of(name, **{port: types.SimpleNamespace(**parts)})


missing = object()


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_are_the_protocols(name: str) -> None:
    bundle, table = TABLES[name]
    assert set(table) == set(protocols(bundle))
    for port, protocol in protocols(bundle).items():
        wanted = {a: k for a, k in attributes(protocol).items() if a not in NOT_WANTED.get((name, port), ())}
        assert table[port] == wanted, port
        assert typing.get_protocol_members(protocol) if hasattr(typing, "get_protocol_members") else True


@pytest.mark.parametrize("name", TABLES)
def test_a_whole_one_passes(name: str) -> None:
    assert bundle_of(name)


GO_TOGETHER = ("contactors", "connection_device", "vehicle_position")
"""May be absent, but not beside what they are for."""


@pytest.mark.parametrize("name", TABLES)
def test_a_port_that_may_be_absent_may_be_and_another_may_not(name: str) -> None:
    made, table = TABLES[name]
    for port in table:
        if port in DIRECT[name]:
            with pytest.raises(ConfigError, match=r": this port is missing"):
                bundle_of(name, **{port: None})
        elif port in GO_TOGETHER:  # with the others that are there
            with pytest.raises(ConfigError, match=f"{port}: this port is missing"):
                bundle_of(name, **{port: None})
        elif {f.name: f.default for f in dataclasses.fields(made)}[port] is None:
            bundle_of(name, **{port: None})
        else:
            with pytest.raises(ConfigError, match=f"{port}: this port is missing"):
                bundle_of(name, **{port: None})


@pytest.mark.parametrize("name", TABLES)
def test_direct_current_or_alternating_current_may_be_left_out_but_not_both(name: str) -> None:
    alternating, wireless = {"Station": ("ac", "pad"), "Vehicle": ("charger", "receiver")}[name]
    none = dict.fromkeys(DIRECT[name])
    assert bundle_of(name, **none)
    assert bundle_of(name, **{alternating: None})
    with pytest.raises(ConfigError, match=rf"^{DIRECT[name][0]}: this port is missing .*{alternating}"):
        bundle_of(name, **none, **{alternating: None, wireless: None})


@pytest.mark.parametrize("left", [("power", "cable_check"), ("ac",), ("ac", "pad"), ("pad",), ()])
def test_an_output_and_an_outlet_have_contactors(left: tuple[str, ...]) -> None:
    without = dict.fromkeys(left)
    with pytest.raises(ConfigError, match="contactors: this port is missing"):
        bundle_of("Station", contactors=None, **without)


def test_a_pad_does_without_contactors_and_a_device_without_its_sensor_is_none() -> None:
    assert bundle_of("Station", power=None, cable_check=None, ac=None, contactors=None)
    assert bundle_of("Station", connection_device=None, vehicle_position=None)


def test_a_cable_check_goes_with_a_dc_output_and_the_reverse() -> None:
    with pytest.raises(ConfigError, match=r"^cable_check: this port is missing"):
        bundle_of("Station", cable_check=None)
    with pytest.raises(ConfigError, match=r"^power: this port is missing"):
        bundle_of("Station", power=None)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(place[:3]))
def test_what_is_missing_is_named_with_its_port(place: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^{place[1]}\.{place[2]}: .* has no {place[2]}"):
        replaced(place, missing)


@pytest.mark.parametrize("place", CALLED, ids=lambda place: ".".join(place[:3]))
@pytest.mark.parametrize("value", [None, 5, "stop", object()], ids=["None", "int", "text", "object"])
def test_what_cannot_be_called_is_named(place: Any, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"^{place[1]}\.{place[2]}: it is .*, which cannot be called"):
        replaced(place, value)


def plain(*_: object) -> None:
    """Forgotten: async."""


@functools.wraps(plain)
def decorated_plain(*values: object) -> None:
    return plain(*values)


def annotated_bool(*_: object) -> bool:
    return True


annotated_bool.__annotations__["return"] = bool  # as in a module without postponed annotations


class Methods:
    def plain(self, *_: object) -> bool:
        return True


@pytest.mark.parametrize("place", ASKED, ids=lambda place: ".".join(place[:3]))
@pytest.mark.parametrize(
    "value",
    [plain, Methods().plain, lambda *_: None, decorated_plain, annotated_bool],
    ids=["function", "method", "lambda", "decorated", "annotated"],
)
def test_a_plain_function_where_a_coroutine_is_wanted_is_named(place: Any, value: object) -> None:
    with pytest.raises(
        ConfigError, match=rf"^{place[1]}\.{place[2]}: a plain function.*async def {place[2]}"
    ):
        replaced(place, value)


@pytest.mark.parametrize(
    "place", [p for p in PLACES if p[3] is Kind.TOLD], ids=lambda place: ".".join(place[:3])
)
def test_a_coroutine_where_nobody_waits_is_named(place: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^{place[1]}\.{place[2]}: a coroutine function"):
        replaced(place, good(Kind.ASKED))


ERRORS = (
    ValueError,
    KeyboardInterrupt,
    SystemExit,
    GeneratorExit,
    StopIteration,
    asyncio.CancelledError,
    BaseException,
)


@pytest.mark.parametrize("kind", ERRORS)
def test_one_that_raises_when_it_is_looked_up_is_named(kind: type[BaseException]) -> None:
    class Broken:
        @property
        def run(self) -> Any:
            raise kind

    if issubclass(kind, KeyboardInterrupt | SystemExit):
        # Somebody at the keyboard, or this program itself, ends it before anything is switched on.
        with pytest.raises(kind):
            bundle_of("Station", cable_check=Broken())
        return
    with pytest.raises(ConfigError, match=r"^cable_check\.run: looking it up raises"):
        bundle_of("Station", cable_check=Broken())


def test_a_property_is_not_read_to_find_out_that_it_is_there() -> None:
    class Touchy:
        @property
        def present(self) -> Any:
            raise AssertionError("this touches the hardware")

        limits = pre_charge = set_power = stop = present

    class Power:
        pre_charge = set_power = stop = AsyncMock()
        present = Touchy.present
        limits = Touchy.present

    assert bundle_of("Station", power=Power())


# -- what is unusual, and right
# -------------------------------------------------------------------------------


async def coroutine(*_: object) -> bool:
    return True


def annotated(*_: object) -> Awaitable[bool]:
    return coroutine()


def with_a_future(*_: object) -> asyncio.Future[bool]:
    return asyncio.get_running_loop().create_future()


def retried(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    async def wrapper(*values: Any) -> Any:
        return await call(*values)

    return wrapper


def wrapped_plainly(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def wrapper(*values: Any) -> Any:
        return call(*values)

    return wrapper


@types.coroutine
def by_generator(*_: object) -> Any:
    yield


class Answer:
    def __await__(self) -> Any:
        return coroutine().__await__()


def annotated_by(kind: object) -> Callable[..., Any]:
    """As in a module without postponed annotations."""

    def says(*_: object) -> Any:
        return Answer()

    says.__annotations__["return"] = kind
    return says


class Awaits:
    async def __call__(self, *_: object) -> bool:
        return True


class Unknown:
    """What it returns cannot be told before it is called; then it is judged."""

    def __call__(self, *_: object) -> Any:
        return None


UNUSUAL: dict[str, Any] = {
    "AsyncMock": AsyncMock(),
    "MagicMock": MagicMock(),
    "partial of a coroutine function": functools.partial(coroutine, 1),
    "plain function annotated with Awaitable": annotated,
    "plain function annotated with a future": with_a_future,
    "plain function annotated with a class that can be awaited": annotated_by(Answer),
    "plain function annotated with a generic": annotated_by(Awaitable[bool]),
    "decorated coroutine function": retried(coroutine),
    "coroutine function in a plain decorator": wrapped_plainly(coroutine),
    "coroutine made of a generator": by_generator,
    "object with an async __call__": Awaits(),
    "object with a __call__": Unknown(),
    "builtin": print,
}


@pytest.mark.parametrize("value", UNUSUAL.values(), ids=UNUSUAL)
def test_whatever_may_be_waited_for_is_taken(value: Any) -> None:
    for place in ASKED:
        replaced(place, value)


def test_a_mock_of_a_whole_port_and_a_port_that_stands_for_another_are_taken() -> None:
    class Stands:
        def __getattr__(self, name: str) -> Any:
            return good(ports._STATION["power"][name])

    assert bundle_of("Station", power=Stands())
    assert bundle_of("Station", power=AsyncMock(ports.DcPowerPort))
    assert bundle_of("Station", power=ports_class())


@pytest.mark.parametrize("kind", ERRORS)
def test_a_port_that_stands_for_another_is_asked_whether_a_value_is_there(kind: type[BaseException]) -> None:
    class Stands:
        pre_charge = set_power = stop = AsyncMock()
        limits = 1.0

        def __getattr__(self, name: str) -> Any:
            raise kind

    if issubclass(kind, KeyboardInterrupt | SystemExit):
        with pytest.raises(kind):
            bundle_of("Station", power=Stands())
    else:
        assert bundle_of("Station", power=Stands()), "what it raises is dealt with when it is read"

    class Lacks(Stands):
        def __getattr__(self, name: str) -> Any:
            raise AttributeError(name)

    with pytest.raises(ConfigError, match=r"^power\.present: Lacks has no present"):
        bundle_of("Station", power=Lacks())


def ports_class() -> Any:
    """A class of static methods does as well as an object."""

    class Power:
        present = limits = 1.0
        pre_charge = set_power = stop = staticmethod(coroutine)

    return Power


READ = [place for place in PLACES if place[3] is Kind.READ]


@pytest.mark.parametrize("place", READ, ids=lambda place: ".".join(place[:3]))
def test_a_method_where_a_property_is_read_is_refused_by_name(place: tuple[str, str, str, Kind]) -> None:
    name, port, attribute, _ = place
    others = {other: good(kind) for other, kind in TABLES[name][1][port].items() if other != attribute}
    kind = type("Mine", (types.SimpleNamespace,), {attribute: lambda self: True})
    with pytest.raises(ConfigError, match="@property") as refused:
        bundle_of(name, **{port: kind(**others)})
    assert refused.value.key == f"{port}.{attribute}"


@pytest.mark.parametrize("name", TABLES)
def test_a_class_where_an_object_is_wanted_is_refused_by_name(name: str) -> None:
    for port in TABLES[name][1]:
        with pytest.raises(ConfigError, match="is a class") as refused:
            bundle_of(
                name, **{port: type("Mine", (), {one: lambda self: True for one in TABLES[name][1][port]})}
            )
        assert refused.value.key == port


@pytest.mark.parametrize("name", TABLES)
def test_two_that_are_open_share_no_port_that_belongs_to_one(name: str) -> None:
    every = {port: object() for port in TABLES[name][0].__annotations__}
    refused = set()
    for port in every:
        one, other = (types.SimpleNamespace(**{**dict.fromkeys(every), port: every[port]}) for _ in range(2))
        with contextlib.suppress(ConfigError):
            refuse_common_ports(one, other, "another one")
            continue
        with pytest.raises(ConfigError, match="this very port") as caught:
            refuse_common_ports(one, other, "another one")
        assert caught.value.key == port
        refused.add(port)
    assert set(every) - refused == MAY_BE_SHARED[name]
