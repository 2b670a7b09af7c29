"""What both ends in one process need beside themselves: a discovery port that nobody else has, and a cable
whose time passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.plug import run_plugged as module
from iso15118.connector import Phase
from iso15118.connector.news import PhaseEntered
from iso15118.errors import LinkError
from iso15118.link.primitives import DLinkReady
from tests.aio.site import LOOPBACK
from tests.aio.test_settling import now


class Station:
    """In place of a connector with that discovery port."""

    unusable = False

    def __init__(self, port: int) -> None:
        self.port, self.opened = port, 0
        self.server: Any = None if self.unusable else SimpleNamespace(ports={"tls": 50_001, "none": 50_002})
        self.unreachable_because = "no address yet"

    async def open(self) -> None:
        self.opened += 1

    async def close(self) -> None:
        self.opened -= 1


class Ports:
    """Discovery ports of this machine, of which others have some."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: set[int] = set()
        self.made: list[Station] = []
        self.error: Exception = LinkError("it is in use")
        free = iter(range(20_001, 20_050))
        monkeypatch.setattr(module, "SDP_PORT", 20_000)
        monkeypatch.setattr(module, "_free_port", lambda interface: next(free))
        monkeypatch.setattr(module, "sdp_server_socket", self._look)

    def _look(self, interface: Any, port: int) -> Any:
        assert interface is LOOPBACK
        if port in self.taken:
            raise self.error
        return SimpleNamespace(close=lambda: None)

    async def open(self) -> tuple[int, int, Station]:
        def make(port: int) -> Any:
            self.made.append(Station(port))
            return self.made[-1]

        opened: Any = await module._opened(make, LOOPBACK)
        return opened  # type: ignore[no-any-return]


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> Ports:
    return Ports(monkeypatch)


@pytest.mark.parametrize("taken", range(5))
async def test_a_station_is_found_at_the_port_of_the_standard_or_the_first_free_one(
    taken: int, ports: Ports
) -> None:
    ports.taken = set(range(20_000, 20_000 + taken))
    port, tcp_port, server = await ports.open()
    assert (port, tcp_port) == (20_000 + taken, 50_001)
    assert server is ports.made[-1]
    assert [one.opened for one in ports.made] == [0] * taken + [1]


async def test_after_five_ports_that_others_have_it_is_given_up(ports: Ports) -> None:
    ports.taken = set(range(20_000, 20_050))
    with pytest.raises(LinkError, match="in use"):
        await ports.open()
    assert [one.opened for one in ports.made] == [0] * 5


async def test_an_interface_that_cannot_be_used_is_said(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Station, "unusable", True)
    with pytest.raises(LinkError, match="no address yet"):
        await ports.open()
    assert [one.opened for one in ports.made] == [0] * 5


async def test_what_another_port_does_not_mend_is_not_tried_again(ports: Ports) -> None:
    ports.taken, ports.error = {20_000}, ValueError("nobody thought of this")
    with pytest.raises(ValueError, match="nobody thought"):
        await ports.open()
    assert [one.opened for one in ports.made] == [0]


def test_a_free_port_is_one_that_nobody_asked_for() -> None:
    found = {module._free_port(LOOPBACK) for _ in range(3)}
    assert min(found) > 1024


# -- time and phases


class Slow:
    """A cable on which something is due."""

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.advanced: list[float] = []
        self.changed: Callable[[], None] = lambda: None

    def advance(self, at: float) -> None:
        self.advanced.append(at)
        self.deadline = None


async def test_what_is_due_on_a_cable_happens_once_and_at_its_time() -> None:
    cable: Any = Slow()
    pump = module._Pump(cable)
    began = now()
    for due in (2.0, 1.0, 3.0):  # each takes the place of the one before
        cable.deadline = began + due
        cable.changed()
    await asyncio.sleep(5.0)
    assert cable.advanced == [pytest.approx(began + 3.0, abs=0.01)]
    cable.deadline = now() + 1.0
    cable.changed()
    cable.deadline = None
    cable.changed()
    await asyncio.sleep(2.0)
    assert len(cable.advanced) == 1
    cable.deadline = now() + 1.0
    cable.changed()
    pump.close()
    cable.changed()
    await asyncio.sleep(2.0)
    assert len(cable.advanced) == 1, "its time stands still after the end"


def test_a_phase_is_reached_when_it_is_entered() -> None:
    reached = module._Reached(Phase.FINISHED)
    for other in (PhaseEntered(Phase.SESSION), DLinkReady(True)):
        reached(other)
        assert not reached.event.is_set()
    reached(PhaseEntered(Phase.FINISHED))
    assert reached.event.is_set()
