"""What is below IP at one end, looked at when it is put together: each mistake by the name of its part, its
method and its remedy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.plug.connector import LinkParts
from iso15118.aio.plug.media import NoMedium
from iso15118.connector import ConnectorSettings
from iso15118.errors import ConfigError
from iso15118.link.plain import PlainLink


class Pilot:
    """A signalling that is as it should be."""

    def listen(self, listener: Any) -> None: ...

    def show(self, action: Any) -> None: ...

    def shown(self) -> Any: ...


class Wire:
    """A medium that is as it should be."""

    async def open(self, tell: Any) -> None: ...

    def carry(self, action: Any) -> None: ...

    async def close(self) -> None: ...


def but(good: type, **other: Any) -> Any:
    """One of this class with other methods."""
    return type(good.__name__, (good,), other)()


def missing(good: type, name: str) -> Any:
    kept = {one: found for one, found in vars(good).items() if not one.startswith("__") and one != name}
    return type(good.__name__, (), kept)()


async def later(self: Any, *values: Any) -> None:
    """A coroutine function."""


def at_once(self: Any, *values: Any) -> None:
    """A plain one."""


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"signalling": None}, "signalling: this port is missing"),
        ({"signalling": missing(Pilot, "show")}, "signalling.show: Pilot has no show"),
        ({"signalling": missing(Pilot, "listen")}, "signalling.listen: Pilot has no listen"),
        ({"signalling": but(Pilot, show=later)}, "signalling.show: a coroutine function"),
        ({"signalling": but(Pilot, listen=later)}, "signalling.listen: a coroutine function"),
        ({"signalling": but(Pilot, shown=later)}, "signalling.shown: a coroutine function"),
        ({"signalling": but(Pilot, show=lambda self: None)}, "signalling.show: it is called with"),
        ({"signalling": Pilot}, "signalling"),
        ({"medium": None}, "medium: this port is missing"),
        ({"medium": NoMedium}, "medium"),
        ({"medium": missing(Wire, "open")}, "medium.open: Wire has no open"),
        ({"medium": but(Wire, open=at_once)}, "medium.open: a plain function"),
        ({"medium": but(Wire, close=at_once)}, "medium.close: a plain function"),
        ({"medium": but(Wire, carry=later)}, "medium.carry: a coroutine function"),
        ({"link": None}, "link: this port is missing"),
        ({"link": PlainLink}, "link"),
        ({"link": SimpleNamespace()}, "link."),
        ({"settings": {"restarts": 5}}, "settings: it is dict"),
        ({"settings": ConnectorSettings}, "settings: it is "),
        ({"replug": 5}, "replug: it is int"),
        ({"replug": later}, "replug: a coroutine function"),
        ({"replug": lambda plug: None}, "replug: it cannot be called"),
    ],
)
def test_parts_that_cannot_work_are_refused_by_name(wrong: dict[str, Any], said: str) -> None:
    good: dict[str, Any] = {"link": PlainLink(), "medium": Wire(), "signalling": Pilot()}
    with pytest.raises(ConfigError) as raised:
        LinkParts(**(good | wrong))
    assert str(raised.value).startswith(said)


def test_parts_that_work_are_taken() -> None:
    LinkParts(link=PlainLink(), medium=Wire(), signalling=Pilot())
    LinkParts(
        link=PlainLink(),
        medium=NoMedium(),
        signalling=missing(Pilot, "shown"),
        settings=ConnectorSettings(),
        replug=lambda: None,
    )
