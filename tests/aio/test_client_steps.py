"""Single steps of a vehicle's client: what it leaves behind when a session has ended, fails or never begins.
Drivers, connections and hardware are stand-ins."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from iso15118.aio import EvccClient, evcc_session
from iso15118.aio import evcc as module
from iso15118.aio.results import SessionResult
from iso15118.connector.news import SessionSetUp
from iso15118.errors import ConfigError, HardwareError, LinkError, MisuseError
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason

from .site import LOOPBACK, QUICK_PORTS, Plant, evcc_config
from .test_results import result_of

STATION = (LOOPBACK.address, 1)


class Driver:
    """In place of a session: it ends as the test says."""

    made: ClassVar[list[Any]] = []

    def __init__(self, role: str, take: Any, make: Any, **how: Any) -> None:
        self.make, self.how = make, how
        self.result: asyncio.Future[SessionResult | None] = asyncio.get_running_loop().create_future()
        self.hardware: Any = None
        self.settles_within_s, self.unsafe_because, self.over, self.link_end = 30.0, "", False, None
        self.unheard: list[ev.Event] = []
        self.abandoned: list[Any] = []
        self.told: list[Any] = []
        self.heard: list[Any] = []
        self.stream: Any = None
        self.session: Any = None
        Driver.made.append(self)

    def stream_ready(self, stream: Any) -> None:
        self.stream = stream

    def abandon(self, *why: Any) -> None:
        self.abandoned.append(why)

    def tell(self, event: Any) -> None:
        self.told.append(event)

    def heed(self, event: Any) -> None:
        self.heard.append(event)


class Look:
    """In place of the look between sessions."""

    settles_within_s, trouble = 0.0, ""

    def __init__(self) -> None:
        self.done: list[Any] = []

    def start(self, trouble: str = "") -> None:
        self.done.append(("start", trouble))

    def stop(self) -> None:
        self.done.append("stop")

    async def settle(self) -> bool:
        self.done.append("settle")
        return True


@pytest.fixture(autouse=True)
def drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    Driver.made.clear()
    monkeypatch.setattr(module, "SessionDriver", Driver)


def client_of(**more: Any) -> Any:
    return EvccClient(
        evcc_config(allow_plaintext=True), Plant().evcc, LOOPBACK, port_limits=QUICK_PORTS, **more
    )


async def begun(client: Any, session: Any) -> tuple[asyncio.Task[Any], Driver]:
    task = asyncio.create_task(client.run_without_messages(lambda: session))
    while not Driver.made:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    return task, Driver.made[-1]


@pytest.mark.parametrize("open_", [False, True])
async def test_after_a_session_without_messages_only_an_open_client_beats_and_hears_its_ports(
    open_: bool,
) -> None:
    """Whoever is open still has to hear an alarm; who is not has it when it is asked."""
    client, idle = client_of(), "" if open_ else "no session runs"

    async def find() -> Any:
        assert client.heartbeat.reason == ""
        raise LinkError("nobody")

    client.find = find
    if open_:
        await client.open()
    task, driver = await begun(client, "session")
    for other in (client.run(), client.run_without_messages(lambda: None)):
        with pytest.raises(MisuseError, match="a session of this client is running"):
            await other
    assert driver.make() == "session"
    assert client.heartbeat.reason == ""
    driver.result.set_result(result_of(1))
    assert (await task).ended.detail == "1"
    assert client.heartbeat.reason == idle
    assert client._inbox.orphaned is not open_
    assert (client._driver, client._running) == (None, False)
    with pytest.raises(LinkError, match="nobody"):
        await client.run()
    assert client.heartbeat.reason == idle
    client.emergency_shutdown("button")
    assert client.out_of_service_because == "emergency: button"
    await client.close()
    assert client.heartbeat.reason == ("the client is closed" if open_ else idle)


async def test_a_certificate_that_has_expired_meanwhile_is_said_before_a_session_begins_not_beside_one() -> (
    None
):
    class Tls:
        def check(self) -> None:
            raise ConfigError("tls", "the certificate has expired", "another one")

    client = client_of()
    client._tls = Tls()
    for running, error in ((False, ConfigError), (True, MisuseError)):
        client._running = running
        with pytest.raises(error):
            await client.run()


async def test_a_session_without_messages_that_came_to_nothing_names_the_hardware() -> None:
    """What it was told and did not hear is an alarm from then on."""
    client = client_of()
    task, driver = await begun(client, None)
    driver.unheard.append(ev.HardwareFault("door", "open"))
    driver.result.set_result(None)
    with pytest.raises(HardwareError, match="no session came about"):
        await task
    assert client.out_of_service_because == "door: open"
    client.back_in_service()
    task, driver = await begun_again(client)
    client._service.hardware("warm")
    driver.result.set_result(None)
    with pytest.raises(HardwareError, match=r"^warm$"):
        await task


async def begun_again(client: Any) -> tuple[asyncio.Task[Any], Driver]:
    Driver.made.clear()
    return await begun(client, None)


@pytest.mark.parametrize("hardware", [False, True])
@pytest.mark.parametrize("messages", [False, True])
async def test_a_session_that_is_cancelled_gives_way_when_its_hardware_is_safe(
    hardware: bool, messages: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it has no hardware yet nothing is waited for. A connection is dropped at the end."""
    order: list[str] = []

    class Stream:
        def __init__(self, driver: Any, **how: Any) -> None: ...

        def abort(self) -> None:
            order.append("abort")

    async def connect(*what: Any, **how: Any) -> None: ...

    monkeypatch.setattr(module, "connect", connect)
    client = client_of(station=STATION, connection=Stream)
    look = client._idle = Look()
    run = client.run() if messages else client.run_without_messages(lambda: None)
    task = asyncio.create_task(run)
    while not Driver.made:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    (driver,) = Driver.made
    driver.hardware = SimpleNamespace(trouble="") if hardware else None
    task.cancel()
    await asyncio.sleep(0.01)
    assert task.done() is not hardware
    assert driver.abandoned == [(EndReason.EMERGENCY, "the vehicle was told to drop the session")]
    if hardware:
        assert order == []
        driver.unsafe_because = "closed"
        driver.result.set_result(result_of(1))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert order == (["abort"] if messages else [])
    assert look.done == ([("start", "closed")] if hardware else [])
    assert client._service.unsafe == ("closed" if hardware else "")


async def test_a_session_with_messages_that_was_refused_by_its_hardware_says_so_and_otherwise_by_its_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What has no result while the hardware is safe failed on the way to the station."""

    class Stream:
        def __init__(self, driver: Any, **how: Any) -> None:
            driver.result.set_result(driver.how.get("ends"))

        async def wait_closed(self) -> None: ...

    async def connect(*what: Any, **how: Any) -> None:
        client._service._unsafe = shows.pop(0)

    monkeypatch.setattr(module, "connect", connect)
    client = client_of(station=STATION, connection=Stream)
    shows = ["", "warm"]
    with pytest.raises(LinkError):
        await client.run()
    with pytest.raises(HardwareError, match="out of service: warm"):
        await client.run()


async def test_the_client_reads_contracts_ahead_where_it_has_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the session is made, which must not wait for them."""
    read: list[Any] = []

    async def read_ahead(store: Any) -> None:
        read.append(store)
        raise LinkError("enough")

    monkeypatch.setattr(module, "read_ahead", read_ahead)
    client = client_of()

    async def find() -> Any:
        raise LinkError("nobody")

    client.find = find
    with pytest.raises(LinkError, match="nobody"):
        await client.run()
    client.vehicle = SimpleNamespace(contracts="store")
    with pytest.raises(LinkError, match="enough"):
        await client.run()
    assert read == ["store"]


async def test_contracts_that_ended_a_session_are_remembered_until_an_orderly_end() -> None:
    """Another failure forgets none of them."""
    client = client_of()

    def session(refused: str, reason: EndReason | None) -> Any:
        ended = None if reason is None else act.SessionEnded(reason, "")
        return SimpleNamespace(refused_contract=refused, ended=ended)

    for refused, reason, known in (
        ("one", EndReason.PEER_VANISHED, ("one",)),
        ("two", EndReason.STOPPED_BY_EV, ("one", "two")),
        ("", EndReason.PEER_VANISHED, ("one", "two")),
        ("", None, ("one", "two")),
        ("", EndReason.STOPPED_BY_EV, ()),
    ):
        client._remember(session(refused, reason))
        assert client._refused == known


async def test_the_heartbeat_of_a_vehicle_stops_where_its_hardware_is_in_trouble_or_not_read() -> None:
    """For too long while energy may flow; without a session it is what the last look found."""
    client = client_of()
    assert client._why_unable() == ""
    client._service.hardware("warm")
    assert client._why_unable() == "warm"
    client._driver = SimpleNamespace(hardware=None)
    assert client._why_unable() == "warm"
    now = asyncio.get_running_loop().time()
    hardware = client._driver.hardware = SimpleNamespace(trouble="", live=True, measured_at=now - 1.5)
    client._driver.session = None
    assert client._why_unable() == ""
    hardware.measured_at = now - 1.75
    assert client._why_unable() == "no reading for 1.8 s"
    hardware.live = False
    assert client._why_unable() == ""
    hardware.trouble = "a call hangs"
    assert client._why_unable() == "a call hangs"


@pytest.mark.parametrize("running", [False, True])
async def test_a_client_that_is_closed_has_two_seconds_to_be_safe(
    running: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nobody looks any more; a session that runs still hears its ports. Closed again it does nothing."""
    limits: list[float] = []

    async def insist(step: Any, limit_s: float) -> tuple[Any, bool]:
        limits.append(limit_s)
        return await step(), False

    monkeypatch.setattr(module, "insist", insist)
    client = client_of()
    await client.close()
    await client._life.begin()
    look = client._idle = Look()
    client._inbox.open(asyncio.get_running_loop(), client._deliver)
    client._running = running
    await client.close()
    await client.close()
    assert (look.done, limits) == (["settle", "stop"], [2.0])
    assert client._inbox.orphaned is not running


async def test_who_follows_the_connections_hears_of_each_set_up_also_after_it_failed() -> None:
    """With the number that the connection was given; without one it is the first of none."""
    heard: list[Any] = []

    def follow(event: Any) -> None:
        heard.append(event)
        raise ValueError

    client = client_of(connections=follow)
    for number in (0, 5):
        if number:
            client._number = number
        client._heard(act.StateEntered("supportedAppProtocol"))
        client._heard(act.StateEntered("DC_ChargeLoop"))
    assert heard == [SessionSetUp(0), SessionSetUp(5)]


@pytest.mark.parametrize("epoch", [None, 5.0])
async def test_a_vehicle_counts_its_time_from_the_clock_of_the_system_unless_it_is_told(
    epoch: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the session is made."""
    made: list[Any] = []
    monkeypatch.setattr(evcc_session, "EvccSession", lambda *what, **how: made.append(how))
    monkeypatch.setattr(evcc_session, "time", SimpleNamespace(time=lambda: 1e6))
    await asyncio.sleep(1.0)
    client_of(epoch=epoch)._new_session(None)
    wanted = 1e6 - asyncio.get_running_loop().time() if epoch is None else epoch
    assert math.isclose(made[0]["epoch"], wanted, abs_tol=0.5)


async def test_an_alarm_reaches_hardware_that_a_session_is_still_making_safe() -> None:
    """And holds for the next one all the same."""
    client = client_of()
    task, driver = await begun(client, "session")
    driver.over = True
    client.emergency_shutdown("button")
    assert (driver.heard, driver.told) == ([ev.EmergencyShutdown("button")], [])
    assert client.out_of_service_because == "emergency: button"
    driver.result.set_result(result_of(1))
    await task
