"""A vehicle's inlet in its details: what is dropped and what is told when its link goes, and what becomes of
it where the signalling is only assumed; and a power line that is emulated between played interfaces."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from iso15118.aio.plug import powerline as module
from iso15118.aio.plug.plugged_evcc import PluggedEvcc
from iso15118.aio.plug.powerline import EmulatedModems
from iso15118.connector import EvccInlet, Phase
from iso15118.connector.news import DropConnection, PhaseEntered, StopDiscovery
from iso15118.errors import LinkError
from iso15118.link.primitives import DLinkReady
from tests.aio.test_plugged import connector
from tests.aio.test_settling import now


class Inlet(EvccInlet):
    """Stands where the test puts it."""

    at_rest = True

    def __init__(self) -> None:
        self.phase = Phase.LINKING


class Client:
    """A client of which a session has begun, or not."""

    def __init__(self, *, begun: bool = True) -> None:
        self.begun = begun
        self.session, self.any_session = object(), object()
        self.lost = 0

    def link_lost(self) -> None:
        self.lost += 1


async def turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def standing(evcc: PluggedEvcc) -> tuple[Inlet, list[str]]:
    """In the middle of its run, with an assumed signalling that notes when it is plugged in again."""
    inlet, made = Inlet(), list[str]()
    evcc.driver.machine = inlet
    evcc._replug = lambda: made.append("replug")
    evcc._over = asyncio.get_running_loop().create_future()
    return inlet, made


@pytest.mark.parametrize("linked", [False, True])
async def test_where_the_signalling_is_assumed_a_station_that_was_there_is_tried_again(linked: bool) -> None:
    async with connector() as here:
        evcc = here.evcc
        _, made = standing(evcc)
        assert evcc._over is not None
        evcc._heard(DLinkReady(False))
        if linked:
            evcc._heard(DLinkReady(True))
        evcc._look()
        evcc._look()
        assert made == [], "more of the signalling may be on its way"
        await turns()
        assert made == (["replug"] if linked else [])
        assert evcc._over.done() is not linked, "who never answered is not there"
        evcc._look()
        await turns()
        assert (len(made), evcc._over.done()) == (linked, True), "nor is one that does not come back"
        evcc._finish()


@pytest.mark.parametrize("change", ["at_rest", "phase", "replug", "over"])
@pytest.mark.parametrize("late", [False, True])
async def test_it_is_tried_again_only_where_it_waits_in_vain(change: str, late: bool) -> None:
    async with connector() as here:
        evcc = here.evcc
        inlet, made = standing(evcc)
        over: Any = evcc._over
        evcc._linked = True
        if late:
            evcc._look()
        match change:
            case "at_rest":
                inlet.at_rest = False
            case "phase":
                inlet.phase = Phase.DISCOVERY
            case "replug":
                evcc._replug = None
            case _:
                evcc._over = None
        if not late:
            evcc._look()
        await turns()
        assert made == []
        assert not over.done()
        evcc._over = None


async def test_the_end_of_a_plug_in_is_its_end_unless_it_stays_or_begins() -> None:
    cases: list[tuple[Phase, dict[str, bool], bool]] = [
        (Phase.FINISHED, {}, True),
        (Phase.FINISHED, {"_stay": True}, False),
        (Phase.FINISHED, {"_opening": True}, False),
        (Phase.UNPLUGGED, {"_plugged": True}, True),
        (Phase.UNPLUGGED, {"_plugged": True, "_stay": True}, True),
        (Phase.UNPLUGGED, {}, False),
        (Phase.SESSION, {"_plugged": True}, False),
    ]
    async with connector() as here:
        evcc = here.evcc
        for phase, given, ends in cases:
            evcc._over = asyncio.get_running_loop().create_future()
            for name in ("_stay", "_opening", "_plugged"):
                setattr(evcc, name, given.get(name, False))
            evcc._heard(PhaseEntered(phase))
            evcc._heard(PhaseEntered(phase))
            assert evcc._over.done() is ends, (phase, given)
        evcc._heard(PhaseEntered(Phase.LINKING))
        assert evcc._plugged
        evcc._over = None
        evcc._heard(PhaseEntered(Phase.UNPLUGGED))


async def test_what_is_seen_of_the_client_is_nothing_until_there_is_one() -> None:
    async with connector() as here:
        evcc = here.evcc
        assert (evcc.session, evcc.any_session, evcc.begun) == (None, None, False)
        client: Any = Client()
        evcc._client = client
        assert (evcc.session, evcc.any_session, evcc.begun) == (client.session, client.any_session, True)
        client.begun = False
        assert evcc.begun is False
        evcc._client = None


@pytest.mark.parametrize(
    ("client", "charging", "lost", "cancelled"),
    [(Client(), 7, 1, False), (Client(), 6, 0, True), (Client(begun=False), 7, 0, True), (None, 7, 0, True)],
)
async def test_a_connection_that_is_dropped_is_that_of_its_session_or_an_attempt(
    client: Client | None, charging: int, lost: int, cancelled: bool
) -> None:
    async with connector() as here:
        evcc = here.evcc
        here_now: Any = client
        evcc._client, evcc._charging = here_now, charging
        attempt = asyncio.create_task(asyncio.sleep(100.0))
        evcc._attempt = attempt
        evcc._carry_out(DropConnection(7, "the link is gone"))
        await turns()
        assert (0 if client is None else client.lost) == lost
        assert attempt.cancelled() is cancelled
        attempt.cancel()
        evcc._attempt = None
        evcc._carry_out(DropConnection(8, "nobody is there"))
        evcc._client = None


@pytest.mark.parametrize("looking", [False, True])
async def test_a_search_is_given_up_and_nothing_else(looking: bool) -> None:
    async with connector() as here:
        evcc = here.evcc
        attempt = asyncio.create_task(asyncio.sleep(100.0))
        evcc._attempt, evcc._looking = attempt, looking
        evcc._carry_out(StopDiscovery())
        await turns()
        assert attempt.cancelled() is looking
        attempt.cancel()
        evcc._attempt, evcc._looking = None, True
        evcc._carry_out(StopDiscovery())


# -- an emulated power line


class Wires:
    """Frames arrive at the other modem after so long."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, float]] = []
        self.deadline: float | None = None
        self.waiting: list[tuple[str, bytes]] = []

    def send(self, modem: str, data: bytes, at: float) -> None:
        self.sent.append((modem, data, at))
        self.waiting.append(("b" if modem == "a" else "a", data))
        self.deadline = at + 0.5

    def arrivals(self, at: float) -> list[tuple[str, bytes]]:
        self.deadline, arrived, self.waiting = None, self.waiting, []
        return arrived


class Port:
    """In place of the packet socket of an interface."""

    made: dict[str, Port]

    def __init__(self, interface: str, received: Any, *, ethertype: int) -> None:
        if interface == "missing":
            raise LinkError("there is no such interface")
        assert ethertype == 0x0003
        self.received = received
        self.sent: list[bytes] = []
        self.closed = 0
        Port.made[interface] = self

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> dict[str, Port]:
    Port.made = {}
    monkeypatch.setattr(module, "PacketPort", Port)
    return Port.made


async def test_a_frame_arrives_at_the_other_interface_when_its_time_has_come(ports: dict[str, Port]) -> None:
    wires = Wires()
    emulated: EmulatedModems[Any] = EmulatedModems(wires, {"ia": "a", "ib": "b"})
    ports["ia"].received(b"one")
    began = now()
    await asyncio.sleep(0.3)
    ports["ia"].received(b"two")  # which puts the time off
    await asyncio.sleep(0.3)
    assert ports["ib"].sent == []
    await asyncio.sleep(0.3)
    assert ports["ib"].sent == [b"one", b"two"]
    assert ports["ia"].sent == []
    assert [at for _, _, at in wires.sent] == [
        pytest.approx(began, abs=0.01),
        pytest.approx(began + 0.3, abs=0.01),
    ]
    ports["ib"].received(b"three")
    emulated.close()
    emulated.close()
    await asyncio.sleep(2.0)
    assert ports["ia"].sent == [], "it was switched off meanwhile"
    assert [port.closed for port in ports.values()] == [2, 2]


async def test_an_interface_that_is_missing_leaves_none_of_the_others_open(ports: dict[str, Port]) -> None:
    wires = Wires()
    with pytest.raises(LinkError, match="no such interface"):
        EmulatedModems(wires, {"ia": "a", "missing": "b"})
    assert ports["ia"].closed == 1
    assert wires.sent == []
