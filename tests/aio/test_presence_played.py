"""A station on an interface that a played machine takes away, gives another address and brings back:
when that is told, to whom, and when it listens again."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv6Address
from typing import Any

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.net import presence as module
from iso15118.aio.net.interface import Interface
from iso15118.aio.net.presence import GRACE_S, LOOK_S, InterfaceLost, InterfaceReady, Presence
from iso15118.errors import LinkError
from iso15118.sdp import Security
from iso15118.session.actions import Notify

HERE = Interface("v2g0", 3, IPv6Address("fe80::1"))
MOVED = Interface("v2g0", 3, IPv6Address("fe80::2"))
ANEW = Interface("v2g0", 4, IPv6Address("fe80::1"))
GONE = "there is no interface v2g0"


class Discovery:
    def __init__(self, ports: dict[Security, int]) -> None:
        self.ports, self.port, self.open = ports, 15118, True

    def close(self) -> None:
        self.open = False


class Machine:
    """What the station finds of its interface; nothing of it is real."""

    def __init__(self) -> None:
        self.here: Interface | None = HERE
        self.addresses = {HERE.address, MOVED.address}
        self.listens = self.announces = True
        self.sockets: list[socket.socket] = []
        self.discoveries: list[Discovery] = []
        self.news: list[Notify] = []
        self.lost: list[str] = []
        self.accepted: list[tuple[socket.socket, Security]] = []

    def find(self, name: str) -> Interface:
        if self.here is None:
            raise LinkError(GONE)
        return self.here

    def listen(self, interface: Interface, port: int | None) -> socket.socket:
        if not self.listens:
            raise LinkError("the port is taken")
        made = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        made.bind(("::1", 0))
        self.sockets.append(made)
        return made

    async def announce(self, interface: Interface, ports: dict[Security, int], **how: Any) -> Discovery:
        if not self.announces:
            raise LinkError("discovery is taken")
        self.discoveries.append(Discovery(dict(ports)))
        return self.discoveries[-1]

    async def accept(self, listener: socket.socket, security: Security) -> None:
        self.accepted.append((listener, security))
        await asyncio.Event().wait()

    @property
    def found(self) -> int:
        """By how many discoveries the station can be found now."""
        return sum(one.open for one in self.discoveries)

    def presence(self, interface: Interface | str = "v2g0", **how: Any) -> Presence:
        ports = how.pop("ports", {Security.TLS: None, Security.NONE: None})
        return Presence(
            interface, ports, self.accept, sdp_port=0, lost=self.lost.append, news=self.news.append, **how
        )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    played = Machine()
    monkeypatch.setattr(module, "find_interface", played.find)
    monkeypatch.setattr(module, "listen_tcp", played.listen)
    monkeypatch.setattr(module, "serve_sdp", played.announce)
    monkeypatch.setattr(module, "_has", lambda here: here.address in played.addresses)
    return played


async def over(presence: Presence) -> None:
    presence.close()
    if accepting := presence.accepting:
        await asyncio.wait(accepting)


async def test_one_port_serves_all_kinds_and_takes_its_connections_as_the_first(machine: Machine) -> None:
    presence = machine.presence()
    assert presence.problem == "it has not been opened"
    await presence.open()
    await asyncio.sleep(0)
    port = machine.sockets[0].getsockname()[1]
    assert presence.ports == {Security.TLS: port, Security.NONE: port} == machine.discoveries[0].ports
    assert machine.accepted == [(machine.sockets[0], Security.TLS)]
    assert (presence.problem, presence.sdp_port, presence.interface) == ("", 15118, HERE)
    await asyncio.sleep(10 * LOOK_S)
    assert (machine.news, machine.lost, len(machine.sockets)) == ([], [], 1), "nothing changed"
    await over(presence)
    assert presence.ports == {}
    assert presence.sdp_port == machine.found == 0
    assert machine.sockets[0].fileno() == -1
    await asyncio.sleep(5 * LOOK_S)
    assert len(machine.sockets) == 1, "nobody looks any more"


async def test_an_address_that_stays_away_is_news_at_once_and_an_end_after_its_grace(
    machine: Machine,
) -> None:
    presence = machine.presence()
    await presence.open()
    machine.here = None
    await asyncio.sleep(LOOK_S + 0.1)
    assert machine.news == [InterfaceLost("v2g0", GONE)]
    assert presence.problem == GONE
    await asyncio.sleep(GRACE_S - 0.2)
    assert machine.lost == []
    await asyncio.sleep(0.2)
    assert machine.lost == [GONE]
    await asyncio.sleep(5.0)
    assert (machine.lost, machine.news) == ([GONE], [InterfaceLost("v2g0", GONE)]), "told once"
    machine.here = HERE
    await asyncio.sleep(LOOK_S)
    assert machine.news[1:] == [InterfaceReady("v2g0", "fe80::1")]
    assert presence.problem == ""
    assert len(machine.sockets) == 1, "it listened all the time"
    machine.here = None
    await asyncio.sleep(LOOK_S + GRACE_S + 0.1)
    assert machine.lost == [GONE, GONE], "another time is another loss"
    await over(presence)


async def test_an_address_that_comes_back_in_time_ends_nothing(machine: Machine) -> None:
    presence = machine.presence()
    await presence.open()
    for _ in range(3):
        machine.here = None
        await asyncio.sleep(LOOK_S + 0.1)
        machine.here = HERE
        await asyncio.sleep(GRACE_S)
    assert machine.lost == []
    assert [type(one) for one in machine.news] == [InterfaceLost, InterfaceReady] * 3
    await over(presence)


@pytest.mark.parametrize("then", [MOVED, ANEW], ids=["another address", "made anew"])
async def test_an_interface_that_is_another_one_ends_what_runs_and_is_listened_on(
    machine: Machine, then: Interface
) -> None:
    presence = machine.presence()
    await presence.open()
    machine.here = then
    machine.addresses -= {HERE.address} - {then.address}
    await asyncio.sleep(LOOK_S + 0.1)
    text = f"its address was fe80::1 (interface 3), now it is {then.address} ({then.index})"
    assert machine.lost == [text]
    assert machine.news == [InterfaceReady("v2g0", str(then.address))]
    assert presence.interface is then
    assert machine.sockets[0].fileno() == -1
    assert [sock.fileno() != -1 for sock in machine.sockets] == [False, True]
    assert machine.found == 1
    assert [listener for listener, _ in machine.accepted] == machine.sockets
    await over(presence)


async def test_a_second_address_beside_ours_changes_nothing(machine: Machine) -> None:
    presence = machine.presence()
    await presence.open()
    machine.here = MOVED  # which the system names first now
    await asyncio.sleep(5 * LOOK_S)
    assert (machine.lost, machine.news, len(machine.sockets)) == ([], [], 1)
    await over(presence)


@pytest.mark.parametrize("fails", ["listens", "announces"])
async def test_a_port_that_cannot_be_had_again_is_said_and_tried_again(machine: Machine, fails: str) -> None:
    presence = machine.presence()
    await presence.open()
    machine.here = ANEW
    setattr(machine, fails, False)
    await asyncio.sleep(3 * LOOK_S + 0.1)
    problem = "the port is taken" if fails == "listens" else "discovery is taken"
    assert machine.news == [InterfaceLost("v2g0", problem)]
    assert presence.ports == {}
    assert machine.found == 0
    assert len(machine.lost) == 1
    setattr(machine, fails, True)
    await asyncio.sleep(LOOK_S)
    assert machine.news[1:] == [InterfaceReady("v2g0", "fe80::1")]
    assert machine.found == 1
    await over(presence)


async def test_an_interface_that_is_missing_at_first_is_refused_or_waited_for(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.here = None
    presence = machine.presence()
    with pytest.raises(LinkError, match=GONE):
        await presence.open()
    await asyncio.sleep(5 * LOOK_S)
    assert machine.news == []
    waits = machine.presence(wait=True)
    await waits.open()
    assert machine.news == [InterfaceLost("v2g0", GONE)]
    assert flush(60.0)
    assert f"waiting for interface v2g0: {GONE}" in caplog.text
    await asyncio.sleep(1.5 * LOOK_S)
    assert machine.news[1:] == [], "that was said"
    machine.here = HERE
    await asyncio.sleep(LOOK_S)
    assert machine.news[1:] == [InterfaceReady("v2g0", "fe80::1")]
    assert machine.found == 1
    await over(waits)


async def test_what_was_hidden_stays_hidden_when_the_interface_is_another_one(machine: Machine) -> None:
    presence = machine.presence()
    await presence.open(show=False)
    assert (machine.found, presence.sdp_port) == (0, 0)
    await presence.show()
    await presence.show()
    assert len(machine.discoveries) == machine.found == 1
    presence.hide()
    presence.hide()
    assert machine.found == 0
    machine.here = ANEW
    await asyncio.sleep(LOOK_S + 0.1)
    assert len(machine.sockets) == 2
    assert machine.found == 0
    await presence.show()
    assert machine.found == 1
    await over(presence)
    await presence.show()
    assert machine.found == 0, "there is nothing to be found"


async def test_hidden_while_discovery_is_being_opened_it_is_not_found(machine: Machine) -> None:
    presence = machine.presence()
    await presence.open(show=False)
    real = machine.announce

    async def slow(*what: Any, **how: Any) -> Discovery:
        await asyncio.sleep(0.1)
        return await real(*what, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "serve_sdp", slow)
        await asyncio.gather(presence.show(), presence.show())
        assert machine.found == 1, "of two that were opened at once one stays"
        presence.hide()
        showing = asyncio.create_task(presence.show())
        await asyncio.sleep(0.05)
        presence.hide()
        await showing
    assert machine.found == 0
    await over(presence)


async def test_one_that_is_closed_while_it_opens_looks_at_nothing_afterwards(machine: Machine) -> None:
    presence = machine.presence()
    real = machine.announce

    async def slow(*what: Any, **how: Any) -> Discovery:
        await asyncio.sleep(0.1)
        return await real(*what, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "serve_sdp", slow)
        opening = asyncio.create_task(presence.open())
        await asyncio.sleep(0.05)
        presence.close()
        await opening
    assert machine.found == 0
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "interface v2g0"]
    await over(presence)


async def test_an_interface_that_the_caller_made_is_not_looked_at(machine: Machine) -> None:
    presence = machine.presence(MOVED)
    assert presence.interface is MOVED
    await presence.open()
    assert (presence.name, presence.interface) == ("v2g0", MOVED)
    machine.here = None
    await asyncio.sleep(10.0)
    assert (machine.news, machine.lost, presence.problem) == ([], [], "")
    await over(presence)


async def test_a_look_that_fails_in_an_unforeseen_way_is_not_the_last_one(
    machine: Machine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    presence = machine.presence()
    await presence.open()

    def fails(name: str) -> Interface:
        raise ValueError("odd")

    with monkeypatch.context() as patch:
        patch.setattr(module, "find_interface", fails)
        await asyncio.sleep(2 * LOOK_S)
    machine.here = ANEW
    await asyncio.sleep(2 * LOOK_S)
    assert flush(60.0)
    assert "interface v2g0 could not be looked at" in caplog.text
    assert machine.news == [InterfaceReady("v2g0", "fe80::1")]
    await over(presence)


async def test_an_interface_is_held_for_one_station_and_let_go_at_the_end(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, made = list[int](), list[int]()

    class Lock:
        def __init__(self, interface: Interface, sdp_port: int) -> None:
            self.index = interface.index
            held.append(self.index)
            made.append(self.index)

        def release(self) -> None:
            held.remove(self.index)

    monkeypatch.setattr(module, "StationLock", Lock)
    presence = machine.presence()
    await presence.open()
    assert held == [3]
    machine.here, machine.addresses = MOVED, {MOVED.address}
    await asyncio.sleep(LOOK_S + 0.1)
    assert held == made == [3], "another address on the same one"
    machine.here, machine.addresses = ANEW, {ANEW.address}
    await asyncio.sleep(LOOK_S + 0.1)
    assert held == [4]
    await over(presence)
    assert held == []
    presence.close()
    assert held == [], "closing twice is harmless"
    fixed = machine.presence(MOVED)
    await fixed.open()
    assert held == [3]
    await over(fixed)


@pytest.mark.parametrize("there", [True, False])
def test_an_address_is_there_if_a_socket_can_be_bound_to_it_whatever_its_port(
    there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A free one: who holds which port has nothing to do with it. Nothing is left open."""
    bound: list[Any] = []

    class Probe:
        def __enter__(self) -> Probe:
            return self

        def __exit__(self, *how: object) -> None:
            bound.append("closed")

        def bind(self, address: Any) -> None:
            bound.append(address)
            if not there:
                raise OSError("no such address")

    monkeypatch.setattr(socket, "socket", lambda family, kind: Probe())
    assert module._has(HERE) is there
    assert bound == [("fe80::1", 0, 0, 3), "closed"]


@pytest.mark.parametrize("interface", ["v2g0", HERE])
async def test_what_others_cancel_is_said_and_begun_again(
    machine: Machine, interface: Interface | str, caplog: pytest.LogCaptureFixture
) -> None:
    """As a program does that cancels all of its tasks. Nobody is invited until connections are taken again,
    and the session that runs goes on."""
    presence = machine.presence(interface)
    await presence.open()
    for again in (1, 2):
        await asyncio.sleep(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert len(others) == (1 if interface is HERE else 2)
        for task in others:
            task.cancel()
        await asyncio.sleep(0.01)
        assert not asyncio.all_tasks() - {asyncio.current_task()}, "a program that ends is not kept from it"
        assert "what takes connections has ended: it was cancelled" in presence.problem
        assert (presence.ports, presence.sdp_port, machine.found) == ({}, 0, 0)
        assert machine.sockets[-1].fileno() == -1
        await asyncio.sleep(2.1 * LOOK_S)
        assert (presence.problem, machine.found, len(machine.sockets)) == ("", 1, again + 1)
        assert machine.accepted[-1] == (machine.sockets[-1], Security.TLS)
    assert [type(one) for one in machine.news] == [InterfaceLost, InterfaceReady] * 2
    assert machine.lost == []
    assert flush(60.0)
    assert ("what looks at interface v2g0 was cancelled" in caplog.text) is (interface == "v2g0")
    await asyncio.sleep(5 * LOOK_S)
    assert len(presence.accepting) == 1
    await over(presence)
    await asyncio.sleep(5 * LOOK_S)
    assert len(machine.sockets) == 3
    assert not asyncio.all_tasks() - {asyncio.current_task()}


async def test_what_takes_connections_and_fails_is_said_and_begun_again(machine: Machine) -> None:
    """As when one of those that are to be cancelled has no chance to be."""
    really, failures = machine.accept, [OSError("no descriptors"), None]

    async def accept(listener: socket.socket, security: Security) -> None:
        if failures and (error := failures.pop(0)) is not None:
            raise error
        if failures:
            return
        await really(listener, security)

    machine.accept = accept  # type: ignore[method-assign]
    presence = machine.presence()
    await presence.open()
    await asyncio.sleep(0.01)
    assert "it is begun again" in presence.problem
    assert "OSError: no descriptors" in presence.problem
    await asyncio.sleep(2.1 * LOOK_S)
    assert (presence.problem, len(machine.accepted)) == ("", 1)
    await over(presence)


async def test_what_was_ended_by_others_is_not_begun_again_behind_the_end(machine: Machine) -> None:
    presence = machine.presence()
    await presence.open()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0.01)
    presence.close()
    await asyncio.sleep(5 * LOOK_S)
    assert len(machine.sockets) == 1


async def test_what_looks_at_the_interface_alone_begins_again_without_a_new_listener(
    machine: Machine,
) -> None:
    presence = machine.presence()
    await presence.open()
    (watch,) = [task for task in asyncio.all_tasks() if task.get_name() == "interface v2g0"]
    watch.cancel()
    await asyncio.sleep(2.1 * LOOK_S)
    assert (presence.problem, len(machine.sockets)) == ("", 1)
    machine.here = None
    await asyncio.sleep(2.1 * LOOK_S)
    assert machine.news == [InterfaceLost("v2g0", GONE)]
    await over(presence)
